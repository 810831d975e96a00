/**
 * What a serving process does about signals beside going down, which its runtime sees to.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Takes SIGINT for a hand at a terminal, which waits for no load balancer; and does not die of a terminal that hangs up. */
export const listen = (hurry: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.contextWith((context: Parameters<typeof Effect.runForkWith<never>>[0]) => {
    const run = Effect.runForkWith(context)
    const handlers = {
      SIGINT: () => run(hurry),
      SIGHUP: () => run(Effect.logWarning("SIGHUP changes nothing: restart to read the configuration again")),
    }
    return Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => {
          // Before the runtime, which goes down on it.
          process.prependListener("SIGINT", handlers.SIGINT)
          process.on("SIGHUP", handlers.SIGHUP)
        }),
        () =>
          Effect.sync(() => {
            process.off("SIGINT", handlers.SIGINT)
            process.off("SIGHUP", handlers.SIGHUP)
          }),
      ),
    )
  })
