/** Complete responses: decodes an upstream's body to `Chat`, and encodes `Chat` for a client. */
import * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Answering } from "../ClientProtocol.ts"
import * as Amended from "../Amended.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Block } from "../Lowering.ts"
import * as ToolCalls from "../ToolCalls.ts"
import * as Citations from "./Citations.ts"
import * as Compaction from "./Compaction.ts"
import * as Errors from "./Errors.ts"
import * as Namespaces from "./Namespaces.ts"
import * as Output from "./Output.ts"
import { protocol } from "./Protocol.ts"
import * as Reasoning from "./Reasoning.ts"
import * as EchoedItems from "./EchoedItems.ts"
import * as ResponseObject from "./ResponseObject.ts"
import * as Usage from "./Usage.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's body text -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Decodes the response in `text`, which is kept as `native`. Fails with `Malformed` if it is not a response, or
 * contains an incomplete call. A failed response is classified by `classify`. Unknown items (of OpenAI's own tools) are
 * in `native` only.
 */
export const decode = (
  text: string,
  classify: (error: Errors.WireError) => ProviderError,
): Result.Result<Chat.Response, ProviderError> => {
  const body = Json.parse(text)
  if (!Predicate.isObject(body)) return Json.malformed("The response is not a JSON object")
  const { id, model, output, status } = body
  if (hasFailed(status)) return Result.fail(classify(Errors.fromResponse(body)))
  if (!Array.isArray(output)) return Json.malformed("The response has no output")
  const content: Array<Chat.AssistantContent> = []
  const logprobs: Array<unknown> = []
  for (const item of output) if (Predicate.isObject(item)) decodeItem(item as Fields, content, logprobs)
  const usage = Usage.decode(body["usage"])
  const ended = Result.flatMap(finish(body, "completed", finishReasonOf(content), classify), (finishReason) =>
    ToolCalls.normalize({ content, finishReason }, (index) => callId(id, index)),
  )
  return Result.map(ended, (choice) => ({
    ...(Predicate.isString(id) ? { id } : undefined),
    ...(Predicate.isString(model) ? { model } : undefined),
    ...choice,
    ...(logprobs.length === 0 ? undefined : { logprobs: { content: logprobs } }),
    ...(usage === undefined ? undefined : { usage }),
    native: Amended.native(protocol, text, body as Fields, (body) => amended(body, choice)),
  }))
}

/** Corrects the client's body: calls have unique ids, and arguments. */
const amended = (body: Fields, { content }: Chat.Choice): Fields => {
  const calls = content.filter((part) => part.type === "tool-call")
  const output = Json.list(body["output"])
  let at = 0
  const amendedOutput = output.map((item) => {
    const call = isCall(Json.fields(item)) ? calls[at++] : undefined
    return call === undefined ? item : amendedCall(Json.fields(item), call)
  })
  return amendedOutput.every((item, index) => item === output[index]) ? body : { ...body, output: amendedOutput }
}

const amendedCall = (item: Fields, call: Chat.ToolCall): Fields => {
  const isSame = call.custom === true || item["arguments"] === call.arguments
  if (item["call_id"] === call.id && isSame) return item
  return { ...item, call_id: call.id, ...(isSame ? undefined : { arguments: call.arguments }) }
}

const isCall = ({ type }: Fields): boolean => type === "function_call" || type === "custom_tool_call"

/** The id of a call that has none. */
export const callId = (responseId: unknown, index: number): string => ToolCalls.generatedId("call", responseId, index)

/** The finish reason of a complete response, by its content. */
export type CompleteReason = Extract<Chat.FinishReason, "stop" | "tool-calls" | "refusal">

const finishReasonOf = (content: ReadonlyArray<Chat.AssistantContent>): CompleteReason => {
  if (content.some(({ type }) => type === "tool-call")) return "tool-calls"
  return content.some(({ type }) => type === "refusal") ? "refusal" : "stop"
}

const hasFailed = (status: unknown): boolean => status === "failed" || status === "cancelled"

/**
 * The finish reason, by the response's status, else by its terminal `event`. An unknown reason is `other`. Fails if the
 * response failed, and with `Malformed` if it has not ended: it has another `status`, or is incomplete without a
 * reason.
 */
export const finish = (
  response: Fields,
  event: "completed" | "incomplete",
  completeReason: CompleteReason,
  classify: (error: Errors.WireError) => ProviderError,
): Result.Result<Chat.FinishReason, ProviderError> => {
  const status = response["status"] ?? event
  if (hasFailed(status)) return Result.fail(classify(Errors.fromResponse(response)))
  const reason = Json.nonEmptyString(Json.fields(response["incomplete_details"])["reason"])
  if (status === "completed" && event === "completed") return Result.succeed(completeReason)
  if (status !== "completed" && status !== "incomplete") {
    return Json.malformed(`The stream ended before the response: its status is ${JSON.stringify(status)}`)
  }
  switch (reason) {
    case undefined:
      return Json.malformed("The response is incomplete without a reason")
    case "max_output_tokens":
      return Result.succeed("length")
    case "content_filter":
      return Result.succeed("content-filter")
    default:
      return Result.succeed("other")
  }
}

const decodeItem = (item: Fields, content: Array<Chat.AssistantContent>, logprobs: Array<unknown>): void => {
  switch (item["type"]) {
    case "message":
      for (const part of Json.list(item["content"])) {
        const { annotations, logprobs: partLogprobs, refusal, text, type } = Json.fields(part)
        if (type === "refusal") content.push({ type: "refusal", text: Json.string(refusal) })
        if (type !== "output_text") continue
        const citations = Citations.decodeAll(annotations)
        content.push({ type: "text", text: Json.string(text), ...(citations.length > 0 ? { citations } : undefined) })
        logprobs.push(...Json.list(partLogprobs))
      }
      return
    case "reasoning":
      content.push(Reasoning.decode(item, Reasoning.issued))
      return
    case "function_call":
    case "custom_tool_call":
      content.push({ ...callOf(item), arguments: argumentsOf(item) })
      return
  }
}

/** A call's item without its arguments. Ids may carry signatures of a gateway behind this one. */
export const callOf = ({ call_id, id, name, namespace, type }: Fields) => ({
  type: "tool-call" as const,
  id: Json.nonEmptyString(call_id) ?? Json.string(id),
  name: Namespaces.join(namespace, Json.string(name)),
  ...(type === "custom_tool_call" ? { custom: true as const } : undefined),
})

/** The arguments of a call: text for a custom tool, else JSON, possibly missing. */
export const argumentsOf = ({ arguments: json, input, type }: Fields): string => {
  if (type === "custom_tool_call") return Json.string(input)
  if (json === undefined || json === null || json === "") return "{}"
  return Predicate.isString(json) ? json : JSON.stringify(json)
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> a client's body
// ---------------------------------------------------------------------------------------------------------------------

/** The summary of a conversation as a `response` whose output is one compaction item. */
const encodeCompaction = (response: Chat.Response, answering: Answering): Record<string, unknown> =>
  ResponseObject.of(
    answering,
    response,
    [Compaction.item(answering.id, Chat.text(response))],
    ResponseObject.outcome(response.finishReason, false),
  )

/** A response of another protocol as a `response`. */
export const encode = (response: Chat.Response, answering: Answering): Record<string, unknown> => {
  if (Compaction.isRequested(answering.request)) return encodeCompaction(response, answering)
  const names = Namespaces.of(answering.request)
  const output: Array<Block> = []
  const hasRefusal = response.content.some(({ type }) => type === "refusal")
  const outcome = ResponseObject.outcome(response.finishReason, hasRefusal)
  const last = response.content.length - 1
  const id = (kind: string) => EchoedItems.id(kind, answering.id, output.length)
  let message: Array<Block> | undefined
  let partLogprobs = Output.logprobs(response.logprobs)
  for (const [index, part] of response.content.entries()) {
    const status = index === last ? outcome.status : "completed"
    switch (part.type) {
      case "text":
      case "refusal":
        if (message === undefined) output.push(Output.message(id("msg"), "completed", (message = [])))
        if (status === "incomplete") output[output.length - 1]!["status"] = status
        message.push(
          part.type === "refusal"
            ? Output.refusal(part.text)
            : Output.text(part.text, Citations.encodeAll(part), partLogprobs),
        )
        // They belong to the whole response, and are written once.
        if (part.type === "text") partLogprobs = []
        continue
      case "reasoning":
        output.push(Reasoning.item(id("rs"), part))
        break
      case "tool-call":
        output.push(Output.call(id(Output.kindOf(part)), status, part, names))
        break
      case "audio":
        continue
    }
    message = undefined
  }
  return ResponseObject.of(answering, response, output, outcome)
}
