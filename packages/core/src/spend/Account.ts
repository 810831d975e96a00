/**
 * A budget with what was spent of it: the allowances of the parts of its window that count now, in memory.
 *
 * A reservation is kept in the part in which it was made, and so is what it spent, also when it is settled later. A calendar
 * window has one part that counts; a rolling one has an hour each.
 */
import { Allowance } from "./Allowance.ts"
import * as Budget from "./Budget.ts"
import type { Nanos } from "./Budget.ts"
import * as Window from "./Window.ts"

/** What an account is of interest for, whether its allowances are in memory or leased from a database. */
export interface Account {
  readonly budget: Budget.Budget
  /** The allowance that a reservation at a time is made in. */
  readonly at: (now: number) => Allowance
  /** What counts in the budget's period, for all allowances together. */
  readonly usage: (now: number) => Usage
  /** When so much would fit if nothing else were spent, in clock milliseconds; `undefined` if never. */
  readonly resetAt: (nanos: Nanos, now: number) => number | undefined
  /** Runs when a call was refused that would have fitted the whole amount. */
  readonly onUsedUp: () => void
}

export interface Usage {
  readonly period: Window.Period
  readonly spent: Nanos
  readonly reserved: Nanos
}

/** A budget at a moment. Amounts in US dollars. */
export interface BudgetStatus {
  readonly budget: Budget.Budget
  readonly period: Window.Period
  readonly spent: number
  /** What calls in flight may still spend. */
  readonly reserved: number
}

/** What an account holds at a time. */
export const statusOf = (account: Account, now: number): BudgetStatus => {
  const { period, reserved, spent } = account.usage(now)
  return { budget: account.budget, period, spent: Budget.toDollars(spent), reserved: Budget.toDollars(reserved) }
}

/** Budgets of one identity keep what was spent when they are replaced. */
export const identity = ({ id, scope, window }: Budget.Budget): string =>
  JSON.stringify([id, Budget.scopeKey(scope), window])

/** A share of a budget's amount that was spent. */
export interface BudgetAlert {
  readonly budget: Budget.Budget
  /** Between 0 and 1: one of `budget.alerts`. Share 1 also when the budget first refuses a call. */
  readonly share: number
  /** US dollars. */
  readonly spent: number
  readonly period: Window.Period
}

interface Kept {
  readonly part: Window.Period
  readonly allowance: Allowance
}

/** An allowance that tells when something of it was spent. */
class MemoryAllowance extends Allowance {
  readonly #onSpent: () => void

  constructor(onSpent: () => void) {
    super(0)
    this.#onSpent = onSpent
  }

  override settle(reserved: Nanos, spent: Nanos): void {
    super.settle(reserved, spent)
    if (spent > 0) this.#onSpent()
  }
}

export class MemoryAccount implements Account {
  budget: Budget.Budget
  readonly #publish: (alert: BudgetAlert) => void
  /** Oldest first. */
  #kept: Array<Kept> = []
  #now = 0
  /** The shares whose alert was published, until what was spent is less. */
  #announced: ReadonlyArray<number> = []

  constructor(budget: Budget.Budget, publish: (alert: BudgetAlert) => void) {
    this.budget = budget
    this.#publish = publish
  }

  at(now: number): Allowance {
    this.#advance(now)
    const last = this.#kept[this.#kept.length - 1]
    const current = last !== undefined && this.#now < last.part.end ? last : this.#open()
    const { allowance } = current
    allowance.granted = Budget.toNanos(this.budget.amount) - (this.#used() - allowance.used)
    return allowance
  }

  usage(now: number): Usage {
    this.#advance(now)
    return {
      period: Window.period(this.budget.window, this.#now),
      spent: this.#spent(),
      reserved: this.#used() - this.#spent(),
    }
  }

  resetAt(nanos: Nanos, now: number): number | undefined {
    this.#advance(now)
    const { amount, window } = this.budget
    let missing = nanos + this.#used() - Budget.toNanos(amount)
    if (nanos > Budget.toNanos(amount)) return undefined
    let at = Number.POSITIVE_INFINITY
    for (const { allowance, part } of this.#kept) {
      at = Window.leaves(window, part)
      missing -= allowance.spent
      if (missing <= 0) break
    }
    return Number.isFinite(at) ? at : undefined
  }

  readonly #onSpent = (): void => {
    const reached = this.#spent() / Budget.toNanos(this.budget.amount)
    this.#announce((share) => share <= reached)
  }

  onUsedUp(): void {
    this.#announce((share) => share === 1)
  }

  /** Drops what counts no more. Time does not go back. */
  #advance(now: number): void {
    if (now > this.#now) this.#now = now
    const { window } = this.budget
    const oldest = this.#kept[0]
    if (oldest === undefined || this.#now < Window.leaves(window, oldest.part)) return
    this.#kept = this.#kept.filter(({ part }) => this.#now < Window.leaves(window, part))
    const spent = this.#spent()
    this.#announced = this.#announced.filter((share) => spent >= share * Budget.toNanos(this.budget.amount))
  }

  #open(): Kept {
    const opened = { part: Window.part(this.budget.window, this.#now), allowance: new MemoryAllowance(this.#onSpent) }
    this.#kept.push(opened)
    return opened
  }

  #spent(): Nanos {
    let spent = 0
    for (const { allowance } of this.#kept) spent += allowance.spent
    return spent
  }

  #used(): Nanos {
    let used = 0
    for (const { allowance } of this.#kept) used += allowance.used
    return used
  }

  #announce(isReached: (share: number) => boolean): void {
    const { alerts = Budget.defaultAlerts } = this.budget
    for (const share of alerts) {
      if (!isReached(share) || this.#announced.includes(share)) continue
      this.#announced = [...this.#announced, share]
      this.#publish({
        budget: this.budget,
        share,
        spent: Budget.toDollars(this.#spent()),
        period: Window.period(this.budget.window, this.#now),
      })
    }
  }
}

/** Accounts by the scopes of their budgets: finding those of a call costs the same for ten budgets and for ten thousand. */
export class Index<A extends Account> {
  readonly all: ReadonlyArray<A>
  readonly #byType: Readonly<Record<Budget.Scope["type"], Map<string, ReadonlyArray<A>>>>

  constructor(all: ReadonlyArray<A>) {
    this.all = all
    const named = (type: Budget.Scope["type"]) =>
      Map.groupBy(
        all.filter(({ budget }) => budget.scope.type === type),
        ({ budget }) => nameOf(budget.scope),
      )
    this.#byType = {
      key: named("key"),
      team: named("team"),
      tag: named("tag"),
      route: named("route"),
      deployment: named("deployment"),
      vendor: named("vendor"),
      all: named("all"),
    }
  }

  /** The accounts of all these scopes, each once, but those that send their calls to the route that is among the scopes. */
  matching(scopes: ReadonlyArray<Budget.Scope>): ReadonlyArray<A> {
    const found: Array<A> = []
    let route: string | undefined
    for (const scope of scopes) if (scope.type === "route") route = scope.name
    for (const scope of scopes) {
      const accounts = this.#byType[scope.type].get(nameOf(scope))
      if (accounts === undefined) continue
      for (const account of accounts) {
        const { atLimit } = account.budget
        const uses = atLimit !== "refuse" && atLimit.use === route
        if (!uses && !found.includes(account)) found.push(account)
      }
    }
    return found
  }
}

const nameOf = (scope: Budget.Scope): string => (scope.type === "all" ? "" : scope.name)
