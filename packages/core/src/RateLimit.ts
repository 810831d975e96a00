/**
 * Our own limits on a deployment: requests per minute and per day, tokens per minute, over Effect's `RateLimiter` (in memory, or shared
 * through Redis by its store). A limit is never waited for: the caller moves on.
 *
 * Tokens are estimated when a call starts and settled when it has ended. Two ways of Effect's limiter are used that its
 * documentation does not name, and that our tests pin: a negative amount gives back, and `onExceeded: "delay"` only
 * returns a delay, so that an overrun can be booked without waiting.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type { Limits } from "./Deployment.ts"

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

const consume = (
  limiter: Limiter,
  limit: Limit,
  name: string,
  most: number,
  tokens: number,
): Effect.Effect<Exceeded | undefined> =>
  limiter.consume({ key: `${limit}:${name}`, window: windows[limit], limit: most, tokens }).pipe(
    Effect.as(undefined),
    Effect.catch((error) =>
      Effect.succeed(
        error.reason._tag === "RateLimitExceeded"
          ? { limit, retryAfter: Duration.toMillis(error.reason.retryAfter) }
          : undefined,
      ),
    ),
  )

const book = (limiter: Limiter, limit: Limit, name: string, most: number, tokens: number) =>
  tokens === 0
    ? Effect.void
    : limiter
        .consume({ key: `${limit}:${name}`, window: windows[limit], limit: most, tokens, onExceeded: "delay" })
        .pipe(Effect.ignore)

/**
 * Takes one request and `tokens` tokens from a deployment's limits, or says which limit is used up and takes nothing.
 * A store that cannot answer lets the call pass.
 */
export const take = (
  limiter: Limiter,
  name: string,
  limits: Limits,
  tokens: number,
): Effect.Effect<Exceeded | undefined> => {
  const wanted = (limit: Limit): number => (limit === "tpm" ? tokens : 1)
  const from = (index: number): Effect.Effect<Exceeded | undefined> => {
    const limit = order[index]
    if (limit === undefined) return Effect.undefined
    const most = limits[limit]
    if (most === undefined) return from(index + 1)
    return Effect.flatMap(consume(limiter, limit, name, most, wanted(limit)), (exceeded) =>
      exceeded !== undefined
        ? Effect.succeed(exceeded)
        : Effect.tap(from(index + 1), (refused) =>
            refused === undefined ? Effect.void : book(limiter, limit, name, most, -wanted(limit)),
          ),
    )
  }
  return from(0)
}

/** Books the difference between what a call was estimated to use and what it used. */
export const settle = (
  limiter: Limiter,
  name: string,
  limits: Limits,
  estimated: number,
  used: number,
): Effect.Effect<void> =>
  limits.tpm === undefined ? Effect.void : book(limiter, "tpm", name, limits.tpm, used - estimated)

/** Whether `take` would refuse just now; takes nothing. */
export const peek = (
  limiter: Limiter,
  name: string,
  limits: Limits,
  tokens: number,
): Effect.Effect<Exceeded | undefined> => {
  const look = (limit: Limit): Effect.Effect<Exceeded | undefined> => {
    const most = limits[limit]
    const wanted = limit === "tpm" ? tokens : 1
    if (most === undefined) return Effect.undefined
    const window = windows[limit]
    // What is larger than the limit never fits: `take` is told so without a look at what is left.
    if (wanted > most) return Effect.succeed({ limit, retryAfter: Duration.toMillis(window) })
    return limiter.consume({ key: `${limit}:${name}`, window, limit: most, tokens: 0, onExceeded: "delay" }).pipe(
      Effect.map((seen) =>
        seen.remaining < wanted ? { limit, retryAfter: Duration.toMillis(seen.resetAfter) } : undefined,
      ),
      Effect.orElseSucceed(() => undefined),
    )
  }
  return Effect.reduce(
    order,
    (): Exceeded | undefined => undefined,
    (found, limit) => (found === undefined ? look(limit) : Effect.succeed(found)),
  )
}
