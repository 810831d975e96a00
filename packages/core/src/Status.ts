/**
 * How a deployment stands: whether it may be asked, and how it has answered so far.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Admission from "./Admission.ts"
import type * as Candidate from "./Candidate.ts"
import type { Health } from "./Health.ts"

/** A deployment as it stands. Times are milliseconds; latencies are smoothed, `undefined` until there was an answer. */
export interface Status extends Health {
  readonly deployment: string
  readonly circuit: "closed" | "half-open" | "open"
  /** Until it may be asked again, by its circuit and its rest; 0 when it may. */
  readonly retryAfter: number
}

/** How it stands just now, by what the stores know and its own calls. */
export const of = (stores: Admission.Stores, { health, name }: Candidate.Candidate): Effect.Effect<Status> =>
  Effect.clockWith((clock) =>
    Effect.zipWith(
      Effect.orElseSucceed(stores.circuits.state(name), () => undefined),
      Admission.restsUntil(stores, name),
      (state, until): Status => {
        const wait = state?._tag === "Open" ? Duration.toMillis(state.retryAfter) : 0
        const rest = until - clock.currentTimeMillisUnsafe()
        return {
          deployment: name,
          circuit: state?._tag === "Open" ? "open" : state?._tag === "HalfOpen" ? "half-open" : "closed",
          retryAfter: Math.max(0, wait, rest),
          inFlight: health.inFlight,
          latency: health.latency,
          firstToken: health.firstToken,
        }
      },
    ),
  )
