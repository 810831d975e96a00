/**
 * How long a deployment that asked to be left alone is left alone: a wait is believed up to a bound, beyond which one
 * call finds out whether it still holds.
 */
import * as Duration from "effect/Duration"
import type { Resolved as Circuit } from "./CircuitPolicy.ts"

/** - `max`: the longest wait that is believed; the circuit's `max` if not said. After it, one call probes. */
export interface CooldownPolicy {
  readonly max: Duration.Input
}

/** The longest wait that is believed, in milliseconds. */
export const resolve = (policy: Partial<CooldownPolicy>, { max }: Pick<Circuit, "max">): number =>
  policy.max === undefined ? max : Duration.toMillis(Duration.fromInputUnsafe(policy.max))

/** A wait that a provider asked for, as it is taken: clock milliseconds. */
export interface Cooldown {
  /** Until when nobody asks: what was said, or the bound. */
  readonly until: number
  /** Until when the provider said, a day at most. Between the two, one call at a time asks. */
  readonly requestedUntil: number
}

/** No wait is remembered, or told, for longer: a provider may say years. */
export const maxWait = Duration.toMillis(Duration.days(1))

/** The cooldown of a wait of so many milliseconds from now. */
export const of = (wait: number, max: number, now: number): Cooldown => {
  const said = wait > 0 ? Math.min(wait, maxWait) : 0
  return { until: now + Math.min(said, max), requestedUntil: now + said }
}
