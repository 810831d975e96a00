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
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
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

/** A concurrency limit, with the permits of this process, which count unless another process counts for it. */
export interface Concurrency extends RateLimit.Permit {
  readonly permits: Semaphore.Semaphore
}

/**
 * The limiter of an owner. `concurrency` is its concurrency limit, if it has one: a limiter with changed limits gets the
 * permits that its predecessor had.
 */
export const make = (
  limiter: RateLimit.Limiter,
  owner: Owner,
  limits: Keys.KeyLimits,
  concurrency: Concurrency | undefined,
): KeyLimiter => {
  // The store also holds the limits of deployments, by their names.
  const buckets = Bucket.make(`${owner.type}:${owner.id}`, limits)
  const { release, take } = taking(limiter, buckets, concurrency)
  const limitOf = { ...limits, concurrency: concurrency?.max }
  const reject = (exceeded: Unavailable, tokens: number): Effect.Effect<never, KeyLimitExceeded> =>
    Effect.flatMap(RateLimit.statuses({ limiter, buckets }), (statuses) =>
      Effect.fail({
        name: exceeded.limit,
        limit: limitOf[exceeded.limit] ?? 0,
        requested: exceeded.limit === "tpm" ? tokens : 1,
        retryAfter: exceeded.limit === "concurrency" ? defaultRetryAfter : exceeded.retryAfter,
        owner,
        statuses,
      }),
    )

  return {
    acquire: (call) =>
      Effect.clockWith((clock) => {
        // Without a token limit, the tokens of a call are not estimated.
        const tokens = limits.tpm === undefined ? 0 : call.tokens
        return Effect.matchEffect(take(tokens, clock), {
          onSuccess: (statuses) =>
            Effect.succeed<Lease>({
              statuses,
              release: (used = tokens) =>
                Effect.andThen(release, RateLimit.reconcile({ limiter, buckets, estimated: tokens, used }, clock)),
              cancel: Effect.andThen(release, RateLimit.giveBack({ limiter, buckets, tokens }, clock)),
            }),
          onFailure: (exceeded) => reject(exceeded, tokens),
        })
      }),
  }
}

type Unavailable = RateLimit.Exceeded | RateLimit.ConcurrencyExceeded

/** How a permit and the rates are taken together, or nothing, and how the permit is given back. */
const taking = (
  limiter: RateLimit.Limiter,
  buckets: Bucket.Buckets,
  concurrency: Concurrency | undefined,
): {
  readonly take: (
    tokens: number,
    clock: Clock.Clock,
  ) => Effect.Effect<ReadonlyArray<RateLimit.LimitStatus>, Unavailable>
  readonly release: Effect.Effect<void>
} => {
  const { remote } = limiter
  if (remote !== undefined) {
    const permit = concurrency === undefined ? undefined : { key: concurrency.key, max: concurrency.max }
    return {
      take: (tokens) => remote.acquire({ buckets, tokens, permit }),
      release: permit === undefined ? Effect.void : Effect.sync(() => remote.release(permit)),
    }
  }
  const takeRates = (tokens: number, clock: Clock.Clock) => RateLimit.tryAcquire({ limiter, buckets, tokens }, clock)
  if (concurrency === undefined) return { take: takeRates, release: Effect.void }
  const release = Effect.asVoid(concurrency.permits.release(1))
  return {
    take: (tokens, clock) =>
      Effect.flatMap(
        concurrency.permits.takeIfAvailable(1),
        (hasPermit): Effect.Effect<ReadonlyArray<RateLimit.LimitStatus>, Unavailable> =>
          hasPermit ? Effect.tapError(takeRates(tokens, clock), () => release) : Effect.fail({ limit: "concurrency" }),
      ),
    release,
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
