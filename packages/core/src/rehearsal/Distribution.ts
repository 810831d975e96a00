/**
 * Distributions of durations and sizes, as data. A value is drawn by its quantile, so that a larger random number is never a
 * smaller value: what is slow for a call by one configuration is slow by another too.
 */

import { exp, log } from "./Elementary.ts"

/**
 * - a number: always that.
 * - `median` and `p95`: log-normal, as latencies of services mostly are. A `p95` at or below the median is the median.
 * - `mean`: exponential, as times between independent events are.
 * - `samples`: values that were observed, in ascending order. Between two of them it is interpolated.
 */
export type Distribution =
  | number
  | { readonly median: number; readonly p95: number }
  | { readonly mean: number }
  | { readonly samples: ReadonlyArray<number> }

/** The value below which a share of the values is. `share` is from 0 (inclusive) to 1 (exclusive). */
export const quantile = (distribution: Distribution, share: number): number => {
  if (typeof distribution === "number") return distribution
  if ("mean" in distribution) return -log(1 - share) * distribution.mean
  if ("samples" in distribution) return interpolated(distribution.samples, share)
  const { median, p95 } = distribution
  if (p95 <= median || median <= 0) return median
  return median * exp((log(p95 / median) / normalP95) * normal(share))
}

/** The same distribution with every value multiplied. */
export const scaled = (distribution: Distribution, factor: number): Distribution => {
  if (factor === 1) return distribution
  if (typeof distribution === "number") return distribution * factor
  if ("mean" in distribution) return { mean: distribution.mean * factor }
  if ("samples" in distribution) return { samples: distribution.samples.map((value) => value * factor) }
  return { median: distribution.median * factor, p95: distribution.p95 * factor }
}

const interpolated = (samples: ReadonlyArray<number>, share: number): number => {
  const at = share * (samples.length - 1)
  const below = Math.floor(at)
  const low = samples[below] ?? 0
  const high = samples[below + 1] ?? low
  return low + (high - low) * (at - below)
}

/** The 95th percentile of the standard normal distribution. */
const normalP95 = 1.6448536269514722

/**
 * The quantile of the standard normal distribution, to about nine digits: P. J. Acklam's rational approximation. Its tails end
 * at six standard deviations.
 */
const normal = (share: number): number => {
  const p = Math.min(Math.max(share, 1e-9), 1 - 1e-9)
  if (p < tail) return tailOf(Math.sqrt(-2 * log(p)))
  if (p > 1 - tail) return -tailOf(Math.sqrt(-2 * log(1 - p)))
  const q = p - 0.5
  const r = q * q
  return (polynomial(a, r) * q) / (polynomial(b, r) * r + 1)
}

const tailOf = (q: number): number => polynomial(c, q) / (polynomial(d, q) * q + 1)

/** Highest power first. */
const polynomial = (coefficients: ReadonlyArray<number>, x: number): number =>
  coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0)

const tail = 0.02425
const a = [
  -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239,
]
const b = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572]
const c = [
  -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
]
const d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416]
