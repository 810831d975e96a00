/**
 * Admission of an attempt to a deployment: its cooldown, circuit, concurrency permit and rate limits, acquired together, or
 * a rejection that names the one that refused.
 *
 * An admitted attempt must settle its permit exactly once, however it ends.
 *
 * Over stores in memory, every function but `peek` runs as it is called and returns an exit, so that a usual call costs no
 * effect here: call them where their effect is to run. Shared stores make the same functions return effects to run.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as CircuitBreaker from "effect/persistence/CircuitBreaker"
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
  readonly limiter: RateLimit.Limiter
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
  readonly recordSuccess: () => Effect.Effect<void>
  /** Counts tokens in the limits before the end. `settle` is then given the others. */
  readonly use: (usage: Chat.Usage) => Effect.Effect<void>
  readonly settle: (outcome: Outcome) => Effect.Effect<void>
}

/**
 * Admits an attempt. `bypassCircuit` ignores the circuit, and records nothing there: for the one attempt that is made when
 * every deployment was refused. Cooldown and limits still hold.
 */
export const admit = (
  stores: Stores,
  candidate: Candidate,
  call: Call,
  clock: Clock.Clock,
  bypassCircuit: boolean,
): Effect.Effect<Permit, Rejected> =>
  Effect.flatMapEager(acquireCooldown(stores, candidate, candidate.keys[call.operation], clock), (cooldown) =>
    Effect.flatMapEager(
      bypassCircuit ? Effect.succeed(bypassed) : guarded(stores, candidate, call, clock, cooldown),
      (circuit) => {
        const permit = new AttemptPermit(stores, candidate, call, clock, cooldown, circuit)
        return Effect.flatMapEager(acquireLimits(stores, candidate, call, clock), (rejection) => {
          if (rejection === undefined) return Effect.succeed(permit)
          return Effect.flatMapEager(permit.release(), () => reject(rejection))
        })
      },
    ),
  )

/** Admits an operation that the vendor limits separately, such as counting tokens: only its cooldown and circuit can refuse it. */
export const admitAside = (
  stores: Stores,
  candidate: Candidate,
  call: Call,
  clock: Clock.Clock,
): Effect.Effect<Pick<Permit, "settle">, Rejected> => {
  const key = candidate.keys[call.operation]
  return Effect.flatMapEager(acquireCooldown(stores, candidate, key, clock), (cooldown) =>
    Effect.mapEager(guarded(stores, candidate, call, clock, cooldown), (circuit) => ({
      settle: (outcome) => {
        candidate.health.recordOutcome(call.operation, outcome.action)
        return then(settleCooldown(stores, candidate, key, cooldown, outcome, clock), () =>
          circuit.release(outcome.action),
        )
      },
    })),
  )
}

/** The circuit's admission. A refusal gives back the probe of the cooldown. */
const guarded = (
  stores: Stores,
  candidate: Candidate,
  call: Call,
  clock: Clock.Clock,
  cooldown: boolean,
): Effect.Effect<CircuitPermit, Rejected> => {
  const acquiring = acquireCircuit(stores, candidate, call, clock)
  return cooldown
    ? Effect.onError(acquiring, () => stores.cooldowns.release(candidate.keys[call.operation]))
    : acquiring
}

class AttemptPermit implements Permit {
  readonly #stores: Stores
  readonly #candidate: Candidate
  readonly #call: Call
  readonly #clock: Clock.Clock
  /** Whether the attempt is the probe of a cooldown. */
  readonly #cooldown: boolean
  readonly #circuit: CircuitPermit
  /** Its permit, where another process counts them. */
  readonly #permit: RateLimit.Permit | undefined

  constructor(
    stores: Stores,
    candidate: Candidate,
    call: Call,
    clock: Clock.Clock,
    cooldown: boolean,
    circuit: CircuitPermit,
  ) {
    this.#stores = stores
    this.#candidate = candidate
    this.#call = call
    this.#clock = clock
    this.#cooldown = cooldown
    this.#circuit = circuit
    this.#permit = stores.limiter.remote === undefined ? undefined : permitOf(candidate)
  }

  get probe(): boolean {
    return this.#circuit.probe
  }

  recordSuccess(): Effect.Effect<void> {
    const ended = this.#cooldown ? this.#stores.cooldowns.end(this.#key) : Effect.void
    return then(ended, () => (this.#circuit.probe ? this.#circuit.record(undefined) : Effect.void))
  }

  use({ inputTokens, outputTokens }: Chat.Usage): Effect.Effect<void> {
    const { buckets, deployment } = this.#candidate
    return deployment.limits?.tpm === undefined
      ? Effect.void
      : RateLimit.reconcile(
          { limiter: this.#stores.limiter, buckets, estimated: 0, used: inputTokens + outputTokens },
          this.#clock,
        )
  }

  settle(outcome: Outcome): Effect.Effect<void> {
    const [stores, candidate, call, clock] = [this.#stores, this.#candidate, this.#call, this.#clock]
    candidate.health.end()
    if (this.#permit !== undefined) stores.limiter.remote?.release(this.#permit)
    candidate.health.recordOutcome(call.operation, outcome.action)
    const cooled =
      this.#cooldown || outcome.action === "cooldown"
        ? settleCooldown(stores, candidate, this.#key, this.#cooldown, outcome, clock)
        : Effect.void
    const released = then(cooled, () => this.#circuit.release(outcome.action))
    const tripped =
      outcome.account === true ? then(released, () => tripOtherOperations(stores, candidate, call.operation)) : released
    const settled = then(tripped, () => reconcile(stores, candidate, call, clock, outcome))
    const { queue } = candidate
    return queue.policy === undefined ? settled : then(settled, () => Effect.sync(() => queue.released()))
  }

  /** Gives back what was acquired for an attempt that the limits refuse. */
  release(): Effect.Effect<void> {
    return then(this.#circuit.release("ignore"), () =>
      this.#cooldown ? this.#stores.cooldowns.release(this.#key) : Effect.void,
    )
  }

  get #key(): string {
    return this.#candidate.keys[this.#call.operation]
  }
}

/** Runs `next` after `first`: at once, if `first` is an exit. */
const then = (first: Effect.Effect<void>, next: () => Effect.Effect<void>): Effect.Effect<void> =>
  Effect.flatMapEager(first, next)

// ---------------------------------------------------------------------------------------------------------------------
// Cooldowns
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Fails while the deployment is cooling down. True if this attempt is the probe: a deployment may ask for a longer wait than
 * `cooldown.max`, and after that much of it one attempt at a time finds out whether it is back.
 */
const acquireCooldown = (
  { cooldowns }: Stores,
  { cooldown }: Candidate,
  key: string,
  clock: Clock.Clock,
): Effect.Effect<boolean, Rejected> => {
  const known = (until: number): Effect.Effect<boolean, Rejected> => {
    if (until === 0 && cooldowns.requestedUntil(key) === 0) return notCoolingDown
    const now = clock.currentTimeMillisUnsafe()
    const rejection = cooldownAt(until, now)
    if (rejection !== undefined) return reject(rejection)
    if (cooldowns.requestedUntil(key) <= now + timerSlack) return notCoolingDown
    return Effect.flatMap(cooldowns.probe(key, now + cooldown), (isProbe) =>
      isProbe
        ? Effect.succeed(true)
        : reject({ _tag: "CoolingDown", retryAfter: Math.max(1, cooldowns.until(key) - now) }),
    )
  }
  return cooldowns.read === undefined ? known(cooldowns.until(key)) : Effect.flatMap(cooldowns.read(key), known)
}

const notCoolingDown = Effect.succeed(false)

/** Starts, ends or keeps a cooldown by the outcome of an attempt. */
const settleCooldown = (
  { cooldowns }: Stores,
  { cooldown }: Candidate,
  key: string,
  probe: boolean,
  { action, wait = 0 }: Outcome,
  clock: Clock.Clock,
): Effect.Effect<void> => {
  const ended = probe ? cooldowns.end(key) : Effect.void
  if (action === undefined) return ended
  if (action !== "cooldown") return probe ? cooldowns.release(key) : Effect.void
  const { requestedUntil, until } = Cooldown.of(wait, cooldown, clock.currentTimeMillisUnsafe())
  return Effect.andThen(ended, cooldowns.start(key, until, requestedUntil))
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

const acquireCircuit = (
  { circuits }: Stores,
  candidate: Candidate,
  call: Call,
  clock: Clock.Clock,
): Effect.Effect<CircuitPermit, Rejected> => {
  const key = candidate.keys[call.operation]
  const admitted =
    circuits.immediate === undefined
      ? scoped(circuits, key)
      : Effect.mapEager(circuits.immediate.admit(key, clock.currentTimeMillisUnsafe()), unscoped)
  return Effect.catchEager(
    Effect.flatMapEager(admitted, ({ admission, scope }) => {
      const permit = new CircuitAdmission(circuits, candidate, call, clock, admission, scope)
      return permit.probe ? permit.timeOut(probeTimeout(candidate, call)) : Effect.succeed(permit)
    }),
    ({ reason }): Effect.Effect<CircuitPermit, Rejected> => {
      switch (reason._tag) {
        case "CircuitOpen":
          return reject(circuitOpen(candidate, call.operation, Duration.toMillis(reason.retryAfter)))
        case "CircuitHalfOpen":
          return reject({ _tag: "CircuitHalfOpen" })
        case "CircuitBreakerStoreError":
          return Effect.succeed(bypassed)
      }
    },
  )
}

/** An admission, and the scope of what runs while it lasts, if there is any. */
interface ScopedAdmission {
  readonly admission: CircuitBreaker.Admission
  readonly scope: Scope.Closeable | undefined
}

const unscoped = (admission: CircuitBreaker.Admission): ScopedAdmission => ({ admission, scope: undefined })

const scoped = (circuits: Circuit.Store, key: string) => {
  const scope = Scope.makeUnsafe()
  return Effect.map(Scope.provide(circuits.admit(key), scope), (admission): ScopedAdmission => ({ admission, scope }))
}

class CircuitAdmission implements CircuitPermit {
  readonly #circuits: Circuit.Store
  readonly #candidate: Candidate
  readonly #call: Call
  readonly #clock: Clock.Clock
  readonly #admission: CircuitBreaker.Admission
  readonly #startedAt: number
  #scope: Scope.Closeable | undefined

  constructor(
    circuits: Circuit.Store,
    candidate: Candidate,
    call: Call,
    clock: Clock.Clock,
    admission: CircuitBreaker.Admission,
    scope: Scope.Closeable | undefined,
  ) {
    this.#circuits = circuits
    this.#candidate = candidate
    this.#call = call
    this.#clock = clock
    this.#admission = admission
    this.#startedAt = clock.currentTimeMillisUnsafe()
    this.#scope = scope
  }

  get probe(): boolean {
    return this.#admission.probe
  }

  /** A record of a probe moves the circuit to another generation: the one that `release` makes then changes nothing. */
  record(action: Outcome["action"]): Effect.Effect<void> {
    const { circuit: policy, keys, repeated } = this.#candidate
    const { operation, request } = this.#call
    const { consecutiveOpenings, generation } = this.#admission
    const now = this.#clock.currentTimeMillisUnsafe()
    if (action === undefined) repeated[operation].answered(request, now)
    const counted = action === "failure" && !repeated[operation].counts(request, now) ? "ignore" : action
    const outcome = {
      key: keys[operation],
      generation,
      ...Circuit.toRecord(policy, consecutiveOpenings, counted, now - this.#startedAt),
    }
    const { immediate } = this.#circuits
    return immediate === undefined
      ? Effect.ignore(this.#circuits.record(outcome))
      : Effect.flatMapEager(immediate.record(outcome, now), () => Effect.void)
  }

  release(action: Outcome["action"]): Effect.Effect<void> {
    const scope = this.#scope
    return then(this.record(action), () => (scope === undefined ? Effect.void : Scope.close(scope, Exit.void)))
  }

  /** Gives up the probe after some milliseconds, unless it is released before. */
  timeOut(millis: number): Effect.Effect<CircuitPermit> {
    const scope = (this.#scope ??= Scope.makeUnsafe())
    const giveUp = Effect.delay(
      Effect.suspend(() => this.record("ignore")),
      millis,
    )
    return Effect.as(Effect.forkIn(Effect.interruptible(giveUp), scope), this)
  }
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

/** Takes a concurrency permit and the rate limits, or nothing: then the rejection is the value. */
const acquireLimits = (
  { limiter }: Stores,
  candidate: Candidate,
  call: Call,
  clock: Clock.Clock,
): Effect.Effect<Rejection | undefined> => {
  if (limiter.remote !== undefined) return acquireRemotely(limiter.remote, candidate, call)
  const { buckets, deployment, health } = candidate
  if (health.inFlight >= (deployment.limits?.concurrency ?? Infinity)) return Effect.succeed(concurrencyLimited)
  health.start()
  if (buckets.length === 0) return Effect.undefined
  return Effect.catchEager(
    Effect.mapEager(
      RateLimit.tryAcquire({ limiter, buckets, tokens: tokensOf(candidate, call) }, clock),
      () => undefined,
    ),
    (exceeded): Effect.Effect<Rejection> => {
      health.end()
      return Effect.succeed({ _tag: "RateLimited", ...exceeded })
    },
  )
}

/** Without a token limit, the call's tokens are not estimated. */
const tokensOf = ({ deployment: { limits } }: Candidate, call: Call): number =>
  limits?.tpm === undefined ? 0 : call.tokens

const concurrencyLimited: Rejection = { _tag: "ConcurrencyLimited" }

/** `acquireLimits` where another process counts them. */
const acquireRemotely = (
  remote: RateLimit.RemoteLimits,
  candidate: Candidate,
  call: Call,
): Effect.Effect<Rejection | undefined> => {
  const { buckets, health } = candidate
  const permit = permitOf(candidate)
  health.start()
  if (buckets.length === 0 && permit === undefined) return Effect.undefined
  return Effect.catchEager(
    Effect.mapEager(remote.acquire({ buckets, tokens: tokensOf(candidate, call), permit }), () => undefined),
    (exceeded): Effect.Effect<Rejection> => {
      health.end()
      return Effect.succeed(
        exceeded.limit === "concurrency" ? concurrencyLimited : { _tag: "RateLimited", ...exceeded },
      )
    },
  )
}

/** The concurrency limit of a deployment. The keys of others begin with `key:` or `team:`. */
const permitOf = ({ deployment: { limits }, limitKey }: Candidate): RateLimit.Permit | undefined =>
  limits?.concurrency === undefined ? undefined : { key: `deployment:${limitKey}`, max: limits.concurrency }

/** Replaces the estimate of a call's tokens by those it used. */
const reconcile = (
  { limiter }: Stores,
  { buckets, deployment: { limits } }: Candidate,
  call: Call,
  clock: Clock.Clock,
  { usage }: Outcome,
): Effect.Effect<void> =>
  limits?.tpm === undefined || usage === undefined
    ? Effect.void
    : RateLimit.reconcile(
        { limiter, buckets, estimated: call.tokens, used: usage.inputTokens + usage.outputTokens },
        clock,
      )

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
  const { buckets, deployment, health, keys } = candidate
  const key = keys[call.operation]
  const state = yield* Effect.orElseSucceed(stores.circuits.state(key), () => undefined)
  const exceeded = yield* RateLimit.peek({ limiter: stores.limiter, buckets, tokens: call.tokens })
  const { remote } = stores.limiter
  const running = remote === undefined ? health.inFlight : (yield* remote.read([], permitOf(candidate))).held
  return {
    cooldown: cooldownAt(yield* cooldownUntil(stores, key), yield* Clock.currentTimeMillis),
    circuit: circuitRejection(candidate, call.operation, state),
    concurrency: running >= (deployment.limits?.concurrency ?? Infinity) ? concurrencyLimited : undefined,
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
