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
import type { Call, Operation } from "./Call.ts"
import { operations } from "./Call.ts"
import type { Candidate } from "./Candidate.ts"
import type * as Chat from "./Chat.ts"
import * as Circuit from "./Circuit.ts"
import * as Cooldown from "./Cooldown.ts"
import type { Limits } from "./Deployment.ts"
import type { Judgement } from "./ProviderError.ts"
import * as RateLimit from "./RateLimit.ts"
import type { Rests } from "./Rests.ts"

/** Where circuits, limits and rests are kept: in memory, or shared by several gateways. */
export interface Stores {
  readonly circuits: Circuit.Store
  readonly limiter: RateLimiter.RateLimiter
  readonly rests: Rests["Service"]
}

/** Why a candidate was not asked. `retryAfter` is in milliseconds, where it is known. */
export type Refusal =
  | { readonly _tag: "Resting"; readonly retryAfter: number }
  /** `permanent` where what opened it is cured by no wait, such as a dead credential. */
  | { readonly _tag: "CircuitOpen"; readonly retryAfter: number; readonly permanent?: true }
  /** Its circuit is half-open and another call is the probe. */
  | { readonly _tag: "Probing" }
  /** All its permits are taken. */
  | { readonly _tag: "Busy" }
  | { readonly _tag: "Limited"; readonly limit: RateLimit.Exceeded["limit"]; readonly retryAfter: number }

/** A refusal in the error channel: not a fault of the provider, which was not asked. */
export class Refused {
  readonly _tag = "Refused"
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    this.refusal = refusal
  }
}

/** How an admitted call ended: how its failure was judged, when it had one, and what it used. */
export interface Ending {
  readonly judged: Judgement["circuit"] | undefined
  /** For how many milliseconds to rest, when `judged` is `rests`. */
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
  readonly answered: Effect.Effect<void>
  readonly settle: (ending: Ending) => Effect.Effect<void>
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
): Effect.fn.Return<Permit, Refused> {
  const key = candidate.keys[call.operation]
  const cooldown = yield* cool(stores, candidate, key)
  const entering = force ? Effect.succeed(passed) : enter(stores, candidate, call)
  const circuit = yield* cooldown ? Effect.onError(entering, () => stores.rests.release(key)) : entering
  const refusal = yield* take(stores, candidate, call)
  if (refusal !== undefined) {
    yield* circuit.leave("ignored")
    if (cooldown) yield* stores.rests.release(key)
    return yield* Effect.fail(new Refused(refusal))
  }
  candidate.health.began()
  return {
    probe: circuit.probe,
    answered: answered(stores, key, cooldown, circuit),
    settle: (ending) => {
      candidate.health.ended()
      candidate.health.judged(call.operation, ending.judged)
      const given = giveBack(stores, candidate, call, ending)
      const left = Effect.andThen(
        circuit.leave(ending.judged),
        ending.account === true ? Effect.andThen(dead(stores, candidate, call.operation), given) : given,
      )
      return cooldown || ending.judged === "rests"
        ? Effect.andThen(cooled(stores, candidate, key, cooldown, ending), left)
        : left
    },
  }
})

const answered = (stores: Stores, key: string, cooldown: boolean, circuit: Inside): Effect.Effect<void> => {
  const closed = circuit.probe ? circuit.record(undefined) : Effect.void
  return cooldown ? Effect.andThen(stores.rests.end(key), closed) : closed
}

/**
 * Asks for leave to do something beside a call that has limits of its own at the vendor: only its own cooldown and circuit
 * stand in the way.
 */
export const aside = Effect.fnUntraced(function* (
  stores: Stores,
  candidate: Candidate,
  call: Call,
): Effect.fn.Return<Pick<Permit, "settle">, Refused> {
  const key = candidate.keys[call.operation]
  const cooldown = yield* cool(stores, candidate, key)
  const entering = enter(stores, candidate, call)
  const circuit = yield* cooldown ? Effect.onError(entering, () => stores.rests.release(key)) : entering
  return {
    settle: (ending) => {
      candidate.health.judged(call.operation, ending.judged)
      return Effect.andThen(cooled(stores, candidate, key, cooldown, ending), circuit.leave(ending.judged))
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
const cool = (stores: Stores, { cooldown }: Candidate, key: string): Effect.Effect<boolean, Refused> => {
  const { look, said, until } = stores.rests
  const known = (until: number): Effect.Effect<boolean, Refused> => {
    if (until === 0 && said(key) === 0) return isWarm
    return Effect.clockWith((clock) => {
      const now = clock.currentTimeMillisUnsafe()
      const resting = restsAt(until, now)
      if (resting !== undefined) return refuse(resting)
      if (said(key) <= now + early) return isWarm
      return Effect.flatMap(stores.rests.probe(key, now + cooldown), (asks) =>
        asks
          ? Effect.succeed(true)
          : refuse({ _tag: "Resting", retryAfter: Math.max(1, stores.rests.until(key) - now) }),
      )
    })
  }
  return look === undefined ? known(until(key)) : Effect.flatMap(look(key), known)
}

const isWarm = Effect.succeed(false)

/** What a call that has ended tells of the cooldown. */
const cooled = (
  { rests }: Stores,
  { cooldown }: Candidate,
  key: string,
  probe: boolean,
  { judged, wait = 0 }: Ending,
): Effect.Effect<void> => {
  const over = probe ? rests.end(key) : Effect.void
  if (judged === undefined) return over
  if (judged !== "rests") return probe ? rests.release(key) : Effect.void
  return Effect.clockWith((clock) => {
    const { said, until } = Cooldown.of(wait, cooldown, clock.currentTimeMillisUnsafe())
    return Effect.andThen(over, rests.rest(key, until, said))
  })
}

/** Timers may fire a millisecond early: whoever slept until the end of a rest has rested enough. */
const early = 1

const restsAt = (until: number, now: number): Refusal | undefined =>
  until > now + early ? { _tag: "Resting", retryAfter: until - now } : undefined

/** Until when a deployment rests from that operation, by all that is known. */
export const restsUntil = ({ rests }: Stores, key: string): Effect.Effect<number> =>
  rests.look === undefined ? Effect.sync(() => rests.until(key)) : rests.look(key)

// ---------------------------------------------------------------------------------------------------------------------
// Circuits
// ---------------------------------------------------------------------------------------------------------------------

/** A call inside a candidate's circuit: what it may record there, once while it runs and once when it leaves. */
interface Inside {
  readonly probe: boolean
  readonly record: (judged: Ending["judged"]) => Effect.Effect<void>
  readonly leave: (judged: Ending["judged"]) => Effect.Effect<void>
}

const passed: Inside = { probe: false, record: () => Effect.void, leave: () => Effect.void }

const enter = (stores: Stores, candidate: Candidate, call: Call): Effect.Effect<Inside, Refused> => {
  const { circuit: policy, keys, repeated } = candidate
  const { operation, request } = call
  const key = keys[operation]
  const repeats = repeated[operation]
  const scope = Scope.makeUnsafe()
  const entered = (admission: CircuitBreaker.Admission, clock: Clock.Clock): Effect.Effect<Inside> => {
    const began = clock.currentTimeMillisUnsafe()
    // Recording moves the circuit on to another generation, so what is recorded when leaving changes nothing then.
    const record = (judged: Ending["judged"]) =>
      Effect.suspend(() => {
        const now = clock.currentTimeMillisUnsafe()
        if (judged === undefined) repeats.answered(request, now)
        const counted = judged === "counts" && !repeats.counts(request, now) ? "ignored" : judged
        return Effect.ignore(
          stores.circuits.record({
            key,
            generation: admission.generation,
            ...Circuit.outcome(policy, admission.consecutiveOpenings, counted, now - began),
          }),
        )
      })
    const inside: Inside = {
      probe: admission.probe,
      record,
      leave: (judged) => Effect.andThen(record(judged), Scope.close(scope, Exit.void)),
    }
    if (!inside.probe) return Effect.succeed(inside)
    const stepsAside = Effect.delay(record("ignored"), patience(candidate, call))
    return Effect.as(Effect.forkIn(Effect.interruptible(stepsAside), scope), inside)
  }
  return Scope.provide(stores.circuits.admit(key), scope).pipe(
    Effect.flatMap((admission) => Effect.clockWith((clock) => entered(admission, clock))),
    Effect.catch(({ reason }) => {
      switch (reason._tag) {
        case "CircuitOpen":
          return refuse(circuitOpen(candidate, operation, Duration.toMillis(reason.retryAfter)))
        case "CircuitHalfOpen":
          return refuse({ _tag: "Probing" })
        case "CircuitBreakerStoreError":
          return Effect.succeed(passed)
      }
    }),
  )
}

/**
 * For how many milliseconds a probe keeps all other calls waiting: one that was sent before its deployment came back may
 * never be answered. Longer than the circuit's `max` where answers have been seen to take longer.
 */
const patience = ({ circuit, health }: Candidate, { streaming }: Call): number =>
  Math.max(circuit.max, 2 * (streaming ? health.firstTokens : health.latencies).quantile(1))

const circuitOpen = ({ health }: Candidate, operation: Operation, retryAfter: number): Refusal => ({
  _tag: "CircuitOpen",
  retryAfter,
  ...(health.permanent.has(operation) ? { permanent: true } : undefined),
})

/** Opens the circuits of a deployment's other operations, whose account it is too. */
const dead = ({ circuits }: Stores, { circuit, health, keys }: Candidate, operation: Operation): Effect.Effect<void> =>
  Effect.forEach(
    operations.filter((other) => other !== operation),
    (other) => {
      health.judged(other, "opens-long")
      return circuits.open?.(keys[other], circuit.long) ?? Effect.void
    },
    { discard: true },
  )

const refuse = (refusal: Refusal): Effect.Effect<never, Refused> => Effect.fail(new Refused(refusal))

const take = (stores: Stores, candidate: Candidate, call: Call): Effect.Effect<Refusal | undefined> => {
  const { deployment, name, permits } = candidate
  if (permits === undefined) return limited(stores, name, deployment.limits, call)
  return Effect.flatMap(permits.takeIfAvailable(1), (taken) => {
    if (!taken) return Effect.succeed(busy)
    return Effect.tap(limited(stores, name, deployment.limits, call), (refusal) =>
      refusal === undefined ? Effect.void : permits.release(1),
    )
  })
}

const busy: Refusal = { _tag: "Busy" }

const limited = (
  stores: Stores,
  name: string,
  limits: Limits | undefined,
  call: Call,
): Effect.Effect<Refusal | undefined> =>
  RateLimit.isLimited(limits)
    ? Effect.map(
        // A call to a deployment with no token limit is never measured.
        RateLimit.take(stores.limiter, name, limits, limits.tpm === undefined ? 0 : call.tokens),
        (exceeded) => (exceeded === undefined ? undefined : { _tag: "Limited", ...exceeded }),
      )
    : Effect.undefined

const giveBack = (stores: Stores, candidate: Candidate, call: Call, ending: Ending): Effect.Effect<void> => {
  const { deployment, name, permits } = candidate
  const released = permits === undefined ? Effect.void : Effect.asVoid(permits.release(1))
  if (deployment.limits?.tpm === undefined || ending.usage === undefined) return released
  const used = ending.usage.inputTokens + ending.usage.outputTokens
  return Effect.andThen(released, RateLimit.settle(stores.limiter, name, deployment.limits, call.tokens, used))
}

/** What each check of `admit` says of a candidate, in the order they are made; `undefined` where nothing stands in the way. */
export interface Sight {
  readonly rest: Refusal | undefined
  readonly circuit: Refusal | undefined
  readonly permits: Refusal | undefined
  readonly limits: Refusal | undefined
}

/** What `admit` would see of a candidate just now; takes nothing and moves nothing. */
export const peek = Effect.fnUntraced(function* (
  stores: Stores,
  candidate: Candidate,
  call: Call,
): Effect.fn.Return<Sight> {
  const { deployment, health, keys, name, permits } = candidate
  const key = keys[call.operation]
  const state = yield* Effect.orElseSucceed(stores.circuits.state(key), () => undefined)
  const exceeded = yield* RateLimit.peek(stores.limiter, name, deployment.limits ?? {}, call.tokens)
  return {
    rest: restsAt(yield* restsUntil(stores, key), yield* Clock.currentTimeMillis),
    circuit: shut(candidate, call.operation, state),
    permits:
      permits !== undefined && health.inFlight >= (deployment.limits?.concurrency ?? Infinity) ? busy : undefined,
    limits: exceeded === undefined ? undefined : { _tag: "Limited", ...exceeded },
  }
})

/** A store's `state` stays open until the next call, though its time be up. */
const shut = (
  candidate: Candidate,
  operation: Operation,
  state: CircuitBreaker.State | undefined,
): Refusal | undefined => {
  if (state?._tag === "HalfOpen") return state.probing ? { _tag: "Probing" } : undefined
  const wait = state?._tag === "Open" ? Duration.toMillis(state.retryAfter) : 0
  return wait > 0 ? circuitOpen(candidate, operation, wait) : undefined
}
