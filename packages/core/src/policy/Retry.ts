/**
 * Asking the same deployment again: a `Schedule` that backs off exponentially with jitter, waits as long as the provider
 * said, and stops as soon as waiting is worse than moving on.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Rejected } from "../model/SkipReason.ts"
import { actionFor } from "../model/ProviderError.ts"
import type { ProviderError } from "../model/ProviderError.ts"

/**
 * - `times`: retries per candidate, not counting the first try.
 * - `base`, `max`: the first backoff and the longest; each is twice the one before, jittered by a fifth.
 * - `maxRetryAfter`: the longest Retry-After worth waiting for.
 * - `budget`: which share of a route's calls may be retries, all its candidates together; never fewer than ten a minute.
 *   Said of a whole route, or in the defaults.
 */
export interface RetryPolicy {
  readonly times: number
  readonly base: Duration.Input
  readonly max: Duration.Input
  readonly maxRetryAfter: Duration.Input
  readonly budget: number
}

export const defaults: RetryPolicy = {
  times: 2,
  base: "500 millis",
  max: "8 seconds",
  maxRetryAfter: "5 seconds",
  budget: 0.2,
}

/** The policy with its durations in milliseconds. */
export interface Resolved {
  readonly times: number
  readonly base: number
  readonly max: number
  readonly maxRetryAfter: number
}

export const resolve = (policy: RetryPolicy): Resolved => ({
  times: policy.times,
  base: Duration.toMillis(Duration.fromInputUnsafe(policy.base)),
  max: Duration.toMillis(Duration.fromInputUnsafe(policy.max)),
  maxRetryAfter: Duration.toMillis(Duration.fromInputUnsafe(policy.maxRetryAfter)),
})

/**
 * What a wait must fit into besides the policy: the call's deadline (clock milliseconds), and whether an equal of the
 * same `balance` stands ready, in which case a rate limit is not waited for at all.
 */
export interface Bounds {
  readonly deadline: number
  readonly hasAvailablePeer: (now: number) => boolean
  /** Asked last, and only of a retry that would be made otherwise: whether the route's budget has room for it. */
  readonly tryAcquire: (now: number, failure: ProviderError) => boolean
}

/**
 * The schedule of retries after failures of one candidate. Its delay is Retry-After where the provider gave one, else
 * the backoff; it ends when the failure should not be retried (`judge`; a refusal of ours never is), when the retries
 * are used up, when the delay fits neither `maxRetryAfter` nor the deadline, or when the route's budget is spent.
 */
export const schedule = (policy: Resolved, bounds: Bounds): Schedule.Schedule<unknown, ProviderError | Rejected> =>
  Schedule.exponential(policy.base).pipe(
    Schedule.jittered,
    Schedule.setInputType<ProviderError | Rejected>(),
    Schedule.modifyDelay(({ duration, input }) =>
      Effect.succeed(requestedDelay(input) ?? Duration.millis(Math.min(policy.max, Duration.toMillis(duration)))),
    ),
    Schedule.while(({ attempt, duration, input, now }) => {
      const wait = Duration.toMillis(duration)
      return (
        attempt <= policy.times &&
        input._tag === "ProviderError" &&
        actionFor(input.reason).retryable &&
        now + wait < bounds.deadline &&
        (requestedDelay(input) === undefined || wait <= policy.maxRetryAfter) &&
        !(input.reason._tag === "RateLimited" && bounds.hasAvailablePeer(now)) &&
        bounds.tryAcquire(now, input)
      )
    }),
  )

const requestedDelay = (failure: ProviderError | Rejected): Duration.Duration | undefined =>
  failure._tag === "ProviderError" ? failure.retryAfter : undefined

/** The shortest backoff there is: how long a deployment rests that was throttled without being told for how long. */
export const shortestDelay = (policy: Resolved): number => Math.min(policy.max, policy.base * leastJitter)

/** `Schedule.jittered` varies a delay between 80 % and 120 %. */
const leastJitter = 0.8
