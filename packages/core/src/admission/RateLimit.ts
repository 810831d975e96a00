/**
 * Rate limits of a deployment or a key: requests per minute and per day, tokens per minute. They are counted by Effect's
 * `RateLimiter`: in memory by the limiter below, in Redis by Effect's. A limit is never waited for.
 *
 * A call takes an estimate of its tokens when it starts; `reconcile` books the difference once it has ended. For that,
 * two undocumented properties of Effect's limiter are used, and held by tests: a negative amount gives tokens back, and
 * `onExceeded: "delay"` returns a delay without waiting, so that an overrun can be booked.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type { Bucket, Buckets, LimitName } from "../policy/Bucket.ts"

/**
 * Effect's limiter. One that counts in memory has its counters, for use without an effect. One that counts in another
 * process has `remote`, which takes all limits of a call at once.
 */
export type Limiter = RateLimiter.RateLimiter & {
  readonly counters?: Counters | undefined
  readonly remote?: RemoteLimits | undefined
}

/** A concurrency limit: at most `max` calls at a time hold a permit under this key. */
export interface Permit {
  readonly key: string
  readonly max: number
}

/** The limits of several processes, which one of them counts: rates, and the concurrency that a process alone cannot know. */
export interface RemoteLimits {
  /**
   * Takes a permit if one is given, one request and `tokens` tokens, and gives the state of each limit after that; or fails
   * with what is used up, and takes nothing. Must not be interrupted: what it took would not be given back. Where this
   * process has leased what the call needs, it runs as it is called, and returns an exit.
   */
  readonly acquire: (
    call: Pick<LimitedCall, "buckets" | "tokens"> & { readonly permit: Permit | undefined },
  ) => Effect.Effect<ReadonlyArray<LimitStatus>, Exceeded | ConcurrencyExceeded>
  /** Gives a permit back, without waiting for it. */
  readonly release: (permit: Permit) => void
  /** Takes an amount of one limit, or gives it back if it is negative, whatever remains. Runs as it is called. */
  readonly adjust: (bucket: Bucket, tokens: number) => Effect.Effect<void>
  /** The state of each limit, and how many permits are held. */
  readonly read: (
    buckets: Buckets,
    permit: Permit | undefined,
  ) => Effect.Effect<{ readonly statuses: ReadonlyArray<LimitStatus>; readonly held: number }>
}

/** No permit is left. */
export interface ConcurrencyExceeded {
  readonly limit: "concurrency"
}

/** Limits, and the limiter that counts them. */
export interface Limited {
  readonly limiter: Limiter
  readonly buckets: Buckets
}

/** A call on limits. `tokens` is the estimate for the whole call. */
export interface LimitedCall extends Limited {
  readonly tokens: number
}

/** A limit that is used up. `retryAfter` is in milliseconds. */
export interface Exceeded {
  readonly limit: LimitName
  readonly retryAfter: number
}

/** The state of a limit. */
export interface LimitStatus {
  readonly name: LimitName
  readonly limit: number
  /** Negative after an overrun. */
  readonly remaining: number
  /** Milliseconds until the whole limit is available again. */
  readonly resetAfter: number
}

/**
 * Takes one request and `tokens` tokens, and gives the state of each limit after that; or fails with the limit that is used
 * up, and takes nothing. A store that cannot be reached lets the call pass.
 *
 * With a limiter in memory it runs at once, and returns an exit.
 */
export const tryAcquire = (
  call: LimitedCall,
  clock: Clock.Clock,
): Effect.Effect<ReadonlyArray<LimitStatus>, Exceeded> => {
  const { counters, remote } = call.limiter
  if (counters !== undefined) return takeAll(counters, call, clock.currentTimeMillisUnsafe())
  return remote === undefined ? acquireFrom(call, clock, 0, none) : acquireRemotely(remote, call)
}

/** Without a permit, none can be missing. */
const acquireRemotely = (
  remote: RemoteLimits,
  call: LimitedCall,
): Effect.Effect<ReadonlyArray<LimitStatus>, Exceeded> =>
  Effect.catchEager(remote.acquire({ buckets: call.buckets, tokens: call.tokens, permit: undefined }), (exceeded) =>
    exceeded.limit === "concurrency" ? Effect.succeed(none) : Effect.fail(exceeded),
  )

const none: ReadonlyArray<LimitStatus> = []

/** `tryAcquire` from counters in memory, at `now` in clock milliseconds. */
export const takeAll = (
  counters: Counters,
  call: Pick<LimitedCall, "buckets" | "tokens">,
  now: number,
): Exit.Exit<ReadonlyArray<LimitStatus>, Exceeded> => {
  const taken: Array<LimitStatus> = []
  for (const bucket of call.buckets) {
    const status = counters.take(bucket, amountOf(call, bucket), now)
    if (status.remaining < 0) {
      taken.forEach((_, index) => counters.add(call.buckets[index]!, -amountOf(call, call.buckets[index]!), now))
      return Exit.fail({ limit: bucket.limit, retryAfter: status.resetAfter })
    }
    taken.push(status)
  }
  return Exit.succeed(taken)
}

const acquireFrom = (
  call: LimitedCall,
  clock: Clock.Clock,
  index: number,
  taken: ReadonlyArray<LimitStatus>,
): Effect.Effect<ReadonlyArray<LimitStatus>, Exceeded> => {
  const bucket = call.buckets[index]
  if (bucket === undefined) return Effect.succeed(taken)
  const amount = amountOf(call, bucket)
  return Effect.flatMap(consume(call.limiter, bucket, amount), (status) =>
    Effect.tapError(acquireFrom(call, clock, index + 1, status === undefined ? taken : [...taken, status]), () =>
      adjust(call.limiter, bucket, -amount, clock),
    ),
  )
}

/**
 * Books the difference between the tokens that a call was estimated to use and those it used. With a limiter in memory it
 * runs at once.
 */
export const reconcile = (
  { buckets, estimated, limiter, used }: Limited & { readonly estimated: number; readonly used: number },
  clock: Clock.Clock,
): Effect.Effect<void> => {
  const tpm = buckets.find(({ limit }) => limit === "tpm")
  return tpm === undefined ? Effect.void : adjust(limiter, tpm, used - estimated, clock)
}

/** Gives back what a call took, as if it had not been made. With a limiter in memory it runs at once. */
export const giveBack = (call: LimitedCall, clock: Clock.Clock): Effect.Effect<void> =>
  Effect.forEach(call.buckets, (bucket) => adjust(call.limiter, bucket, -amountOf(call, bucket), clock), {
    discard: true,
  })

/** The state of each limit. Takes nothing; a limit whose store cannot be reached is left out. */
export const statuses = ({ buckets, limiter }: Limited): Effect.Effect<ReadonlyArray<LimitStatus>> =>
  limiter.remote === undefined
    ? Effect.map(
        Effect.forEach(buckets, (bucket) => read(limiter, bucket)),
        (statuses) => statuses.filter((status) => status !== undefined),
      )
    : Effect.map(limiter.remote.read(buckets, undefined), ({ statuses }) => statuses)

/** The limit for which `tryAcquire` would fail now, if any. Takes nothing. */
export const peek = (call: LimitedCall): Effect.Effect<Exceeded | undefined> => {
  const exceeded = (bucket: Bucket): Effect.Effect<Exceeded | undefined> => {
    const { limit, max } = bucket
    const amount = amountOf(call, bucket)
    // An amount above the limit never fits: the limiter refuses it whatever remains.
    if (amount > max) return Effect.succeed({ limit, retryAfter: bucket.window })
    return Effect.map(read(call.limiter, bucket), (status) =>
      status !== undefined && status.remaining < amount ? { limit, retryAfter: status.resetAfter } : undefined,
    )
  }
  return Effect.reduce(
    call.buckets,
    (): Exceeded | undefined => undefined,
    (found, bucket) => (found === undefined ? exceeded(bucket) : Effect.succeed(found)),
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// One limit
// ---------------------------------------------------------------------------------------------------------------------

/** What a call takes of a limit: one request, or its tokens. */
export const amountOf = ({ tokens }: Pick<LimitedCall, "tokens">, { limit }: Bucket): number =>
  limit === "tpm" ? tokens : 1

/** Fails when the limit is used up; `undefined` when the store cannot be reached. */
const consume = (limiter: Limiter, bucket: Bucket, tokens: number): Effect.Effect<LimitStatus | undefined, Exceeded> =>
  limiter.consume(optionsOf(bucket, tokens)).pipe(
    Effect.map((result) => statusOf(bucket.limit, result)),
    Effect.catch(({ reason }) =>
      reason._tag === "RateLimitExceeded"
        ? Effect.fail({ limit: bucket.limit, retryAfter: Duration.toMillis(reason.retryAfter) })
        : Effect.undefined,
    ),
  )

const read = (limiter: Limiter, bucket: Bucket): Effect.Effect<LimitStatus | undefined> =>
  limiter.remote === undefined
    ? readFrom(limiter, bucket)
    : Effect.map(limiter.remote.read([bucket], undefined), ({ statuses }) => statuses[0])

const readFrom = (limiter: Limiter, bucket: Bucket): Effect.Effect<LimitStatus | undefined> =>
  limiter.consume({ ...optionsOf(bucket, 0), onExceeded: "delay" }).pipe(
    Effect.map((result) => statusOf(bucket.limit, result)),
    Effect.orElseSucceed(() => undefined),
  )

/** Takes an amount, or gives it back if it is negative, whatever remains. */
export const adjust = (limiter: Limiter, bucket: Bucket, tokens: number, clock: Clock.Clock): Effect.Effect<void> => {
  if (tokens === 0) return Effect.void
  if (limiter.remote !== undefined) return limiter.remote.adjust(bucket, tokens)
  if (limiter.counters === undefined) {
    return Effect.ignore(limiter.consume({ ...optionsOf(bucket, tokens), onExceeded: "delay" }))
  }
  limiter.counters.add(bucket, tokens, clock.currentTimeMillisUnsafe())
  return Effect.void
}

const optionsOf = ({ key, max, window }: Bucket, tokens: number) => ({
  key,
  window: Duration.millis(window),
  limit: max,
  tokens,
})

const statusOf = (name: LimitName, { limit, remaining, resetAfter }: RateLimiter.ConsumeResult): LimitStatus => ({
  name,
  limit,
  remaining,
  resetAfter: Duration.toMillis(resetAfter),
})

// ---------------------------------------------------------------------------------------------------------------------
// Counters in memory
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The counters of one process. The arithmetic is that of Effect's `RateLimiter.layerStoreMemory`, which a property test
 * holds; Effect's can only be asked by an effect. `now` is in clock milliseconds.
 */
export class Counters {
  readonly #counters = new Map<string, Counter>()

  /** Takes an amount, unless it exceeds the limit: then `remaining` is negative. */
  take(bucket: Bucket, tokens: number, now: number): LimitStatus {
    const { limit, max, window } = bucket
    if (tokens > max) return { name: limit, limit: max, remaining: max - tokens, resetAfter: window }
    const counter = this.#counter(bucket.key, now)
    const remaining = max - counter.count - tokens
    if (remaining >= 0) this.#add(counter, bucket, tokens)
    return { name: limit, limit: max, remaining, resetAfter: endOf(counter) - now }
  }

  /** Adds an amount, whatever remains. */
  add(bucket: Pick<Bucket, "key" | "refill">, tokens: number, now: number): void {
    this.#add(this.#counter(bucket.key, now), bucket, tokens)
  }

  /** How much is taken of a limit. */
  count(key: string, now: number): number {
    return this.#counter(key, now).count
  }

  /** The number of the current window of a limit: each has another. */
  window(key: string, now: number): number {
    return this.#counter(key, now).window
  }

  /**
   * Keeps the current window of a limit from ending before it would end now, and before `until`, whatever is given back of it.
   * Returns until when, in clock milliseconds.
   */
  hold(key: string, until: number, now: number): number {
    const counter = this.#counter(key, now)
    return (counter.heldUntil = Math.max(endOf(counter), until))
  }

  /** For how many milliseconds the current window of a limit has lasted only because it is held; negative if it is not over. */
  overdue(key: string, now: number): number {
    return now - this.#counter(key, now).expiresAt
  }

  /** Ends the hold of a window. */
  endHold(key: string): void {
    const counter = this.#counters.get(key)
    if (counter !== undefined) counter.heldUntil = 0
  }

  /** `fixedWindow` of Effect's store: the count with the amount, and the milliseconds until it is 0 again. */
  fixedWindow(
    {
      key,
      max,
      refill,
      tokens,
    }: { readonly key: string; readonly tokens: number; readonly refill: number; readonly max: number | undefined },
    now: number,
  ): readonly [count: number, resetAfter: number] {
    const counter = this.#counter(key, now)
    const count = counter.count + tokens
    if (max === undefined || count <= max) this.#add(counter, { refill }, tokens)
    return [count, endOf(counter) - now]
  }

  #counter(key: string, now: number): Counter {
    let counter = this.#counters.get(key)
    if (counter === undefined) {
      this.#counters.set(key, (counter = { count: 0, expiresAt: now, heldUntil: 0, window: 1 }))
    } else if (endOf(counter) <= now) {
      counter.count = 0
      counter.expiresAt = now
      counter.heldUntil = 0
      counter.window++
    }
    return counter
  }

  #add(counter: Counter, { refill }: Pick<Bucket, "refill">, tokens: number): void {
    counter.count += tokens
    counter.expiresAt += refill * tokens
  }
}

interface Counter {
  count: number
  expiresAt: number
  /** The window does not end before this; 0 if nothing holds it. */
  heldUntil: number
  window: number
}

const endOf = ({ expiresAt, heldUntil }: Counter): number => Math.max(expiresAt, heldUntil)

/** Effect's limiter for one process, over `Counters`. */
export const layerMemory: Layer.Layer<RateLimiter.RateLimiter> = Layer.effect(
  RateLimiter.RateLimiter,
  Effect.gen(function* () {
    const counters = new Counters()
    const store = yield* RateLimiter.RateLimiterStore
    const limiter = yield* Effect.provideService(RateLimiter.make, RateLimiter.RateLimiterStore, {
      ...store,
      fixedWindow: ({ key, limit, refillRate, tokens }) =>
        Effect.clockWith((clock) =>
          Effect.sync(() =>
            counters.fixedWindow(
              { key, tokens, refill: Duration.toMillis(refillRate), max: limit },
              clock.currentTimeMillisUnsafe(),
            ),
          ),
        ),
    })
    return { ...limiter, counters } satisfies Limiter
  }),
).pipe(Layer.provide(RateLimiter.layerStoreMemory))
