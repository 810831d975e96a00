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
import type { Accept } from "../policy/Acceptance.ts"
import type { UnsupportedParams } from "../model/Chat.ts"
import type { CachePolicy } from "../policy/CachePolicy.ts"
import type { Condition } from "./Condition.ts"
import type { After } from "../policy/HedgePolicy.ts"
import type { ReasonTag } from "../model/ProviderError.ts"
import type { StreamPolicy } from "../policy/StreamPolicy.ts"
import type { RetryPolicy } from "../policy/Retry.ts"
import type { Strategy } from "./Strategy.ts"
import type { Policies, SsePolicy } from "../policy/Policies.ts"

export type { Condition } from "./Condition.ts"
export { strategies } from "./Strategy.ts"
export type { Strategy } from "./Strategy.ts"

/**
 * - `Target`: the deployment, or another route, of that name.
 * - `Fallback`: each in turn, going on to the next when one fails in a way that another may not.
 * - `Balance`: deployments that are each other's equals, tried in the order the strategy gives them.
 * - `Hedge`: the first, and when it is slow or fails the next beside it: the first to answer is the one that counts.
 * - `When`: the first case whose condition holds for the call; `otherwise` where none does.
 * - `OnError`: `route`, and `use` after a failure of one of these reasons on it. A failure leads forward, never back: what
 *   the route would have tried next is passed over, and when `use` fails too, whatever comes after the whole is next.
 * - `Policies`: `route`, with these policies in place of the deployments' own.
 */
export type Route<Name extends string = string> = Node & Pipeable & Mentions<Name>

/** The names that a route mentions, for the compiler alone: `string` where it does not know them. */
export interface Mentions<out Name extends string> {
  readonly "~names"?: Name | undefined
}

/** The names that a route, or the name of one, mentions. */
export type Names<Mentioning> = Mentioning extends string
  ? Mentioning
  : Mentioning extends Mentions<infer Name>
    ? Name
    : never

export type Node =
  | { readonly _tag: "Target"; readonly name: string }
  | { readonly _tag: "Fallback"; readonly routes: ReadonlyArray<Route> }
  | { readonly _tag: "Balance"; readonly strategy: Strategy; readonly across: ReadonlyArray<string> }
  | { readonly _tag: "Hedge"; readonly hedge: Hedging; readonly across: ReadonlyArray<string> }
  | { readonly _tag: "When"; readonly cases: ReadonlyArray<Case<Route>>; readonly otherwise: Route }
  | {
      readonly _tag: "OnError"
      readonly route: Route
      readonly reasons: ReadonlyArray<ReasonTag>
      readonly use: Route
    }
  | { readonly _tag: "Policies"; readonly route: Route; readonly policies: Policies }

/** One way a call may go, and what must hold of it. */
export interface Case<Use> {
  readonly if: Condition
  readonly use: Use
}

/**
 * - `after`: how long a deployment is waited for before the next starts beside it: a duration, or a quantile of its own
 *   latest answers, such as `p95`.
 * - `budget`: which share of the calls may be asked of one more deployment; never fewer than ten a minute. 0.2 if not said.
 */
export interface Hedging {
  readonly after: After
  readonly budget?: number | undefined
}

const Prototype: Pipeable = {
  pipe() {
    return pipeArguments(this, arguments)
  },
}

const make = <Name extends string>(node: Node): Route<Name> => Object.assign(Object.create(Prototype), node)

/** A route, or the name of one or of a deployment. */
export type Input = Route | string

const from = (input: Input): Route => (Predicate.isString(input) ? to(input) : input)

/** The deployment or the route of that name. */
export const to = <const Name extends string>(name: Name): Route<Name> => make({ _tag: "Target", name })

/** `Route.fallback("gpt-4o", "sonnet", "local")`: the first that can, in this order. */
export const fallback = <const Routes extends readonly [Input, ...ReadonlyArray<Input>]>(
  ...routes: Routes
): Route<Names<Routes[number]>> => make({ _tag: "Fallback", routes: routes.map(from) })

/** `Route.balance("latency", ["gpt-4o", "gpt-4o-eu"])`: orders equals by the strategy, then tries them in that order. */
export const balance = <const Name extends string>(
  strategy: Strategy,
  across: readonly [Name, ...ReadonlyArray<Name>],
): Route<Name> => make({ _tag: "Balance", strategy, across })

/**
 * `Route.hedge({ after: "800 millis", across: ["local", "gpt-4o"] })`: asks the first, and the next as soon as the first
 * has been silent for so long, or has failed. Whoever answers first wins; the others are interrupted.
 */
export const hedge = <const Name extends string>({
  across,
  ...hedge
}: Hedging & { readonly across: readonly [Name, ...ReadonlyArray<Name>] }): Route<Name> =>
  make({ _tag: "Hedge", hedge, across })

/** `Route.when([{ if: { tags: ["vip"] }, use: "gpt-4o" }], "local")`: the first case that holds, else the last word. */
export const when = <const Cases extends ReadonlyArray<Case<Input>>, const Otherwise extends Input>(
  cases: Cases,
  otherwise: Otherwise,
): Route<Names<Cases[number]["use"] | Otherwise>> =>
  make({
    _tag: "When",
    cases: cases.map((each) => ({ if: each.if, use: from(each.use) })),
    otherwise: from(otherwise),
  })

/** A policy around a route, which mentions the names it did before. */
export type Around = <const Self extends Input>(self: Self) => Route<Names<Self>>

const policies =
  (policies: Policies): Around =>
  (self) =>
    make({ _tag: "Policies", route: from(self), policies })

/** `Route.fallback("a", "b").pipe(Route.retry({ times: 0 }))` */
export const retry = (policy: Partial<RetryPolicy>): Around => policies({ retry: policy })

/** `Route.fallback("a", "b").pipe(Route.timeout({ total: "30 seconds" }))` */
export const timeout = (policy: NonNullable<Policies["timeout"]>): Around => policies({ timeout: policy })

/** `Route.fallback("a", "b").pipe(Route.fallbackOn("any"))`: the next is asked after every error, `InvalidRequest` included. */
export const fallbackOn = (after: NonNullable<Policies["fallbackOn"]>): Around => policies({ fallbackOn: after })

/**
 * `Route.to("gpt-4o").pipe(Route.onError(["QuotaExhausted", "Overloaded"], "local"))`: `use` answers after a failure
 * of one of these reasons, in place of what the route would have tried next. A candidate that is passed over without
 * being asked counts as failed for the reason that is foreseen: see `Branch.foreseen`.
 */
export const onError =
  <const Use extends Input>(
    reasons: readonly [ReasonTag, ...ReadonlyArray<ReasonTag>],
    use: Use,
  ): (<const Self extends Input>(self: Self) => Route<Names<Self | Use>>) =>
  (self) =>
    make({ _tag: "OnError", route: from(self), reasons, use: from(use) })

/** What is too long for the route's own windows goes to `use`. */
export const onContextWindow = <const Use extends Input>(use: Use) => onError(["ContextWindowExceeded"], use)

/** What a content policy refuses goes to `use`; without this it is the caller's error. */
export const onContentPolicy = <const Use extends Input>(use: Use) => onError(["ContentPolicy"], use)

/**
 * `Route.fallback("a", "b").pipe(Route.accept("schema"))`: checks answers against the JSON schema that their request asks
 * for. One that misses it is a failed attempt; a stream is shown when it is complete and fits.
 */
export const accept = (what: Accept): Around => policies({ accept: what })

/** `Route.fallback("a", "b").pipe(Route.stream({ protect: "continue" }))` */
export const stream = (policy: Partial<StreamPolicy>): Around => policies({ stream: policy })

/** `Route.fallback("a", "b").pipe(Route.unsupportedParams("skip"))`: what becomes of a wish that a protocol cannot say. */
export const unsupportedParams = (policy: UnsupportedParams): Around => policies({ unsupportedParams: policy })

/**
 * `Route.fallback("a", "b").pipe(Route.cache({ ttl: "5 minutes", max: 500 }))`: whoever asks exactly the same again is given
 * the same answer, as long as it is kept, and nobody is asked. For a whole route, not a part of one.
 */
export const cache = (policy: CachePolicy): Around => policies({ cache: policy })

/**
 * `Route.fallback("a", "b").pipe(Route.sse({ keepAlive: "15 seconds" }))`: sends keep-alives while a stream is silent. For a
 * whole route, not a part of one.
 */
export const sse = (policy: SsePolicy): Around => policies({ sse: policy })

/** Every condition of a route itself, in the order it has them; not those of routes that it names. */
export const conditions = (route: Route): ReadonlyArray<Condition> => {
  switch (route._tag) {
    case "Target":
    case "Balance":
    case "Hedge":
      return []
    case "Fallback":
      return route.routes.flatMap(conditions)
    case "When":
      return [...route.cases.flatMap((each) => [each.if, ...conditions(each.use)]), ...conditions(route.otherwise)]
    case "OnError":
      return [...conditions(route.route), ...conditions(route.use)]
    case "Policies":
      return conditions(route.route)
  }
}

/** Every name a route mentions, in the order it mentions them. */
export const names = (route: Route): ReadonlyArray<string> => {
  switch (route._tag) {
    case "Target":
      return [route.name]
    case "Fallback":
      return route.routes.flatMap(names)
    case "Balance":
    case "Hedge":
      return route.across
    case "When":
      return [...route.cases.flatMap(({ use }) => names(use)), ...names(route.otherwise)]
    case "OnError":
      return [...names(route.route), ...names(route.use)]
    case "Policies":
      return names(route.route)
  }
}
