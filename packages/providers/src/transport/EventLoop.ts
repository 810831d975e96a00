/**
 * Detects stalls of the event loop. During a stall, timers of SDKs and sockets fire late, so a timeout that fires right
 * after one is not the provider's fault.
 */
import { ProviderError } from "@understudy/core/ProviderError"

/** The check interval, and the delay from which a check counts as a stall, in milliseconds. */
const interval = 250
const threshold = 750

/** How long after a stall a timeout is attributed to it, in milliseconds. */
const attribution = 5000

let timer: NodeJS.Timeout | undefined
let lastCheck = 0
let stallEnd = -Infinity
let stallDuration = 0

/** Starts the checks, once for the process. The timer does not keep the process alive. */
export const watch = (): void => {
  if (timer !== undefined) return
  lastCheck = performance.now()
  timer = setInterval(check, interval)
  timer.unref()
}

const check = (): void => {
  const now = performance.now()
  const delay = now - lastCheck - interval
  lastCheck = now
  if (delay < threshold) return
  stallEnd = now
  stallDuration = delay
}

/** Whether the event loop stalled within the last 5 seconds. */
export const hasStalled = (): boolean => {
  if (timer === undefined) return false
  if (performance.now() - lastCheck - interval >= threshold) check()
  return performance.now() - stallEnd < attribution
}

/** The error of a call that timed out because of the stall. */
export const error = (cause: unknown): ProviderError =>
  new ProviderError({
    reason: { _tag: "LocalError" },
    message: `this gateway's event loop stalled for ${Math.round(stallDuration)} ms`,
    cause,
  })
