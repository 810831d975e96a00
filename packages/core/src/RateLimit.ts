/**
 * Our own limits on a deployment: requests and tokens per minute, over Effect's `RateLimiter` (in memory, or shared
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

const window = Duration.minutes(1)

/** A limit that is used up: which one, and when there is room again (milliseconds). */
export interface Exceeded {
  readonly limit: "rpm" | "tpm"
  readonly retryAfter: number
}

type Limiter = RateLimiter.RateLimiter

const consume = (
  limiter: Limiter,
  limit: Exceeded["limit"],
  name: string,
  most: number,
  tokens: number,
): Effect.Effect<Exceeded | undefined> =>
  limiter.consume({ key: `${limit}:${name}`, window, limit: most, tokens }).pipe(
    Effect.as(undefined),
    Effect.catch((error) =>
      Effect.succeed(
        error.reason._tag === "RateLimitExceeded"
          ? { limit, retryAfter: Duration.toMillis(error.reason.retryAfter) }
          : undefined,
      ),
    ),
  )

const book = (limiter: Limiter, limit: Exceeded["limit"], name: string, most: number, tokens: number) =>
  tokens === 0
    ? Effect.void
    : limiter.consume({ key: `${limit}:${name}`, window, limit: most, tokens, onExceeded: "delay" }).pipe(Effect.ignore)

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
  const { rpm, tpm } = limits
  const requests = rpm === undefined ? Effect.undefined : consume(limiter, "rpm", name, rpm, 1)
  if (tpm === undefined) return requests
  return Effect.flatMap(requests, (exceeded) => {
    if (exceeded !== undefined) return Effect.succeed(exceeded)
    const both = consume(limiter, "tpm", name, tpm, tokens)
    return rpm === undefined
      ? both
      : Effect.tap(both, (refused) => (refused === undefined ? Effect.void : book(limiter, "rpm", name, rpm, -1)))
  })
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
  const look = (limit: Exceeded["limit"], most: number | undefined, wanted: number) => {
    if (most === undefined) return Effect.undefined
    // What is larger than the limit never fits: `take` is told so without a look at what is left.
    if (wanted > most) return Effect.succeed({ limit, retryAfter: Duration.toMillis(window) })
    return limiter.consume({ key: `${limit}:${name}`, window, limit: most, tokens: 0, onExceeded: "delay" }).pipe(
      Effect.map((seen) =>
        seen.remaining < wanted ? { limit, retryAfter: Duration.toMillis(seen.resetAfter) } : undefined,
      ),
      Effect.orElseSucceed(() => undefined),
    )
  }
  return Effect.flatMap(look("rpm", limits.rpm, 1), (exceeded) =>
    exceeded === undefined ? look("tpm", limits.tpm, tokens) : Effect.succeed(exceeded),
  )
}
