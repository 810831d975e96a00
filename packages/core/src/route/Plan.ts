/**
 * The plan of a call: a bound route resolved into the deployments to try, in order, and the reasons to skip others. Making a
 * plan is pure, given random numbers: `CallExecutor` runs the plan, and `Explain` prints it.
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
 * One deployment in the plan.
 *
 * - `peers`: the deployments of its balance or hedge, itself included.
 * - `hedge`: the delay and the budget of its hedge, if it is in one.
 * - `branch`: the error branch that it belongs to, if any. It is tried only after that branch was taken.
 * - `errorBranches`: the branches that a failure of it may take, innermost first.
 */
export interface Step extends BranchScope {
  readonly _tag: "Step"
  /** Replaced while the plan is made, if no step comes after it: see `extendLastTimeouts`. */
  leaf: Leaf
  readonly availability: Availability
  readonly peers: ReadonlyArray<Leaf>
  readonly hedge: Hedged | undefined
}

/** The hedge of a step: the milliseconds until the next deployment starts, and the budget that the hedge shares. */
export interface Hedged {
  readonly delay: number
  readonly budget: RetryBudget.RetryBudget
}

/** An error branch of one plan, taken after a failure for one of these reasons. Compared by identity. */
export interface ErrorBranch {
  readonly after: ReadonlyArray<ReasonTag>
}

/** The error branches around a step. */
interface BranchScope {
  readonly branch: ErrorBranch | undefined
  readonly errorBranches: ReadonlyArray<ErrorBranch>
}

/** A bound route resolved for one call: all deployments in the order in which they would be tried. */
export type Plan =
  | Step
  | {
      readonly _tag: "Sequence"
      readonly strategy: "fallback" | "hedge" | Strategy.Strategy
      readonly plans: ReadonlyArray<Plan>
    }
  /** `use` is tried only after a failure of `plan` for one of these reasons. */
  | { readonly _tag: "OnError"; readonly plan: Plan; readonly after: ReadonlyArray<ReasonTag>; readonly use: Plan }

/** A random number from 0 (inclusive) to 1 (exclusive). */
export type Random = () => number

/** The plan of one call. It has no side effects: `advanceRoundRobin` moves the turns of `round-robin`. */
export const make = (route: Bound, call: Call.Call, random: Random): Plan => {
  const plan = resolve(route, call, random, noBranches)
  extendLastTimeouts(steps(plan))
  return plan
}

/** The steps of the plan of one call, in the order in which they would be tried. */
export const inOrder = (route: Bound, call: Call.Call, random: Random): ReadonlyArray<Step> => {
  const all = steps(resolve(route, call, random, noBranches))
  extendLastTimeouts(all)
  return all
}

/** Extends the default timeouts of every step that no other follows to the deadline of the call. */
const extendLastTimeouts = (all: ReadonlyArray<Step>): void => {
  for (let at = all.length - 1; at >= 0; at--) {
    const step = all[at]!
    if (step.availability._tag !== "Available") continue
    if (!all.some((other, place) => place > at && comesAfter(step, other))) step.leaf = step.leaf.atEnd ?? step.leaf
    // It follows all steps before it.
    if (step.branch === undefined) return
  }
}

/** Whether `other`, a later step, may be tried after this step timed out. */
const comesAfter = ({ branch, errorBranches }: Step, other: Step): boolean =>
  other.availability._tag === "Available" &&
  (other.branch === undefined ||
    other.branch === branch ||
    errorBranches.some((each) => each === other.branch && each.after.includes("Timeout")))

const noBranches: BranchScope = { branch: undefined, errorBranches: [] }

const resolve = (route: Bound, call: Call.Call, random: Random, scope: BranchScope): Plan => {
  switch (route._tag) {
    case "Leaf":
      return step(route, call, noPeers, scope)
    case "Fallback":
      return {
        _tag: "Sequence",
        strategy: "fallback",
        plans: route.routes.map((each) => resolve(each, call, random, scope)),
      }
    case "Balance": {
      const candidates = route.across
        .filter(({ candidate }) => weightOf(candidate) > 0)
        .map((leaf) => ({ leaf, ...candidateStats(leaf.candidate) }))
      const order = Strategy.order(route.strategy, candidates, {
        streaming: call.streaming,
        turn: route.turn,
        random,
      })
      const ordered = order.map(({ leaf }) => step(leaf, call, route.across, scope))
      const excluded = route.across
        .filter(({ candidate }) => weightOf(candidate) === 0)
        .map((leaf): Step => ({
          _tag: "Step",
          leaf,
          ...zeroWeight,
          peers: route.across,
          hedge: undefined,
          ...scope,
        }))
      return { _tag: "Sequence", strategy: route.strategy, plans: [...ordered, ...excluded] }
    }
    case "When":
      return resolve(select(route, call), call, random, scope)
    case "Hedge":
      return {
        _tag: "Sequence",
        strategy: "hedge",
        plans: route.across.map((leaf) => ({
          ...step(leaf, call, route.across, scope),
          ...(weightOf(leaf.candidate) === 0 ? zeroWeight : undefined),
          hedge: { delay: Health.delay(route.after, leaf.candidate.health, call.streaming), budget: route.budget },
        })),
      }
    case "OnError": {
      const branch: ErrorBranch = { after: route.reasons }
      return {
        _tag: "OnError",
        plan: resolve(route.route, call, random, {
          branch: scope.branch,
          errorBranches: [branch, ...scope.errorBranches],
        }),
        after: route.reasons,
        use: resolve(route.use, call, random, { branch, errorBranches: scope.errorBranches }),
      }
    }
  }
}

type When = Extract<Bound, { readonly _tag: "When" }>

/** The index of the first case that holds for the call; -1 if none does. */
const matchingCase = ({ cases }: When, call: Call.Call): number =>
  cases.findIndex((each) => Condition.holds(each.if, call))

/** The route of the first case that holds for the call, or `otherwise`. */
const select = (route: When, call: Call.Call): Bound => route.cases[matchingCase(route, call)]?.use ?? route.otherwise

/** The indexes of the cases that the call takes, in the order of the route. */
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

/** What strategies sort a deployment by. */
export const candidateStats = (candidate: Candidate): Strategy.CandidateStats => ({
  weight: weightOf(candidate),
  price: candidate.deployment.price,
  health: candidate.health,
})

const step = (leaf: Leaf, call: Call.Call, peers: ReadonlyArray<Leaf>, scope: BranchScope): Step => ({
  _tag: "Step",
  leaf,
  availability: availabilityOf(leaf.candidate, call),
  peers,
  hedge: undefined,
  branch: scope.branch,
  errorBranches: scope.errorBranches,
})

const availabilityOf = (candidate: Candidate, call: Call.Call): Availability => {
  if (candidate.deployment.capabilities === undefined && !Call.isEmbedding(call)) return available
  const capability = checkCapabilities(candidate, call)
  return capability._tag === "Available" ? checkContextWindow(candidate, call) : capability
}

/** Whether the model and its provider have the capabilities that the call requires. */
export const checkCapabilities = ({ deployment, provider }: Candidate, call: Call.Call): Availability => {
  if (Call.isEmbedding(call) && provider.embed === undefined) return { _tag: "MissingCapability", need: "embeddings" }
  const need = Call.missingCapability(call, deployment.capabilities)
  return need === undefined ? available : { _tag: "MissingCapability", need }
}

/** Whether the call fits the model's context window. */
export const checkContextWindow = ({ deployment }: Candidate, call: Call.Call): Availability => {
  const window = deployment.capabilities?.contextWindow
  return window !== undefined && call.contextTokens > window
    ? { _tag: "ContextWindowTooSmall", tokens: call.contextTokens, window }
    : available
}

/** The steps of a plan, in the order in which they would be tried. */
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

/** Moves every `round-robin` that the call may use to its next turn. */
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

/** A step that did not answer: its attempt failed, or it was skipped. */
export type FailedStep = { readonly step: Step } & (
  | { readonly _tag: "Failed"; readonly error: ProviderError }
  | { readonly _tag: "Skipped"; readonly reason: Skipped["reason"] }
)
