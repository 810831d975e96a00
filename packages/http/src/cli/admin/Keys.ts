/**
 * `understudy keys`: the virtual keys of a running gateway.
 */
import * as Effect from "effect/Effect"
import type * as Fields from "../../api/admin/Fields.ts"
import { section } from "../Table.ts"
import * as Table from "../Table.ts"
import * as Client from "./AdminClient.ts"
import * as Budgets from "./Budgets.ts"
import * as FlagFields from "./FlagFields.ts"
import * as Format from "../Format.ts"
import * as Lookup from "./Lookup.ts"
import type { Common } from "./Output.ts"
import * as Output from "./Output.ts"

export const create = Effect.fnUntraced(function* (
  input: Common &
    FlagFields.KeyFlags & { readonly name: string; readonly budget: ReadonlyArray<string>; readonly quiet: boolean },
) {
  const budgets = yield* Effect.forEach(input.budget, Budgets.parse)
  const api = yield* Client.make(input.url)
  const payload = {
    name: input.name,
    ...FlagFields.key(input),
    ...(budgets.length === 0 ? undefined : { budgets }),
  }
  const made = yield* Client.reply(api.keys.create({ headers: {}, payload, ...Client.withResponse }))
  yield* showText(made, input, ({ id, name }) => `Created key "${name}" (${id}).`)
})

export const list = Effect.fnUntraced(function* (
  input: Common & { readonly team: string | undefined; readonly limit: number | undefined },
) {
  const api = yield* Client.make(input.url)
  const found = yield* Lookup.keys(api, input.limit, input.team)
  const now = yield* Format.now
  yield* Output.show(found, input, ({ data }) =>
    data.length === 0
      ? ["There are no keys. Create one: understudy keys create NAME"]
      : Table.lines([
          ["name", "id", "team", "role", "routes", "limits", "last used", "state"],
          ...data.map((key) => [
            key.name,
            key.id,
            key.team ?? "-",
            key.role,
            Format.listed(key.routes ?? []) ?? "all",
            Format.limits(key.limits),
            key.lastUsedAt === null ? "-" : Format.relative(key.lastUsedAt, now),
            state(key, now),
          ]),
        ]),
  )
})

export const show = Effect.fnUntraced(function* (input: Common & { readonly key: string }) {
  const api = yield* Client.make(input.url)
  const found = yield* Lookup.key(api, input.key)
  const now = yield* Format.now
  yield* Output.show(found, input, (key) => describe(key, now))
})

export const update = Effect.fnUntraced(function* (
  input: Common &
    FlagFields.KeyFlags & {
      readonly key: string
      readonly name: string | undefined
      readonly clear: ReadonlyArray<string>
    },
) {
  const payload = {
    ...FlagFields.defined({ name: input.name }),
    ...FlagFields.key(input),
    ...FlagFields.cleared(input.clear),
  }
  yield* FlagFields.requireSome(payload)
  yield* change(input, payload)
})

/** Rejects the calls of a key from now on, or accepts them again. */
export const disable = (input: Common & { readonly key: string }) => change(input, { disabled: true })
export const enable = (input: Common & { readonly key: string }) => change(input, { disabled: false })

const change = Effect.fnUntraced(function* (
  input: Common & { readonly key: string },
  payload: FlagFields.Patch<typeof Fields.KeyChanged.Encoded>,
) {
  const api = yield* Client.make(input.url)
  const { value } = yield* Lookup.key(api, input.key)
  const changed = yield* Client.reply(api.keys.update({ params: { id: value.id }, payload, ...Client.withResponse }))
  const now = yield* Format.now
  yield* Output.show(changed, input, (key) => describe(key, now))
})

export const rotate = Effect.fnUntraced(function* (
  input: Common & { readonly key: string; readonly overlap: string | undefined; readonly quiet: boolean },
) {
  const api = yield* Client.make(input.url)
  const { value } = yield* Lookup.key(api, input.key)
  const rotated = yield* Client.reply(
    api.keys.rotate({
      params: { id: value.id },
      headers: {},
      payload: FlagFields.defined({ overlap: input.overlap }),
      ...Client.withResponse,
    }),
  )
  yield* showText(rotated, input, ({ formerKeyUntil, id, name }) => {
    const former =
      input.overlap === undefined || formerKeyUntil === null
        ? "The former text is rejected from now on."
        : `The former text is accepted until ${formerKeyUntil}.`
    return `Key "${name}" (${id}) has a new text. ${former}`
  })
})

export const remove = Effect.fnUntraced(function* (input: Common & { readonly key: string; readonly yes: boolean }) {
  const api = yield* Client.make(input.url)
  const { id, name } = (yield* Lookup.key(api, input.key)).value
  const key = `key "${name}" (${id})`
  yield* Output.confirm(`Delete ${key} and its budgets? Its calls are rejected from then on.`, input.yes)
  yield* Client.done(api.keys.remove({ params: { id } }))
  if (!input.json) yield* Output.print([`Deleted ${key}.`])
})

/** Prints a key's text, which is only known now. */
const showText = (
  made: Client.Reply<typeof Fields.NewKey.Type>,
  options: Common & { readonly quiet: boolean },
  title: (key: Fields.Key) => string,
): Effect.Effect<void> =>
  Output.show(made, options, (key) =>
    options.quiet
      ? [key.key ?? ""]
      : [title(key), "", `  ${key.key ?? ""}`, "", "Keep this text now: it will not be shown again."],
  )

const describe = (key: typeof Fields.KeyWithBudgets.Type, now: number): ReadonlyArray<string> => [
  ...section(key.name, [
    ["id", key.id],
    ...(key.hint === null ? [] : [["text", `ends with ${key.hint}`]]),
    ...(key.formerKeyUntil === null || Date.parse(key.formerKeyUntil) <= now
      ? []
      : [["former text", `accepted until ${Format.moment(key.formerKeyUntil, now)}`]]),
    ["state", state(key, now)],
    ["team", key.team ?? "none"],
    ["role", key.role],
    ["routes", Format.listed(key.routes ?? []) ?? "all"],
    ["limits", Format.limits(key.limits)],
    ["tags", Format.listed(key.tags) ?? "none"],
    ...FlagFields.metadataRow(key.metadata),
    ["expires", key.expiresAt === null ? "never" : Format.moment(key.expiresAt, now)],
    ...(key.createdAt === null ? [] : [["created", Format.moment(key.createdAt, now)]]),
    ["last used", key.lastUsedAt === null ? "never" : Format.moment(key.lastUsedAt, now)],
  ]),
  ...section("budgets", Budgets.rows(key.budgets, now)),
]

const state = ({ disabled, expiresAt, source }: Fields.Key, now: number): string =>
  disabled
    ? "disabled"
    : expiresAt !== null && Date.parse(expiresAt) <= now
      ? "expired"
      : source === "configuration"
        ? "active, in the configuration"
        : "active"
