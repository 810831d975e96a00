/**
 * Circuits, cooldowns, rate limits, permits and kept conversations of a worker: those of all workers of the gateway, which the main
 * process holds.
 *
 * A call sends nothing while its circuit is closed and what it needs of its limits is leased. A failure waits until the main
 * process has counted it, so that its consequences are known here before the call goes on; other workers know them about a
 * millisecond later.
 */
import * as Circuit from "@understudy/core/internal/admission/Circuit"
import { AffinityStore } from "@understudy/core/internal/affinity/AffinityStore"
import * as Cooldowns from "@understudy/core/internal/admission/Cooldowns"
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { LeasedLimits } from "./LeasedLimits.ts"
import type { Connection } from "./MainProcess.ts"
import type { Asks, StateChange } from "./Protocol.ts"
import * as Time from "./Time.ts"

/** The stores of a worker. `state`: the circuits and cooldowns when it started. */
export const layer = (main: Connection, state: ReadonlyArray<StateChange>, time: Time.Time = Time.system) =>
  Layer.mergeAll(
    Layer.sync(CircuitBreaker.CircuitBreakerStore, () => circuits(main, state)),
    Layer.sync(Cooldowns.Cooldowns, () => cooldowns(main, state)),
    layerLimiter(main, time),
    Layer.succeed(AffinityStore, conversations(main)),
  )

/** Asked for each call: its next turn may reach another worker, as soon as the client has the answer. */
const conversations = (main: Connection): AffinityStore["Service"] => ({
  find: (keys, ttl) => main.ask("findConversation", { keys, ttl }),
  set: (keys, deployment, ttl) => main.ask("keepConversation", { keys, deployment, ttl }),
})

/** A limiter whose rates and permits are those of all workers. */
const layerLimiter = (main: Connection, time: Time.Time): Layer.Layer<RateLimiter.RateLimiter> =>
  Layer.effect(
    RateLimiter.RateLimiter,
    Effect.map(RateLimiter.RateLimiter, (local): RateLimit.Limiter => ({
      ...local,
      counters: undefined,
      remote: new LeasedLimits(main, time),
    })),
  ).pipe(Layer.provide(RateLimit.layerMemory))

/** A limiter whose rates are counted elsewhere, as by Redis, and whose permits are held by the main process. */
export const layerPermits = (main: Connection): Layer.Layer<RateLimiter.RateLimiter, never, RateLimiter.RateLimiter> =>
  Layer.effect(
    RateLimiter.RateLimiter,
    Effect.map(RateLimiter.RateLimiter, (limiter): RateLimit.Limiter => {
      const permits = new LeasedLimits(main)
      return {
        ...limiter,
        remote: {
          acquire: ({ permit, ...call }) =>
            Effect.clockWith((clock) => {
              const taking = RateLimit.tryAcquire({ limiter, ...call }, clock)
              if (permit === undefined) return taking
              return Effect.andThen(
                permits.acquire({ buckets: [], tokens: 0, permit }),
                Effect.tapError(taking, () => Effect.sync(() => permits.release(permit))),
              )
            }),
          release: (permit) => permits.release(permit),
          adjust: (bucket, tokens) => Effect.clockWith((clock) => RateLimit.adjust(limiter, bucket, tokens, clock)),
          read: (buckets, permit) =>
            Effect.zipWith(
              RateLimit.statuses({ limiter, buckets }),
              permits.read([], permit),
              (statuses, { held }) => ({
                statuses,
                held,
              }),
            ),
        },
      }
    }),
  )

// ---------------------------------------------------------------------------------------------------------------------
// Circuits
// ---------------------------------------------------------------------------------------------------------------------

const circuits = (main: Connection, state: ReadonlyArray<StateChange>): Circuit.Store => {
  const known = new Circuit.Circuits()
  const learn = (change: StateChange): void => {
    if ("circuit" in change) known.set(change.circuit, change.state)
  }
  state.forEach(learn)
  main.onChange(learn)

  const admit: Circuit.Immediate["admit"] = (key, now) =>
    isDecided(known.state(key), now)
      ? known.admit(key, now)
      : Effect.flatMap(main.ask("admit", key), (reply) => admitted(key, reply))
  const record: Circuit.Immediate["record"] = (outcome) => {
    const state = known.state(outcome.key)
    if (changesNothing(state, outcome)) return nothing
    const body = { ...outcome, openFor: Duration.toMillis(outcome.openFor), openings: state.openings }
    if (state._tag !== "Closed" || outcome.outcome === "Failure") return Effect.as(main.ask("record", body), undefined)
    main.tell("recordLater", body)
    return nothing
  }
  const { state: read } = Circuit.makeStore(known)
  return {
    immediate: { admit, record },
    admit: (key) => Effect.clockWith((clock) => admit(key, clock.currentTimeMillisUnsafe())),
    record: (outcome) => Effect.clockWith((clock) => record(outcome, clock.currentTimeMillisUnsafe())),
    state: read,
    open: (key, millis) => main.ask("openCircuit", { key, millis }),
    reset: (key) => main.ask("resetCircuit", key),
  }
}

const nothing = Effect.undefined

/** Whether every worker knows what this circuit answers: one that may be probed answers one call alone. */
const isDecided = (state: Circuit.State, now: number): boolean => {
  switch (state._tag) {
    case "Closed":
      return true
    case "Open":
      return now < state.until
    case "HalfOpen":
      return state.probing
  }
}

/** Whether an outcome leaves its circuit as it is. */
const changesNothing = (state: Circuit.State, { generation, outcome, tripPolicy }: Circuit.Record): boolean => {
  if (generation !== state.generation) return true
  if (state._tag !== "Closed") return false
  return outcome === "Ignored" || (outcome === "Success" && state.streak === 0 && tripPolicy._tag === "Consecutive")
}

const admitted = (
  key: string,
  reply: Asks["admit"]["reply"],
): Effect.Effect<CircuitBreaker.Admission, CircuitBreaker.CircuitBreakerError> =>
  reply.admission === undefined
    ? Effect.fail(Circuit.rejection(key, reply.retryAfter))
    : Effect.succeed({ ...reply.admission, transition: undefined })

// ---------------------------------------------------------------------------------------------------------------------
// Cooldowns
// ---------------------------------------------------------------------------------------------------------------------

const cooldowns = (main: Connection, state: ReadonlyArray<StateChange>): Cooldowns.Cooldowns["Service"] => {
  const known = new Map<string, { readonly until: number; readonly requestedUntil: number }>()
  const learn = (change: StateChange): void => {
    if (!("cooldown" in change)) return
    if (change.requestedUntil === 0) known.delete(change.cooldown)
    else known.set(change.cooldown, change)
  }
  state.forEach(learn)
  main.onChange(learn)
  return {
    until: (key) => known.get(key)?.until ?? 0,
    requestedUntil: (key) => known.get(key)?.requestedUntil ?? 0,
    read: undefined,
    start: (key, until, requestedUntil = until) => main.ask("startCooldown", { key, until, requestedUntil }),
    probe: (key, until) => main.ask("probeCooldown", { key, until }),
    release: (key) => main.ask("releaseCooldown", key),
    end: (key) => main.ask("endCooldown", key),
  }
}
