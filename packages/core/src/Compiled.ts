/**
 * A route made ready to be planned: its names bound to deployments once, its policies at each place resolved, and every
 * problem found that its names have.
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Budget from "./Budget.ts"
import * as Cache from "./Cache.ts"
import type { Candidate, Defaults, Patience } from "./Candidate.ts"
import * as Candidates from "./Candidate.ts"
import * as Condition from "./Condition.ts"
import type * as Hedge from "./Hedge.ts"
import type { ReasonTag } from "./ProviderError.ts"
import type { Case, Policies, Route } from "./Route.ts"
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
  /** The same where no candidate comes after it; none if this is that. */
  readonly atEnd: Leaf<C> | undefined
  readonly moveOn: Policies["moveOn"]
  readonly accept: Policies["accept"]
}

/** As much of a candidate as there is before any provider is started. */
export interface Unstarted extends Pick<Candidate, "deployment"> {
  readonly local?: boolean | undefined
}

/** A bound route with its name, the milliseconds that limit a whole call on it, and the budget of its retries. */
export interface Compiled<C = Candidate> {
  readonly name: string
  readonly route: Bound<C>
  readonly total: number
  readonly write: number
  readonly budget: Budget.Budget
  /** Where it keeps its answers. */
  readonly cache: Cache.Resolved | undefined
  /** How long its streams may be silent before keep-alives are sent, in milliseconds. */
  readonly keepAlive: number | undefined
}

/** Something wrong with a route: where (`routes.assistant[1]`, the second it names), and what to do. */
export interface Problem {
  readonly path: string
  readonly message: string
}

/**
 * Binds every route, and every deployment as a route of its own name; or lists every problem found, each once: values
 * that do not fit (see `Rules`), and names, under the route whose own words they are in.
 */
export const make = <C extends Unstarted>(
  routes: Readonly<Record<string, Route>>,
  candidates: ReadonlyMap<string, C>,
  defaults: Defaults,
): Result.Result<ReadonlyMap<string, Compiled<C>>, ReadonlyArray<Problem>> => {
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
    if (Predicate.isString(model) && Wildcard.stars(model) > Wildcard.stars(name))
      problems.push({ path, message: unsaid(name, model) })
    const at = (last: boolean, atEnd: Leaf<C> | undefined): Leaf<C> => ({
      _tag: "Leaf",
      candidate,
      patience: sound
        ? Candidates.patience(candidate.deployment, policies, defaults, { last, local: candidate.local === true })
        : unresolved,
      atEnd,
      moveOn: policies.moveOn,
      accept: policies.accept,
    })
    return at(false, at(true, undefined))
  }

  const whole = (name: string, route: Bound<C>, policies: Policies): Compiled<C> => ({
    name,
    route,
    ...Candidates.whole(policies, defaults),
    budget: new Budget.Budget(Candidates.retryShare(policies, defaults)),
    cache: policies.cache && Cache.resolve(policies.cache),
    keepAlive: policies.sse && Duration.toMillis(Duration.fromInputUnsafe(policies.sse.keepAlive)),
  })

  const compiled = new Map<string, Compiled<C>>()
  for (const [name, route] of Object.entries(routes)) {
    if (candidates.has(name)) {
      problems.push({ path: `routes.${name}`, message: `a deployment is called "${name}" too: rename one of them` })
    }
    const bound = bind(route, `routes.${name}`, {}, [name])
    if (sound && bound !== undefined) compiled.set(name, whole(name, bound, outermost(route)))
  }
  for (const [name, candidate] of candidates) {
    const own = leaf(candidate, {}, `deployments.${name}`, [name])
    if (sound) compiled.set(name, whole(name, own, {}))
  }
  return problems.length > 0 ? Result.fail(problems) : Result.succeed(compiled)
}

const unresolved = Candidates.patience({ model: "" }, {}, {}, { last: false, local: false })

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
  accept: inner.accept ?? outer.accept,
  stream: { ...outer.stream, ...inner.stream },
  unsupported: inner.unsupported ?? outer.unsupported,
  cache: inner.cache ?? outer.cache,
  sse: inner.sse ?? outer.sse,
})

const unsaid = (name: string, model: string): string =>
  `"${name}" does not say what the * of the model "${model}" stands for: give it a name with a * too, such as "${name}/*"`

const unknownName = (name: string, known: ReadonlyArray<string>): string =>
  [
    `names "${name}", which is neither a deployment nor a route${didYouMean(name, known) || "."}`,
    ...(known.length === 0 ? [] : [`There is ${known.map((each) => `"${each}"`).join(", ")}.`]),
  ].join(" ")

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
