/**
 * Whether the database can be used now, as those who use it found out. It is logged once when it is lost and once when it is
 * back, and shown by `/ready` and `understudy_database_up`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"

export const up = Metric.gauge("understudy_database_up", {
  description: "Whether the database can be used: 1, or 0 while it is lost",
})

export class StoreStatus extends Context.Service<
  StoreStatus,
  {
    readonly isUp: () => boolean
    /** A statement failed because of the database, not because of its values. */
    readonly lost: (cause: string) => Effect.Effect<void>
    /** A statement succeeded. */
    readonly back: Effect.Effect<void>
  }
>()("@understudy/http/StoreStatus") {}

/** The status of a database that could be used when the gateway started. */
export const layer: Layer.Layer<StoreStatus> = Layer.effect(
  StoreStatus,
  Effect.gen(function* () {
    let isUp = true
    yield* Metric.update(up, 1)
    return {
      isUp: () => isUp,
      lost: (cause) =>
        Effect.suspend(() => {
          if (!isUp) return Effect.void
          isUp = false
          return Effect.andThen(
            Metric.update(up, 0),
            Effect.logError(`The database is lost: ${cause}. Calls go on; the gateway tries again every second.`),
          )
        }),
      back: Effect.suspend(() => {
        if (isUp) return Effect.void
        isUp = true
        return Effect.andThen(Metric.update(up, 1), Effect.logInfo("The database is back."))
      }),
    }
  }),
)
