/** Complete responses: decodes an upstream's body to `Chat`, and encodes `Chat` for a client. */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Answering } from "../ClientProtocol.ts"
import * as Amended from "../Amended.ts"
import * as Failure from "../Failure.ts"
import * as FinishReason from "../FinishReason.ts"
import * as Json from "../Json.ts"
import type { Block } from "../Lowering.ts"
import * as EncryptedReasoning from "../EncryptedReasoning.ts"
import * as ToolArguments from "../ToolArguments.ts"
import * as ToolCalls from "../ToolCalls.ts"
import * as ToolIds from "../ToolIds.ts"
import * as Citations from "./Citations.ts"
import * as Errors from "./Errors.ts"
import { issuer, protocol } from "./Protocol.ts"
import * as Usage from "./Usage.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's body text -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Decodes the response in `text`, which is kept as `native`. Fails with `Malformed` if it is not a message with
 * content, or contains an incomplete tool call. An error inside it is classified by `classify`. Unknown blocks (server
 * tools and their results) are in `native` only.
 */
export const decode = (
  text: string,
  classify: (error: Errors.WireError) => ProviderError = Failure.unclassified,
): Result.Result<Chat.Response, ProviderError> => {
  const message = Json.parseExact(text)
  if (!Predicate.isObject(message)) return Json.malformed("The response is not a JSON object")
  if (message["type"] === "error" || Predicate.isObject(message["error"])) {
    return Result.fail(classify(Errors.fromBody(message)))
  }
  if (!Array.isArray(message["content"])) return Json.malformed("The response has no content")
  const failure = failureOf(message["stop_reason"])
  if (failure !== undefined) return Result.fail(classify(failure))
  const content: Array<Chat.AssistantContent> = []
  for (const block of message["content"]) {
    const part = Predicate.isObject(block) ? decodeBlock(block) : undefined
    if (part !== undefined) content.push(part)
  }
  const refusal = decodeRefusal(message["stop_details"])
  if (refusal !== undefined) content.push({ type: "refusal", text: refusal })
  const { id, model, stop_details: details, stop_sequence: sequence } = message
  const settled = ToolCalls.normalize({ content, finishReason: FinishReason.read(message["stop_reason"]) }, (index) =>
    callId(id, index),
  )
  if (Result.isFailure(settled)) return Result.fail(settled.failure)
  return Result.succeed({
    id: Predicate.isString(id) ? id : undefined,
    model: Predicate.isString(model) ? model : undefined,
    ...settled.success,
    ...(Predicate.isString(sequence) ? { stopSequence: sequence } : undefined),
    usage: Usage.decode(message["usage"]),
    ...(Predicate.isObject(details) ? { vendor: { [protocol]: { stop_details: details } } } : undefined),
    native: Amended.native(protocol, text, message as Json.Fields, (message) => amended(message, settled.success)),
  })
}

/** The error of a stop reason that reports a failure. */
export const failureOf = (reason: unknown): Errors.WireError | undefined => {
  const status = Failure.statusOf(reason)
  return status === undefined ? undefined : { ...Errors.ofStatus(status), message: Failure.messageOf(reason) }
}

/** The id of a call that has none. */
export const callId = (responseId: unknown, index: number): string => ToolCalls.generatedId("toolu", responseId, index)

/** Corrects the client's body: SDKs rely on its usage, and on calls and their ids. */
const amended = (message: Json.Fields, { content, finishReason }: Chat.Choice): Json.Fields => {
  const calls = content.filter((part) => part.type === "tool-call")
  let at = 0
  const blocks = Json.list(message["content"]).map((block) => amendedBlock(block, calls, () => at++))
  const same = blocks.every((block, index) => block === Json.list(message["content"])[index])
  const value = amendedStop(message["stop_reason"], finishReason)
  const usage = Usage.completed(message["usage"], undefined)
  if (same && value === undefined && usage === undefined) return message
  return {
    ...message,
    ...(same ? undefined : { content: blocks }),
    ...(value === undefined ? undefined : { stop_reason: value }),
    ...(usage === undefined ? undefined : { usage }),
  }
}

const amendedBlock = (block: unknown, calls: ReadonlyArray<Chat.ToolCall>, next: () => number): unknown => {
  const wire = Json.fields(block)
  if (wire["type"] !== "tool_use") return block
  const id = calls[next()]?.id ?? wire["id"]
  return id === wire["id"] && Predicate.isObject(wire["input"]) ? block : { ...wire, id, input: wire["input"] ?? {} }
}

/** The stop reason that replaces the server's, if that does not agree with the calls or is another protocol's. */
export const amendedStop = (value: unknown, reason: Chat.FinishReason): string | undefined => {
  if (reason === "tool-calls") return value === "tool_use" ? undefined : "tool_use"
  if (!Predicate.isString(value) || (knownReasons.has(value) && value !== "tool_use")) return undefined
  return reason === "stop" || reason === "length" || reason === "content-filter" ? stopReasons[reason] : undefined
}

const stopReasons = { stop: "end_turn", length: "max_tokens", "content-filter": "refusal" } as const

const knownReasons: ReadonlySet<string> = new Set([
  "end_turn",
  "max_tokens",
  "stop_sequence",
  "tool_use",
  "pause_turn",
  "refusal",
  "model_context_window_exceeded",
])

/** The explanation of a refusal, if there is one. */
export const decodeRefusal = (details: unknown): string | undefined => {
  const { explanation, type } = Json.fields(details)
  return type === "refusal" ? Json.nonEmptyString(explanation) : undefined
}

const decodeBlock = (block: { readonly [x: PropertyKey]: unknown }): Chat.AssistantContent | undefined => {
  switch (block["type"]) {
    case "text": {
      const citations = Json.list(block["citations"]).flatMap((each) => Citations.decode(each) ?? [])
      return {
        type: "text",
        text: Json.string(block["text"]),
        ...(citations.length > 0 ? { citations } : undefined),
      }
    }
    case "thinking": {
      const signature = Json.string(block["signature"])
      return {
        type: "reasoning",
        text: Json.string(block["thinking"]),
        ...(signature === "" ? undefined : { signature: { issuer, value: signature } }),
      }
    }
    case "redacted_thinking":
      return { type: "reasoning", text: "", redacted: { issuer, value: Json.string(block["data"]) } }
    case "tool_use":
      return {
        type: "tool-call",
        id: Json.string(block["id"]),
        name: Json.string(block["name"]),
        arguments: ToolArguments.toText(block["input"]),
      }
    default:
      return undefined
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> a client's body
// ---------------------------------------------------------------------------------------------------------------------

/** A response of another protocol as a `message`. */
export const encode = (response: Chat.Response, { id, request }: Answering): Record<string, unknown> => ({
  ...head(id, response.model ?? request.model),
  content: ToolCalls.withoutTruncatedCall(response).flatMap((part) => encodePart(part) ?? []),
  ...encodeStop(response, contentsOf(response.content), request),
  usage: Usage.encode(response.usage),
})

/** The first fields of every response. */
export const head = (id: string, model: string): Block => ({
  id: `msg_${id}`,
  type: "message",
  role: "assistant",
  model,
})

/** The content of a response that determines its stop reason together with the finish reason. */
export interface Contents {
  readonly calls: boolean
  readonly hasRefusal: boolean
}

const contentsOf = (content: ReadonlyArray<Chat.AssistantContent>): Contents => ({
  calls: content.some(({ type }) => type === "tool-call"),
  hasRefusal: content.some(({ type }) => type === "refusal"),
})

/** The stop reason. Filtered content is a refusal. An unnamed stop sequence must be the request's only one. */
export const encodeStop = (
  { finishReason, stopSequence }: Pick<Chat.Choice, "finishReason" | "stopSequence">,
  contents: Contents,
  { sampling }: Chat.Request,
): Block => {
  const reason = encodeFinish(finishReason, stopSequence, contents)
  const [only = null, ...others] = sampling?.stop ?? []
  return {
    stop_reason: reason,
    stop_sequence: reason === "stop_sequence" ? stopSequence || (others.length === 0 ? only : null) : null,
    ...(reason === "refusal" ? { stop_details: { type: "refusal", category: null, explanation: null } } : undefined),
  }
}

/** An unknown finish reason is treated as a normal end. */
const encodeFinish = (finish: Chat.FinishReason, stopSequence: string | undefined, contents: Contents): string => {
  switch (finish) {
    case "stop":
    case "other":
      if (contents.calls) return "tool_use"
      if (contents.hasRefusal) return "refusal"
      return stopSequence === undefined ? "end_turn" : "stop_sequence"
    case "tool-calls":
      return "tool_use"
    case "length":
      return "max_tokens"
    case "content-filter":
    case "refusal":
      return "refusal"
    case "pause":
      return "pause_turn"
  }
}

/** A block. A refusal becomes text. Audio is left out: its transcript is text already. */
const encodePart = (part: Chat.AssistantContent): Block | undefined => {
  switch (part.type) {
    case "text":
      if (part.text === "") return undefined
      return {
        type: "text",
        text: part.text,
        ...(part.citations === undefined ? undefined : { citations: part.citations.map(Citations.encodeForClient) }),
      }
    case "refusal":
      return { type: "text", text: part.text }
    case "reasoning":
      return part.redacted === undefined
        ? { type: "thinking", thinking: part.text, signature: encodeEncrypted(part.signature) }
        : { type: "redacted_thinking", data: encodeEncrypted(part.redacted) }
    case "tool-call":
      return {
        type: "tool_use",
        id: ToolIds.write(part.id, part.signature),
        name: part.name,
        input: ToolArguments.toObject(part.arguments, ignore),
      }
    case "audio":
      return undefined
  }
}

/** The encrypted value, or an empty signature. */
export const encodeEncrypted = (encrypted: Chat.EncryptedReasoning | undefined): string =>
  encrypted === undefined ? "" : EncryptedReasoning.write(encrypted, issuer)

/** The client sees `INVALID_JSON` itself. */
const ignore = () => {}
