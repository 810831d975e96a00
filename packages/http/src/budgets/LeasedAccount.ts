/**
 * A budget that several gateways share. What this gateway may spend of it is leased from the database, in parts of its amount;
 * calls reserve from what is leased, in memory. `LeasedBudgets` writes and renews the leases.
 */
import type { Account, BudgetAlert, Usage } from "@understudy/core/internal/spend/Account"
import { identity } from "@understudy/core/internal/spend/Account"
import { Allowance } from "@understudy/core/internal/spend/Allowance"
import type { Budget, Nanos } from "@understudy/core/internal/spend/Budget"
import { defaultAlerts, toDollars, toNanos } from "@understudy/core/internal/spend/Budget"
import * as Window from "@understudy/core/internal/spend/Window"

/** What is leased for one part of a budget's window. A reservation that fits changes nothing else; the next round sees it here. */
class LeasedAllowance extends Allowance {
  /** The largest reservation that was tried since the account last observed it, and whether there was one. */
  largest: Nanos = 0
  isUsed = false
  /** With less left than this, more is leased at once. */
  low: Nanos = 0
  readonly #account: Pick<LeasedAccount, "onLow" | "onLarger">

  constructor(account: Pick<LeasedAccount, "onLow" | "onLarger">) {
    super(0)
    this.#account = account
  }

  override reserve(nanos: Nanos): void {
    super.reserve(nanos)
    this.tried(nanos)
    if (this.granted - this.used < this.low) this.#account.onLow()
  }

  tried(nanos: Nanos): void {
    this.isUsed = true
    if (nanos <= this.largest) return
    this.largest = nanos
    this.#account.onLarger()
  }
}

/** What this gateway has leased for one part of a budget's window. */
export interface Lease {
  readonly part: Window.Period
  readonly allowance: LeasedAllowance
  /** What the database has of it. */
  written: Written | undefined
}

/** A lease as it is in the database. */
export interface Written {
  readonly granted: Nanos
  readonly spent: Nanos
  readonly reserved: Nanos
}

/** What all other gateways have leased, spent and reserved in the period, as the database last said. */
export interface Elsewhere {
  readonly granted: Nanos
  /** What a gateway that died had leased counts as spent: what became of it is not known. */
  readonly spent: Nanos
  readonly reserved: Nanos
}

/** What is to be leased besides, or is given back, of one part. */
export interface Change {
  readonly lease: Lease
  readonly delta: Nanos
}

/** How leases are to change. */
export interface Plan {
  readonly changes: ReadonlyArray<Change>
  /** Calls lack what is not left to lease, or nothing is left to lease ahead of them. */
  readonly shortage: "exhausted" | "fully leased" | undefined
}

/** An alert whose share is reached, and is not known to be published. */
export interface DueAlert {
  readonly account: LeasedAccount
  readonly alert: BudgetAlert
}

export const nothing: Elsewhere = { granted: 0, spent: 0, reserved: 0 }

/** After this many milliseconds without a reservation, what is left of a lease is returned. */
const idleAfter = 5000

/** For so many milliseconds after nothing was left to lease, none is asked for. */
const exhaustedFor = 500

export class LeasedAccount implements Account {
  budget: Budget
  /** What its leases are written under. Not the id: with another scope or window, the budget starts with nothing spent. */
  readonly key: string
  elsewhere: Elsewhere = nothing
  /** Oldest first. */
  leases: Array<Lease> = []
  /** Whether a call was refused that would have fitted the whole amount. */
  isUsedUp = false
  /** The shares of the current period whose alert is written. */
  readonly announced = new Set<number>()
  #alertPeriod: number
  /** The share of the amount that is leased at a time, from 0 to 1. */
  readonly #share: number
  #current: Lease | undefined
  #now: number
  /** The period at `#now`: to find it takes a calendar. */
  #period: Window.Period
  #usedAt: number
  /** What calls that wait for the lease need. */
  #wanted: Nanos = 0
  /** The largest reservation of the last seconds, and when it was made. */
  #largest: Nanos = 0
  #largestAt = Number.NEGATIVE_INFINITY
  /** Whether the first refusal of the period is not written. */
  #isRefusalNew = false
  #exhaustedUntil = 0
  #fullyLeasedUntil = 0
  /** Tells that its leases have to be written at once: calls lack something, or soon will. */
  readonly #onUrgent: (account: LeasedAccount) => void

  constructor(budget: Budget, share: number, now: number, onUrgent: (account: LeasedAccount) => void) {
    this.budget = budget
    this.#share = share
    this.key = identity(budget)
    this.#usedAt = now
    this.#now = now
    this.#period = Window.period(budget.window, now)
    this.#alertPeriod = this.alertPeriod
    this.#onUrgent = onUrgent
  }

  get amount(): Nanos {
    return toNanos(this.budget.amount)
  }

  /** What is leased at a time, in nanodollars. */
  get chunk(): Nanos {
    return Math.ceil(this.amount * this.#share)
  }

  at(now: number): LeasedAllowance {
    const current = this.#current
    if (current !== undefined && now < current.part.end) return current.allowance
    this.advance(now)
    return this.current().allowance
  }

  usage(now: number): Usage {
    this.advance(now)
    const since = this.since
    let { reserved, spent } = this.elsewhere
    for (const { allowance, part } of this.leases) {
      if (part.start < since) continue
      spent += allowance.spent
      reserved += allowance.reserved
    }
    return { period: this.#period, spent, reserved }
  }

  resetAt(nanos: Nanos, now: number): number | undefined {
    this.advance(now)
    const { window } = this.budget
    if (nanos > this.amount || window === "total") return undefined
    // When spending of other gateways leaves a rolling window is not known: some of it does at the end of each hour.
    return Window.part(window, this.#now).end
  }

  onUsedUp(): void {
    this.#isRefusalNew ||= !this.isUsedUp
    this.isUsedUp = true
  }

  /** More is leased once less is left than half of what is kept free. */
  onLow(): void {
    this.#onUrgent(this)
  }

  /** A reservation was tried that is larger than those since it was last observed. */
  onLarger(): void {
    this.#look()
  }

  /** What is kept free for the next calls: a chunk, or as much as the largest call of late. */
  #ahead(chunk: Nanos): Nanos {
    return this.#now - this.#largestAt < idleAfter ? Math.max(chunk, this.#largest) : chunk
  }

  /** Remembers the largest reservation of the last seconds, and sets when the allowance is low. */
  #look(): void {
    const now = this.#now
    const { allowance } = this.current()
    if (allowance.isUsed) this.#usedAt = now
    if (allowance.largest > 0 && (allowance.largest >= this.#largest || now - this.#largestAt >= idleAfter)) {
      this.#largest = allowance.largest
      this.#largestAt = now
    }
    allowance.low = now >= this.#fullyLeasedUntil ? this.#ahead(this.chunk) / 2 : 0
  }

  /** Where the period that counts begins, in clock milliseconds. */
  get since(): number {
    return this.#period.start
  }

  /** The number that tells alerts of one period from those of another: a day, where the window is rolling. */
  get alertPeriod(): number {
    const { window } = this.budget
    return window !== "total" && "days" in window ? Math.floor(this.#now / 86_400_000) * 86_400_000 : this.since
  }

  /** The lease of the part in which reservations are made now. */
  current(): Lease {
    const last = this.#current
    if (last !== undefined && this.#now < last.part.end) return last
    const part = Window.part(this.budget.window, this.#now)
    const opened: Lease = { part, allowance: new LeasedAllowance(this), written: undefined }
    this.leases.push(opened)
    this.#current = opened
    this.#look()
    return opened
  }

  /** Time does not go back. With a new period, nothing of the last one counts. */
  advance(now: number): void {
    if (now > this.#now) this.#now = now
    if (this.#now < this.#period.end) return
    this.#period = Window.period(this.budget.window, this.#now)
    if (this.#alertPeriod === this.alertPeriod) return
    this.#alertPeriod = this.alertPeriod
    this.announced.clear()
    this.isUsedUp = false
    this.elsewhere = nothing
    this.#exhaustedUntil = 0
  }

  /** Whether a lease that covers so much may be had. */
  canWant(nanos: Nanos, now: number): boolean {
    const { allowance } = this.current()
    return now >= this.#exhaustedUntil && allowance.used + nanos <= this.amount
  }

  /**
   * Asks for a lease that covers so much, besides what others have asked for. It is kept until `stopWanting`: more than one
   * round may be written before the call can take it.
   */
  want(nanos: Nanos): void {
    this.#wanted += nanos
    this.#onUrgent(this)
  }

  /** A call that asked for so much has reserved it, or waits no more. */
  stopWanting(nanos: Nanos): void {
    this.#wanted -= nanos
  }

  /** Takes what no database has granted, so that so much can be reserved. */
  overdraw(nanos: Nanos): void {
    const { allowance } = this.current()
    allowance.granted = Math.max(allowance.granted, allowance.used + nanos)
  }

  /** What is leased in the period that counts. */
  get granted(): Nanos {
    const since = this.since
    return this.leases.reduce((sum, { allowance, part }) => (part.start >= since ? sum + allowance.granted : sum), 0)
  }

  /**
   * What the lease of each part should change by, given what is left of the amount to lease: at least what calls lack; else
   * `chunk` or a large call ahead of what is used, less when little is left; and back what is not needed.
   */
  plan(left: Nanos, chunk: Nanos): Plan {
    const now = this.#now
    const current = this.current()
    const changes: Array<Change> = []
    let available = left
    const giveBack = (lease: Lease, nanos: Nanos): void => {
      if (nanos <= 0) return
      available += nanos
      changes.push({ lease, delta: -nanos })
    }
    for (const lease of this.leases) {
      if (lease !== current) giveBack(lease, lease.allowance.granted - lease.allowance.used)
    }
    const { allowance } = current
    // Below zero where calls have spent more than they reserved: that is leased too.
    const free = allowance.granted - allowance.used
    const ahead = chunk === 0 ? 0 : this.#ahead(chunk)
    const wanted = this.#wanted
    const lacking = Math.max(0, wanted - free)
    let shortage: Plan["shortage"]
    if (available < 0) giveBack(current, Math.min(Math.max(0, free), -available))
    else if (lacking > 0) {
      const granted = Math.min(available, Math.max(lacking, Math.min(ahead, available / 2)))
      if (granted < lacking) shortage = "exhausted"
      if (granted > 0) changes.push({ lease: current, delta: Math.floor(granted) })
    } else if (now - this.#usedAt >= idleAfter) giveBack(current, free - wanted)
    else if (free > 2 * ahead) giveBack(current, free - Math.max(ahead, wanted))
    else if (free < ahead / 2) {
      const more = Math.floor(Math.min(ahead - free, available / 2))
      if (more > 0) changes.push({ lease: current, delta: more })
      else shortage = "fully leased"
    }
    return { changes, shortage }
  }

  /** Whether a plan changes nothing, and the database has what is leased. */
  isSteady({ changes, shortage }: Plan): boolean {
    return (
      changes.length === 0 &&
      shortage === undefined &&
      this.leases.every(({ allowance, written }) => allowance.granted === (written?.granted ?? 0))
    )
  }

  /** Begins what is planned: what is given back can no longer be reserved. Gives what is leased as soon as it is written. */
  begin({ changes, shortage }: Plan): ReadonlyArray<Change> {
    this.#isRefusalNew = false
    const until = this.#now + exhaustedFor
    if (shortage === "exhausted") this.#exhaustedUntil = until
    else if (shortage === "fully leased") this.#fullyLeasedUntil = until
    for (const { delta, lease } of changes) if (delta < 0) lease.allowance.granted += delta
    this.#look()
    return changes.filter(({ delta }) => delta > 0)
  }

  /** Whether there is something to write: leases that have changed or are not used, or that the budget is used up. */
  get isDue(): boolean {
    const isIdle = this.#now - this.#usedAt >= idleAfter
    return (
      this.#isRefusalNew ||
      this.leases.some(({ allowance, written }) => {
        const { granted, reserved, spent, used } = allowance
        return spent !== (written?.spent ?? 0) || reserved !== (written?.reserved ?? 0) || (isIdle && granted > used)
      })
    )
  }

  /** Takes account of the reservations made since the last round. */
  observe(now: number): void {
    this.advance(now)
    this.#look()
    const { allowance } = this.current()
    allowance.isUsed = false
    allowance.largest = 0
  }

  /** Whether nothing is leased, spent or reserved: nothing of it would be missed if the budget came back. */
  get isEmpty(): boolean {
    return this.leases.every(({ allowance }) => allowance.granted === 0 && allowance.used === 0)
  }

  /** The alerts that are due by what all gateways have spent. */
  alertsDue(now: number): ReadonlyArray<DueAlert> {
    const { budget } = this
    const { period, spent } = this.usage(now)
    const reached = this.isUsedUp ? 1 : spent / this.amount
    return (budget.alerts ?? defaultAlerts)
      .filter((share) => share <= reached && !this.announced.has(share))
      .map((share) => ({ account: this, alert: { budget, share, spent: toDollars(spent), period } }))
  }

  /** Forgets the leases of parts that count no more and are settled. */
  forget(): void {
    const since = this.since
    this.leases = this.leases.filter(({ allowance, part }) => part.start >= since || allowance.reserved > 0)
  }
}
