/**
 * The strategies of a `balance`: pure functions that sort deployments by their weight, price and health.
 */
import type { Price } from "../model/Cost.ts"
import type { Health } from "../deployment/Health.ts"

/**
 * The order in which a balance tries its deployments. One with weight 0 is never tried.
 *
 * - `ordered`: as written.
 * - `shuffle`: at random, in proportion to the weights.
 * - `round-robin`: in rotation, starting one further on each call.
 * - `latency`: the lowest latency first; deployments without a latency come before all others, so that they are tried.
 * - `least-busy`: the fewest calls in flight per weight first.
 * - `cost`: the lowest price first; deployments without a price last.
 */
export type Strategy = (typeof strategies)[number]

/** All strategies. */
export const strategies = ["ordered", "shuffle", "round-robin", "latency", "least-busy", "cost"] as const

/** What a strategy sorts a deployment by. */
export interface CandidateStats {
  readonly weight: number
  readonly price: Price | undefined
  readonly health: Health
}

/** What a strategy knows of the call: whether it streams, how many calls the balance had before, and random numbers. */
export interface SelectionContext {
  readonly streaming: boolean
  readonly turn: number
  readonly random: () => number
}

/** The candidates in the order to try them. Ties stay as written. */
export const order = <A extends CandidateStats>(
  strategy: Strategy,
  candidates: ReadonlyArray<A>,
  context: SelectionContext,
): ReadonlyArray<A> => {
  switch (strategy) {
    case "ordered":
      return candidates
    case "shuffle":
      return shuffle(candidates, context.random)
    case "round-robin": {
      const first = context.turn % Math.max(1, candidates.length)
      return [...candidates.slice(first), ...candidates.slice(0, first)]
    }
    case "latency":
      return sortBy(candidates, (each) => score(strategy, each, context.streaming) ?? -1)
    case "least-busy":
    case "cost":
      return sortBy(candidates, (each) => score(strategy, each, context.streaming) ?? Number.POSITIVE_INFINITY)
  }
}

/**
 * The number that the strategy sorts by: milliseconds for `latency`, calls in flight per weight for `least-busy`, US dollars
 * for a million input and a million output tokens for `cost`, the weight for `shuffle`. `undefined` if it is not known, or
 * if the strategy sorts by no number.
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

/** Draws without replacement, each time in proportion to the weights of the remaining candidates. */
const shuffle = <A extends CandidateStats>(candidates: ReadonlyArray<A>, random: () => number): ReadonlyArray<A> => {
  const left = [...candidates]
  const drawn: Array<A> = []
  while (left.length > 0) {
    const total = left.reduce((sum, { weight }) => sum + weight, 0)
    let at = random() * total
    let index = left.findIndex(({ weight }) => (at -= weight) < 0)
    if (index < 0) index = left.length - 1
    drawn.push(...left.splice(index, 1))
  }
  return drawn
}
