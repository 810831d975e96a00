/**
 * Admission of an attempt to a deployment: its cooldown, circuit, concurrency permit and rate limits, acquired together, or
 * a rejection that names the one that refused.
 *
 * An admitted attempt must settle its permit exactly once, however it ends.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import * as Scope from "effect/Scope"
import type { Call, Operation } from "../model/Call.ts"
import { operations } from "../model/Call.ts"
import type { Candidate } from "../deployment/Candidate.ts"
import type * as Chat from "../model/Chat.ts"
import * as Circuit from "./Circuit.ts"
import * as Cooldown from "../policy/Cooldown.ts"
import type { FailureAction } from "../model/ProviderError.ts"
import * as RateLimit from "./RateLimit.ts"
import type { Cooldowns } from "./Cooldowns.ts"
import type { Rejection } from "../model/SkipReason.ts"
import { Rejected } from "../model/SkipReason.ts"

/** The stores of circuits, rate limits and cooldowns: in memory, or shared by several gateways. */
export interface Stores {
  readonly circuits: Circuit.Store
  readonly limiter: RateLimiter.RateLimiter
  readonly cooldowns: Cooldowns["Service"]
}

/** How an admitted attempt ended. */
export interface Outcome {
  /** What its failure does to the circuit; `undefined` for a success. */
  readonly action: FailureAction["circuit"] | undefined
  /** The length of the cooldown in milliseconds, if `action` is `cooldown`. */
  readonly wait?: number | undefined
  /** Whether the account failed, which all operations of the deployment share. */
  readonly account?: boolean | undefined
  readonly usage?: Chat.Usage | undefined
}

/** The admission of one attempt. `settle` gives back what was acquired, and must run exactly once. */
export interface Permit {
  /** Whether the attempt is the probe of a half-open circuit. */
  readonly probe: boolean
  /** Records a success before the end: for a stream, at its first output. */
  readonly recordSuccess: Effect.Effect<void>
  readonly settle: (outcome: Outcome) => Effect.Effect<void>
}

/**
 * Admits an attempt. `bypassCircuit` ignores the circuit, and records nothing there: for the one attempt that is made when
 * every deployment was refused. Cooldown and limits still hold.
 */
export const admit = Effect.fnUntraced(function* (
  stores: Stores,
  candidate: Candidate,
  call: Call,
  bypassCircuit: boolean,
): Effect.fn.Return<Permit, Rejected> {
  const key = candidate.keys[call.operation]
  const cooldown = yield* acquireCooldown(stores, candidate, key)
  const acquiring = bypassCircuit ? Effect.succeed(bypassed) : acquireCircuit(stores, candidate, call)
  const circuit = yield* cooldown ? Effect.onError(acquiring, () => stores.cooldowns.release(key)) : acquiring
  const rejection = yield* acquireLimits(stores, candidate, call)
  if (rejection !== undefined) {
    yield* circuit.release("ignore")
    if (cooldown) yield* stores.cooldowns.release(key)
    return yield* reject(rejection)
  }
  candidate.health.start()
  return {
    probe: circuit.probe,
    recordSuccess: recordSuccess(stores, key, cooldown, circuit),
    settle: (outcome) => {
      candidate.health.end()
      candidate.health.recordOutcome(call.operation, outcome.action)
      const limits = releaseLimits(stores, candidate, call, outcome)
      const released = Effect.andThen(
        circuit.release(outcome.action),
        outcome.account === true
          ? Effect.andThen(tripOtherOperations(stores, candidate, call.operation), limits)
          : limits,
      )
      return cooldown || outcome.action === "cooldown"
        ? Effect.andThen(settleCooldown(stores, candidate, key, cooldown, outcome), released)
        : released
    },
  }
})

const recordSuccess = (stores: Stores, key: string, cooldown: boolean, circuit: CircuitPermit): Effect.Effect<void> => {
  const closed = circuit.probe ? circuit.record(undefined) : Effect.void
  return cooldown ? Effect.andThen(stores.cooldowns.end(key), closed) : closed
}

/** Admits an operation that the vendor limits separately, such as counting tokens: only its cooldown and circuit can refuse it. */
export const admitAside = Effect.fnUntraced(function* (
  stores: Stores,
  candidate: Candidate,
  call: Call,
): Effect.fn.Return<Pick<Permit, "settle">, Rejected> {
  const key = candidate.keys[call.operation]
  const cooldown = yield* acquireCooldown(stores, candidate, key)
  const acquiring = acquireCircuit(stores, candidate, call)
  const circuit = yield* cooldown ? Effect.onError(acquiring, () => stores.cooldowns.release(key)) : acquiring
  return {
    settle: (outcome) => {
      candidate.health.recordOutcome(call.operation, outcome.action)
      return Effect.andThen(settleCooldown(stores, candidate, key, cooldown, outcome), circuit.release(outcome.action))
    },
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// Cooldowns
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Fails while the deployment is cooling down. True if this attempt is the probe: a deployment may ask for a longer wait than
 * `cooldown.max`, and after that much of it one attempt at a time finds out whether it is back.
 */
const acquireCooldown = (stores: Stores, { cooldown }: Candidate, key: string): Effect.Effect<boolean, Rejected> => {
  const { read, requestedUntil, until } = stores.cooldowns
  const known = (until: number): Effect.Effect<boolean, Rejected> => {
    if (until === 0 && requestedUntil(key) === 0) return notCoolingDown
    return Effect.clockWith((clock) => {
      const now = clock.currentTimeMillisUnsafe()
      const rejection = cooldownAt(until, now)
      if (rejection !== undefined) return reject(rejection)
      if (requestedUntil(key) <= now + timerSlack) return notCoolingDown
      return Effect.flatMap(stores.cooldowns.probe(key, now + cooldown), (isProbe) =>
        isProbe
          ? Effect.succeed(true)
          : reject({ _tag: "CoolingDown", retryAfter: Math.max(1, stores.cooldowns.until(key) - now) }),
      )
    })
  }
  return read === undefined ? known(until(key)) : Effect.flatMap(read(key), known)
}

const notCoolingDown = Effect.succeed(false)

/** Starts, ends or keeps a cooldown by the outcome of an attempt. */
const settleCooldown = (
  { cooldowns }: Stores,
  { cooldown }: Candidate,
  key: string,
  probe: boolean,
  { action, wait = 0 }: Outcome,
): Effect.Effect<void> => {
  const ended = probe ? cooldowns.end(key) : Effect.void
  if (action === undefined) return ended
  if (action !== "cooldown") return probe ? cooldowns.release(key) : Effect.void
  return Effect.clockWith((clock) => {
    const { requestedUntil, until } = Cooldown.of(wait, cooldown, clock.currentTimeMillisUnsafe())
    return Effect.andThen(ended, cooldowns.start(key, until, requestedUntil))
  })
}

/** Timers may fire a millisecond early: a caller that slept until the end of a cooldown is admitted. */
const timerSlack = 1

const cooldownAt = (until: number, now: number): Rejection | undefined =>
  until > now + timerSlack ? { _tag: "CoolingDown", retryAfter: until - now } : undefined

/** When the cooldown of an operation ends, in clock milliseconds; 0 if there is none. */
export const cooldownUntil = ({ cooldowns }: Stores, key: string): Effect.Effect<number> =>
  cooldowns.read === undefined ? Effect.sync(() => cooldowns.until(key)) : cooldowns.read(key)

// ---------------------------------------------------------------------------------------------------------------------
// Circuits
// ---------------------------------------------------------------------------------------------------------------------

/** The admission of an attempt by a circuit. `record` may run once before `release`. */
interface CircuitPermit {
  readonly probe: boolean
  readonly record: (action: Outcome["action"]) => Effect.Effect<void>
  readonly release: (action: Outcome["action"]) => Effect.Effect<void>
}

const bypassed: CircuitPermit = { probe: false, record: () => Effect.void, release: () => Effect.void }

const acquireCircuit = (stores: Stores, candidate: Candidate, call: Call): Effect.Effect<CircuitPermit, Rejected> => {
  const { circuit: policy, keys, repeated } = candidate
  const { operation, request } = call
  const key = keys[operation]
  const repeats = repeated[operation]
  const scope = Scope.makeUnsafe()
  const admitted = (admission: CircuitBreaker.Admission, clock: Clock.Clock): Effect.Effect<CircuitPermit> => {
    const startedAt = clock.currentTimeMillisUnsafe()
    // A record of a probe moves the circuit to another generation: the one that `release` makes then changes nothing.
    const record = (action: Outcome["action"]) =>
      Effect.suspend(() => {
        const now = clock.currentTimeMillisUnsafe()
        if (action === undefined) repeats.answered(request, now)
        const counted = action === "failure" && !repeats.counts(request, now) ? "ignore" : action
        return Effect.ignore(
          stores.circuits.record({
            key,
            generation: admission.generation,
            ...Circuit.toRecord(policy, admission.consecutiveOpenings, counted, now - startedAt),
          }),
        )
      })
    const permit: CircuitPermit = {
      probe: admission.probe,
      record,
      release: (action) => Effect.andThen(record(action), Scope.close(scope, Exit.void)),
    }
    if (!permit.probe) return Effect.succeed(permit)
    const timeOut = Effect.delay(record("ignore"), probeTimeout(candidate, call))
    return Effect.as(Effect.forkIn(Effect.interruptible(timeOut), scope), permit)
  }
  return Scope.provide(stores.circuits.admit(key), scope).pipe(
    Effect.flatMap((admission) => Effect.clockWith((clock) => admitted(admission, clock))),
    Effect.catch(({ reason }) => {
      switch (reason._tag) {
        case "CircuitOpen":
          return reject(circuitOpen(candidate, operation, Duration.toMillis(reason.retryAfter)))
        case "CircuitHalfOpen":
          return reject({ _tag: "CircuitHalfOpen" })
        case "CircuitBreakerStoreError":
          return Effect.succeed(bypassed)
      }
    }),
  )
}

/**
 * Milliseconds after which another probe is admitted: a probe that was sent before its deployment came back may never be
 * answered. `circuit.max`, or twice the slowest answer seen, if that is longer.
 */
const probeTimeout = ({ circuit, health }: Candidate, { streaming }: Call): number =>
  Math.max(circuit.max, 2 * (streaming ? health.firstTokens : health.latencies).quantile(1))

const circuitOpen = ({ health }: Candidate, operation: Operation, retryAfter: number): Rejection => ({
  _tag: "CircuitOpen",
  retryAfter,
  ...(health.permanent.has(operation) ? { permanent: true } : undefined),
})

/** Opens the circuits of a deployment's other operations, which use the account that failed. */
const tripOtherOperations = (
  { circuits }: Stores,
  { circuit, health, keys }: Candidate,
  operation: Operation,
): Effect.Effect<void> =>
  Effect.forEach(
    operations.filter((other) => other !== operation),
    (other) => {
      health.recordOutcome(other, "trip-permanent")
      return circuits.open?.(keys[other], circuit.permanentFailure) ?? Effect.void
    },
    { discard: true },
  )

const reject = (reason: Rejection): Effect.Effect<never, Rejected> => Effect.fail(new Rejected(reason))

// ---------------------------------------------------------------------------------------------------------------------
// Limits
// ---------------------------------------------------------------------------------------------------------------------

const acquireLimits = (stores: Stores, candidate: Candidate, call: Call): Effect.Effect<Rejection | undefined> => {
  const { permits } = candidate
  if (permits === undefined) return acquireRateLimit(stores, candidate, call)
  return Effect.flatMap(permits.takeIfAvailable(1), (taken) => {
    if (!taken) return Effect.succeed(concurrencyLimited)
    return Effect.tap(acquireRateLimit(stores, candidate, call), (rejection) =>
      rejection === undefined ? Effect.void : permits.release(1),
    )
  })
}

const concurrencyLimited: Rejection = { _tag: "ConcurrencyLimited" }

const acquireRateLimit = (
  { limiter }: Stores,
  { deployment: { limits }, name }: Candidate,
  call: Call,
): Effect.Effect<Rejection | undefined> => {
  if (!RateLimit.isLimited(limits)) return Effect.undefined
  // Without a token limit, the call's tokens are not estimated.
  const tokens = limits.tpm === undefined ? 0 : call.tokens
  return Effect.match(RateLimit.tryAcquire({ limiter, name, limits, tokens }), {
    onSuccess: () => undefined,
    onFailure: (exceeded): Rejection => ({ _tag: "RateLimited", ...exceeded }),
  })
}

const releaseLimits = (
  { limiter }: Stores,
  { deployment: { limits }, name, permits }: Candidate,
  call: Call,
  { usage }: Outcome,
): Effect.Effect<void> => {
  const released = permits === undefined ? Effect.void : Effect.asVoid(permits.release(1))
  if (limits?.tpm === undefined || usage === undefined) return released
  const used = usage.inputTokens + usage.outputTokens
  return Effect.andThen(released, RateLimit.reconcile({ limiter, name, limits, estimated: call.tokens, used }))
}

/** The rejection that each check of `admit` would make, in their order; `undefined` for a check that passes. */
export interface Checks {
  readonly cooldown: Rejection | undefined
  readonly circuit: Rejection | undefined
  readonly concurrency: Rejection | undefined
  readonly limits: Rejection | undefined
}

/** The checks of `admit` at this moment. Acquires nothing, and changes no state. */
export const peek = Effect.fnUntraced(function* (
  stores: Stores,
  candidate: Candidate,
  call: Call,
): Effect.fn.Return<Checks> {
  const { deployment, health, keys, name, permits } = candidate
  const key = keys[call.operation]
  const state = yield* Effect.orElseSucceed(stores.circuits.state(key), () => undefined)
  const exceeded = yield* RateLimit.peek({
    limiter: stores.limiter,
    name,
    limits: deployment.limits ?? {},
    tokens: call.tokens,
  })
  return {
    cooldown: cooldownAt(yield* cooldownUntil(stores, key), yield* Clock.currentTimeMillis),
    circuit: circuitRejection(candidate, call.operation, state),
    concurrency:
      permits !== undefined && health.inFlight >= (deployment.limits?.concurrency ?? Infinity)
        ? concurrencyLimited
        : undefined,
    limits: exceeded === undefined ? undefined : { _tag: "RateLimited", ...exceeded },
  }
})

/** A store's state stays `Open` until the next call, although its time is over. */
const circuitRejection = (
  candidate: Candidate,
  operation: Operation,
  state: CircuitBreaker.State | undefined,
): Rejection | undefined => {
  if (state?._tag === "HalfOpen") return state.probing ? { _tag: "CircuitHalfOpen" } : undefined
  const wait = state?._tag === "Open" ? Duration.toMillis(state.retryAfter) : 0
  return wait > 0 ? circuitOpen(candidate, operation, wait) : undefined
}
