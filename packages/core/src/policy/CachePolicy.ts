import * as Duration from "effect/Duration"

/**
 * - `ttl`: how long an answer is given again.
 * - `max`: how many answers a route keeps in memory; beyond it, the one longest not asked for goes. 1000 if not said.
 */
export interface CachePolicy {
  readonly ttl: Duration.Input
  readonly max?: number | undefined
}

export const defaultMax = 1000
/** The policy with its time in milliseconds. */
export interface Resolved {
  readonly ttl: number
  readonly max: number
}

export const resolve = ({ max = defaultMax, ttl }: CachePolicy): Resolved => ({
  ttl: Duration.toMillis(Duration.fromInputUnsafe(ttl)),
  max,
})
