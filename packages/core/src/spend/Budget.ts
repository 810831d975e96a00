/**
 * A budget: how much may be spent in a window, by what it limits, and what happens at the limit.
 *
 * ```ts
 * const budgets: ReadonlyArray<Budget.Budget> = [
 *   { id: "search", scope: { type: "team", name: "search" }, amount: 50, window: { unit: "month" }, atLimit: "refuse" },
 *   { id: "all", scope: { type: "all" }, amount: 20, window: { unit: "day", timeZone: "Europe/Berlin" }, atLimit: { use: "cheap" } },
 * ]
 * ```
 */
import * as Window from "./Window.ts"

export type { Period, Unit, Window } from "./Window.ts"

/** A whole number of nanodollars: 1e-9 US$. Sums of these are exact, where sums of dollars are not. */
export type Nanos = number

export interface Budget {
  /** Its name in errors, alerts and skip reasons. Unique. */
  readonly id: string
  readonly scope: Scope
  /** US dollars. */
  readonly amount: number
  readonly window: Window.Window
  /**
   * What happens to a call that does not fit: it fails (`refuse`), or it calls another route. The budget does not count calls
   * on that route. A budget of a deployment or a vendor skips the deployment in both cases.
   */
  readonly atLimit: "refuse" | { readonly use: string }
  /** The shares of the amount at which an alert is published. Default: 0.5, 0.8 and 1. */
  readonly alerts?: ReadonlyArray<number> | undefined
}

/**
 * What a budget limits: the calls of a key or application (`CallOptions.caller`), of a team, with a tag, or on a route; the
 * attempts at a deployment, or at the deployments of a vendor (`Deployment.Options.vendor`); everything.
 */
export type Scope =
  | { readonly type: "key" | "team" | "tag" | "route" | "deployment" | "vendor"; readonly name: string }
  | { readonly type: "all" }

export const scopeTypes: ReadonlyArray<Scope["type"]> = ["key", "team", "tag", "route", "deployment", "vendor", "all"]

export const defaultAlerts: ReadonlyArray<number> = [0.5, 0.8, 1]

/** US dollars in nanodollars, rounded. */
export const toNanos = (dollars: number): Nanos => Math.round(dollars * 1e9)

/** Nanodollars in US dollars. */
export const toDollars = (nanos: Nanos): number => nanos / 1e9

/** US dollars for messages, such as `$50.00`, or `$0.0025` for less than a cent's precision. */
export const format = (nanos: Nanos): string => {
  const dollars = toDollars(nanos)
  const cents = dollars.toFixed(2)
  return `$${Number(cents) === dollars ? cents : String(Number(dollars.toPrecision(4)))}`
}

/** One name for a scope, such as `team:search`; `all` for everything. */
export const scopeKey = (scope: Scope): string => (scope.type === "all" ? "all" : `${scope.type}:${scope.name}`)

/** A value that is not allowed, with its path. */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** Every problem of these budgets: amounts and shares that are no such numbers, unknown windows, ids that occur twice. */
export const problems = (budgets: ReadonlyArray<Budget>): ReadonlyArray<Problem> => {
  const found: Array<Problem> = []
  const ids = new Set<string>()
  for (const [index, budget] of budgets.entries()) {
    const report = (path: string, message: string) => void found.push({ path: `budgets[${index}].${path}`, message })
    if (budget.id === "") report("id", "must not be empty")
    if (ids.has(budget.id)) report("id", `"${budget.id}" occurs twice: give each budget an id of its own`)
    ids.add(budget.id)
    if (!(budget.amount >= 0 && budget.amount <= maxAmount)) {
      report("amount", `must be a number of US dollars from 0 to ${maxAmount}`)
    }
    const window = Window.problem(budget.window)
    if (window !== undefined) report("window", window)
    for (const share of budget.alerts ?? []) {
      if (!(share > 0 && share <= 1)) report("alerts", `${share} is not a share: use numbers above 0 and up to 1`)
    }
  }
  return found
}

/** The largest amount, in US dollars: above it, nanodollars are no safe integers. */
export const maxAmount = 9_000_000
