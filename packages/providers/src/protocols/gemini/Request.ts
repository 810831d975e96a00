/**
 * A request, from both ends: `Chat` said in the words of Gemini, and a client's words read as a `Chat`.
 *
 * What would change the answer's meaning and cannot be said fails with `Unsupported`, so that another candidate is asked;
 * a mere wish that cannot be said is named in `warnings`. The model and whether the answer is streamed stand in the
 * address, not in the body. `Chat.Request.metadata` stays with the router: labels are for bills alone, and few accounts
 * may set them.
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

/** The body for `request.model`, which is Google's own id of the model. */
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
  if (request.user !== undefined) warn("the id of the end user")
  return Result.succeed({ body: Object.assign(body, vendor), warnings })
}

/** The body that the client sent, where it spoke this protocol: as it came, but for what another vendor has sealed in it. */
export const native = (
  { model, native }: Chat.Request,
  endpoint: Endpoint.Endpoint = Endpoint.unlimited,
): Record<string, unknown> | undefined => {
  if (native?.protocol !== protocol) return undefined
  const { model: _model, ...body } = native.body
  return ForeignContent.remove(body, Model.of(model), endpoint)
}

/** The address asks for a stream; the body is the same. */
export const streamed = (body: Record<string, unknown>): Record<string, unknown> => body

/** The first thing asked for that this API cannot say and that the answer would be another without. */
const unsupported = ({ messages, sampling }: Chat.Request, contents: number): string | undefined => {
  if ((sampling?.stop?.length ?? 0) > 5) return "more than five stop sequences"
  const shown = Media.unsupported(messages, Content.unsupported)
  if (shown !== undefined) return shown
  return contents === 0 ? "a conversation in which nobody but the system has spoken" : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: a client's body -> Chat
// ---------------------------------------------------------------------------------------------------------------------

const parse = SchemaParser.decodeUnknownResult(Wire.Request)

/**
 * The request in `body` to the model of `address`, which travels along as `native`. Fields that `Chat` has no word for
 * stand in `vendor.gemini` too, so that what they ask for is not lost on a provider that speaks another protocol.
 */
export const decode = (
  body: Record<string, unknown>,
  { model }: Address,
): Result.Result<Chat.Request, InvalidBody.InvalidBody> => {
  if (model === undefined || model === "") {
    return Result.fail(new InvalidBody.InvalidBody({ path: "model", message: "The address names no model." }))
  }
  const uniform = Names.uniform(body)
  const parsed = parse(ExactNumber.read(uniform, ["generationConfig", "thinkingConfig"]))
  return Result.isFailure(parsed)
    ? Result.fail(InvalidBody.fromIssue(parsed.failure, uniform))
    : Result.succeed(fromWire(model, parsed.success, uniform, body))
}

/** Whether the answer is to be streamed. */
export const isStream = (_body: Record<string, unknown>, { stream }: Address): boolean => stream === true

const fromWire = (
  model: string,
  wire: Wire.Request,
  uniform: Record<string, unknown>,
  body: Record<string, unknown>,
): Chat.Request => {
  const vendor = others(uniform)
  const droppedParams = wordless(uniform)
  return {
    model,
    messages: Conversation.decode(wire),
    ...Tools.decode(wire),
    ...Generation.decode(wire.generationConfig ?? {}),
    ...(wire.labels ? { metadata: wire.labels } : undefined),
    ...(vendor === undefined ? undefined : { vendor: { [protocol]: vendor } }),
    ...(droppedParams.length === 0 ? undefined : { droppedParams }),
    // The beginning of the conversation, which Google alone has.
    ...(uniform["cachedContent"] ? { requiredUnsupported: ["content that Google has cached"] } : undefined),
    native: { protocol, body },
  }
}

const known: ReadonlySet<string> = new Set([...Object.keys(Wire.Request.fields), "model"])

/** What the client asked for in words that `Chat` lacks: unknown fields, and tools that are not functions. */
const others = (body: Record<string, unknown>): Record<string, unknown> | undefined => {
  const vendor: Record<string, unknown> = {}
  for (const name in body) if (!known.has(name) && body[name] !== null) vendor[name] = body[name]
  const config = Generation.others(body["generationConfig"])
  if (config !== undefined) vendor["generationConfig"] = config
  const hosted = Tools.hosted(body)
  if (hosted.length > 0) vendor["tools"] = hosted
  return Object.keys(vendor).length === 0 ? undefined : vendor
}

/** What a part says beside its words, and only to Google. */
const beside: Readonly<Record<string, string>> = {
  videoMetadata: "which part of a video",
  mediaResolution: "how closely a picture is looked at",
}

const wordless = (body: Record<string, unknown>): ReadonlyArray<string> => {
  const found = new Set<string>()
  for (const content of Json.list(body["contents"])) {
    for (const part of Json.list(Json.fields(content)["parts"])) {
      for (const name in beside) if (Json.fields(part)[name] !== undefined) found.add(beside[name]!)
    }
  }
  return [...found]
}
