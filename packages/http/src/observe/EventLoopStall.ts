/**
 * Says in the log when the whole process stood still, for a body that was too much or a machine that was too busy: nobody
 * was answered meanwhile.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** How often it is looked at, and how late a look is that is told of: milliseconds. */
const every = 500
const late = 1000

export const layer: Layer.Layer<never> = Layer.effectDiscard(
  Effect.forkScoped(
    Effect.forever(
      Effect.clockWith((clock) => {
        const began = clock.currentTimeMillisUnsafe()
        return Effect.flatMap(Effect.sleep(every), () => {
          const still = clock.currentTimeMillisUnsafe() - began - every
          return still < late
            ? Effect.void
            : Effect.logError(`This gateway stood still for ${still} ms. No deployment is held to that time.`)
        })
      }),
    ),
  ),
)
