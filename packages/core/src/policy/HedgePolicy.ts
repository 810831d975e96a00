import type * as Duration from "effect/Duration"

/** A quantile of a deployment's recent latencies: after `p95`, the slowest twentieth of the calls is hedged. */
export type Quantile = "p50" | "p75" | "p90" | "p95" | "p99"

export const quantiles: ReadonlyArray<Quantile> = ["p50", "p75", "p90", "p95", "p99"]

/** The delay before a hedge starts the next deployment: a duration, or a quantile of the current one's latency. */
export type After = Duration.Input | Quantile

export const isQuantile = (after: unknown): after is Quantile => quantiles.some((each) => each === after)
