/**
 * How a deployment stands: whether it may be asked, and how it has answered so far.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Admission from "./Admission.ts"
import type { Operation } from "../model/Call.ts"
import { operations } from "../model/Call.ts"
import type * as Candidate from "../deployment/Candidate.ts"
import type { Health } from "../deployment/Health.ts"

/** How a deployment stands for one operation. */
export interface CircuitStatus {
  readonly circuit: "closed" | "half-open" | "open"
  /** Milliseconds until it may be asked again, by its circuit and its cooldown; 0 when it may. */
  readonly retryAfter: number
}

/**
 * A deployment as it stands. Times are milliseconds; latencies are smoothed, `undefined` until there was an answer.
 * Its `circuit` and `retryAfter` are the worst of the operations that it has answered here, or, before the first answer,
 * of all: that a chat model makes no embeddings says nothing of it. Whether it counts tokens is never among them.
 */
export interface Status extends Health, CircuitStatus {
  readonly deployment: string
  readonly operations: Readonly<Record<Operation, CircuitStatus>>
}

/** How it stands just now, by what the stores know and its own calls. */
export const of = (stores: Admission.Stores, candidate: Candidate.Candidate): Effect.Effect<Status> =>
  Effect.map(
    Effect.all({
      chat: circuitStatus(stores, candidate.keys.chat),
      embeddings: circuitStatus(stores, candidate.keys.embeddings),
      count: circuitStatus(stores, candidate.keys.count),
    }),
    (each): Status => {
      const { health, name, repeated } = candidate
      const answered = shown.filter((operation) => repeated[operation].isKnown)
      return {
        deployment: name,
        ...(answered.length === 0 ? shown : answered).map((operation) => each[operation]).reduce(worse),
        operations: each,
        inFlight: health.inFlight,
        latency: health.latency,
        firstToken: health.firstToken,
      }
    },
  )

const shown = ["chat", "embeddings"] as const

const circuitStatus = (stores: Admission.Stores, key: string): Effect.Effect<CircuitStatus> =>
  Effect.clockWith((clock) =>
    Effect.zipWith(
      Effect.orElseSucceed(stores.circuits.state(key), () => undefined),
      Admission.cooldownUntil(stores, key),
      (state, until): CircuitStatus => {
        const wait = state?._tag === "Open" ? Duration.toMillis(state.retryAfter) : 0
        const rest = until - clock.currentTimeMillisUnsafe()
        return {
          circuit: state?._tag === "Open" ? "open" : state?._tag === "HalfOpen" ? "half-open" : "closed",
          retryAfter: Math.max(0, wait, rest),
        }
      },
    ),
  )

const severity = { closed: 0, "half-open": 1, open: 2 }

const worse = (one: CircuitStatus, other: CircuitStatus): CircuitStatus => ({
  circuit: severity[one.circuit] >= severity[other.circuit] ? one.circuit : other.circuit,
  retryAfter: Math.max(one.retryAfter, other.retryAfter),
})

/** Ends every cooldown of a deployment, and closes its circuits, whatever opened them. */
export const reset = (
  { circuits, cooldowns }: Admission.Stores,
  { health, keys }: Candidate.Candidate,
): Effect.Effect<void> =>
  Effect.forEach(
    operations,
    (operation) => {
      health.recordOutcome(operation, undefined)
      return Effect.andThen(cooldowns.end(keys[operation]), circuits.reset?.(keys[operation]) ?? Effect.void)
    },
    { discard: true },
  )
