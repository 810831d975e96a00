/**
 * Rate limits of a deployment or a key: requests per minute and per day, tokens per minute. They are counted by Effect's
 * `RateLimiter`, in memory or, by its store, in Redis. A limit is never waited for.
 *
 * A call takes an estimate of its tokens when it starts; `reconcile` books the difference once it has ended. For that,
 * two undocumented properties of Effect's limiter are used, and held by tests: a negative amount gives tokens back, and
 * `onExceeded: "delay"` returns a delay without waiting, so that an overrun can be booked.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type { Limits } from "../policy/Limits.ts"

/** Effect's limiter for one process. */
export const layerMemory: Layer.Layer<RateLimiter.RateLimiter> = Layer.provide(
  RateLimiter.layer,
  RateLimiter.layerStoreMemory,
)

/** The kinds of limits, each over its window: requests per minute and per day, tokens per minute. */
const windows = { rpm: Duration.minutes(1), rpd: Duration.days(1), tpm: Duration.minutes(1) } as const

type LimitName = keyof typeof windows

/** The order in which limits are taken. */
const order: ReadonlyArray<LimitName> = ["rpm", "rpd", "tpm"]

/** The limits under one name, and the limiter that counts them. */
export interface Limited {
  readonly limiter: RateLimiter.RateLimiter
  readonly name: string
  readonly limits: Limits
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

/** Whether there is a limit to keep. */
export const isLimited = (limits: Limits | undefined): limits is Limits =>
  limits !== undefined && (limits.rpm !== undefined || limits.tpm !== undefined || limits.rpd !== undefined)

/**
 * Takes one request and `tokens` tokens, and gives the state of each limit after that; or fails with the limit that is used
 * up, and takes nothing. A store that cannot be reached lets the call pass.
 */
export const tryAcquire = (call: LimitedCall): Effect.Effect<ReadonlyArray<LimitStatus>, Exceeded> => {
  const from = (index: number): Effect.Effect<ReadonlyArray<LimitStatus>, Exceeded> => {
    const limit = order[index]
    if (limit === undefined) return Effect.succeed([])
    const max = call.limits[limit]
    if (max === undefined) return from(index + 1)
    const tokens = amountOf(call, limit)
    return Effect.flatMap(consume(call, { limit, max, tokens }), (status) =>
      from(index + 1).pipe(
        Effect.tapError(() => adjust(call, { limit, max, tokens: -tokens })),
        Effect.map((others) => (status === undefined ? others : [status, ...others])),
      ),
    )
  }
  return from(0)
}

/** Books the difference between the tokens that a call was estimated to use and those it used. */
export const reconcile = (
  call: Limited & { readonly estimated: number; readonly used: number },
): Effect.Effect<void> => {
  const max = call.limits.tpm
  return max === undefined ? Effect.void : adjust(call, { limit: "tpm", max, tokens: call.used - call.estimated })
}

/** The state of each limit. Takes nothing; a limit whose store cannot be reached is left out. */
export const statuses = (limited: Limited): Effect.Effect<ReadonlyArray<LimitStatus>> =>
  Effect.map(
    Effect.forEach(order, (limit) => {
      const max = limited.limits[limit]
      return max === undefined ? Effect.undefined : read(limited, { limit, max })
    }),
    (statuses) => statuses.filter((status) => status !== undefined),
  )

/** The limit for which `tryAcquire` would fail now, if any. Takes nothing. */
export const peek = (call: LimitedCall): Effect.Effect<Exceeded | undefined> => {
  const exceeded = (limit: LimitName): Effect.Effect<Exceeded | undefined> => {
    const max = call.limits[limit]
    const tokens = amountOf(call, limit)
    if (max === undefined) return Effect.undefined
    // An amount above the limit never fits: the limiter refuses it whatever remains.
    if (tokens > max) return Effect.succeed({ limit, retryAfter: Duration.toMillis(windows[limit]) })
    return Effect.map(read(call, { limit, max }), (status) =>
      status !== undefined && status.remaining < tokens ? { limit, retryAfter: status.resetAfter } : undefined,
    )
  }
  return Effect.reduce(
    order,
    (): Exceeded | undefined => undefined,
    (found, limit) => (found === undefined ? exceeded(limit) : Effect.succeed(found)),
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// One limit
// ---------------------------------------------------------------------------------------------------------------------

/** What a call takes of a limit: one request, or its tokens. */
const amountOf = ({ tokens }: LimitedCall, limit: LimitName): number => (limit === "tpm" ? tokens : 1)

/** An amount of one limit. */
interface Amount {
  readonly limit: LimitName
  readonly max: number
  readonly tokens: number
}

/** Fails when the limit is used up; `undefined` when the store cannot be reached. */
const consume = (limited: Limited, amount: Amount): Effect.Effect<LimitStatus | undefined, Exceeded> =>
  limited.limiter.consume(bucketOf(limited, amount)).pipe(
    Effect.map((result) => statusOf(amount.limit, result)),
    Effect.catch(({ reason }) =>
      reason._tag === "RateLimitExceeded"
        ? Effect.fail({ limit: amount.limit, retryAfter: Duration.toMillis(reason.retryAfter) })
        : Effect.undefined,
    ),
  )

const read = (limited: Limited, { limit, max }: Omit<Amount, "tokens">): Effect.Effect<LimitStatus | undefined> =>
  limited.limiter.consume({ ...bucketOf(limited, { limit, max, tokens: 0 }), onExceeded: "delay" }).pipe(
    Effect.map((result) => statusOf(limit, result)),
    Effect.orElseSucceed(() => undefined),
  )

/** Takes an amount, or gives it back if it is negative, whatever remains. */
const adjust = (limited: Limited, amount: Amount): Effect.Effect<void> =>
  amount.tokens === 0
    ? Effect.void
    : Effect.ignore(limited.limiter.consume({ ...bucketOf(limited, amount), onExceeded: "delay" }))

const bucketOf = ({ name }: Limited, { limit, max, tokens }: Amount) => ({
  key: `${limit}:${name}`,
  window: windows[limit],
  limit: max,
  tokens,
})

const statusOf = (name: LimitName, { limit, remaining, resetAfter }: RateLimiter.ConsumeResult): LimitStatus => ({
  name,
  limit,
  remaining,
  resetAfter: Duration.toMillis(resetAfter),
})
