/** How long the event loop works at one piece: while it does, every other caller waits. */
import * as Effect from "effect/Effect"

/** How often is looked, in milliseconds. */
const every = 20

/**
 * Watches until the scope closes, and tells the longest stall so far, in milliseconds of this thread's own work: what a busy
 * machine takes from it is nobody's fault.
 */
export const watch = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      let longest = 0
      let before = worked()
      const timer = setInterval(() => {
        const now = worked()
        longest = Math.max(longest, now - before - every)
        before = now
      }, every)
      return { timer, longest: () => longest }
    }),
    ({ timer }) => Effect.sync(() => clearInterval(timer)),
  ),
  ({ longest }) => longest,
)

/** What this thread has worked, in milliseconds. */
const worked = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1000
}
