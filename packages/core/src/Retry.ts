/**
 * Asking the same deployment again: a `Schedule` that backs off exponentially with jitter, waits as long as the provider
 * said, and stops as soon as waiting is worse than moving on.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Refused } from "./Admission.ts"
import { judge } from "./ProviderError.ts"
import type { ProviderError } from "./ProviderError.ts"

/**
 * - `times`: retries per candidate, not counting the first try.
 * - `base`, `max`: the first backoff and the longest; each is twice the one before, jittered by a fifth.
 * - `patience`: the longest Retry-After worth waiting for.
 * - `budget`: which share of a route's calls may be retries, all its candidates together; never fewer than ten a minute.
 *   Said of a whole route, or in the defaults.
 */
export interface RetryPolicy {
  readonly times: number
  readonly base: Duration.Input
  readonly max: Duration.Input
  readonly patience: Duration.Input
  readonly budget: number
}

export const defaults: RetryPolicy = {
  times: 2,
  base: "500 millis",
  max: "8 seconds",
  patience: "5 seconds",
  budget: 0.2,
}

/** The policy with its durations in milliseconds. */
export interface Resolved {
  readonly times: number
  readonly base: number
  readonly max: number
  readonly patience: number
}

export const resolve = (policy: RetryPolicy): Resolved => ({
  times: policy.times,
  base: Duration.toMillis(Duration.fromInputUnsafe(policy.base)),
  max: Duration.toMillis(Duration.fromInputUnsafe(policy.max)),
  patience: Duration.toMillis(Duration.fromInputUnsafe(policy.patience)),
})

/**
 * What a wait must fit into besides the policy: the call's deadline (clock milliseconds), and whether an equal of the
 * same `balance` stands ready, in which case a rate limit is not waited for at all.
 */
export interface Bounds {
  readonly deadline: number
  readonly equalReady: (now: number) => boolean
  /** Asked last, and only of a retry that would be made otherwise: whether the route's budget has room for it. */
  readonly affords: (now: number, failure: ProviderError) => boolean
}

/**
 * The schedule of retries after failures of one candidate. Its delay is Retry-After where the provider gave one, else
 * the backoff; it ends when the failure should not be retried (`judge`; a refusal of ours never is), when the retries
 * are used up, when the delay fits neither `patience` nor the deadline, or when the route's budget is spent.
 */
export const schedule = (policy: Resolved, bounds: Bounds): Schedule.Schedule<unknown, ProviderError | Refused> =>
  Schedule.exponential(policy.base).pipe(
    Schedule.jittered,
    Schedule.setInputType<ProviderError | Refused>(),
    Schedule.modifyDelay(({ duration, input }) =>
      Effect.succeed(told(input) ?? Duration.millis(Math.min(policy.max, Duration.toMillis(duration)))),
    ),
    Schedule.while(({ attempt, duration, input, now }) => {
      const wait = Duration.toMillis(duration)
      return (
        attempt <= policy.times &&
        input._tag === "ProviderError" &&
        judge(input.reason).again &&
        now + wait < bounds.deadline &&
        (told(input) === undefined || wait <= policy.patience) &&
        !(input.reason._tag === "RateLimited" && bounds.equalReady(now)) &&
        bounds.affords(now, input)
      )
    }),
  )

const told = (failure: ProviderError | Refused): Duration.Duration | undefined =>
  failure._tag === "ProviderError" ? failure.retryAfter : undefined

/** The shortest backoff there is: how long a deployment rests that was throttled without being told for how long. */
export const shortest = (policy: Resolved): number => Math.min(policy.max, policy.base * leastJitter)

/** `Schedule.jittered` varies a delay between 80 % and 120 %. */
const leastJitter = 0.8
