/**
 * A route made ready to be planned: its names bound to deployments once, its policies at each place resolved, and every
 * problem found that its names have.
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as RetryBudget from "../policy/RetryBudget.ts"
import * as CachePolicy from "../policy/CachePolicy.ts"
import type { Candidate, ResolvedPolicies } from "../deployment/Candidate.ts"
import * as Candidates from "../deployment/Candidate.ts"
import * as Condition from "./Condition.ts"
import type * as HedgePolicy from "../policy/HedgePolicy.ts"
import type { ReasonTag } from "../model/ProviderError.ts"
import type { Case, Route } from "./Route.ts"
import type { Defaults, Policies } from "../policy/Policies.ts"
import type { Problem } from "./Problem.ts"
import * as Rules from "./Rules.ts"
import type * as Strategy from "./Strategy.ts"
import { didYouMean } from "./Suggestion.ts"
import * as Wildcard from "./Wildcard.ts"

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
      readonly after: HedgePolicy.After
      readonly budget: RetryBudget.RetryBudget
      readonly across: ReadonlyArray<Leaf<C>>
    }
  | { readonly _tag: "When"; readonly cases: ReadonlyArray<Case<Bound<C>>>; readonly otherwise: Bound<C> }
  | {
      readonly _tag: "OnError"
      readonly route: Bound<C>
      readonly reasons: ReadonlyArray<ReasonTag>
      readonly use: Bound<C>
    }

export interface Leaf<C = Candidate> {
  readonly _tag: "Leaf"
  readonly candidate: C
  readonly policies: ResolvedPolicies
  /** The same where no candidate comes after it; none if this is that. */
  readonly atEnd: Leaf<C> | undefined
  readonly fallbackOn: Policies["fallbackOn"]
  readonly accept: Policies["accept"]
}

/** As much of a candidate as there is before any provider is started. */
export interface Unstarted extends Pick<Candidate, "deployment"> {
  readonly local?: boolean | undefined
}

/** A bound route with its name, the milliseconds that limit a whole call on it, and the budget of its retries. */
export interface BoundRoute<C = Candidate> {
  readonly name: string
  readonly route: Bound<C>
  readonly total: number
  readonly write: number
  readonly budget: RetryBudget.RetryBudget
  /** Where it keeps its answers. */
  readonly cache: CachePolicy.ResolvedCachePolicy | undefined
  /** How long its streams may be silent before keep-alives are sent, in milliseconds. */
  readonly keepAlive: number | undefined
}

/**
 * Binds every route, and every deployment as a route of its own name; or lists every problem found, each once: values
 * that do not fit (see `Rules`), and names, under the route whose own words they are in.
 */
export const make = <C extends Unstarted>(
  routes: Readonly<Record<string, Route>>,
  candidates: ReadonlyMap<string, C>,
  defaults: Defaults,
): Result.Result<ReadonlyMap<string, BoundRoute<C>>, ReadonlyArray<Problem>> => {
  const named = Array.from(candidates, ([name, { deployment }]) => [name, deployment] as const)
  const problems: Array<Problem> = [...Rules.problems(routes, named, defaults)]
  /** Whether every value fits. Where one does not, names are looked at all the same, and nothing is resolved. */
  const sound = problems.length === 0
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
        const { after, budget = RetryBudget.defaultShare } = route.hedge
        const across = acrossOf(route.across, "a hedge races")
        return { _tag: "Hedge", after, budget: new RetryBudget.RetryBudget(budget), across }
      }
      case "When": {
        const cases = route.cases.flatMap((each, index) => {
          const time = each.if.timeOfDay?.find((time) => Condition.minutesOf(time) === undefined)
          if (time !== undefined) report(at(index), `has "${time}" for a time of day: write it as "06:30"`)
          const use = bind(each.use, at(index), policies, within)
          return use === undefined ? [] : [{ if: each.if, use }]
        })
        const otherwise = bind(route.otherwise, own ? `${path}.else` : path, policies, within)
        return otherwise && { _tag: "When", cases, otherwise }
      }
      case "OnError": {
        const bound = bind(route.route, path, policies, within)
        const use = bind(route.use, own ? `${path}.on(${route.reasons.join("|")})` : path, policies, within)
        if (route.reasons.length === 0) report(path, "names no reason: a branch is taken after at least one")
        return bound === undefined || use === undefined
          ? bound
          : { _tag: "OnError", route: bound, reasons: route.reasons, use }
      }
      case "Policies":
        return bind(route.route, path, mergePolicies(policies, route.policies), within)
    }
  }

  const leaf = (candidate: C, policies: Policies, path: string, [name = ""]: ReadonlyArray<string>): Leaf<C> => {
    const { model } = candidate.deployment
    if (Predicate.isString(model) && Wildcard.countWildcards(model) > Wildcard.countWildcards(name))
      problems.push({ path, message: wildcardMismatch(name, model) })
    const at = (last: boolean, atEnd: Leaf<C> | undefined): Leaf<C> => ({
      _tag: "Leaf",
      candidate,
      policies: sound
        ? Candidates.policies(candidate.deployment, policies, defaults, { last, local: candidate.local === true })
        : unresolvedPolicies,
      atEnd,
      fallbackOn: policies.fallbackOn,
      accept: policies.accept,
    })
    return at(false, at(true, undefined))
  }

  const whole = (name: string, route: Bound<C>, policies: Policies): BoundRoute<C> => ({
    name,
    route,
    ...Candidates.callPolicies(policies, defaults),
    budget: new RetryBudget.RetryBudget(Candidates.retryShare(policies, defaults)),
    cache: policies.cache && CachePolicy.resolve(policies.cache),
    keepAlive: policies.sse && Duration.toMillis(Duration.fromInputUnsafe(policies.sse.keepAlive)),
  })

  const compiled = new Map<string, BoundRoute<C>>()
  for (const [name, route] of Object.entries(routes)) {
    if (candidates.has(name)) {
      problems.push({ path: `routes.${name}`, message: `a deployment is called "${name}" too: rename one of them` })
    }
    const bound = bind(route, `routes.${name}`, {}, [name])
    if (sound && bound !== undefined) compiled.set(name, whole(name, bound, routePolicies(route)))
  }
  for (const [name, candidate] of candidates) {
    const own = leaf(candidate, {}, `deployments.${name}`, [name])
    if (sound) compiled.set(name, whole(name, own, {}))
  }
  return problems.length > 0 ? Result.fail(problems) : Result.succeed(compiled)
}

const unresolvedPolicies = Candidates.policies({ model: "" }, {}, {}, { last: false, local: false })

/** The policies around the whole route, or around all but its branches: only these can speak about the whole call. */
const routePolicies = (route: Route): Policies => {
  if (route._tag === "OnError") return routePolicies(route.route)
  return route._tag === "Policies" ? mergePolicies(route.policies, routePolicies(route.route)) : {}
}

/** `inner` speaks nearer to the deployment, and wins. */
const mergePolicies = (outer: Policies, inner: Policies): Policies => ({
  retry: { ...outer.retry, ...inner.retry },
  timeout: { ...outer.timeout, ...inner.timeout },
  fallbackOn: inner.fallbackOn ?? outer.fallbackOn,
  accept: inner.accept ?? outer.accept,
  stream: { ...outer.stream, ...inner.stream },
  unsupportedParams: inner.unsupportedParams ?? outer.unsupportedParams,
  cache: inner.cache ?? outer.cache,
  sse: inner.sse ?? outer.sse,
})

const wildcardMismatch = (name: string, model: string): string =>
  `"${name}" does not say what the * of the model "${model}" stands for: give it a name with a * too, such as "${name}/*"`

const unknownName = (name: string, known: ReadonlyArray<string>): string =>
  [
    `names "${name}", which is neither a deployment nor a route${didYouMean(name, known) || "."}`,
    ...(known.length === 0 ? [] : [`There is ${known.map((each) => `"${each}"`).join(", ")}.`]),
  ].join(" ")

/** Everybody on a route with their models, in the order the route has them. */
export const deployments = (route: Bound): ReadonlyArray<readonly [name: string, model: string]> => {
  switch (route._tag) {
    case "Leaf":
      return [[route.candidate.name, route.candidate.deployment.model]]
    case "Balance":
    case "Hedge":
      return route.across.flatMap(deployments)
    case "Fallback":
      return route.routes.flatMap(deployments)
    case "When":
      return [...route.cases.flatMap(({ use }) => deployments(use)), ...deployments(route.otherwise)]
    case "OnError":
      return [...deployments(route.route), ...deployments(route.use)]
  }
}
