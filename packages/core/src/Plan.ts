/**
 * Who will be asked, in which order, and why not the others: a route resolved for one call.
 *
 * `compile` binds a route's names to deployments once, and finds every problem they have; `make` orders and judges the
 * bound route for one call, given a snapshot and chance. Both are pure: running folds the plan, explaining prints it.
 */
import * as Result from "effect/Result"
import * as Budget from "./Budget.ts"
import * as Cache from "./Cache.ts"
import * as Call from "./Call.ts"
import type { Candidate, Defaults, Patience } from "./Candidate.ts"
import * as Candidates from "./Candidate.ts"
import type { Branch } from "./Branch.ts"
import type { ReasonTag } from "./ProviderError.ts"
import type { Case, Policies, Route } from "./Route.ts"
import * as Condition from "./Condition.ts"
import * as Hedge from "./Hedge.ts"
import * as Strategy from "./Strategy.ts"
import { didYouMean } from "./Suggestion.ts"
import * as Wildcard from "./Wildcard.ts"

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
  | {
      readonly _tag: "Hedge"
      readonly after: Hedge.After
      readonly budget: Budget.Budget
      readonly across: ReadonlyArray<Leaf<C>>
    }
  | { readonly _tag: "When"; readonly cases: ReadonlyArray<Case<Bound<C>>>; readonly otherwise: Bound<C> }
  | {
      readonly _tag: "Rescue"
      readonly route: Bound<C>
      readonly reasons: ReadonlyArray<ReasonTag>
      readonly use: Bound<C>
    }

export interface Leaf<C = Candidate> {
  readonly _tag: "Leaf"
  readonly candidate: C
  readonly patience: Patience
  readonly moveOn: Policies["moveOn"]
}

/** A bound route with its name, the milliseconds a whole call on it may take, and the budget of its retries. */
export interface Compiled<C = Candidate> {
  readonly name: string
  readonly route: Bound<C>
  readonly total: number
  readonly budget: Budget.Budget
  /** Where it keeps its answers. */
  readonly cache: Cache.Resolved | undefined
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
    const acrossOf = (names: ReadonlyArray<string>, does: string): ReadonlyArray<Leaf<C>> => {
      if (names.length === 0) report(path, `names nobody: ${does.split(" ", 2).join(" ")} needs at least one`)
      return names.flatMap((name, index) => {
        const candidate = candidates.get(name)
        if (candidate !== undefined) return [leaf(candidate, policies, at(index), within)]
        report(
          at(index),
          Object.hasOwn(routes, name)
            ? `"${name}" is a route: ${does} among deployments`
            : unknownName(name, [...candidates.keys()]),
        )
        return []
      })
    }
    switch (route._tag) {
      case "Target": {
        const candidate = candidates.get(route.name)
        if (candidate !== undefined) return leaf(candidate, policies, path, within)
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
        const across = acrossOf(route.across, "a balance chooses")
        if (across.length > 0 && across.every(({ candidate }) => candidate.deployment.weight === 0)) {
          report(path, "every deployment has weight 0, which means never")
        }
        return { _tag: "Balance", strategy: route.strategy, across, turn: 0 }
      }
      case "Hedge": {
        const { after, budget = Budget.defaultShare } = route.hedge
        const across = acrossOf(route.across, "a hedge races")
        return { _tag: "Hedge", after, budget: new Budget.Budget(budget), across }
      }
      case "When": {
        const cases = route.cases.flatMap((each, index) => {
          const time = each.if.between?.find((time) => Condition.minutesOf(time) === undefined)
          if (time !== undefined) report(at(index), `has "${time}" for a time of day: write it as "06:30"`)
          const use = bind(each.use, at(index), policies, within)
          return use === undefined ? [] : [{ if: each.if, use }]
        })
        const otherwise = bind(route.otherwise, own ? `${path}.else` : path, policies, within)
        return otherwise && { _tag: "When", cases, otherwise }
      }
      case "Rescue": {
        const bound = bind(route.route, path, policies, within)
        const use = bind(route.use, own ? `${path}.on(${route.reasons.join("|")})` : path, policies, within)
        if (route.reasons.length === 0) report(path, "names no reason: a branch is taken after at least one")
        return bound === undefined || use === undefined
          ? bound
          : { _tag: "Rescue", route: bound, reasons: route.reasons, use }
      }
      case "Policies":
        return bind(route.route, path, overlay(policies, route.policies), within)
    }
  }

  const leaf = (candidate: C, policies: Policies, path: string, [name = ""]: ReadonlyArray<string>): Leaf<C> => {
    const { model } = candidate.deployment
    if (Wildcard.stars(model) > Wildcard.stars(name)) problems.push({ path, message: unsaid(name, model) })
    return {
      _tag: "Leaf",
      candidate,
      patience: Candidates.patience(candidate.deployment, policies, defaults),
      moveOn: policies.moveOn,
    }
  }

  const whole = (name: string, route: Bound<C>, policies: Policies): Compiled<C> => ({
    name,
    route,
    total: Candidates.total(policies, defaults),
    budget: new Budget.Budget(Candidates.retryShare(policies, defaults)),
    cache: policies.cache && Cache.resolve(policies.cache),
  })

  const compiled = new Map<string, Compiled<C>>()
  for (const [name, route] of Object.entries(routes)) {
    if (candidates.has(name)) {
      problems.push({ path: `routes.${name}`, message: `a deployment is called "${name}" too: rename one of them` })
    }
    const bound = bind(route, `routes.${name}`, {}, [name])
    if (bound !== undefined) compiled.set(name, whole(name, bound, outermost(route)))
  }
  for (const [name, candidate] of candidates) {
    compiled.set(name, whole(name, leaf(candidate, {}, `deployments.${name}`, [name]), {}))
  }
  return problems.length > 0 ? Result.fail(problems) : Result.succeed(compiled)
}

/** The policies around the whole route, or around all but its branches: only these can speak about the whole call. */
const outermost = (route: Route): Policies => {
  if (route._tag === "Rescue") return outermost(route.route)
  return route._tag === "Policies" ? overlay(route.policies, outermost(route.route)) : {}
}

/** `inner` speaks nearer to the deployment, and wins. */
const overlay = (outer: Policies, inner: Policies): Policies => ({
  retry: { ...outer.retry, ...inner.retry },
  timeout: { ...outer.timeout, ...inner.timeout },
  moveOn: inner.moveOn ?? outer.moveOn,
  stream: { ...outer.stream, ...inner.stream },
  unsupported: inner.unsupported ?? outer.unsupported,
  cache: inner.cache ?? outer.cache,
})

const unsaid = (name: string, model: string): string =>
  `"${name}" does not say what the * of the model "${model}" stands for: give it a name with a * too, such as "${name}/*"`

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
  readonly leaf: Leaf
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
export const make = (route: Bound, call: Call.Call, draw: Draw): Plan => resolve(route, call, draw, outside)

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

/** Everybody on a route with their models, in the order the route has them. */
export const members = (route: Bound): ReadonlyArray<readonly [name: string, model: string]> => {
  switch (route._tag) {
    case "Leaf":
      return [[route.candidate.name, route.candidate.deployment.model]]
    case "Balance":
    case "Hedge":
      return route.across.flatMap(members)
    case "Fallback":
      return route.routes.flatMap(members)
    case "When":
      return [...route.cases.flatMap(({ use }) => members(use)), ...members(route.otherwise)]
    case "Rescue":
      return [...members(route.route), ...members(route.use)]
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
