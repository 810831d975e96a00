/**
 * The `routes` section of a configuration: each route is a name, a list, or a mapping with `fallback`, `balance`, `hedge`,
 * `when` or `split`, and may have policies and error branches. The shape of the input selects the schema, so that error messages
 * are about that shape.
 */
import { capabilities } from "@understudy/core/Call"
import { minutesOf } from "@understudy/core/internal/route/Condition"
import { isQuantile, quantiles } from "@understudy/core/internal/policy/HedgePolicy"
import type { Accept, Policies as CorePolicies } from "@understudy/core/Policies"
import type { ReasonTag } from "@understudy/core/ProviderError"
import { reasonTags } from "@understudy/core/ProviderError"
import * as Route from "@understudy/core/Route"
import { splitBy, strategies } from "@understudy/core/Route"
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
import { amount, count, countOrNone, share, source, text, word } from "./Fields.ts"
import { Faults } from "./Faults.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Keys
// ---------------------------------------------------------------------------------------------------------------------

const routeRef = Schema.Unknown.pipe(Schema.annotateKey({ messageMissingKey: "is missing: name the route to take" }))

/** Hedging: how long the first attempt may take before a second one starts, and the share of calls that may be hedged. */
export const Hedging = Schema.Struct({
  after: source({
    from: Schema.String,
    to: Schema.Union([Schema.Duration, Schema.Literals(quantiles)]),
    expected: `a duration such as 800ms, or one of ${quantiles.join(", ")}`,
    parse: (text) => (isQuantile(text) ? text : parseDuration(text)),
    print: (after) => (isQuantile(after) ? after : printDuration(after)),
  }).pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: set the delay before the second attempt, such as 800ms" }),
  ),
  budget: Schema.optionalKey(share),
})

/** The keys of each shape. Keys of type `Unknown` hold nested routes, which `readRoute` reads. */
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
      affinity: Schema.optionalKey(Policies.Affinity),
      ...policies,
    }),
    When: Schema.Struct({
      when: Schema.Unknown,
      else: Schema.Unknown.pipe(
        Schema.annotateKey({ messageMissingKey: "is missing: name the route for calls that match no case" }),
      ),
      ...policies,
    }),
    Hedge: Schema.Struct({ hedge: Hedging, across: Schema.optionalKey(Schema.Unknown), ...policies }),
    Split: Schema.Struct({ split: Schema.Unknown, by: Schema.optionalKey(word(splitBy)), ...policies }),
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

/** The condition of a case of `when`. */
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

/** A case of `when`. `use` is a nested route, read by `readRoute`. */
export const Case = Schema.Struct({
  if: If.pipe(Schema.annotateKey({ messageMissingKey: "is missing: set a condition, such as { tags: [vip] }" })),
  use: routeRef,
})

/** An arm of `split`. `use` is a nested route, read by `readRoute`. */
export const Arm = Schema.Struct({
  use: routeRef,
  share: amount.pipe(Schema.annotateKey({ messageMissingKey: "is missing: set the share of the calls, such as 10" })),
})

/** A branch of `onError`. `use` is a nested route, read by `readRoute`. */
export const Branch = Schema.Struct({
  reasons: Schema.NonEmptyArray(
    Schema.Literals(reasonTags).annotate({ expected: `the name of a reason: ${reasonTags.join(", ")}` }),
  ).annotate({ expected: "a list of at least one reason" }),
  use: routeRef,
})

/** The shapes of a route at the top level. Only they take settings of the whole call. */
export const RootRoute = shapes({
  retry: Schema.optionalKey(Policies.Retry.whole),
  timeout: Schema.optionalKey(Policies.Timeout.route),
  cache: Schema.optionalKey(Policies.Cache),
  sse: Schema.optionalKey(Policies.Sse),
  shadow: Schema.optionalKey(Policies.Shadow),
  faults: Schema.optionalKey(Faults),
})
/** The shapes of a route inside another route. */
const NestedRoute = shapes({
  retry: Schema.optionalKey(Policies.Retry.part),
  timeout: Schema.optionalKey(Policies.Timeout.part),
})

type Shapes = typeof RootRoute | typeof NestedRoute

const kinds = ["fallback", "balance", "hedge", "when", "split"]

const known = [...kinds, "else", "by", ...Object.keys(RootRoute.Balance.fields).filter((key) => !kinds.includes(key))]

const expected = "a name, a list of names, or a mapping with `fallback`, `balance`, `hedge`, `when` or `split`"

// ---------------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The result of reading a route. `route` holds all parts that could be read, so that names can be checked although other
 * parts are wrong. `places` gives the document path of each node of the route, by the path that `BoundRoute.Problem` uses.
 */
export interface Reading {
  readonly route: Route.Route | undefined
  readonly problems: ReadonlyArray<Problem>
  readonly places: ReadonlyMap<string, string>
}

/** Reads the route called `name`. */
export const read = (name: string, input: unknown, location: Location): Reading => {
  const reader: Reader = { problems: [], places: new Map() }
  const route = readRoute(reader, input, { location, node: `routes.${name}` }, RootRoute)
  return { route, ...reader }
}

/** Collects the problems and places of one route. */
interface Reader {
  readonly problems: Array<Problem>
  readonly places: Map<string, string>
}

/** Where an input is in the document, and the path of its node in the route. */
interface Position {
  readonly location: Location
  readonly node: string
}

/** The position of the value at `key`: further inside the document, in the same node unless `node` is given. */
const inside = ({ location, node }: Position, key: string | number, child: string = node): Position => ({
  location: within(location, key),
  node: child,
})

const reject = ({ problems }: Reader, ...found: ReadonlyArray<Problem>): undefined => {
  problems.push(...found)
}

const readRoute = (reader: Reader, input: unknown, at: Position, shapes: Shapes): Route.Route | undefined => {
  const { path, source } = at.location
  reader.places.set(at.node, path)
  if (Predicate.isString(input) && input.trim() !== "") return Route.to(input)
  if (Array.isArray(input)) return readFallback(reader, input, at)
  if (!Predicate.isObject(input)) return reject(reader, invalidValue(path, expected, source))
  const kind = kinds.filter((each) => each in input)
  if (kind.length > 1 || ("fallback" in input && "across" in input)) {
    const [one = "", other = "balance"] = kind
    return reject(reader, { path, message: `a route is either a \`${one}\` or a \`${other}\`: nest one in the other` })
  }
  if ("fallback" in input) {
    const route = readFallback(reader, input["fallback"], inside(at, "fallback"))
    return withPolicies(reader, input, at, shapes.Fallback, route)
  }
  if ("when" in input) return withPolicies(reader, input, at, shapes.When, readWhen(reader, input, at))
  if ("split" in input) return withPolicies(reader, input, at, shapes.Split, readSplit(reader, input, at))
  if ("hedge" in input) return withPolicies(reader, input, at, shapes.Hedge, readHedge(reader, input, at))
  return "balance" in input || "across" in input
    ? withPolicies(reader, input, at, shapes.Balance, readBalance(reader, input, at))
    : reject(reader, ...unknownShape(input, at.location))
}

const readFallback = (reader: Reader, input: unknown, at: Position): Route.Route | undefined => {
  const routes: Array<Route.Route> = []
  readList(reader, input, at, "a list of at least one name or route").forEach((item, index) => {
    const route = readRoute(reader, item, inside(at, index, `${at.node}[${routes.length}]`), NestedRoute)
    if (route !== undefined) routes.push(route)
  })
  const [first, ...others] = routes
  return first === undefined ? undefined : Route.fallback(first, ...others)
}

const readBalance = (reader: Reader, input: object, at: Position): Route.Route | undefined => {
  const { across, affinity, balance } = input as Readonly<Partial<Record<"across" | "affinity" | "balance", unknown>>>
  const strategy = strategies.find((each) => each === balance)
  if (strategy === undefined) reject(reader, noStrategy(balance, within(at.location, "balance")))
  const [first, ...others] = readNames(reader, across, inside(at, "across"))
  // `withPolicies` reports what is wrong with `affinity`.
  const kept = Result.getOrUndefined(Schema.decodeUnknownResult(Policies.Affinity)(affinity))
  return first === undefined ? undefined : Route.balance(strategy ?? "ordered", [first, ...others], { affinity: kept })
}

const readHedge = (reader: Reader, input: object, at: Position): Route.Route | undefined => {
  const { across, hedge } = input as { readonly across?: unknown; readonly hedge?: unknown }
  const [first, ...others] = readNames(reader, across, inside(at, "across"))
  // `withPolicies` reports what is wrong with `hedge`.
  const hedging = Result.getOrElse(Schema.decodeUnknownResult(Hedging)(hedge), () => ({ after: "1 second" }) as const)
  return first === undefined ? undefined : Route.hedge({ ...hedging, across: [first, ...others] })
}

const readWhen = (reader: Reader, input: object, at: Position): Route.Route | undefined => {
  const { else: otherwise, when } = input as { readonly else?: unknown; readonly when?: unknown }
  const list = inside(at, "when")
  const cases: Array<Route.Case<Route.Route>> = []
  readList(reader, when, list, "a list of { if: {...}, use: ROUTE }").forEach((each, index) => {
    const entry = inside(list, index, `${at.node}[${cases.length}]`)
    const decoded = decode(Case, each, entry.location)
    if (Result.isFailure(decoded)) return reject(reader, ...decoded.failure)
    const use = readRoute(reader, decoded.success.use, inside(entry, "use"), NestedRoute)
    return use && cases.push({ if: decoded.success.if, use })
  })
  // `withPolicies` reports a missing `else`.
  if (otherwise === undefined) return undefined
  const last = readRoute(reader, otherwise, inside(at, "else", `${at.node}.else`), NestedRoute)
  return last && Route.when(cases, last)
}

const readSplit = (reader: Reader, input: object, at: Position): Route.Route | undefined => {
  const { by, split } = input as { readonly by?: unknown; readonly split?: unknown }
  const list = inside(at, "split")
  const arms: Array<Route.Arm<Route.Route>> = []
  readList(reader, split, list, "a list of { use: ROUTE, share: NUMBER }").forEach((each, index) => {
    const entry = inside(list, index, `${at.node}[${arms.length}]`)
    const decoded = decode(Arm, each, entry.location)
    if (Result.isFailure(decoded)) return reject(reader, ...decoded.failure)
    const { share, use } = decoded.success
    const route = readRoute(reader, use, inside(entry, "use"), NestedRoute)
    return route && arms.push({ use: route, share })
  })
  const [first, ...others] = arms
  // `withPolicies` reports what is wrong with `by`.
  return first && Route.split([first, ...others], { by: splitBy.find((each) => each === by) })
}

/** Reads the deployments' names of a balance or a hedge. */
const readNames = (reader: Reader, across: unknown, list: Position): ReadonlyArray<string> => {
  const names: Array<string> = []
  readList(reader, across, list, "a list of at least one deployment's name").forEach((name, index) => {
    const { path, source } = within(list.location, index)
    if (!Predicate.isString(name)) return reject(reader, invalidValue(path, "the name of a deployment", source))
    reader.places.set(`${list.node}[${names.length}]`, path)
    return names.push(name)
  })
  return names
}

/** The route with its error branches and policies. The policies hold for the branches too. */
const withPolicies = (
  reader: Reader,
  input: object,
  at: Position,
  shape: Shapes[keyof Shapes],
  bare: Route.Route | undefined,
): Route.Route | undefined => {
  const route = bare && withBranches(reader, input, at, bare)
  const decoded = decode<PolicyFields>(shape, input, at.location, Policies.wrongPlaceHint)
  if (Result.isFailure(decoded)) return reject(reader, ...decoded.failure) ?? route
  const { accept, cache, fallbackOn, faults, retry, shadow, sse, stream, timeout, unsupportedParams } = decoded.success
  const steps = [
    retry && Route.retry(retry),
    timeout && Route.timeout(timeout),
    stream && Route.stream(stream),
    fallbackOn && Route.fallbackOn(fallbackOn),
    accept && Route.accept(accept),
    unsupportedParams && Route.unsupportedParams(unsupportedParams),
    cache && Route.cache(cache),
    sse && Route.sse(sse),
    shadow && Route.shadow(shadow),
    faults && Route.faults(faults),
  ].filter((step) => step !== undefined)
  return steps.reduce((route, step) => route && step(route), route)
}

/** The policies that any shape of route may have. */
type PolicyFields = Omit<CorePolicies, "accept"> & { readonly accept?: Accept }

/** The route with its error branches, the first in `rawBranches` innermost. */
const withBranches = (reader: Reader, input: BranchKeys, at: Position, route: Route.Route): Route.Route =>
  rawBranches(reader, input, at).reduce((route, { location, reasons, use }) => {
    const branch = readRoute(reader, use, { location, node: `${at.node}.on(${reasons.join("|")})` }, NestedRoute)
    return branch === undefined ? route : route.pipe(Route.onError(reasons, branch))
  }, route)

interface BranchKeys {
  readonly onContextWindow?: unknown
  readonly onContentPolicy?: unknown
  readonly onError?: unknown
}

/** An error branch whose route is not read yet. */
interface RawBranch {
  readonly reasons: readonly [ReasonTag, ...ReadonlyArray<ReasonTag>]
  readonly use: unknown
  readonly location: Location
}

/** The branches in their order: `onContextWindow`, `onContentPolicy`, then those of `onError`. */
const rawBranches = (reader: Reader, input: BranchKeys, at: Position): ReadonlyArray<RawBranch> => {
  const { onContentPolicy, onContextWindow, onError } = input
  const branches: Array<RawBranch> = []
  if (onContextWindow !== undefined) {
    const location = within(at.location, "onContextWindow")
    branches.push({ reasons: ["ContextWindowExceeded"], use: onContextWindow, location })
  }
  if (onContentPolicy !== undefined) {
    const location = within(at.location, "onContentPolicy")
    branches.push({ reasons: ["ContentPolicy"], use: onContentPolicy, location })
  }
  if (onError === undefined) return branches
  const list = inside(at, "onError")
  readList(reader, onError, list, "a list of { reasons: [...], use: ROUTE }").forEach((each, index) => {
    const location = within(list.location, index)
    const branch = decode(Branch, each, location)
    if (Result.isFailure(branch)) return reject(reader, ...branch.failure)
    return branches.push({ ...branch.success, location: within(location, "use") })
  })
  return branches
}

/** The items of a list, which must not be empty; none where `input` is something else. */
const readList = (
  reader: Reader,
  input: unknown,
  { location: { path, source } }: Position,
  expected: string,
): ReadonlyArray<unknown> => {
  if (Array.isArray(input) && input.length > 0) return input
  reject(
    reader,
    Array.isArray(input)
      ? { path, message: `expected ${expected}, found an empty list` }
      : invalidValue(path, expected, source),
  )
  return []
}

/** The problems of a mapping without a key that names its shape. */
const unknownShape = (input: object, { path }: Location): ReadonlyArray<Problem> => {
  const keys = Object.keys(input)
  const misspelt = keys.filter((key) => closestMatch(key, [...kinds, "across"]) !== undefined)
  if (misspelt.length > 0) return misspelt.map((key) => unknownKey(path, key, known))
  const kind = keys.length === 0 ? "an empty mapping" : `a mapping of ${keys.join(", ")}`
  return [{ path, message: `expected ${expected}, found ${kind}` }]
}

const noStrategy = (input: unknown, { path, source }: Location): Problem => {
  const names = strategies.join(", ")
  if (input === undefined) return { path, message: `is missing: set a strategy, one of ${names}` }
  const suggestion = Predicate.isString(source) ? didYouMean(source, strategies) : ""
  return { path, message: `expected one of ${names}, found ${describeValue(source)}${suggestion}` }
}
