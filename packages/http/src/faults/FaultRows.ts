/** The audit of fault injection in the database. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { FaultAudit, NotRecorded } from "./FaultAudit.ts"
import { Changes } from "../store/Changes.ts"

/** How long the database may take for it. */
const timeout = "5 seconds"

export const layer: Layer.Layer<never, never, Changes> = Layer.effect(
  FaultAudit,
  Effect.map(
    Changes,
    ({ commit }) =>
      (switched) =>
        commit((record) =>
          Effect.forEach(
            switched,
            ({ actor, after, before, target }) =>
              record({ actor, action: "update", kind: "faults", subjectId: target, before, after }),
            { discard: true },
          ),
        ).pipe(
          Effect.timeoutOrElse({
            duration: timeout,
            orElse: () => Effect.fail(new NotRecorded({ message: `no answer within ${timeout}` })),
          }),
          Effect.mapError(({ message }) => new NotRecorded({ message })),
        ),
  ),
)
