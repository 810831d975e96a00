/**
 * Whether a candidate may be asked just now: its rest, its circuit, its permits and its limits, taken as one, or a
 * refusal that says which of them stood in the way.
 *
 * Whoever is admitted must settle exactly once, however the call ends.
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

/** Where circuits, limits and rests are kept: in memory, or shared by several gateways. */
export interface Stores {
  readonly circuits: Circuit.Store
  readonly limiter: RateLimiter.RateLimiter
  readonly cooldowns: Cooldowns["Service"]
}

/** How an admitted call ended: what its failure does to the circuit, if it failed, and what it used. */
export interface Outcome {
  readonly action: FailureAction["circuit"] | undefined
  /** For how many milliseconds to rest, when `action` is `cooldown`. */
  readonly wait?: number | undefined
  /** Whether what failed is the account, which all operations share. */
  readonly account?: boolean | undefined
  readonly usage?: Chat.Usage | undefined
}

/** Leave to ask. `settle` gives back what was taken, and must run exactly once. */
export interface Permit {
  /** Whether this call is the probe of a half-open circuit. */
  readonly probe: boolean
  /** Tells the circuit before the end that the provider answers: for a stream, at its commit. */
  readonly recordSuccess: Effect.Effect<void>
  readonly settle: (ending: Outcome) => Effect.Effect<void>
}

/**
 * Asks for leave. `force` passes by the circuit alone, and records nothing there: for the one try that is made when
 * every candidate was refused.
 */
export const admit = Effect.fnUntraced(function* (
  stores: Stores,
  candidate: Candidate,
  call: Call,
  force: boolean,
): Effect.fn.Return<Permit, Rejected> {
  const key = candidate.keys[call.operation]
  const cooldown = yield* acquireCooldown(stores, candidate, key)
  const entering = force ? Effect.succeed(bypassed) : acquireCircuit(stores, candidate, call)
  const circuit = yield* cooldown ? Effect.onError(entering, () => stores.cooldowns.release(key)) : entering
  const refusal = yield* acquireLimits(stores, candidate, call)
  if (refusal !== undefined) {
    yield* circuit.release("ignore")
    if (cooldown) yield* stores.cooldowns.release(key)
    return yield* Effect.fail(new Rejected(refusal))
  }
  candidate.health.start()
  return {
    probe: circuit.probe,
    recordSuccess: recordSuccess(stores, key, cooldown, circuit),
    settle: (ending) => {
      candidate.health.end()
      candidate.health.recordOutcome(call.operation, ending.action)
      const given = releaseLimits(stores, candidate, call, ending)
      const left = Effect.andThen(
        circuit.release(ending.action),
        ending.account === true ? Effect.andThen(tripOtherOperations(stores, candidate, call.operation), given) : given,
      )
      return cooldown || ending.action === "cooldown"
        ? Effect.andThen(settleCooldown(stores, candidate, key, cooldown, ending), left)
        : left
    },
  }
})

const recordSuccess = (stores: Stores, key: string, cooldown: boolean, circuit: CircuitPermit): Effect.Effect<void> => {
  const closed = circuit.probe ? circuit.record(undefined) : Effect.void
  return cooldown ? Effect.andThen(stores.cooldowns.end(key), closed) : closed
}

/**
 * Asks for leave to do something beside a call that has limits of its own at the vendor: only its own cooldown and circuit
 * stand in the way.
 */
export const admitAside = Effect.fnUntraced(function* (
  stores: Stores,
  candidate: Candidate,
  call: Call,
): Effect.fn.Return<Pick<Permit, "settle">, Rejected> {
  const key = candidate.keys[call.operation]
  const cooldown = yield* acquireCooldown(stores, candidate, key)
  const entering = acquireCircuit(stores, candidate, call)
  const circuit = yield* cooldown ? Effect.onError(entering, () => stores.cooldowns.release(key)) : entering
  return {
    settle: (ending) => {
      candidate.health.recordOutcome(call.operation, ending.action)
      return Effect.andThen(settleCooldown(stores, candidate, key, cooldown, ending), circuit.release(ending.action))
    },
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// Cooldowns
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Leave as far as the cooldown goes, and whether the call is the one that asks beyond what is believed of it: what that
 * one finds holds for all.
 */
const acquireCooldown = (stores: Stores, { cooldown }: Candidate, key: string): Effect.Effect<boolean, Rejected> => {
  const { read, requestedUntil, until } = stores.cooldowns
  const known = (until: number): Effect.Effect<boolean, Rejected> => {
    if (until === 0 && requestedUntil(key) === 0) return isWarm
    return Effect.clockWith((clock) => {
      const now = clock.currentTimeMillisUnsafe()
      const resting = cooldownAt(until, now)
      if (resting !== undefined) return reject(resting)
      if (requestedUntil(key) <= now + timerSlack) return isWarm
      return Effect.flatMap(stores.cooldowns.probe(key, now + cooldown), (asks) =>
        asks
          ? Effect.succeed(true)
          : reject({ _tag: "CoolingDown", retryAfter: Math.max(1, stores.cooldowns.until(key) - now) }),
      )
    })
  }
  return read === undefined ? known(until(key)) : Effect.flatMap(read(key), known)
}

const isWarm = Effect.succeed(false)

/** What a call that has ended tells of the cooldown. */
const settleCooldown = (
  { cooldowns }: Stores,
  { cooldown }: Candidate,
  key: string,
  probe: boolean,
  { action, wait = 0 }: Outcome,
): Effect.Effect<void> => {
  const over = probe ? cooldowns.end(key) : Effect.void
  if (action === undefined) return over
  if (action !== "cooldown") return probe ? cooldowns.release(key) : Effect.void
  return Effect.clockWith((clock) => {
    const { requestedUntil, until } = Cooldown.of(wait, cooldown, clock.currentTimeMillisUnsafe())
    return Effect.andThen(over, cooldowns.start(key, until, requestedUntil))
  })
}

/** Timers may fire a millisecond early: whoever slept until the end of a rest has rested enough. */
const timerSlack = 1

const cooldownAt = (until: number, now: number): Rejection | undefined =>
  until > now + timerSlack ? { _tag: "CoolingDown", retryAfter: until - now } : undefined

/** Until when a deployment rests from that operation, by all that is known. */
export const cooldownUntil = ({ cooldowns }: Stores, key: string): Effect.Effect<number> =>
  cooldowns.read === undefined ? Effect.sync(() => cooldowns.until(key)) : cooldowns.read(key)

// ---------------------------------------------------------------------------------------------------------------------
// Circuits
// ---------------------------------------------------------------------------------------------------------------------

/** A call inside a candidate's circuit: what it may record there, once while it runs and once when it leaves. */
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
  const entered = (admission: CircuitBreaker.Admission, clock: Clock.Clock): Effect.Effect<CircuitPermit> => {
    const began = clock.currentTimeMillisUnsafe()
    // Recording moves the circuit on to another generation, so what is recorded when leaving changes nothing then.
    const record = (action: Outcome["action"]) =>
      Effect.suspend(() => {
        const now = clock.currentTimeMillisUnsafe()
        if (action === undefined) repeats.answered(request, now)
        const counted = action === "failure" && !repeats.counts(request, now) ? "ignore" : action
        return Effect.ignore(
          stores.circuits.record({
            key,
            generation: admission.generation,
            ...Circuit.toRecord(policy, admission.consecutiveOpenings, counted, now - began),
          }),
        )
      })
    const inside: CircuitPermit = {
      probe: admission.probe,
      record,
      release: (action) => Effect.andThen(record(action), Scope.close(scope, Exit.void)),
    }
    if (!inside.probe) return Effect.succeed(inside)
    const stepsAside = Effect.delay(record("ignore"), probeTimeout(candidate, call))
    return Effect.as(Effect.forkIn(Effect.interruptible(stepsAside), scope), inside)
  }
  return Scope.provide(stores.circuits.admit(key), scope).pipe(
    Effect.flatMap((admission) => Effect.clockWith((clock) => entered(admission, clock))),
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
 * For how many milliseconds a probe keeps all other calls waiting: one that was sent before its deployment came back may
 * never be answered. Longer than the circuit's `max` where answers have been seen to take longer.
 */
const probeTimeout = ({ circuit, health }: Candidate, { streaming }: Call): number =>
  Math.max(circuit.max, 2 * (streaming ? health.firstTokens : health.latencies).quantile(1))

const circuitOpen = ({ health }: Candidate, operation: Operation, retryAfter: number): Rejection => ({
  _tag: "CircuitOpen",
  retryAfter,
  ...(health.permanent.has(operation) ? { permanent: true } : undefined),
})

/** Opens the circuits of a deployment's other operations, whose account it is too. */
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

const reject = (refusal: Rejection): Effect.Effect<never, Rejected> => Effect.fail(new Rejected(refusal))

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

/** What each check of `admit` says of a candidate, in the order they are made; `undefined` where nothing stands in the way. */
export interface Checks {
  readonly cooldown: Rejection | undefined
  readonly circuit: Rejection | undefined
  readonly concurrency: Rejection | undefined
  readonly limits: Rejection | undefined
}

/** What `admit` would see of a candidate just now; takes nothing and moves nothing. */
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

/** A store's `state` stays open until the next call, though its time be up. */
const circuitRejection = (
  candidate: Candidate,
  operation: Operation,
  state: CircuitBreaker.State | undefined,
): Rejection | undefined => {
  if (state?._tag === "HalfOpen") return state.probing ? { _tag: "CircuitHalfOpen" } : undefined
  const wait = state?._tag === "Open" ? Duration.toMillis(state.retryAfter) : 0
  return wait > 0 ? circuitOpen(candidate, operation, wait) : undefined
}
