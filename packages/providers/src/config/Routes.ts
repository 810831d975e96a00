/**
 * The `routes` of a configuration: a name, a list, a `fallback`, `balance`, `hedge` or `when`, with policies and branches
 * around it. Which of these an author meant is told by the shape, and every message is about that one.
 */
import { capabilities } from "@understudy/core/Call"
import { minutesOf } from "@understudy/core/internal/route/Condition"
import { isQuantile, quantiles } from "@understudy/core/internal/policy/HedgePolicy"
import type { Policies as CorePolicies } from "@understudy/core/internal/policy/Policies"
import type { ReasonTag } from "@understudy/core/ProviderError"
import { reasonTags } from "@understudy/core/ProviderError"
import * as Route from "@understudy/core/Route"
import { strategies } from "@understudy/core/internal/route/Strategy"
import { closestMatch, didYouMean } from "@understudy/core/internal/route/Suggestion"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Location } from "./SchemaErrors.ts"
import { decode, within } from "./SchemaErrors.ts"
import * as Policies from "./Policies.ts"
import type { Problem } from "./ConfigError.ts"
import { describeValue, invalidValue, unknownKey } from "./ConfigError.ts"
import { parseDuration, printDuration } from "./DurationText.ts"
import { count, countOrNone, share, text, source } from "./Fields.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Keys
// ---------------------------------------------------------------------------------------------------------------------

const routeRef = Schema.Unknown.pipe(Schema.annotateKey({ messageMissingKey: "is missing: name the route to take" }))

/** The words of a race: how long to wait before it starts, and for which share of the calls. */
export const Hedging = Schema.Struct({
  after: source({
    from: Schema.String,
    to: Schema.Union([Schema.Duration, Schema.Literals(quantiles)]),
    expected: `a duration such as 800ms, or one of ${quantiles.join(", ")}`,
    parse: (text) => (isQuantile(text) ? text : parseDuration(text)),
    print: (after) => (isQuantile(after) ? after : printDuration(after)),
  }).pipe(Schema.annotateKey({ messageMissingKey: "is missing: say how long the first is waited for, such as 800ms" })),
  budget: Schema.optionalKey(share),
})

/** The keys of each shape; those of unknown values, which name other routes, are read one by one, below. */
const shapes = <Own extends Schema.Struct.Fields>(own: Own) => {
  const policies = {
    ...own,
    stream: Schema.optionalKey(Policies.Stream),
    fallbackOn: Schema.optionalKey(Schema.Literal("any").annotate({ expected: "`any`" })),
    accept: Schema.optionalKey(Policies.Accept),
    unsupportedParams: Schema.optionalKey(Policies.UnsupportedParams),
    onContextWindow: Schema.optionalKey(Schema.Unknown),
    onContentPolicy: Schema.optionalKey(Schema.Unknown),
    onError: Schema.optionalKey(Schema.Unknown),
  }
  return {
    Fallback: Schema.Struct({ fallback: Schema.Unknown, ...policies }),
    Balance: Schema.Struct({
      balance: Schema.optionalKey(Schema.Unknown),
      across: Schema.optionalKey(Schema.Unknown),
      ...policies,
    }),
    When: Schema.Struct({
      when: Schema.Unknown,
      else: Schema.Unknown.pipe(
        Schema.annotateKey({ messageMissingKey: "is missing: name the route for calls that no case is for" }),
      ),
      ...policies,
    }),
    Hedge: Schema.Struct({ hedge: Hedging, across: Schema.optionalKey(Schema.Unknown), ...policies }),
  }
}

const texts = Schema.Record(Schema.String, text("a text")).annotate({ expected: "a mapping of texts" })

const timeOfDay = source({
  from: Schema.String,
  to: Schema.String,
  expected: 'a time of day in UTC, such as "06:30", in quotes',
  notes: { quotable: true },
  parse: (time) => (minutesOf(time) === undefined ? undefined : time),
  print: (time) => time,
})

/** What must hold for a case of a `when`. */
export const If = Schema.Struct({
  keys: Schema.optionalKey(Schema.Array(text("the id of a key")).annotate({ expected: "a list of the ids of keys" })),
  tags: Schema.optionalKey(Schema.Array(text("a tag")).annotate({ expected: "a list of tags" })),
  metadata: Schema.optionalKey(texts),
  headers: Schema.optionalKey(texts),
  inputTokens: Schema.optionalKey(
    Schema.Struct({ above: Schema.optionalKey(countOrNone), below: Schema.optionalKey(count) }),
  ),
  requires: Schema.optionalKey(
    Schema.Array(Schema.Literals(capabilities).annotate({ expected: `one of ${capabilities.join(", ")}` })).annotate({
      expected: `a list of ${capabilities.join(", ")}`,
    }),
  ),
  timeOfDay: Schema.optionalKey(
    Schema.Tuple([timeOfDay, timeOfDay]).annotate({ expected: 'two times of day in UTC, such as ["22:00", "06:00"]' }),
  ),
})

/** One case of a `when`; what it uses is a route, read on its own. */
export const Case = Schema.Struct({
  if: If.pipe(Schema.annotateKey({ messageMissingKey: "is missing: say what must hold, such as { tags: [vip] }" })),
  use: routeRef,
})

/** One branch of `onError`; what it uses is a route, read on its own. */
export const Branch = Schema.Struct({
  reasons: Schema.NonEmptyArray(
    Schema.Literals(reasonTags).annotate({ expected: `the name of a reason: ${reasonTags.join(", ")}` }),
  ).annotate({ expected: "a list of at least one reason" }),
  use: routeRef,
})

/** A whole route may limit the whole call; a part of one cannot. */
export const RootRoute = shapes({
  retry: Schema.optionalKey(Policies.Retry.whole),
  timeout: Schema.optionalKey(Policies.Timeout.route),
  cache: Schema.optionalKey(Policies.Cache),
  sse: Schema.optionalKey(Policies.Sse),
})
const NestedRoute = shapes({
  retry: Schema.optionalKey(Policies.Retry.part),
  timeout: Schema.optionalKey(Policies.Timeout.part),
})

const kinds = ["fallback", "balance", "hedge", "when"]

const known = [...kinds, "else", ...Object.keys(RootRoute.Balance.fields).filter((key) => !kinds.includes(key))]

const expected = "a name, a list of names, or a mapping with `fallback`, `balance`, `hedge` or `when`"

// ---------------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What was made of a route: as much as could be, so that its names can be checked though other things are wrong.
 * `places` tells where in the document each part stands, by its place in the route as `Compiled.Problem` gives it.
 */
export interface Reading {
  readonly route: Route.Route | undefined
  readonly problems: ReadonlyArray<Problem>
  readonly places: ReadonlyMap<string, string>
}

/** Reads the route called `name`. */
export const read = (name: string, input: unknown, place: Location): Reading => {
  const problems: Array<Problem> = []
  const places = new Map<string, string>()

  const routeAt = (input: unknown, place: Location, part: string, keys: typeof RootRoute | typeof NestedRoute) => {
    places.set(part, place.path)
    if (Predicate.isString(input) && input.trim() !== "") return Route.to(input)
    if (Array.isArray(input)) return fallbackOf(input, place, part)
    if (!Predicate.isObject(input)) return refuse(invalidValue(place.path, expected, place.source))
    const kind = kinds.filter((each) => each in input)
    if (kind.length > 1 || ("fallback" in input && "across" in input)) {
      const [one = "", other = "balance"] = kind
      return refuse({
        path: place.path,
        message: `a route is either a \`${one}\` or a \`${other}\`: nest one in the other`,
      })
    }
    if ("fallback" in input) {
      const route = fallbackOf(input["fallback"], within(place, "fallback"), part)
      return withPolicies(input, place, part, keys.Fallback, route)
    }
    if ("when" in input) return withPolicies(input, place, part, keys.When, whenOf(input, place, part))
    if ("hedge" in input) return withPolicies(input, place, part, keys.Hedge, hedgeOf(input, place, part))
    return "balance" in input || "across" in input
      ? withPolicies(input, place, part, keys.Balance, balanceOf(input, place, part))
      : refuse(...unknownShape(input, place))
  }

  const fallbackOf = (input: unknown, place: Location, part: string): Route.Route | undefined => {
    const items = listOf(input, place, "a list of at least one name or route")
    const routes: Array<Route.Route> = []
    items.forEach((item, index) => {
      const route = routeAt(item, within(place, index), `${part}[${routes.length}]`, NestedRoute)
      if (route !== undefined) routes.push(route)
    })
    const [first, ...others] = routes
    return first === undefined ? undefined : Route.fallback(first, ...others)
  }

  const balanceOf = (input: object, place: Location, part: string): Route.Route | undefined => {
    const { across, balance } = input as { readonly across?: unknown; readonly balance?: unknown }
    const strategy = strategies.find((each) => each === balance)
    if (strategy === undefined) refuse(noStrategy(balance, within(place, "balance")))
    const [first, ...others] = namesOf(across, within(place, "across"), part)
    return first === undefined ? undefined : Route.balance(strategy ?? "ordered", [first, ...others])
  }

  const hedgeOf = (input: object, place: Location, part: string): Route.Route | undefined => {
    const { across, hedge } = input as { readonly across?: unknown; readonly hedge?: unknown }
    const [first, ...others] = namesOf(across, within(place, "across"), part)
    // What is wrong with `hedge` itself is told with the policies beside it.
    const hedging = Result.getOrElse(Schema.decodeUnknownResult(Hedging)(hedge), () => ({ after: "1 second" }) as const)
    return first === undefined ? undefined : Route.hedge({ ...hedging, across: [first, ...others] })
  }

  const whenOf = (input: object, place: Location, part: string): Route.Route | undefined => {
    const { else: otherwise, when } = input as { readonly else?: unknown; readonly when?: unknown }
    const list = within(place, "when")
    const cases: Array<Route.Case<Route.Route>> = []
    listOf(when, list, "a list of { if: {...}, use: ROUTE }").forEach((each, index) => {
      const at = within(list, index)
      const decoded = decode(Case, each, at)
      if (Result.isFailure(decoded)) return refuse(...decoded.failure)
      const use = routeAt(decoded.success.use, within(at, "use"), `${part}[${cases.length}]`, NestedRoute)
      return use && cases.push({ if: decoded.success.if, use })
    })
    // That there is no `else` is told with the policies beside it.
    if (otherwise === undefined) return undefined
    const last = routeAt(otherwise, within(place, "else"), `${part}.else`, NestedRoute)
    return last && Route.when(cases, last)
  }

  const namesOf = (across: unknown, list: Location, part: string): ReadonlyArray<string> => {
    const names: Array<string> = []
    listOf(across, list, "a list of at least one deployment's name").forEach((name, index) => {
      const place = within(list, index)
      if (!Predicate.isString(name)) return refuse(invalidValue(place.path, "the name of a deployment", place.source))
      places.set(`${part}[${names.length}]`, place.path)
      return names.push(name)
    })
    return names
  }

  /** The route with the branches and the policies that stand beside it: the policies hold for the branches too. */
  const withPolicies = (
    input: object,
    place: Location,
    part: string,
    shape: (typeof RootRoute | typeof NestedRoute)[keyof typeof RootRoute],
    bare: Route.Route | undefined,
  ): Route.Route | undefined => {
    const route = bare && branched(input, place, part, bare)
    const decoded = decode<PolicyFields>(shape, input, place, Policies.wrongPlaceHint)
    if (Result.isFailure(decoded)) return refuse(...decoded.failure) ?? route
    const { accept, cache, fallbackOn, retry, sse, stream, timeout, unsupportedParams } = decoded.success
    const steps = [
      retry && Route.retry(retry),
      timeout && Route.timeout(timeout),
      stream && Route.stream(stream),
      fallbackOn && Route.fallbackOn(fallbackOn),
      accept && Route.accept(accept),
      unsupportedParams && Route.unsupportedParams(unsupportedParams),
      cache && Route.cache(cache),
      sse && Route.sse(sse),
    ].filter((step) => step !== undefined)
    return steps.reduce((route, step) => route && step(route), route)
  }

  /** The nearest branch is the first written: `onContextWindow`, `onContentPolicy`, then those of `onError`. */
  const branched = (
    input: { readonly onContextWindow?: unknown; readonly onContentPolicy?: unknown; readonly onError?: unknown },
    place: Location,
    part: string,
    route: Route.Route,
  ): Route.Route => {
    const { onContentPolicy, onContextWindow, onError } = input
    const branches: Array<RawBranch> = []
    if (onContextWindow !== undefined) {
      branches.push({
        reasons: ["ContextWindowExceeded"],
        use: onContextWindow,
        place: within(place, "onContextWindow"),
      })
    }
    if (onContentPolicy !== undefined) {
      branches.push({ reasons: ["ContentPolicy"], use: onContentPolicy, place: within(place, "onContentPolicy") })
    }
    const list = within(place, "onError")
    if (onError !== undefined) {
      listOf(onError, list, "a list of { reasons: [...], use: ROUTE }").forEach((each, index) => {
        const at = within(list, index)
        const branch = decode(Branch, each, at)
        if (Result.isFailure(branch)) return refuse(...branch.failure)
        return branches.push({ ...branch.success, place: within(at, "use") })
      })
    }
    return branches.reduce((route, { place, reasons, use }) => {
      const rescue = routeAt(use, place, `${part}.on(${reasons.join("|")})`, NestedRoute)
      return rescue === undefined ? route : route.pipe(Route.onError(reasons, rescue))
    }, route)
  }

  const listOf = (input: unknown, { path, source }: Location, expected: string): ReadonlyArray<unknown> => {
    if (Array.isArray(input) && input.length > 0) return input
    refuse(
      Array.isArray(input)
        ? { path, message: `expected ${expected}, found an empty list` }
        : invalidValue(path, expected, source),
    )
    return []
  }

  const refuse = (...found: ReadonlyArray<Problem>): undefined => {
    problems.push(...found)
  }

  const route = routeAt(input, place, `routes.${name}`, RootRoute)
  return { route, problems, places }
}

/** The policies that stand beside any shape. */
type PolicyFields = { readonly [Key in keyof CorePolicies]: CorePolicies[Key] }

/** A branch as it was written. */
interface RawBranch {
  readonly reasons: readonly [ReasonTag, ...ReadonlyArray<ReasonTag>]
  readonly use: unknown
  readonly place: Location
}

/** A mapping of no known shape: its keys are misspelt, or it is of a kind that there is not. */
const unknownShape = (input: object, place: Location): ReadonlyArray<Problem> => {
  const keys = Object.keys(input)
  const misspelt = keys.filter((key) => closestMatch(key, [...kinds, "across"]) !== undefined)
  if (misspelt.length > 0) return misspelt.map((key) => unknownKey(place.path, key, known))
  const kind = keys.length === 0 ? "an empty mapping" : `a mapping of ${keys.join(", ")}`
  return [{ path: place.path, message: `expected ${expected}, found ${kind}` }]
}

const noStrategy = (input: unknown, { path, source }: Location): Problem => {
  const names = strategies.join(", ")
  if (input === undefined) return { path, message: `is missing: name a strategy, one of ${names}` }
  const meant = Predicate.isString(source) ? didYouMean(source, strategies) : ""
  return { path, message: `expected one of ${names}, found ${describeValue(source)}${meant}` }
}
