/**
 * A route: a value that names deployments and says how they answer together.
 *
 * A route is data and everything else interprets it: it is run, explained, checked and drawn. It holds names, never
 * providers, so it can be written down, compared and sent. A new combinator is one constructor here and one case in each
 * interpreter; the compiler names the cases that were missed.
 */
import type { Pipeable } from "effect/Pipeable"
import { pipeArguments } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import type { StreamPolicy } from "./Protection.ts"
import type { RetryPolicy } from "./Retry.ts"
import type { Strategy } from "./Strategy.ts"
import type { TimeoutPolicy } from "./Timeout.ts"

/**
 * - `Target`: the deployment, or another route, of that name.
 * - `Fallback`: each in turn, going on to the next when one fails in a way that another may not.
 * - `Balance`: deployments that are each other's equals, tried in the order the strategy gives them.
 * - `Policies`: `route`, with these policies in place of the deployments' own.
 */
export type Route = Node & Pipeable

export type Node =
  | { readonly _tag: "Target"; readonly name: string }
  | { readonly _tag: "Fallback"; readonly routes: ReadonlyArray<Route> }
  | { readonly _tag: "Balance"; readonly strategy: Strategy; readonly across: ReadonlyArray<string> }
  | { readonly _tag: "Policies"; readonly route: Route; readonly policies: Policies }

/** What a route may say in place of its deployments' own policies. */
export interface Policies {
  readonly retry?: Partial<RetryPolicy> | undefined
  readonly timeout?: Partial<Omit<TimeoutPolicy, "connect">> | undefined
  readonly stream?: Partial<StreamPolicy> | undefined
}

const Prototype: Pipeable = {
  pipe() {
    return pipeArguments(this, arguments)
  },
}

const make = (node: Node): Route => Object.assign(Object.create(Prototype), node)

/** A route, or the name of one or of a deployment. */
export type Input = Route | string

const from = (input: Input): Route => (Predicate.isString(input) ? target(input) : input)

/** The deployment or the route of that name. */
export const target = (name: string): Route => make({ _tag: "Target", name })

/** `Route.fallback("gpt-4o", "sonnet", "local")`: the first that can, in this order. */
export const fallback = (...routes: readonly [Input, ...ReadonlyArray<Input>]): Route =>
  make({ _tag: "Fallback", routes: routes.map(from) })

/** `Route.balance("latency", ["gpt-4o", "gpt-4o-eu"])`: orders equals by the strategy, then tries them in that order. */
export const balance = (strategy: Strategy, across: readonly [string, ...ReadonlyArray<string>]): Route =>
  make({ _tag: "Balance", strategy, across })

const policies =
  (policies: Policies) =>
  (self: Input): Route =>
    make({ _tag: "Policies", route: from(self), policies })

/** `Route.fallback("a", "b").pipe(Route.retry({ times: 0 }))` */
export const retry = (policy: Partial<RetryPolicy>): ((self: Input) => Route) => policies({ retry: policy })

/** `Route.fallback("a", "b").pipe(Route.timeout({ total: "30 seconds" }))` */
export const timeout = (policy: NonNullable<Policies["timeout"]>): ((self: Input) => Route) =>
  policies({ timeout: policy })

/** `Route.fallback("a", "b").pipe(Route.stream({ protect: "continue" }))` */
export const stream = (policy: Partial<StreamPolicy>): ((self: Input) => Route) => policies({ stream: policy })

/** Every name a route mentions, in the order it mentions them. */
export const names = (route: Route): ReadonlyArray<string> => {
  switch (route._tag) {
    case "Target":
      return [route.name]
    case "Fallback":
      return route.routes.flatMap(names)
    case "Balance":
      return route.across
    case "Policies":
      return names(route.route)
  }
}
