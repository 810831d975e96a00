/**
 * A whole answer, from both ends.
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

/** Some servers give a call's arguments as an object: its numbers stay as they are written. */
export const parse = (text: string): unknown =>
  /"arguments"\s*:\s*[{[]/.test(text) ? Json.parseExact(text) : Json.parse(text)

/**
 * The answer in `text`, which travels along as `native`. Fails with `Malformed` on what is not a completion with choices, or
 * holds a call that is not whole, and as `classify` judges an error in it.
 */
export const decode = (
  text: string,
  classify: (error: Errors.WireError) => ProviderError = Failure.unclassified,
): Result.Result<Chat.Response, ProviderError> => {
  const body = parse(text)
  if (!Predicate.isObject(body)) return Json.malformed("The answer is not a JSON object")
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
  if (first === undefined) return Json.malformed("The answer has no choices")
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

/** An error that is the whole answer, in whichever of its forms. */
const errorOf = (body: Fields): Errors.WireError | undefined => {
  const { choices, error } = body
  if (error !== undefined && error !== null && error !== "") return Errors.fromBody(body)
  if (Array.isArray(choices)) return undefined
  const flat = Errors.fromBody(body)
  return flat.message === undefined ? undefined : flat
}

/** The error that a choice ended in: OpenRouter tells it beside the finish reason, others by that word alone. */
export const failureOf = ({ error, finish_reason: reason }: Fields): Errors.WireError | undefined => {
  if (error !== undefined && error !== null) return Errors.fromBody({ error })
  const status = Failure.statusOf(reason)
  if (status === undefined) return undefined
  return { type: undefined, code: undefined, message: Failure.messageOf(reason), param: undefined, status }
}

/** The body as its client may read it: what its choices say of their calls and their end is what `Chat` says of them. */
const amended = (body: Fields, choices: ReadonlyArray<Chat.Choice>): Fields => {
  const wire = Json.list(body["choices"])
  if (wire.length !== choices.length) return body
  const told = wire.map((choice, at) => amendedChoice(Json.fields(choice), choices[at]))
  return told.every((choice, at) => choice === wire[at]) ? body : { ...body, choices: told }
}

const amendedChoice = (wire: Fields, choice: Chat.Choice | undefined): Fields => {
  const message = Json.fields(wire["message"])
  const calls = choice?.content.filter((part) => part.type === "tool-call") ?? []
  const list = Json.list(message["tool_calls"])
  const told = list.map((call, at) => amendedCall(Json.fields(call), calls[at]))
  const same = list.length !== calls.length || told.every((call, at) => call === list[at])
  const legacy = list.length === 0 && calls.length > 0
  const word = choice === undefined ? undefined : amendedFinish(wire["finish_reason"], choice.finishReason, legacy)
  if (same && word === undefined) return wire
  return {
    ...wire,
    ...(word === undefined ? undefined : { finish_reason: word }),
    message: same ? message : { ...message, tool_calls: told },
  }
}

const amendedCall = (wire: Fields, call: Chat.ToolCall | undefined): Fields => {
  if (call === undefined || call.custom === true) return wire
  const called = Json.fields(wire["function"])
  if (call.id === wire["id"] && called["arguments"] === call.arguments) return wire
  return { ...wire, id: call.id, type: "function", function: { ...called, arguments: call.arguments } }
}

const words = { length: "length", "content-filter": "content_filter" } as const

/** Another word than the server's, where that does not agree with the calls: `legacy` ones are a `function_call`. */
export const amendedFinish = (word: unknown, reason: Chat.FinishReason, legacy: boolean): string | undefined => {
  const expected = legacy ? "function_call" : "tool_calls"
  if (reason === "tool-calls") return word === expected ? undefined : expected
  if (reason === "stop" && FinishReason.read(word) === "tool-calls") return "stop"
  // A relay's word for what this protocol has a word for: its clients know no other.
  const own = reason === "length" || reason === "content-filter" ? words[reason] : undefined
  return word === own ? undefined : own
}

/** The stop sequence that was met: vLLM tells it beside the finish reason, and SGLang; a number is a token's. */
export const stopSequence = ({ matched_stop, stop_reason }: Fields): { readonly stopSequence?: string } => {
  const sequence = Json.nonEmptyString(stop_reason) ?? Json.nonEmptyString(matched_stop)
  return sequence === undefined ? unmet : { stopSequence: sequence }
}

const unmet = {}

/** Undefined where nothing is said, nor that it is finished. */
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
    id: Json.nonEmptyString(call["id"]) ?? id,
    name: Json.string(name),
    ...(Predicate.isObject(custom)
      ? { arguments: Json.string(input), custom: true as const }
      : { arguments: argumentsOf(json) }),
    ...Reasoning.ofCall(call, message),
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
 * The protocol knows four words, and older clients a fifth. A refusal is the filter's; of an answer that only paused,
 * `length` says at least that it may not be whole. What ended for a reason without a word did not run out of tokens.
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
  const finish = ToolCalls.finish(choice.finishReason, calls.length)
  return { index, message, logprobs: choice.logprobs ?? null, finish_reason: encodeFinish(finish, legacy) }
}

/** The words of all thoughts together, and each with its seal, where one has any: the client brings them back. */
const encodeThoughts = (thoughts: ReadonlyArray<Chat.Reasoning>, message: Record<string, unknown>): void => {
  const words = thoughts.map(({ text }) => text).join("")
  if (words !== "") message["reasoning_content"] = words
  const isPlain = thoughts.length < 2 && thoughts.every(({ redacted, signature }) => !redacted && !signature)
  if (!isPlain) message["reasoning_details"] = thoughts.map(Reasoning.encode)
}

/** The signature of a call travels in its id: the protocol has no other place for it. */
const encodeCall = ({ arguments: written, custom, id, name, signature }: Chat.ToolCall): Record<string, unknown> =>
  custom === true
    ? { id: ToolIds.write(id, signature), type: "custom", custom: { name, input: written } }
    : { id: ToolIds.write(id, signature), type: "function", function: { name, arguments: written } }
