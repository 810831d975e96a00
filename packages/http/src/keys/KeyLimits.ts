/**
 * The limits of a virtual key: requests, tokens, and concurrent calls. A call over a limit is rejected at once, never queued.
 *
 * A call takes its estimated tokens when it starts. When it ends, they are adjusted to the tokens it used.
 */
import type { Call } from "@understudy/core/Call"
import * as Bucket from "@understudy/core/internal/policy/Bucket"
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import type { Receipt } from "@understudy/core/Receipt"
import { total } from "@understudy/core/Receipt"
import * as Effect from "effect/Effect"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import * as Semaphore from "effect/Semaphore"
import type { VirtualKey } from "../auth/VirtualKey.ts"

/** The permit of a call. `release` returns unused tokens, and must run exactly once. */
export interface Lease {
  readonly statuses: ReadonlyArray<RateLimit.LimitStatus>
  /** `used`: the tokens of the call; `undefined` if unknown, which keeps the estimate. */
  readonly release: (used: number | undefined) => Effect.Effect<void>
}

/** A rejected call: the limit that it exceeds, and when to try again, in milliseconds. */
export interface KeyLimitExceeded {
  readonly name: RateLimit.Exceeded["limit"] | "concurrency"
  readonly limit: number
  /** What the call requested of the limit. */
  readonly requested: number
  readonly retryAfter: number
  readonly statuses: ReadonlyArray<RateLimit.LimitStatus>
}

export interface KeyLimiter {
  readonly acquire: (call: Pick<Call, "tokens">) => Effect.Effect<Lease, KeyLimitExceeded>
}

/** `retryAfter` of the concurrency limit, in milliseconds: when a running call ends is unknown. */
const defaultRetryAfter = 1000

export const make = (limiter: RateLimiter.RateLimiter, { id, limits = {} }: VirtualKey): KeyLimiter => {
  // The store also holds the limits of deployments, by their names.
  const buckets = Bucket.make(`key:${id}`, limits)
  const permits = limits.concurrency === undefined ? undefined : Semaphore.makeUnsafe(limits.concurrency)
  const releasePermit = permits === undefined ? Effect.void : Effect.asVoid(permits.release(1))
  const reject = (exceeded: Omit<KeyLimitExceeded, "statuses">): Effect.Effect<never, KeyLimitExceeded> =>
    Effect.flatMap(RateLimit.statuses({ limiter, buckets }), (statuses) => Effect.fail({ ...exceeded, statuses }))

  const takeTokens = (tokens: number): Effect.Effect<Lease, KeyLimitExceeded> =>
    Effect.clockWith((clock) =>
      Effect.matchEffect(RateLimit.tryAcquire({ limiter, buckets, tokens }, clock), {
        onSuccess: (statuses) =>
          Effect.succeed<Lease>({
            statuses,
            release: (used = tokens) =>
              Effect.andThen(releasePermit, RateLimit.reconcile({ limiter, buckets, estimated: tokens, used }, clock)),
          }),
        onFailure: ({ limit, retryAfter }) =>
          Effect.andThen(
            releasePermit,
            reject({ name: limit, limit: limits[limit] ?? 0, requested: limit === "tpm" ? tokens : 1, retryAfter }),
          ),
      }),
    )

  return {
    acquire: (call) =>
      Effect.suspend(() => {
        // Without a token limit, the tokens of a call are not estimated.
        const tokens = limits.tpm === undefined ? 0 : call.tokens
        if (permits === undefined) return takeTokens(tokens)
        return Effect.flatMap(permits.takeIfAvailable(1), (hasPermit) =>
          hasPermit
            ? takeTokens(tokens)
            : reject({
                name: "concurrency",
                limit: limits.concurrency ?? 0,
                requested: 1,
                retryAfter: defaultRetryAfter,
              }),
        )
      }),
  }
}

/** The key with its limits for token counts and explanations, which are separate from those of its calls. */
export const forSideRequests = ({ limits: { cpm, rpm, rpd, concurrency } = {}, ...key }: VirtualKey): VirtualKey => ({
  ...key,
  id: `${key.id}:side-requests`,
  limits: { rpm: cpm ?? rpm, rpd, concurrency },
})

/**
 * The tokens of a call: those that its attempts reported; 0 if no deployment answered. `undefined` for a call that was
 * interrupted, whose usage is unknown.
 */
export const used = (receipt: Receipt): number | undefined => {
  const { inputTokens, outputTokens } = total(receipt)
  const reported = inputTokens + outputTokens
  if (reported > 0) return reported
  const isUnanswered = receipt.outcome === "failure" && receipt.deployment === undefined
  return receipt.attempts.length === 0 || isUnanswered ? 0 : undefined
}
