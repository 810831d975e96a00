/**
 * Logs stalls of the event loop, caused by an oversized body or a busy machine. No call makes progress during a stall.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Passes on, every `millis` milliseconds, how many milliseconds late the event loop is. */
export const sample = (millis: number, take: (delay: number) => Effect.Effect<void>): Effect.Effect<never> =>
  Effect.forever(
    Effect.clockWith((clock) => {
      const startedAt = clock.currentTimeMillisUnsafe()
      return Effect.flatMap(Effect.sleep(millis), () =>
        take(Math.max(0, clock.currentTimeMillisUnsafe() - startedAt - millis)),
      )
    }),
  )

/** Milliseconds between checks. */
const interval = 500
/** The shortest stall that is logged, in milliseconds. */
const minStall = 1000

export const layer: Layer.Layer<never> = Layer.effectDiscard(
  Effect.forkScoped(
    sample(interval, (stalled) =>
      stalled < minStall
        ? Effect.void
        : Effect.logError(`The event loop stalled for ${stalled} ms. Timeouts of deployments do not count this time.`),
    ),
  ),
)
