/** The clock and the timers of what the main process and its workers decide by time: both use the same clock. */

export interface Time {
  /** The time in clock milliseconds. */
  readonly now: () => number
  /** Runs a function after some milliseconds, unless it is stopped. Keeps no process running. */
  readonly schedule: (run: () => void, millis: number) => () => void
}

export const system: Time = {
  now: Date.now,
  schedule: (run, millis) => {
    const timer = setTimeout(run, millis).unref()
    return () => clearTimeout(timer)
  },
}
