import * as Duration from "effect/Duration"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"

/**
 * When a circuit opens and for how long.
 *
 * - `failures` in a row open it; or, where `rate` is given, that share of the last `over` outcomes.
 * - `open` is how long the first opening lasts; each further one lasts twice as long, up to `max` (at least `open`). From the second on,
 *   it is counted from the start of the attempt that failed, so that probes are never further apart than `max`. A probe
 *   that has no answer by then lets another begin.
 * - `long` is how long dead credentials or a missing model keep it open.
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

/** The policy as the store wants it: trip policies made once, durations in milliseconds. */
export interface Resolved {
  readonly trip: CircuitBreaker.TripPolicy
  readonly open: number
  readonly max: number
  readonly permanentFailure: number
}

export const resolve = (policy: CircuitPolicy): Resolved => {
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
