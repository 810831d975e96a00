/**
 * The cooldown of a deployment: the time without calls after its provider asked for one, such as by `Retry-After`. The
 * wait is bounded; after the bound, one call at a time probes whether the provider still refuses.
 */
import * as Duration from "effect/Duration"
import type { ResolvedCircuitPolicy } from "./CircuitPolicy.ts"

/** - `max`: the longest cooldown before a call probes. Default: the circuit's `max`. */
export interface CooldownPolicy {
  readonly max: Duration.Input
}

/** The longest cooldown, in milliseconds. */
export const resolve = (policy: Partial<CooldownPolicy>, { max }: Pick<ResolvedCircuitPolicy, "max">): number =>
  policy.max === undefined ? max : Duration.toMillis(Duration.fromInputUnsafe(policy.max))

/** A cooldown. Both times are clock milliseconds. */
export interface Cooldown {
  /** No call is made before: the time that the provider requested, or the bound if that is earlier. */
  readonly until: number
  /** The time that the provider requested, at most a day ahead. Between the two, one call at a time probes. */
  readonly requestedUntil: number
}

/** The longest wait that is stored or reported, in milliseconds: a provider may request years. */
export const maxWait = Duration.toMillis(Duration.days(1))

/** The cooldown after a provider requested a wait of `wait` milliseconds at `now`, bounded by `max` milliseconds. */
export const of = (wait: number, max: number, now: number): Cooldown => {
  const requested = wait > 0 ? Math.min(wait, maxWait) : 0
  return { until: now + Math.min(requested, max), requestedUntil: now + requested }
}
