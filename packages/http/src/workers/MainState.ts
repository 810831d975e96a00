/**
 * The state that the workers of one gateway share, in the memory of the main process: circuits, cooldowns, rate limits, permits
 * and kept conversations. The main process runs one request of a worker after the other, so that a limit of the gateway is exact.
 *
 * Circuits and cooldowns are also published, because they change rarely and are read for each call. A worker decides by what
 * it was told, and asks only for what one call alone may have: the probe of a circuit or a cooldown.
 */
import * as Circuit from "@understudy/core/internal/admission/Circuit"
import * as Cooldowns from "@understudy/core/internal/admission/Cooldowns"
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import * as AffinityStore from "@understudy/core/internal/affinity/AffinityStore"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Asks, CircuitRecord, FromWorker, StateChange } from "./Protocol.ts"

/** A message on the state: every one but those that only the supervisor can answer. */
export type StateMessage = Extract<
  FromWorker,
  {
    readonly type:
      | "acquire"
      | "read"
      | "release"
      | "adjust"
      | "admit"
      | "record"
      | "recordLater"
      | "openCircuit"
      | "resetCircuit"
      | "startCooldown"
      | "probeCooldown"
      | "releaseCooldown"
      | "endCooldown"
      | "findConversation"
      | "keepConversation"
  }
>

/** The state of all workers. Workers are numbers, and none has the number of one that has ended. */
export class MainState {
  readonly #publish: (change: StateChange) => void
  readonly #now: () => number
  readonly #counters = new RateLimit.Counters()
  /** How many permits each worker holds, by key. */
  readonly #permits = new Map<string, Map<number, number>>()
  readonly #circuits = new Circuit.Circuits()
  readonly #store = Circuit.makeStore(this.#circuits)
  readonly #cooldowns = Cooldowns.makeMemory()
  readonly #conversations = new AffinityStore.MemoryConversations()
  /** What was published last, by kind and key. */
  readonly #published = new Map<string, StateChange>()
  /** The workers that probe a circuit, with the generation that they settle, and those that probe a cooldown. */
  readonly #probes = new Map<string, { readonly worker: number; readonly generation: number }>()
  readonly #cooldownProbes = new Map<string, number>()

  /** `publish` is called with each change of a circuit or a cooldown; `now` is in clock milliseconds. */
  constructor(publish: (change: StateChange) => void, now: () => number = Date.now) {
    this.#publish = publish
    this.#now = now
  }

  /** The circuits and cooldowns, for a worker that starts. */
  get changes(): ReadonlyArray<StateChange> {
    return [...this.#published.values()]
  }

  /** Runs a message of a worker, and returns its reply. */
  receive(worker: number, message: StateMessage): unknown {
    switch (message.type) {
      case "acquire":
        return this.#acquire(worker, message.body)
      case "read":
        return this.#read(message.body)
      case "release":
        return this.#release(worker, message.body.key)
      case "adjust":
        return this.#counters.add(message.body.bucket, message.body.tokens, this.#now())
      case "admit":
        return this.#admit(worker, message.body)
      case "record":
      case "recordLater":
        return this.#record(message.body)
      case "openCircuit": {
        const { key, millis } = message.body
        return this.#changeCircuit(key, () => run(this.#store.open?.(key, millis)))
      }
      case "resetCircuit":
        return this.#changeCircuit(message.body, () => run(this.#store.reset?.(message.body)))
      case "startCooldown": {
        const { key, requestedUntil, until } = message.body
        return this.#changeCooldown(key, this.#cooldowns.start(key, until, requestedUntil))
      }
      case "probeCooldown": {
        const { key, until } = message.body
        const isProbe = this.#changeCooldown(key, this.#cooldowns.probe(key, until))
        if (isProbe) this.#cooldownProbes.set(key, worker)
        return isProbe
      }
      case "releaseCooldown":
        return this.#settleCooldown(message.body, this.#cooldowns.release(message.body))
      case "endCooldown":
        return this.#settleCooldown(message.body, this.#cooldowns.end(message.body))
      case "findConversation": {
        const { keys, ttl } = message.body
        return this.#conversations.find(keys, ttl, this.#now())
      }
      case "keepConversation": {
        const { deployment, keys, ttl } = message.body
        this.#conversations.set(keys, deployment, ttl, this.#now())
        return null
      }
    }
  }

  /** Takes back what a worker held that has ended: its permits, and the probes that it did not settle. */
  left(worker: number): void {
    for (const [key, holders] of this.#permits) {
      holders.delete(worker)
      if (holders.size === 0) this.#permits.delete(key)
    }
    for (const [key, probe] of this.#probes) {
      if (probe.worker !== worker) continue
      this.#record({
        key,
        generation: probe.generation,
        outcome: "Ignored",
        tripPolicy: anyPolicy,
        openFor: 0,
        openings: Infinity,
      })
    }
    for (const [key, prober] of this.#cooldownProbes) {
      if (prober === worker) this.#settleCooldown(key, this.#cooldowns.release(key))
    }
  }

  #acquire(worker: number, { buckets, permit, tokens }: Asks["acquire"]["ask"]): Asks["acquire"]["reply"] {
    const left = permit === undefined ? Infinity : permit.max - this.#held(permit.key) - 1
    if (left < 0) return { exceeded: { limit: "concurrency" } }
    const taken = RateLimit.takeAll(this.#counters, { buckets, tokens }, this.#now())
    if (Exit.isSuccess(taken)) {
      if (permit !== undefined) this.#hold(worker, permit.key)
      return { statuses: taken.value, left }
    }
    const [reason] = taken.cause.reasons
    return reason?._tag === "Fail" ? { exceeded: reason.error } : { statuses: [], left }
  }

  #read({ buckets, permit }: Asks["read"]["ask"]): Asks["read"]["reply"] {
    const now = this.#now()
    return {
      statuses: buckets.map((bucket) => this.#counters.take(bucket, 0, now)),
      held: permit === undefined ? 0 : this.#held(permit.key),
    }
  }

  #held(key: string): number {
    let held = 0
    for (const count of this.#permits.get(key)?.values() ?? []) held += count
    return held
  }

  #hold(worker: number, key: string): void {
    let holders = this.#permits.get(key)
    if (holders === undefined) this.#permits.set(key, (holders = new Map()))
    holders.set(worker, (holders.get(worker) ?? 0) + 1)
  }

  #release(worker: number, key: string): void {
    const holders = this.#permits.get(key)
    const held = holders?.get(worker)
    if (holders === undefined || held === undefined) return
    if (held > 1) return void holders.set(worker, held - 1)
    holders.delete(worker)
    if (holders.size === 0) this.#permits.delete(key)
  }

  #admit(worker: number, key: string): Asks["admit"]["reply"] {
    const admitted = this.#changeCircuit(key, () => this.#circuits.admit(key, this.#now()))
    if (Exit.isSuccess(admitted)) {
      const { consecutiveOpenings, generation, probe } = admitted.value
      if (probe) this.#probes.set(key, { worker, generation })
      return { admission: { consecutiveOpenings, generation, probe } }
    }
    const [reason] = admitted.cause.reasons
    const error = reason?._tag === "Fail" ? reason.error.reason : undefined
    return { retryAfter: error?._tag === "CircuitOpen" ? Duration.toMillis(error.retryAfter) : undefined }
  }

  #record({ openFor, openings, ...record }: CircuitRecord): null {
    const { generation, key } = record
    this.#changeCircuit(key, () => {
      const state = this.#circuits.state(key)
      if (state._tag === "Closed" && state.generation === generation && openings < state.openings) {
        this.#circuits.set(key, { ...state, openings })
      }
      this.#circuits.record({ ...record, openFor: Duration.millis(openFor) }, this.#now())
    })
    if (this.#probes.get(key)?.generation === generation) this.#probes.delete(key)
    return null
  }

  #changeCircuit<A>(key: string, change: () => A): A {
    const before = shown(this.#circuits.state(key))
    const result = change()
    const state = shown(this.#circuits.state(key))
    if (JSON.stringify(state) !== JSON.stringify(before)) this.#tell(`circuit ${key}`, { circuit: key, state })
    return result
  }

  #settleCooldown(key: string, change: Effect.Effect<void>): null {
    this.#cooldownProbes.delete(key)
    return this.#changeCooldown(key, Effect.as(change, null))
  }

  #changeCooldown<A>(key: string, change: Effect.Effect<A>): A {
    const result = Effect.runSync(change)
    const [until, requestedUntil] = [this.#cooldowns.until(key), this.#cooldowns.requestedUntil(key)]
    this.#tell(`cooldown ${key}`, { cooldown: key, until, requestedUntil })
    return result
  }

  #tell(name: string, change: StateChange): void {
    this.#published.set(name, change)
    this.#publish(change)
  }
}

/** A record that is ignored changes nothing by it. */
const anyPolicy = { _tag: "Consecutive", failures: 1 } as const

const run = (effect: Effect.Effect<void> = Effect.void): null => {
  Effect.runSync(effect)
  return null
}

/** What a worker needs of a circuit: whether there are failures, not which. Unchanged by most outcomes. */
const shown = (state: Circuit.State): Circuit.State =>
  state._tag === "Closed" ? { ...state, streak: Math.min(1, state.streak), ring: [] } : state
