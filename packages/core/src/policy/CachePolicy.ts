import * as Duration from "effect/Duration"

/**
 * How a route caches responses.
 *
 * - `ttl`: how long a response stays in the cache.
 * - `max`: responses that a route keeps in memory; the least recently used is evicted. Default: 1000.
 */
export interface CachePolicy {
  readonly ttl: Duration.Input
  readonly max?: number | undefined
}

export const defaultMax = 1000

/** The policy with `ttl` in milliseconds. */
export interface ResolvedCachePolicy {
  readonly ttl: number
  readonly max: number
}

export const resolve = ({ max = defaultMax, ttl }: CachePolicy): ResolvedCachePolicy => ({
  ttl: Duration.toMillis(Duration.fromInputUnsafe(ttl)),
  max,
})
