/**
 * Makes explanations: it resolves the plan of a call, and reads the state of each deployment without changing it.
 */
import * as Effect from "effect/Effect"
import * as Admission from "../admission/Admission.ts"
import * as CallAffinity from "../affinity/CallAffinity.ts"
import type { Candidate } from "../deployment/Candidate.ts"
import * as Candidates from "../deployment/Candidate.ts"
import type { Call } from "../model/Call.ts"
import type { Engine } from "../execution/CallExecutor.ts"
import * as Faults from "../policy/Fault.ts"
import type { Limits } from "../policy/Limits.ts"
import * as Params from "../policy/Params.ts"
import * as QueuePolicy from "../policy/QueuePolicy.ts"
import * as Timeout from "../policy/Timeout.ts"
import type * as BoundRoute from "../route/BoundRoute.ts"
import * as Plan from "../route/Plan.ts"
import * as Split from "../route/Split.ts"
import * as Strategy from "../route/Strategy.ts"
import * as Wildcard from "../route/Wildcard.ts"
import type {
  Availability,
  Checks,
  CircuitPolicy,
  ExplainedAccount,
  ExplainedDeployment,
  ExplainedShadow,
  Explanation,
  Node,
  Policies,
  Selection,
} from "./Explain.ts"

/** Explains a call on a route. A `shuffle` is shown as written: its order is drawn for each call. */
export const make = (
  { affinity: store, stores }: Pick<Engine, "affinity" | "stores">,
  route: BoundRoute.BoundRoute,
  call: Call,
): Effect.Effect<Explanation> => {
  const total = Timeout.deadline(0, route.total, call.options.timeout).at
  const explained = Effect.flatMap(CallAffinity.peek(store, route, call), (affinity) => {
    const plan = Plan.make(route.route, call, fixedRandom, affinity?.kept)
    return explainPlan({ stores, route: route.name, call, total }, plan, "fallback")
  })
  return Effect.map(explained, (plan) => ({
    route: route.name,
    streaming: call.streaming,
    inputTokens: call.inputTokens,
    requires: [...call.requires],
    total,
    write: route.write,
    ...(route.cache === undefined ? undefined : { cache: route.cache }),
    ...(route.keepAlive === undefined ? undefined : { sse: { keepAlive: route.keepAlive } }),
    ...(route.shadow === undefined ? undefined : { shadow: shadowOf(route.shadow) }),
    ...(route.faults === undefined ? undefined : { faults: route.faults.map(Faults.describe) }),
    plan,
  }))
}

const shadowOf = ({ concurrency, route, share }: BoundRoute.BoundShadow): ExplainedShadow => ({
  to: route.name,
  share,
  concurrency,
  timeout: route.total,
})

const fixedRandom: Plan.Random = () => 0

/** What one explanation is made of. `total`: the timeout of the call, in milliseconds. */
interface Context {
  readonly stores: Admission.Stores
  readonly route: string
  readonly call: Call
  readonly total: number
}

/** `selection`: how the sequence around the plan is tried. */
const explainPlan = (context: Context, plan: Plan.Plan, selection: Selection): Effect.Effect<Node> => {
  switch (plan._tag) {
    case "Step": {
      const { candidate } = plan.leaf
      const call = Params.callFor(candidate.name, candidate.deployment, context.call)
      return Effect.map(
        Effect.forEach(inTurn(candidate), (each) =>
          Effect.map(Admission.peek(context.stores, each, call), (state) => accountOf(each, state)),
        ),
        (accounts) => explainStep(context, plan, selection, accounts),
      )
    }
    case "Sequence":
      return Effect.map(
        Effect.forEach(plan.plans, (each) => explainPlan(context, each, plan.strategy)),
        (plans): Node => ({
          _tag: "Sequence",
          strategy: plan.strategy,
          plans,
          ...(plan.affinity === undefined ? undefined : { affinity: plan.affinity }),
        }),
      )
    case "Split": {
      const { arm, split } = plan
      return Effect.map(explainPlan(context, plan.plan, selection), (plan): Node => ({
        _tag: "Split",
        by: split.by,
        takenBy: Split.identityOf(split, context.call)?.by ?? "call",
        arm: split.arms[arm]!.use,
        arms: split.arms.map(({ share, use }) => ({ name: use, share })),
        plan,
      }))
    }
    case "OnError":
      return Effect.map(
        Effect.all([explainPlan(context, plan.plan, selection), explainPlan(context, plan.use, "fallback")]),
        ([tried, use]): Node => ({ _tag: "OnError", plan: tried, after: plan.after, use }),
      )
  }
}

/** The accounts of a deployment in the order in which a call tries them, or the deployment itself. */
const inTurn = (candidate: Candidate): ReadonlyArray<Candidate> =>
  candidate.accounts === undefined ? [candidate] : Candidates.inTurn(candidate.accounts.all, candidate.accounts.turn)

const accountOf = ({ account = 1 }: Candidate, state: Admission.Checks): ExplainedAccount => {
  const checks = {
    cooldown: state.cooldown ?? available,
    circuit: state.circuit ?? available,
    concurrency: state.concurrency ?? available,
    limits: state.limits ?? available,
  }
  return { account, availability: firstOf(checks), checks }
}

const firstOf = (checks: Partial<Checks>): Availability =>
  Object.values(checks).find(({ _tag }) => _tag !== "Available") ?? available

const explainStep = (
  { call, route, total }: Context,
  step: Plan.Step,
  selection: Selection,
  accounts: ReadonlyArray<ExplainedAccount>,
): ExplainedDeployment => {
  const { candidate } = step.leaf
  const account = accounts.find(({ availability }) => availability._tag === "Available") ?? accounts[0]!
  const checks: Checks = { ...checksOf(step, call), ...account.checks }
  return {
    _tag: "Deployment",
    deployment: candidate.name,
    model: Wildcard.substitute(candidate.deployment.model, route, call.request.model),
    availability: firstOf(checks),
    checks,
    ...(candidate.accounts === undefined ? undefined : { accounts }),
    score:
      selection === "fallback" || selection === "hedge" || step.availability._tag === "ZeroWeight"
        ? undefined
        : Strategy.score(selection, step.leaf, call.streaming),
    policies: policiesOf(step, call, total),
    ...queueOf(candidate),
  }
}

const queueOf = (candidate: Candidate): Pick<ExplainedDeployment, "queue"> | undefined => {
  const { limits } = candidate.deployment
  const policy = QueuePolicy.resolve(limits?.queue)
  if (policy === undefined) return undefined
  const waiting = (candidate.accounts?.all ?? [candidate]).reduce((sum, { queue }) => sum + queue.waiting, 0)
  return { queue: { ...policy, fallback: limits?.queue?.fallback ?? "first", waiting } }
}

const available: Availability = { _tag: "Available" }

const checksOf = (
  { availability, leaf: { candidate } }: Plan.Step,
  call: Call,
): Pick<Checks, "weight" | "capability" | "contextWindow"> => ({
  weight: availability._tag === "ZeroWeight" ? availability : available,
  capability: Plan.checkCapabilities(candidate, call),
  contextWindow: Plan.checkContextWindow(candidate, call),
})

const policiesOf = ({ leaf }: Plan.Step, call: Call, total: number): Policies => {
  const { accept, candidate, fallbackOn, policies } = leaf
  const { deployment, name } = candidate
  const { attempt, firstToken } = Candidates.limits(candidate, policies, Params.callFor(name, deployment, call))
  return {
    retry: policies.retry,
    fallbackOn,
    ...(accept === undefined ? undefined : { accept }),
    unsupportedParams: policies.unsupportedParams,
    timeout: {
      firstToken: Math.min(total, firstToken),
      idle: policies.idle,
      attempt: Math.min(total, attempt),
    },
    protect: policies.stream.protect,
    circuit: circuitOf(candidate),
    cooldown: { max: candidate.cooldown },
    limits: ratesOf(deployment.limits),
    ...(deployment.params === undefined ? undefined : { params: Params.describe(deployment.params) }),
    ...(deployment.force === undefined ? undefined : { force: Params.describe(deployment.force) }),
    ...(deployment.faults === undefined ? undefined : { faults: deployment.faults.map(Faults.describe) }),
  }
}

const ratesOf = ({ concurrency, rpd, rpm, tpm }: Limits = {}): Omit<Limits, "queue"> => ({
  ...(rpm === undefined ? undefined : { rpm }),
  ...(tpm === undefined ? undefined : { tpm }),
  ...(rpd === undefined ? undefined : { rpd }),
  ...(concurrency === undefined ? undefined : { concurrency }),
})

const circuitOf = ({ circuit: { permanentFailure, max, open, trip } }: Candidate): CircuitPolicy =>
  trip._tag === "Consecutive"
    ? { failures: trip.failures, open, max, permanentFailure }
    : { failureRateThreshold: trip.threshold, windowSize: trip.size, open, max, permanentFailure }
