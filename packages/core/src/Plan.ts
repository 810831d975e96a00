/**
 * Who will be asked, in which order, and why not the others: a compiled route, resolved for one call, given a snapshot and
 * chance. It is pure: running folds the plan, explaining prints it.
 */
import type * as Budget from "./Budget.ts"
import * as Call from "./Call.ts"
import type { Candidate } from "./Candidate.ts"
import type { Branch } from "./Branch.ts"
import type { Bound, Leaf } from "./Compiled.ts"
import type { ReasonTag } from "./ProviderError.ts"
import * as Condition from "./Condition.ts"
import * as Hedge from "./Hedge.ts"
import * as Strategy from "./Strategy.ts"

/** Whether a candidate will be asked, as far as can be known without asking any store. */
export type Verdict =
  | { readonly _tag: "Ready" }
  /** The model lacks what the call needs. */
  | { readonly _tag: "Cannot"; readonly need: Call.Need }
  /** The call is estimated to be larger than the model's window. */
  | { readonly _tag: "TooLarge"; readonly tokens: number; readonly window: number }
  /** Weight 0 in a balance. */
  | { readonly _tag: "Never" }

/**
 * One candidate at its place.
 *
 * - `equals`: the others of the same balance, who could answer as well.
 * - `hedge`: the race it takes part in, if any, with those beside it.
 * - `within`: the branch it stands in, if any: it is asked only once that branch was taken.
 * - `rescues`: the branches that a failure of it may lead to, the nearest first.
 */
export interface Step extends Surroundings {
  readonly _tag: "Step"
  /** Set while the plan is made: see `make`. */
  leaf: Leaf
  readonly verdict: Verdict
  readonly equals: ReadonlyArray<Leaf>
  readonly hedge: Hedged | undefined
}

/** A place in a race: the milliseconds until the next starts beside it, and the budget of all who race together. */
export interface Hedged {
  readonly delay: number
  readonly budget: Budget.Budget
}

/** Where in the route's branches a step stands. */
interface Surroundings {
  readonly within: Branch | undefined
  readonly rescues: ReadonlyArray<Branch>
}

/** A bound route, resolved for one call: every candidate in the order it would be tried. */
export type Plan =
  | Step
  | {
      readonly _tag: "Sequence"
      readonly by: "fallback" | "hedge" | Strategy.Strategy
      readonly plans: ReadonlyArray<Plan>
    }
  /** `use` is tried only after a failure of `plan` for one of these reasons. */
  | { readonly _tag: "Rescue"; readonly plan: Plan; readonly after: ReadonlyArray<ReasonTag>; readonly use: Plan }

/** Chance, for the strategies that need it: a number from 0 up to 1. */
export type Draw = () => number

/** The plan of one call. Changes nothing: `advance` moves the turns of `round-robin` on. */
export const make = (route: Bound, call: Call.Call, draw: Draw): Plan => {
  const plan = resolve(route, call, draw, outside)
  endure(steps(plan))
  return plan
}

/** The same, as its candidates in the order they would be tried. */
export const inOrder = (route: Bound, call: Call.Call, draw: Draw): ReadonlyArray<Step> => {
  const all = steps(resolve(route, call, draw, outside))
  endure(all)
  return all
}

/** Has every candidate that none comes after be as patient as the call itself. */
const endure = (all: ReadonlyArray<Step>): void => {
  for (let at = all.length - 1; at >= 0; at--) {
    const step = all[at]!
    if (step.verdict._tag !== "Ready") continue
    if (!all.some((other, place) => place > at && comesAfter(step, other))) step.leaf = step.leaf.atEnd ?? step.leaf
    // It comes after everybody before it.
    if (step.within === undefined) return
  }
}

/** Whether a candidate further on may be asked when this one was silent for too long. */
const comesAfter = ({ rescues, within }: Step, other: Step): boolean =>
  other.verdict._tag === "Ready" &&
  (other.within === undefined ||
    other.within === within ||
    rescues.some((branch) => branch === other.within && branch.after.includes("Timeout")))

const outside: Surroundings = { within: undefined, rescues: [] }

const resolve = (route: Bound, call: Call.Call, draw: Draw, around: Surroundings): Plan => {
  switch (route._tag) {
    case "Leaf":
      return step(route, call, nobody, around)
    case "Fallback":
      return { _tag: "Sequence", by: "fallback", plans: route.routes.map((each) => resolve(each, call, draw, around)) }
    case "Balance": {
      const contenders = route.across
        .filter(({ candidate }) => weightOf(candidate) > 0)
        .map((leaf) => ({ leaf, ...contender(leaf.candidate) }))
      const order = Strategy.order(route.strategy, contenders, { streaming: call.streaming, turn: route.turn, draw })
      const ordered = order.map(({ leaf }) => step(leaf, call, route.across, around))
      const idle = route.across
        .filter(({ candidate }) => weightOf(candidate) === 0)
        .map((leaf): Step => ({
          _tag: "Step",
          leaf,
          ...never,
          equals: route.across,
          hedge: undefined,
          ...around,
        }))
      return { _tag: "Sequence", by: route.strategy, plans: [...ordered, ...idle] }
    }
    case "When":
      return resolve(chosen(route, call), call, draw, around)
    case "Hedge":
      return {
        _tag: "Sequence",
        by: "hedge",
        plans: route.across.map((leaf) => ({
          ...step(leaf, call, route.across, around),
          ...(weightOf(leaf.candidate) === 0 ? never : undefined),
          hedge: { delay: Hedge.delay(route.after, leaf.candidate.health, call.streaming), budget: route.budget },
        })),
      }
    case "Rescue": {
      const branch: Branch = { after: route.reasons }
      return {
        _tag: "Rescue",
        plan: resolve(route.route, call, draw, { within: around.within, rescues: [branch, ...around.rescues] }),
        after: route.reasons,
        use: resolve(route.use, call, draw, { within: branch, rescues: around.rescues }),
      }
    }
  }
}

type When = Extract<Bound, { readonly _tag: "When" }>

/** The number of the case that holds for a call; -1 where none does. */
const caseOf = ({ cases }: When, call: Call.Call): number => cases.findIndex((each) => Condition.holds(each.if, call))

/** The way that a call goes where ways part. */
const chosen = (route: When, call: Call.Call): Bound => route.cases[caseOf(route, call)]?.use ?? route.otherwise

/** Which way a call goes wherever ways part: the number of each case, in the order they are met. */
export const way = (route: Bound, call: Call.Call): ReadonlyArray<number> => {
  switch (route._tag) {
    case "Leaf":
    case "Balance":
    case "Hedge":
      return []
    case "Fallback":
      return route.routes.flatMap((each) => way(each, call))
    case "When":
      return [caseOf(route, call), ...way(chosen(route, call), call)]
    case "Rescue":
      return [...way(route.route, call), ...way(route.use, call)]
  }
}

const nobody: ReadonlyArray<Leaf> = []
const never = { verdict: { _tag: "Never" } } as const
const ready: Verdict = { _tag: "Ready" }

const weightOf = (candidate: Candidate): number => candidate.deployment.weight ?? 1

/** What strategies know of a candidate. */
export const contender = (candidate: Candidate): Strategy.Contender => ({
  weight: weightOf(candidate),
  price: candidate.deployment.price,
  health: candidate.health,
})

const step = (leaf: Leaf, call: Call.Call, equals: ReadonlyArray<Leaf>, around: Surroundings): Step => ({
  _tag: "Step",
  leaf,
  verdict: judge(leaf.candidate, call),
  equals,
  hedge: undefined,
  within: around.within,
  rescues: around.rescues,
})

const judge = (candidate: Candidate, call: Call.Call): Verdict => {
  if (candidate.deployment.capabilities === undefined && !Call.isEmbedding(call)) return ready
  const able = ability(candidate, call)
  return able._tag === "Ready" ? fit(candidate, call) : able
}

/** Whether the model, and whoever speaks to it, can do what the call needs. */
export const ability = ({ deployment, provider }: Candidate, call: Call.Call): Verdict => {
  if (Call.isEmbedding(call) && provider.embed === undefined) return { _tag: "Cannot", need: "embeddings" }
  const need = Call.lacks(call, deployment.capabilities)
  return need === undefined ? ready : { _tag: "Cannot", need }
}

/** Whether the call fits the model's window. */
export const fit = ({ deployment }: Candidate, call: Call.Call): Verdict => {
  const window = deployment.capabilities?.contextWindow
  return window !== undefined && call.windowTokens > window
    ? { _tag: "TooLarge", tokens: call.windowTokens, window }
    : ready
}

/** Every candidate of the plan, in the order it would be tried. */
export const steps = (plan: Plan): ReadonlyArray<Step> => {
  switch (plan._tag) {
    case "Step":
      return [plan]
    case "Sequence":
      return plan.plans.length === 1 ? steps(plan.plans[0]!) : plan.plans.flatMap(steps)
    case "Rescue":
      return [...steps(plan.plan), ...steps(plan.use)]
  }
}

/** Moves every `round-robin` on the call's way on by one. */
export const advance = (route: Bound, call: Call.Call): void => {
  switch (route._tag) {
    case "Leaf":
    case "Hedge":
      return
    case "Fallback":
      return route.routes.forEach((each) => advance(each, call))
    case "Balance":
      route.turn++
      return
    case "Rescue":
      advance(route.route, call)
      return advance(route.use, call)
    case "When":
      return advance(chosen(route, call), call)
  }
}
