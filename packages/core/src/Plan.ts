/**
 * Who will be asked, in which order, and why not the others: a route resolved for one call.
 *
 * `compile` binds a route's names to deployments once, and finds every problem they have; `make` orders and judges the
 * bound route for one call, given a snapshot and chance. Both are pure: running folds the plan, explaining prints it.
 */
import * as Result from "effect/Result"
import * as Call from "./Call.ts"
import type { Candidate, Defaults, Patience } from "./Candidate.ts"
import * as Candidates from "./Candidate.ts"
import type { Policies, Route } from "./Route.ts"
import * as Strategy from "./Strategy.ts"
import { didYouMean } from "./Suggestion.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Compiling
// ---------------------------------------------------------------------------------------------------------------------

/** A route whose names are bound: to candidates, or to as much of one as there is before any provider is started. */
export type Bound<C = Candidate> =
  | Leaf<C>
  | { readonly _tag: "Fallback"; readonly routes: ReadonlyArray<Bound<C>> }
  | {
      readonly _tag: "Balance"
      readonly strategy: Strategy.Strategy
      readonly across: ReadonlyArray<Leaf<C>>
      turn: number
    }

export interface Leaf<C = Candidate> {
  readonly _tag: "Leaf"
  readonly candidate: C
  readonly patience: Patience
}

/** A bound route with its name and the milliseconds a whole call on it may take. */
export interface Compiled<C = Candidate> {
  readonly name: string
  readonly route: Bound<C>
  readonly total: number
}

/** Something wrong with a route: where (`routes.assistant[1]`, the second it names), and what to do. */
export interface Problem {
  readonly path: string
  readonly message: string
}

/**
 * Binds every route, and every deployment as a route of its own name; or lists every problem found, each once, under the
 * route whose own words it is in.
 */
export const compile = <C extends Pick<Candidate, "deployment">>(
  routes: Readonly<Record<string, Route>>,
  candidates: ReadonlyMap<string, C>,
  defaults: Defaults,
): Result.Result<ReadonlyMap<string, Compiled<C>>, ReadonlyArray<Problem>> => {
  const problems: Array<Problem> = []
  const known = [...new Set([...candidates.keys(), ...Object.keys(routes)])]

  /** `within` names the routes that led here: the problems of any but the first are found when its turn comes. */
  const bind = (
    route: Route,
    path: string,
    policies: Policies,
    within: ReadonlyArray<string>,
  ): Bound<C> | undefined => {
    const own = within.length === 1
    const report = (path: string, message: string): void => {
      if (own) problems.push({ path, message })
    }
    const at = (index: number): string => (own ? `${path}[${index}]` : path)
    switch (route._tag) {
      case "Target": {
        const candidate = candidates.get(route.name)
        if (candidate !== undefined) return leaf(candidate, policies)
        const named = Object.hasOwn(routes, route.name) ? routes[route.name] : undefined
        if (named === undefined) {
          report(path, unknownName(route.name, known))
          return undefined
        }
        if (within.includes(route.name)) {
          if (route.name === within[0]) {
            problems.push({ path, message: `goes round in a circle: ${[...within, route.name].join(" -> ")}` })
          }
          return undefined
        }
        return bind(named, path, policies, [...within, route.name])
      }
      case "Fallback": {
        if (route.routes.length === 0) report(path, "names nobody: a fallback needs at least one")
        const bound = route.routes.map((each, index) => bind(each, at(index), policies, within))
        return { _tag: "Fallback", routes: bound.filter((each) => each !== undefined) }
      }
      case "Balance": {
        if (route.across.length === 0) report(path, "names nobody: a balance needs at least one")
        const across = route.across.flatMap((name, index) => {
          const candidate = candidates.get(name)
          if (candidate !== undefined) return [leaf(candidate, policies)]
          report(
            at(index),
            Object.hasOwn(routes, name)
              ? `"${name}" is a route: a balance chooses among deployments`
              : unknownName(name, [...candidates.keys()]),
          )
          return []
        })
        if (across.length > 0 && across.every(({ candidate }) => candidate.deployment.weight === 0)) {
          report(path, "every deployment has weight 0, which means never")
        }
        return { _tag: "Balance", strategy: route.strategy, across, turn: 0 }
      }
      case "Policies":
        return bind(route.route, path, overlay(policies, route.policies), within)
    }
  }

  const leaf = (candidate: C, policies: Policies): Leaf<C> => ({
    _tag: "Leaf",
    candidate,
    patience: Candidates.patience(candidate.deployment, policies, defaults),
  })

  const compiled = new Map<string, Compiled<C>>()
  for (const [name, route] of Object.entries(routes)) {
    if (candidates.has(name)) {
      problems.push({ path: `routes.${name}`, message: `a deployment is called "${name}" too: rename one of them` })
    }
    const bound = bind(route, `routes.${name}`, {}, [name])
    if (bound !== undefined)
      compiled.set(name, { name, route: bound, total: Candidates.total(outermost(route), defaults) })
  }
  for (const [name, candidate] of candidates) {
    compiled.set(name, { name, route: leaf(candidate, {}), total: Candidates.total({}, defaults) })
  }
  return problems.length > 0 ? Result.fail(problems) : Result.succeed(compiled)
}

/** The policies around the whole route: only these can speak about the whole call. */
const outermost = (route: Route): Policies =>
  route._tag === "Policies" ? overlay(route.policies, outermost(route.route)) : {}

/** `inner` speaks nearer to the deployment, and wins. */
const overlay = (outer: Policies, inner: Policies): Policies => ({
  retry: { ...outer.retry, ...inner.retry },
  timeout: { ...outer.timeout, ...inner.timeout },
  stream: { ...outer.stream, ...inner.stream },
})

const unknownName = (name: string, known: ReadonlyArray<string>): string =>
  [
    `names "${name}", which is neither a deployment nor a route${didYouMean(name, known) || "."}`,
    ...(known.length === 0 ? [] : [`There is ${known.map((each) => `"${each}"`).join(", ")}.`]),
  ].join(" ")

// ---------------------------------------------------------------------------------------------------------------------
// Planning
// ---------------------------------------------------------------------------------------------------------------------

/** Whether a candidate will be asked, as far as can be known without asking any store. */
export type Verdict =
  | { readonly _tag: "Ready" }
  /** The model lacks what the call needs. */
  | { readonly _tag: "Cannot"; readonly need: Call.Need }
  /** The call is estimated to be larger than the model's window. */
  | { readonly _tag: "TooLarge"; readonly tokens: number; readonly window: number }
  /** Weight 0 in a balance. */
  | { readonly _tag: "Never" }

/** One candidate at its place. `equals` are the others of the same balance, who could answer as well. */
export interface Step {
  readonly _tag: "Step"
  readonly leaf: Leaf
  readonly verdict: Verdict
  readonly equals: ReadonlyArray<Leaf>
}

/** A bound route, resolved for one call: every candidate in the order it would be tried. */
export type Plan =
  | Step
  | { readonly _tag: "Sequence"; readonly by: "fallback" | Strategy.Strategy; readonly plans: ReadonlyArray<Plan> }

/** Chance, for the strategies that need it: a number from 0 up to 1. */
export type Draw = () => number

/** The plan of one call. Changes nothing: `advance` moves the turns of `round-robin` on. */
export const make = (route: Bound, call: Call.Call, draw: Draw): Plan => {
  switch (route._tag) {
    case "Leaf":
      return step(route, call, nobody)
    case "Fallback":
      return { _tag: "Sequence", by: "fallback", plans: route.routes.map((each) => make(each, call, draw)) }
    case "Balance": {
      const contenders = route.across
        .filter(({ candidate }) => weightOf(candidate) > 0)
        .map((leaf) => ({
          leaf,
          weight: weightOf(leaf.candidate),
          price: leaf.candidate.deployment.price,
          health: leaf.candidate.health,
        }))
      const order = Strategy.order(route.strategy, contenders, { streaming: call.streaming, turn: route.turn, draw })
      const chosen = order.map(({ leaf }) => step(leaf, call, route.across))
      const never = route.across
        .filter(({ candidate }) => weightOf(candidate) === 0)
        .map((leaf): Step => ({ _tag: "Step", leaf, verdict: { _tag: "Never" }, equals: route.across }))
      return { _tag: "Sequence", by: route.strategy, plans: [...chosen, ...never] }
    }
  }
}

const nobody: ReadonlyArray<Leaf> = []
const ready: Verdict = { _tag: "Ready" }

const weightOf = (candidate: Candidate): number => candidate.deployment.weight ?? 1

const step = (leaf: Leaf, call: Call.Call, equals: ReadonlyArray<Leaf>): Step => ({
  _tag: "Step",
  leaf,
  verdict: judge(leaf.candidate, call),
  equals,
})

const judge = (candidate: Candidate, call: Call.Call): Verdict => {
  const capabilities = candidate.deployment.capabilities
  if (capabilities === undefined) return ready
  const need = Call.lacks(call, capabilities)
  if (need !== undefined) return { _tag: "Cannot", need }
  const window = capabilities.contextWindow
  if (window !== undefined && call.inputTokens > window) return { _tag: "TooLarge", tokens: call.inputTokens, window }
  return ready
}

/** Every candidate of the plan, in the order it would be tried. */
export const steps = (plan: Plan): ReadonlyArray<Step> =>
  plan._tag === "Step" ? [plan] : plan.plans.length === 1 ? steps(plan.plans[0]!) : plan.plans.flatMap(steps)

/** Moves every `round-robin` of the route on by one call. */
export const advance = (route: Bound): void => {
  switch (route._tag) {
    case "Leaf":
      return
    case "Fallback":
      return route.routes.forEach(advance)
    case "Balance":
      route.turn++
      return
  }
}
