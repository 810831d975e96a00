/**
 * Circuit breakers, one for each deployment and operation. A closed circuit admits all calls. It opens after too many
 * failures (`CircuitPolicy`) and refuses all calls for a time, which doubles with each opening in a row. Then it is
 * half-open: one call is admitted as a probe, whose success closes the circuit and whose failure opens it again.
 *
 * `step` is the state machine, a pure function of state, event and time. `Circuits` keeps the states, and `layerStore` is a
 * layer of Effect's `CircuitBreakerStore`, so that Effect's Redis store can replace it when gateways share their circuits.
 * Effect marks that interface as experimental; no other file implements it.
 *
 * Effect's own memory store (`CircuitBreaker.layerStoreMemory`) behaves alike, which a property test holds, but lacks what
 * is needed here: it cannot open a circuit without a call (`open`, for the other operations of an account that was
 * refused), nor close one by hand (`reset`), and it forgets a circuit, with its number of openings, after an idle hour.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import type { FailureAction } from "../model/ProviderError.ts"
import type { ResolvedCircuitPolicy } from "../policy/CircuitPolicy.ts"

/**
 * The record of an attempt's outcome. `action` is what its failure does to the circuit, `undefined` for a success;
 * `openings` how often the circuit has opened in a row. An attempt that lasted `elapsed` milliseconds has already kept
 * callers waiting: its circuit opens for that much less, but never for less than `policy.open`.
 */
export const toRecord = (
  policy: ResolvedCircuitPolicy,
  openings: number,
  action: FailureAction["circuit"] | undefined,
  elapsed = 0,
): Pick<Record, "outcome" | "tripPolicy" | "openFor"> => {
  switch (action) {
    case undefined:
      return { outcome: "Success", tripPolicy: policy.trip, openFor: Duration.zero }
    case "failure": {
      const openFor = Math.max(policy.open, Math.min(policy.max, policy.open * 2 ** openings) - elapsed)
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
  /** The last outcomes, newest last, `true` for a failure. Only kept for a `Rate` policy. */
  readonly ring: ReadonlyArray<boolean>
  /** When the number of openings returns to 0. */
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

/** A circuit. `generation` changes with every transition: an outcome of an older generation changes nothing. */
export type State = (Closed | Open | HalfOpen) & { readonly generation: number; readonly openings: number }

/** The record of an outcome. */
export type Record = Parameters<CircuitBreaker.CircuitBreakerStore["Service"]["record"]>[0]

export type Event =
  | { readonly _tag: "Admit" }
  | ({ readonly _tag: "Record" } & Pick<Record, "generation" | "outcome" | "tripPolicy" | "openFor">)

/** The result of an event. `from` is the state that the outcome made the circuit leave; `retryAfter` is in milliseconds. */
export type StepResult =
  | { readonly _tag: "Admitted"; readonly transitioned: boolean }
  | { readonly _tag: "Refused"; readonly retryAfter: number | undefined }
  | { readonly _tag: "Recorded"; readonly from: "Closed" | "HalfOpen" | undefined }

export const initial: State = { _tag: "Closed", generation: 0, openings: 0, streak: 0, ring: [], resetAt: 0 }

const admitted: StepResult = { _tag: "Admitted", transitioned: false }
const recorded: StepResult = { _tag: "Recorded", from: undefined }
const leftClosed: StepResult = { _tag: "Recorded", from: "Closed" }
const leftHalfOpen: StepResult = { _tag: "Recorded", from: "HalfOpen" }

/** The next state after an event at `now` (clock milliseconds), and the event's result. */
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

/** A store of circuits: Effect's, with operations that only `layerStore` has. */
export type Store = CircuitBreaker.CircuitBreakerStore["Service"] & {
  /** `admit` and `record` that run when they are called, where they can: then they return an exit. */
  readonly immediate?: Immediate | undefined
  /** Opens a circuit for some milliseconds, unless it is open. */
  readonly open?: ((key: string, millis: number) => Effect.Effect<void>) | undefined
  /** Closes a circuit, and sets its number of openings to 0. The outcomes of calls under way no longer change it. */
  readonly reset?: ((key: string) => Effect.Effect<void>) | undefined
}

/** A store that decides at once, where it can. `now` is in clock milliseconds. */
export interface Immediate {
  readonly admit: (
    key: string,
    now: number,
  ) => Effect.Effect<CircuitBreaker.Admission, CircuitBreaker.CircuitBreakerError>
  readonly record: (record: Record, now: number) => Effect.Effect<CircuitBreaker.Transition | undefined>
}

/** Circuits of one process, in memory. `now` is in clock milliseconds. */
export class Circuits implements Immediate {
  readonly #states = new Map<string, State>()

  state(key: string): State {
    return this.#states.get(key) ?? initial
  }

  set(key: string, state: State): void {
    this.#states.set(key, state)
  }

  admit(key: string, now: number): Exit.Exit<CircuitBreaker.Admission, CircuitBreaker.CircuitBreakerError> {
    const result = this.#send(key, admitEvent, now)
    return result._tag === "Refused"
      ? Exit.fail(rejection(key, result.retryAfter))
      : Exit.succeed(admission(key, this.state(key), result))
  }

  record(
    { generation, key, openFor, outcome, tripPolicy }: Record,
    now: number,
  ): Exit.Exit<CircuitBreaker.Transition | undefined> {
    const result = this.#send(key, { _tag: "Record", generation, outcome, tripPolicy, openFor }, now)
    return result._tag === "Recorded" && result.from !== undefined
      ? Exit.succeed(transition(key, openFor, result.from, this.state(key)))
      : unchanged
  }

  /** Applies an event to a circuit. */
  #send(key: string, event: Event, now: number): StepResult {
    const state = this.state(key)
    const [next, result] = step(state, event, now)
    if (next !== state) this.#states.set(key, next)
    return result
  }
}

const admitEvent: Event = { _tag: "Admit" }
const unchanged = Exit.succeed(undefined)

/** Circuits of one process, in memory for the life of the layer. */
export const layerStore: Layer.Layer<CircuitBreaker.CircuitBreakerStore> = Layer.sync(
  CircuitBreaker.CircuitBreakerStore,
  () => makeStore(new Circuits()),
)

/** The store over these circuits. */
export const makeStore = (circuits: Circuits): Store => {
  const atNow = <A, E>(run: (now: number) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.clockWith((clock) => run(clock.currentTimeMillisUnsafe()))
  return {
    immediate: circuits,
    admit: (key) => atNow((now) => circuits.admit(key, now)),
    record: (record) => atNow((now) => circuits.record(record, now)),
    state: (key) => atNow((now) => Effect.succeed(toState(key, circuits.state(key), now))),
    open: (key, millis) =>
      atNow((now) => {
        const state = circuits.state(key)
        if (state._tag !== "Open" || now >= state.until) circuits.set(key, open(state, Duration.millis(millis), now))
        return Effect.void
      }),
    reset: (key) =>
      Effect.sync(() => circuits.set(key, { ...initial, generation: circuits.state(key).generation + 1 })),
  }
}

const admission = (key: string, state: State, result: StepResult): CircuitBreaker.Admission => ({
  generation: state.generation,
  probe: state._tag === "HalfOpen",
  consecutiveOpenings: state.openings,
  transition: result._tag === "Admitted" && result.transitioned ? { key, from: "Open", to: "HalfOpen" } : undefined,
})

/** The error of a circuit that is open for another `retryAfter` milliseconds, or else half-open. */
export const rejection = (key: string, retryAfter: number | undefined) =>
  new CircuitBreaker.CircuitBreakerError({
    reason:
      retryAfter === undefined
        ? new CircuitBreaker.CircuitHalfOpen({ key })
        : new CircuitBreaker.CircuitOpen({ key, retryAfter: Duration.millis(retryAfter) }),
  })

const transition = (
  key: string,
  openFor: Duration.Duration,
  from: "Closed" | "HalfOpen",
  next: State,
): CircuitBreaker.Transition | undefined => {
  if (next._tag === "Open") {
    return { key, from, to: "Open", retryAfter: openFor, consecutiveOpenings: next.openings }
  }
  return from === "HalfOpen" ? { key, from, to: "Closed" } : undefined
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
