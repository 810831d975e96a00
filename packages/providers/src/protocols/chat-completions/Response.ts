/**
 * A whole answer, from both ends.
 */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Answering } from "../Dialect.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import * as Citations from "./Citations.ts"
import { protocol } from "./Protocol.ts"
import * as Usage from "./Usage.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's body text -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/** The answer in `text`, which travels along as `native`. Fails with `Malformed` on what is not a completion with choices. */
export const decode = (text: string): Result.Result<Chat.Response, ProviderError> => {
  const body = Json.parse(text)
  if (!Predicate.isObject(body)) return Json.malformed("The answer is not a JSON object")
  const choices: Array<Chat.Choice> = []
  if (Array.isArray(body["choices"])) {
    for (const choice of body["choices"]) {
      const decoded = decodeChoice(choice)
      if (decoded !== undefined) choices.push(decoded)
    }
  }
  const [first, ...alternatives] = choices
  if (first === undefined) return Json.malformed("The answer has no choices")
  const { id, model } = body
  const usage = Usage.decode(body["usage"])
  return Result.succeed({
    ...(Predicate.isString(id) ? { id } : undefined),
    ...(Predicate.isString(model) ? { model } : undefined),
    ...first,
    ...(usage === undefined ? undefined : { usage }),
    ...(alternatives.length === 0 ? undefined : { alternatives }),
    native: { protocol, text, body },
  })
}

/** Why the model stopped. `eos` is Together's; words of a later API, or none, are `other`. */
export const finish = (reason: unknown): Chat.FinishReason => {
  switch (reason) {
    case "stop":
    case "length":
      return reason
    case "eos":
      return "stop"
    case "tool_calls":
    case "function_call":
      return "tool-calls"
    case "content_filter":
      return "content-filter"
    default:
      return "other"
  }
}

/** Undefined where nothing is said, nor that it is finished. */
const decodeChoice = (choice: unknown): Chat.Choice | undefined => {
  if (!Predicate.isObject(choice) || !Predicate.isObject(choice["message"])) return undefined
  const { finish_reason: reason, logprobs, message } = choice
  const content = decodeMessage(message as Fields)
  if (content.length === 0 && !Predicate.isString(reason)) return undefined
  return {
    content,
    finish: finish(reason),
    ...(logprobs === undefined || logprobs === null ? undefined : { logprobs }),
  }
}

const decodeMessage = (message: Fields): ReadonlyArray<Chat.AssistantContent> => {
  const { annotations, audio, content, reasoning, reasoning_content, refusal, tool_calls } = message
  const parts: Array<Chat.AssistantContent> = []
  const thought = reasoning_content ?? reasoning
  if (Predicate.isString(thought) && thought !== "") parts.push({ type: "reasoning", text: thought })
  if (Predicate.isString(content) && content !== "") {
    const citations = Json.list(annotations).flatMap((each) => Citations.decode(each) ?? [])
    parts.push(citations.length > 0 ? { type: "text", text: content, citations } : { type: "text", text: content })
  }
  if (Predicate.isString(refusal) && refusal !== "") parts.push({ type: "refusal", text: refusal })
  // What is spoken is also written; a later turn refers to the recording by its id, and its bytes are in `native`.
  if (Predicate.isObject(audio) && Predicate.isString(audio["id"])) {
    const { transcript } = audio
    if (Predicate.isString(transcript) && transcript !== "") parts.push({ type: "text", text: transcript })
    parts.push({ type: "audio", source: { type: "id", id: audio["id"] } })
  }
  if (Array.isArray(tool_calls)) {
    for (const [index, call] of tool_calls.entries()) {
      if (Predicate.isObject(call)) parts.push(decodeCall(call, index))
    }
  }
  return parts
}

/** What a custom tool is given stands in place of the JSON of a function's arguments. */
const decodeCall = (call: Fields, index: number): Chat.ToolCall => {
  const what = call["function"] ?? call["custom"]
  const { name, arguments: json, input } = Predicate.isObject(what) ? (what as Fields) : {}
  return {
    type: "tool-call",
    id: Predicate.isString(call["id"]) && call["id"] !== "" ? call["id"] : `call_${index}`,
    name: Predicate.isString(name) ? name : "",
    arguments: argumentsOf(json ?? input),
  }
}

/** JSON text, as the API has it; some servers send the object itself, or nothing for no arguments. */
const argumentsOf = (value: unknown): string => {
  if (Predicate.isString(value)) return value === "" ? "{}" : value
  return value === undefined || value === null ? "{}" : JSON.stringify(value)
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> a client's body
// ---------------------------------------------------------------------------------------------------------------------

/** An answer of another protocol's as a `chat.completion`. */
export const encode = (response: Chat.Response, { created, id, request }: Answering): Record<string, unknown> => ({
  id: `chatcmpl-${id}`,
  object: "chat.completion",
  created,
  model: response.model ?? request.model,
  choices: [response, ...(response.alternatives ?? [])].map(encodeChoice),
  ...(response.usage === undefined ? undefined : { usage: Usage.encode(response.usage) }),
})

/**
 * The protocol knows four words. A refusal is the filter's; of an answer that only paused, or ended for a reason without
 * a word, `length` says at least that it may not be whole.
 */
export const encodeFinish = (reason: Chat.FinishReason): string => {
  switch (reason) {
    case "stop":
    case "length":
      return reason
    case "tool-calls":
      return "tool_calls"
    case "content-filter":
    case "refusal":
      return "content_filter"
    case "pause":
    case "other":
      return "length"
  }
}

const encodeChoice = (choice: Chat.Choice, index: number): Record<string, unknown> => {
  const message: Record<string, unknown> = { role: "assistant" }
  const calls: Array<Record<string, unknown>> = []
  const citations: Array<unknown> = []
  let text: string | null = null
  let refusal: string | null = null
  let reasoning = ""
  for (const part of choice.content) {
    switch (part.type) {
      case "text":
        text = (text ?? "") + part.text
        citations.push(...(part.citations ?? []).flatMap((each) => Citations.encode(each) ?? []))
        break
      case "refusal":
        refusal = (refusal ?? "") + part.text
        break
      case "reasoning":
        reasoning += part.text
        break
      case "audio":
        if (part.source.type === "id") message["audio"] = { id: part.source.id }
        break
      case "tool-call":
        calls.push({ id: part.id, type: "function", function: { name: part.name, arguments: part.arguments } })
        break
    }
  }
  message["content"] = text ?? (calls.length > 0 || refusal !== null ? null : "")
  message["refusal"] = refusal
  if (reasoning !== "") message["reasoning_content"] = reasoning
  if (citations.length > 0) message["annotations"] = citations
  if (calls.length > 0) message["tool_calls"] = calls
  return { index, message, logprobs: choice.logprobs ?? null, finish_reason: encodeFinish(choice.finish) }
}
