/**
 * How a deployment is doing, as the strategies see it: calls in flight, and smoothed latencies of what it answered.
 * Kept in memory by each process; never a reason to refuse, only to prefer.
 */
import type { Operation } from "./Call.ts"
import type { Judgement } from "./ProviderError.ts"

/** What strategies look at. Latencies are milliseconds, `undefined` until there was an answer. */
export interface Health {
  readonly inFlight: number
  /** Until a plain call's whole answer. */
  readonly latency: number | undefined
  /** Until a stream's first real output. */
  readonly firstToken: number | undefined
}

/** How many of the latest values a window holds: enough to tell the slowest twentieth. */
const width = 64

/** The latest values, the oldest making room for the newest. */
export class Window {
  readonly #values = new Float64Array(width)
  #added = 0

  add(value: number): void {
    this.#values[this.#added++ % width] = value
  }

  get size(): number {
    return Math.min(this.#added, width)
  }

  /** The smallest value that at least this share (0 to 1) of them does not exceed; 0 of none. */
  quantile(share: number): number {
    const sorted = this.#values.slice(0, this.size).sort()
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
  }
}

/** A deployment's health while it runs: changed only by its own attempts. */
export class Monitor implements Health {
  inFlight = 0
  latency: number | undefined = undefined
  firstToken: number | undefined = undefined
  /** The operations whose latest failure is cured by no wait, such as a dead credential. */
  readonly permanent = new Set<Operation>()
  /** Of the latest answers, as `latency` and `firstToken` are. */
  readonly latencies = new Window()
  readonly firstTokens = new Window()

  /** A call begins; `ended` must follow exactly once. */
  began(): void {
    this.inFlight++
  }

  ended(): void {
    this.inFlight--
  }

  /** How an attempt ended: `undefined` for an answer. What says nothing of the deployment's health changes nothing. */
  judged(operation: Operation, circuit: Judgement["circuit"] | undefined): void {
    if (circuit === "opens-long") this.permanent.add(operation)
    else if (circuit !== "ignored" && circuit !== "rests") this.permanent.delete(operation)
  }

  answered(millis: number): void {
    this.latency = smooth(this.latency, millis)
    this.latencies.add(millis)
  }

  spoke(millis: number): void {
    this.firstToken = smooth(this.firstToken, millis)
    this.firstTokens.add(millis)
  }
}

/** The share of the newest value: slow enough for noise, quick enough to notice an outage within some ten calls. */
const weight = 0.2

const smooth = (before: number | undefined, millis: number): number =>
  before === undefined ? millis : before + weight * (millis - before)
