/**
 * What a serving process does about signals beside going down, which its runtime sees to.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

type Signal = "SIGINT" | "SIGHUP"

/** Runs an effect at each such signal until the scope closes, before the runtime goes down on it. */
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

/**
 * Does not die of a terminal that hangs up. To be acquired before the server, so that it still holds while the server
 * drains.
 */
export const outliveHangup: Effect.Effect<void, never, Scope.Scope> = on(
  "SIGHUP",
  Effect.logWarning("SIGHUP changes nothing: restart to read the configuration again"),
)

/** Takes SIGINT for a hand at a terminal, which waits for no load balancer. */
export const hurryOnInterrupt = (hurry: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> =>
  on("SIGINT", hurry)
