/**
 * Our own limits on a deployment or on who asks: requests per minute and per day, tokens per minute, over Effect's
 * `RateLimiter` (in memory, or shared through Redis by its store). A limit is never waited for: the caller moves on.
 *
 * Tokens are estimated when a call starts and settled when it has ended. Two ways of Effect's limiter are used that its
 * documentation does not name, and that our tests pin: a negative amount gives back, and `onExceeded: "delay"` only
 * returns a delay, so that an overrun can be booked without waiting.
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

/** The kinds of limits: what each counts (one for a request, or its tokens) over which window. */
const windows = { rpm: Duration.minutes(1), rpd: Duration.days(1), tpm: Duration.minutes(1) } as const

type Limit = keyof typeof windows

/** The order in which they are taken: tokens last, for they are the dearest to estimate. */
const order: ReadonlyArray<Limit> = ["rpm", "rpd", "tpm"]

/** A limit that is used up: which one, and when there is room again (milliseconds). */
export interface Exceeded {
  readonly limit: Limit
  readonly retryAfter: number
}

/** Whether there is anything to be kept to. */
export const isLimited = (limits: Limits | undefined): limits is Limits =>
  limits !== undefined && (limits.rpm !== undefined || limits.tpm !== undefined || limits.rpd !== undefined)

type Limiter = RateLimiter.RateLimiter

/**
 * How a limit stands: what it allows, what is left of it (less than nothing after an overrun), and when all of it is there
 * again (milliseconds).
 */
export interface LimitStatus {
  readonly name: Limit
  readonly limit: number
  readonly remaining: number
  readonly resetAfter: number
}

const statusOf = (limit: Limit, seen: RateLimiter.ConsumeResult): LimitStatus => ({
  name: limit,
  limit: seen.limit,
  remaining: seen.remaining,
  resetAfter: Duration.toMillis(seen.resetAfter),
})

const consume = (
  limiter: Limiter,
  limit: Limit,
  name: string,
  most: number,
  tokens: number,
): Effect.Effect<LimitStatus | undefined, Exceeded> =>
  limiter.consume({ key: `${limit}:${name}`, window: windows[limit], limit: most, tokens }).pipe(
    Effect.map((seen) => statusOf(limit, seen)),
    Effect.catch(({ reason }) =>
      reason._tag === "RateLimitExceeded"
        ? Effect.fail({ limit, retryAfter: Duration.toMillis(reason.retryAfter) })
        : Effect.undefined,
    ),
  )

/** How a limit stands just now; takes nothing. */
const read = (limiter: Limiter, limit: Limit, name: string, most: number): Effect.Effect<LimitStatus | undefined> =>
  limiter
    .consume({ key: `${limit}:${name}`, window: windows[limit], limit: most, tokens: 0, onExceeded: "delay" })
    .pipe(
      Effect.map((seen) => statusOf(limit, seen)),
      Effect.orElseSucceed(() => undefined),
    )

const adjust = (limiter: Limiter, limit: Limit, name: string, most: number, tokens: number) =>
  tokens === 0
    ? Effect.void
    : limiter
        .consume({ key: `${limit}:${name}`, window: windows[limit], limit: most, tokens, onExceeded: "delay" })
        .pipe(Effect.ignore)

/**
 * Takes one request and `tokens` tokens from what is limited under a name, and tells how each limit stands then; or says
 * which one is used up, and takes nothing. A store that cannot answer lets the call pass.
 */
export const tryAcquire = (
  limiter: Limiter,
  name: string,
  limits: Limits,
  tokens: number,
): Effect.Effect<ReadonlyArray<LimitStatus>, Exceeded> => {
  const wanted = (limit: Limit): number => (limit === "tpm" ? tokens : 1)
  const from = (index: number): Effect.Effect<ReadonlyArray<LimitStatus>, Exceeded> => {
    const limit = order[index]
    if (limit === undefined) return Effect.succeed([])
    const most = limits[limit]
    if (most === undefined) return from(index + 1)
    return Effect.flatMap(consume(limiter, limit, name, most, wanted(limit)), (taken) =>
      from(index + 1).pipe(
        Effect.tapError(() => adjust(limiter, limit, name, most, -wanted(limit))),
        Effect.map((others) => (taken === undefined ? others : [taken, ...others])),
      ),
    )
  }
  return from(0)
}

/** The same, for whoever only wants to know which limit is used up, if one is. */
export const check = (
  limiter: Limiter,
  name: string,
  limits: Limits,
  tokens: number,
): Effect.Effect<Exceeded | undefined> =>
  Effect.match(tryAcquire(limiter, name, limits, tokens), {
    onSuccess: () => undefined,
    onFailure: (exceeded) => exceeded,
  })

/** How each limit stands just now; takes nothing. */
export const statuses = (limiter: Limiter, name: string, limits: Limits): Effect.Effect<ReadonlyArray<LimitStatus>> =>
  Effect.map(
    Effect.forEach(order, (limit) => {
      const most = limits[limit]
      return most === undefined ? Effect.undefined : read(limiter, limit, name, most)
    }),
    (seen) => seen.filter((each) => each !== undefined),
  )

/** Books the difference between what a call was estimated to use and what it used. */
export const reconcile = (
  limiter: Limiter,
  name: string,
  limits: Limits,
  estimated: number,
  used: number,
): Effect.Effect<void> =>
  limits.tpm === undefined ? Effect.void : adjust(limiter, "tpm", name, limits.tpm, used - estimated)

/** Whether `take` would refuse just now; takes nothing. */
export const peek = (
  limiter: Limiter,
  name: string,
  limits: Limits,
  tokens: number,
): Effect.Effect<Exceeded | undefined> => {
  const check = (limit: Limit): Effect.Effect<Exceeded | undefined> => {
    const most = limits[limit]
    const wanted = limit === "tpm" ? tokens : 1
    if (most === undefined) return Effect.undefined
    // What is larger than the limit never fits: `take` is told so without a look at what is left.
    if (wanted > most) return Effect.succeed({ limit, retryAfter: Duration.toMillis(windows[limit]) })
    return Effect.map(read(limiter, limit, name, most), (seen) =>
      seen !== undefined && seen.remaining < wanted ? { limit, retryAfter: seen.resetAfter } : undefined,
    )
  }
  return Effect.reduce(
    order,
    (): Exceeded | undefined => undefined,
    (found, limit) => (found === undefined ? check(limit) : Effect.succeed(found)),
  )
}
