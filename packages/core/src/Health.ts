/**
 * How a deployment is doing, as the strategies see it: calls in flight, and smoothed latencies of what it answered.
 * Kept in memory by each process; never a reason to refuse, only to prefer.
 */

/** What strategies look at. Latencies are milliseconds, `undefined` until there was an answer. */
export interface Health {
  readonly inFlight: number
  /** Until a plain call's whole answer. */
  readonly latency: number | undefined
  /** Until a stream's first real output. */
  readonly firstToken: number | undefined
}

/** A deployment's health while it runs: changed only by its own attempts. */
export class Monitor implements Health {
  inFlight = 0
  latency: number | undefined = undefined
  firstToken: number | undefined = undefined

  /** A call begins; `ended` must follow exactly once. */
  began(): void {
    this.inFlight++
  }

  ended(): void {
    this.inFlight--
  }

  answered(millis: number): void {
    this.latency = smooth(this.latency, millis)
  }

  spoke(millis: number): void {
    this.firstToken = smooth(this.firstToken, millis)
  }
}

/** The share of the newest value: slow enough for noise, quick enough to notice an outage within some ten calls. */
const weight = 0.2

const smooth = (before: number | undefined, millis: number): number =>
  before === undefined ? millis : before + weight * (millis - before)
