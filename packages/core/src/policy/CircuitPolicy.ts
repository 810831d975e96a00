import * as Duration from "effect/Duration"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"

/**
 * When a deployment's circuit breaker opens, and for how long.
 *
 * - `failures`: consecutive failures that open it. Default: 3.
 * - `failureRateThreshold`: if set, the share of failures (0 to 1) in the last `windowSize` outcomes (default: 20) that
 *   opens it, in place of `failures`.
 * - `open`: duration of the first opening. Each further opening lasts twice as long, up to `max` (at least `open`).
 *   Defaults: 5 seconds and 30 seconds. From the second opening on, the duration starts with the failed attempt, so that
 *   probes are never further apart than `max`. A probe without a result by then lets another probe begin.
 * - `permanentFailure`: duration of an opening after an error that no retry cures: quota exhausted, authentication,
 *   permission, model not found. Default: 5 minutes.
 */
export interface CircuitPolicy {
  readonly failures: number
  readonly failureRateThreshold?: number | undefined
  readonly windowSize?: number | undefined
  readonly open: Duration.Input
  readonly max: Duration.Input
  readonly permanentFailure: Duration.Input
}

export const defaults: CircuitPolicy = {
  failures: 3,
  open: "5 seconds",
  max: "30 seconds",
  permanentFailure: "5 minutes",
}

/** The policy as the store takes it: a trip policy, and durations in milliseconds. */
export interface ResolvedCircuitPolicy {
  readonly trip: CircuitBreaker.TripPolicy
  readonly open: number
  readonly max: number
  readonly permanentFailure: number
}

export const resolve = (policy: CircuitPolicy): ResolvedCircuitPolicy => {
  const open = Duration.toMillis(Duration.fromInputUnsafe(policy.open))
  return {
    trip:
      policy.failureRateThreshold === undefined
        ? CircuitBreaker.consecutive(policy.failures)
        : CircuitBreaker.rate({ threshold: policy.failureRateThreshold, size: policy.windowSize ?? 20 }),
    open,
    max: Math.max(open, Duration.toMillis(Duration.fromInputUnsafe(policy.max))),
    permanentFailure: Duration.toMillis(Duration.fromInputUnsafe(policy.permanentFailure)),
  }
}
