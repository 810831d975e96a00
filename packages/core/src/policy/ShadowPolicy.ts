/** How a route sends a share of its calls to another route too, whose answers are discarded. */
import * as Duration from "effect/Duration"

/**
 * The shadow of a route.
 *
 * - `to`: the deployment or the route that gets the shadow calls.
 * - `share`: the share of the calls that have a shadow call, above 0 and up to 1.
 * - `concurrency`: shadow calls of the route at the same time. A call beyond it has no shadow call. Default: 20.
 * - `timeout`: how long a shadow call may take. Default: `timeout.total` of `to`.
 */
export interface ShadowPolicy<To extends string = string> {
  readonly to: To
  readonly share: number
  readonly concurrency?: number | undefined
  readonly timeout?: Duration.Input | undefined
}

export const defaultConcurrency = 20

/** The policy without its route, with `timeout` in milliseconds. */
export interface ResolvedShadowPolicy {
  readonly share: number
  readonly concurrency: number
  readonly timeout: number | undefined
}

export const resolve = ({ concurrency = defaultConcurrency, share, timeout }: ShadowPolicy): ResolvedShadowPolicy => ({
  share,
  concurrency,
  timeout: timeout === undefined ? undefined : Duration.toMillis(Duration.fromInputUnsafe(timeout)),
})
