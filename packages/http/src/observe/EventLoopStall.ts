/**
 * Logs stalls of the event loop, caused by an oversized body or a busy machine. No call makes progress during a stall.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Milliseconds between checks. */
const interval = 500
/** The shortest stall that is logged, in milliseconds. */
const minStall = 1000

export const layer: Layer.Layer<never> = Layer.effectDiscard(
  Effect.forkScoped(
    Effect.forever(
      Effect.clockWith((clock) => {
        const startedAt = clock.currentTimeMillisUnsafe()
        return Effect.flatMap(Effect.sleep(interval), () => {
          const stalled = clock.currentTimeMillisUnsafe() - startedAt - interval
          return stalled < minStall
            ? Effect.void
            : Effect.logError(
                `The event loop stalled for ${stalled} ms. Timeouts of deployments do not count this time.`,
              )
        })
      }),
    ),
  ),
)
