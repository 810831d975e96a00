/**
 * The limits on a stream's silence, kept by one fibre for the whole stream: a timer and two fibres for every token would
 * cost more than the token (docs/performance.md).
 *
 * What is limited is how long the stream is waited for, not how long its consumer takes: a slow client is no fault of the
 * provider's. But no stream outlives its call's deadline, though nobody pulls any more.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { ProviderError } from "../model/ProviderError.ts"
import * as Timeout from "../policy/Timeout.ts"

/** Guards one pull after the other, never two at once. */
export interface Watchdog {
  /** The pull, ended by a `Timeout` when it is waited for too long. `isEvent` says whether what came breaks the silence. */
  readonly guard: <A, E>(
    pull: Effect.Effect<A, E>,
    isEvent: (value: A) => boolean,
  ) => Effect.Effect<A, E | ProviderError>
}

/**
 * A watchdog that lives in `scope`. Silence may last `idle` milliseconds, over as many pulls as bring no event, and
 * nothing may be waited for past the deadline: from then on every pull fails, and where none is under way, `abandon` is
 * run with that failure. It may close the scope.
 */
export const make = (
  scope: Scope.Scope,
  idle: number,
  deadline: Timeout.Deadline,
  abandon: (error: ProviderError) => Effect.Effect<void> = () => Effect.void,
): Effect.Effect<Watchdog> =>
  Effect.contextWith((context: Parameters<typeof Effect.runForkWith<never>>[0]) =>
    Effect.flatMap(Clock.Clock, (clock) => {
      const run = Effect.runForkWith(context)
      /** How long silence has lasted, before the pull that is under way. */
      let silent = 0
      let due = 0
      let bite: (() => void) | undefined

      const limit = (now: number) => Timeout.earliest("idle", idle - silent, deadline, now)

      const guard: Watchdog["guard"] = (pull, isEvent) =>
        Effect.callback((resume) => {
          const began = clock.currentTimeMillisUnsafe()
          const { byCaller, millis, phase } = limit(began)
          const late = () =>
            resume(Effect.fail(Timeout.timeoutError({ phase, millis: phase === "idle" ? idle : millis, byCaller })))
          if (millis <= 0) return late()
          due = began + millis
          const fiber = run(pull)
          bite = () => {
            bite = undefined
            late()
            fiber.interruptUnsafe()
          }
          fiber.addObserver((exit) => {
            bite = undefined
            const broken = exit._tag === "Success" && isEvent(exit.value)
            silent = broken ? 0 : silent + clock.currentTimeMillisUnsafe() - began
            resume(exit)
          })
          return Effect.suspend(() => {
            bite = undefined
            return Fiber.interrupt(fiber)
          })
        })

      let wake = Infinity
      const sleep = (now: number, millis: number) => {
        wake = now + millis
        return Effect.sleep(millis)
      }

      // A pull that begins while this sleeps is never due before it wakes: it sleeps as long as a pull begun now could last.
      const watch = Effect.suspend(() => {
        const now = clock.currentTimeMillisUnsafe()
        // What came while the process stood still has not been read yet.
        due += Timeout.grace(now - wake, idle)
        wake = Infinity
        if (bite === undefined) {
          const { byCaller, millis, phase } = limit(now)
          // Whoever closes this scope waits for this fibre.
          if (deadline.at <= now)
            return Effect.andThen(
              Effect.forkDetach(abandon(Timeout.timeoutError({ phase, millis, byCaller }))),
              Effect.never,
            )
          return sleep(now, Math.max(1, millis))
        }
        if (now < due) return sleep(now, due - now)
        return Effect.sync(bite)
      })
      return Effect.as(Effect.forkIn(Effect.forever(watch), scope), { guard })
    }),
  )
