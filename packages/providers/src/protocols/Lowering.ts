/**
 * Lowering: encodes a request for a vendor. If the client spoke the vendor's protocol, its own body is sent; otherwise
 * the protocol's codec encodes the request. Parameters that the vendor does not support are handled as the request's
 * `unsupportedParams` says.
 *
 * A request passes: `Endpoint.fit`, then `native` (the client's own body) or `encode`, then the check for dropped
 * parameters.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Endpoint from "./Endpoint.ts"
import * as EncryptedReasoning from "./EncryptedReasoning.ts"
import * as Overrides from "./Overrides.ts"
import type { Names } from "./ToolNames.ts"

/** A JSON object of a wire body. */
export type Block = Record<string, unknown>

/** Reports a dropped or changed parameter as a noun phrase, without values of the request. */
export type Warn = (warning: string) => void

/** A part of any message. */
export type Part = Chat.Message["content"][number]

/** The result of a protocol's encoder. */
export interface Encoded<Body = Record<string, unknown>> {
  /** The wire body, without the parameters that ask for a stream. */
  readonly body: Body
  /** The dropped parameters, each once. */
  readonly warnings: ReadonlyArray<string>
  /**
   * The parameters that are sent differently, or added, each once. They are reported, and never a reason to skip the
   * deployment.
   */
  readonly changes?: ReadonlyArray<string> | undefined
}

/** The encoder of a protocol's `Request`: for a conversation, unless another request type is given. */
export interface RequestEncoder<Body, Request = Chat.Request> {
  /**
   * The client's own body, adapted to the endpoint; `undefined` if the client spoke another protocol. `change` and
   * `warn` report changed and dropped parameters.
   */
  readonly native: (request: Request, endpoint: Endpoint.Endpoint, change: Warn, warn: Warn) => Body | undefined
  /** The client's own body with the parameters that the deployment sets: see `Overrides`. */
  readonly override?: (
    body: Body,
    request: Request,
    overrides: Chat.Overrides,
    change: Warn,
    warn: Warn,
  ) => Result.Result<Body, ProviderError>
  /** The first feature of the client's own body that the server lacks and that cannot be dropped. */
  readonly missingFeature?: (request: Request) => string | undefined
  readonly encode: (request: Request) => Result.Result<Encoded<Body>, ProviderError>
  /** Fields of other protocols that have the same name and meaning in this one, by protocol. */
  readonly sharedFields?: Readonly<Record<string, ReadonlyArray<string>>> | undefined
}

/** The fields of a request that lowering reads. */
type LowerableRequest = Pick<
  Chat.Request,
  | "model"
  | "native"
  | "overrides"
  | "toolChoice"
  | "tools"
  | "droppedParams"
  | "requiredUnsupported"
  | "unsupportedParams"
  | "user"
  | "vendor"
>

/** A body that can be sent, and the parameters dropped from it. */
export interface Lowered<Body> {
  readonly body: Body
  readonly droppedParams: ReadonlyArray<string> | undefined
  /** Set if it is the client's own body. */
  readonly isNative?: true
  /** The client's names of tools, by the names sent to the vendor, if they differ. */
  readonly names?: Names
}

/** A body, and what is to be reported about it. */
interface Finished<Body> {
  readonly body: Body
  readonly dropped: ReadonlyArray<string>
  readonly changes: ReadonlyArray<string>
  readonly isNative?: true
  readonly names: Names | undefined
}

/** Collects dropped and changed parameters, each once. */
export const warnings = (): {
  readonly warnings: ReadonlyArray<string>
  readonly warn: Warn
  readonly changes: ReadonlyArray<string>
  readonly change: Warn
} => {
  const warnings: Array<string> = []
  const changes: Array<string> = []
  return { warnings, warn: once(warnings), changes, change: once(changes) }
}

const once =
  (list: Array<string>): Warn =>
  (warning) => {
    if (!list.includes(warning)) list.push(warning)
  }

/** The `changes` of an encoder's result, if there are any. */
export const withChanges = (changes: ReadonlyArray<string>): Pick<Encoded, "changes"> =>
  changes.length === 0 ? nothing : { changes }

const nothing = {}

/** The error for a feature that cannot be dropped. Another deployment may support it. */
export const unsupported = (protocol: string, feature: string): Result.Result<never, ProviderError> =>
  Result.fail(
    new ProviderError({
      reason: { _tag: "Unsupported", feature },
      message: `${protocol} does not support: ${feature}`,
    }),
  )

/**
 * The lowering of one provider. It logs each dropped parameter once. `host` accepts the encrypted reasoning: by default
 * the endpoint's; `EncryptedReasoning.noHost` if the vendor rejected it.
 */
export const make = <Body, Request extends LowerableRequest>(
  vendor: string,
  protocol: string,
  { sharedFields, encode, missingFeature, native, override }: RequestEncoder<Body, Request>,
  endpoint: Endpoint.Endpoint = Endpoint.unlimited,
): ((request: Request, host?: EncryptedReasoning.Host) => Effect.Effect<Lowered<Body>, ProviderError>) => {
  const logged = new Set<string>()

  /** Applies the request's policy to dropped parameters: skip, report and log, or drop. */
  const finish = (
    { model, overrides, unsupportedParams: policy }: Request,
    { body: own, changes, dropped, names, ...native }: Finished<Body>,
  ): Effect.Effect<Lowered<Body>, ProviderError> => {
    const body = Overrides.withExtraBody(own, overrides?.extraBody)
    if (dropped.length > 0 && policy === "skip") {
      return Effect.fromResult(unsupported(protocol, dropped.join("; ")))
    }
    // A dropped parameter is not reported as hashed too.
    const isSent = (change: string) => !dropped.some((each) => change.startsWith(`${each} longer than `))
    const all = dropped.length === 0 ? changes : [...dropped, ...changes.filter(isSent)]
    const droppedParams = all.length === 0 || policy === "drop" ? undefined : all
    const lowered = names === undefined ? { body, droppedParams, ...native } : { body, droppedParams, ...native, names }
    const notYetLogged = policy === "drop" ? none : dropped.filter((warning) => !logged.has(warning))
    for (const warning of notYetLogged) logged.add(warning)
    return notYetLogged.length === 0
      ? Effect.succeed(lowered)
      : Effect.as(Effect.logWarning(`${vendor}: dropped for ${model}: ${notYetLogged.join("; ")}`), lowered)
  }

  /** The request with what the deployment sets in the client's own body, as if the client had set it. */
  const overridden = (request: Request, change: Warn, warn: Warn): Result.Result<Request, ProviderError> => {
    const { native, overrides } = request
    if (override === undefined || native?.protocol !== protocol || !Overrides.changesBody(overrides))
      return Result.succeed(request)
    return Result.map(override(native.body as Body, request, overrides, change, warn), (body) => ({
      ...request,
      native: { ...native, body },
    }))
  }

  return (given, host = endpoint.host) => {
    const excess = Endpoint.unsupported(given, protocol, endpoint)
    if (excess !== undefined) return Effect.fromResult(unsupported(protocol, excess))
    const { changes: more, change, warn, warnings: dropped } = warnings()
    const withParams = overridden(given, change, warn)
    if (Result.isFailure(withParams)) return Effect.fail(withParams.failure)
    const original = withParams.success
    const { changes, names, request: fitted } = Endpoint.fit(original, protocol, endpoint, host)
    for (const each of changes) change(each)
    if (host === EncryptedReasoning.noHost)
      change("reasoning of earlier responses, whose signatures the vendor rejects")
    const own = native(fitted, host === endpoint.host ? endpoint : { ...endpoint, host }, change, warn)
    if (own !== undefined) {
      const missing = missingFeature?.(fitted)
      return missing === undefined
        ? finish(original, { body: own, dropped, changes: more, isNative: true, names })
        : Effect.fromResult(unsupported(protocol, missing))
    }
    const request = sharedFields === undefined ? fitted : withSharedFields(fitted, protocol, sharedFields)
    const { requiredUnsupported = none } = request
    if (requiredUnsupported.length > 0) return Effect.fromResult(unsupported(protocol, requiredUnsupported.join("; ")))
    const hostedTools = requiredHostedTools(request, protocol)
    if (hostedTools !== undefined) return Effect.fromResult(unsupported(protocol, hostedTools))
    const encoded = encode(request)
    if (Result.isFailure(encoded)) return Effect.fail(encoded.failure)
    const { body, changes: codecChanges = none, warnings: codecWarnings } = encoded.success
    for (const each of codecChanges) change(each)
    const droppedParams = [
      ...codecWarnings,
      ...(request.droppedParams ?? none),
      ...unsupportedFields(request, protocol),
    ]
    return finish(original, { body, dropped: droppedParams, changes: more, names })
  }
}

/**
 * The request with the fields of other protocols that `protocol` shares. The protocol's own fields take precedence.
 */
const withSharedFields = <Request extends LowerableRequest>(
  request: Request,
  protocol: string,
  sharedFields: Readonly<Record<string, ReadonlyArray<string>>>,
): Request => {
  if (request.vendor === undefined) return request
  const { [protocol]: own, ...others } = request.vendor
  const shared: Record<string, unknown> = {}
  const vendor: Record<string, Record<string, unknown>> = {}
  for (const [other, fields] of Object.entries(others)) {
    const same = new Set(sharedFields[other])
    vendor[other] = {}
    for (const [name, value] of Object.entries(fields)) (same.has(name) ? shared : vendor[other])[name] = value
  }
  return { ...request, vendor: { ...vendor, [protocol]: { ...shared, ...own } } }
}

/** The fields that only another protocol has. */
const unsupportedFields = ({ vendor }: LowerableRequest, protocol: string): ReadonlyArray<string> =>
  vendor === undefined
    ? none
    : Object.entries(vendor).flatMap(([other, fields]) => (other === protocol ? none : Object.keys(fields)))

const none: ReadonlyArray<string> = []

/**
 * The error for tools that only another vendor runs, such as a web search; they are in `vendor` under `tools`. Next to
 * functions they are optional for the model. If there are no others, or one of them is forced, they cannot be dropped.
 */
const requiredHostedTools = (
  { toolChoice, tools = [], vendor }: LowerableRequest,
  protocol: string,
): string | undefined => {
  if (vendor === undefined || toolChoice === "none") return undefined
  const chosen = Predicate.isObject(toolChoice) ? toolChoice.name : undefined
  const known = chosen === undefined ? tools.length > 0 : tools.some(({ name }) => name === chosen)
  if (known) return undefined
  const other = Object.keys(vendor).find((name) => name !== protocol && vendor[name]?.["tools"] !== undefined)
  return other === undefined ? undefined : `tools that run on the vendor's side, of the protocol ${other}`
}
