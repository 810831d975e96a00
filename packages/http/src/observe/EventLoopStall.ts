/**
 * Logs and counts stalls of the event loop, caused by an oversized body or a busy machine. No call makes progress during a stall.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"

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
/** The shortest stall that is reported, in milliseconds. */
const minStall = 1000

const stalls = Metric.counter("understudy_event_loop_stalls_total", {
  description: "Stalls of the event loop of a second or more",
  incremental: true,
})

export const layer: Layer.Layer<never> = Layer.effectDiscard(
  Effect.andThen(
    Metric.update(stalls, 0),
    Effect.forkScoped(
      sample(interval, (stalled) =>
        stalled < minStall
          ? Effect.void
          : Effect.andThen(
              Metric.update(stalls, 1),
              Effect.logError(
                `The event loop stalled for ${stalled} ms. Timeouts of deployments do not count this time.`,
              ),
            ),
      ),
    ),
  ),
)
