/**
 * The health of a deployment as strategies see it: calls in flight, and smoothed latencies. Each process keeps it in memory.
 * It affects the order of deployments, never their availability.
 */
import * as Duration from "effect/Duration"
import type { Operation } from "../model/Call.ts"
import { type After, isQuantile } from "../policy/HedgePolicy.ts"
import type { FailureAction } from "../model/ProviderError.ts"

/** Latencies are in milliseconds, `undefined` before the first response. */
export interface Health {
  readonly inFlight: number
  /** To the complete response of a call that is not streamed. */
  readonly latency: number | undefined
  /** To the first output of a stream. */
  readonly firstToken: number | undefined
}

/** The values in a window: enough for the 95th percentile. */
const width = 64

/** A ring buffer of the latest latencies. */
export class LatencyWindow {
  readonly #values = new Float64Array(width)
  #added = 0

  add(value: number): void {
    this.#values[this.#added++ % width] = value
  }

  get size(): number {
    return Math.min(this.#added, width)
  }

  /** The quantile at `share` (0 to 1); 0 without values. */
  quantile(share: number): number {
    const sorted = this.#values.slice(0, this.size).sort()
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
  }
}

/** The health of a running deployment, updated by its attempts. */
export class LatencyTracker implements Health {
  inFlight = 0
  latency: number | undefined = undefined
  firstToken: number | undefined = undefined
  /** That of the deployment, if this is of one of its accounts: what is recorded here is recorded there too. */
  #deployment: LatencyTracker | undefined = undefined
  /** The operations whose latest failure was permanent, such as an authentication error. */
  readonly permanent = new Set<Operation>()
  /** The latest values of `latency`, and below of `firstToken`. */
  readonly latencies = new LatencyWindow()
  readonly firstTokens = new LatencyWindow()

  /** Counts the start of a call. `end` must follow exactly once. */
  start(): void {
    this.inFlight++
    this.#deployment?.start()
  }

  end(): void {
    this.inFlight--
    this.#deployment?.end()
  }

  /** Makes this the health of a deployment with these accounts. */
  ofAccounts(accounts: ReadonlyArray<LatencyTracker>): void {
    for (const account of accounts) {
      if (account.#deployment === this) continue
      account.#deployment = this
      this.inFlight += account.inFlight
    }
  }

  /** Records the circuit action of a failure, or `undefined` for a success. `ignore` and `cooldown` change nothing. */
  recordOutcome(operation: Operation, circuit: FailureAction["circuit"] | undefined): void {
    if (circuit === "trip-permanent") this.permanent.add(operation)
    else if (circuit !== "ignore" && circuit !== "cooldown") this.permanent.delete(operation)
  }

  recordLatency(millis: number): void {
    this.latency = ewma(this.latency, millis)
    this.latencies.add(millis)
    this.#deployment?.recordLatency(millis)
  }

  recordFirstToken(millis: number): void {
    this.firstToken = ewma(this.firstToken, millis)
    this.firstTokens.add(millis)
    this.#deployment?.recordFirstToken(millis)
  }
}

/** The weight of the newest value: an outage shows within about ten calls, and noise is smoothed. */
const weight = 0.2

const ewma = (before: number | undefined, millis: number): number =>
  before === undefined ? millis : before + weight * (millis - before)

/** The samples that a quantile needs. With fewer, a hedge starts after `defaultDelay` milliseconds. */
const minSamples = 8
const defaultDelay = 1000

/** The delay of a hedge, in milliseconds: by first-token latencies for streams, else by latencies of complete responses. */
export const delay = (after: After, health: LatencyTracker, streaming: boolean): number => {
  if (!isQuantile(after)) return Duration.toMillis(Duration.fromInputUnsafe(after))
  const window = streaming ? health.firstTokens : health.latencies
  return window.size < minSamples ? defaultDelay : window.quantile(Number(after.slice(1)) / 100)
}
