/**
 * A whole answer, from both ends.
 */
import type * as Chat from "@understudy/core/Chat"
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
 * The answer in `text`, which travels along as `native`. Fails with `Malformed` on what is no response, or holds a call
 * that is not whole, and as `classify` judges the error of one that failed. Items the engine does not know (what OpenAI's own tools did) are in `native` alone.
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
  const ended = Result.flatMap(finish(body, "completed", ends(content), classify), (finishReason) =>
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

/** The response as its client may read it: its calls have ids of their own, and arguments. */
const amended = (body: Fields, { content }: Chat.Choice): Fields => {
  const calls = content.filter((part) => part.type === "tool-call")
  const output = Json.list(body["output"])
  let at = 0
  const told = output.map((item) => {
    const call = isCall(Json.fields(item)) ? calls[at++] : undefined
    return call === undefined ? item : amendedCall(Json.fields(item), call)
  })
  return told.every((item, index) => item === output[index]) ? body : { ...body, output: told }
}

const amendedCall = (item: Fields, call: Chat.ToolCall): Fields => {
  const isSame = call.custom === true || item["arguments"] === call.arguments
  if (item["call_id"] === call.id && isSame) return item
  return { ...item, call_id: call.id, ...(isSame ? undefined : { arguments: call.arguments }) }
}

const isCall = ({ type }: Fields): boolean => type === "function_call" || type === "custom_tool_call"

/** The id of a call that was given none: no other answer's call has the same. */
export const callId = (id: unknown, index: number): string =>
  Predicate.isString(id) && id !== "" ? `call_${index}_${id}` : `call_${index}`

/** What an answer that is complete ends in. */
export type Ends = Extract<Chat.FinishReason, "stop" | "tool-calls" | "refusal">

const ends = (content: ReadonlyArray<Chat.AssistantContent>): Ends => {
  if (content.some(({ type }) => type === "tool-call")) return "tool-calls"
  return content.some(({ type }) => type === "refusal") ? "refusal" : "stop"
}

const hasFailed = (status: unknown): boolean => status === "failed" || status === "cancelled"

/**
 * Why the model stopped, by the response's status, or else as its event `said`. A reason of a later API is `other`. Fails
 * where the response has failed, and with `Malformed` where it has not ended: another `status`, or an incomplete one
 * without a word why.
 */
export const finish = (
  response: Fields,
  said: "completed" | "incomplete",
  ends: Ends,
  classify: (error: Errors.WireError) => ProviderError,
): Result.Result<Chat.FinishReason, ProviderError> => {
  const status = response["status"] ?? said
  if (hasFailed(status)) return Result.fail(classify(Errors.fromResponse(response)))
  const reason = Json.nonEmptyString(Json.fields(response["incomplete_details"])["reason"])
  if (status === "completed" && said === "completed") return Result.succeed(ends)
  if (status !== "completed" && status !== "incomplete") {
    return Json.malformed(`The answer ended before the response did: its status is ${JSON.stringify(status)}`)
  }
  switch (reason) {
    case undefined:
      return Json.malformed("The response is incomplete, and does not say why")
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
        const { annotations, logprobs: probable, refusal, text, type } = Json.fields(part)
        if (type === "refusal") content.push({ type: "refusal", text: Json.string(refusal) })
        if (type !== "output_text") continue
        const citations = Citations.decodeAll(annotations)
        content.push({ type: "text", text: Json.string(text), ...(citations.length > 0 ? { citations } : undefined) })
        logprobs.push(...Json.list(probable))
      }
      return
    case "reasoning":
      content.push(Reasoning.decode(item, Reasoning.issued))
      return
    case "function_call":
    case "custom_tool_call":
      content.push({ ...opened(item), arguments: written(item) })
      return
  }
}

/** A call's item, without what it is called with. A gateway like ours may have answered: its ids carry signatures. */
export const opened = ({ call_id, id, name, namespace, type }: Fields) => ({
  type: "tool-call" as const,
  id: Json.nonEmptyString(call_id) ?? Json.string(id),
  name: Namespaces.join(namespace, Json.string(name)),
  ...(type === "custom_tool_call" ? { custom: true as const } : undefined),
})

/** What it is called with: text where it is free-form, else JSON, of which there may be none for no arguments. */
export const written = ({ arguments: json, input, type }: Fields): string => {
  if (type === "custom_tool_call") return Json.string(input)
  if (json === undefined || json === null || json === "") return "{}"
  return Predicate.isString(json) ? json : JSON.stringify(json)
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> a client's body
// ---------------------------------------------------------------------------------------------------------------------

/** An answer of another protocol's as a `response`. */
export const encode = (response: Chat.Response, answering: Answering): Record<string, unknown> => {
  const names = Namespaces.of(answering.request)
  const output: Array<Block> = []
  const refuses = response.content.some(({ type }) => type === "refusal")
  const outcome = ResponseObject.outcome(response.finishReason, refuses)
  const last = response.content.length - 1
  const id = (kind: string) => EchoedItems.id(kind, answering.id, output.length)
  let said: Array<Block> | undefined
  let probable = Output.logprobs(response.logprobs)
  for (const [index, part] of response.content.entries()) {
    const status = index === last ? outcome.status : "completed"
    switch (part.type) {
      case "text":
      case "refusal":
        if (said === undefined) output.push(Output.message(id("msg"), "completed", (said = [])))
        if (status === "incomplete") output[output.length - 1]!["status"] = status
        said.push(
          part.type === "refusal"
            ? Output.refusal(part.text)
            : Output.text(part.text, Citations.encodeAll(part), probable),
        )
        // They are the whole answer's, and told once.
        if (part.type === "text") probable = []
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
    said = undefined
  }
  return ResponseObject.of(answering, response, output, outcome)
}
