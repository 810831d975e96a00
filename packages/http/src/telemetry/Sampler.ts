/**
 * Which traces are recorded. The decision is made once, for the first span of the gateway in a trace.
 */
import type * as Tracer from "effect/Tracer"

/** `ratio`: the share of traces that begin here, 0 to 1. `parentBased`: whether the caller's decision holds for its traces. */
export interface Sampler {
  readonly ratio: number
  readonly parentBased: boolean
}

export const isSampled = (
  { parentBased, ratio }: Sampler,
  traceId: string,
  parent: Tracer.AnySpan | undefined,
): boolean => {
  if (parentBased && parent !== undefined) return parent.sampled
  if (ratio >= 1) return true
  return ratio > 0 && randomness(traceId) >= 1 - ratio
}

/**
 * The last 56 bits of a trace id are random (W3C Trace Context, level 2). By them every service with the same ratio decides
 * the same. Compared are their first 52, which a number holds exactly.
 */
const randomness = (traceId: string): number => Number.parseInt(traceId.slice(-14, -1), 16) / 2 ** 52
