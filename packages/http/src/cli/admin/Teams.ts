/**
 * `understudy teams`: the teams of a running gateway.
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
  input: Common & FlagFields.SharedFlags & { readonly name: string; readonly budget: ReadonlyArray<string> },
) {
  const budgets = yield* Effect.forEach(input.budget, Budgets.parse)
  const api = yield* Client.make(input.url)
  const payload = {
    name: input.name,
    ...FlagFields.shared(input),
    ...(budgets.length === 0 ? undefined : { budgets }),
  }
  yield* showOne(yield* Client.reply(api.teams.create({ headers: {}, payload, ...Client.withResponse })), input)
})

export const list = Effect.fnUntraced(function* (input: Common & { readonly limit: number | undefined }) {
  const api = yield* Client.make(input.url)
  const found = yield* Client.pages(input.limit, (query) =>
    Client.reply(api.teams.list({ query, ...Client.withResponse })),
  )
  yield* Output.show(found, input, ({ data }) =>
    data.length === 0
      ? ["There are no teams. Create one: understudy teams create NAME"]
      : Table.lines(
          [
            ["name", "id", "keys", "routes", "limits", "state"],
            ...data.map((team) => [
              team.name,
              team.id,
              Format.number(team.keys),
              Format.listed(team.routes ?? []) ?? "all",
              Format.limits(team.limits),
              state(team),
            ]),
          ],
          [2],
        ),
  )
})

export const show = Effect.fnUntraced(function* (input: Common & { readonly team: string }) {
  const api = yield* Client.make(input.url)
  yield* showOne(yield* Lookup.team(api, input.team), input)
})

export const update = Effect.fnUntraced(function* (
  input: Common &
    FlagFields.SharedFlags & {
      readonly team: string
      readonly name: string | undefined
      readonly clear: ReadonlyArray<string>
    },
) {
  const payload: FlagFields.Patch<typeof Fields.TeamChanged.Encoded> = {
    ...FlagFields.defined({ name: input.name }),
    ...FlagFields.shared(input),
    ...FlagFields.cleared(input.clear),
  }
  yield* FlagFields.requireSome(payload)
  const api = yield* Client.make(input.url)
  yield* showOne(
    yield* Client.reply(api.teams.update({ params: { id: input.team }, payload, ...Client.withResponse })),
    input,
  )
})

export const remove = Effect.fnUntraced(function* (input: Common & { readonly team: string; readonly yes: boolean }) {
  const api = yield* Client.make(input.url)
  const { id, name } = (yield* Lookup.team(api, input.team)).value
  const team = `team "${name}" (${id})`
  yield* Output.confirm(`Delete ${team} and its budgets?`, input.yes)
  yield* Client.done(api.teams.remove({ params: { id } }))
  if (!input.json) yield* Output.print([`Deleted ${team}.`])
})

const showOne = Effect.fnUntraced(function* (found: Client.Reply<typeof Fields.TeamWithBudgets.Type>, common: Common) {
  const now = yield* Format.now
  yield* Output.show(found, common, (team) => [
    ...section(team.name, [
      ["id", team.id],
      ["state", state(team)],
      ["keys", Format.number(team.keys)],
      ["routes", Format.listed(team.routes ?? []) ?? "all"],
      ["limits", Format.limits(team.limits)],
      ...FlagFields.metadataRow(team.metadata),
      ["created", Format.moment(team.createdAt, now)],
    ]),
    ...section("budgets", Budgets.rows(team.budgets, now)),
  ])
})

const state = ({ disabled }: Fields.Team): string => (disabled ? "disabled" : "active")
