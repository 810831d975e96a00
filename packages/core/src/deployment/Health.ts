/**
 * How a deployment is doing, as the strategies see it: calls in flight, and smoothed latencies of what it answered.
 * Kept in memory by each process; never a reason to refuse, only to prefer.
 */
import * as Duration from "effect/Duration"
import type { Operation } from "../model/Call.ts"
import { type After, isQuantile } from "../policy/HedgePolicy.ts"
import type { FailureAction } from "../model/ProviderError.ts"

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
export class LatencyWindow {
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
export class LatencyTracker implements Health {
  inFlight = 0
  latency: number | undefined = undefined
  firstToken: number | undefined = undefined
  /** The operations whose latest failure is cured by no wait, such as a dead credential. */
  readonly permanent = new Set<Operation>()
  /** Of the latest answers, as `latency` and `firstToken` are. */
  readonly latencies = new LatencyWindow()
  readonly firstTokens = new LatencyWindow()

  /** A call begins; `ended` must follow exactly once. */
  start(): void {
    this.inFlight++
  }

  end(): void {
    this.inFlight--
  }

  /** How an attempt ended: `undefined` for an answer. What says nothing of the deployment's health changes nothing. */
  recordOutcome(operation: Operation, circuit: FailureAction["circuit"] | undefined): void {
    if (circuit === "trip-permanent") this.permanent.add(operation)
    else if (circuit !== "ignore" && circuit !== "cooldown") this.permanent.delete(operation)
  }

  recordLatency(millis: number): void {
    this.latency = ewma(this.latency, millis)
    this.latencies.add(millis)
  }

  recordFirstToken(millis: number): void {
    this.firstToken = ewma(this.firstToken, millis)
    this.firstTokens.add(millis)
  }
}

/** The share of the newest value: slow enough for noise, quick enough to notice an outage within some ten calls. */
const weight = 0.2

const ewma = (before: number | undefined, millis: number): number =>
  before === undefined ? millis : before + weight * (millis - before)
/** Answers it takes to know a quantile, and how long to wait until it is known. */
const minSamples = 8
const defaultDelay = 1000
/** The milliseconds of `after` for a candidate in this state: until a stream's first output, or a plain answer. */
export const delay = (after: After, health: LatencyTracker, streaming: boolean): number => {
  if (!isQuantile(after)) return Duration.toMillis(Duration.fromInputUnsafe(after))
  const window = streaming ? health.firstTokens : health.latencies
  return window.size < minSamples ? defaultDelay : window.quantile(Number(after.slice(1)) / 100)
}
