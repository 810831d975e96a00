/**
 * The plan of a call: a bound route resolved into the deployments to try, in order, and the reasons to skip others. Making a
 * plan is pure, given random numbers: `CallExecutor` runs its steps, and `Explain` prints it.
 *
 * The steps are made one by one, as the call reaches them: most calls end at the first, whatever the number of deployments. A
 * balance chooses its next deployment by the state at that moment.
 */
import type * as RetryBudget from "../policy/RetryBudget.ts"
import * as Call from "../model/Call.ts"
import type { Candidate } from "../deployment/Candidate.ts"
import * as BoundRoute from "./BoundRoute.ts"
import type { Bound, Leaf } from "./BoundRoute.ts"
import type { ProviderError, ReasonTag } from "../model/ProviderError.ts"
import * as Condition from "./Condition.ts"
import * as Health from "../deployment/Health.ts"
import * as Operation from "../model/Operation.ts"
import type { PlanSkip } from "../model/SkipReason.ts"
import * as Split from "./Split.ts"
import type { ResolvedAffinityPolicy } from "../policy/AffinityPolicy.ts"
import * as Strategy from "./Strategy.ts"
import type { Skipped } from "../receipt/Receipt.ts"

/** Whether a deployment can be tried, as far as is known without its state. */
export type Availability = { readonly _tag: "Available" } | PlanSkip

/** The parts of a step. */
interface StepFields extends BranchScope {
  readonly leaf: Leaf
  readonly availability: Availability
  readonly peers: ReadonlyArray<Leaf>
  readonly hedge: Hedged | undefined
}

/**
 * One deployment in the plan.
 *
 * - `leaf`: the deployment, with its default timeouts extended to the deadline of the call if no step can come after it.
 * - `peers`: the deployments of its balance or hedge, itself included.
 * - `hedge`: the delay and the budget of its hedge, if it is in one.
 * - `branch`: the error branch that it belongs to, if any. It is tried only after that branch was taken.
 * - `errorBranches`: the branches that a failure of it may take, innermost first.
 * - `arm`: the arm of the split that it is in, if any; `a/b` for the arm `b` of a split within the arm `a` of another.
 */
export class Step implements StepFields {
  readonly _tag = "Step"
  readonly leaf: Leaf
  readonly availability: Availability
  readonly peers: ReadonlyArray<Leaf>
  readonly hedge: Hedged | undefined
  readonly branch: ErrorBranch | undefined
  readonly errorBranches: ReadonlyArray<ErrorBranch>
  readonly arm: string | undefined
  /** Makes the next step, until it is made. */
  #makeNext: (() => Step | undefined) | undefined
  #next: Step | undefined

  constructor(fields: StepFields, makeNext: () => Step | undefined) {
    this.leaf = fields.leaf
    this.availability = fields.availability
    this.peers = fields.peers
    this.hedge = fields.hedge
    this.branch = fields.branch
    this.errorBranches = fields.errorBranches
    this.arm = fields.arm
    this.#makeNext = makeNext
  }

  /** The step after this one, made when it is first read. */
  get next(): Step | undefined {
    const makeNext = this.#makeNext
    if (makeNext !== undefined) {
      this.#makeNext = undefined
      this.#next = makeNext()
    }
    return this.#next
  }
}

/** The step, of one account of its deployment. */
export const ofAccount = (step: Step, candidate: Candidate): Step =>
  new Step({ ...step, leaf: { ...step.leaf, candidate } }, () => step.next)

/** The hedge of a step: the milliseconds until the next deployment starts, and the budget that the hedge shares. */
export interface Hedged {
  readonly delay: number
  readonly budget: RetryBudget.RetryBudget
}

/** An error branch of one plan, taken after a failure for one of these reasons. Compared by identity. */
export interface ErrorBranch {
  readonly after: ReadonlyArray<ReasonTag>
}

/** The error branches around a step, and the arm that it is in. */
interface BranchScope {
  readonly branch: ErrorBranch | undefined
  readonly errorBranches: ReadonlyArray<ErrorBranch>
  readonly arm: string | undefined
}

/** A bound route resolved for one call: all deployments in the order in which they would be tried. */
export type Plan =
  | Step
  | {
      readonly _tag: "Sequence"
      readonly strategy: "fallback" | "hedge" | Strategy.Strategy
      readonly plans: ReadonlyArray<Plan>
      readonly affinity?: PlannedAffinity | undefined
    }
  /** `plan` is that of the arm at `arm`. */
  | { readonly _tag: "Split"; readonly split: Split.Split; readonly arm: number; readonly plan: Plan }
  /** `use` is tried only after a failure of `plan` for one of these reasons. */
  | { readonly _tag: "OnError"; readonly plan: Plan; readonly after: ReadonlyArray<ReasonTag>; readonly use: Plan }

/** The affinity of a balance, and the deployment that it keeps the call's conversation on, if it does. */
export interface PlannedAffinity extends ResolvedAffinityPolicy {
  readonly kept: string | undefined
}

/** A random number from 0 (inclusive) to 1 (exclusive). */
export type Random = () => number

/** The deployment that a balance keeps the call's conversation on. */
export type Kept = (balance: Balance) => string | undefined

const keptNowhere: Kept = () => undefined

/**
 * The first step of the plan of a call that is made; `undefined` if the route has none. Each `round-robin` that the call
 * reaches moves to its next turn, unless it keeps the call's conversation.
 */
export const first = (route: Bound, call: Call.Call, random: Random, kept: Kept = keptNowhere): Step | undefined =>
  enter(
    { call, streaming: call.streaming, random, turnOf: (balance) => balance.turn++, kept },
    route,
    noBranches,
    undefined,
  )

/** The first step of a plan that is only looked at. It has no side effects. */
export const peek = (route: Bound, call: Call.Call, random: Random, kept: Kept = keptNowhere): Step | undefined =>
  enter(
    { call, streaming: call.streaming, random, turnOf: (balance) => balance.turn, kept },
    route,
    noBranches,
    undefined,
  )

/** The whole plan of one call. It has no side effects. */
export const make = (route: Bound, call: Call.Call, random: Random, kept: Kept = keptNowhere): Plan => {
  let step = peek(route, call, random, kept)
  const take = (): Step => {
    const taken = step!
    step = taken.next
    return taken
  }
  const plan = (route: Bound): Plan => {
    switch (route._tag) {
      case "Leaf":
        return take()
      case "Fallback":
        return { _tag: "Sequence", strategy: "fallback", plans: route.routes.map(plan) }
      case "Balance":
        return {
          _tag: "Sequence",
          strategy: route.strategy,
          plans: route.across.map(take),
          ...(route.affinity === undefined ? undefined : { affinity: { ...route.affinity, kept: kept(route) } }),
        }
      case "Hedge":
        return { _tag: "Sequence", strategy: "hedge", plans: route.across.map(take) }
      case "When":
        return plan(select(route, call))
      case "Split": {
        const arm = Split.armOf(route.split, call)
        return { _tag: "Split", split: route.split, arm, plan: plan(route.arms[arm]!) }
      }
      case "OnError":
        return { _tag: "OnError", plan: plan(route.route), after: route.reasons, use: plan(route.use) }
    }
  }
  return plan(route)
}

const noBranches: BranchScope = { branch: undefined, errorBranches: [], arm: undefined }

/** What a plan is made for. */
interface Context extends Strategy.SelectionContext {
  readonly call: Call.Call
  /** The turn of a balance that the call reaches. */
  readonly turnOf: (balance: Balance) => number
  readonly kept: Kept
}

type Fallback = Extract<Bound, { readonly _tag: "Fallback" }>
type Balance = Extract<Bound, { readonly _tag: "Balance" }>
type Hedge = Extract<Bound, { readonly _tag: "Hedge" }>

/**
 * What is left of a plan: the rest of a route, the branches around it, and what is left after the route.
 *
 * - `Fallback`, `Hedge`, `Excluded`: from the route or the deployment at `index` on.
 * - `Balance`: all `members` but the one at `chosen`, which was chosen last. Those with weight 0 come after them (`Excluded`).
 * - `Branch`: the route of an error branch.
 */
type Rest = (
  | { readonly _tag: "Fallback"; readonly route: Fallback; readonly index: number }
  | {
      readonly _tag: "Balance"
      readonly route: Balance
      readonly members: ReadonlyArray<Leaf>
      readonly chosen: number
    }
  | { readonly _tag: "Excluded"; readonly route: Balance; readonly index: number }
  | { readonly _tag: "Hedge"; readonly route: Hedge; readonly index: number }
  | { readonly _tag: "Branch"; readonly route: Bound }
) & { readonly scope: BranchScope; readonly after: Rest | undefined }

/** The first step of a route; if it has none, of what is left after it. */
const enter = (context: Context, route: Bound, scope: BranchScope, after: Rest | undefined): Step | undefined => {
  switch (route._tag) {
    case "Leaf":
      return stepOf(context, { leaf: route, peers: noPeers, hedge: undefined }, scope, after)
    case "Fallback":
      return resume(context, { _tag: "Fallback", route, index: 0, scope, after })
    case "Balance":
      return enterBalance(context, route, scope, after)
    case "Hedge":
      return resume(context, { _tag: "Hedge", route, index: 0, scope, after })
    case "When":
      return enter(context, select(route, context.call), scope, after)
    case "Split": {
      const index = Split.armOf(route.split, context.call)
      const name = route.split.arms[index]!.use
      const arm = scope.arm === undefined ? name : `${scope.arm}/${name}`
      return enter(context, route.arms[index]!, { ...scope, arm }, after)
    }
    case "OnError": {
      const branch: ErrorBranch = { after: route.reasons }
      const { arm, errorBranches } = scope
      return enter(
        context,
        route.route,
        { branch: scope.branch, errorBranches: [branch, ...errorBranches], arm },
        { _tag: "Branch", route: route.use, scope: { branch, errorBranches, arm }, after },
      )
    }
  }
}

/** The first step of what is left. */
const resume = (context: Context, rest: Rest | undefined): Step | undefined => {
  if (rest === undefined) return undefined
  const { after, scope } = rest
  switch (rest._tag) {
    case "Fallback": {
      const { index, route } = rest
      if (index === route.routes.length) return resume(context, after)
      return enter(context, route.routes[index]!, scope, { _tag: "Fallback", route, index: index + 1, scope, after })
    }
    case "Balance": {
      const { chosen, members, route } = rest
      return choose(context, { route, members: members.toSpliced(chosen, 1), turn: chosen, scope, after })
    }
    case "Excluded": {
      const { index, route } = rest
      const leaf = route.excluded[index]
      if (leaf === undefined) return resume(context, after)
      const left: Rest = { _tag: "Excluded", route, index: index + 1, scope, after }
      return stepOf(context, { leaf, peers: route.across, hedge: undefined }, scope, left)
    }
    case "Hedge": {
      const { index, route } = rest
      const leaf = route.across[index]
      if (leaf === undefined) return resume(context, after)
      const hedge = Operation.mayHedge(context.call.operation)
        ? { delay: Health.delay(route.after, leaf.candidate.health, context.streaming), budget: route.budget }
        : undefined
      const left: Rest = { _tag: "Hedge", route, index: index + 1, scope, after }
      return stepOf(context, { leaf, peers: route.across, hedge }, scope, left)
    }
    case "Branch":
      return enter(context, rest.route, scope, after)
  }
}

/** The first step of a balance: that of the deployment that keeps the conversation, or one that the strategy chooses. */
const enterBalance = (
  context: Context,
  route: Balance,
  scope: BranchScope,
  after: Rest | undefined,
): Step | undefined => {
  const members = route.weighted
  const kept = route.affinity === undefined ? undefined : context.kept(route)
  const chosen = kept === undefined ? -1 : members.findIndex(({ candidate }) => candidate.name === kept)
  if (chosen < 0) return choose(context, { route, members, turn: context.turnOf(route), scope, after })
  const left: Rest = { _tag: "Balance", route, members, chosen, scope, after }
  return stepOf(context, { leaf: members[chosen]!, peers: route.across, hedge: undefined }, scope, left)
}

/** The step of the member that a balance tries next. */
const choose = (
  context: Context,
  balance: Pick<Rest, "scope" | "after"> & {
    readonly route: Balance
    readonly members: ReadonlyArray<Leaf>
    readonly turn: number
  },
): Step | undefined => {
  const { after, members, route, scope, turn } = balance
  if (members.length === 0) return resume(context, { _tag: "Excluded", route, index: 0, scope, after })
  const totals = members === route.weighted ? route.totals : undefined
  const chosen = Strategy.next(route.strategy, members, turn, context, totals)
  const left: Rest = { _tag: "Balance", route, members, chosen, scope, after }
  return stepOf(context, { leaf: members[chosen]!, peers: route.across, hedge: undefined }, scope, left)
}

/** A step with its place, before what is left. */
const stepOf = (
  context: Context,
  { hedge, leaf, peers }: Pick<Step, "leaf" | "peers" | "hedge">,
  scope: BranchScope,
  rest: Rest | undefined,
): Step => {
  const availability =
    peers === noPeers || BoundRoute.isWeighted(leaf) ? availabilityOf(leaf.candidate, context.call) : zeroWeight
  const isLast = availability._tag === "Available" && !follows(context, rest, scope)
  return new Step({ leaf: isLast ? (leaf.atEnd ?? leaf) : leaf, availability, peers, hedge, ...scope }, () =>
    resume(context, rest),
  )
}

const noPeers: ReadonlyArray<Leaf> = []
const zeroWeight: Availability = { _tag: "ZeroWeight" }

/** Whether an available step of what is left may be tried after a step with these branches timed out. */
const follows = (context: Context, rest: Rest | undefined, step: BranchScope): boolean => {
  if (rest === undefined) return false
  const isReachable = leadsTo(step, rest.scope.branch)
  return (isReachable && hasAvailable(context, rest)) || follows(context, rest.after, step)
}

/** Whether a timeout of a step with these branches leads on to steps of `branch`. */
const leadsTo = (step: BranchScope, branch: ErrorBranch | undefined): boolean =>
  branch === undefined ||
  branch === step.branch ||
  step.errorBranches.some((each) => each === branch && each.after.includes("Timeout"))

/** Whether a step is available of what is left of one route, outside of its own error branches. */
const hasAvailable = (context: Context, rest: Rest): boolean => {
  switch (rest._tag) {
    case "Fallback":
      return someFrom(rest.route.routes, rest.index, (route) => isAvailable(context, route))
    case "Balance":
      return rest.members.some((leaf, index) => index !== rest.chosen && isAvailable(context, leaf))
    case "Excluded":
      return false
    case "Hedge":
      return someFrom(
        rest.route.across,
        rest.index,
        (leaf) => BoundRoute.isWeighted(leaf) && isAvailable(context, leaf),
      )
    case "Branch":
      return isAvailable(context, rest.route)
  }
}

const someFrom = <A>(items: ReadonlyArray<A>, from: number, holds: (item: A) => boolean): boolean => {
  for (let index = from; index < items.length; index++) if (holds(items[index]!)) return true
  return false
}

/** Whether a step of the route is available, outside of its error branches: only a failure in the route leads to those. */
const isAvailable = (context: Context, route: Bound): boolean => {
  switch (route._tag) {
    case "Leaf":
      return availabilityOf(route.candidate, context.call)._tag === "Available"
    case "Fallback":
      return route.routes.some((each) => isAvailable(context, each))
    case "Balance":
      return route.weighted.some((each) => isAvailable(context, each))
    case "Hedge":
      return route.across.some((each) => BoundRoute.isWeighted(each) && isAvailable(context, each))
    case "When":
      return isAvailable(context, select(route, context.call))
    case "Split":
      return isAvailable(context, takenArm(route, context.call))
    case "OnError":
      return isAvailable(context, route.route)
  }
}

type When = Extract<Bound, { readonly _tag: "When" }>

/** The index of the first case that holds for the call; -1 if none does. */
const matchingCase = ({ cases }: When, call: Call.Call): number =>
  cases.findIndex((each) => Condition.holds(each.if, call))

/** The route of the first case that holds for the call, or `otherwise`. */
const select = (route: When, call: Call.Call): Bound => route.cases[matchingCase(route, call)]?.use ?? route.otherwise

type SplitRoute = Extract<Bound, { readonly _tag: "Split" }>

/** The route of the arm that the call takes. */
const takenArm = ({ arms, split }: SplitRoute, call: Call.Call): Bound => arms[Split.armOf(split, call)]!

/** The indexes of the cases and the arms that the call takes, in the order of the route. */
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
    case "Split":
      return [Split.armOf(route.split, call), ...casePath(takenArm(route, call), call)]
    case "OnError":
      return [...casePath(route.route, call), ...casePath(route.use, call)]
  }
}

const available: Availability = { _tag: "Available" }

const availabilityOf = (candidate: Candidate, call: Call.Call): Availability => {
  if (candidate.deployment.capabilities === undefined && "messages" in call.request) return available
  const capability = checkCapabilities(candidate, call)
  return capability._tag === "Available" ? checkContextWindow(candidate, call) : capability
}

/** Whether the model and its provider have the capabilities that the call requires. */
export const checkCapabilities = (candidate: Candidate, call: Call.Call): Availability => {
  const { deployment, provider } = candidate
  const holder = Call.isOperation(call) ? call.request.holder : undefined
  if (holder !== undefined && !holds(candidate, holder)) return { _tag: "NotHolder", holder: holder.deployment }
  if (Call.isOperation(call) && !hasOperation(deployment, provider, call.request.operation))
    return { _tag: "MissingOperation", operation: call.request.operation }
  if (Call.isEmbedding(call) && provider.embed === undefined) return { _tag: "MissingCapability", need: "embeddings" }
  const need = Call.missingCapability(call, deployment.capabilities)
  return need === undefined ? available : { _tag: "MissingCapability", need }
}

/** Whether it is this deployment, with that account where it has several. */
const holds = ({ accounts, name }: Candidate, { account, deployment }: Operation.Holder): boolean =>
  name === deployment &&
  (accounts === undefined || account === undefined || accounts.all.some(({ provider }) => provider.account === account))

/** Whether the deployment has the operation: by its own list, else by what its vendor has. */
const hasOperation = (
  { operations }: Candidate["deployment"],
  { operations: own }: Candidate["provider"],
  operation: Operation.Name,
): boolean => own !== undefined && (operations?.includes(operation) ?? own.names.has(operation))

/** Whether the call fits the model's context window. */
export const checkContextWindow = ({ deployment }: Candidate, call: Call.Call): Availability => {
  const window = deployment.capabilities?.contextWindow
  return window !== undefined && call.contextTokens > window
    ? { _tag: "ContextWindowTooSmall", tokens: call.contextTokens, window }
    : available
}

/**
 * A step that did not answer: its attempt failed, or it was skipped. Of a deployment with several accounts it is the step of
 * one of them; `retryAfter`: milliseconds until another that was skipped can be tried.
 */
export type FailedStep = { readonly step: Step; readonly retryAfter?: number | undefined } & (
  | { readonly _tag: "Failed"; readonly error: ProviderError }
  | { readonly _tag: "Skipped"; readonly reason: Skipped["reason"] }
)
