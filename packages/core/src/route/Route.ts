/**
 * A route: the deployments that answer a call, and how: by fallback, balance, hedge, conditions or split, with policies.
 *
 * A route is data. Interpreters run it, explain it, lint it and draw it. It holds names, never providers, so it can be
 * serialized and compared. A new combinator is one constructor here and one case in each interpreter, where the compiler
 * reports the missing ones.
 *
 * ```ts
 * const assistant = Route.fallback(Route.balance("latency", ["gpt-4o", "gpt-4o-eu"]), "sonnet").pipe(
 *   Route.onContextWindow("gemini-long"),
 *   Route.timeout({ total: "60 seconds" }),
 * )
 * ```
 */
import type { Pipeable } from "effect/Pipeable"
import { pipeArguments } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import type { Accept } from "../policy/Acceptance.ts"
import * as Acceptance from "../policy/Acceptance.ts"
import type { AffinityPolicy } from "../policy/AffinityPolicy.ts"
import type { UnsupportedParams } from "../model/Chat.ts"
import type { CachePolicy } from "../policy/CachePolicy.ts"
import type { Condition } from "./Condition.ts"
import type { Fault } from "../policy/Fault.ts"
import type { After } from "../policy/HedgePolicy.ts"
import type { ReasonTag } from "../model/ProviderError.ts"
import type { Arm, SplitBy } from "./Split.ts"
import type { StreamPolicy } from "../policy/StreamPolicy.ts"
import type { RetryPolicy } from "../policy/Retry.ts"
import type { ShadowPolicy } from "../policy/ShadowPolicy.ts"
import type { Strategy } from "./Strategy.ts"
import type { Policies, SsePolicy } from "../policy/Policies.ts"

export type { Condition } from "./Condition.ts"
export { splitBy } from "./Split.ts"
export type { Arm, SplitBy } from "./Split.ts"
export { strategies } from "./Strategy.ts"
export type { Strategy } from "./Strategy.ts"

/** A route. `Name` are the names that it mentions. */
export type Route<Name extends string = string> = Node & Pipeable & Mentions<Name>

/** The names that a route mentions, for the compiler alone: `string` if it does not know them. */
export interface Mentions<out Name extends string> {
  readonly "~names"?: Name | undefined
}

/** The names that a route, or the name of one, mentions. */
export type Names<Mentioning> = Mentioning extends string
  ? Mentioning
  : Mentioning extends Mentions<infer Name>
    ? Name
    : never

/**
 * The kinds of routes.
 *
 * - `Target`: the deployment or the route of that name.
 * - `Fallback`: each route in turn, until one answers.
 * - `Balance`: interchangeable deployments, tried in the order of the strategy; with `affinity`, the deployment that answered the
 *   call's conversation last comes first.
 * - `Hedge`: the first deployment, and when it is slow or fails, the next one at the same time. The first output wins.
 * - `When`: the first case whose condition holds for the call, or `otherwise`.
 * - `Split`: one of the arms, each for its share of the calls. If it fails, the call continues after the `Split`.
 * - `OnError`: `route`, and `use` after a failure of `route` for one of the reasons. The remaining deployments of `route` are
 *   then skipped; if `use` fails too, the call continues after the `OnError`.
 * - `Policies`: `route`, with policies that override those of its deployments.
 */
export type Node =
  | { readonly _tag: "Target"; readonly name: string }
  | { readonly _tag: "Fallback"; readonly routes: ReadonlyArray<Route> }
  | {
      readonly _tag: "Balance"
      readonly strategy: Strategy
      readonly across: ReadonlyArray<string>
      readonly affinity?: AffinityPolicy | undefined
    }
  | { readonly _tag: "Hedge"; readonly hedge: Hedging; readonly across: ReadonlyArray<string> }
  | { readonly _tag: "When"; readonly cases: ReadonlyArray<Case<Route>>; readonly otherwise: Route }
  | { readonly _tag: "Split"; readonly by: SplitBy; readonly arms: ReadonlyArray<Arm<Route>> }
  | {
      readonly _tag: "OnError"
      readonly route: Route
      readonly reasons: ReadonlyArray<ReasonTag>
      readonly use: Route
    }
  | { readonly _tag: "Policies"; readonly route: Route; readonly policies: Policies }

/** A case of `When`: a condition, and the route for calls for which it holds. */
export interface Case<Use> {
  readonly if: Condition
  readonly use: Use
}

/**
 * The policy of a hedge.
 *
 * - `after`: the delay before the next deployment starts: a duration, or a quantile of the current deployment's latency, such
 *   as `"p95"`.
 * - `budget`: the share of calls that may start another deployment; ten a minute are always allowed. Default: 0.2.
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

/** The deployment or the route of that name: `Route.to("gpt-4o")`. */
export const to = <const Name extends string>(name: Name): Route<Name> => make({ _tag: "Target", name })

/**
 * Tries each in this order, until one answers.
 *
 * ```ts
 * Route.fallback("gpt-4o", "sonnet", "local")
 * ```
 */
export const fallback = <const Routes extends readonly [Input, ...ReadonlyArray<Input>]>(
  ...routes: Routes
): Route<Names<Routes[number]>> => make({ _tag: "Fallback", routes: routes.map(from) })

/**
 * Sorts deployments by the strategy, then tries them in that order. With `affinity`, a conversation stays with the deployment
 * that answered it last, which has its prompt cache, as long as that one can be tried.
 *
 * ```ts
 * Route.balance("latency", ["gpt-4o", "gpt-4o-eu"])
 * Route.balance("round-robin", ["gpt-4o", "gpt-4o-eu"], { affinity: { by: "session", for: "1 hour" } })
 * ```
 */
export const balance = <const Name extends string>(
  strategy: Strategy,
  across: readonly [Name, ...ReadonlyArray<Name>],
  { affinity }: { readonly affinity?: AffinityPolicy | undefined } = {},
): Route<Name> => make({ _tag: "Balance", strategy, across, ...(affinity === undefined ? undefined : { affinity }) })

/**
 * Tries the first deployment, and the next one when the first has no output after the delay, or fails. The first output
 * wins, and the other attempts are cancelled.
 *
 * ```ts
 * Route.hedge({ after: "800 millis", across: ["local", "gpt-4o"] })
 * ```
 */
export const hedge = <const Name extends string>({
  across,
  ...hedge
}: Hedging & { readonly across: readonly [Name, ...ReadonlyArray<Name>] }): Route<Name> =>
  make({ _tag: "Hedge", hedge, across })

/**
 * Uses the first case whose condition holds for the call, or `otherwise`.
 *
 * ```ts
 * Route.when([{ if: { tags: ["vip"] }, use: "gpt-4o" }], "local")
 * ```
 */
export const when = <const Cases extends ReadonlyArray<Case<Input>>, const Otherwise extends Input>(
  cases: Cases,
  otherwise: Otherwise,
): Route<Names<Cases[number]["use"] | Otherwise>> =>
  make({
    _tag: "When",
    cases: cases.map((each) => ({ if: each.if, use: from(each.use) })),
    otherwise: from(otherwise),
  })

/**
 * Splits the calls among routes by their shares, for a canary or an experiment. `by: "user"` and `by: "key"` keep a user or a
 * key on one arm, in every process; a call without is drawn. Default: `by: "call"`, which draws the arm of each call.
 *
 * ```ts
 * Route.split([{ use: "gpt-4o", share: 90 }, { use: "candidate", share: 10 }], { by: "user" })
 * ```
 */
export const split = <const Arms extends readonly [Arm<Input>, ...ReadonlyArray<Arm<Input>>]>(
  arms: Arms,
  { by = "call" }: { readonly by?: SplitBy | undefined } = {},
): Route<Names<Arms[number]["use"]>> =>
  make({ _tag: "Split", by, arms: arms.map(({ share, use }) => ({ use: from(use), share })) })

/** Adds a policy to a route. */
export type Around = <const Self extends Input>(self: Self) => Route<Names<Self>>

const policies =
  (policies: Policies): Around =>
  (self) =>
    make({ _tag: "Policies", route: from(self), policies })

/**
 * Sets the retries of the route's deployments.
 *
 * ```ts
 * Route.fallback("a", "b").pipe(Route.retry({ times: 0 }))
 * ```
 */
export const retry = (policy: Partial<RetryPolicy>): Around => policies({ retry: policy })

/**
 * Sets the timeouts of the route. `total` and `write` are for a whole route, not for a part of one.
 *
 * ```ts
 * Route.fallback("a", "b").pipe(Route.timeout({ total: "30 seconds" }))
 * ```
 */
export const timeout = (policy: NonNullable<Policies["timeout"]>): Around => policies({ timeout: policy })

/**
 * Falls back after every error, `InvalidRequest` included.
 *
 * ```ts
 * Route.fallback("a", "b").pipe(Route.fallbackOn("any"))
 * ```
 */
export const fallbackOn = (after: NonNullable<Policies["fallbackOn"]>): Around => policies({ fallbackOn: after })

/**
 * Uses `use` after a failure for one of these reasons, instead of the next deployment of the route. A skipped deployment
 * counts as failed for the reasons that its skip reason stands for: an open circuit, for example, for `ServerError`.
 *
 * ```ts
 * Route.to("gpt-4o").pipe(Route.onError(["QuotaExhausted", "Overloaded"], "local"))
 * ```
 */
export const onError =
  <const Use extends Input>(
    reasons: readonly [ReasonTag, ...ReadonlyArray<ReasonTag>],
    use: Use,
  ): (<const Self extends Input>(self: Self) => Route<Names<Self | Use>>) =>
  (self) =>
    make({ _tag: "OnError", route: from(self), reasons, use: from(use) })

/** Uses `use` for requests that exceed the context windows of the route's deployments. */
export const onContextWindow = <const Use extends Input>(use: Use) => onError(["ContextWindowExceeded"], use)

/** Uses `use` for requests that a content policy rejects. Without it, the call fails with `ContentPolicy`. */
export const onContentPolicy = <const Use extends Input>(use: Use) => onError(["ContentPolicy"], use)

/**
 * Sets what a response must be: one that misses it is a failed attempt, and the next deployment is asked. Checks complete
 * responses, and streams with `protect: full`. `"schema"` is short for `{ schema: "request" }`.
 *
 * ```ts
 * Route.fallback("a", "b").pipe(
 *   Route.accept({
 *     length: { min: 20 },
 *     refusal: false,
 *     predicate: { name: "cites a source", test: (response) => Chat.text(response).includes("https://") },
 *   }),
 * )
 * ```
 */
export const accept = (policy: Accept): Around => policies({ accept: Acceptance.resolve(policy) })

/**
 * Sets what the client gets when a stream breaks.
 *
 * ```ts
 * Route.fallback("a", "b").pipe(Route.stream({ protect: "continue" }))
 * ```
 */
export const stream = (policy: Partial<StreamPolicy>): Around => policies({ stream: policy })

/**
 * Sets what to do with parameters that a deployment does not support.
 *
 * ```ts
 * Route.fallback("a", "b").pipe(Route.unsupportedParams("skip"))
 * ```
 */
export const unsupportedParams = (policy: UnsupportedParams): Around => policies({ unsupportedParams: policy })

/**
 * Caches responses: an identical request of one caller within `ttl` gets the cached response without a call to a provider.
 * For a whole route, not for a part of one.
 *
 * ```ts
 * Route.fallback("a", "b").pipe(Route.cache({ ttl: "5 minutes", max: 500 }))
 * ```
 */
export const cache = (policy: CachePolicy): Around => policies({ cache: policy })

/**
 * Sends keep-alives while a stream has no data. For a whole route, not for a part of one.
 *
 * ```ts
 * Route.fallback("a", "b").pipe(Route.sse({ keepAlive: "15 seconds" }))
 * ```
 */
export const sse = (policy: SsePolicy): Around => policies({ sse: policy })

/**
 * Sends a share of the calls to another route too, and discards its answers: the caller's answer, latency, limits and budgets
 * stay as they are. For a whole route, not for a part of one.
 *
 * ```ts
 * Route.fallback("a", "b").pipe(Route.shadow({ to: "candidate", share: 0.1 }))
 * ```
 */
export const shadow =
  <const To extends string>(
    policy: ShadowPolicy<To>,
  ): (<const Self extends Input>(self: Self) => Route<Names<Self | To>>) =>
  (self) =>
    make({ _tag: "Policies", route: from(self), policies: { shadow: policy } })

/**
 * Sets the faults that an operator can inject into attempts of the route's calls. They are off until `router.faults.start`
 * switches them on. For a whole route, not for a part of one.
 *
 * ```ts
 * Route.fallback("a", "b").pipe(Route.faults([{ share: 0.1, status: 503 }]))
 * ```
 */
export const faults = (faults: ReadonlyArray<Fault>): Around => policies({ faults })

/** The conditions of a route, in order, without those of routes that it names. */
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
    case "Split":
      return route.arms.flatMap(({ use }) => conditions(use))
    case "OnError":
      return [...conditions(route.route), ...conditions(route.use)]
    case "Policies":
      return conditions(route.route)
  }
}

/** The names that a route mentions, in order. */
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
    case "Split":
      return route.arms.flatMap(({ use }) => names(use))
    case "OnError":
      return [...names(route.route), ...names(route.use)]
    case "Policies":
      return names(route.route)
  }
}

/** The name of an arm: of the route or the deployment that it is, else of all that it mentions, such as `gpt-4o+sonnet`. */
export const armName = (route: Route): string => names(route).join("+")
