/**
 * The state that the workers of one gateway share, in the memory of the main process: circuits, cooldowns, kept conversations
 * and, by `SharedLimits`, rate limits and permits. The main process runs one request of a worker after the other.
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
import type { Asks, CircuitRecord, FromWorker, Reclaim, StateChange } from "./Protocol.ts"
import { SharedLimits } from "./SharedLimits.ts"
import * as Time from "./Time.ts"

/** A message on the state: every one but those that only the supervisor can answer. */
export type StateMessage = Extract<
  FromWorker,
  {
    readonly type:
      | "acquire"
      | "read"
      | "release"
      | "adjust"
      | "returned"
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
  readonly #time: Time.Time
  readonly #limits: SharedLimits
  readonly #circuits = new Circuit.Circuits()
  readonly #store = Circuit.makeStore(this.#circuits)
  readonly #cooldowns = Cooldowns.makeMemory()
  readonly #conversations = new AffinityStore.MemoryConversations()
  /** What was published last, by kind and key. */
  readonly #published = new Map<string, StateChange>()
  /** The workers that probe a circuit, with the generation that they settle, and those that probe a cooldown. */
  readonly #probes = new Map<string, { readonly worker: number; readonly generation: number }>()
  readonly #cooldownProbes = new Map<string, number>()

  /**
   * `publish` is called with each change of a circuit or a cooldown, `reclaim` when a worker is to return what it has leased.
   */
  constructor(
    publish: (change: StateChange) => void,
    reclaim: (worker: number, reclaim: Reclaim) => void,
    time: Time.Time = Time.system,
  ) {
    this.#publish = publish
    this.#time = time
    this.#limits = new SharedLimits({ reclaim, time, counters: new RateLimit.Counters() })
  }

  /** The circuits and cooldowns, for a worker that starts. */
  get changes(): ReadonlyArray<StateChange> {
    return [...this.#published.values()]
  }

  /** Notes that a worker has sent a message. */
  responded(worker: number): void {
    this.#limits.responded(worker)
  }

  /** Runs a message of a worker, and replies: at once, unless what other workers have leased is reclaimed first. */
  receive(worker: number, message: StateMessage, reply: (body: unknown) => void): void {
    if (message.type === "acquire") this.#limits.acquire(worker, message.body, reply)
    else reply(this.#run(worker, message))
  }

  #run(worker: number, message: Exclude<StateMessage, { readonly type: "acquire" }>): unknown {
    switch (message.type) {
      case "read":
        return this.#limits.read(message.body)
      case "release":
        return this.#limits.release(worker, message.body.key)
      case "adjust":
        return this.#limits.adjust(message.body.bucket, message.body.tokens)
      case "returned":
        return this.#limits.returned(worker, message.body)
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
        return this.#conversations.find(keys, ttl, this.#time.now())
      }
      case "keepConversation": {
        const { deployment, keys, ttl } = message.body
        this.#conversations.set(keys, deployment, ttl, this.#time.now())
        return null
      }
    }
  }

  /** Takes back what a worker held that has ended: its permits, and the probes that it did not settle. */
  left(worker: number): void {
    this.#limits.left(worker)
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

  #admit(worker: number, key: string): Asks["admit"]["reply"] {
    const admitted = this.#changeCircuit(key, () => this.#circuits.admit(key, this.#time.now()))
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
      this.#circuits.record({ ...record, openFor: Duration.millis(openFor) }, this.#time.now())
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
