/**
 * Validation rules for the values of deployments, routes and defaults. The configuration file is validated by them, and
 * `Router.layer` checks what types cannot: a negative weight, a limit of 0, a policy where it has no effect.
 */
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { affinityBys } from "../policy/AffinityPolicy.ts"
import type { Defaults } from "../policy/Policies.ts"
import * as Chat from "../model/Chat.ts"
import * as JsonSchema from "../model/JsonSchema.ts"
import type { Problem } from "./Problem.ts"
import type { Options } from "../deployment/Deployment.ts"
import { isQuantile, quantiles } from "../policy/HedgePolicy.ts"
import type { Fault } from "../policy/Fault.ts"
import type { Params } from "../policy/Params.ts"
import * as Parameters from "../policy/Params.ts"
import * as Faults from "../policy/Fault.ts"
import { protects } from "../policy/StreamPolicy.ts"
import { reasonTags, retryable } from "../model/ProviderError.ts"
import type { Route } from "./Route.ts"
import { splitBy } from "./Split.ts"
import { queueFallbacks } from "../policy/QueuePolicy.ts"
import { strategies } from "./Strategy.ts"
import { didYouMean } from "./Suggestion.ts"

/** The rule for one value. `expected` completes "expected …" in messages. */
export interface Rule {
  readonly _tag: "Rule"
  readonly expected: string
  readonly fits: (value: unknown) => boolean
  /** Whether the value must be set. */
  readonly required?: boolean
}

const rule = (expected: string, fits: Rule["fits"]): Rule => ({ _tag: "Rule", expected, fits })

const number = (expected: string, fits: (value: number) => boolean): Rule =>
  rule(expected, (value) => Predicate.isNumber(value) && Number.isFinite(value) && fits(value))

/** 1, 2, 3 and so on. */
export const count = number("a whole number above 0", (value) => Number.isSafeInteger(value) && value > 0)

/** 0, 1, 2 and so on. */
export const countOrNone = number("a whole number, 0 or more", (value) => Number.isSafeInteger(value) && value >= 0)

export const amount = number("a number, 0 or more", (value) => value >= 0)

export const wholeNumber = number("a whole number", Number.isSafeInteger)

export const penalty = number("a number from -2 to 2", (value) => value >= -2 && value <= 2)

/** A share of the traffic. */
export const share = number("a share from 0 to 1", (value) => value >= 0 && value <= 1)

export const positiveShare = number("a share above 0 and up to 1", (value) => value > 0 && value <= 1)

const millis = (value: unknown): number =>
  Predicate.isNumber(value)
    ? value
    : Option.match(Duration.fromInput(value as Duration.Input), { onNone: () => Number.NaN, onSome: Duration.toMillis })

/** A duration, zero included. */
export const duration = rule('a duration, such as "500 millis" or "2 seconds"', (value) => millis(value) >= 0)

/** A duration above zero: a timeout of zero would fail every call. */
export const positiveDuration = rule(
  'a duration above 0, such as "500 millis" or "2 seconds"',
  (value) => millis(value) > 0,
)

/** The status of a failed response. */
export const errorStatus = number(
  "an HTTP status from 400 to 599",
  (value) => Number.isInteger(value) && value >= 400 && value <= 599,
)

const size = rule('a size above 0, such as "1 MB"', (value) =>
  Option.exists(ByteSize.fromInput(value as ByteSize.Input), (size) => !ByteSize.isZero(size)),
)

const oneOf = (values: ReadonlyArray<string>): Rule =>
  rule(`one of ${values.join(", ")}`, (value) => values.some((each) => each === value))

const required = (rule: Rule): Rule => ({ ...rule, required: true })

/** Where a misplaced key of a policy belongs; `undefined` for other keys. */
export const misplaced = (key: string): string | undefined => elsewhere[key]

const elsewhere: Readonly<Record<string, string>> = {
  total: "it limits the whole call; set it under `defaults.timeout` or on an outermost route",
  write: "it concerns the connection to the client; set it under `defaults.timeout` or on an outermost route",
  budget: "it is shared by the whole route; set it under `defaults.retry` or on an outermost route",
  cache: "it caches responses of whole calls; set it on an outermost route",
  sse: "it concerns the connection to the client; set it on an outermost route",
  shadow: "it copies whole calls; set it on an outermost route",
  faults:
    "they are switched on by the name of a route or a deployment; set them on an outermost route or in a deployment",
  priority: "it belongs to the caller; set it in the limits of a key or a team",
  connect: "it concerns connections to providers; set it under `defaults.timeout` or in a deployment",
  affinity: "it keeps a conversation on one of several deployments; set it beside a `balance`",
  ...Object.fromEntries(
    reasonTags
      .filter((reason) => !retryable.some((each) => each === reason))
      .map((reason) => [
        reason,
        "a deployment is not retried after it; the next one is tried, or the branch of `onError`",
      ]),
  ),
}

// ---------------------------------------------------------------------------------------------------------------------
// Shapes
// ---------------------------------------------------------------------------------------------------------------------

/** Rules by key; `misplaced` for a key that has no effect here. */
interface Shape {
  readonly [key: string]: Rule | Shape | "misplaced"
}

const retryShape: Shape = {
  times: countOrNone,
  timesByReason: Object.fromEntries(
    reasonTags.map((reason) => [reason, retryable.some((each) => each === reason) ? countOrNone : "misplaced"]),
  ),
  base: duration,
  max: duration,
  maxRetryAfter: duration,
}
const attemptTimeoutShape = {
  firstToken: positiveDuration,
  reasoning: positiveDuration,
  idle: positiveDuration,
  attempt: positiveDuration,
}
const circuitShape = {
  failures: count,
  failureRateThreshold: positiveShare,
  windowSize: count,
  open: positiveDuration,
  max: positiveDuration,
  permanentFailure: positiveDuration,
}
const queueShape: Shape = {
  max: countOrNone,
  maxWait: positiveDuration,
  fallback: oneOf(queueFallbacks),
  priority: "misplaced",
}
const cooldownShape = { max: positiveDuration }
const streamShape = { protect: oneOf(protects), buffer: size }
const unsupportedParamsShape = oneOf(Chat.UnsupportedParams.literals)

const defaultsShape: Shape = {
  retry: { ...retryShape, budget: share },
  timeout: { ...attemptTimeoutShape, connect: positiveDuration, total: positiveDuration, write: positiveDuration },
  circuit: circuitShape,
  cooldown: cooldownShape,
  stream: streamShape,
  unsupportedParams: unsupportedParamsShape,
}

const ratesShape: Shape = {
  input: required(amount),
  output: required(amount),
  cachedInput: amount,
  cacheWrite: amount,
  reasoning: amount,
  request: amount,
}

const stop = rule(
  'a list of texts such as ["END"]',
  (value) => Array.isArray(value) && value.length > 0 && value.every((text) => Predicate.isString(text) && text !== ""),
)

const paramsShape: Shape = {
  maxTokens: count,
  temperature: amount,
  topP: share,
  topK: count,
  stop,
  seed: wholeNumber,
  frequencyPenalty: penalty,
  presencePenalty: penalty,
  reasoning: { effort: oneOf(Chat.ReasoningEffort.literals), budget: countOrNone },
  extraBody: {},
}

const deploymentShape: Shape = {
  model: required(rule("the vendor's id of a model", (value) => Predicate.isString(value) && value.trim() !== "")),
  weight: amount,
  limits: { rpm: count, tpm: count, rpd: count, concurrency: count, queue: queueShape },
  capabilities: { contextWindow: count, maxOutput: count },
  price: ratesShape,
  params: paramsShape,
  force: paramsShape,
  retry: { ...retryShape, budget: "misplaced" },
  timeout: { ...attemptTimeoutShape, connect: positiveDuration, total: "misplaced", write: "misplaced" },
  circuit: circuitShape,
  cooldown: cooldownShape,
  unsupportedParams: unsupportedParamsShape,
}

const lengths = rule("a range such as { min: 20, max: 4000 }, with `min` up to `max`", (value) => {
  if (!Predicate.isObject(value)) return false
  const { max, min } = value as { readonly max?: unknown; readonly min?: unknown }
  if (min === undefined && max === undefined) return false
  if (min !== undefined && !countOrNone.fits(min)) return false
  return max === undefined || (count.fits(max) && Number(min ?? 0) <= Number(max))
})

const beginnings = rule('false, or beginnings of refusals such as { startsWith: ["I cannot"] }', (value) => {
  if (value === false) return true
  const texts = Predicate.isObject(value) ? Reflect.get(value, "startsWith") : undefined
  return (
    Array.isArray(texts) && texts.length > 0 && texts.every((text) => Predicate.isString(text) && text.trim() !== "")
  )
})

const acceptShape: Shape = {
  schema: rule(
    `"request", or a JSON Schema whose types and references exist`,
    (value) => value === "request" || (Predicate.isObject(value) && JsonSchema.findings(value).mistakes.length === 0),
  ),
  length: lengths,
  refusal: beginnings,
  predicate: rule(
    "a test with a name",
    (value) => Predicate.isObject(value) && Predicate.isFunction(Reflect.get(value, "test")),
  ),
}

const routeShape = {
  stream: streamShape,
  fallbackOn: oneOf(["any"]),
  accept: acceptShape,
  unsupportedParams: unsupportedParamsShape,
}

/** The policies of a whole route, and of a part of one. */
const wholeRouteShape: Shape = {
  ...routeShape,
  retry: { ...retryShape, budget: share },
  timeout: { ...attemptTimeoutShape, total: positiveDuration, write: positiveDuration, connect: "misplaced" },
  cache: { ttl: required(positiveDuration), max: count },
  sse: { keepAlive: required(positiveDuration) },
  shadow: {
    to: required(rule("the name of a route or a deployment", Predicate.isString)),
    share: required(positiveShare),
    concurrency: count,
    timeout: positiveDuration,
  },
}
const partShape: Shape = {
  ...routeShape,
  retry: { ...retryShape, budget: "misplaced" },
  timeout: { ...attemptTimeoutShape, total: "misplaced", write: "misplaced", connect: "misplaced" },
  cache: "misplaced",
  sse: "misplaced",
  shadow: "misplaced",
  faults: "misplaced",
}

const hedgeShape: Shape = {
  after: required(
    rule(`a duration such as "800 millis", or one of ${quantiles.join(", ")}`, (value) =>
      isQuantile(value) ? true : duration.fits(value),
    ),
  ),
  budget: share,
}

const affinityShape: Shape = { by: oneOf(affinityBys), for: positiveDuration }
const faultShape: Shape = {
  share: required(positiveShare),
  latency: positiveDuration,
  status: errorStatus,
  retryAfter: duration,
  outage: rule("true", (value) => value === true),
  refusal: rule("the text of a refusal", (value) => Predicate.isString(value) && value.trim() !== ""),
  disconnectAfterTokens: countOrNone,
  stallAfterTokens: countOrNone,
}

const conditionShape: Shape = { inputTokens: { above: countOrNone, below: count } }

// ---------------------------------------------------------------------------------------------------------------------
// Checking
// ---------------------------------------------------------------------------------------------------------------------

/** Every invalid value with its path, such as `deployments.a.limits.rpm` or `routes.b[0].timeout.total`. */
export const problems = (
  routes: Readonly<Record<string, Route>>,
  deployments: Iterable<readonly [name: string, deployment: Options]>,
  defaults: Defaults,
): ReadonlyArray<Problem> => [
  ...check(defaultsShape, defaults, "defaults"),
  ...Array.from(deployments).flatMap(([name, deployment]) => [
    ...check(deploymentShape, deployment, `deployments.${name}`),
    ...checkFaults(deployment.faults, `deployments.${name}.faults`),
    ...checkParams(deployment.params, `deployments.${name}.params`),
    ...checkParams(deployment.force, `deployments.${name}.force`),
  ]),
  ...Object.entries(routes).flatMap(([name, route]) => checkRoute(route, `routes.${name}`, true)),
]

const check = (shape: Shape, value: object, path: string): ReadonlyArray<Problem> =>
  Object.entries(shape).flatMap(([key, rule]) => {
    const held = (value as Readonly<Record<string, unknown>>)[key]
    const at = `${path}.${key}`
    if (rule === "misplaced") {
      return held === undefined ? [] : [{ path: at, message: `has no effect here: ${elsewhere[key] ?? ""}` }]
    }
    if (rule._tag === "Rule") return checkValue(rule as Rule, held, at)
    if (held === undefined) return []
    return Predicate.isObject(held) ? check(rule as Shape, held, at) : [invalidValue(at, "an object", held)]
  })

const checkValue = ({ expected, fits, required }: Rule, value: unknown, path: string): ReadonlyArray<Problem> => {
  if (value === undefined) return required === true ? [{ path, message: `is missing: expected ${expected}` }] : []
  return fits(value) ? [] : [invalidValue(path, expected, value)]
}

const invalidValue = (path: string, expected: string, value: unknown): Problem => ({
  path,
  message: `expected ${expected}, found ${Predicate.isString(value) || Predicate.isObjectOrArray(value) ? JSON.stringify(value) : String(value)}`,
})

/** Parameters have names that exist, and vendors' fields none that the engine sets. */
const checkParams = (params: Params | undefined, path: string): ReadonlyArray<Problem> => {
  if (!Predicate.isObject(params)) return []
  const unknown = Object.keys(params)
    .filter((name) => !Object.hasOwn(paramsShape, name))
    .map((name) => ({
      path: `${path}.${name}`,
      message: `is no parameter${didYouMean(name, Object.keys(paramsShape))}`,
    }))
  return [...unknown, ...reserved(params.extraBody, `${path}.extraBody`)]
}

const reserved = (fields: unknown, path: string): ReadonlyArray<Problem> =>
  Object.entries(Predicate.isObject(fields) ? fields : {}).flatMap(([name, value]) => {
    const reason = Parameters.reservedField(name)
    if (reason !== undefined) return [{ path: `${path}.${name}`, message: `cannot be set in extraBody: ${reason}` }]
    return Parameters.containers.has(name) ? reserved(value, `${path}.${name}`) : []
  })

/** Each fault has latency, one of the other kinds, or both, and the shares of a list are shares of the same attempts. */
const checkFaults = (faults: ReadonlyArray<Fault> | undefined, path: string): ReadonlyArray<Problem> => {
  if (faults === undefined) return []
  const found = faults.flatMap((fault, index) => {
    const at = `${path}[${index}]`
    const kinds = Faults.kinds.filter((kind) => kind !== "latency" && fault[kind] !== undefined)
    return [
      ...check(faultShape, fault, at),
      ...(kinds.length > 1 ? [{ path: at, message: `is either ${kinds.join(" or ")}: make a fault of each` }] : []),
      ...(kinds.length === 0 && fault.latency === undefined
        ? [{ path: at, message: `does nothing: set one of ${Faults.kinds.join(", ")}` }]
        : []),
      ...(fault.retryAfter !== undefined && fault.status === undefined
        ? [{ path: `${at}.retryAfter`, message: "has no effect without a status" }]
        : []),
    ]
  })
  if (found.length > 0) return found
  const total = faults.reduce((sum, { share }) => sum + share, 0)
  return total > 1 + 1e-9
    ? [
        {
          path,
          message: `have shares of ${Number(total.toFixed(4))} in all: an attempt has at most one fault, so that they add up to at most 1`,
        },
      ]
    : []
}

/** `isWhole`: whether policies here are those of the whole route, error branches excepted. */
const checkRoute = (route: Route, path: string, isWhole: boolean): ReadonlyArray<Problem> => {
  switch (route._tag) {
    case "Target":
      return []
    case "Fallback":
      return route.routes.flatMap((each, index) => checkRoute(each, `${path}[${index}]`, false))
    case "Balance":
      return [
        ...checkValue(oneOf(strategies), route.strategy, `${path}.balance`),
        ...(route.affinity === undefined ? [] : check(affinityShape, route.affinity, `${path}.affinity`)),
      ]
    case "Hedge":
      return check(hedgeShape, route.hedge, `${path}.hedge`)
    case "When":
      return [
        ...route.cases.flatMap((each, index) => [
          ...check(conditionShape, each.if, `${path}[${index}].if`),
          ...checkRoute(each.use, `${path}[${index}]`, false),
        ]),
        ...checkRoute(route.otherwise, `${path}.else`, false),
      ]
    case "Split":
      return [
        ...checkValue(oneOf(splitBy), route.by, `${path}.by`),
        ...route.arms.flatMap((arm, index) => [
          ...checkValue(required(amount), arm.share, `${path}[${index}].share`),
          ...checkRoute(arm.use, `${path}[${index}]`, false),
        ]),
      ]
    case "OnError":
      return [
        ...route.reasons.flatMap((reason) => checkValue(oneOf(reasonTags), reason, `${path}.on`)),
        ...checkRoute(route.route, path, isWhole),
        ...checkRoute(route.use, `${path}.on(${route.reasons.join("|")})`, false),
      ]
    case "Policies":
      return [
        ...check(isWhole ? wholeRouteShape : partShape, route.policies, path),
        ...(isWhole ? checkFaults(route.policies.faults, `${path}.faults`) : []),
        ...checkRoute(route.route, path, isWhole),
      ]
  }
}
