/**
 * The strategies of a `balance`: pure functions that choose the next deployment by weight, price and health.
 */
import * as Cost from "../model/Cost.ts"
import type { Price } from "../model/Cost.ts"
import type { Health } from "../deployment/Health.ts"

/**
 * The order in which a balance tries its deployments. One with weight 0 is never tried. Each deployment is chosen when the call
 * reaches it: the second after the first failed.
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

/** A deployment of a balance, as strategies see it. */
export interface Member {
  readonly candidate: {
    readonly deployment: { readonly weight?: number | undefined; readonly price?: Price | undefined }
    readonly health: Health
  }
}

/** A deployment with its weight, which may not have started. */
interface Weighted {
  readonly candidate: Pick<Member["candidate"], "deployment">
}

/** What a strategy knows of the call: whether it streams, and random numbers from 0 (inclusive) to 1 (exclusive). */
export interface SelectionContext {
  readonly streaming: boolean
  readonly random: () => number
}

/**
 * The index of the member to try next, of those that were not tried. Of equal ones it is the first as written. `turn` is where
 * a `round-robin` goes on: for the first member the number of calls before this one, then the index of the last member.
 * `totals`: the members' running totals, where they are known.
 */
export const next = (
  strategy: Strategy,
  members: ReadonlyArray<Member>,
  turn: number,
  { random, streaming }: SelectionContext,
  totals?: ReadonlyArray<number>,
): number => {
  switch (strategy) {
    case "ordered":
      return 0
    case "shuffle":
      return draw(totals ?? runningTotals(members), random)
    case "round-robin":
      return turn % members.length
    case "latency":
      return lowest(strategy, members, streaming, -1)
    case "least-busy":
    case "cost":
      return lowest(strategy, members, streaming, Number.POSITIVE_INFINITY)
  }
}

/**
 * The number that the strategy sorts by: milliseconds for `latency`, calls in flight per weight for `least-busy`, US dollars
 * for a million input and a million output tokens for `cost`, the weight for `shuffle`. `undefined` if it is not known, or
 * if the strategy sorts by no number.
 */
export const score = (strategy: Strategy, { candidate }: Member, streaming: boolean): number | undefined => {
  switch (strategy) {
    case "ordered":
    case "round-robin":
      return undefined
    case "shuffle":
      return weightOf(candidate)
    case "latency":
      return streaming ? candidate.health.firstToken : candidate.health.latency
    case "least-busy":
      return candidate.health.inFlight / weightOf(candidate)
    case "cost": {
      const { price } = candidate.deployment
      if (price === undefined) return undefined
      const { input, output } = Cost.at(price)
      return input + output
    }
  }
}

const weightOf = ({ deployment }: Weighted["candidate"]): number => deployment.weight ?? 1

/** `unknown`: the score of a member that has none. */
const lowest = (strategy: Strategy, members: ReadonlyArray<Member>, streaming: boolean, unknown: number): number => {
  let found = 0
  let least = Number.POSITIVE_INFINITY
  for (let index = 0; index < members.length; index++) {
    const value = score(strategy, members[index]!, streaming) ?? unknown
    if (value >= least) continue
    found = index
    least = value
  }
  return found
}

/** The sum of the weights of each member and those before it. */
export const runningTotals = (members: ReadonlyArray<Weighted>): ReadonlyArray<number> => {
  let total = 0
  return members.map(({ candidate }) => (total += weightOf(candidate)))
}

/** Draws one in proportion to the weights: the first whose running total is above a random part of the whole. */
const draw = (totals: ReadonlyArray<number>, random: () => number): number => {
  const at = random() * (totals.at(-1) ?? 0)
  let first = 0
  let last = totals.length - 1
  while (first < last) {
    const middle = (first + last) >> 1
    if (at < totals[middle]!) last = middle
    else first = middle + 1
  }
  return first
}
