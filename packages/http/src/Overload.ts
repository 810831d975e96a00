/**
 * Overload: the order in which calls start, and the rejection of calls that the process cannot serve in time.
 *
 * In one turn of the event loop, Node reads every socket that is ready, but accepts only one connection. If a thousand
 * connections each start a call in a turn, the turn takes a tenth of a second, and a new connection waits behind the others for
 * seconds. So with many requests in flight, a turn starts only a few calls; the others wait, in the order of their arrival.
 *
 * New calls are rejected while the first waiting call has waited longer than a bound, while every turn of the event loop
 * takes longer than that bound, or while as many requests are in flight as a second bound allows.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as EventLoopStall from "./observe/EventLoopStall.ts"

/** The bounds at which new calls are rejected. The section `server.overload` of a configuration. */
export interface Policy {
  /** How long calls may wait for the event loop. Default: 500 ms. */
  readonly delay: Duration.Duration
  /** Requests in flight. Default: 10,000. */
  readonly calls: number
}

export const defaults: Policy = { delay: Duration.millis(500), calls: 10_000 }

/** The bound over which a call was rejected. */
export type Reason = keyof Policy

/** Requests in flight below which every call starts at once, whatever the policy. */
const unordered = 64
/** Calls that start in one turn of the event loop. */
const perTurn = 16
/** Calls that start in one turn after a connection was accepted: more connections are probably waiting. */
const perTurnAccepting = 2
/** Milliseconds between two samples of the event loop's delay. */
const interval = 250
/** Consecutive samples over the bound after which calls are rejected: one alone is a stall. */
const sustained = 2
/** Milliseconds without a rejection after which an overload has ended. */
const quiet = 5000
/** `retry-after` of a rejected call in milliseconds, drawn at random so that clients do not return together. */
const minRetryAfter = 1000
const maxRetryAfter = 3000

/** A call that waits for its turn; `start` is `undefined` once its client has disconnected. */
interface Waiting {
  readonly since: number
  start: (() => void) | undefined
}

/** What `Overload` depends on: the time in milliseconds, and when the next turn of the event loop comes. */
export interface Surroundings {
  readonly now: () => number
  readonly nextTurn: (run: () => void) => void
}

/** The overload protection of one server. Without a policy, every call starts at once. */
export class Control {
  readonly #surroundings: Surroundings
  readonly #delay: number
  readonly #calls: number
  readonly #unordered: number
  readonly #queue: Array<Waiting> = []
  #isScheduled = false
  /** Calls started in this turn. */
  #started = 0
  #hasAccepted = false
  /** Whether the first waiting call is over the bound. */
  #isLate = false
  /** Consecutive samples of the event loop's delay over the bound. */
  #slowSamples = 0
  #isSlow = false
  #eventLoopDelay = 0

  constructor(policy: Policy | undefined, surroundings: Surroundings) {
    this.#surroundings = surroundings
    this.#delay = policy === undefined ? Infinity : Duration.toMillis(policy.delay)
    this.#calls = policy?.calls ?? Infinity
    this.#unordered = policy === undefined ? Infinity : Math.min(unordered, policy.calls)
  }

  /** Whether a new call, with this many requests in flight, may have to wait or be rejected. */
  isBusy(inFlight: number): boolean {
    return inFlight >= this.#unordered || this.isRejecting
  }

  /** The bound over which a new call is, with this many requests in flight; `undefined` if it may start. */
  exceeded(inFlight: number): Reason | undefined {
    return inFlight >= this.#calls ? "calls" : this.isRejecting ? "delay" : undefined
  }

  /** The call, once it is its turn: at once if no other call waits, and few have started in this turn of the event loop. */
  ordered<A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    this.#schedule()
    if (this.#queue.length > 0 || this.#started >= this.#quota()) return Effect.andThen(this.#turn, call)
    this.#started++
    return call
  }

  /** Notes that the server has accepted a connection. */
  accepted(): void {
    this.#hasAccepted = true
  }

  /** Takes a sample of the event loop's delay, in milliseconds. */
  sample(delay: number): void {
    this.#eventLoopDelay = delay
    this.#slowSamples = delay > this.#delay ? this.#slowSamples + 1 : 0
    if (this.#slowSamples >= sustained) this.#isSlow = true
    // Half the bound, so that rejections do not start and stop with every sample.
    else if (delay <= this.#delay / 2) this.#isSlow = false
  }

  /** Whether new calls are rejected because calls wait too long for the event loop. */
  get isRejecting(): boolean {
    return this.#isLate || this.#isSlow
  }

  /** Calls that wait for their turn, those of disconnected clients included. */
  get waiting(): number {
    return this.#queue.length
  }

  /** Milliseconds: the longer of the last sample of the event loop's delay and the wait of the first waiting call. */
  get delay(): number {
    return Math.max(this.#eventLoopDelay, this.#firstWait())
  }

  /** Waits for the turn of a call. */
  readonly #turn: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const waiting: Waiting = { since: this.#surroundings.now(), start: () => resume(Effect.void) }
    this.#queue.push(waiting)
    return Effect.sync(() => {
      waiting.start = undefined
    })
  })

  #quota(): number {
    return this.#hasAccepted ? perTurnAccepting : perTurn
  }

  #firstWait(): number {
    const first = this.#queue[0]
    return first === undefined ? 0 : this.#surroundings.now() - first.since
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#surroundings.nextTurn(this.#begin)
  }

  /** Begins a turn: starts the first waiting calls. */
  readonly #begin = (): void => {
    this.#isScheduled = false
    this.#started = 0
    const quota = this.#quota()
    this.#hasAccepted = false
    while (this.#started < quota) {
      const next = this.#queue.shift()
      if (next === undefined) break
      if (next.start === undefined) continue
      this.#started++
      next.start()
    }
    this.#isLate = this.#firstWait() > this.#delay
    if (this.#started > 0) this.#schedule()
  }
}

const rejected = Metric.counter("understudy_overload_rejected_total", {
  description: "Calls rejected because the gateway is overloaded, by the bound they were over (delay, calls)",
  incremental: true,
})
const waiting = Metric.gauge("understudy_overload_waiting_calls", {
  description: "Calls that wait for their turn to start",
})
const eventLoopDelay = Metric.gauge("understudy_event_loop_delay_seconds", {
  description: "How late the event loop runs a timer",
})

/** The overload protection of the server in context. */
export class Overload extends Context.Service<
  Overload,
  {
    readonly control: Control
    /**
     * Rejects a new call that is over a bound, with this many requests in flight: the milliseconds after which its client
     * should try again. `undefined` if the call may start.
     */
    readonly reject: (inFlight: number) => number | undefined
  }
>()("@understudy/http/Overload") {
  /** Overload protection with this policy, or none. Logs when rejections begin and when they have ended. */
  static readonly layer = (policy: Policy | undefined): Layer.Layer<Overload> =>
    Layer.effect(
      Overload,
      Effect.gen(function* () {
        const context = yield* Effect.context<never>()
        const clock = yield* Clock.Clock
        const random = yield* Random.Random
        const now = () => clock.currentTimeMillisUnsafe()
        const control = new Control(policy, { now, nextTurn: setImmediate })
        const rejections = new Rejections()
        const counters = {
          delay: Metric.withAttributes(rejected, { reason: "delay" }),
          calls: Metric.withAttributes(rejected, { reason: "calls" }),
        }
        // There before the first sample, and the first rejection.
        for (const metric of [waiting, eventLoopDelay, ...Object.values(counters)]) metric.updateUnsafe(0, context)
        yield* Effect.forkScoped(
          EventLoopStall.sample(interval, (delay) => {
            control.sample(delay)
            eventLoopDelay.updateUnsafe(delay / 1000, context)
            waiting.updateUnsafe(control.waiting, context)
            return rejections.report(now())
          }),
        )
        return {
          control,
          reject: (inFlight) => {
            const reason = control.exceeded(inFlight)
            if (reason === undefined) return undefined
            counters[reason].updateUnsafe(1, context)
            rejections.add(reason, reason === "calls" ? inFlight : control.delay, now())
            return minRetryAfter + Math.floor(random.nextDoubleUnsafe() * (maxRetryAfter - minRetryAfter))
          },
        }
      }),
    )
}

/** The rejections of one overload, for a log line when it begins and one when it has ended. */
class Rejections {
  #count = 0
  #startedAt = 0
  #lastAt = 0
  #isReported = false
  #cause = ""

  add(reason: Reason, value: number, now: number): void {
    if (this.#count === 0) {
      this.#startedAt = now
      this.#cause =
        reason === "calls"
          ? `${value} requests are in flight (server.overload.calls)`
          : `calls wait ${value} ms for the event loop (server.overload.delay)`
    }
    this.#count++
    this.#lastAt = now
  }

  report(now: number): Effect.Effect<void> {
    if (this.#count === 0) return Effect.void
    if (!this.#isReported) {
      this.#isReported = true
      return Effect.logWarning(`The gateway is overloaded and rejects new calls: ${this.#cause}.`)
    }
    if (now - this.#lastAt < quiet) return Effect.void
    const [count, lasted] = [this.#count, Duration.format(Duration.millis(this.#lastAt - this.#startedAt))]
    this.#count = 0
    this.#isReported = false
    return Effect.logInfo(
      `The overload has ended: ${count} ${count === 1 ? "call was" : "calls were"} rejected in ${lasted}.`,
    )
  }
}
