/**
 * The limits of a worker: those of all workers, which `SharedLimits` counts in the main process.
 *
 * A worker that takes from a rate often leases as much of it as its calls take in a second, and keeps the permits that they
 * release, while enough is left for the other workers. Its calls then take from that, without a message. What was not needed for
 * a second is returned, and all of it when the main process reclaims it for a call that it would refuse.
 */
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import type { Bucket, Buckets } from "@understudy/core/internal/policy/Bucket"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Connection } from "./MainProcess.ts"
import type { Asks, Lease, Reclaim, Returned } from "./Protocol.ts"
import * as Time from "./Time.ts"

/** How long a lease shall last, and how long what is leased may be unused, in milliseconds. */
const period = 1000
/** A rate is measured over this time at least, because calls may arrive at once, and at most, in milliseconds. */
const [shortestMeasure, longestMeasure] = [10, 4 * period]
/** A lease is worth its messages for so many calls a period. */
const fewestCalls = 8

/** What a worker has leased of a rate, and how fast it takes from it. */
interface LeasedRate {
  readonly bucket: Bucket
  window: number
  until: number
  unused: number
  /** The least that was unused in this period. */
  lowest: number
  /** How much of the lease calls have taken. */
  used: number
  /** How much was left of the limit, besides leases, when the main process last replied. */
  remaining: number
  /** When the whole limit is available again by what is known here, in clock milliseconds. */
  resetAt: number
  /** How much was taken since a time in clock milliseconds. */
  taken: number
  since: number
  /** Whether it waits for a lease. */
  isAsking: boolean
}

/** Permits that are kept for the next calls. */
interface KeptPermits {
  readonly max: number
  unused: number
  lowest: number
  /** Whether those that calls release are kept. */
  keep: boolean
}

type Call = Pick<RateLimit.LimitedCall, "buckets" | "tokens"> & { readonly permit: RateLimit.Permit | undefined }
type Unavailable = RateLimit.Exceeded | RateLimit.ConcurrencyExceeded
type Statuses = ReadonlyArray<RateLimit.LimitStatus>
type RateReturn = Returned["rates"][number]

export class LeasedLimits implements RateLimit.RemoteLimits {
  readonly #main: Pick<Connection, "ask" | "tell">
  readonly #time: Time.Time
  readonly #rates = new Map<string, LeasedRate>()
  readonly #permits = new Map<string, KeptPermits>()
  #isScheduled = false

  constructor(main: Pick<Connection, "ask" | "tell" | "onReclaim">, time: Time.Time = Time.system) {
    this.#main = main
    this.#time = time
    main.onReclaim((reclaim) => this.#reclaim(reclaim))
  }

  acquire(call: Call): Effect.Effect<Statuses, Unavailable> {
    const now = this.#time.now()
    const { buckets, permit } = call
    if (buckets.every((bucket) => this.#has(bucket, RateLimit.amountOf(call, bucket), now))) {
      if (permit === undefined || this.#hasPermit(permit)) {
        if (permit !== undefined) this.#takePermit(permit)
        return Exit.succeed(buckets.map((bucket) => this.#take(bucket, RateLimit.amountOf(call, bucket), now)))
      }
    }
    return this.#acquireRest(call, now)
  }

  /** Takes what is leased, and asks for the rest: if that is refused, what was leased is given back. */
  #acquireRest(call: Call, now: number): Effect.Effect<Statuses, Unavailable> {
    const { buckets } = call
    const kept = call.permit !== undefined && this.#hasPermit(call.permit) ? call.permit : undefined
    if (kept !== undefined) this.#takePermit(kept)
    const statuses = new Map<Bucket, RateLimit.LimitStatus>()
    const lacking: Array<Bucket> = []
    for (const bucket of buckets) {
      const amount = RateLimit.amountOf(call, bucket)
      if (this.#has(bucket, amount, now)) statuses.set(bucket, this.#take(bucket, amount, now))
      else lacking.push(bucket)
    }
    const ask = {
      buckets: lacking,
      tokens: call.tokens,
      permit: kept === undefined ? call.permit : undefined,
      wanted: lacking.map((bucket) => this.#wanted(bucket, RateLimit.amountOf(call, bucket), now)),
    }
    return Effect.flatMap(this.#main.ask("acquire", ask), (reply) => {
      this.#learn(ask, reply)
      if (reply.exceeded === undefined) {
        lacking.forEach((bucket, index) => statuses.set(bucket, this.#withUnused(reply.statuses[index]!, bucket)))
        return Effect.succeed(buckets.map((bucket) => statuses.get(bucket)!))
      }
      if (kept !== undefined) this.release(kept)
      for (const bucket of statuses.keys()) this.#book(bucket, -RateLimit.amountOf(call, bucket))
      return Effect.fail(reply.exceeded)
    })
  }

  release(permit: RateLimit.Permit): void {
    const kept = this.#permits.get(permit.key)
    if (kept?.keep === true && kept.max === permit.max) kept.unused++
    else this.#main.tell("release", permit, "now")
  }

  adjust(bucket: Bucket, tokens: number): Effect.Effect<void> {
    this.#book(bucket, tokens)
    return Effect.void
  }

  /** Counts as used what other workers have leased. */
  read(buckets: Buckets, permit: RateLimit.Permit | undefined) {
    return Effect.map(this.#main.ask("read", { buckets, permit }), ({ held, statuses }) => ({
      statuses: statuses.map((status, index) => this.#withUnused(status, buckets[index]!)),
      held: held - (permit === undefined ? 0 : (this.#permits.get(permit.key)?.unused ?? 0)),
    }))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Taking what is leased
  // -------------------------------------------------------------------------------------------------------------------

  #has({ key, max }: Bucket, amount: number, now: number): boolean {
    const rate = this.#rates.get(key)
    return rate !== undefined && rate.unused >= amount && now < rate.until && rate.bucket.max === max
  }

  #take(bucket: Bucket, amount: number, now: number): RateLimit.LimitStatus {
    const { limit, max, refill } = bucket
    const rate = this.#rateOf(bucket, now)
    rate.unused -= amount
    rate.used += amount
    rate.taken += amount
    rate.resetAt = Math.max(rate.resetAt, now) + amount * refill
    rate.lowest = Math.min(rate.lowest, rate.unused)
    return {
      name: limit,
      limit: max,
      remaining: Math.min(max, rate.remaining + rate.unused),
      resetAfter: rate.resetAt - now,
    }
  }

  #hasPermit({ key, max }: RateLimit.Permit): boolean {
    const kept = this.#permits.get(key)
    return kept !== undefined && kept.unused > 0 && kept.max === max
  }

  #takePermit({ key }: RateLimit.Permit): void {
    const kept = this.#permits.get(key)
    if (kept === undefined) return
    kept.unused--
    kept.lowest = Math.min(kept.lowest, kept.unused)
  }

  /** Takes an amount, or gives it back: of the lease as far as it can, and the rest at the main process. */
  #book(bucket: Bucket, tokens: number): void {
    const rate = this.#rates.get(bucket.key)
    const isLeased = rate !== undefined && this.#time.now() < rate.until
    let rest = tokens
    if (rate !== undefined) {
      // What is given back after a lease is no longer part of it.
      if (!isLeased) this.#return([returnAll(rate)], [])
      rate.taken = Math.max(0, rate.taken + tokens)
      // More than was taken of the lease is not given back to it: that belongs to another window, or to no lease.
      const own = isLeased ? Math.max(-rate.used, Math.min(rate.unused, tokens)) : 0
      rate.unused -= own
      rate.used += own
      rate.lowest = Math.min(rate.lowest, rate.unused)
      rest -= own
    }
    if (rest === 0) return
    const { key, refill } = bucket
    // Before the client has its answer, so that it can make its next call at any worker; unless that is reclaimed before.
    this.#main.tell("adjust", { bucket: { key, refill }, tokens: rest }, isLeased ? "later" : "now")
  }

  /** What the main process has counted as used, but is unused here. */
  #withUnused(status: RateLimit.LimitStatus, { key }: Bucket): RateLimit.LimitStatus {
    const rate = this.#rates.get(key)
    const unused = rate !== undefined && this.#time.now() < rate.until ? rate.unused : 0
    return { ...status, remaining: Math.min(status.limit, status.remaining + unused) }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Leasing
  // -------------------------------------------------------------------------------------------------------------------

  /** How much to lease: what calls take in a period, if that is worth it. */
  #wanted(bucket: Bucket, amount: number, now: number): number {
    const rate = this.#rateOf(bucket, now)
    if (rate.until <= now) this.#return([returnAll(rate)], [])
    if (now - rate.since > longestMeasure) {
      rate.since = now
      rate.taken = 0
    }
    rate.taken += amount
    const wanted = Math.floor((rate.taken * period) / Math.max(shortestMeasure, now - rate.since))
    if (rate.isAsking || Math.min(rate.taken, wanted) < fewestCalls * amount) return 0
    rate.isAsking = true
    rate.since = now
    rate.taken = 0
    return wanted
  }

  #learn({ buckets, permit, wanted }: Asks["acquire"]["ask"], reply: Asks["acquire"]["reply"]): void {
    buckets.forEach((bucket, index) => {
      const rate = this.#rates.get(bucket.key)
      if (rate === undefined) return
      if (wanted[index] !== 0) rate.isAsking = false
      if (reply.exceeded !== undefined) return
      const [lease, status] = [reply.leases[index] ?? undefined, reply.statuses[index]]
      rate.remaining = (status?.remaining ?? 0) - (lease?.amount ?? 0)
      rate.resetAt = this.#time.now() + (status?.resetAfter ?? 0)
      if (lease !== undefined) add(rate, lease)
    })
    if (permit !== undefined && reply.exceeded === undefined) {
      const { key, max } = permit
      const kept = this.#permits.get(key)
      if (kept?.max === max) kept.keep = reply.keep
      else {
        if (kept !== undefined) this.#return([], [{ key, count: kept.unused }])
        this.#permits.set(key, { max, unused: 0, lowest: 0, keep: reply.keep })
      }
    }
    this.#schedule()
  }

  /** The record of a limit. One whose limit has changed returns what it has. */
  #rateOf(bucket: Bucket, now: number): LeasedRate {
    let rate = this.#rates.get(bucket.key)
    if (rate?.bucket.max === bucket.max) return rate
    if (rate !== undefined) this.#return([returnAll(rate)], [])
    rate = {
      bucket,
      window: 0,
      until: 0,
      unused: 0,
      lowest: 0,
      used: 0,
      remaining: 0,
      resetAt: now,
      taken: 0,
      since: now,
      isAsking: false,
    }
    this.#rates.set(bucket.key, rate)
    return rate
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Returning
  // -------------------------------------------------------------------------------------------------------------------

  #reclaim({ keys, round }: Reclaim): void {
    const rates = keys.flatMap((key) => this.#rates.get(key) ?? [])
    const permits = keys.flatMap((key) => {
      const kept = this.#permits.get(key)
      this.#permits.delete(key)
      return kept === undefined ? [] : [{ key, count: kept.unused }]
    })
    this.#main.tell("returned", { round: { id: round, keys }, rates: rates.map(returnAll), permits }, "now")
  }

  #return(rates: ReadonlyArray<RateReturn>, permits: Returned["permits"]): void {
    const returned = {
      rates: rates.filter(({ unused, used }) => unused + used > 0),
      permits: permits.filter(({ count }) => count > 0),
    }
    if (returned.rates.length + returned.permits.length > 0) this.#main.tell("returned", returned)
  }

  #schedule(): void {
    if (this.#isScheduled || this.#rates.size + this.#permits.size === 0) return
    this.#isScheduled = true
    this.#time.schedule(() => {
      this.#isScheduled = false
      this.#returnUnneeded()
      this.#schedule()
    }, period)
  }

  /** Returns what was not needed since the last time, and forgets limits that are no longer used. */
  #returnUnneeded(): void {
    const now = this.#time.now()
    const rates: Array<RateReturn> = []
    for (const [key, rate] of this.#rates) {
      if (rate.until <= now) {
        rates.push(returnAll(rate))
        if (now - rate.since > longestMeasure && !rate.isAsking) this.#rates.delete(key)
        continue
      }
      rates.push(returnOf(rate, rate.lowest, 0))
      rate.lowest = rate.unused
    }
    const permits: Array<Returned["permits"][number]> = []
    for (const [key, kept] of this.#permits) {
      permits.push({ key, count: kept.lowest })
      kept.unused -= kept.lowest
      if (kept.unused === 0 && (kept.lowest > 0 || !kept.keep)) this.#permits.delete(key)
      kept.lowest = kept.unused
    }
    this.#return(rates, permits)
  }
}

/** Adds a lease. One of another window ends: nothing can be returned to it. */
const add = (rate: LeasedRate, { amount, until, window }: Lease): void => {
  if (rate.window !== window) {
    rate.window = window
    rate.unused = 0
    rate.used = 0
  }
  rate.until = until
  rate.unused += amount
  // It is unused for a whole period before it is returned.
  rate.lowest = 0
}

const returnOf = (rate: LeasedRate, unused: number, used: number): RateReturn => {
  const { bucket, window } = rate
  rate.unused -= unused
  rate.used -= used
  return { key: bucket.key, refill: bucket.refill, window, unused, used }
}

/** Ends a lease. */
const returnAll = (rate: LeasedRate): RateReturn => {
  rate.until = 0
  rate.lowest = 0
  return returnOf(rate, rate.unused, rate.used)
}
