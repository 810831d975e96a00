/**
 * What is left to the holder of a key: requests, tokens, and calls at once. Nothing is waited for: whoever is over a limit
 * is told so at once, and nobody else hears of it.
 *
 * Tokens are taken by estimate when a call enters, and settled by what it used when it leaves.
 */
import type { Call } from "@understudy/core/Call"
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import type { Receipt } from "@understudy/core/Receipt"
import { total } from "@understudy/core/Receipt"
import * as Effect from "effect/Effect"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import * as Semaphore from "effect/Semaphore"
import type { VirtualKey } from "../auth/VirtualKey.ts"

/** A call that was let in. `leave` gives back what it did not use, and must run exactly once. */
export interface Lease {
  readonly statuses: ReadonlyArray<RateLimit.LimitStatus>
  /** `used`: its tokens, or `undefined` where they are not known and the estimate stands. */
  readonly release: (used: number | undefined) => Effect.Effect<void>
}

/** A call that was not: which limit stood in its way, and when there is room again (milliseconds). */
export interface KeyLimitExceeded {
  readonly name: RateLimit.Exceeded["limit"] | "concurrency"
  readonly limit: number
  /** What the call would have taken of it. */
  readonly requested: number
  readonly retryAfter: number
  readonly statuses: ReadonlyArray<RateLimit.LimitStatus>
}

export interface KeyLimiter {
  readonly acquire: (call: Pick<Call, "tokens">) => Effect.Effect<Lease, KeyLimitExceeded>
}

/** When one of the calls under way ends, nobody knows. */
const defaultRetryAfter = 1000

export const make = (limiter: RateLimiter.RateLimiter, { id, limits = {} }: VirtualKey): KeyLimiter => {
  // Deployments keep their limits in the same store, by their names.
  const name = `key:${id}`
  const permits = limits.concurrency === undefined ? undefined : Semaphore.makeUnsafe(limits.concurrency)
  const free = permits === undefined ? Effect.void : Effect.asVoid(permits.release(1))
  const refuse = (refusal: Omit<KeyLimitExceeded, "statuses">): Effect.Effect<never, KeyLimitExceeded> =>
    Effect.flatMap(RateLimit.statuses(limiter, name, limits), (statuses) => Effect.fail({ ...refusal, statuses }))

  const claim = (tokens: number): Effect.Effect<Lease, KeyLimitExceeded> =>
    Effect.matchEffect(RateLimit.tryAcquire(limiter, name, limits, tokens), {
      onSuccess: (statuses) =>
        Effect.succeed<Lease>({
          statuses,
          release: (used = tokens) => Effect.andThen(free, RateLimit.reconcile(limiter, name, limits, tokens, used)),
        }),
      onFailure: ({ limit, retryAfter }) =>
        Effect.andThen(
          free,
          refuse({ name: limit, limit: limits[limit] ?? 0, requested: limit === "tpm" ? tokens : 1, retryAfter }),
        ),
    })

  return {
    acquire: (call) =>
      Effect.suspend(() => {
        // A call under no token limit is never measured.
        const tokens = limits.tpm === undefined ? 0 : call.tokens
        if (permits === undefined) return claim(tokens)
        return Effect.flatMap(permits.takeIfAvailable(1), (taken) =>
          taken
            ? claim(tokens)
            : refuse({
                name: "concurrency",
                limit: limits.concurrency ?? 0,
                requested: 1,
                retryAfter: defaultRetryAfter,
              }),
        )
      }),
  }
}

/** The key as it may count and explain: within limits of their own, which take nothing from its calls'. */
export const callsPerMinute = ({ limits: { cpm, rpm, rpd, concurrency } = {}, ...key }: VirtualKey): VirtualKey => ({
  ...key,
  id: `${key.id}:asides`,
  limits: { rpm: cpm ?? rpm, rpd, concurrency },
})

/**
 * The tokens that a call used: all that its attempts were told, or none where it was answered by nobody. What was begun
 * and not finished may have used any number: `undefined`.
 */
export const used = (receipt: Receipt): number | undefined => {
  const { inputTokens, outputTokens } = total(receipt)
  const told = inputTokens + outputTokens
  if (told > 0) return told
  const answeredByNobody = receipt.outcome === "failure" && receipt.deployment === undefined
  return receipt.attempts.length === 0 || answeredByNobody ? 0 : undefined
}
