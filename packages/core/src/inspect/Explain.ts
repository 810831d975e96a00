/**
 * Explanations of calls: the route's plan as a tree of data, with the checks and the policies of each deployment.
 *
 * Explaining has no side effects: circuits and limits are read, no round robin moves, no random number is drawn. A call made
 * at that moment gets the results that the explanation shows.
 */
import * as Duration from "effect/Duration"
import type { Capability } from "../model/Call.ts"
import type { UnsupportedParams } from "../model/Chat.ts"
import type { ReasonTag } from "../model/ProviderError.ts"
import type { PlanSkip, Rejection } from "../model/SkipReason.ts"
import { meaning } from "../model/SkipReason.ts"
import type { SplitBy } from "../route/Split.ts"
import * as Split from "../route/Split.ts"
import * as Acceptance from "../policy/Acceptance.ts"
import type {
  AcceptPolicy,
  Limits,
  Protect,
  QueueFallback,
  ResolvedCachePolicy,
  ResolvedRetryPolicy,
} from "../policy/Policies.ts"
import * as Retry from "../policy/Retry.ts"
import * as AffinityPolicy from "../policy/AffinityPolicy.ts"
import type { Strategy } from "../route/Strategy.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The tree
// ---------------------------------------------------------------------------------------------------------------------

/** A route resolved for one call. All durations are in milliseconds. */
export interface Explanation {
  /** The route or the deployment that is called. */
  readonly route: string
  readonly streaming: boolean
  /** Input tokens, estimated by length. */
  readonly inputTokens: number
  readonly requires: ReadonlyArray<Capability>
  /** The timeout of the whole call: the route's, or the caller's if that is shorter. */
  readonly total: number
  /** The timeout of a write to the client without progress. */
  readonly write: number
  /** The route's cache policy. Whether the cache has a response for this call is not checked. */
  readonly cache?: ResolvedCachePolicy | undefined
  /** The guardrails of the route, in the order in which they run. */
  readonly guardrails?: ReadonlyArray<string> | undefined
  /** The interval of keep-alives. */
  readonly sse?: { readonly keepAlive: number } | undefined
  /** The route's shadow. Whether this call is among its share is drawn when it is made. */
  readonly shadow?: ExplainedShadow | undefined
  /** Its faults, which are injected while they are switched on, as texts: `status 503 (10 %)`. */
  readonly faults?: ReadonlyArray<string> | undefined
  readonly plan: Node
}

/** Where shadow calls are sent, for which share of the calls, how many at a time, and for how long. */
export interface ExplainedShadow {
  readonly to: string
  readonly share: number
  readonly concurrency: number
  readonly timeout: number
}

/**
 * A node of the plan: a deployment; a sequence of plans in the order in which they are tried; a split with the plan of the arm
 * that the call takes; or an error branch, whose `use` is tried after a failure of `plan` for one of the reasons `after`.
 */
export type Node =
  | ExplainedDeployment
  | {
      readonly _tag: "Sequence"
      readonly strategy: Selection
      readonly plans: ReadonlyArray<Node>
      /** Of a balance that keeps conversations: how, and where it keeps that of this call. */
      readonly affinity?: Affinity | undefined
    }
  | ExplainedSplit
  | { readonly _tag: "OnError"; readonly plan: Node; readonly after: ReadonlyArray<ReasonTag>; readonly use: Node }

/**
 * A split. `takenBy` is what decides the arm of this call: its key, its user, or, by `call`, a number that is drawn for each
 * call: then `arm` is the one with the largest share.
 */
export interface ExplainedSplit {
  readonly _tag: "Split"
  readonly by: SplitBy
  readonly takenBy: SplitBy
  readonly arm: string
  readonly arms: ReadonlyArray<{ readonly name: string; readonly share: number }>
  readonly plan: Node
}

/** `kept`: the deployment on which the balance keeps the conversation, which is tried first. `ttl` is in milliseconds. */
export interface Affinity extends AffinityPolicy.ResolvedAffinityPolicy {
  readonly kept: string | undefined
}

/** How a sequence is tried: in order, as a hedge, or by a balance's strategy. */
export type Selection = "fallback" | "hedge" | Strategy

/** The result of a check: `Available`, or the reason to skip the deployment. */
export type Availability = { readonly _tag: "Available" } | PlanSkip | Rejection

/** The result of every check, in the order in which a call makes them. */
export interface Checks {
  readonly weight: Availability
  readonly capability: Availability
  readonly contextWindow: Availability
  readonly cooldown: Availability
  readonly circuit: Availability
  readonly concurrency: Availability
  readonly limits: Availability
}

/** A deployment in the plan. */
export interface ExplainedDeployment {
  readonly _tag: "Deployment"
  readonly deployment: string
  readonly model: string
  /** The result of the first check that fails; `Available` if all pass. */
  readonly availability: Availability
  readonly checks: Checks
  /**
   * Of a deployment with several accounts: each of them, in the order in which a call tries them. The deployment's own checks
   * are those of the first that is available, or else of the first.
   */
  readonly accounts?: ReadonlyArray<ExplainedAccount> | undefined
  /** The number that its balance's strategy sorts by: see the descriptions of `Route.Strategy`. */
  readonly score: number | undefined
  readonly policies: Policies
  /** The queue of its limits, if it has one. A call waits there where a limit is the only check that fails. */
  readonly queue?: ExplainedQueue | undefined
}

/** A queue with its settings, `maxWait` in milliseconds, and how many calls wait there now. */
export interface ExplainedQueue {
  readonly max: number
  readonly maxWait: number
  /** When the deployments after it are tried: `first`, before a call waits, or `last`, after it has. */
  readonly fallback: QueueFallback
  readonly waiting: number
}

/** One account of a deployment. `account` is its place, from 1. */
export interface ExplainedAccount {
  readonly account: number
  /** The result of the first check that fails; `Available` if all pass. */
  readonly availability: Availability
  readonly checks: Pick<Checks, "cooldown" | "circuit" | "concurrency" | "limits">
}

/** The policies of a deployment at its place in the route. `timeout.connect` belongs to the provider, and is not shown. */
export interface Policies {
  readonly retry: ResolvedRetryPolicy
  /** `any`: falls back after every error, `InvalidRequest` included. */
  readonly fallbackOn: "any" | undefined
  /** What a response must be: one that misses it is a failed attempt. */
  readonly accept?: AcceptPolicy | undefined
  readonly timeout: { readonly firstToken: number; readonly idle: number; readonly attempt: number }
  /** What happens when a stream breaks after its first output: see `StreamPolicy`. */
  readonly protect: Protect
  /** What happens to parameters that its protocol does not support. */
  readonly unsupportedParams: UnsupportedParams
  readonly circuit: CircuitPolicy
  /** The longest cooldown before a call probes. */
  readonly cooldown: { readonly max: number }
  readonly limits: Omit<Limits, "queue">
  /** Its parameters where the caller has not set them, as texts: `temperature 0.2`. */
  readonly params?: ReadonlyArray<string> | undefined
  /** Its parameters in place of the caller's, as texts. */
  readonly force?: ReadonlyArray<string> | undefined
  /** Its faults, as those of the route. */
  readonly faults?: ReadonlyArray<string> | undefined
}

/** `failures` in a row, or a share of `failureRateThreshold` in the last `windowSize` outcomes, open the circuit. */
export type CircuitPolicy = { readonly open: number; readonly max: number; readonly permanentFailure: number } & (
  | { readonly failures: number }
  | { readonly failureRateThreshold: number; readonly windowSize: number }
)

/** The deployments of a plan, in the order in which they are tried. */
export const candidates = (node: Node): ReadonlyArray<ExplainedDeployment> => {
  switch (node._tag) {
    case "Deployment":
      return [node]
    case "Sequence":
      return node.plans.flatMap(candidates)
    case "Split":
      return candidates(node.plan)
    case "OnError":
      return [node.plan, node.use].flatMap(candidates)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Text
// ---------------------------------------------------------------------------------------------------------------------

/** The explanation as lines of text: one for the call, then the tree, with deployments numbered in the order of tries. */
export const lines = ({
  cache,
  faults,
  guardrails,
  requires,
  plan,
  route,
  shadow,
  sse,
  streaming,
  inputTokens,
  total,
}: Explanation): ReadonlyArray<string> => {
  let place = 0
  const render = (node: Node, indent: string): ReadonlyArray<string> => {
    switch (node._tag) {
      case "Deployment":
        return [
          `${indent}${++place}. ${headline(node)}`,
          ...(node.accounts ?? []).map((each) => `${indent}     account ${each.account}: ${verdict(each.checks)}`),
          ...policies(node, streaming).map((line) => `${indent}     ${line}`),
        ]
      case "Sequence":
        return [
          `${indent}${node.strategy}${affinity(node.affinity)}`,
          ...node.plans.flatMap((each) => render(each, `${indent}  `)),
        ]
      case "Split":
        return [`${indent}${splitLine(node)}`, ...render(node.plan, `${indent}  `)]
      case "OnError":
        return [
          ...render(node.plan, indent),
          `${indent}after ${node.after.join(" or ")}`,
          ...render(node.use, `${indent}  `),
        ]
    }
  }
  const cached = cache === undefined ? "" : `; cached for ${time(cache.ttl)}`
  const keepAlive = sse === undefined || !streaming ? "" : `; keep-alives every ${time(sse.keepAlive)} without data`
  const shadowed = shadow === undefined ? "" : `; ${percentOf(shadow.share)} also sent to ${shadow.to} as shadow calls`
  const guarded = guardrails === undefined ? "" : `; guardrails: ${guardrails.join(", ")}`
  const required = requires.length === 0 ? "" : `, requiring ${requires.join(" and ")}`
  return [
    `${route}: a ${streaming ? "streamed" : "non-streamed"} call of about ${inputTokens} input tokens${required}; at most ${time(total)} in total${guarded}${cached}${keepAlive}${shadowed}`,
    ...faultLine(faults),
    ...render(plan, ""),
  ]
}

const percentOf = (share: number): string => `${Math.round(share * 10_000) / 100} % of calls`

/** `split by user: candidate 10 %, as for this user; not control 90 %` */
const splitLine = ({ arm, arms, by, takenBy }: ExplainedSplit): string => {
  const [taken = [], others = []] = [true, false].map((isTaken) =>
    arms
      .filter(({ name }) => (name === arm) === isTaken)
      .map(({ name, share }) => `${name} ${Split.percent(share, arms)}`),
  )
  const why = takenBy === "call" ? "drawn for each call, here the largest share" : `for this ${takenBy}`
  return `split by ${by}: ${taken.join("")} (${why})${others.length === 0 ? "" : `; not ${others.join(", ")}`}`
}
const faultLine = (faults: ReadonlyArray<string> = []): ReadonlyArray<string> =>
  faults.length === 0 ? [] : [`faults while switched on: ${faults.join("; ")}`]

const affinity = (affinity: Affinity | undefined): string => {
  if (affinity === undefined) return ""
  const kept = affinity.kept === undefined ? "not kept yet" : `kept on ${affinity.kept}`
  return `, ${AffinityPolicy.describe(affinity)}: the conversation is ${kept}`
}

const headline = ({ checks, deployment, model, queue, score }: ExplainedDeployment): string => {
  const scored = score === undefined ? "" : `, score ${Math.round(score * 1000) / 1000}`
  return `${deployment} (${model}${scored}): ${verdict(checks, queue)}`
}

const verdict = (checks: Partial<Checks>, queue?: ExplainedQueue): string => {
  const reasons = Object.values(checks).flatMap((availability: Availability) =>
    availability._tag === "Available" ? [] : [meaning(availability).text],
  )
  if (reasons.length === 0) return "available"
  const { concurrency: _concurrency, limits: _limits, ...others } = checks
  const isAtLimitOnly = Object.values(others).every(({ _tag }) => _tag === "Available")
  return queue === undefined || !isAtLimitOnly
    ? `skipped: ${reasons.join("; ")}`
    : `${queue.fallback === "last" ? "waits" : "waits if no other deployment answers"}: ${reasons.join("; ")}; ${queue.waiting} of at most ${queue.max} calls wait`
}

/** `2 retries (RateLimited: 0)` */
const retries = ({ times, timesByReason = {} }: ResolvedRetryPolicy): string => {
  const byReason = Object.entries(timesByReason).map(([reason, times]) => `${reason}: ${times}`)
  return `${times} ${times === 1 ? "retry" : "retries"}${byReason.length === 0 ? "" : ` (${byReason.join(", ")})`}`
}

const policies = (
  {
    queue,
    policies: {
      accept,
      circuit,
      cooldown,
      faults,
      force,
      limits,
      fallbackOn,
      params,
      protect,
      retry,
      timeout,
      unsupportedParams,
    },
  }: ExplainedDeployment,
  streaming: boolean,
) => {
  const limited = Object.entries(limits).map(([limit, max]) => `${limit} ${max}`)
  return [
    Retry.mostTimes(retry) === 0
      ? "no retries"
      : `${retries(retry)}, ${time(retry.base)} to ${time(retry.max)} apart, Retry-After up to ${time(retry.maxRetryAfter)}`,
    streaming
      ? `at most ${time(timeout.firstToken)} to the first token, ${time(timeout.idle)} between events`
      : `at most ${time(timeout.attempt)} an attempt`,
    `circuit opens after ${"failures" in circuit ? `${circuit.failures} failures in a row` : `${circuit.failureRateThreshold * 100} % of ${circuit.windowSize} fail`}, for ${time(circuit.open)} to ${time(circuit.max)}`,
    // The default is the circuit's `max`, which the line before shows.
    ...(cooldown.max === circuit.max ? [] : [`cools down for at most ${time(cooldown.max)} before a call probes`]),
    ...(fallbackOn === undefined ? [] : ["falls back after any error"]),
    ...(accept === undefined ? [] : [accepts(accept, streaming, protect)]),
    ...(unsupportedParams === "skip" ? ["skipped if it does not support every parameter"] : []),
    ...(streaming && protect !== "preamble" ? [`stream protection: ${protect}`] : []),
    ...(limited.length === 0 ? [] : [`limits: ${limited.join(", ")}`]),
    ...(params === undefined ? [] : [`parameters unless the caller sets them: ${params.join(", ")}`]),
    ...(force === undefined ? [] : [`parameters in any case: ${force.join(", ")}`]),
    ...faultLine(faults),
    ...(queue === undefined
      ? []
      : [
          `queue: at most ${queue.max} calls wait for its limits, each for at most ${time(queue.maxWait)}, ${queue.fallback === "last" ? "before the deployments after it are tried" : "if no other deployment answers"}`,
        ]),
  ]
}

const accepts = (accept: AcceptPolicy, streaming: boolean, protect: Protect): string =>
  `accepts only ${Acceptance.describe(accept).join(", ")}${streaming && !Acceptance.checksStreams(protect) ? "; not checked in streams, which only `protect: full` holds" : ""}`

const time = (millis: number): string => Duration.format(Duration.millis(millis))
