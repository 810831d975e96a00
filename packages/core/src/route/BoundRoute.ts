/**
 * A route made ready to be planned: its names bound to deployments once, its policies at each place resolved, and every
 * problem found that its names have.
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as AffinityPolicy from "../policy/AffinityPolicy.ts"
import * as RetryBudget from "../policy/RetryBudget.ts"
import * as CachePolicy from "../policy/CachePolicy.ts"
import type { ShadowPolicy } from "../policy/ShadowPolicy.ts"
import * as ShadowPolicies from "../policy/ShadowPolicy.ts"
import type { Candidate, ResolvedPolicies } from "../deployment/Candidate.ts"
import * as Candidates from "../deployment/Candidate.ts"
import * as Condition from "./Condition.ts"
import type * as HedgePolicy from "../policy/HedgePolicy.ts"
import type { ReasonTag } from "../model/ProviderError.ts"
import type { Case, Route } from "./Route.ts"
import * as Routes from "./Route.ts"
import type { Defaults, Policies } from "../policy/Policies.ts"
import type { Problem } from "./Problem.ts"
import * as Rules from "./Rules.ts"
import type * as Split from "./Split.ts"
import * as Strategy from "./Strategy.ts"
import { didYouMean } from "./Suggestion.ts"
import * as Wildcard from "./Wildcard.ts"

/** A route whose names are bound: to candidates, or to as much of one as there is before any provider is started. */
export type Bound<C = Candidate> =
  | Leaf<C>
  | { readonly _tag: "Fallback"; readonly routes: ReadonlyArray<Bound<C>> }
  | {
      readonly _tag: "Balance"
      readonly strategy: Strategy.Strategy
      /** As written. */
      readonly across: ReadonlyArray<Leaf<C>>
      /** Those of `across` with a weight above 0, which are tried; and those with weight 0, which are not. */
      readonly weighted: ReadonlyArray<Leaf<C>>
      readonly excluded: ReadonlyArray<Leaf<C>>
      /** The running totals of the weights of `weighted`. */
      readonly totals: ReadonlyArray<number>
      readonly affinity: AffinityPolicy.ResolvedAffinityPolicy | undefined
      turn: number
    }
  | {
      readonly _tag: "Hedge"
      readonly after: HedgePolicy.After
      budget: RetryBudget.RetryBudget
      readonly across: ReadonlyArray<Leaf<C>>
    }
  | { readonly _tag: "When"; readonly cases: ReadonlyArray<Case<Bound<C>>>; readonly otherwise: Bound<C> }
  | { readonly _tag: "Split"; readonly split: Split.Split; readonly arms: ReadonlyArray<Bound<C>> }
  | {
      readonly _tag: "OnError"
      readonly route: Bound<C>
      readonly reasons: ReadonlyArray<ReasonTag>
      readonly use: Bound<C>
    }

/** A balance that keeps conversations. */
export type AffineBalance<C = Candidate> = Extract<Bound<C>, { readonly _tag: "Balance" }> & {
  readonly affinity: AffinityPolicy.ResolvedAffinityPolicy
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

/** Whether a balance or a hedge tries the deployment. */
export const isWeighted = ({ candidate }: Leaf<Unstarted>): boolean => candidate.deployment.weight !== 0

/** As much of a candidate as there is before any provider is started. */
export interface Unstarted extends Pick<Candidate, "deployment"> {
  readonly local?: boolean | undefined
}

/** A bound route with its name, the milliseconds that limit a whole call on it, and the budget of its retries. */
export interface BoundRoute<C = Candidate> {
  readonly name: string
  readonly route: Bound<C>
  /** Whether it has a split: then a number is drawn for each call. */
  readonly isSplit: boolean
  readonly total: number
  readonly write: number
  readonly budget: RetryBudget.RetryBudget
  /** Where it keeps its answers. */
  readonly cache: CachePolicy.ResolvedCachePolicy | undefined
  /** How long its streams may be silent before keep-alives are sent, in milliseconds. */
  readonly keepAlive: number | undefined
  /** Its balances that keep conversations, in its order. */
  readonly affine: ReadonlyArray<AffineBalance<C>>
  readonly faults: Policies["faults"]
  readonly shadow: BoundShadow<C> | undefined
}

/** The shadow of a route. `route` is the one that its calls are sent to, under `to`, with the timeout of a shadow call. */
export interface BoundShadow<C = Candidate> {
  readonly route: BoundRoute<C>
  readonly share: number
  readonly concurrency: number
  /** The shadow calls that are running. Goes on to be counted after a reload. */
  readonly running: { calls: number }
}

/**
 * Binds every route, and every deployment as a route of its own name; or lists every problem once: values that are not
 * allowed (see `Rules`), and names that lead nowhere, under the route that contains them. Routes of `previous` with the same
 * name hand over their budgets of retries and hedges, and whose turn it is in a balance.
 */
export const make = <C extends Unstarted>(
  routes: Readonly<Record<string, Route>>,
  candidates: ReadonlyMap<string, C>,
  defaults: Defaults,
  previous?: ReadonlyMap<string, BoundRoute<unknown>>,
): Result.Result<ReadonlyMap<string, BoundRoute<C>>, ReadonlyArray<Problem>> => {
  const binder = new Binder(routes, candidates, defaults)
  const bound = new Map<string, BoundRoute<C>>()
  for (const [name, route] of Object.entries(routes)) {
    const whole = binder.route(name, route)
    if (whole !== undefined) bound.set(name, whole)
  }
  for (const [name, candidate] of candidates) bound.set(name, binder.deployment(name, candidate))
  if (binder.problems.length > 0) return Result.fail(binder.problems)
  if (previous === undefined) return Result.succeed(bound)
  return Result.succeed(new Map(Array.from(bound, ([name, route]) => [name, continued(route, previous.get(name))])))
}

/** The route with the budget of its retries as it was before, if it has the same share, and with its balances and hedges. */
const continued = <C>(route: BoundRoute<C>, before: BoundRoute<unknown> | undefined): BoundRoute<C> => {
  if (before === undefined) return route
  takeOver(route.route, before.route)
  const { shadow } = route
  const budget = route.budget.share === before.budget.share ? before.budget : route.budget
  if (shadow === undefined || before.shadow === undefined) return { ...route, budget }
  takeOver(shadow.route.route, before.shadow.route.route)
  return { ...route, budget, shadow: { ...shadow, running: before.shadow.running } }
}

/** Takes over the turns of balances and the budgets of hedges, as far as the two routes have the same form. */
const takeOver = (route: Bound<unknown>, before: Bound<unknown>): void => {
  if (route._tag === "Balance" && before._tag === "Balance") route.turn = before.turn
  else if (route._tag === "Hedge" && before._tag === "Hedge") {
    if (route.budget.share === before.budget.share) route.budget = before.budget
  } else if (route._tag === before._tag) {
    const old = parts(before)
    parts(route).forEach((part, index) => old[index] && takeOver(part, old[index]))
  }
}

/** The routes within a route. */
export const parts = <C>(route: Bound<C>): ReadonlyArray<Bound<C>> => {
  switch (route._tag) {
    case "Leaf":
    case "Balance":
    case "Hedge":
      return []
    case "Fallback":
      return route.routes
    case "When":
      return [...route.cases.map(({ use }) => use), route.otherwise]
    case "Split":
      return route.arms
    case "OnError":
      return [route.route, route.use]
  }
}

const isSplit = (route: Bound<unknown>): boolean => route._tag === "Split" || parts(route).some(isSplit)

/** Where the binder is: its path in the configuration, and what holds there. */
interface Place {
  readonly path: string
  readonly policies: Policies
  /** The routes that lead here, by name. Only in the first of them problems are reported: the others are bound too. */
  readonly within: ReadonlyArray<string>
}

const isOwn = ({ within }: Place): boolean => within.length === 1

/** A part of the route at a place, such as `[1]` or `.else`. */
const part = (place: Place, name: string): Place => (isOwn(place) ? { ...place, path: `${place.path}${name}` } : place)

const member = (place: Place, index: number): Place => part(place, `[${index}]`)

/** Binds names to candidates, and collects the problems on the way. */
class Binder<C extends Unstarted> {
  readonly problems: Array<Problem>
  readonly #routes: Readonly<Record<string, Route>>
  readonly #candidates: ReadonlyMap<string, C>
  readonly #defaults: Defaults
  /** Whether every value is allowed. If not, names are still checked, but no policies are resolved. */
  readonly #hasSoundValues: boolean

  constructor(routes: Readonly<Record<string, Route>>, candidates: ReadonlyMap<string, C>, defaults: Defaults) {
    const deployments = Array.from(candidates, ([name, { deployment }]) => [name, deployment] as const)
    this.problems = [...Rules.problems(routes, deployments, defaults)]
    this.#hasSoundValues = this.problems.length === 0
    this.#routes = routes
    this.#candidates = candidates
    this.#defaults = defaults
  }

  /** A route under its name; `undefined` if nothing is left of it. */
  route(name: string, route: Route): BoundRoute<C> | undefined {
    const path = `routes.${name}`
    if (this.#candidates.has(name)) {
      this.problems.push({ path, message: `a deployment is called "${name}" too: rename one of them` })
    }
    const bound = this.#bind(route, { path, policies: {}, within: [name] })
    const policies = routePolicies(route)
    const shadow = policies.shadow && this.#shadow(policies.shadow, { path: `${path}.shadow.to`, name })
    return bound && { ...this.#whole(name, bound, this.#hasSoundValues ? policies : {}), shadow }
  }

  /** A deployment as a route of its own name. */
  deployment(name: string, candidate: C): BoundRoute<C> {
    const place: Place = { path: `deployments.${name}`, policies: {}, within: [name] }
    return this.#whole(name, this.#leaf(candidate, place), {})
  }

  #whole(name: string, route: Bound<C>, policies: Policies): BoundRoute<C> {
    const defaults = this.#hasSoundValues ? this.#defaults : {}
    return {
      name,
      route,
      isSplit: isSplit(route),
      ...Candidates.callPolicies(policies, defaults),
      budget: new RetryBudget.RetryBudget(Candidates.retryShare(policies, defaults)),
      cache: policies.cache && CachePolicy.resolve(policies.cache),
      shadow: undefined,
      keepAlive: policies.sse && Duration.toMillis(Duration.fromInputUnsafe(policies.sse.keepAlive)),
      affine: affineBalances(route),
      faults: policies.faults,
    }
  }

  /** The shadow of the route `name`. Its calls are not retried, unless a route that they are sent to sets retries. */
  #shadow(
    policy: ShadowPolicy,
    { name, path }: { readonly name: string; readonly path: string },
  ): BoundShadow<C> | undefined {
    const { to } = policy
    const target = Object.hasOwn(this.#routes, to) ? this.#routes[to] : undefined
    const policies: Policies = { retry: { times: 0 } }
    const known = target !== undefined || this.#candidates.has(to)
    const bound = this.#target(to, { path, policies, within: [name] })
    if (!known || bound === undefined || !this.#hasSoundValues) return undefined
    const { timeout, ...limits } = ShadowPolicies.resolve(policy)
    const route = this.#whole(to, bound, target === undefined ? {} : routePolicies(target))
    return { route: { ...route, total: timeout ?? route.total }, ...limits, running: { calls: 0 } }
  }

  /** Reports a problem, unless the route that contains it reports it. */
  #report(place: Place, message: string): void {
    if (isOwn(place)) this.problems.push({ path: place.path, message })
  }

  #bind(route: Route, place: Place): Bound<C> | undefined {
    switch (route._tag) {
      case "Target":
        return this.#target(route.name, place)
      case "Fallback": {
        if (route.routes.length === 0) this.#report(place, "lists no route: a fallback needs at least one")
        const bound = route.routes.map((each, index) => this.#bind(each, member(place, index)))
        const routes = bound.filter((each) => each !== undefined)
        return { _tag: "Fallback", routes }
      }
      case "Balance": {
        const across = this.#deployments(route.across, place, "a balance chooses")
        if (across.length > 0 && across.every(({ candidate }) => candidate.deployment.weight === 0)) {
          this.#report(place, "every deployment has weight 0: give at least one a higher weight")
        }
        const weighted = across.filter(isWeighted)
        return {
          _tag: "Balance",
          strategy: route.strategy,
          across,
          weighted,
          totals: Strategy.runningTotals(weighted),
          excluded: across.filter((leaf) => !isWeighted(leaf)),
          affinity: route.affinity && this.#hasSoundValues ? AffinityPolicy.resolve(route.affinity) : undefined,
          turn: 0,
        }
      }
      case "Hedge": {
        const { after, budget = RetryBudget.defaultShare } = route.hedge
        const across = this.#deployments(route.across, place, "a hedge races")
        return { _tag: "Hedge", after, budget: new RetryBudget.RetryBudget(budget), across }
      }
      case "When":
        return this.#when(route, place)
      case "Split":
        return this.#split(route, place)
      case "OnError":
        return this.#onError(route, place)
      case "Policies":
        return this.#bind(route.route, { ...place, policies: mergePolicies(place.policies, route.policies) })
    }
  }

  #target(name: string, place: Place): Bound<C> | undefined {
    const candidate = this.#candidates.get(name)
    if (candidate !== undefined) return this.#leaf(candidate, place)
    const route = Object.hasOwn(this.#routes, name) ? this.#routes[name] : undefined
    if (route === undefined) {
      this.#report(place, unknownName(name, new Set([...this.#candidates.keys(), ...Object.keys(this.#routes)])))
      return undefined
    }
    const within = [...place.within, name]
    if (!place.within.includes(name)) return this.#bind(route, { ...place, within })
    if (name === place.within[0]) {
      this.problems.push({ path: place.path, message: `refers to itself: ${within.join(" -> ")}` })
    }
    return undefined
  }

  /** The deployments of a `balance` or a `hedge`, which name no routes. */
  #deployments(names: ReadonlyArray<string>, place: Place, does: string): ReadonlyArray<Leaf<C>> {
    if (names.length === 0) {
      this.#report(place, `lists no deployment: ${does.split(" ", 2).join(" ")} needs at least one`)
    }
    return names.flatMap((name, index) => {
      const at = member(place, index)
      const candidate = this.#candidates.get(name)
      if (candidate !== undefined) return [this.#leaf(candidate, at)]
      const isRoute = Object.hasOwn(this.#routes, name)
      this.#report(
        at,
        isRoute ? `"${name}" is a route: ${does} among deployments` : unknownName(name, this.#candidates.keys()),
      )
      return []
    })
  }

  #when(route: Extract<Route, { readonly _tag: "When" }>, place: Place): Bound<C> | undefined {
    const cases = route.cases.flatMap((each, index) => {
      const at = member(place, index)
      const time = each.if.timeOfDay?.find((time) => Condition.minutesOf(time) === undefined)
      if (time !== undefined) this.#report(at, `has "${time}" for a time of day: write it as "06:30"`)
      const use = this.#bind(each.use, at)
      return use === undefined ? [] : [{ if: each.if, use }]
    })
    const otherwise = this.#bind(route.otherwise, part(place, ".else"))
    return otherwise && { _tag: "When", cases, otherwise }
  }

  #split({ arms, by }: Extract<Route, { readonly _tag: "Split" }>, place: Place): Bound<C> | undefined {
    if (arms.length === 0) this.#report(place, "lists no arm: a split needs at least one")
    else if (arms.every(({ share }) => share === 0)) {
      this.#report(place, "every arm has share 0: give at least one a higher share")
    }
    const names = arms.map(({ use }) => Routes.armName(use))
    const bound = arms.flatMap(({ share, use }, index) => {
      const at = member(place, index)
      const name = names[index]!
      if (names.indexOf(name) < index) {
        this.#report(at, `is the arm "${name}" again: give each arm a route with a name of its own, or add the shares`)
      }
      const route = this.#bind(use, at)
      return route === undefined ? [] : [{ arm: { use: name, share }, route }]
    })
    const split = { by, route: place.within.at(-1) ?? "", arms: bound.map(({ arm }) => arm) }
    return { _tag: "Split", split, arms: bound.map(({ route }) => route) }
  }

  #onError(route: Extract<Route, { readonly _tag: "OnError" }>, place: Place): Bound<C> | undefined {
    const bound = this.#bind(route.route, place)
    const use = this.#bind(route.use, part(place, `.on(${route.reasons.join("|")})`))
    if (route.reasons.length === 0) this.#report(place, "names no reason: a branch is taken after at least one")
    return bound === undefined || use === undefined
      ? bound
      : { _tag: "OnError", route: bound, reasons: route.reasons, use }
  }

  #leaf(candidate: C, { path, policies, within: [name = ""] }: Place): Leaf<C> {
    const { model } = candidate.deployment
    if (Predicate.isString(model) && Wildcard.countWildcards(model) > Wildcard.countWildcards(name)) {
      this.problems.push({ path, message: wildcardMismatch(name, model) })
    }
    const resolved = (last: boolean, atEnd: Leaf<C> | undefined): Leaf<C> => ({
      _tag: "Leaf",
      candidate,
      policies: this.#hasSoundValues
        ? Candidates.policies(candidate.deployment, policies, this.#defaults, { last, local: candidate.local === true })
        : unresolvedPolicies,
      atEnd,
      fallbackOn: policies.fallbackOn,
      accept: policies.accept,
    })
    return resolved(false, resolved(true, undefined))
  }
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
  shadow: inner.shadow ?? outer.shadow,
  faults: inner.faults ?? outer.faults,
})

const wildcardMismatch = (name: string, model: string): string =>
  `the model "${model}" has more * than the name "${name}": use a name such as "${name}/*"`

const unknownName = (name: string, names: Iterable<string>): string => {
  const known = [...names]
  return [
    `names "${name}", which is neither a deployment nor a route${didYouMean(name, known) || "."}`,
    ...(known.length === 0 ? [] : [`There is ${known.map((each) => `"${each}"`).join(", ")}.`]),
  ].join(" ")
}

/** The balances of a route that keep conversations, in its order. */
const affineBalances = <C>(route: Bound<C>): ReadonlyArray<AffineBalance<C>> =>
  route._tag === "Balance" && keepsConversations(route) ? [route] : parts(route).flatMap(affineBalances)

const keepsConversations = <C>(route: Extract<Bound<C>, { readonly _tag: "Balance" }>): route is AffineBalance<C> =>
  route.affinity !== undefined

/** The deployments of a route with their models, in the order of the route. */
export const deployments = (route: Bound): ReadonlyArray<readonly [name: string, model: string]> =>
  candidates(route).map(({ deployment, name }) => [name, deployment.model])

/** The candidates of a route at all its places, in its order. */
export const candidates = (route: Bound): ReadonlyArray<Candidate> => {
  switch (route._tag) {
    case "Leaf":
      return [route.candidate]
    case "Balance":
    case "Hedge":
      return route.across.map(({ candidate }) => candidate)
    case "Fallback":
      return route.routes.flatMap(candidates)
    case "When":
      return [...route.cases.flatMap(({ use }) => candidates(use)), ...candidates(route.otherwise)]
    case "Split":
      return route.arms.flatMap(candidates)
    case "OnError":
      return [...candidates(route.route), ...candidates(route.use)]
  }
}
