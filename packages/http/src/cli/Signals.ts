/**
 * Signals: how a second one ends the process, and what a server does at each besides the shutdown, which the Effect runtime
 * starts at the first SIGINT or SIGTERM.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

type Signal = "SIGINT" | "SIGHUP"

/** Milliseconds after a second signal in which running calls get their error, and the books are written. */
const grace = 2000

/** Waits for the second SIGINT or SIGTERM. */
export const SecondSignal = Context.Reference<Effect.Effect<void>>("@understudy/http/SecondSignal", {
  defaultValue: () => Effect.never,
})

/**
 * Counts SIGINT and SIGTERM. After the second the process exits as soon as the program has ended, at the latest after two
 * seconds; at the third it exits immediately. Returns what `SecondSignal` is.
 */
export const exitOnSecond = (): Effect.Effect<void> => {
  const second = Deferred.makeUnsafe<void>()
  let count = 0
  const handler = () => {
    count += 1
    if (count > 2) process.exit(130)
    if (count < 2) return
    Deferred.doneUnsafe(second, Effect.void)
    setTimeout(() => process.exit(130), grace)
  }
  process.on("SIGINT", handler)
  process.on("SIGTERM", handler)
  return Deferred.await(second)
}

/** Runs an effect at each signal until the scope closes, before the runtime interrupts the program. */
const on = (signal: Signal, effect: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.contextWith((context: Parameters<typeof Effect.runForkWith<never>>[0]) => {
    const run = Effect.runForkWith(context)
    const handler = () => run(effect)
    return Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => process.prependListener(signal, handler)),
        () => Effect.sync(() => process.off(signal, handler)),
      ),
    )
  })

/** Runs an effect at each SIGHUP, which then never ends the process. Acquire it before the server, so that this holds while the server drains. */
export const onHangup = (effect: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> => on("SIGHUP", effect)

/** Skips the drain delay on SIGINT, which comes from a terminal, where no load balancer waits. */
export const hurryOnInterrupt = (hurry: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> =>
  on("SIGINT", hurry)
