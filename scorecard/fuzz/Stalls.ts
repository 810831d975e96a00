/** How long the event loop works at one piece: while it does, every other caller waits. */
import * as Effect from "effect/Effect"
import { PerformanceObserver } from "node:perf_hooks"

/** How often is looked, in milliseconds. */
const every = 20

/**
 * Watches until the scope closes, and tells the longest stall so far, in milliseconds of this thread's own work: what a busy
 * machine takes from it is no fault of the gateway's, and what collecting garbage takes depends on the heap of the whole
 * process. A collection is told of one look later, so that two looks are taken together.
 */
export const watch = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      let collected = 0
      const collections = new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) collected += duration
      })
      collections.observe({ entryTypes: ["gc"] })
      let longest = 0
      let before = [worked(), worked()] as const
      const timer = setInterval(() => {
        const now = worked() - collected
        longest = Math.max(longest, now - before[0] - 2 * every)
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

/** What this thread has worked, in milliseconds. */
const worked = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1000
}
