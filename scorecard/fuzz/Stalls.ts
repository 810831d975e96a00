/** How long the event loop works for the gateway at one piece: while it does, every other caller waits. */
import * as Effect from "effect/Effect"
import { PerformanceObserver } from "node:perf_hooks"

/** How often the clock is read, in milliseconds. */
const every = 20

/** The longest stall so far, in milliseconds, and the number of the last case that had begun by its end. */
export interface Stall {
  readonly millis: number
  readonly at: number
}

/**
 * Watches until the scope closes. A stall is measured in milliseconds of this thread's own work: what a busy machine takes
 * from the thread is no fault of the gateway's, what collecting garbage takes depends on the heap of the whole process, and
 * what the fuzz's own ends do in this process is `aside`. A collection is reported one reading later, so that two are taken
 * together. `current` is the number of the last case that has begun.
 */
export const watch = (current: () => number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        let collected = 0
        const collections = new PerformanceObserver((list) => {
          for (const { duration, startTime } of list.getEntries()) if (!wasAside(startTime)) collected += duration
        })
        collections.observe({ entryTypes: ["gc"] })
        let longest: Stall = { millis: 0, at: 0 }
        const read = (): number => worked() - collected - setAside
        let before = [read(), read()] as const
        const timer = setInterval(() => {
          const now = read()
          const millis = now - before[0] - 2 * every
          if (millis > longest.millis) longest = { millis, at: current() }
          before = [before[1], now]
        }, every)
        return { collections, timer, longest: () => longest }
      }),
      ({ collections, timer }) =>
        Effect.sync(() => {
          clearInterval(timer)
          collections.disconnect()
        }),
    ),
    ({ longest }) => longest,
  )

/** Work of the fuzz itself, as its callers and vendors, in milliseconds. */
let setAside = 0

/** When the last long pieces of it were, by `performance.now`: a collection within them is not counted twice. */
const spans: Array<readonly [from: number, to: number]> = []

/** Does work that is not the gateway's. */
export const aside = <A>(work: () => A): A => {
  const from = performance.now()
  const before = worked()
  try {
    return work()
  } finally {
    setAside += worked() - before
    const to = performance.now()
    if (to - from > 1) spans.push([from, to])
    if (spans.length > 1000) spans.splice(0, 500)
  }
}

const wasAside = (time: number): boolean => spans.some(([from, to]) => time >= from && time <= to)

/** What this thread has worked, in milliseconds. */
const worked = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1000
}
