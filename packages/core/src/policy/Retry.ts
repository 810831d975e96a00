/**
 * Retries of one deployment: a `Schedule` with exponential backoff and jitter that follows Retry-After. It stops when the
 * wait would exceed the call's deadline or `maxRetryAfter`.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type { Rejected } from "../model/SkipReason.ts"
import { actionFor } from "../model/ProviderError.ts"
import type { ProviderError, ReasonTag } from "../model/ProviderError.ts"

/**
 * - `times`: retries per deployment, without the first attempt. Default: 2.
 * - `timesByReason`: as `times`, after failures for these reasons.
 * - `base`, `max`: the first and the longest backoff. Each is twice the one before, with 20 % jitter. Defaults: 500 ms and
 *   8 seconds.
 * - `maxRetryAfter`: the longest Retry-After that is waited for. Default: 5 seconds.
 * - `budget`: the share of a route's calls that may be retries, over all its deployments; ten a minute are always allowed.
 *   Default: 0.2. Set it on a whole route or in the router's defaults.
 */
export interface RetryPolicy {
  readonly times: number
  readonly timesByReason?: TimesByReason | undefined
  readonly base: Duration.Input
  readonly max: Duration.Input
  readonly maxRetryAfter: Duration.Input
  readonly budget: number
}

/** Retries per deployment after failures for a reason. Only those of `ProviderError.retryable` are retried. */
export type TimesByReason = { readonly [Reason in ReasonTag]?: number | undefined }

export const defaults: RetryPolicy = {
  times: 2,
  base: "500 millis",
  max: "8 seconds",
  maxRetryAfter: "5 seconds",
  budget: 0.2,
}

/** The policy with durations in milliseconds. */
export interface ResolvedRetryPolicy {
  readonly times: number
  readonly timesByReason?: TimesByReason | undefined
  readonly base: number
  readonly max: number
  readonly maxRetryAfter: number
}

export const resolve = (policy: RetryPolicy): ResolvedRetryPolicy => ({
  times: policy.times,
  ...(policy.timesByReason === undefined ? undefined : { timesByReason: policy.timesByReason }),
  base: Duration.toMillis(Duration.fromInputUnsafe(policy.base)),
  max: Duration.toMillis(Duration.fromInputUnsafe(policy.max)),
  maxRetryAfter: Duration.toMillis(Duration.fromInputUnsafe(policy.maxRetryAfter)),
})

/** The most retries of a deployment, for whatever reasons it fails. */
export const mostTimes = ({ times, timesByReason }: ResolvedRetryPolicy): number =>
  timesByReason === undefined ? times : Math.max(times, ...Object.values(timesByReason).filter(Predicate.isNumber))

const timesAfter = ({ times, timesByReason = none }: ResolvedRetryPolicy, reason: ReasonTag): number =>
  timesByReason[reason] ?? times

const none: TimesByReason = {}

/** What bounds retries besides the policy. */
export interface Bounds {
  /** The call's deadline, in clock milliseconds. */
  readonly deadline: number
  /** Whether another deployment of the `balance` is available: a rate limit is then not waited for. */
  readonly hasAvailablePeer: (now: number) => boolean
  /** Takes one retry from the route's budget; false if it is used up. Called last, for a retry that all else allows. */
  readonly tryAcquire: (now: number, failure: ProviderError) => boolean
}

/**
 * The schedule of retries after failures of one deployment. The delay is Retry-After if the provider sent it, else the
 * backoff. The schedule ends when the failure is not retryable (`actionFor`; a `Rejected` never is), the retries are used
 * up, the delay exceeds `maxRetryAfter` or the deadline, or the route's budget is used up.
 */
export const schedule = (
  policy: ResolvedRetryPolicy,
  bounds: Bounds,
): Schedule.Schedule<unknown, ProviderError | Rejected> =>
  Schedule.exponential(policy.base).pipe(
    Schedule.jittered,
    Schedule.setInputType<ProviderError | Rejected>(),
    Schedule.modifyDelay(({ duration, input }) =>
      Effect.succeed(requestedDelay(input) ?? Duration.millis(Math.min(policy.max, Duration.toMillis(duration)))),
    ),
    Schedule.while(({ attempt, duration, input, now }) => {
      const wait = Duration.toMillis(duration)
      return (
        input._tag === "ProviderError" &&
        attempt <= timesAfter(policy, input.reason._tag) &&
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

/** The shortest backoff, in milliseconds: the cooldown after a rate limit error without Retry-After. */
export const shortestDelay = (policy: ResolvedRetryPolicy): number => Math.min(policy.max, policy.base * minJitter)

/** `Schedule.jittered` varies a delay between 80 % and 120 %. */
const minJitter = 0.8
