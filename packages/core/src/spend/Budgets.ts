/**
 * Budgets as a service: what calls may spend is reserved before they are tried, and settled when they have ended. What was
 * spent of a budget and what calls in flight have reserved are together never more than its amount, however calls interleave.
 *
 * `layerMemory` keeps them in this process; `BudgetedRouter` has the calls of a router within them.
 *
 * ```ts
 * const BudgetsLive = Budgets.layerMemory([
 *   { id: "search", scope: { type: "team", name: "search" }, amount: 50, window: { unit: "month" }, atLimit: "refuse" },
 * ])
 * ```
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Account from "./Account.ts"
import type { BudgetAlert, BudgetStatus } from "./Account.ts"
import * as Budget from "./Budget.ts"
import type { Nanos } from "./Budget.ts"
import * as Reservations from "./Reservation.ts"
import type { Exceeded } from "./Reservation.ts"

export { Exceeded } from "./Reservation.ts"
export type { BudgetAlert, BudgetStatus } from "./Account.ts"

/** What a call or an attempt may still spend. */
export interface Reservation {
  /** Reserves more, from every budget of the reservation or from none. `now` in clock milliseconds. */
  readonly grow: (nanos: Nanos, now: number) => Effect.Effect<void, Exceeded>
  /**
   * Ends the reservation: so much was spent. Only the first time counts. More than was reserved is booked too, so that a
   * budget may be exceeded by what a provider charges beyond the most that its call was expected to cost.
   */
  readonly settle: (nanos: Nanos) => Effect.Effect<void>
}

/** The budgets of some scopes. */
export interface MatchingBudgets {
  /** Whether there is one at this moment. */
  readonly isLimited: boolean
  /**
   * Reserves an amount from every one of them, or from none. `now` in clock milliseconds. Must be followed by one `settle`.
   * Where the budgets are in memory it is done by this function, and the effect is an exit: call it where it is to happen,
   * and run the effect once. This holds for the functions of a reservation too.
   */
  readonly reserve: (nanos: Nanos, now: number) => Effect.Effect<Reservation, Exceeded>
}

export class Budgets extends Context.Service<
  Budgets,
  {
    /** The budgets of these scopes, also those that later replace them. To keep it saves finding them for each call. */
    readonly matching: (scopes: ReadonlyArray<Budget.Scope>) => MatchingBudgets
    readonly status: Effect.Effect<ReadonlyArray<BudgetStatus>>
    /**
     * Calls a function once for each share and period of a budget, in the fibre that spends, until the scope closes. It must
     * be quick and must not throw.
     */
    readonly subscribe: (listener: (alert: BudgetAlert) => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("@understudy/core/Budgets") {}

/** Every problem of the budgets of a layer, with its path. */
export class InvalidBudgets extends Data.TaggedError("InvalidBudgets")<{
  readonly problems: ReadonlyArray<Budget.Problem>
}> {
  override get message(): string {
    return this.problems.map(({ message, path }) => `${path}: ${message}`).join("\n")
  }
}

/** Budgets in the memory of this process: nothing is spent when it starts. */
export const layerMemory = (budgets: ReadonlyArray<Budget.Budget>): Layer.Layer<Budgets, InvalidBudgets> =>
  Layer.effect(
    Budgets,
    Effect.map(makeMemory(budgets), ({ service }) => service),
  )

/** Budgets in memory that may be changed. */
export interface MemoryBudgets {
  readonly service: Budgets["Service"]
  /**
   * Replaces the budgets. One that keeps its id, scope and window keeps what was spent, and its reservations; another starts
   * with nothing spent. A lower amount cancels no reservation.
   */
  readonly set: (budgets: ReadonlyArray<Budget.Budget>) => Effect.Effect<void, InvalidBudgets>
}

export const makeMemory = (budgets: ReadonlyArray<Budget.Budget>): Effect.Effect<MemoryBudgets, InvalidBudgets> => {
  const listeners = new Set<(alert: BudgetAlert) => void>()
  const publish = (alert: BudgetAlert): void => {
    for (const listener of listeners) listener(alert)
  }
  const source = {
    index: new Account.Index<Account.MemoryAccount>([]),
    take: (accounts: ReadonlyArray<Account.MemoryAccount>, nanos: Nanos, now: number) => {
      const allowances = Reservations.takeNow(accounts, nanos, now)
      return allowances === undefined ? Reservations.refuse(accounts, nanos, now) : Effect.succeed(allowances)
    },
  }
  const set: MemoryBudgets["set"] = (budgets) =>
    Effect.suspend(() => {
      const problems = Budget.problems(budgets)
      if (problems.length > 0) return Effect.fail(new InvalidBudgets({ problems }))
      const kept = new Map(source.index.all.map((account) => [Account.identity(account.budget), account]))
      source.index = new Account.Index(
        budgets.map((budget) => {
          const account = kept.get(Account.identity(budget))
          if (account === undefined) return new Account.MemoryAccount(budget, publish)
          account.budget = budget
          return account
        }),
      )
      return Effect.void
    })
  const service: Budgets["Service"] = {
    matching: (scopes) => new Reservations.Matching(source, scopes),
    status: Effect.map(Clock.currentTimeMillis, (now) =>
      source.index.all.map((account) => Account.statusOf(account, now)),
    ),
    subscribe: (listener) =>
      Effect.acquireRelease(
        Effect.sync(() => void listeners.add(listener)),
        () => Effect.sync(() => void listeners.delete(listener)),
      ),
  }
  return Effect.as(set(budgets), { service, set })
}
