/**
 * One circuit a deployment and operation: closed while it answers, open when it has failed too often, half-open while one probe finds
 * out whether it has come back.
 *
 * The state machine is `step`, a pure function of (state, event, time); `layerStore` keeps one `Ref` of it a key and
 * offers it as Effect's `CircuitBreakerStore`, so that Effect's Redis store can take its place when gateways share one
 * view. Effect marks that interface experimental: this is the only file that implements it.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Ref from "effect/Ref"
import type { FailureAction } from "../model/ProviderError.ts"
import type { ResolvedCircuitPolicy } from "../policy/CircuitPolicy.ts"

/**
 * An outcome to record: what the store is told, given how the failure was action (`undefined` is a success), how often
 * the circuit has opened of late, and for how many milliseconds the attempt lasted.
 */
export const toRecord = (
  policy: ResolvedCircuitPolicy,
  openings: number,
  action: FailureAction["circuit"] | undefined,
  lasted = 0,
): Pick<Record, "outcome" | "tripPolicy" | "openFor"> => {
  switch (action) {
    case undefined:
      return { outcome: "Success", tripPolicy: policy.trip, openFor: Duration.zero }
    case "failure": {
      const openFor = Math.max(policy.open, Math.min(policy.max, policy.open * 2 ** openings) - lasted)
      return { outcome: "Failure", tripPolicy: policy.trip, openFor: Duration.millis(openFor) }
    }
    case "trip-permanent":
      return { outcome: "Failure", tripPolicy: tripImmediately, openFor: Duration.millis(policy.permanentFailure) }
    case "cooldown":
    case "ignore":
      return { outcome: "Ignored", tripPolicy: policy.trip, openFor: Duration.zero }
  }
}

const tripImmediately = CircuitBreaker.consecutive(1)

// ---------------------------------------------------------------------------------------------------------------------
// The state machine
// ---------------------------------------------------------------------------------------------------------------------

interface Closed {
  readonly _tag: "Closed"
  readonly streak: number
  /** The last outcomes, newest last, true for a failure: kept for a `Rate` policy only. */
  readonly ring: ReadonlyArray<boolean>
  /** From this time on an earlier opening no longer lengthens the next one. */
  readonly resetAt: number
}

interface Open {
  readonly _tag: "Open"
  readonly until: number
  readonly openedFor: number
}

interface HalfOpen {
  readonly _tag: "HalfOpen"
  readonly probing: boolean
  readonly openedFor: number
}

/** A circuit. `generation` changes with every transition: an outcome stamped with an older one changes nothing. */
export type State = (Closed | Open | HalfOpen) & { readonly generation: number; readonly openings: number }

type Record = Parameters<CircuitBreaker.CircuitBreakerStore["Service"]["record"]>[0]

export type Event =
  | { readonly _tag: "Admit" }
  | ({ readonly _tag: "Record" } & Pick<Record, "generation" | "outcome" | "tripPolicy" | "openFor">)

/** What an event did: a call admitted, a call refused, an outcome taken in (and which state the circuit left for it). */
export type StepResult =
  | { readonly _tag: "Admitted"; readonly transitioned: boolean }
  | { readonly _tag: "Refused"; readonly retryAfter: number | undefined }
  | { readonly _tag: "Recorded"; readonly from: "Closed" | "HalfOpen" | undefined }

export const initial: State = { _tag: "Closed", generation: 0, openings: 0, streak: 0, ring: [], resetAt: 0 }

const admitted: StepResult = { _tag: "Admitted", transitioned: false }
const recorded: StepResult = { _tag: "Recorded", from: undefined }
const leftClosed: StepResult = { _tag: "Recorded", from: "Closed" }
const leftHalfOpen: StepResult = { _tag: "Recorded", from: "HalfOpen" }

/** One event, taken in at `now` (milliseconds): the next state and what became of the event. */
export const step = (state: State, event: Event, now: number): readonly [State, StepResult] =>
  event._tag === "Admit" ? admit(state, now) : record(state, event, now)

const admit = (state: State, now: number): readonly [State, StepResult] => {
  switch (state._tag) {
    case "Closed":
      return [state.openings > 0 && now >= state.resetAt ? { ...state, openings: 0 } : state, admitted]
    case "Open":
      return now < state.until
        ? [state, { _tag: "Refused", retryAfter: state.until - now }]
        : [probe(state), { _tag: "Admitted", transitioned: true }]
    case "HalfOpen":
      return state.probing ? [state, { _tag: "Refused", retryAfter: undefined }] : [probe(state), admitted]
  }
}

const probe = (state: (Open | HalfOpen) & State): State => ({
  _tag: "HalfOpen",
  generation: state.generation + 1,
  openings: state.openings,
  probing: true,
  openedFor: state.openedFor,
})

const record = (
  state: State,
  event: Extract<Event, { readonly _tag: "Record" }>,
  now: number,
): readonly [State, StepResult] => {
  if (event.generation !== state.generation || state._tag === "Open") return [state, recorded]
  if (state._tag === "HalfOpen") {
    switch (event.outcome) {
      case "Ignored":
        return [{ ...state, probing: false }, recorded]
      case "Failure":
        return [open(state, event.openFor, now), leftHalfOpen]
      case "Success":
        return [
          { ...initial, generation: state.generation + 1, openings: state.openings, resetAt: now + state.openedFor },
          leftHalfOpen,
        ]
    }
  }
  if (event.outcome === "Ignored") return [state, recorded]
  const failed = event.outcome === "Failure"
  const streak = failed ? state.streak + 1 : 0
  const ring = event.tripPolicy._tag === "Rate" ? [...state.ring, failed].slice(-event.tripPolicy.size) : state.ring
  if (trips(event.tripPolicy, streak, ring)) return [open(state, event.openFor, now), leftClosed]
  return streak === state.streak && ring === state.ring ? [state, recorded] : [{ ...state, streak, ring }, recorded]
}

const trips = (policy: CircuitBreaker.TripPolicy, streak: number, ring: ReadonlyArray<boolean>): boolean => {
  if (policy._tag === "Consecutive") return streak >= policy.failures
  const failures = ring.filter((failed) => failed).length
  return ring.length >= policy.minimumCalls && failures > 0 && failures / ring.length >= policy.threshold
}

const open = (state: State, openFor: Duration.Duration, now: number): State => ({
  _tag: "Open",
  generation: state.generation + 1,
  openings: state.openings + 1,
  until: now + Duration.toMillis(openFor),
  openedFor: Duration.toMillis(openFor),
})

// ---------------------------------------------------------------------------------------------------------------------
// The store
// ---------------------------------------------------------------------------------------------------------------------

/** A store of circuits: Effect's, and where it is ours, able to open and close one by hand. */
export type Store = CircuitBreaker.CircuitBreakerStore["Service"] & {
  /** Opens a circuit for so many milliseconds, unless it is open. */
  readonly open?: ((key: string, millis: number) => Effect.Effect<void>) | undefined
  /** Closes a circuit, whatever opened it, and forgets its openings. Calls under way change nothing in it any more. */
  readonly reset?: ((key: string) => Effect.Effect<void>) | undefined
}

/** Keeps the circuits of one process in memory, for the life of the layer. */
export const layerStore: Layer.Layer<CircuitBreaker.CircuitBreakerStore> = Layer.sync(
  CircuitBreaker.CircuitBreakerStore,
  () => {
    const circuits = new Map<string, Ref.Ref<State>>()
    const circuit = (key: string): Ref.Ref<State> => {
      const known = circuits.get(key)
      if (known !== undefined) return known
      const fresh = Ref.makeUnsafe<State>(initial)
      circuits.set(key, fresh)
      return fresh
    }
    /** Steps the circuit, and shows the state after and what became of the event. */
    const send = (key: string, event: Event) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Ref.modify(circuit(key), (state) => {
          const [next, verdict] = step(state, event, now)
          return [{ next, verdict }, next]
        }),
      )
    const store: Store = {
      admit: (key) =>
        Effect.flatMap(send(key, { _tag: "Admit" }), ({ next, verdict }) =>
          verdict._tag === "Refused"
            ? Effect.fail(rejection(key, verdict.retryAfter))
            : Effect.succeed({
                generation: next.generation,
                probe: next._tag === "HalfOpen",
                consecutiveOpenings: next.openings,
                transition:
                  verdict._tag === "Admitted" && verdict.transitioned
                    ? { key, from: "Open", to: "HalfOpen" }
                    : undefined,
              }),
        ),
      record: (options) =>
        Effect.map(
          send(options.key, {
            _tag: "Record",
            generation: options.generation,
            outcome: options.outcome,
            tripPolicy: options.tripPolicy,
            openFor: options.openFor,
          }),
          ({ next, verdict }) =>
            verdict._tag === "Recorded" && verdict.from !== undefined
              ? transition(options, verdict.from, next)
              : undefined,
        ),
      state: (key) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.map(Ref.get(circuit(key)), (state) => toState(key, state, now)),
        ),
      open: (key, millis) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Ref.update(circuit(key), (state) =>
            state._tag === "Open" && now < state.until ? state : open(state, Duration.millis(millis), now),
          ),
        ),
      reset: (key) => Ref.update(circuit(key), ({ generation }) => ({ ...initial, generation: generation + 1 })),
    }
    return store
  },
)

const rejection = (key: string, retryAfter: number | undefined) =>
  new CircuitBreaker.CircuitBreakerError({
    reason:
      retryAfter === undefined
        ? new CircuitBreaker.CircuitHalfOpen({ key })
        : new CircuitBreaker.CircuitOpen({ key, retryAfter: Duration.millis(retryAfter) }),
  })

const transition = (
  options: Record,
  left: "Closed" | "HalfOpen",
  next: State,
): CircuitBreaker.Transition | undefined => {
  const { key, openFor: retryAfter } = options
  if (next._tag === "Open") return { key, from: left, to: "Open", retryAfter, consecutiveOpenings: next.openings }
  return left === "HalfOpen" ? { key, from: left, to: "Closed" } : undefined
}

const toState = (key: string, state: State, now: number): CircuitBreaker.State => {
  switch (state._tag) {
    case "Closed":
      return { _tag: "Closed", key }
    case "Open":
      return {
        _tag: "Open",
        key,
        retryAfter: Duration.millis(Math.max(0, state.until - now)),
        consecutiveOpenings: state.openings,
      }
    case "HalfOpen":
      return { _tag: "HalfOpen", key, probing: state.probing, consecutiveOpenings: state.openings }
  }
}
