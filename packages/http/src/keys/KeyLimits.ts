/**
 * The limits of a virtual key and of its team: requests, tokens, and concurrent calls. A call over a limit is rejected at
 * once, never queued.
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
import type * as Semaphore from "effect/Semaphore"
import type * as Keys from "../auth/VirtualKey.ts"

/** The permit of a call. Either `release` or `cancel` must run, exactly once. */
export interface Lease {
  readonly statuses: ReadonlyArray<RateLimit.LimitStatus>
  /** Returns unused tokens. `used`: the tokens of the call; `undefined` if unknown, which keeps the estimate. */
  readonly release: (used: number | undefined) => Effect.Effect<void>
  /** Returns everything: there was no call. */
  readonly cancel: Effect.Effect<void>
}

/** A rejected call: whose limit it exceeds, which one, and when to try again, in milliseconds. */
export interface KeyLimitExceeded {
  readonly owner: Owner
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

/** Who a limit belongs to: a key or a team, by its name for people, and by the name under which it is counted. */
export interface Owner {
  readonly type: "key" | "team"
  readonly id: string
  readonly name: string
}

/**
 * The limiter of an owner. `permits` are those of its concurrency limit, if it has one: a limiter with changed limits gets
 * those that its predecessor had.
 */
export const make = (
  limiter: RateLimiter.RateLimiter,
  owner: Owner,
  limits: Keys.KeyLimits,
  permits: Semaphore.Semaphore | undefined,
): KeyLimiter => {
  // The store also holds the limits of deployments, by their names.
  const buckets = Bucket.make(`${owner.type}:${owner.id}`, limits)
  const releasePermit = permits === undefined ? Effect.void : Effect.asVoid(permits.release(1))
  const reject = (exceeded: Omit<KeyLimitExceeded, "statuses" | "owner">): Effect.Effect<never, KeyLimitExceeded> =>
    Effect.flatMap(RateLimit.statuses({ limiter, buckets }), (statuses) =>
      Effect.fail({ ...exceeded, owner, statuses }),
    )

  const takeTokens = (tokens: number): Effect.Effect<Lease, KeyLimitExceeded> =>
    Effect.clockWith((clock) =>
      Effect.matchEffect(RateLimit.tryAcquire({ limiter, buckets, tokens }, clock), {
        onSuccess: (statuses) =>
          Effect.succeed<Lease>({
            statuses,
            release: (used = tokens) =>
              Effect.andThen(releasePermit, RateLimit.reconcile({ limiter, buckets, estimated: tokens, used }, clock)),
            cancel: Effect.andThen(releasePermit, RateLimit.giveBack({ limiter, buckets, tokens }, clock)),
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

/** The limiter of both: a call over a limit of one takes nothing of the other. */
export const both = (first: KeyLimiter, second: KeyLimiter): KeyLimiter => ({
  acquire: (call) =>
    Effect.flatMap(first.acquire(call), (one) =>
      Effect.matchEffect(second.acquire(call), {
        onSuccess: (other) =>
          Effect.succeed<Lease>({
            statuses: [...one.statuses, ...other.statuses],
            release: (used) => Effect.andThen(one.release(used), other.release(used)),
            cancel: Effect.andThen(one.cancel, other.cancel),
          }),
        onFailure: (exceeded) => Effect.andThen(one.cancel, Effect.fail(exceeded)),
      }),
    ),
})

/** The limits of token counts and explanations, which are separate from those of calls. */
export const ofSideRequests = ({ cpm, rpm, rpd, concurrency }: Keys.KeyLimits): Keys.KeyLimits => ({
  rpm: cpm ?? rpm,
  rpd,
  concurrency,
})

/**
 * The tokens of a call: those that its attempts reported; 0 if no deployment answered. `undefined` for a call that was
 * interrupted, whose usage is unknown.
 */
export const used = (receipt: Receipt): number | undefined => {
  const { inputTokens, outputTokens } = total({
    attempts: receipt.attempts.filter(({ estimated }) => estimated !== true),
  })
  const reported = inputTokens + outputTokens
  if (reported > 0) return reported
  const isUnanswered = receipt.outcome === "failure" && receipt.deployment === undefined
  return receipt.attempts.length === 0 || isUnanswered ? 0 : undefined
}
