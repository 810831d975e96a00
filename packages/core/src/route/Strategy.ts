/**
 * The order in which a `balance` tries its deployments: pure functions of a snapshot and, for `shuffle`, of random draws.
 */
import type { Price } from "../model/Cost.ts"
import type { Health } from "../deployment/Health.ts"

/**
 * - `ordered`: as written.
 * - `shuffle`: at random, in proportion to the weights.
 * - `round-robin`: each in its turn.
 * - `latency`: the quickest first; one never tried before all others, so that it is explored.
 * - `least-busy`: the fewest calls in flight for its weight.
 * - `cost`: the cheapest first; one without a price last.
 *
 * A weight of 0 means never, whatever the strategy.
 */
export type Strategy = "ordered" | "shuffle" | "round-robin" | "latency" | "least-busy" | "cost"

export const strategies: ReadonlyArray<Strategy> = [
  "ordered",
  "shuffle",
  "round-robin",
  "latency",
  "least-busy",
  "cost",
]

/** What a strategy knows of one deployment. */
export interface CandidateStats {
  readonly weight: number
  readonly price: Price | undefined
  readonly health: Health
}

/** What it knows besides: whether the call streams, how often this balance was asked before, and chance (0 to 1). */
export interface SelectionContext {
  readonly streaming: boolean
  readonly turn: number
  readonly random: () => number
}

/** The contenders in the order to try them; ties stay as written. */
export const order = <A extends CandidateStats>(
  strategy: Strategy,
  contenders: ReadonlyArray<A>,
  situation: SelectionContext,
): ReadonlyArray<A> => {
  switch (strategy) {
    case "ordered":
      return contenders
    case "shuffle":
      return shuffle(contenders, situation.random)
    case "round-robin": {
      const first = situation.turn % Math.max(1, contenders.length)
      return [...contenders.slice(first), ...contenders.slice(0, first)]
    }
    case "latency":
      return sortBy(contenders, (each) => score(strategy, each, situation.streaming) ?? -1)
    case "least-busy":
    case "cost":
      return sortBy(contenders, (each) => score(strategy, each, situation.streaming) ?? Number.POSITIVE_INFINITY)
  }
}

/**
 * What the strategy goes by, where that is a number: milliseconds for `latency`, calls in flight for its weight for
 * `least-busy`, US dollars for a million tokens in and a million out for `cost`, the weight for `shuffle`. `undefined`
 * where it is not known.
 */
export const score = (
  strategy: Strategy,
  { health, price, weight }: CandidateStats,
  streaming: boolean,
): number | undefined => {
  switch (strategy) {
    case "ordered":
    case "round-robin":
      return undefined
    case "shuffle":
      return weight
    case "latency":
      return streaming ? health.firstToken : health.latency
    case "least-busy":
      return health.inFlight / weight
    case "cost":
      return price === undefined ? undefined : price.input + price.output
  }
}

const sortBy = <A>(items: ReadonlyArray<A>, score: (item: A) => number): ReadonlyArray<A> =>
  items.toSorted((a, b) => {
    const [left, right] = [score(a), score(b)]
    return left === right ? 0 : left - right
  })

/** Draws without replacement, each time in proportion to the weights of those left. */
const shuffle = <A extends CandidateStats>(contenders: ReadonlyArray<A>, draw: () => number): ReadonlyArray<A> => {
  const left = [...contenders]
  const drawn: Array<A> = []
  while (left.length > 0) {
    const total = left.reduce((sum, { weight }) => sum + weight, 0)
    let at = draw() * total
    let index = left.findIndex(({ weight }) => (at -= weight) < 0)
    if (index < 0) index = left.length - 1
    drawn.push(...left.splice(index, 1))
  }
  return drawn
}
