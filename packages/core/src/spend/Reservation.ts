/**
 * Reservations: what a call may spend, taken from all the budgets that it falls under, or from none.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Account, Index } from "./Account.ts"
import type { Allowance } from "./Allowance.ts"
import * as Budget from "./Budget.ts"
import type { Nanos } from "./Budget.ts"
import * as Window from "./Window.ts"

/** A budget that a reservation does not fit. */
export class Exceeded {
  readonly _tag = "Exceeded"
  readonly budget: Budget.Budget
  /** What was to be reserved, and what the budget holds in its period. */
  readonly needed: Nanos
  readonly spent: Nanos
  readonly reserved: Nanos
  /** When it would fit if nothing else were spent, in clock milliseconds; `undefined` if it never does. */
  readonly resetAt: number | undefined
  /** Milliseconds until another try is worthwhile; `Infinity` if it never is. Short if only calls in flight are in the way. */
  readonly retryAfter: number

  constructor({ account, needed, now }: { readonly account: Account; readonly needed: Nanos; readonly now: number }) {
    const { reserved, spent } = account.usage(now)
    this.budget = account.budget
    this.needed = needed
    this.spent = spent
    this.reserved = reserved
    this.resetAt = account.resetAt(needed, now)
    const untilReset = this.resetAt === undefined ? Number.POSITIVE_INFINITY : Math.max(0, this.resetAt - now)
    // Otherwise only the calls in flight are in the way, which will have cost less than they reserved.
    const isSpent = this.spent + needed > Budget.toNanos(this.budget.amount)
    this.retryAfter = isSpent ? untilReset : Math.min(settling, untilReset)
  }

  /** Whether it is more than is left of the amount, but not more than all of it. */
  get isUsedUp(): boolean {
    const amount = Budget.toNanos(this.budget.amount)
    return this.needed <= amount && this.spent + this.needed > amount
  }

  get message(): string {
    const { amount, id, window } = this.budget
    const limit = `${Budget.format(Budget.toNanos(amount))} ${Window.describe(window)}`
    const cost = `this call may cost ${Budget.format(this.needed)}`
    if (this.needed > Budget.toNanos(amount)) return `Budget "${id}" allows ${limit}, and ${cost}.`
    const used = `${Budget.format(this.spent)} is spent and ${Budget.format(this.reserved)} is reserved by calls in flight`
    // Such as what other gateways have leased, or none can lease while the database is lost.
    const isElsewhere = this.spent + this.reserved + this.needed <= Budget.toNanos(amount)
    const elsewhere = isElsewhere ? ", what is left is not available to this gateway now" : ""
    const reset =
      this.resetAt === undefined ? "" : ` It resets at ${DateTime.formatIso(DateTime.makeUnsafe(this.resetAt))}.`
    return `Budget "${id}" of ${limit} does not cover this call: ${used}${elsewhere}, and ${cost}.${reset}`
  }
}

/** The wait for calls in flight, in milliseconds: when one ends is not known. */
const settling = 1000

/** Takes an amount from all of the accounts, or from none. An exit, if it is done at once. */
export type Take<A extends Account> = (
  accounts: ReadonlyArray<A>,
  nanos: Nanos,
  now: number,
) => Effect.Effect<ReadonlyArray<Allowance>, Exceeded>

/** The accounts of budgets as they are at this moment, and how an amount is taken from some of them. */
export interface Source<A extends Account> {
  readonly index: Index<A>
  readonly take: Take<A>
}

/** The budgets of some scopes. Their accounts are found again only when others replace them. */
export class Matching<A extends Account> {
  readonly #source: Source<A>
  readonly #scopes: ReadonlyArray<Budget.Scope>
  #index: Index<A> | undefined = undefined
  #accounts: ReadonlyArray<A> = []

  constructor(source: Source<A>, scopes: ReadonlyArray<Budget.Scope>) {
    this.#source = source
    this.#scopes = scopes
  }

  get isLimited(): boolean {
    return this.#found.length > 0
  }

  reserve(nanos: Nanos, now: number): Effect.Effect<Held<A>, Exceeded> {
    const accounts = this.#found
    const { take } = this.#source
    return Effect.mapEager(take(accounts, nanos, now), (allowances) => new Held(take, accounts, nanos, allowances))
  }

  get #found(): ReadonlyArray<A> {
    const { index } = this.#source
    if (index !== this.#index) {
      this.#index = index
      this.#accounts = index.matching(this.#scopes)
    }
    return this.#accounts
  }
}

/** What was taken later, each allowance once. */
interface Hold {
  readonly nanos: Nanos
  readonly allowances: ReadonlyArray<Allowance>
}

/** Amounts held in the allowances of several accounts. */
export class Held<A extends Account> {
  readonly #take: Take<A>
  readonly #accounts: ReadonlyArray<A>
  readonly #nanos: Nanos
  /** What was taken first. `undefined` once it is settled. */
  #allowances: ReadonlyArray<Allowance> | undefined
  #more: ReadonlyArray<Hold> = noHolds

  constructor(take: Take<A>, accounts: ReadonlyArray<A>, nanos: Nanos, allowances: ReadonlyArray<Allowance>) {
    this.#take = take
    this.#accounts = accounts
    this.#nanos = nanos
    this.#allowances = allowances
  }

  /** Takes more from all of the accounts, or from none. */
  grow(nanos: Nanos, now: number): Effect.Effect<void, Exceeded> {
    return Effect.mapEager(this.#take(this.#accounts, nanos, now), (allowances) => {
      this.#more = [...this.#more, { nanos, allowances }]
    })
  }

  /** Replaces what is held by what was spent. Only the first time counts. */
  settle(nanos: Nanos): Effect.Effect<void> {
    let allowances = this.#allowances
    if (allowances === undefined) return Effect.void
    this.#allowances = undefined
    let held = this.#nanos
    let left = nanos
    for (const later of this.#more) {
      const spent = Math.min(left, held)
      left -= spent
      end(allowances, held, spent)
      allowances = later.allowances
      held = later.nanos
    }
    this.#more = noHolds
    // What was spent beyond all that was reserved is booked too.
    end(allowances, held, left)
    return Effect.void
  }
}

const noHolds: ReadonlyArray<Hold> = []

const end = (allowances: ReadonlyArray<Allowance>, held: Nanos, spent: Nanos): void => {
  for (const allowance of allowances) allowance.settle(held, spent)
}

/** Takes an amount from all of the accounts at once. `undefined` if it does not fit one of them: then it is taken from none. */
export const takeNow = (
  accounts: ReadonlyArray<Account>,
  nanos: Nanos,
  now: number,
): ReadonlyArray<Allowance> | undefined => {
  const allowances: Array<Allowance> = []
  for (const account of accounts) {
    const allowance = account.at(now)
    if (!allowance.fits(nanos)) return undefined
    allowances.push(allowance)
  }
  for (const allowance of allowances) allowance.reserve(nanos)
  return allowances
}

/** The error of an amount that does not fit all of the accounts: of those that it does not fit, the one that decides. */
export const refuse = (accounts: ReadonlyArray<Account>, nanos: Nanos, now: number): Effect.Effect<never, Exceeded> => {
  const all: Array<Exceeded> = []
  for (const account of accounts) {
    if (account.at(now).fits(nanos)) continue
    const exceeded = new Exceeded({ account, needed: nanos, now })
    if (exceeded.isUsedUp) account.onUsedUp()
    all.push(exceeded)
  }
  return Effect.fail(all.reduce((first, other) => (decides(other, first) ? other : first)))
}

/** Whether one of two budgets that a call does not fit decides: one that refuses it before one that has it call another route, then the longer wait. */
const decides = (one: Exceeded, other: Exceeded): boolean => {
  const [refuses, otherRefuses] = [one.budget.atLimit === "refuse", other.budget.atLimit === "refuse"]
  return refuses === otherRefuses ? one.retryAfter > other.retryAfter : refuses
}
