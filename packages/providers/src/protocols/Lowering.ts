/**
 * A request on its way to a vendor: as its client wrote it, where the client spoke the vendor's own protocol, else encoded
 * by the protocol's codec. What was wished for and could not be said is dealt with as the request's `unsupported` says.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

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
}

/** The part of a protocol's `Request` that lowers: a conversation, if nothing else is said. */
export interface Codec<Body, Request = Chat.Request> {
  readonly native: (request: Request) => Body | undefined
  readonly encode: (request: Request) => Result.Result<Encoded<Body>, ProviderError>
  /** The fields of other protocols that mean the same in this one, under the same name: by protocol. */
  readonly adopts?: Readonly<Record<string, ReadonlyArray<string>>> | undefined
}

/** What every request says of how it is to be lowered. */
type Lowerable = Pick<
  Chat.Request,
  "model" | "toolChoice" | "tools" | "unsaid" | "unsayable" | "unsupported" | "vendor"
>

/** A body that can be sent, and what it does not say. */
export interface Lowered<Body> {
  readonly body: Body
  readonly unsaid: ReadonlyArray<string> | undefined
}

/** Collects warnings, each once. */
export const warnings = (): { readonly warnings: ReadonlyArray<string>; readonly warn: Warn } => {
  const warnings: Array<string> = []
  return {
    warnings,
    warn: (warning) => {
      if (!warnings.includes(warning)) warnings.push(warning)
    },
  }
}

/** What the answer would be another without: another candidate may be able to. */
export const unsupported = (protocol: string, feature: string): Result.Result<never, ProviderError> =>
  Result.fail(
    new ProviderError({ reason: { _tag: "Unsupported", feature }, message: `${protocol} cannot say: ${feature}` }),
  )

/** How one provider lowers: it remembers what it has warned of, and logs each thing once. */
export const make = <Body, Request extends Lowerable>(
  vendor: string,
  protocol: string,
  { adopts, encode, native }: Codec<Body, Request>,
): ((request: Request) => Effect.Effect<Lowered<Body>, ProviderError>) => {
  const logged = new Set<string>()
  return (asked) => {
    const own = native(asked)
    if (own !== undefined) return Effect.succeed({ body: own, unsaid: undefined })
    const request = adopts === undefined ? asked : adopt(asked, protocol, adopts)
    const { unsayable = none } = request
    if (unsayable.length > 0) return Effect.fromResult(unsupported(protocol, unsayable.join("; ")))
    const hosted = hostedAlone(request, protocol)
    if (hosted !== undefined) return Effect.fromResult(unsupported(protocol, hosted))
    const encoded = encode(request)
    if (Result.isFailure(encoded)) return Effect.fail(encoded.failure)
    const { body, warnings } = encoded.success
    const unsaid = [...warnings, ...(request.unsaid ?? none), ...foreign(request, protocol)]
    if (unsaid.length === 0 || request.unsupported === "drop") return Effect.succeed({ body, unsaid: undefined })
    if (request.unsupported === "refuse") return Effect.fromResult(unsupported(protocol, unsaid.join("; ")))
    const unheard = unsaid.filter((warning) => !logged.has(warning))
    for (const warning of unheard) logged.add(warning)
    return Effect.as(
      unheard.length === 0
        ? Effect.void
        : Effect.logWarning(`${vendor}: not said to ${request.model}: ${unheard.join("; ")}`),
      { body, unsaid },
    )
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
