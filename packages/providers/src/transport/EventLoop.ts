/**
 * Whether this process stood still, so that the clocks under SDKs and sockets, which know nothing of it, came late: what
 * they gave up is no provider's fault.
 */
import { ProviderError } from "@understudy/core/ProviderError"

/** How often it is looked at, and how late a look is that tells of a standstill: milliseconds. */
const every = 250
const late = 750

/** For how many milliseconds after it a standstill explains what was given up. */
const memory = 5000

let watched: NodeJS.Timeout | undefined
let looked = 0
let over = -Infinity
let lasted = 0

/** Begins to look, once for the process. Keeps no process alive. */
export const watch = (): void => {
  if (watched !== undefined) return
  looked = performance.now()
  watched = setInterval(look, every)
  watched.unref()
}

const look = (): void => {
  const now = performance.now()
  const still = now - looked - every
  looked = now
  if (still < late) return
  over = now
  lasted = still
}

/** Whether it stood still just now. */
export const stoodStill = (): boolean => {
  if (watched === undefined) return false
  if (performance.now() - looked - every >= late) look()
  return performance.now() - over < memory
}

/** The failure of what was given up for it. */
export const error = (cause: unknown): ProviderError =>
  new ProviderError({
    reason: { _tag: "LocalError" },
    message: `this gateway stood still for ${Math.round(lasted)} ms`,
    cause,
  })
