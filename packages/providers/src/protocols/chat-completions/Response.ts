/** Complete responses: decodes an upstream's body to `Chat`, and encodes `Chat` for a client. */
import type * as Chat from "@understudy/core/Chat"
import * as Outline from "@understudy/core/internal/model/Outline"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Answering } from "../ClientProtocol.ts"
import * as Amended from "../Amended.ts"
import * as Failure from "../Failure.ts"
import * as FinishReason from "../FinishReason.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import * as ToolCalls from "../ToolCalls.ts"
import * as ToolIds from "../ToolIds.ts"
import * as Citations from "./Citations.ts"
import * as Errors from "./Errors.ts"
import { protocol } from "./Protocol.ts"
import * as Reasoning from "./Reasoning.ts"
import * as Tools from "./Tools.ts"
import * as Usage from "./Usage.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's body text -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/** Parses a body. If arguments are an object, as on some servers, its numbers are kept as written. */
export const parse = (text: string): unknown =>
  /"arguments"\s*:\s*[{[]/.test(text) ? Json.parseExact(text) : Json.parse(text)

/**
 * Decodes the response in `text`, which is kept as `native`. Fails with `Malformed` if it is not a completion with
 * choices, or contains an incomplete tool call. An error inside it is classified by `classify`.
 */
export const decode = (
  text: string,
  classify: (error: Errors.WireError) => ProviderError = Failure.unclassified,
): Result.Result<Chat.Response, ProviderError> => {
  const body = parse(text)
  if (!Predicate.isObject(body)) return Json.malformed("The response is not a JSON object")
  const error = errorOf(body as Fields)
  if (error !== undefined) return Result.fail(classify(error))
  const { choices: wire, id, model } = body
  const choices: Array<Chat.Choice> = []
  for (const each of Json.list(wire)) {
    const failure = failureOf(Json.fields(each))
    if (failure !== undefined) return Result.fail(classify(failure))
    const decoded = decodeChoice(each, id)
    if (decoded === undefined) continue
    const settled = ToolCalls.normalize(decoded, (index) => callId(id, index))
    if (Result.isFailure(settled)) return Result.fail(settled.failure)
    choices.push(settled.success)
  }
  const [first, ...alternatives] = choices
  if (first === undefined) return Json.malformed("The response has no choices")
  const usage = Usage.decode(body["usage"])
  return Result.succeed({
    ...(Predicate.isString(id) ? { id } : undefined),
    ...(Predicate.isString(model) ? { model } : undefined),
    ...first,
    ...(usage === undefined ? undefined : { usage }),
    ...(alternatives.length === 0 ? undefined : { alternatives }),
    native: Amended.native(protocol, text, body as Fields, (body) => amended(body, choices)),
  })
}

/** The error that the body consists of, in any form. */
const errorOf = (body: Fields): Errors.WireError | undefined => {
  const { choices, error } = body
  if (error !== undefined && error !== null && error !== "") return Errors.fromBody(body)
  if (Array.isArray(choices)) return undefined
  const flat = Errors.fromBody(body)
  return flat.message === undefined ? undefined : flat
}

/** The error of a choice: OpenRouter has it next to the finish reason, others as a finish reason. */
export const failureOf = ({ error, finish_reason: reason }: Fields): Errors.WireError | undefined => {
  if (error !== undefined && error !== null) return Errors.fromBody({ error })
  const status = Failure.statusOf(reason)
  if (status === undefined) return undefined
  return { type: undefined, code: undefined, message: Failure.messageOf(reason), param: undefined, status }
}

/** Corrects the calls and finish reasons of the client's body to those of `Chat`. */
const amended = (body: Fields, choices: ReadonlyArray<Chat.Choice>): Fields => {
  const wire = Json.list(body["choices"])
  if (wire.length !== choices.length) return body
  const amendedList = wire.map((choice, at) => amendedChoice(Json.fields(choice), choices[at]))
  return amendedList.every((choice, at) => choice === wire[at]) ? body : { ...body, choices: amendedList }
}

const amendedChoice = (wire: Fields, choice: Chat.Choice | undefined): Fields => {
  const message = Json.fields(wire["message"])
  const calls = choice?.content.filter((part) => part.type === "tool-call") ?? []
  const list = Json.list(message["tool_calls"])
  const amendedList = list.map((call, at) => amendedCall(Json.fields(call), calls[at]))
  const same = list.length !== calls.length || amendedList.every((call, at) => call === list[at])
  const legacy = list.length === 0 && calls.length > 0
  const value = choice === undefined ? undefined : amendedFinish(wire["finish_reason"], choice.finishReason, legacy)
  if (same && value === undefined) return wire
  return {
    ...wire,
    ...(value === undefined ? undefined : { finish_reason: value }),
    message: same ? message : { ...message, tool_calls: amendedList },
  }
}

const amendedCall = (wire: Fields, call: Chat.ToolCall | undefined): Fields => {
  if (call === undefined || call.custom === true) return wire
  const declared = Json.fields(wire["function"])
  if (call.id === wire["id"] && declared["arguments"] === call.arguments) return wire
  return { ...wire, id: call.id, type: "function", function: { ...declared, arguments: call.arguments } }
}

const finishReasons = { length: "length", "content-filter": "content_filter" } as const

/**
 * The finish reason that replaces the server's, if that does not agree with the calls. `legacy` calls are a
 * `function_call`.
 */
export const amendedFinish = (value: unknown, reason: Chat.FinishReason, legacy: boolean): string | undefined => {
  const expected = legacy ? "function_call" : "tool_calls"
  if (reason === "tool-calls") return value === expected ? undefined : expected
  if (reason === "stop" && FinishReason.read(value) === "tool-calls") return "stop"
  // A relay may report another protocol's reason, which clients do not know.
  const own = reason === "length" || reason === "content-filter" ? finishReasons[reason] : undefined
  return value === own ? undefined : own
}

/** The stop sequence that ended the response: vLLM and SGLang report it. A number is a token id. */
export const stopSequence = ({ matched_stop, stop_reason }: Fields): { readonly stopSequence?: string } => {
  const sequence = Json.nonEmptyString(stop_reason) ?? Json.nonEmptyString(matched_stop)
  return sequence === undefined ? noStopSequence : { stopSequence: sequence }
}

const noStopSequence = {}

/** `undefined` if the choice has neither content nor a finish reason. */
const decodeChoice = (choice: unknown, id: unknown): Chat.Choice | undefined => {
  if (!Predicate.isObject(choice) || !Predicate.isObject(choice["message"])) return undefined
  const { finish_reason: reason, logprobs, message } = choice
  const content = decodeMessage(message as Fields, id)
  if (content.length === 0 && !Predicate.isString(reason)) return undefined
  return {
    content,
    finishReason: FinishReason.read(reason),
    ...stopSequence(choice as Fields),
    ...(logprobs === undefined || logprobs === null ? undefined : { logprobs }),
  }
}

const decodeMessage = (message: Fields, id: unknown): ReadonlyArray<Chat.AssistantContent> => {
  const { annotations, audio, content, function_call, refusal, tool_calls } = message
  const parts: Array<Chat.AssistantContent> = [...Reasoning.decode(message)]
  decodeContent(content, Json.list(annotations), parts)
  if (Predicate.isString(refusal) && refusal !== "") parts.push({ type: "refusal", text: refusal })
  // Audio has a transcript. Later messages refer to the audio by its id; its bytes are in `native`.
  if (Predicate.isObject(audio) && Predicate.isString(audio["id"])) {
    const { transcript } = audio
    if (Predicate.isString(transcript) && transcript !== "") parts.push({ type: "text", text: transcript })
    parts.push({ type: "audio", source: { type: "id", id: audio["id"] } })
  }
  if (Array.isArray(tool_calls)) {
    for (const [index, call] of tool_calls.entries()) {
      if (Predicate.isObject(call)) parts.push(decodeCall(call, callId(id, index), message))
    }
  } else if (Predicate.isObject(function_call)) {
    parts.push(decodeCall({ function: function_call }, callId(id, 0), message))
  }
  return parts
}

/** A string, as in OpenAI's API, or Mistral's chunks of reasoning and text. Other content is in `native` only. */
const decodeContent = (
  content: unknown,
  annotations: ReadonlyArray<unknown>,
  parts: Array<Chat.AssistantContent>,
): void => {
  if (Predicate.isString(content)) {
    if (content === "") return
    const citations = annotations.flatMap((each) => Citations.decode(each) ?? [])
    parts.push(citations.length > 0 ? { type: "text", text: content, citations } : { type: "text", text: content })
    return
  }
  for (const chunk of Json.list(content)) {
    const { text, thinking, type } = Json.fields(chunk)
    if (type === "text" && Predicate.isString(text) && text !== "") parts.push({ type: "text", text })
    if (type !== "thinking") continue
    const reasoningText = textOf(thinking)
    if (reasoningText !== "") parts.push({ type: "reasoning", text: reasoningText })
  }
}

/** The text of Mistral's reasoning: a string or chunks of text. */
export const textOf = (thinking: unknown): string =>
  Predicate.isString(thinking)
    ? thinking
    : Json.list(thinking)
        .map((chunk) => Json.string(Json.fields(chunk)["text"]))
        .join("")

/** The id of a call that has none. */
export const callId = (responseId: unknown, index: number): string => ToolCalls.generatedId("call", responseId, index)

/** A call of a function, or of a custom tool, which has text in place of JSON. */
const decodeCall = (call: Fields, id: string, message: Fields): Chat.ToolCall => {
  const custom = call["custom"]
  const { name, arguments: json, input } = Json.fields(call["function"] ?? custom)
  return {
    type: "tool-call",
    id: Json.nonEmptyString(call["id"]) ?? id,
    name: Json.string(name),
    ...(Predicate.isObject(custom)
      ? { arguments: Json.string(input), custom: true as const }
      : { arguments: argumentsOf(json) }),
    ...Reasoning.ofCall(call, message),
  }
}

/** The arguments as JSON text. Some servers send an object, or nothing for no arguments. */
const argumentsOf = (value: unknown): string => {
  if (Predicate.isString(value)) return value === "" ? "{}" : value
  return value === undefined || value === null ? "{}" : JSON.stringify(value)
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> a client's body
// ---------------------------------------------------------------------------------------------------------------------

/** A response of another protocol as a `chat.completion`. */
export const encode = (response: Chat.Response, { created, id, request }: Answering): Record<string, unknown> => {
  const legacy = usesFunctionCall(request)
  return {
    id: `chatcmpl-${id}`,
    object: "chat.completion",
    created,
    model: response.model ?? request.model,
    choices: [response, ...(response.alternatives ?? [])].map((choice, index) => encodeChoice(choice, index, legacy)),
    ...(response.usage === undefined ? undefined : { usage: Usage.encode(response.usage) }),
  }
}

/** Whether the client expects `function_call`. */
export const usesFunctionCall = (request: Chat.Request): boolean => {
  const { native } = Outline.settings(request)
  return native?.protocol === protocol && Tools.isLegacy(native.body)
}

/**
 * The protocol's finish reason. A refusal is `content_filter`; a pause is `length`, as the response may be incomplete;
 * an unknown reason is `stop`.
 */
export const encodeFinish = (reason: Chat.FinishReason, legacy: boolean): string => {
  switch (reason) {
    case "stop":
    case "length":
      return reason
    case "tool-calls":
      return legacy ? "function_call" : "tool_calls"
    case "content-filter":
    case "refusal":
      return "content_filter"
    case "pause":
      return "length"
    case "other":
      return "stop"
  }
}

const encodeChoice = (choice: Chat.Choice, index: number, legacy: boolean): Record<string, unknown> => {
  const message: Record<string, unknown> = { role: "assistant" }
  const calls: Array<Record<string, unknown>> = []
  const citations: Array<unknown> = []
  const reasoning: Array<Chat.Reasoning> = []
  let text: string | null = null
  let refusal: string | null = null
  for (const part of choice.content) {
    switch (part.type) {
      case "text": {
        const start: number = text === null ? 0 : text.length
        text = (text ?? "") + part.text
        for (const citation of part.citations ?? []) {
          const annotation = Citations.encode(citation, start, text.length)
          if (annotation !== undefined) citations.push(annotation)
        }
        break
      }
      case "refusal":
        refusal = (refusal ?? "") + part.text
        break
      case "reasoning":
        reasoning.push(part)
        break
      case "audio":
        if (part.source.type === "id") message["audio"] = { id: part.source.id }
        break
      case "tool-call":
        calls.push(encodeCall(part))
        break
    }
  }
  message["content"] = text ?? (calls.length > 0 || refusal !== null ? null : "")
  message["refusal"] = refusal
  encodeReasoning(reasoning, message)
  if (citations.length > 0) message["annotations"] = citations
  if (calls.length > 0) {
    if (legacy) message["function_call"] = calls[0]?.["function"]
    else message["tool_calls"] = calls
  }
  const finish = ToolCalls.finish(choice.finishReason, calls.length)
  return { index, message, logprobs: choice.logprobs ?? null, finish_reason: encodeFinish(finish, legacy) }
}

/** All reasoning text together, and each part as a detail if any is encrypted: the client returns the details. */
const encodeReasoning = (reasoning: ReadonlyArray<Chat.Reasoning>, message: Record<string, unknown>): void => {
  const text = reasoning.map(({ text }) => text).join("")
  if (text !== "") message["reasoning_content"] = text
  const isPlain = reasoning.length < 2 && reasoning.every(({ redacted, signature }) => !redacted && !signature)
  if (!isPlain) message["reasoning_details"] = reasoning.map(Reasoning.encode)
}

/** A call's signature is part of its id: the protocol has no field for it. */
const encodeCall = ({ arguments: written, custom, id, name, signature }: Chat.ToolCall): Record<string, unknown> =>
  custom === true
    ? { id: ToolIds.write(id, signature), type: "custom", custom: { name, input: written } }
    : { id: ToolIds.write(id, signature), type: "function", function: { name, arguments: written } }
