/**
 * What a worker and the main process tell each other, as JSON over the channel that Node opens between them. All messages of
 * one turn of the event loop are sent as one: a message of its own for each would cost as much as the call it is for.
 */
import type * as Circuit from "@understudy/core/internal/admission/Circuit"
import type * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import type { Bucket, Buckets } from "@understudy/core/internal/policy/Bucket"
import type { Admission } from "effect/persistence/CircuitBreaker"
import type { ConfigFiles } from "../ConfigFiles.ts"

/** What a worker asks, and what the main process replies. */
export interface Asks {
  /** The first message of a worker. */
  readonly hello: { readonly ask: null; readonly reply: Hello }
  readonly acquire: {
    readonly ask: {
      readonly buckets: Buckets
      readonly tokens: number
      readonly permit: RateLimit.Permit | undefined
      /** How much of each bucket the worker would lease besides; 0 for nothing. */
      readonly wanted: ReadonlyArray<number>
    }
    /** `leases`: of each bucket, if any. `keep`: whether the worker keeps the permit when the call releases it. */
    readonly reply:
      | {
          readonly statuses: ReadonlyArray<RateLimit.LimitStatus>
          readonly leases: ReadonlyArray<Lease | null>
          readonly keep: boolean
          readonly exceeded?: undefined
        }
      | { readonly exceeded: RateLimit.Exceeded | RateLimit.ConcurrencyExceeded }
  }
  readonly read: {
    readonly ask: { readonly buckets: Buckets; readonly permit: RateLimit.Permit | undefined }
    readonly reply: { readonly statuses: ReadonlyArray<RateLimit.LimitStatus>; readonly held: number }
  }
  readonly admit: {
    readonly ask: string
    readonly reply:
      | { readonly admission: Pick<Admission, "generation" | "probe" | "consecutiveOpenings"> }
      | { readonly admission?: undefined; readonly retryAfter: number | undefined }
  }
  readonly record: { readonly ask: CircuitRecord; readonly reply: null }
  readonly openCircuit: { readonly ask: { readonly key: string; readonly millis: number }; readonly reply: null }
  readonly resetCircuit: { readonly ask: string; readonly reply: null }
  readonly startCooldown: {
    readonly ask: { readonly key: string; readonly until: number; readonly requestedUntil: number }
    readonly reply: null
  }
  /** Whether the worker is the probe. */
  readonly probeCooldown: { readonly ask: { readonly key: string; readonly until: number }; readonly reply: boolean }
  readonly releaseCooldown: { readonly ask: string; readonly reply: null }
  readonly endCooldown: { readonly ask: string; readonly reply: null }
  /** The deployment on which a conversation is kept. */
  readonly findConversation: {
    readonly ask: { readonly keys: ReadonlyArray<string>; readonly ttl: number | undefined }
    readonly reply: string | undefined
  }
  readonly keepConversation: {
    readonly ask: { readonly keys: ReadonlyArray<string>; readonly deployment: string; readonly ttl: number }
    readonly reply: null
  }
  /** The metrics of all workers, in Prometheus' text format. */
  readonly metrics: { readonly ask: null; readonly reply: string }
  /** The answers of all workers to one question, the asking one's too. */
  readonly everyone: { readonly ask: Question; readonly reply: ReadonlyArray<string> }
}

/** What a worker tells the main process, without a reply. */
export interface Tells {
  /** The worker accepts connections at this address. */
  readonly serving: string
  /** A reload has put a configuration in force, which is read from these texts. */
  readonly configured: ConfigFiles
  readonly release: RateLimit.Permit
  readonly adjust: { readonly bucket: Pick<Bucket, "key" | "refill">; readonly tokens: number }
  readonly returned: Returned
  readonly recordLater: CircuitRecord
  readonly answer: { readonly question: number; readonly text: string }
  /** Answers a ping: the worker does not hang. */
  readonly pong: null
}

/** A part of a rate limit that a worker takes from without asking. */
export interface Lease {
  readonly amount: number
  /** The window of the limit that it belongs to. */
  readonly window: number
  /** It is valid before this time, in clock milliseconds. */
  readonly until: number
}

/** The limits, by key, of which a worker is to return what it does not use. */
export interface Reclaim {
  readonly round: number
  readonly keys: ReadonlyArray<string>
}

/** What a worker returns of its leases. */
export interface Returned {
  /** The reclaim that this answers: nothing is left of its limits. Other returns leave what the worker uses. */
  readonly round?: { readonly id: number; readonly keys: ReadonlyArray<string> } | undefined
  /** `unused` is given back. `used`: how much of the same lease calls have taken. */
  readonly rates: ReadonlyArray<
    Pick<Bucket, "key" | "refill"> & {
      readonly window: number
      readonly unused: number
      readonly used: number
    }
  >
  readonly permits: ReadonlyArray<{ readonly key: string; readonly count: number }>
}

/** A question to every worker. Its answer is a text. */
export interface Question {
  readonly topic: Topic
  readonly text: string
}

/**
 * What a worker is asked: its metrics; the states of its deployments; its overview; its latest calls; to end a session of the
 * page; to break a simulated deployment; to read what has changed in the database; to reload the configuration; to switch faults on
 * and off; to record calls.
 */
export type Topic =
  | "calls"
  | "changes"
  | "faults"
  | "metrics"
  | "overview"
  | "providers"
  | "record"
  | "reload"
  | "sign-out"
  | "simulated"

/**
 * The outcome of an attempt, for its circuit. `openFor` is in milliseconds. `openings`: how often the circuit has opened in a
 * row by what the worker knows. It forgets them when it admits a call after their time, without a message.
 */
export interface CircuitRecord extends Omit<Circuit.Record, "openFor"> {
  readonly openFor: number
  readonly openings: number
}

/** What a worker has to know before it serves. */
export interface Hello {
  /** What the gateway has started with: what only a restart changes is as in it. */
  readonly started: ConfigFiles
  /** What is in force, if it is not that. */
  readonly current: ConfigFiles | undefined
  /** The secret of the sessions of browsers, if they have one that is not configured. */
  readonly sessionSecret: string | undefined
  readonly state: ReadonlyArray<StateChange>
}

/** The state of a circuit or a cooldown. Times are clock milliseconds. */
export type StateChange =
  | { readonly circuit: string; readonly state: Circuit.State }
  | { readonly cooldown: string; readonly until: number; readonly requestedUntil: number }

/** A message of a worker: `id` is that of its reply, where there is one. */
export type FromWorker =
  | {
      readonly [Type in keyof Asks]: { readonly id: number; readonly type: Type; readonly body: Asks[Type]["ask"] }
    }[keyof Asks]
  | { readonly [Type in keyof Tells]: { readonly type: Type; readonly body: Tells[Type] } }[keyof Tells]

/** How a worker shuts down: with the delay, without it, or at once, with an error for running calls. */
export type Shutdown = "drain" | "hurry" | "end"

/** A message of the main process. */
export type FromMain =
  | { readonly type: "reply"; readonly id: number; readonly body: unknown }
  | { readonly type: "state"; readonly body: StateChange }
  | { readonly type: "question"; readonly id: number; readonly body: Question }
  | { readonly type: "reclaim"; readonly body: Reclaim }
  | { readonly type: "ping" }
  | { readonly type: "shutdown"; readonly body: Shutdown }

/** How long a message may wait for another, in milliseconds, if it can wait. */
const longestWait = 5

/** Messages that are sent together: each write to the channel costs more than many messages. */
export class Outbox<Message> {
  readonly #send: (batch: ReadonlyArray<Message>) => void
  #batch: Array<Message> = []
  #isDue = false
  #timer: NodeJS.Timeout | undefined = undefined

  constructor(send: (batch: ReadonlyArray<Message>) => void) {
    this.#send = send
  }

  /** Sends a message at the end of this turn of the event loop. */
  add(message: Message): void {
    this.#batch.push(message)
    if (this.#isDue) return
    this.#isDue = true
    setImmediate(this.#flush)
  }

  /** Sends a message with the next one, within a few milliseconds. */
  addLater(message: Message): void {
    this.#batch.push(message)
    if (!this.#isDue) this.#timer ??= setTimeout(this.#flush, longestWait)
  }

  /** Sends a message before this returns: before anything that is written to a client after it. */
  addNow(message: Message): void {
    this.#batch.push(message)
    this.#flush()
  }

  readonly #flush = (): void => {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#isDue = false
    if (this.#batch.length === 0) return
    const batch = this.#batch
    this.#batch = []
    this.#send(batch)
  }
}
