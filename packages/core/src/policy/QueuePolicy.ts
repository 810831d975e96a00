/**
 * The queue of a limit: the calls over the limit that wait for it, instead of being rejected at once.
 */
import * as Duration from "effect/Duration"

/**
 * - `max`: the most calls that wait at a time. Default: 100. With 0, no call waits.
 * - `maxWait`: the longest wait of a call. Default: 10 seconds.
 */
export interface QueuePolicy {
  readonly max?: number | undefined
  readonly maxWait?: Duration.Input | undefined
}

/**
 * The queue of a deployment's limits. `fallback`: when the deployments after it are tried.
 *
 * - `first` (default): before a call waits. It waits only if none of them has answered.
 * - `last`: after the wait. A call waits here first, unless it may still try others of the same `balance` or `hedge`.
 */
export interface DeploymentQueuePolicy extends QueuePolicy {
  readonly fallback?: QueueFallback | undefined
}

export const queueFallbacks = ["first", "last"] as const

export type QueueFallback = (typeof queueFallbacks)[number]

/** The settings of a queue. `maxWait` is in milliseconds. */
export interface ResolvedQueuePolicy {
  readonly max: number
  readonly maxWait: number
}

export const defaultMax = 100
export const defaultMaxWait = Duration.toMillis(Duration.seconds(10))

/** The settings of a queue with their defaults; `undefined` if no call may wait. */
export const resolve = (policy: QueuePolicy | undefined): ResolvedQueuePolicy | undefined => {
  if (policy === undefined || policy.max === 0) return undefined
  const { max = defaultMax, maxWait } = policy
  return {
    max,
    maxWait: maxWait === undefined ? defaultMaxWait : Duration.toMillis(Duration.fromInputUnsafe(maxWait)),
  }
}
