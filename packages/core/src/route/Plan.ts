/**
 * Who will be asked, in which order, and why not the others: a compiled route, resolved for one call, given a snapshot and
 * chance. It is pure: running folds the plan, explaining prints it.
 */
import type * as RetryBudget from "../policy/RetryBudget.ts"
import * as Call from "../model/Call.ts"
import type { Candidate } from "../deployment/Candidate.ts"
import type { Bound, Leaf } from "./BoundRoute.ts"
import type { ProviderError, ReasonTag } from "../model/ProviderError.ts"
import * as Condition from "./Condition.ts"
import * as Health from "../deployment/Health.ts"
import type { PlanSkip } from "../model/SkipReason.ts"
import * as Strategy from "./Strategy.ts"
import type { Skipped } from "../receipt/Receipt.ts"

/** Whether a deployment can be tried, as far as is known without its state. */
export type Availability = { readonly _tag: "Available" } | PlanSkip

/**
 * One candidate at its place.
 *
 * - `equals`: the others of the same balance, who could answer as well.
 * - `hedge`: the race it takes part in, if any, with those beside it.
 * - `within`: the branch it stands in, if any: it is asked only once that branch was taken.
 * - `rescues`: the branches that a failure of it may lead to, the nearest first.
 */
export interface Step extends BranchScope {
  readonly _tag: "Step"
  /** Set while the plan is made: see `make`. */
  leaf: Leaf
  readonly availability: Availability
  readonly peers: ReadonlyArray<Leaf>
  readonly hedge: Hedged | undefined
}

/** A place in a race: the milliseconds until the next starts beside it, and the budget of all who race together. */
export interface Hedged {
  readonly delay: number
  readonly budget: RetryBudget.RetryBudget
}

/** A branch of one call's plan, taken after a failure for one of these reasons. Compared by identity. */
export interface ErrorBranch {
  readonly after: ReadonlyArray<ReasonTag>
}

/** Where in the route's branches a step stands. */
interface BranchScope {
  readonly branch: ErrorBranch | undefined
  readonly errorBranches: ReadonlyArray<ErrorBranch>
}

/** A bound route, resolved for one call: every candidate in the order it would be tried. */
export type Plan =
  | Step
  | {
      readonly _tag: "Sequence"
      readonly strategy: "fallback" | "hedge" | Strategy.Strategy
      readonly plans: ReadonlyArray<Plan>
    }
  /** `use` is tried only after a failure of `plan` for one of these reasons. */
  | { readonly _tag: "OnError"; readonly plan: Plan; readonly after: ReadonlyArray<ReasonTag>; readonly use: Plan }

/** Chance, for the strategies that need it: a number from 0 up to 1. */
export type Random = () => number

/** The plan of one call. Changes nothing: `advance` moves the turns of `round-robin` on. */
export const make = (route: Bound, call: Call.Call, draw: Random): Plan => {
  const plan = resolve(route, call, draw, outside)
  extendLastTimeouts(steps(plan))
  return plan
}

/** The same, as its candidates in the order they would be tried. */
export const inOrder = (route: Bound, call: Call.Call, draw: Random): ReadonlyArray<Step> => {
  const all = steps(resolve(route, call, draw, outside))
  extendLastTimeouts(all)
  return all
}

/** Has every candidate that none comes after be as patient as the call itself. */
const extendLastTimeouts = (all: ReadonlyArray<Step>): void => {
  for (let at = all.length - 1; at >= 0; at--) {
    const step = all[at]!
    if (step.availability._tag !== "Available") continue
    if (!all.some((other, place) => place > at && comesAfter(step, other))) step.leaf = step.leaf.atEnd ?? step.leaf
    // It comes after everybody before it.
    if (step.branch === undefined) return
  }
}

/** Whether a candidate further on may be asked when this one was silent for too long. */
const comesAfter = ({ errorBranches, branch: within }: Step, other: Step): boolean =>
  other.availability._tag === "Available" &&
  (other.branch === undefined ||
    other.branch === within ||
    errorBranches.some((branch) => branch === other.branch && branch.after.includes("Timeout")))

const outside: BranchScope = { branch: undefined, errorBranches: [] }

const resolve = (route: Bound, call: Call.Call, draw: Random, around: BranchScope): Plan => {
  switch (route._tag) {
    case "Leaf":
      return step(route, call, noPeers, around)
    case "Fallback":
      return {
        _tag: "Sequence",
        strategy: "fallback",
        plans: route.routes.map((each) => resolve(each, call, draw, around)),
      }
    case "Balance": {
      const contenders = route.across
        .filter(({ candidate }) => weightOf(candidate) > 0)
        .map((leaf) => ({ leaf, ...candidateStats(leaf.candidate) }))
      const order = Strategy.order(route.strategy, contenders, {
        streaming: call.streaming,
        turn: route.turn,
        random: draw,
      })
      const ordered = order.map(({ leaf }) => step(leaf, call, route.across, around))
      const idle = route.across
        .filter(({ candidate }) => weightOf(candidate) === 0)
        .map((leaf): Step => ({
          _tag: "Step",
          leaf,
          ...zeroWeight,
          peers: route.across,
          hedge: undefined,
          ...around,
        }))
      return { _tag: "Sequence", strategy: route.strategy, plans: [...ordered, ...idle] }
    }
    case "When":
      return resolve(select(route, call), call, draw, around)
    case "Hedge":
      return {
        _tag: "Sequence",
        strategy: "hedge",
        plans: route.across.map((leaf) => ({
          ...step(leaf, call, route.across, around),
          ...(weightOf(leaf.candidate) === 0 ? zeroWeight : undefined),
          hedge: { delay: Health.delay(route.after, leaf.candidate.health, call.streaming), budget: route.budget },
        })),
      }
    case "OnError": {
      const branch: ErrorBranch = { after: route.reasons }
      return {
        _tag: "OnError",
        plan: resolve(route.route, call, draw, {
          branch: around.branch,
          errorBranches: [branch, ...around.errorBranches],
        }),
        after: route.reasons,
        use: resolve(route.use, call, draw, { branch: branch, errorBranches: around.errorBranches }),
      }
    }
  }
}

type When = Extract<Bound, { readonly _tag: "When" }>

/** The number of the case that holds for a call; -1 where none does. */
const matchingCase = ({ cases }: When, call: Call.Call): number =>
  cases.findIndex((each) => Condition.holds(each.if, call))

/** The way that a call goes where ways part. */
const select = (route: When, call: Call.Call): Bound => route.cases[matchingCase(route, call)]?.use ?? route.otherwise

/** Which way a call goes wherever ways part: the number of each case, in the order they are met. */
export const casePath = (route: Bound, call: Call.Call): ReadonlyArray<number> => {
  switch (route._tag) {
    case "Leaf":
    case "Balance":
    case "Hedge":
      return []
    case "Fallback":
      return route.routes.flatMap((each) => casePath(each, call))
    case "When":
      return [matchingCase(route, call), ...casePath(select(route, call), call)]
    case "OnError":
      return [...casePath(route.route, call), ...casePath(route.use, call)]
  }
}

const noPeers: ReadonlyArray<Leaf> = []
const zeroWeight = { availability: { _tag: "ZeroWeight" } } as const
const available: Availability = { _tag: "Available" }

const weightOf = (candidate: Candidate): number => candidate.deployment.weight ?? 1

/** What strategies know of a candidate. */
export const candidateStats = (candidate: Candidate): Strategy.CandidateStats => ({
  weight: weightOf(candidate),
  price: candidate.deployment.price,
  health: candidate.health,
})

const step = (leaf: Leaf, call: Call.Call, equals: ReadonlyArray<Leaf>, around: BranchScope): Step => ({
  _tag: "Step",
  leaf,
  availability: availabilityOf(leaf.candidate, call),
  peers: equals,
  hedge: undefined,
  branch: around.branch,
  errorBranches: around.errorBranches,
})

const availabilityOf = (candidate: Candidate, call: Call.Call): Availability => {
  if (candidate.deployment.capabilities === undefined && !Call.isEmbedding(call)) return available
  const able = checkCapabilities(candidate, call)
  return able._tag === "Available" ? checkContextWindow(candidate, call) : able
}

/** Whether the model, and whoever speaks to it, can do what the call needs. */
export const checkCapabilities = ({ deployment, provider }: Candidate, call: Call.Call): Availability => {
  if (Call.isEmbedding(call) && provider.embed === undefined) return { _tag: "MissingCapability", need: "embeddings" }
  const need = Call.missingCapability(call, deployment.capabilities)
  return need === undefined ? available : { _tag: "MissingCapability", need }
}

/** Whether the call fits the model's window. */
export const checkContextWindow = ({ deployment }: Candidate, call: Call.Call): Availability => {
  const window = deployment.capabilities?.contextWindow
  return window !== undefined && call.contextTokens > window
    ? { _tag: "ContextWindowTooSmall", tokens: call.contextTokens, window }
    : available
}

/** Every candidate of the plan, in the order it would be tried. */
export const steps = (plan: Plan): ReadonlyArray<Step> => {
  switch (plan._tag) {
    case "Step":
      return [plan]
    case "Sequence":
      return plan.plans.length === 1 ? steps(plan.plans[0]!) : plan.plans.flatMap(steps)
    case "OnError":
      return [...steps(plan.plan), ...steps(plan.use)]
  }
}

/** Moves every `round-robin` on the call's way on by one. */
export const advanceRoundRobin = (route: Bound, call: Call.Call): void => {
  switch (route._tag) {
    case "Leaf":
    case "Hedge":
      return
    case "Fallback":
      return route.routes.forEach((each) => advanceRoundRobin(each, call))
    case "Balance":
      route.turn++
      return
    case "OnError":
      advanceRoundRobin(route.route, call)
      return advanceRoundRobin(route.use, call)
    case "When":
      return advanceRoundRobin(select(route, call), call)
  }
}

/** A candidate that did not answer: it failed, or was passed over. */
export type FailedStep = { readonly step: Step } & (
  | { readonly _tag: "Failed"; readonly error: ProviderError }
  | { readonly _tag: "Skipped"; readonly reason: Skipped["reason"] }
)
