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
import * as ToolIds from "../ToolIds.ts"
import * as Citations from "./Citations.ts"
import { protocol } from "./Protocol.ts"
import * as Thoughts from "./Thoughts.ts"
import * as Tools from "./Tools.ts"
import * as Usage from "./Usage.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's body text -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/** Some servers give a call's arguments as an object: its numbers stay as they are written. */
export const parse = (text: string): unknown =>
  /"arguments"\s*:\s*[{[]/.test(text) ? Json.parseExact(text) : Json.parse(text)

/** The answer in `text`, which travels along as `native`. Fails with `Malformed` on what is not a completion with choices. */
export const decode = (text: string): Result.Result<Chat.Response, ProviderError> => {
  const body = parse(text)
  if (!Predicate.isObject(body)) return Json.malformed("The answer is not a JSON object")
  const choices: Array<Chat.Choice> = []
  if (Array.isArray(body["choices"])) {
    for (const choice of body["choices"]) {
      const decoded = decodeChoice(choice, body["id"])
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

/**
 * Why the model stopped: to call a tool, where it called one, though the server says no more than `stop`. `eos` is
 * Together's, `model_length` Mistral's; words of a later API, or none, are `other`.
 */
export const finish = (reason: unknown, calls: boolean): Chat.FinishReason => {
  switch (reason) {
    case "stop":
    case "eos":
      return calls ? "tool-calls" : "stop"
    case "length":
    case "model_length":
      return "length"
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
const decodeChoice = (choice: unknown, id: unknown): Chat.Choice | undefined => {
  if (!Predicate.isObject(choice) || !Predicate.isObject(choice["message"])) return undefined
  const { finish_reason: reason, logprobs, message } = choice
  const content = decodeMessage(message as Fields, id)
  if (content.length === 0 && !Predicate.isString(reason)) return undefined
  return {
    content,
    finish: finish(
      reason,
      content.some((part) => part.type === "tool-call"),
    ),
    ...(logprobs === undefined || logprobs === null ? undefined : { logprobs }),
  }
}

const decodeMessage = (message: Fields, id: unknown): ReadonlyArray<Chat.AssistantContent> => {
  const { annotations, audio, content, function_call, refusal, tool_calls } = message
  const parts: Array<Chat.AssistantContent> = [...Thoughts.decode(message)]
  decodeContent(content, Json.list(annotations), parts)
  if (Predicate.isString(refusal) && refusal !== "") parts.push({ type: "refusal", text: refusal })
  // What is spoken is also written; a later turn refers to the recording by its id, and its bytes are in `native`.
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

/** A string, as the API has it; or Mistral's chunks, thoughts and text in turn. Any other is in `native` alone. */
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
    const thought = textOf(thinking)
    if (thought !== "") parts.push({ type: "reasoning", text: thought })
  }
}

/** The text of a thought, which is a string or chunks of text. */
export const textOf = (thinking: unknown): string =>
  Predicate.isString(thinking)
    ? thinking
    : Json.list(thinking)
        .map((chunk) => Json.string(Json.fields(chunk)["text"]))
        .join("")

/** The id of a call that was given none: no other answer's call has the same. */
export const callId = (id: unknown, index: number): string =>
  Predicate.isString(id) && id !== "" ? `call_${index}_${id}` : `call_${index}`

/** A call of a function, or of a custom tool, whose text stands in place of the JSON. */
const decodeCall = (call: Fields, id: string, message: Fields): Chat.ToolCall => {
  const custom = call["custom"]
  const { name, arguments: json, input } = Json.fields(call["function"] ?? custom)
  return {
    type: "tool-call",
    id: Json.words(call["id"]) ?? id,
    name: Json.string(name),
    ...(Predicate.isObject(custom)
      ? { arguments: Json.string(input), freeform: true as const }
      : { arguments: argumentsOf(json) }),
    ...Thoughts.ofCall(call, message),
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
export const encode = (response: Chat.Response, { created, id, request }: Answering): Record<string, unknown> => {
  const legacy = speaksOfFunctions(request)
  return {
    id: `chatcmpl-${id}`,
    object: "chat.completion",
    created,
    model: response.model ?? request.model,
    choices: [response, ...(response.alternatives ?? [])].map((choice, index) => encodeChoice(choice, index, legacy)),
    ...(response.usage === undefined ? undefined : { usage: Usage.encode(response.usage) }),
  }
}

/** Whether the client is one of old, that is to be answered with a `function_call`. */
export const speaksOfFunctions = ({ native }: Chat.Request): boolean =>
  native?.protocol === protocol && Tools.isLegacy(native.body)

/**
 * The protocol knows four words, and older clients a fifth. A refusal is the filter's; of an answer that only paused, or
 * ended for a reason without a word, `length` says at least that it may not be whole.
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
    case "other":
      return "length"
  }
}

const encodeChoice = (choice: Chat.Choice, index: number, legacy: boolean): Record<string, unknown> => {
  const message: Record<string, unknown> = { role: "assistant" }
  const calls: Array<Record<string, unknown>> = []
  const citations: Array<unknown> = []
  const thoughts: Array<Chat.Reasoning> = []
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
        thoughts.push(part)
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
  encodeThoughts(thoughts, message)
  if (citations.length > 0) message["annotations"] = citations
  if (calls.length > 0) {
    if (legacy) message["function_call"] = calls[0]?.["function"]
    else message["tool_calls"] = calls
  }
  return { index, message, logprobs: choice.logprobs ?? null, finish_reason: encodeFinish(choice.finish, legacy) }
}

/** The words of all thoughts together, and each with its seal, where one has any: the client brings them back. */
const encodeThoughts = (thoughts: ReadonlyArray<Chat.Reasoning>, message: Record<string, unknown>): void => {
  const words = thoughts.map(({ text }) => text).join("")
  if (words !== "") message["reasoning_content"] = words
  const isPlain = thoughts.length < 2 && thoughts.every(({ redacted, signature }) => !redacted && !signature)
  if (!isPlain) message["reasoning_details"] = thoughts.map(Thoughts.encode)
}

/** The signature of a call travels in its id: the protocol has no other place for it. */
const encodeCall = ({ arguments: written, freeform, id, name, signature }: Chat.ToolCall): Record<string, unknown> =>
  freeform === true
    ? { id: ToolIds.write(id, signature), type: "custom", custom: { name, input: written } }
    : { id: ToolIds.write(id, signature), type: "function", function: { name, arguments: written } }
