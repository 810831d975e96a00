/**
 * `understudy budgets`: the budgets of a running gateway, and how much of each is used.
 */
import * as Effect from "effect/Effect"
import type * as Fields from "../../api/admin/Fields.ts"
import { scopeTypes } from "../../api/admin/Fields.ts"
import type { KeyBudget } from "../../config/BudgetsSection.ts"
import { plain } from "../../observe/PlainText.ts"
import { section } from "../Table.ts"
import * as Table from "../Table.ts"
import type { AdminClient } from "./AdminClient.ts"
import * as Client from "./AdminClient.ts"
import * as FlagFields from "./FlagFields.ts"
import * as Format from "../Format.ts"
import * as Lookup from "./Lookup.ts"
import type { Common } from "./Output.ts"
import * as Output from "./Output.ts"

/** What a budget is for: one of these. */
export interface ScopeFlags {
  readonly key: string | undefined
  readonly team: string | undefined
  readonly tag: string | undefined
  readonly route: string | undefined
  readonly deployment: string | undefined
  readonly vendor: string | undefined
  readonly all: boolean
}

export interface BudgetFlags {
  readonly amount: number | undefined
  readonly window: string | undefined
  readonly timeZone: string | undefined
  readonly use: string | undefined
  readonly alert: ReadonlyArray<number>
}

export const create = Effect.fnUntraced(function* (input: Common & ScopeFlags & BudgetFlags & Required) {
  const scope = yield* scopeOf(input)
  const api = yield* Client.make(input.url)
  const payload = { scope, ...fields(input), amount: input.amount, window: input.window }
  yield* showOne(api, yield* Client.reply(api.budgets.create({ headers: {}, payload, ...Client.withResponse })), input)
})

interface Required {
  readonly amount: number
  readonly window: string
}

export const list = Effect.fnUntraced(function* (
  input: Common & {
    readonly key: string | undefined
    readonly team: string | undefined
    readonly limit: number | undefined
  },
) {
  const api = yield* Client.make(input.url)
  const key = yield* Lookup.keyId(api, input.key)
  const team = yield* Lookup.teamId(api, input.team)
  const found = yield* Client.pages(input.limit, (query) =>
    Client.reply(
      api.budgets.list({ query: { ...query, ...FlagFields.defined({ key, team }) }, ...Client.withResponse }),
    ),
  )
  const now = yield* Format.now
  const names = input.json ? Lookup.noNames : yield* Lookup.names(api, found.value.data)
  yield* Output.show(found, input, ({ data }) =>
    data.length === 0
      ? ["There are no budgets. Create one: understudy budgets create --team NAME --amount 50 --window month"]
      : Table.lines(rows(data, now, names), amountColumns),
  )
})

export const show = Effect.fnUntraced(function* (input: Common & { readonly budget: string }) {
  const api = yield* Client.make(input.url)
  yield* showOne(api, yield* get(api, input.budget), input)
})

export const update = Effect.fnUntraced(function* (
  input: Common & ScopeFlags & BudgetFlags & { readonly budget: string; readonly clear: ReadonlyArray<string> },
) {
  const scope = isScoped(input) ? { scope: yield* scopeOf(input) } : undefined
  const payload: FlagFields.Patch<typeof Fields.BudgetInput.Encoded> = {
    ...scope,
    ...fields(input),
    ...FlagFields.cleared(input.clear),
  }
  yield* FlagFields.requireSome(payload)
  const api = yield* Client.make(input.url)
  yield* showOne(
    api,
    yield* Client.reply(api.budgets.update({ params: { id: input.budget }, payload, ...Client.withResponse })),
    input,
  )
})

export const remove = Effect.fnUntraced(function* (input: Common & { readonly budget: string; readonly yes: boolean }) {
  const api = yield* Client.make(input.url)
  const found = yield* get(api, input.budget)
  const names = yield* Lookup.names(api, [found.value])
  const budget = `budget ${found.value.id} (${scopeText(found.value.scope, names)}, ${Format.dollars(found.value.amount)} ${windowText(found.value)})`
  yield* Output.confirm(`Delete ${budget}?`, input.yes)
  yield* Client.done(api.budgets.remove({ params: { id: found.value.id } }))
  if (!input.json) yield* Output.print([`Deleted ${budget}.`])
})

const get = (api: AdminClient, id: string) => Client.reply(api.budgets.get({ params: { id }, ...Client.withResponse }))

const showOne = Effect.fnUntraced(function* (api: AdminClient, found: Client.Reply<Fields.Budget>, common: Common) {
  const now = yield* Format.now
  const names = common.json ? Lookup.noNames : yield* Lookup.names(api, [found.value])
  yield* Output.show(found, common, (budget) => {
    const digits = Format.decimals([budget.spent, budget.reserved])
    return section(scopeText(budget.scope, names), [
      ["id", budget.id],
      ["amount", `${Format.dollars(budget.amount)} ${windowText(budget)}`],
      ["used", Format.bar(budget.spent, budget.reserved, budget.amount)],
      ["spent", Format.dollars(budget.spent, digits)],
      ["reserved", Format.dollars(budget.reserved, digits)],
      ["remaining", Format.dollars(budget.remaining, digits)],
      ["resets", budget.resetsAt === null ? "never" : Format.moment(budget.resetsAt, now)],
      ["at the limit", limitText(budget.then)],
      ["alerts", Format.listed(budget.alerts.map((share) => `${Format.number(share * 100)} %`)) ?? "none"],
      ...(budget.source === "configuration" ? [["source", "the configuration"]] : []),
    ])
  })
})

/** A table of budgets, with its header. */
export const rows = (
  budgets: ReadonlyArray<Fields.Budget>,
  now: number,
  names: Lookup.Names | "none" = "none",
): ReadonlyArray<ReadonlyArray<string>> => {
  if (budgets.length === 0) return []
  const digits = Format.decimals(budgets.flatMap(({ reserved, spent }) => [spent, reserved]))
  return [
    [
      ...(names === "none" ? [] : ["for"]),
      "amount",
      "window",
      "used",
      "spent",
      "reserved",
      "resets",
      "at the limit",
      "id",
    ],
    ...budgets.map((budget) => [
      ...(names === "none" ? [] : [scopeText(budget.scope, names)]),
      Format.dollars(budget.amount),
      windowText(budget),
      Format.bar(budget.spent, budget.reserved, budget.amount),
      Format.dollars(budget.spent, digits),
      Format.dollars(budget.reserved, digits),
      budget.resetsAt === null ? "never" : Format.relative(budget.resetsAt, now),
      limitText(budget.then),
      budget.id,
    ]),
  ]
}

const amountColumns = [1, 4, 5]

const windowText = ({ timeZone, window }: Fields.Budget): string =>
  `${window === "total" ? "in total" : /^\d/.test(window) ? `in ${window}` : `a ${window}`}${timeZone === null ? "" : `, ${timeZone}`}`

const limitText = (then: Fields.Budget["then"]): string => (then === "refuse" ? "refuse" : `use ${then.use}`)

// ---------------------------------------------------------------------------------------------------------------------
// What a budget is for
// ---------------------------------------------------------------------------------------------------------------------

/** `team search`, or `everything`. */
const scopeText = (scope: Fields.Scope, names: Lookup.Names): string =>
  scope === "all"
    ? "everything"
    : Object.entries(scope)
        .map(([type, name]) => `${type} ${names.get(name) ?? name}`)
        .join(", ")

const isScoped = (flags: ScopeFlags): boolean => flags.all || scopeTypes.some((type) => flags[type] !== undefined)

const scopeOf = (flags: ScopeFlags): Effect.Effect<typeof Fields.BudgetInput.Encoded.scope, Client.CommandFailed> => {
  const named = scopeTypes.flatMap((type) => (flags[type] === undefined ? [] : [[type, flags[type]] as const]))
  const [first] = named
  if (named.length + (flags.all ? 1 : 0) === 1) {
    return Effect.succeed(first === undefined ? "all" : { [first[0]]: first[1] })
  }
  return Effect.fail(
    new Client.CommandFailed({
      message: `A budget is for one thing: give one of ${scopeTypes.map((type) => `--${type}`).join(", ")} and --all.`,
    }),
  )
}

const fields = ({ alert, amount, timeZone, use, window }: BudgetFlags) => ({
  ...FlagFields.defined({ amount, window, timeZone }),
  ...(use === undefined ? undefined : { then: { use } }),
  ...(alert.length === 0 ? undefined : { alerts: alert }),
})

/** A budget of a new key or team: `5/month`, or `5/month/cheap` with the route that is used at the limit. */
export const parse = (text: string): Effect.Effect<typeof KeyBudget.Encoded, Client.CommandFailed> => {
  const [, amount, window, route] = /^\$?([\d.]+)\/([^/]+)(?:\/(.+))?$/.exec(text.trim()) ?? []
  if (amount === undefined || window === undefined) {
    return Effect.fail(
      new Client.CommandFailed({
        message: `--budget: expected AMOUNT/WINDOW such as 5/month, or AMOUNT/WINDOW/ROUTE such as 5/month/cheap, found "${plain(text)}".`,
      }),
    )
  }
  return Effect.succeed({ amount, window, ...(route === undefined ? undefined : { then: { use: route } }) })
}
