/**
 * Why a call would go where it goes: the route's plan as a tree of data, each candidate with what every check says of it
 * just now and the policies that hold for it there.
 *
 * Explaining changes nothing: circuits are read, limits are peeked at, no turn is moved on, no chance is drawn. What it
 * says of a candidate is what a call made at the same moment would find.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Admission from "./Admission.ts"
import type { Resolved as Cache } from "./Cache.ts"
import type { Unsupported } from "./Chat.ts"
import type { Call, Need } from "./Call.ts"
import type { Candidate } from "./Candidate.ts"
import { limits } from "./Candidate.ts"
import type { Limits } from "./Deployment.ts"
import type * as Compiled from "./Compiled.ts"
import * as Plan from "./Plan.ts"
import type { ReasonTag } from "./ProviderError.ts"
import type { Resolved } from "./Retry.ts"
import type * as Route from "./Route.ts"
import { passedOver } from "./RouterError.ts"
import type { Protect } from "./Protection.ts"
import * as Strategy from "./Strategy.ts"
import * as Timeout from "./Timeout.ts"
import * as Wildcard from "./Wildcard.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The tree
// ---------------------------------------------------------------------------------------------------------------------

/** A route, resolved for one call. All times are milliseconds. */
export interface Explanation {
  /** The route or deployment that was named. */
  readonly route: string
  readonly streaming: boolean
  /** Input tokens, estimated by length. */
  readonly tokens: number
  readonly needs: ReadonlyArray<Need>
  /** How long the whole call may take, by the route or, where that is shorter, its caller. */
  readonly total: number
  /** How long a write of the answer to its client may make no progress. */
  readonly write: number
  /** How long the route keeps its answers, and how many: one that it has is given again, and nobody is asked. */
  readonly cache?: Cache | undefined
  /** How long a stream of the route may be silent before keep-alives are sent. */
  readonly sse?: { readonly keepAlive: number } | undefined
  readonly plan: Node
}

/**
 * A candidate at its place; what is tried in this order, a `fallback` or a balance by its strategy; or a branch, of which
 * `use` is asked only after a failure of `plan` for one of the reasons `after`.
 */
export type Node =
  | Explained
  | { readonly _tag: "Sequence"; readonly by: By; readonly plans: ReadonlyArray<Node> }
  | { readonly _tag: "Rescue"; readonly plan: Node; readonly after: ReadonlyArray<ReasonTag>; readonly use: Node }

/** In turn, in a race, or by a balance's strategy. */
export type By = "fallback" | "hedge" | Strategy.Strategy

/** What one check says: `Ready`, or what stands in the way. */
export type Verdict = Plan.Verdict | Admission.Refusal

/** What every check says, in the order a call makes them. */
export interface Checks {
  readonly weight: Verdict
  readonly capability: Verdict
  readonly window: Verdict
  readonly rest: Verdict
  readonly circuit: Verdict
  readonly permits: Verdict
  readonly limits: Verdict
}

export interface Explained {
  readonly _tag: "Candidate"
  readonly deployment: string
  readonly model: string
  /** Of the first check that does not pass; `Ready` when all do. */
  readonly verdict: Verdict
  readonly checks: Checks
  /** What its balance's strategy goes by: see `Strategy.score`. */
  readonly score: number | undefined
  readonly policies: Policies
}

/** The policies of a candidate at its place. How long it may take to connect is its provider's own. */
export interface Policies {
  readonly retry: Resolved
  /** `any` when the next is asked after every error, the caller's included. */
  readonly moveOn: Route.Policies["moveOn"]
  /** `schema` when an answer that misses its JSON schema is a failed attempt. */
  readonly accept?: Route.Policies["accept"]
  readonly timeout: { readonly firstToken: number; readonly idle: number; readonly attempt: number }
  /** What a stream that breaks after its commit costs: see `Protection`. */
  readonly protect: Protect
  /** What becomes of a wish that its protocol cannot say. */
  readonly unsupported: Unsupported
  readonly circuit: CircuitPolicy
  /** The longest wait that is believed of a deployment that asks to be left alone. */
  readonly cooldown: { readonly max: number }
  readonly limits: Limits
}

/** `failures` in a row, or `rate` of the last `over` outcomes, open the circuit. */
export type CircuitPolicy = { readonly open: number; readonly max: number; readonly long: number } & (
  | { readonly failures: number }
  | { readonly rate: number; readonly over: number }
)

// ---------------------------------------------------------------------------------------------------------------------
// Making it
// ---------------------------------------------------------------------------------------------------------------------

/** Explains what a call on this route would meet. A `shuffle` is shown as written: its order is drawn call by call. */
export const make = (stores: Admission.Stores, route: Compiled.Compiled, call: Call): Effect.Effect<Explanation> => {
  const total = Timeout.deadline(0, route.total, call.options.timeout).at
  const node = (plan: Plan.Plan, by: By): Effect.Effect<Node> => {
    switch (plan._tag) {
      case "Step":
        return Effect.map(Admission.peek(stores, plan.leaf.candidate, call), (sight) =>
          explained(route.name, plan, by, sight, call, total),
        )
      case "Sequence":
        return Effect.map(
          Effect.forEach(plan.plans, (each) => node(each, plan.by)),
          (plans): Node => ({ _tag: "Sequence", by: plan.by, plans }),
        )
      case "Rescue":
        return Effect.map(Effect.all([node(plan.plan, by), node(plan.use, "fallback")]), ([tried, use]): Node => ({
          _tag: "Rescue",
          plan: tried,
          after: plan.after,
          use,
        }))
    }
  }
  return Effect.map(node(Plan.make(route.route, call, noChance), "fallback"), (plan) => ({
    route: route.name,
    streaming: call.streaming,
    tokens: call.inputTokens,
    needs: [...call.needs],
    total,
    write: route.write,
    ...(route.cache === undefined ? undefined : { cache: route.cache }),
    ...(route.keepAlive === undefined ? undefined : { sse: { keepAlive: route.keepAlive } }),
    plan,
  }))
}

const noChance: Plan.Draw = () => 0

const ready: Verdict = { _tag: "Ready" }

const explained = (
  route: string,
  { leaf: { accept, candidate, moveOn, patience }, verdict }: Plan.Step,
  by: By,
  sight: Admission.Sight,
  call: Call,
  total: number,
): Explained => {
  const { attempt, firstToken } = limits(candidate, patience, call)
  const checks: Checks = {
    weight: verdict._tag === "Never" ? verdict : ready,
    capability: Plan.ability(candidate, call),
    window: Plan.fit(candidate, call),
    rest: sight.rest ?? ready,
    circuit: sight.circuit ?? ready,
    permits: sight.permits ?? ready,
    limits: sight.limits ?? ready,
  }
  return {
    _tag: "Candidate",
    deployment: candidate.name,
    model: Wildcard.fill(candidate.deployment.model, route, call.request.model),
    verdict: Object.values(checks).find(({ _tag }) => _tag !== "Ready") ?? ready,
    checks,
    score:
      by === "fallback" || by === "hedge" || verdict._tag === "Never"
        ? undefined
        : Strategy.score(by, Plan.contender(candidate), call.streaming),
    policies: {
      retry: patience.retry,
      moveOn,
      ...(accept === undefined ? undefined : { accept }),
      unsupported: patience.unsupported,
      timeout: {
        firstToken: Math.min(total, firstToken),
        idle: patience.idle,
        attempt: Math.min(total, attempt),
      },
      protect: patience.stream.protect,
      circuit: circuit(candidate),
      cooldown: { max: candidate.cooldown },
      limits: candidate.deployment.limits ?? {},
    },
  }
}

const circuit = ({ circuit: { long, max, open, trip } }: Candidate): CircuitPolicy =>
  trip._tag === "Consecutive"
    ? { failures: trip.failures, open, max, long }
    : { rate: trip.threshold, over: trip.size, open, max, long }

/** Every candidate of the tree, in the order it stands there. */
export const candidates = (node: Node): ReadonlyArray<Explained> => {
  switch (node._tag) {
    case "Candidate":
      return [node]
    case "Sequence":
      return node.plans.flatMap(candidates)
    case "Rescue":
      return [node.plan, node.use].flatMap(candidates)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// In words
// ---------------------------------------------------------------------------------------------------------------------

/** The explanation for people: a line for the call, then the tree, candidates numbered in the order they are tried. */
export const lines = ({
  cache,
  needs,
  plan,
  route,
  sse,
  streaming,
  tokens,
  total,
}: Explanation): ReadonlyArray<string> => {
  let place = 0
  const told = (node: Node, indent: string): ReadonlyArray<string> => {
    switch (node._tag) {
      case "Candidate":
        return [
          `${indent}${++place}. ${title(node)}`,
          ...policies(node, streaming).map((line) => `${indent}     ${line}`),
        ]
      case "Sequence":
        return [`${indent}${node.by}`, ...node.plans.flatMap((each) => told(each, `${indent}  `))]
      case "Rescue":
        return [
          ...told(node.plan, indent),
          `${indent}after ${node.after.join(" or ")}`,
          ...told(node.use, `${indent}  `),
        ]
    }
  }
  const kept = cache === undefined ? "" : `; its answer is kept for ${time(cache.ttl)}`
  const silent = sse === undefined || !streaming ? "" : `; keep-alives after ${time(sse.keepAlive)} of silence`
  const needing = needs.length === 0 ? "" : `, needing ${needs.join(" and ")}`
  return [
    `${route}: a ${streaming ? "streamed" : "plain"} call of about ${tokens} input tokens${needing}; ${time(total)} in all${kept}${silent}`,
    ...told(plan, ""),
  ]
}

const title = ({ checks, deployment, model, score }: Explained): string => {
  const against = Object.values(checks).flatMap((verdict: Verdict) =>
    verdict._tag === "Ready" ? [] : [passedOver(verdict)],
  )
  const scored = score === undefined ? "" : `, score ${Math.round(score * 1000) / 1000}`
  return `${deployment} (${model}${scored}): ${against.length === 0 ? "ready" : `not now: ${against.join("; ")}`}`
}

const policies = (
  { policies: { accept, circuit, cooldown, limits, moveOn, protect, retry, timeout, unsupported } }: Explained,
  streaming: boolean,
) => {
  const limited = Object.entries(limits).map(([limit, most]) => `${limit} ${most}`)
  return [
    retry.times === 0
      ? "no retries"
      : `${retry.times} ${retry.times === 1 ? "retry" : "retries"}, ${time(retry.base)} to ${time(retry.max)} apart, Retry-After up to ${time(retry.patience)}`,
    streaming
      ? `at most ${time(timeout.firstToken)} to the first token, ${time(timeout.idle)} between events`
      : `at most ${time(timeout.attempt)} an attempt`,
    `circuit opens after ${"failures" in circuit ? `${circuit.failures} failures in a row` : `${circuit.rate * 100} % of ${circuit.over} fail`}, for ${time(circuit.open)} to ${time(circuit.max)}`,
    // What follows from the line before needs no line of its own.
    ...(cooldown.max === circuit.max ? [] : [`cools down for at most ${time(cooldown.max)} before one call probes`]),
    ...(moveOn === undefined ? [] : ["goes on after any error"]),
    ...(accept === undefined ? [] : ["an answer that misses its JSON schema is a failed attempt"]),
    ...(unsupported === "refuse" ? ["passed over when it cannot say every wish"] : []),
    ...(streaming && protect !== "preamble" ? [`a broken stream: ${protect}`] : []),
    ...(limited.length === 0 ? [] : [`limits: ${limited.join(", ")}`]),
  ]
}

const time = (millis: number): string => Duration.format(Duration.millis(millis))
