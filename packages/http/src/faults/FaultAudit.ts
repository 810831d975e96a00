/** The audit of fault injection: a row for each time that faults are switched, if there is a database. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** The database could not be used. */
export class NotRecorded extends Data.TaggedError("NotRecorded")<{ readonly message: string }> {}

/** What was on of a target, and what is on now; `null` for nothing. `actor`: `operator` or the id of a key. */
export interface Switched {
  readonly actor: string
  readonly target: string
  readonly before: object | null
  readonly after: object | null
}

/** Records what is switched. Without a database it does nothing. */
export const FaultAudit = Context.Reference<(switched: ReadonlyArray<Switched>) => Effect.Effect<void, NotRecorded>>(
  "@understudy/http/FaultAudit",
  { defaultValue: () => () => Effect.void },
)
