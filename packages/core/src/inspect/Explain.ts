/**
 * Why a call would go where it goes: the route's plan as a tree of data, each candidate with what every check says of it
 * just now and the policies that hold for it there.
 *
 * Explaining changes nothing: circuits are read, limits are peeked at, no turn is moved on, no chance is drawn. What it
 * says of a candidate is what a call made at the same moment would find.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Admission from "../admission/Admission.ts"
import type { UnsupportedParams } from "../model/Chat.ts"
import type { Call, Capability } from "../model/Call.ts"
import type { Candidate } from "../deployment/Candidate.ts"
import { limits } from "../deployment/Candidate.ts"
import type { Limits } from "../policy/Limits.ts"
import type * as BoundRoute from "../route/BoundRoute.ts"
import * as Plan from "../route/Plan.ts"
import type { ReasonTag } from "../model/ProviderError.ts"
import type { Policies as RoutePolicies, ResolvedCachePolicy, ResolvedRetryPolicy } from "../policy/Policies.ts"
import type { Rejection } from "../model/SkipReason.ts"
import { meaning } from "../model/SkipReason.ts"
import type { Protect } from "../policy/StreamPolicy.ts"
import * as Strategy from "../route/Strategy.ts"
import * as Timeout from "../policy/Timeout.ts"
import * as Wildcard from "../route/Wildcard.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The tree
// ---------------------------------------------------------------------------------------------------------------------

/** A route, resolved for one call. All times are milliseconds. */
export interface Explanation {
  /** The route or deployment that was named. */
  readonly route: string
  readonly streaming: boolean
  /** Input tokens, estimated by length. */
  readonly inputTokens: number
  readonly requires: ReadonlyArray<Capability>
  /** How long the whole call may take, by the route or, where that is shorter, its caller. */
  readonly total: number
  /** How long a write of the answer to its client may make no progress. */
  readonly write: number
  /** How long the route keeps its answers, and how many: one that it has is given again, and nobody is asked. */
  readonly cache?: ResolvedCachePolicy | undefined
  /** How long a stream of the route may be silent before keep-alives are sent. */
  readonly sse?: { readonly keepAlive: number } | undefined
  readonly plan: Node
}

/**
 * A candidate at its place; what is tried in this order, a `fallback` or a balance by its strategy; or a branch, of which
 * `use` is asked only after a failure of `plan` for one of the reasons `after`.
 */
export type Node =
  | ExplainedDeployment
  | { readonly _tag: "Sequence"; readonly strategy: Selection; readonly plans: ReadonlyArray<Node> }
  | { readonly _tag: "OnError"; readonly plan: Node; readonly after: ReadonlyArray<ReasonTag>; readonly use: Node }

/** In turn, in a race, or by a balance's strategy. */
export type Selection = "fallback" | "hedge" | Strategy.Strategy

/** What one check says: `Available`, or what stands in the way. */
export type Availability = Plan.Availability | Rejection

/** What every check says, in the order a call makes them. */
export interface Checks {
  readonly weight: Availability
  readonly capability: Availability
  readonly contextWindow: Availability
  readonly cooldown: Availability
  readonly circuit: Availability
  readonly concurrency: Availability
  readonly limits: Availability
}

export interface ExplainedDeployment {
  readonly _tag: "Deployment"
  readonly deployment: string
  readonly model: string
  /** Of the first check that does not pass; `Available` when all do. */
  readonly availability: Availability
  readonly checks: Checks
  /** What its balance's strategy goes by: see `Strategy.score`. */
  readonly score: number | undefined
  readonly policies: Policies
}

/** The policies of a candidate at its place. How long it may take to connect is its provider's own. */
export interface Policies {
  readonly retry: ResolvedRetryPolicy
  /** `any` when the next is asked after every error, the caller's included. */
  readonly fallbackOn: RoutePolicies["fallbackOn"]
  /** `schema` when an answer that misses its JSON schema is a failed attempt. */
  readonly accept?: RoutePolicies["accept"]
  readonly timeout: { readonly firstToken: number; readonly idle: number; readonly attempt: number }
  /** What a stream that breaks after its commit costs: see `Protection`. */
  readonly protect: Protect
  /** What becomes of a wish that its protocol cannot say. */
  readonly unsupportedParams: UnsupportedParams
  readonly circuit: CircuitPolicy
  /** The longest wait that is believed of a deployment that asks to be left alone. */
  readonly cooldown: { readonly max: number }
  readonly limits: Limits
}

/** `failures` in a row, or `rate` of the last `over` outcomes, open the circuit. */
export type CircuitPolicy = { readonly open: number; readonly max: number; readonly permanentFailure: number } & (
  | { readonly failures: number }
  | { readonly failureRateThreshold: number; readonly windowSize: number }
)

// ---------------------------------------------------------------------------------------------------------------------
// Making it
// ---------------------------------------------------------------------------------------------------------------------

/** Explains what a call on this route would meet. A `shuffle` is shown as written: its order is drawn call by call. */
export const make = (
  stores: Admission.Stores,
  route: BoundRoute.BoundRoute,
  call: Call,
): Effect.Effect<Explanation> => {
  const total = Timeout.deadline(0, route.total, call.options.timeout).at
  const node = (plan: Plan.Plan, by: Selection): Effect.Effect<Node> => {
    switch (plan._tag) {
      case "Step":
        return Effect.map(Admission.peek(stores, plan.leaf.candidate, call), (sight) =>
          explainStep(route.name, plan, by, sight, call, total),
        )
      case "Sequence":
        return Effect.map(
          Effect.forEach(plan.plans, (each) => node(each, plan.strategy)),
          (plans): Node => ({ _tag: "Sequence", strategy: plan.strategy, plans }),
        )
      case "OnError":
        return Effect.map(Effect.all([node(plan.plan, by), node(plan.use, "fallback")]), ([tried, use]): Node => ({
          _tag: "OnError",
          plan: tried,
          after: plan.after,
          use,
        }))
    }
  }
  return Effect.map(node(Plan.make(route.route, call, fixedRandom), "fallback"), (plan) => ({
    route: route.name,
    streaming: call.streaming,
    inputTokens: call.inputTokens,
    requires: [...call.requires],
    total,
    write: route.write,
    ...(route.cache === undefined ? undefined : { cache: route.cache }),
    ...(route.keepAlive === undefined ? undefined : { sse: { keepAlive: route.keepAlive } }),
    plan,
  }))
}

const fixedRandom: Plan.Random = () => 0

const ready: Availability = { _tag: "Available" }

const explainStep = (
  route: string,
  { leaf: { accept, candidate, fallbackOn, policies: resolved }, availability }: Plan.Step,
  by: Selection,
  sight: Admission.Checks,
  call: Call,
  total: number,
): ExplainedDeployment => {
  const { attempt, firstToken } = limits(candidate, resolved, call)
  const checks: Checks = {
    weight: availability._tag === "ZeroWeight" ? availability : ready,
    capability: Plan.checkCapabilities(candidate, call),
    contextWindow: Plan.checkContextWindow(candidate, call),
    cooldown: sight.cooldown ?? ready,
    circuit: sight.circuit ?? ready,
    concurrency: sight.concurrency ?? ready,
    limits: sight.limits ?? ready,
  }
  return {
    _tag: "Deployment",
    deployment: candidate.name,
    model: Wildcard.substitute(candidate.deployment.model, route, call.request.model),
    availability: Object.values(checks).find(({ _tag }) => _tag !== "Available") ?? ready,
    checks,
    score:
      by === "fallback" || by === "hedge" || availability._tag === "ZeroWeight"
        ? undefined
        : Strategy.score(by, Plan.candidateStats(candidate), call.streaming),
    policies: {
      retry: resolved.retry,
      fallbackOn,
      ...(accept === undefined ? undefined : { accept }),
      unsupportedParams: resolved.unsupportedParams,
      timeout: {
        firstToken: Math.min(total, firstToken),
        idle: resolved.idle,
        attempt: Math.min(total, attempt),
      },
      protect: resolved.stream.protect,
      circuit: circuit(candidate),
      cooldown: { max: candidate.cooldown },
      limits: candidate.deployment.limits ?? {},
    },
  }
}

const circuit = ({ circuit: { permanentFailure, max, open, trip } }: Candidate): CircuitPolicy =>
  trip._tag === "Consecutive"
    ? { failures: trip.failures, open, max, permanentFailure }
    : { failureRateThreshold: trip.threshold, windowSize: trip.size, open, max, permanentFailure }

/** Every candidate of the tree, in the order it stands there. */
export const candidates = (node: Node): ReadonlyArray<ExplainedDeployment> => {
  switch (node._tag) {
    case "Deployment":
      return [node]
    case "Sequence":
      return node.plans.flatMap(candidates)
    case "OnError":
      return [node.plan, node.use].flatMap(candidates)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// In words
// ---------------------------------------------------------------------------------------------------------------------

/** The explanation for people: a line for the call, then the tree, candidates numbered in the order they are tried. */
export const lines = ({
  cache,
  requires,
  plan,
  route,
  sse,
  streaming,
  inputTokens,
  total,
}: Explanation): ReadonlyArray<string> => {
  let place = 0
  const told = (node: Node, indent: string): ReadonlyArray<string> => {
    switch (node._tag) {
      case "Deployment":
        return [
          `${indent}${++place}. ${headline(node)}`,
          ...policies(node, streaming).map((line) => `${indent}     ${line}`),
        ]
      case "Sequence":
        return [`${indent}${node.strategy}`, ...node.plans.flatMap((each) => told(each, `${indent}  `))]
      case "OnError":
        return [
          ...told(node.plan, indent),
          `${indent}after ${node.after.join(" or ")}`,
          ...told(node.use, `${indent}  `),
        ]
    }
  }
  const kept = cache === undefined ? "" : `; its answer is kept for ${time(cache.ttl)}`
  const silent = sse === undefined || !streaming ? "" : `; keep-alives after ${time(sse.keepAlive)} of silence`
  const needing = requires.length === 0 ? "" : `, needing ${requires.join(" and ")}`
  return [
    `${route}: a ${streaming ? "streamed" : "plain"} call of about ${inputTokens} input tokens${needing}; ${time(total)} in all${kept}${silent}`,
    ...told(plan, ""),
  ]
}

const headline = ({ checks, deployment, model, score }: ExplainedDeployment): string => {
  const against = Object.values(checks).flatMap((availability: Availability) =>
    availability._tag === "Available" ? [] : [meaning(availability).text],
  )
  const scored = score === undefined ? "" : `, score ${Math.round(score * 1000) / 1000}`
  return `${deployment} (${model}${scored}): ${against.length === 0 ? "ready" : `not now: ${against.join("; ")}`}`
}

const policies = (
  {
    policies: { accept, circuit, cooldown, limits, fallbackOn, protect, retry, timeout, unsupportedParams },
  }: ExplainedDeployment,
  streaming: boolean,
) => {
  const limited = Object.entries(limits).map(([limit, most]) => `${limit} ${most}`)
  return [
    retry.times === 0
      ? "no retries"
      : `${retry.times} ${retry.times === 1 ? "retry" : "retries"}, ${time(retry.base)} to ${time(retry.max)} apart, Retry-After up to ${time(retry.maxRetryAfter)}`,
    streaming
      ? `at most ${time(timeout.firstToken)} to the first token, ${time(timeout.idle)} between events`
      : `at most ${time(timeout.attempt)} an attempt`,
    `circuit opens after ${"failures" in circuit ? `${circuit.failures} failures in a row` : `${circuit.failureRateThreshold * 100} % of ${circuit.windowSize} fail`}, for ${time(circuit.open)} to ${time(circuit.max)}`,
    // What follows from the line before needs no line of its own.
    ...(cooldown.max === circuit.max ? [] : [`cools down for at most ${time(cooldown.max)} before one call probes`]),
    ...(fallbackOn === undefined ? [] : ["goes on after any error"]),
    ...(accept === undefined ? [] : ["an answer that misses its JSON schema is a failed attempt"]),
    ...(unsupportedParams === "skip" ? ["passed over when it cannot say every wish"] : []),
    ...(streaming && protect !== "preamble" ? [`a broken stream: ${protect}`] : []),
    ...(limited.length === 0 ? [] : [`limits: ${limited.join(", ")}`]),
  ]
}

const time = (millis: number): string => Duration.format(Duration.millis(millis))
