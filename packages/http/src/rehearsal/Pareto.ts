/**
 * The Pareto front of rehearsals: those that no other one beats in availability, p95 latency and cost together.
 */

/** What rehearsals are compared by: the share of answered calls, milliseconds, US dollars. */
export interface Figures {
  readonly availability: number
  /** Without a value no call was answered: higher than any other. */
  readonly p95: number | undefined
  readonly cost: number
}

/** Whether a point is as good as another in every figure, and better in one. */
export const dominates = (one: Figures, other: Figures): boolean =>
  one.availability >= other.availability &&
  latency(one) <= latency(other) &&
  one.cost <= other.cost &&
  (one.availability > other.availability || latency(one) < latency(other) || one.cost < other.cost)

/** The points that no other one dominates, in their order. Of points with equal figures all are kept. */
export const front = <Point extends Figures>(points: ReadonlyArray<Point>): ReadonlyArray<Point> =>
  points.filter((point) => !points.some((other) => dominates(other, point)))

/** The order of a table: availability falls; where it is equal, latency rises, then cost. */
export const compare = (one: Figures, other: Figures): number =>
  other.availability - one.availability || latency(one) - latency(other) || one.cost - other.cost

/** The highest number instead of infinity, whose difference to itself is not a number. */
const latency = ({ p95 }: Figures): number => p95 ?? Number.MAX_VALUE
