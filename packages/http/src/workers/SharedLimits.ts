/**
 * The limits of all workers of a gateway, in the memory of the main process: rates, and permits of concurrent calls.
 *
 * A worker takes from a limit by asking, or from what it has leased: a part of the limit that counts as used from then on.
 * Before a call is refused, what workers have leased and not used is reclaimed. So what was used and what is leased never
 * exceed a limit together, and no call is refused while some of the limit is unused.
 *
 * A lease of a rate belongs to the window in which it was leased, which does not end before the lease does, unless the lease is
 * reclaimed. A permit that is leased has no window.
 */
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import type { Bucket } from "@understudy/core/internal/policy/Bucket"
import * as Exit from "effect/Exit"
import type { Asks, Lease, Reclaim, Returned } from "./Protocol.ts"
import type { Time } from "./Time.ts"

/** How long a worker has to return what it has leased, in milliseconds: then it counts as used until the worker responds. */
const reclaimTimeout = 100
/** The greatest share of what is left of a rate that is leased at once. */
const greatestShare = 1 / 8
/** How long a lease is valid at least, in milliseconds: the windows of limits of which little is used end sooner. */
const leaseTime = 2000
/** A lease is enough for so many calls as large as the one that asks, or there is none: the limit is scarce. */
const fewestCalls = 4
/** A worker keeps the permits that its calls release while this share of all is free. */
const freeShare = 1 / 2

type Ask = Asks["acquire"]["ask"]
type Reply = Asks["acquire"]["reply"]

export interface Options {
  readonly reclaim: (worker: number, reclaim: Reclaim) => void
  readonly time: Time
  readonly counters: RateLimit.Counters
}

/** A call that waits until what workers have leased of some limits is returned. */
interface Waiting {
  readonly worker: number
  readonly ask: Ask
  readonly reply: (reply: Reply) => void
  readonly keys: ReadonlyArray<string>
  /** Whether it would be refused. Others lease of a new window when the former, which is over but for its leases, can end. */
  readonly isRefused: boolean
}

/** Workers that were asked to return what they have leased of some limits, and the calls that wait for it. */
interface Round {
  readonly keys: ReadonlySet<string>
  readonly unanswered: Set<number>
  readonly waiting: ReadonlyArray<Waiting>
  readonly stopTimer: () => void
}

/** The leases of a limit: of a rate in one window. */
interface Leases {
  readonly window: number
  readonly lessees: Map<number, Lessee>
}

/** How much a worker has leased, and which round of reclaiming had begun by then. */
interface Lessee {
  leased: number
  round: number
}

export class SharedLimits {
  readonly #options: Options
  readonly #counters: RateLimit.Counters
  /** How many permits each worker has, used or kept, by key. */
  readonly #permits = new Map<string, Map<number, number>>()
  readonly #leases = new Map<string, Leases>()
  /** Workers that did not return in time what they have leased, and have sent nothing since. */
  readonly #unresponsive = new Set<number>()
  /** The number of rounds so far, the current one, and the calls that wait for the next. */
  #rounds = 0
  #round: Round | undefined = undefined
  #next: Array<Waiting> = []

  constructor(options: Options) {
    this.#options = options
    this.#counters = options.counters
  }

  /** Notes that a worker has sent a message. */
  responded(worker: number): void {
    this.#unresponsive.delete(worker)
  }

  /** Takes the limits of a call, or nothing, and leases what the worker wants of them. Replies at once, or after a round. */
  acquire(worker: number, ask: Ask, reply: (reply: Reply) => void): void {
    const overdue = this.#overdue(ask)
    if (overdue.length > 0) this.#next.push({ worker, ask, reply, keys: overdue, isRefused: false })
    else {
      const taken = this.#take(worker, ask, true)
      if (taken.exceeded === undefined || !this.#canReclaim(ask, taken.exceeded.limit)) return reply(taken)
      this.#next.push({ worker, ask, reply, keys: keysOf(ask), isRefused: true })
    }
    if (this.#round === undefined) this.#startRound()
  }

  read({ buckets, permit }: Asks["read"]["ask"]): Asks["read"]["reply"] {
    const now = this.#now
    return {
      statuses: buckets.map((bucket) => this.#counters.take(bucket, 0, now)),
      held: permit === undefined ? 0 : this.#held(permit.key),
    }
  }

  release(worker: number, key: string, count = 1): void {
    const holders = this.#permits.get(key)
    const held = holders?.get(worker)
    if (holders === undefined || held === undefined) return
    if (held > count) return void holders.set(worker, held - count)
    holders.delete(worker)
    if (holders.size === 0) this.#permits.delete(key)
  }

  /** Books an amount, whatever remains. More than was taken in this window is not given back, and no leases are. */
  adjust(bucket: Pick<Bucket, "key" | "refill">, tokens: number): void {
    const now = this.#now
    const taken = this.#counters.count(bucket.key, now) - this.#leased(bucket.key, now)
    this.#counters.add(bucket, Math.max(tokens, -Math.max(0, taken)), now)
  }

  /** Books what a worker returns of its leases: all, if it answers a round. */
  returned(worker: number, { permits, rates, round }: Returned): void {
    const now = this.#now
    for (const { key, refill, unused, used, window } of rates) {
      const leases = this.#leases.get(key)
      if (window !== this.#counters.window(key, now) || leases?.window !== window) continue
      const lessee = leases.lessees.get(worker)
      if (lessee !== undefined) lessee.leased -= unused + used
      this.#counters.add({ key, refill }, -unused, now)
    }
    for (const { count, key } of permits) this.release(worker, key, count)
    if (round !== undefined) this.#answered(worker, round)
  }

  /** Takes back the permits of a worker that has ended. What it has leased of rates counts as used. */
  left(worker: number): void {
    for (const [key, holders] of this.#permits) {
      holders.delete(worker)
      if (holders.size === 0) this.#permits.delete(key)
    }
    for (const key of this.#leases.keys()) this.#endLease(worker, key)
    this.#next = this.#next.filter((waiting) => waiting.worker !== worker)
    this.#unresponsive.delete(worker)
    if (this.#round === undefined) return
    this.#round = { ...this.#round, waiting: this.#round.waiting.filter((waiting) => waiting.worker !== worker) }
    if (this.#round.unanswered.delete(worker) && this.#round.unanswered.size === 0) this.#endRound(this.#round)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Taking and leasing
  // -------------------------------------------------------------------------------------------------------------------

  #take(worker: number, ask: Ask, mayLease: boolean): Reply {
    const { buckets, permit, tokens, wanted } = ask
    const now = this.#now
    const left = permit === undefined ? Infinity : permit.max - this.#held(permit.key) - 1
    if (left < 0) return { exceeded: { limit: "concurrency" } }
    const taken = RateLimit.takeAll(this.#counters, { buckets, tokens }, now)
    if (Exit.isFailure(taken)) {
      const [reason] = taken.cause.reasons
      return reason?._tag === "Fail" ? { exceeded: reason.error } : { statuses: [], leases: [], keep: false }
    }
    if (permit !== undefined) this.#hold(worker, permit.key)
    const isKept = (key: string) => mayLease && this.#round?.keys.has(key) !== true
    const leases = buckets.map((bucket, index): Lease | null => {
      const remaining = taken.value[index]?.remaining ?? 0
      const amount = Math.min(wanted[index] ?? 0, Math.floor(remaining * greatestShare))
      if (amount < fewestCalls * Math.max(1, RateLimit.amountOf(ask, bucket)) || !isKept(bucket.key)) return null
      return this.#lease(worker, bucket, amount, now)
    })
    const keep = permit !== undefined && left >= permit.max * freeShare && isKept(permit.key)
    if (keep) this.#lessee(worker, permit.key, 0)
    return { statuses: taken.value, leases, keep }
  }

  #lease(worker: number, bucket: Bucket, amount: number, now: number): Lease {
    this.#counters.add(bucket, amount, now)
    const window = this.#counters.window(bucket.key, now)
    this.#lessee(worker, bucket.key, window).leased += amount
    return { amount, window, until: this.#counters.hold(bucket.key, now + leaseTime, now) }
  }

  #lessee(worker: number, key: string, window: number): Lessee {
    let leases = this.#leases.get(key)
    if (leases?.window !== window) this.#leases.set(key, (leases = { window, lessees: new Map() }))
    let lessee = leases.lessees.get(worker)
    if (lessee === undefined) leases.lessees.set(worker, (lessee = { leased: 0, round: 0 }))
    lessee.round = this.#rounds
    return lessee
  }

  #endLease(worker: number, key: string): void {
    const leases = this.#leases.get(key)
    if (leases?.lessees.delete(worker) !== true || leases.lessees.size > 0) return
    this.#leases.delete(key)
    this.#counters.endHold(key)
  }

  /** How much of a rate is leased in its current window. What workers have used of it is part of that until they return it. */
  #leased(key: string, now: number): number {
    const leases = this.#leases.get(key)
    let leased = 0
    if (leases?.window === this.#counters.window(key, now)) {
      for (const lessee of leases.lessees.values()) leased += lessee.leased
    }
    return leased
  }

  #held(key: string): number {
    let held = 0
    for (const count of this.#permits.get(key)?.values() ?? []) held += count
    return held
  }

  #hold(worker: number, key: string): void {
    let holders = this.#permits.get(key)
    if (holders === undefined) this.#permits.set(key, (holders = new Map()))
    holders.set(worker, (holders.get(worker) ?? 0) + 1)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reclaiming
  // -------------------------------------------------------------------------------------------------------------------

  /** The limits that a call would lease of, in windows that are over but for other leases. */
  #overdue({ buckets, wanted }: Ask): ReadonlyArray<string> {
    return buckets.flatMap(({ key }, index) =>
      wanted[index] !== 0 && this.#counters.overdue(key, this.#now) > leaseTime && this.#lessees(key).length > 0
        ? [key]
        : [],
    )
  }

  /** Whether workers may have something unused of the limit that a call exceeds. An amount above the limit never fits. */
  #canReclaim(ask: Ask, limit: RateLimit.Exceeded["limit"] | "concurrency"): boolean {
    if (limit === "concurrency") return ask.permit !== undefined && this.#lessees(ask.permit.key).length > 0
    return ask.buckets.some(
      (bucket) =>
        bucket.limit === limit && RateLimit.amountOf(ask, bucket) <= bucket.max && this.#lessees(bucket.key).length > 0,
    )
  }

  /** The workers that have leased of a limit and respond. */
  #lessees(key: string): ReadonlyArray<number> {
    const leases = this.#leases.get(key)
    if (leases === undefined || (leases.window !== 0 && leases.window !== this.#counters.window(key, this.#now)))
      return []
    return [...leases.lessees.keys()].filter((worker) => !this.#unresponsive.has(worker))
  }

  /** Nothing is leased of the limits of a round until it ends, so that all that workers have of them is returned. */
  #startRound(): void {
    const waiting = this.#next
    this.#next = []
    const keys = new Set(waiting.flatMap(({ keys }) => keys))
    const asked = new Map<number, Array<string>>()
    for (const key of keys) {
      for (const worker of this.#lessees(key)) asked.set(worker, [...(asked.get(worker) ?? []), key])
    }
    const id = ++this.#rounds
    const stopTimer = this.#options.time.schedule(() => {
      if (this.#round === undefined) return
      for (const worker of this.#round.unanswered) this.#unresponsive.add(worker)
      this.#endRound(this.#round)
    }, reclaimTimeout)
    this.#round = { keys, unanswered: new Set(asked.keys()), waiting, stopTimer }
    if (asked.size === 0) return this.#endRound(this.#round)
    for (const [worker, keys] of asked) this.#options.reclaim(worker, { round: id, keys })
  }

  #answered(worker: number, { id, keys }: NonNullable<Returned["round"]>): void {
    // What was leased after a round that the worker has answered too late is not returned by that.
    for (const key of keys) {
      if ((this.#leases.get(key)?.lessees.get(worker)?.round ?? id) < id) this.#endLease(worker, key)
    }
    const round = this.#round
    if (round === undefined || id !== this.#rounds || !round.unanswered.delete(worker)) return
    if (round.unanswered.size === 0) this.#endRound(round)
  }

  /**
   * Decides the calls that would have been refused. They lease nothing, so that all of them can have what was returned. Others
   * then begin again.
   */
  #endRound({ stopTimer, waiting }: Round): void {
    stopTimer()
    this.#round = undefined
    const again = [...waiting.filter(({ isRefused }) => !isRefused), ...this.#next]
    this.#next = []
    for (const { ask, isRefused, reply, worker } of waiting) if (isRefused) reply(this.#take(worker, ask, false))
    for (const { ask, reply, worker } of again) this.acquire(worker, ask, reply)
  }

  get #now(): number {
    return this.#options.time.now()
  }
}

const keysOf = ({ buckets, permit }: Ask): ReadonlyArray<string> => {
  const keys = buckets.map(({ key }) => key)
  return permit === undefined ? keys : [...keys, permit.key]
}
