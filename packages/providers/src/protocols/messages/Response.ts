/**
 * A whole Messages answer, from both ends.
 */
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
import * as ToolCalls from "../ToolCalls.ts"
import * as ToolIds from "../ToolIds.ts"
import * as Citations from "./Citations.ts"
import * as Content from "./Content.ts"
import * as Errors from "./Errors.ts"
import { issuer, protocol } from "./Protocol.ts"
import * as Usage from "./Usage.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's body text -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The answer in `text`, which travels along as `native`. Fails with `Malformed` on what is not a message with content, or
 * holds a call that is not whole, and as `classify` judges an error in it. Blocks the engine does not know (server tools
 * and their results) are in `native` alone.
 */
export const decode = (
  text: string,
  classify: (error: Errors.WireError) => ProviderError = Failure.unclassified,
): Result.Result<Chat.Response, ProviderError> => {
  const message = Json.parseExact(text)
  if (!Predicate.isObject(message)) return Json.malformed("The answer is not a JSON object")
  if (message["type"] === "error" || Predicate.isObject(message["error"])) {
    return Result.fail(classify(Errors.fromBody(message)))
  }
  if (!Array.isArray(message["content"])) return Json.malformed("The answer has no content")
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

/** The error that a reason to stop comes to. */
export const failureOf = (reason: unknown): Errors.WireError | undefined => {
  const status = Failure.statusOf(reason)
  return status === undefined ? undefined : { ...Errors.ofStatus(status), message: Failure.messageOf(reason) }
}

/** The id of a call that was given none: no other answer's call has the same. */
export const callId = (id: unknown, index: number): string =>
  Predicate.isString(id) && id !== "" ? `toolu_${index}_${id}` : `toolu_${index}`

/** The message as its client may read it: SDKs rely on its usage, and go by its calls and their ids. */
const amended = (message: Json.Fields, { content, finishReason }: Chat.Choice): Json.Fields => {
  const calls = content.filter((part) => part.type === "tool-call")
  let at = 0
  const blocks = Json.list(message["content"]).map((block) => amendedBlock(block, calls, () => at++))
  const same = blocks.every((block, index) => block === Json.list(message["content"])[index])
  const word = amendedStop(message["stop_reason"], finishReason)
  const usage = Usage.amended(message["usage"], undefined)
  if (same && word === undefined && usage === undefined) return message
  return {
    ...message,
    ...(same ? undefined : { content: blocks }),
    ...(word === undefined ? undefined : { stop_reason: word }),
    ...(usage === undefined ? undefined : { usage }),
  }
}

const amendedBlock = (block: unknown, calls: ReadonlyArray<Chat.ToolCall>, next: () => number): unknown => {
  const wire = Json.fields(block)
  if (wire["type"] !== "tool_use") return block
  const id = calls[next()]?.id ?? wire["id"]
  return id === wire["id"] && Predicate.isObject(wire["input"]) ? block : { ...wire, id, input: wire["input"] ?? {} }
}

/** Another reason to stop than the server's, where that does not agree with the calls, or is another protocol's word. */
export const amendedStop = (word: unknown, reason: Chat.FinishReason): string | undefined => {
  if (reason === "tool-calls") return word === "tool_use" ? undefined : "tool_use"
  if (!Predicate.isString(word) || (own.has(word) && word !== "tool_use")) return undefined
  return reason === "stop" || reason === "length" || reason === "content-filter" ? words[reason] : undefined
}

const words = { stop: "end_turn", length: "max_tokens", "content-filter": "refusal" } as const

const own: ReadonlySet<string> = new Set([
  "end_turn",
  "max_tokens",
  "stop_sequence",
  "tool_use",
  "pause_turn",
  "refusal",
  "model_context_window_exceeded",
])

/** The words that a refusal is explained with, if it is. */
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
        arguments: Content.argumentsOf(block["input"]),
      }
    default:
      return undefined
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> a client's body
// ---------------------------------------------------------------------------------------------------------------------

/** An answer of another protocol's as a `message`. */
export const encode = (response: Chat.Response, { id, request }: Answering): Record<string, unknown> => ({
  ...head(id, response.model ?? request.model),
  content: ToolCalls.withoutTruncatedCall(response).flatMap((part) => encodePart(part) ?? []),
  ...encodeStop(response, toldBy(response.content), request),
  usage: Usage.encode(response.usage),
})

/** What every answer says of itself first. */
export const head = (id: string, model: string): Block => ({
  id: `msg_${id}`,
  type: "message",
  role: "assistant",
  model,
})

/** What an answer holds that tells more of its end than its finish reason does. */
export interface Told {
  readonly calls: boolean
  readonly refuses: boolean
}

const toldBy = (content: ReadonlyArray<Chat.AssistantContent>): Told => ({
  calls: content.some(({ type }) => type === "tool-call"),
  refuses: content.some(({ type }) => type === "refusal"),
})

/** Why it ended: what a filter keeps back is refused. A stop sequence that nobody named is the only one there is. */
export const encodeStop = (
  { finishReason, stopSequence }: Pick<Chat.Choice, "finishReason" | "stopSequence">,
  told: Told,
  { sampling }: Chat.Request,
): Block => {
  const reason = encodeFinish(finishReason, stopSequence, told)
  const [only = null, ...others] = sampling?.stop ?? []
  return {
    stop_reason: reason,
    stop_sequence: reason === "stop_sequence" ? stopSequence || (others.length === 0 ? only : null) : null,
    ...(reason === "refusal" ? { stop_details: { type: "refusal", category: null, explanation: null } } : undefined),
  }
}

/** What ended for a reason without a word did not run out of tokens. */
const encodeFinish = (finish: Chat.FinishReason, stopSequence: string | undefined, told: Told): string => {
  switch (finish) {
    case "stop":
    case "other":
      if (told.calls) return "tool_use"
      if (told.refuses) return "refusal"
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

/** Words that refuse are text here. What was spoken is also written; the protocol has no place for the recording. */
const encodePart = (part: Chat.AssistantContent): Block | undefined => {
  switch (part.type) {
    case "text":
      if (part.text === "") return undefined
      return {
        type: "text",
        text: part.text,
        ...(part.citations === undefined ? undefined : { citations: part.citations.map(Citations.tell) }),
      }
    case "refusal":
      return { type: "text", text: part.text }
    case "reasoning":
      return part.redacted === undefined
        ? { type: "thinking", thinking: part.text, signature: encodeSeal(part.signature) }
        : { type: "redacted_thinking", data: encodeSeal(part.redacted) }
    case "tool-call":
      return {
        type: "tool_use",
        id: ToolIds.write(part.id, part.signature),
        name: part.name,
        input: Content.input(part.arguments, ignore),
      }
    case "audio":
      return undefined
  }
}

/** A thought that nobody has sealed has an empty signature. */
export const encodeSeal = (seal: Chat.EncryptedReasoning | undefined): string =>
  seal === undefined ? "" : EncryptedReasoning.write(seal, issuer)

/** The client sees for itself that its input is `INVALID_JSON`. */
const ignore = () => {}
