/**
 * Requests: encodes `Chat` as the API's body, and decodes a client's body to `Chat`.
 *
 * A feature that cannot be dropped fails with `Unsupported`, so that another deployment is tried. A dropped parameter
 * is named in `warnings`. The model, and whether to stream, are in the URL. `Chat.Request.metadata` is not sent: labels
 * are for billing only, and few accounts may set them.
 */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Result from "effect/Result"
import * as SchemaParser from "effect/SchemaParser"
import type { Address } from "../ClientProtocol.ts"
import * as Endpoint from "../Endpoint.ts"
import * as ExactNumber from "../ExactNumber.ts"
import * as InvalidBody from "../InvalidBody.ts"
import * as Json from "../Json.ts"
import * as Lowering from "../Lowering.ts"
import type { Encoded } from "../Lowering.ts"
import * as Media from "../Media.ts"
import * as Overrides from "../Overrides.ts"
import * as Content from "./Content.ts"
import * as Generation from "./Generation.ts"
import * as Model from "./Model.ts"
import * as Names from "./Names.ts"
import { protocol } from "./Protocol.ts"
import * as ForeignContent from "./ForeignContent.ts"
import * as Tools from "./Tools.ts"
import * as Conversation from "./Conversation.ts"
import * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> the upstream's body
// ---------------------------------------------------------------------------------------------------------------------

/** The body for `request.model`, Google's id of the model. */
export const encode = (request: Chat.Request): Result.Result<Encoded, ProviderError> => {
  const { warn, warnings } = Lowering.warnings()
  const model = Model.of(request.model)
  const { contents, system } = Conversation.encode(request.messages, model, warn)
  const feature = unsupported(request, contents.length)
  if (feature !== undefined) return Lowering.unsupported("Gemini", feature)

  const body: Record<string, unknown> = { contents }
  if (system.length > 0) body["systemInstruction"] = { parts: system }
  const { generationConfig: more, tools: _, ...vendor } = request.vendor?.[protocol] ?? {}
  Tools.encode(request, body, warn)
  const config = { ...Generation.encode(request, model, warn), ...(more as object | undefined) }
  if (Object.keys(config).length > 0) body["generationConfig"] = config
  if (request.user !== undefined) warn("the end user's id")
  return Result.succeed({ body: Object.assign(body, vendor), warnings })
}

/**
 * The client's own body; `undefined` if the client spoke another protocol. It stays as written, except for other
 * vendors' content.
 */
export const native = (
  { model, native }: Chat.Request,
  endpoint: Endpoint.Endpoint = Endpoint.unlimited,
): Record<string, unknown> | undefined => {
  if (native?.protocol !== protocol) return undefined
  const { model: _model, ...body } = native.body
  return ForeignContent.remove(body, Model.of(model), endpoint)
}

/** The client's own body with the parameters that the deployment sets, under the name that the client gave their object. */
export const override = (
  body: Record<string, unknown>,
  request: Chat.Request,
  overrides: Chat.Overrides,
  _change: Lowering.Warn,
  warn: Lowering.Warn,
): Result.Result<Record<string, unknown>, ProviderError> => {
  const own = Overrides.only(request, overrides)
  const feature = unsupported(own, 1)
  if (feature !== undefined) return Lowering.unsupported("Gemini", feature)
  const name = body["generation_config"] === undefined ? "generationConfig" : "generation_config"
  return Result.succeed({
    ...body,
    [name]: Generation.override(Json.fields(body[name]), own, overrides, Model.of(request.model), warn),
  })
}

/** The body of a stream: the URL asks for it. */
export const streamed = (body: Record<string, unknown>): Record<string, unknown> => body

/** The first feature that this API does not support and that cannot be dropped. */
const unsupported = ({ messages, sampling }: Chat.Request, contents: number): string | undefined => {
  if ((sampling?.stop?.length ?? 0) > 5) return "more than five stop sequences"
  const unsupportedMedia = Media.unsupported(messages, Content.unsupported)
  if (unsupportedMedia !== undefined) return unsupportedMedia
  return contents === 0 ? "a conversation without user or assistant messages" : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: a client's body -> Chat
// ---------------------------------------------------------------------------------------------------------------------

const parse = SchemaParser.decodeUnknownResult(Wire.Request)

/**
 * Decodes a client's body for the model in its URL. The body is kept as `native`. Fields without a counterpart in
 * `Chat` are also in `vendor.gemini`, so that a provider of another protocol reports them as dropped.
 */
export const decode = (
  body: Record<string, unknown>,
  { model }: Address,
): Result.Result<Chat.Request, InvalidBody.InvalidBody> => {
  if (model === undefined || model === "") {
    return Result.fail(new InvalidBody.InvalidBody({ path: "model", message: "The URL does not contain a model." }))
  }
  const normalized = Names.toCamelCase(body)
  const parsed = parse(ExactNumber.read(normalized, ["generationConfig", "thinkingConfig"]))
  return Result.isFailure(parsed)
    ? Result.fail(InvalidBody.fromIssue(parsed.failure, normalized))
    : Result.succeed(fromWire(model, parsed.success, normalized, body))
}

/** The output of executed code becomes a block of text, without a newline at its end. */
export const readsTexts = true

/** Whether the client asks for a stream. */
export const isStream = (_body: Record<string, unknown>, { stream }: Address): boolean => stream === true

const fromWire = (
  model: string,
  wire: Wire.Request,
  normalized: Record<string, unknown>,
  body: Record<string, unknown>,
): Chat.Request => {
  const vendor = otherFields(normalized)
  const droppedParams = unsupportedPartFields(normalized)
  return {
    model,
    messages: Conversation.decode(wire),
    ...Tools.decode(wire),
    ...Generation.decode(wire.generationConfig ?? {}),
    ...(wire.labels ? { metadata: wire.labels } : undefined),
    ...(vendor === undefined ? undefined : { vendor: { [protocol]: vendor } }),
    ...(droppedParams.length === 0 ? undefined : { droppedParams }),
    // The start of the conversation, which only Google has.
    ...(normalized["cachedContent"] ? { requiredUnsupported: ["cachedContent, which only Google has"] } : undefined),
    native: { protocol, body },
  }
}

const known: ReadonlySet<string> = new Set([...Object.keys(Wire.Request.fields), "model"])

/** The fields without a counterpart in `Chat`: unknown fields, and tools that are not functions. */
const otherFields = (body: Record<string, unknown>): Record<string, unknown> | undefined => {
  const vendor: Record<string, unknown> = {}
  for (const name in body) if (!known.has(name) && body[name] !== null) vendor[name] = body[name]
  const config = Generation.otherFields(body["generationConfig"])
  if (config !== undefined) vendor["generationConfig"] = config
  const hosted = Tools.hosted(body)
  if (hosted.length > 0) vendor["tools"] = hosted
  return Object.keys(vendor).length === 0 ? undefined : vendor
}

/** Fields of parts that only Google supports. */
const partFields: Readonly<Record<string, string>> = {
  videoMetadata: "videoMetadata",
  mediaResolution: "mediaResolution",
}

const unsupportedPartFields = (body: Record<string, unknown>): ReadonlyArray<string> => {
  const found = new Set<string>()
  for (const content of Json.list(body["contents"])) {
    for (const part of Json.list(Json.fields(content)["parts"])) {
      for (const name in partFields) if (Json.fields(part)[name] !== undefined) found.add(partFields[name]!)
    }
  }
  return [...found]
}
