/**
 * Signal handling of a server process, besides shutdown, which the Effect runtime handles.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

type Signal = "SIGINT" | "SIGHUP"

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

/** Ignores SIGHUP. Acquire it before the server, so that it is in effect while the server drains. */
export const ignoreHangup: Effect.Effect<void, never, Scope.Scope> = on(
  "SIGHUP",
  Effect.logWarning("SIGHUP is ignored. Restart to reload the configuration."),
)

/** Skips the drain delay on SIGINT, which comes from a terminal, where no load balancer waits. */
export const hurryOnInterrupt = (hurry: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> =>
  on("SIGINT", hurry)
