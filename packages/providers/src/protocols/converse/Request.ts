/**
 * A request: `Chat` said in the words of Converse, as the input of the SDK's `ConverseCommand`.
 *
 * What would change the answer's meaning and cannot be said fails with `Unsupported`, so that another candidate is asked;
 * a mere wish that cannot be said is named in `warnings`. What Converse leaves to the model goes into
 * `additionalModelRequestFields`, in Anthropic's own words where the model is a Claude.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Lowering from "../Lowering.ts"
import type { Encoded } from "../Lowering.ts"
import * as Model from "../messages/Model.ts"
import * as Thinking from "../messages/Thinking.ts"
import * as Content from "./Content.ts"
import type { Block, Warn } from "../Lowering.ts"
import type { Context } from "./Content.ts"
import * as Documents from "./Documents.ts"
import * as Prompt from "./Prompt.ts"
import { protocol } from "./Protocol.ts"
import * as Tools from "./Tools.ts"
import * as Turns from "./Turns.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> the upstream's body
// ---------------------------------------------------------------------------------------------------------------------

/** The input for `request.model`, which is a model's id, an inference profile's, or the ARN of either. */
export const encode = (request: Chat.Request): Result.Result<Encoded, ProviderError> => {
  const model = isClaude(request.model) ? Model.of(request.model) : undefined
  const feature = unsupported(request, model)
  if (feature !== undefined) return fail(feature)

  const { warn, warnings } = Lowering.warnings()
  const context: Context = { warn, claude: model !== undefined, documentName: Documents.namer() }
  const { system, turns } = Turns.encode(request.messages, context)
  const misplaced = unsupportedTurns(turns)
  if (misplaced !== undefined) return fail(misplaced)

  const { thinking, effort } = encodeReasoning(request, turns, model, warn)
  const { toolConfig, toolChoice } = Tools.encode(request, context)
  const thinks = thinking !== undefined && thinking["type"] !== "disabled"
  const { inferenceConfig, topK } = encodeSampling(request.sampling, model, thinks, warn)
  const format = encodeFormat(request.format)
  const metadata = encodeMetadata(request.metadata, warn)
  if (request.user !== undefined) warn("the id of the end user")

  const body: Record<string, unknown> = { modelId: request.model, messages: turns }
  if (system.length > 0) body["system"] = system
  if (inferenceConfig !== undefined) body["inferenceConfig"] = inferenceConfig
  if (toolConfig !== undefined) body["toolConfig"] = toolConfig
  if (effort !== undefined || format !== undefined) {
    body["outputConfig"] = {
      ...(effort === undefined ? undefined : { effort }),
      ...(format === undefined ? undefined : { textFormat: format }),
    }
  }
  if (metadata !== undefined) body["requestMetadata"] = metadata
  if (model !== undefined && inferenceConfig?.["stopSequences"] !== undefined) {
    body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]
  }
  const additional = {
    ...(thinking === undefined ? undefined : { thinking }),
    ...(topK === undefined ? undefined : { top_k: topK }),
    ...(toolChoice === undefined ? undefined : { tool_choice: toolChoice }),
  }
  const whole = withVendor(body, additional, request.vendor?.[protocol])
  if (Prompt.isPrompt(request.model)) {
    const misplaced = Prompt.unsupported(whole)
    if (misplaced !== undefined) return fail(misplaced)
    Prompt.settle(whole, warn)
  }
  return Result.succeed({ body: whole, warnings })
}

/**
 * The input for a request that is this protocol's own: the client's as it came, for `request.model`. Bytes in it are
 * bytes, as the SDK takes them.
 */
export const native = ({ model, native }: Chat.Request): Record<string, unknown> | undefined =>
  native?.protocol === protocol ? { ...native.body, modelId: model } : undefined

const fail = (feature: string) =>
  Result.fail(
    new ProviderError({ reason: { _tag: "Unsupported", feature }, message: `The Converse API cannot say: ${feature}` }),
  )

/** An application inference profile's ARN does not tell its model: what Claude alone takes is then left unsaid. */
const isClaude = (modelId: string): boolean => /claude/i.test(modelId)

/** The first thing asked for that this API cannot say and that the answer would be another without. */
const unsupported = (request: Chat.Request, model: Model.Model | undefined): string | undefined => {
  const sampling = request.sampling
  if (sampling?.n !== undefined && sampling.n > 1) return "several answers at once (n)"
  if (sampling?.logprobs === true || (sampling?.topLogprobs ?? 0) > 0) return "logprobs"
  if (request.format?.type === "json") return "JSON answers without a schema"
  for (const message of request.messages) {
    for (const part of message.content) {
      const feature = Content.unsupported(part)
      if (feature !== undefined) return feature
    }
  }
  return Tools.unsupported(request, model !== undefined)
}

/** What the API refuses in a conversation's shape, though other vendors take it. */
const unsupportedTurns = (turns: ReadonlyArray<Turns.Turn>): string | undefined => {
  if (turns.length === 0) return "a conversation in which nobody but the system has spoken"
  if (turns[0]?.role === "assistant") return "a conversation that the assistant begins"
  const bare = turns.some(({ content }) => content.some(isDocument) && !content.some(isText))
  return bare ? "a document with no text beside it" : undefined
}

const isDocument = (block: Block): boolean => "document" in block
const isText = (block: Block): boolean => "text" in block

/** The vendor's own fields come last; those for the model itself join ours. */
const withVendor = (
  body: Record<string, unknown>,
  additional: Block,
  vendor: Readonly<Record<string, unknown>> | undefined,
): Record<string, unknown> => {
  const theirs = vendor?.["additionalModelRequestFields"]
  const fields = Predicate.isObject(theirs) ? { ...additional, ...theirs } : additional
  Object.assign(body, vendor)
  if (Object.keys(fields).length > 0) body["additionalModelRequestFields"] = fields
  return body
}

// ---------------------------------------------------------------------------------------------------------------------
// Reasoning
// ---------------------------------------------------------------------------------------------------------------------

const encodeReasoning = (
  request: Chat.Request,
  turns: ReadonlyArray<Turns.Turn>,
  model: Model.Model | undefined,
  warn: Warn,
): Pick<Thinking.Thinking, "thinking" | "effort"> => {
  const { reasoning } = request
  if (model !== undefined) {
    const toolForced = Tools.isForced(request)
    const maxTokens = request.sampling?.maxTokens
    return Thinking.encode(reasoning, { model, maxTokens, toolForced, resumesUnthought: resumesUnthought(turns) }, warn)
  }
  if (reasoning?.effort !== undefined || reasoning?.budget !== undefined) warn("how much to reason")
  return {}
}

/** Whether the last turn answers tool calls of a turn that did not begin with a thought. */
const resumesUnthought = (turns: ReadonlyArray<Turns.Turn>): boolean => {
  const last = turns[turns.length - 1]?.content[0]
  const opening = turns[turns.length - 2]?.content[0]
  return last !== undefined && "toolResult" in last && (opening === undefined || !("reasoningContent" in opening))
}

// ---------------------------------------------------------------------------------------------------------------------
// Sampling, format and metadata
// ---------------------------------------------------------------------------------------------------------------------

const encodeSampling = (
  sampling: Chat.Sampling | undefined,
  model: Model.Model | undefined,
  thinks: boolean,
  warn: Warn,
): { readonly inferenceConfig?: Block; readonly topK?: number } => {
  if (sampling === undefined) return {}
  const config: Block = {}
  if (sampling.maxTokens !== undefined) config["maxTokens"] = sampling.maxTokens
  if (sampling.stop !== undefined && sampling.stop.length > 0) config["stopSequences"] = sampling.stop
  if (sampling.seed !== undefined) warn("a seed")
  if ((sampling.frequencyPenalty ?? 0) !== 0) warn("a frequency penalty")
  if ((sampling.presencePenalty ?? 0) !== 0) warn("a presence penalty")

  const { temperature, topP, topK } = sampling
  const free = model?.sampling !== "none" && !thinks
  const where = thinks ? "while the model reasons" : "for this model"
  if (temperature !== undefined) {
    if (!free) {
      if (temperature !== 1) warn(`a temperature ${where}`)
    } else {
      if (temperature > 1) warn(`a temperature of ${temperature}, sent as 1`)
      config["temperature"] = Math.min(temperature, 1)
    }
  }
  if (topP !== undefined && topP !== 1) {
    if (!free) warn(`top_p ${where}`)
    else if (model?.sampling === "one" && temperature !== undefined) warn("top_p beside a temperature")
    else config["topP"] = topP
  }
  if (topK !== undefined && (model === undefined || !free)) warn(`top_k ${where}`)
  return {
    ...(Object.keys(config).length === 0 ? undefined : { inferenceConfig: config }),
    ...(topK === undefined || model === undefined || !free ? undefined : { topK }),
  }
}

const encodeFormat = (format: Chat.Format | undefined): Block | undefined => {
  if (format?.type !== "json-schema") return undefined
  const { name, schema, description } = format
  const jsonSchema: Block = { schema: JSON.stringify(schema), name }
  if (description !== undefined) jsonSchema["description"] = description
  return { type: "json_schema", structure: { jsonSchema } }
}

/** At most 16 labels, of these characters: the API refuses the whole call over any other. */
const label = /^[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}$/

const encodeMetadata = (
  metadata: Readonly<Record<string, string>> | undefined,
  warn: Warn,
): Record<string, string> | undefined => {
  const kept: Record<string, string> = {}
  let count = 0
  for (const [key, value] of Object.entries(metadata ?? {})) {
    if (count < 16 && key !== "" && label.test(key) && label.test(value)) {
      kept[key] = value
      count++
    } else warn(`the label ${JSON.stringify(key)}`)
  }
  return count === 0 ? undefined : kept
}
