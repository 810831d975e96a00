/**
 * A request: `Chat` said in the words of the Messages API.
 *
 * What would change the answer's meaning and cannot be said fails with `Unsupported`, so that another candidate is asked;
 * a mere wish that cannot be said is named in `warnings`. `Chat.Request.metadata` stays with the router: the API has no
 * place for labels.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Result from "effect/Result"
import * as Lowering from "../Lowering.ts"
import type { Encoded } from "../Lowering.ts"
import * as Content from "./Content.ts"
import type { Block, Warn } from "../Lowering.ts"
import * as Model from "./Model.ts"
import { protocol } from "./Protocol.ts"
import * as Thinking from "./Thinking.ts"
import * as Turns from "./Turns.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> the upstream's body
// ---------------------------------------------------------------------------------------------------------------------

/** The body for `request.model`, which is Anthropic's own id of the model: newer ones take other words than older ones. */
export const encode = (request: Chat.Request): Result.Result<Encoded, ProviderError> => {
  const feature = unsupported(request)
  if (feature !== undefined) return fail(feature)

  const { warn, warnings } = Lowering.warnings()
  const model = Model.of(request.model)
  const { system, turns } = Turns.encode(request.messages, model, warn)
  if (turns.length === 0) return fail("a conversation in which nobody but the system has spoken")

  const { thinking, effort, maxTokens } = Thinking.encode(
    request.reasoning,
    {
      model,
      maxTokens: request.sampling?.maxTokens,
      toolForced: isForced(request),
      resumesUnthought: resumesUnthought(turns),
    },
    warn,
  )
  const body: Record<string, unknown> = { model: request.model, max_tokens: maxTokens, messages: turns }
  if (system.length > 0) body["system"] = system
  if (thinking !== undefined) body["thinking"] = thinking
  encodeTools(request, body, warn)
  encodeSampling(request.sampling, model, thinking !== undefined && thinking["type"] !== "disabled", body, warn)
  const format = encodeFormat(request.format)
  if (effort !== undefined || format !== undefined) {
    body["output_config"] = {
      ...(effort === undefined ? undefined : { effort }),
      ...(format === undefined ? undefined : { format }),
    }
  }
  if (request.user !== undefined) body["metadata"] = { user_id: request.user }
  return Result.succeed({ body: Object.assign(body, request.vendor?.[protocol]), warnings })
}

/** The body that the client sent, where it spoke this protocol: as it came, but for the model and `stream`. */
export const native = ({ model, native }: Chat.Request): Record<string, unknown> | undefined => {
  if (native?.protocol !== protocol) return undefined
  const { stream: _stream, ...body } = native.body
  return { ...body, model }
}

/** Asks for the answer as a stream. */
export const streamed = (body: Record<string, unknown>): Record<string, unknown> => ({ ...body, stream: true })

const fail = (feature: string) =>
  Result.fail(
    new ProviderError({ reason: { _tag: "Unsupported", feature }, message: `The Messages API cannot say: ${feature}` }),
  )

/** The first thing asked for that this API cannot say and that the answer would be another without. */
const unsupported = (request: Chat.Request): string | undefined => {
  const sampling = request.sampling
  if (sampling?.n !== undefined && sampling.n > 1) return "several answers at once (n)"
  if (sampling?.logprobs === true || (sampling?.topLogprobs ?? 0) > 0) return "logprobs"
  if (sampling?.stop?.some((sequence) => !/\S/.test(sequence)) === true) return "stop sequences of white space"
  if (request.format?.type === "json") return "JSON answers without a schema"
  for (const message of request.messages) {
    for (const part of message.content) {
      const feature = Content.unsupported(part)
      if (feature !== undefined) return feature
    }
  }
  return undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Tools
// ---------------------------------------------------------------------------------------------------------------------

const encodeTools = (request: Chat.Request, body: Record<string, unknown>, warn: Warn): void => {
  if (request.tools === undefined || request.tools.length === 0) return
  body["tools"] = request.tools.map((tool) => encodeTool(tool, warn))
  const choice = encodeToolChoice(request.toolChoice)
  const oneAtATime = request.parallelToolCalls === false && choice?.["type"] !== "none"
  if (oneAtATime) body["tool_choice"] = { ...(choice ?? { type: "auto" }), disable_parallel_tool_use: true }
  else if (choice !== undefined) body["tool_choice"] = choice
}

const encodeTool = (tool: Chat.Tool, warn: Warn): Block => {
  const block: Block = { name: tool.name }
  if (tool.description !== undefined) block["description"] = tool.description
  block["input_schema"] = { type: "object", ...(tool.parameters ?? { properties: {} }) }
  if (tool.strict === true) block["strict"] = true
  return Content.withCache(block, tool.cache, warn)
}

const encodeToolChoice = (choice: Chat.ToolChoice | undefined): Block | undefined => {
  switch (choice) {
    case undefined:
      return undefined
    case "auto":
    case "none":
      return { type: choice }
    case "required":
      return { type: "any" }
    default:
      return { type: "tool", name: choice.name }
  }
}

const isForced = (request: Chat.Request): boolean =>
  request.tools !== undefined &&
  request.tools.length > 0 &&
  request.toolChoice !== undefined &&
  request.toolChoice !== "auto" &&
  request.toolChoice !== "none"

/** Whether the last turn answers tool calls of a turn that did not begin with a thought. */
const resumesUnthought = (turns: ReadonlyArray<Turns.Turn>): boolean => {
  const answers = turns[turns.length - 1]?.content[0]?.["type"] === "tool_result"
  const opening = turns[turns.length - 2]?.content[0]?.["type"]
  return answers && opening !== "thinking" && opening !== "redacted_thinking"
}

// ---------------------------------------------------------------------------------------------------------------------
// Sampling and format
// ---------------------------------------------------------------------------------------------------------------------

const encodeSampling = (
  sampling: Chat.Sampling | undefined,
  model: Model.Model,
  thinks: boolean,
  body: Record<string, unknown>,
  warn: Warn,
): void => {
  if (sampling === undefined) return
  if (sampling.stop !== undefined && sampling.stop.length > 0) body["stop_sequences"] = sampling.stop
  if (sampling.seed !== undefined) warn("a seed")
  if ((sampling.frequencyPenalty ?? 0) !== 0) warn("a frequency penalty")
  if ((sampling.presencePenalty ?? 0) !== 0) warn("a presence penalty")

  const { temperature, topP, topK } = sampling
  const free = model.sampling !== "none" && !thinks
  const where = thinks ? "while the model reasons" : "for this model"
  if (temperature !== undefined) {
    if (!free) {
      if (temperature !== 1) warn(`a temperature ${where}`)
    } else {
      if (temperature > 1) warn("a temperature above 1, sent as 1")
      body["temperature"] = Math.min(temperature, 1)
    }
  }
  if (topP !== undefined && topP !== 1) {
    if (!free) warn(`top_p ${where}`)
    else if (model.sampling === "one" && temperature !== undefined) warn("top_p beside a temperature")
    else body["top_p"] = topP
  }
  if (topK !== undefined) {
    if (free) body["top_k"] = topK
    else warn(`top_k ${where}`)
  }
}

/** The schema's name says nothing to the model; its description does, and finds a place in the schema. */
const encodeFormat = (format: Chat.Format | undefined): Block | undefined => {
  if (format?.type !== "json-schema") return undefined
  const { schema, description } = format
  const told = description === undefined || "description" in schema ? schema : { ...schema, description }
  return { type: "json_schema", schema: told }
}
