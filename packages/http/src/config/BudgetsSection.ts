/**
 * The `budgets` section of a configuration: how much may be spent, by what, and what happens at the limit. Keys have budgets
 * of their own in `keys`.
 */
import { isVendor, vendorNames } from "@understudy/providers/internal/Catalog"
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import type { Budget, Scope } from "@understudy/core/internal/spend/Budget"
import * as Budgets from "@understudy/core/internal/spend/Budget"
import * as Window from "@understudy/core/internal/spend/Window"
import type { Problem } from "@understudy/providers/internal/config/ConfigError"
import {
  address,
  flag,
  number,
  positiveShare,
  secret,
  source,
  text,
  word,
} from "@understudy/providers/internal/config/Fields"
import { DurationText } from "@understudy/providers/internal/config/DurationText"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Database } from "../store/Store.ts"
import { Tag } from "./Tag.ts"
import * as WindowText from "./WindowText.ts"

const optional = Schema.optionalKey

const window = source<Window.Window, string>({
  from: Schema.String,
  to: Schema.Any,
  expected: WindowText.expected,
  parse: (text) => WindowText.parse(text),
  print: WindowText.print,
})

const timeZone = source({
  from: Schema.String,
  to: Schema.String,
  expected: "the name of a time zone, such as Europe/Berlin",
  parse: (zone) => (Window.problem({ unit: "day", timeZone: zone }) === undefined ? zone : undefined),
  print: (zone) => zone,
})

const thenRefuse = source<"refuse", string>({
  from: Schema.String,
  to: Schema.Literal("refuse"),
  expected: "refuse, or a mapping such as { use: cheap }",
  parse: (word) => (word.trim() === "refuse" ? "refuse" : undefined),
  print: (word) => word,
})

/** Each is looked at, and written once, in every round of every gateway. */
const maxAlerts = 20

/** What a budget limits besides its scope. */
const limit = {
  amount: number(
    `an amount of US dollars from 0 to ${Budgets.maxAmount}`,
    (amount) => amount >= 0 && amount <= Budgets.maxAmount,
  ),
  window,
  timeZone: optional(timeZone),
  then: optional(
    Schema.Union([thenRefuse, Schema.Struct({ use: text("the name of a route") })]).annotate({
      expected: "refuse, or a mapping such as { use: cheap }",
    }),
  ),
  alerts: optional(
    Schema.Array(positiveShare)
      .annotate({ expected: "a list of shares such as [0.5, 0.8, 1]" })
      .check(
        Schema.makeFilter((shares) => shares.length <= maxAlerts, {
          expected: `a list of at most ${maxAlerts} shares`,
        }),
      ),
  ),
}

/** A budget of a key, where the key is configured. */
export const KeyBudget = Schema.Struct(limit)

const scopeNames = ["key", "team", "tag", "route", "deployment", "vendor"] as const

const Item = Schema.Struct({
  id: optional(text("a name for the budget, such as search-monthly")),
  key: optional(text("the id of a key")),
  team: optional(text("the name or the id of a team")),
  tag: optional(Tag),
  route: optional(text("the name of a route")),
  deployment: optional(text("the name of a deployment")),
  vendor: optional(text("the name of a vendor, such as openai")),
  all: optional(flag),
  ...limit,
})

const Webhook = Schema.Struct({
  url: address("https://alerts.example.com/understudy"),
  secret: optional(secret),
})

export const BudgetsSection = Schema.Struct({
  list: optional(
    Schema.Array(Item).annotate({ expected: "a list such as [{ team: search, amount: 50, window: month }]" }),
  ),
  onStoreLoss: optional(word(["allow", "refuse"])),
  lease: optional(positiveShare),
  leaseWait: optional(DurationText),
  webhook: optional(Webhook),
})

/** How budgets are kept, and where their alerts go. */
export interface BudgetSettings {
  /** The budgets of the configuration, those of its keys included. */
  readonly budgets: ReadonlyArray<Budget>
  /** What happens to calls that the leased amount does not cover while the database is away. */
  readonly onStoreLoss: "allow" | "refuse"
  /** The share of a budget's amount that a gateway leases at a time. */
  readonly lease: number
  /** How long a call may wait for the database when what is leased does not cover it. */
  readonly leaseWait: Duration.Duration
  readonly webhook: { readonly url: string; readonly secret?: Redacted.Redacted | undefined } | undefined
}

export const defaults: Omit<BudgetSettings, "budgets" | "webhook"> = {
  onStoreLoss: "refuse",
  lease: 0.02,
  leaseWait: Duration.seconds(2),
}

/** A configured key with the budgets that stand beside it. */
interface BudgetedKey {
  readonly id: string
  readonly budgets?: ReadonlyArray<typeof KeyBudget.Type> | undefined
}

/** The section with its defaults filled in, and the budgets of keys. */
export const settings = (
  { list = [], webhook, ...rest }: typeof BudgetsSection.Type,
  keys: ReadonlyArray<BudgetedKey>,
): BudgetSettings => ({
  ...defaults,
  ...rest,
  webhook,
  budgets: numbered([
    ...list.map((item) => ({ id: item.id, scope: scopeOf(item), item })),
    ...keys.flatMap(({ budgets = [], id }) =>
      budgets.map((item) => ({ id: undefined, scope: { type: "key", name: id } as const, item })),
    ),
  ]),
})

/** Budgets without an id are named by what they limit: `team:search/month`, then `team:search/month#2`. Each name is used once. */
const numbered = (
  items: ReadonlyArray<{
    readonly id: string | undefined
    readonly scope: Scope
    readonly item: typeof KeyBudget.Type
  }>,
): ReadonlyArray<Budget> => {
  const used = new Set(items.flatMap(({ id }) => id ?? []))
  const nameOf = (scope: Scope, { window }: typeof KeyBudget.Type): string => {
    const name = `${Budgets.scopeKey(scope)}/${WindowText.print(window).replace(" ", "-")}`
    let own = name
    for (let count = 2; used.has(own); count++) own = `${name}#${count}`
    used.add(own)
    return own
  }
  return items.map(({ id, item, scope }) => ({
    id: id ?? nameOf(scope, item),
    scope,
    amount: item.amount,
    window: inZone(item.window, item.timeZone),
    atLimit: item.then ?? "refuse",
    alerts: item.alerts,
  }))
}

const inZone = (window: Window.Window, timeZone: string | undefined): Window.Window =>
  window !== "total" && "unit" in window ? { ...window, timeZone } : window

const scopeOf = (item: typeof Item.Type): Scope => {
  for (const type of scopeNames) {
    const name = item[type]
    if (name !== undefined) return { type, name }
  }
  return { type: "all" }
}

/** The problems of budgets that limit nothing or several things, name what does not exist, or have no database. */
export const problems = (
  section: typeof BudgetsSection.Type,
  keys: ReadonlyArray<BudgetedKey>,
  { deployments, routes }: { readonly deployments: object; readonly routes: object },
  database: Database | undefined,
): ReadonlyArray<Problem> => {
  const { list = [] } = section
  const named = { key: keys.map(({ id }) => id), route: Object.keys(routes), deployment: Object.keys(deployments) }
  const callable = [...named.route, ...named.deployment]
  const then = (path: string, { then }: typeof KeyBudget.Type) =>
    then === undefined || then === "refuse" ? [] : unknown(`${path}.then.use`, then.use, callable)
  const ids = new Set<string>()
  const found: Array<Problem> = []
  for (const [index, item] of list.entries()) {
    const path = `budgets.list[${index}]`
    const scopes = [...scopeNames.filter((type) => item[type] !== undefined), ...(item.all === true ? ["all"] : [])]
    if (scopes.length !== 1) {
      const limited = scopes.length === 0 ? "nothing" : scopes.join(" and ")
      found.push({ path, message: `limits ${limited}: name one of ${scopeNames.join(", ")}, or all: true` })
    }
    if (item.id !== undefined && ids.has(item.id)) {
      found.push({ path: `${path}.id`, message: `another budget has the id "${item.id}": rename one of them` })
    }
    if (item.id !== undefined) ids.add(item.id)
    for (const type of ["route", "deployment"] as const) {
      const name = item[type]
      if (name !== undefined)
        found.push(...unknown(`${path}.${type}`, name, type === "route" ? callable : named.deployment))
    }
    if (item.key !== undefined && !named.key.includes(item.key) && !isKeyId(item.key)) {
      found.push({ path: `${path}.key`, message: unknownKey(item.key, named.key) })
    }
    if (item.vendor !== undefined && !isVendor(item.vendor)) {
      found.push({ path: `${path}.vendor`, message: unknownVendor(item.vendor) })
    }
    found.push(...then(path, item))
    const useless = uselessRoute(scopeOf(item), item)
    if (useless !== undefined) found.push({ path: `${path}.then.use`, message: useless })
  }
  for (const [index, { budgets = [] }] of keys.entries()) {
    for (const [at, item] of budgets.entries()) found.push(...then(`keys[${index}].budgets[${at}]`, item))
  }
  if (
    database === undefined &&
    (Object.keys(section).length > 0 || keys.some(({ budgets = [] }) => budgets.length > 0))
  ) {
    found.push({
      path: Object.keys(section).length > 0 ? "budgets" : "keys",
      message: 'budgets need a database: add database: "sqlite:./understudy.db", or postgres://… for several gateways',
    })
  }
  return found
}

/** Why a budget of this scope cannot have its calls answered by the route in `then`. */
export const uselessRoute = (scope: Scope, { then }: typeof KeyBudget.Type): string | undefined => {
  if (!Predicate.isObject(then)) return undefined
  // Calls on the route that a budget uses do not count in it: this one would limit nothing.
  if (scope.type === "route" && then.use === scope.name) {
    return `"${then.use}" is the route that the budget limits: name another, or use refuse`
  }
  return scope.type === "deployment" || scope.type === "vendor"
    ? `has no effect on a budget of a ${scope.type}: at the limit its deployments are skipped. Leave out \`then\``
    : undefined
}

/** Whether a key of the database may have this id. */
const isKeyId = (id: string): boolean => /^key_[0-9a-f]{24}$/.test(id)

const unknownKey = (id: string, known: ReadonlyArray<string>): string =>
  `"${id}" is not in \`keys\`${didYouMean(id, known) || ". A key of the database is named by its id, such as key_2851f51d901a006fe54ee190."}`

export const unknownVendor = (name: string): string =>
  `there is no vendor "${name}"${didYouMean(name, vendorNames) || `. Vendors: ${vendorNames.join(", ")}.`}`

const unknown = (path: string, name: string, known: ReadonlyArray<string>): ReadonlyArray<Problem> =>
  known.includes(name) ? [] : [{ path, message: `"${name}" does not exist${didYouMean(name, known) || "."}` }]
