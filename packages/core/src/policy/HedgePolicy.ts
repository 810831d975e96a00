import type * as Duration from "effect/Duration"

/** The share of a deployment's latest answers that came within the delay: the slowest twentieth is hedged by `p95`. */
export type Quantile = "p50" | "p75" | "p90" | "p95" | "p99"

export const quantiles: ReadonlyArray<Quantile> = ["p50", "p75", "p90", "p95", "p99"]
/** How long a candidate is waited for before another starts beside it: a duration, or its own latency. */
export type After = Duration.Input | Quantile
export const isQuantile = (after: unknown): after is Quantile => quantiles.some((each) => each === after)
