/**
 * A request on its way to a vendor: as its client wrote it, where the client spoke the vendor's own protocol, else encoded
 * by the protocol's codec. What was wished for and could not be said is dealt with as the request's `unsupported` says.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Endpoint from "./Endpoint.ts"
import * as EncryptedReasoning from "./EncryptedReasoning.ts"
import type { Names } from "./ToolNames.ts"

/** A piece of a body as the wire has it. */
export type Block = Record<string, unknown>

/** Names a hint that the protocol cannot say, as a noun phrase without the request's own words. */
export type Warn = (warning: string) => void

/** Any part of any message. */
export type Part = Chat.Message["content"][number]

/** A request as its protocol's codec encodes it. */
export interface Encoded<Body = Record<string, unknown>> {
  /** The wire body, without what asks for a stream. */
  readonly body: Body
  /** What was wished for and could not be said, each thing once. */
  readonly warnings: ReadonlyArray<string>
  /** What is said otherwise than it was wished, or without a wish, each thing once: it is named, and never refused. */
  readonly changes?: ReadonlyArray<string> | undefined
}

/** The part of a protocol's `Request` that lowers: a conversation, if nothing else is said. */
export interface RequestEncoder<Body, Request = Chat.Request> {
  /** The client's own body as the endpoint takes it, where the client spoke the protocol; `change` is told what it alters. */
  readonly native: (request: Request, endpoint: Endpoint.Endpoint, change: Warn, warn: Warn) => Body | undefined
  /** What a client's own body asks for that the server lacks, and that the answer would be another without. */
  readonly lacks?: (request: Request) => string | undefined
  readonly encode: (request: Request) => Result.Result<Encoded<Body>, ProviderError>
  /** The fields of other protocols that mean the same in this one, under the same name: by protocol. */
  readonly adopts?: Readonly<Record<string, ReadonlyArray<string>>> | undefined
}

/** What every request says of how it is to be lowered. */
type Lowerable = Pick<
  Chat.Request,
  | "model"
  | "native"
  | "toolChoice"
  | "tools"
  | "droppedParams"
  | "requiredUnsupported"
  | "unsupportedParams"
  | "user"
  | "vendor"
>

/** A body that can be sent, and what it does not say. */
export interface Lowered<Body> {
  readonly body: Body
  readonly droppedParams: ReadonlyArray<string> | undefined
  /** The client's own names of tools, by those that the vendor is told, where these are others. */
  readonly names?: Names
}

/** A body on its way out, and what is to be told of it. */
interface Finished<Body> {
  readonly body: Body
  readonly dropped: ReadonlyArray<string>
  readonly changes: ReadonlyArray<string>
  readonly names: Names | undefined
}

/** Collects warnings, and what is said otherwise, each once. */
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

/** What is said otherwise, where there is anything. */
export const altered = (changes: ReadonlyArray<string>): Pick<Encoded, "changes"> =>
  changes.length === 0 ? nothing : { changes }

const nothing = {}

/** What the answer would be another without: another candidate may be able to. */
export const unsupported = (protocol: string, feature: string): Result.Result<never, ProviderError> =>
  Result.fail(
    new ProviderError({ reason: { _tag: "Unsupported", feature }, message: `${protocol} cannot say: ${feature}` }),
  )

/**
 * How one provider lowers: it remembers what it has warned of, and logs each thing once. `host` is whose seals the request
 * is to have, if not the endpoint's: `EncryptedReasoning.nobody` where it has refused one.
 */
export const make = <Body, Request extends Lowerable>(
  vendor: string,
  protocol: string,
  { adopts, encode, lacks, native }: RequestEncoder<Body, Request>,
  endpoint: Endpoint.Endpoint = Endpoint.boundless,
): ((request: Request, host?: EncryptedReasoning.Host) => Effect.Effect<Lowered<Body>, ProviderError>) => {
  const logged = new Set<string>()

  /** A body that leaves `dropped` out: refused, logged or told of, as the request says. */
  const finish = (
    { model, unsupportedParams: policy }: Request,
    { body, changes, dropped, names }: Finished<Body>,
  ): Effect.Effect<Lowered<Body>, ProviderError> => {
    if (dropped.length > 0 && policy === "skip") {
      return Effect.fromResult(unsupported(protocol, dropped.join("; ")))
    }
    // What is left out is not sent as its hash either.
    const isSent = (change: string) => !dropped.some((each) => change.startsWith(`${each} of more than `))
    const all = dropped.length === 0 ? changes : [...dropped, ...changes.filter(isSent)]
    const droppedParams = all.length === 0 || policy === "drop" ? undefined : all
    const lowered = names === undefined ? { body, droppedParams } : { body, droppedParams, names }
    const unheard = policy === "drop" ? none : dropped.filter((warning) => !logged.has(warning))
    for (const warning of unheard) logged.add(warning)
    return unheard.length === 0
      ? Effect.succeed(lowered)
      : Effect.as(Effect.logWarning(`${vendor}: not said to ${model}: ${unheard.join("; ")}`), lowered)
  }

  return (asked, host = endpoint.host) => {
    const excess = Endpoint.unsupported(asked, protocol, endpoint)
    if (excess !== undefined) return Effect.fromResult(unsupported(protocol, excess))
    const { changes, names, request: fitted } = Endpoint.fit(asked, protocol, endpoint, host)
    const { changes: more, change, warn, warnings: dropped } = warnings()
    for (const each of changes) change(each)
    if (host === EncryptedReasoning.nobody)
      change("the reasoning of earlier answers, whose signatures the vendor refuses")
    const own = native(fitted, host === endpoint.host ? endpoint : { ...endpoint, host }, change, warn)
    if (own !== undefined) {
      const lacking = lacks?.(fitted)
      return lacking === undefined
        ? finish(asked, { body: own, dropped, changes: more, names })
        : Effect.fromResult(unsupported(protocol, lacking))
    }
    const request = adopts === undefined ? fitted : adopt(fitted, protocol, adopts)
    const { requiredUnsupported = none } = request
    if (requiredUnsupported.length > 0) return Effect.fromResult(unsupported(protocol, requiredUnsupported.join("; ")))
    const hosted = hostedAlone(request, protocol)
    if (hosted !== undefined) return Effect.fromResult(unsupported(protocol, hosted))
    const encoded = encode(request)
    if (Result.isFailure(encoded)) return Effect.fail(encoded.failure)
    const { body, changes: altered = none, warnings: unheeded } = encoded.success
    for (const each of altered) change(each)
    const droppedParams = [...unheeded, ...(request.droppedParams ?? none), ...foreign(request, protocol)]
    return finish(asked, { body, dropped: droppedParams, changes: more, names })
  }
}

/** The request with what `protocol` can say too of others' fields among its own, which come first. */
const adopt = <Request extends Lowerable>(
  request: Request,
  protocol: string,
  adopts: Readonly<Record<string, ReadonlyArray<string>>>,
): Request => {
  if (request.vendor === undefined) return request
  const { [protocol]: own, ...others } = request.vendor
  const shared: Record<string, unknown> = {}
  const vendor: Record<string, Record<string, unknown>> = {}
  for (const [other, fields] of Object.entries(others)) {
    const same = new Set(adopts[other])
    vendor[other] = {}
    for (const [name, value] of Object.entries(fields)) (same.has(name) ? shared : vendor[other])[name] = value
  }
  return { ...request, vendor: { ...vendor, [protocol]: { ...shared, ...own } } }
}

/** Fields that only another protocol can say. */
const foreign = ({ vendor }: Lowerable, protocol: string): ReadonlyArray<string> =>
  vendor === undefined
    ? none
    : Object.entries(vendor).flatMap(([other, fields]) => (other === protocol ? none : Object.keys(fields)))

const none: ReadonlyArray<string> = []

/**
 * Tools that only another vendor runs, such as a web search, stand in `vendor` under `tools`. Beside functions they are
 * an offer, which a model may do without; where there is nothing else, or one of them is chosen, the answer would be
 * another.
 */
const hostedAlone = ({ toolChoice, tools = [], vendor }: Lowerable, protocol: string): string | undefined => {
  if (vendor === undefined || toolChoice === "none") return undefined
  const chosen = Predicate.isObject(toolChoice) ? toolChoice.name : undefined
  const known = chosen === undefined ? tools.length > 0 : tools.some(({ name }) => name === chosen)
  if (known) return undefined
  const other = Object.keys(vendor).find((name) => name !== protocol && vendor[name]?.["tools"] !== undefined)
  return other === undefined ? undefined : `tools that only the vendor runs whose protocol is ${other}`
}
