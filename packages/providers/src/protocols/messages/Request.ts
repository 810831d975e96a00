/**
 * Requests: encodes `Chat` as the API's body, and decodes a client's body to `Chat`.
 *
 * A feature that cannot be dropped fails with `Unsupported`, so that another deployment is tried. A dropped parameter
 * is named in `warnings`. `Chat.Request.metadata` is not sent: the API has no field for it.
 */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as SchemaParser from "effect/SchemaParser"
import * as Endpoint from "../Endpoint.ts"
import * as ExactNumber from "../ExactNumber.ts"
import * as InvalidBody from "../InvalidBody.ts"
import * as Json from "../Json.ts"
import * as Lowering from "../Lowering.ts"
import type { Block, Encoded, Warn } from "../Lowering.ts"
import * as Media from "../Media.ts"
import * as Overrides from "../Overrides.ts"
import * as Content from "./Content.ts"
import * as Model from "./Model.ts"
import * as SchemaTool from "../SchemaTool.ts"
import { protocol } from "./Protocol.ts"
import * as ForeignContent from "./ForeignContent.ts"
import * as Reasoning from "./Reasoning.ts"
import * as Tools from "./Tools.ts"
import * as Conversation from "./Conversation.ts"
import * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> the upstream's body
// ---------------------------------------------------------------------------------------------------------------------

/** The body for `request.model`, Anthropic's id of the model. Models accept different fields. */
export const encode = (original: Chat.Request): Result.Result<Encoded, ProviderError> => {
  const model = Model.of(original.model)
  const { change, changes, warn, warnings } = Lowering.warnings()
  const request = model.schemas ? original : SchemaTool.lower(original, model.forcible, warn)
  const feature = unsupported(request, model)
  if (feature !== undefined) return fail(feature)

  const { system, turns } = Conversation.encode(request.messages, model, warn)
  if (turns.length === 0) return fail("a conversation without user or assistant messages")

  const { thinking, effort, maxTokens } = Reasoning.encode(
    request.reasoning,
    {
      model,
      maxTokens: clamp(request.sampling?.maxTokens, model),
      toolForced: Tools.isForced(request),
      resumesWithoutReasoning: resumesWithoutReasoning(turns),
    },
    warn,
  )
  const requestedTokens = request.sampling?.maxTokens
  if (requestedTokens === undefined) change(`max_tokens, which the API requires, set to ${maxTokens}`)
  else if (requestedTokens > maxTokens) change(reducedTo(maxTokens))
  const body: Record<string, unknown> = { model: request.model, max_tokens: maxTokens, messages: turns }
  if (request.format?.type === "json") system.push(jsonMode(warn))
  if (system.length > 0) body["system"] = system
  if (thinking !== undefined) body["thinking"] = thinking
  Tools.encode(request, body, warn)
  encodeSampling(request.sampling, model, thinking !== undefined && thinking["type"] !== "disabled", body, warn)
  const format = encodeFormat(request.format)
  if (effort !== undefined || format !== undefined) {
    body["output_config"] = {
      ...(effort === undefined ? undefined : { effort }),
      ...(format === undefined ? undefined : { format }),
    }
  }
  if (request.user !== undefined) body["metadata"] = { user_id: request.user }
  return Result.succeed({
    body: Object.assign(body, request.vendor?.[protocol]),
    warnings,
    ...Lowering.withChanges(changes),
  })
}

/**
 * The client's own body; `undefined` if the client spoke another protocol. It stays as written except for the model,
 * `stream`, a `max_tokens` above the model's maximum, and reasoning of other vendors.
 */
export const native = (
  { model, native }: Chat.Request,
  endpoint: Endpoint.Endpoint = Endpoint.unlimited,
  change: Warn = ignore,
): Record<string, unknown> | undefined => {
  if (native?.protocol !== protocol) return undefined
  const { stream: _stream, ...body } = native.body
  const own = ForeignContent.remove(body, endpoint)
  const resumes = ForeignContent.resumesWithoutReasoning(Json.list(own["messages"]))
  const sent: Record<string, unknown> = { ...Reasoning.native(own, Model.of(model), resumes, change), model }
  const original = Json.number(sent["max_tokens"])
  const limit = original === undefined ? undefined : clamp(original, Model.of(model))
  // Reasoning counts towards the limit. The API rejects a budget that does not fit, and another model is tried.
  if (
    limit !== undefined &&
    limit !== original &&
    limit > (Json.number(Json.fields(sent["thinking"])["budget_tokens"]) ?? 0)
  ) {
    sent["max_tokens"] = limit
    change(reducedTo(limit))
  }
  return sent
}

const ignore = () => {}

/**
 * The client's own body with the parameters that the deployment sets. What depends on them is encoded again: a budget for
 * reasoning has to fit `max_tokens`, and a model that reasons accepts no other sampling.
 */
export const override = (
  body: Record<string, unknown>,
  request: Chat.Request,
  overrides: Chat.Overrides,
  change: Warn,
  warn: Warn,
): Result.Result<Record<string, unknown>, ProviderError> => {
  const model = Model.of(request.model)
  const feature = unsupported(Overrides.only(request, overrides), model)
  if (feature !== undefined) return fail(feature)
  const { maxTokens, temperature, topP } = overrides.sampling ?? {}
  const hasBudget = Json.fields(body["thinking"])["type"] === "enabled"
  const reasoning = overrides.reasoning ?? (hasBudget && maxTokens !== undefined ? request.reasoning : undefined)
  const sampling = [reasoning, temperature, topP].some((each) => each !== undefined)
    ? request.sampling
    : overrides.sampling
  const limit = clamp(request.sampling?.maxTokens, model)
  if (maxTokens !== undefined && limit !== undefined && maxTokens > limit) change(reducedTo(limit))
  const { thinking, effort } = Reasoning.encode(
    reasoning,
    {
      model,
      maxTokens: limit,
      toolForced: Tools.isForced(request),
      resumesWithoutReasoning: ForeignContent.resumesWithoutReasoning(Json.list(body["messages"])),
    },
    warn,
  )
  const reasons =
    reasoning === undefined ? usesReasoning(request) : thinking !== undefined && thinking["type"] !== "disabled"
  const encoded: Record<string, unknown> = {}
  encodeSampling(sampling, model, reasons, encoded, warn)
  if (limit !== undefined && maxTokens !== undefined) encoded["max_tokens"] = limit
  if (thinking !== undefined) encoded["thinking"] = thinking
  const { maxTokens: _, ...others } = sampling ?? {}
  const replaced = Overrides.replace(body, names, { sampling: { ...others, maxTokens }, reasoning }, encoded)
  if (overrides.reasoning === undefined) return Result.succeed(replaced)
  const { effort: _effort, ...config } = Json.fields(body["output_config"])
  const output = effort === undefined ? config : { ...config, effort }
  if (Object.keys(output).length > 0) replaced["output_config"] = output
  else delete replaced["output_config"]
  return Result.succeed(replaced)
}

const names: Overrides.Names = {
  maxTokens: ["max_tokens"],
  temperature: ["temperature"],
  topP: ["top_p"],
  topK: ["top_k"],
  stop: ["stop_sequences"],
  reasoning: ["thinking"],
}

const usesReasoning = ({ reasoning }: Chat.Request): boolean => reasoning !== undefined && reasoning.effort !== "none"

const reducedTo = (maxOutput: number): string => `max_tokens above the model's maximum, reduced to ${maxOutput}`

/** The limit, reduced to the model's maximum. */
const clamp = (maxTokens: number | undefined, { maxOutput }: Model.Model): number | undefined =>
  maxTokens === undefined || maxOutput === undefined ? maxTokens : Math.min(maxTokens, maxOutput)

/** Asks for a stream. */
export const streamed = (body: Record<string, unknown>): Record<string, unknown> => ({ ...body, stream: true })

const fail = (feature: string): Result.Result<never, ProviderError> => Lowering.unsupported("The Messages API", feature)

/** The first feature that this API does not support and that cannot be dropped. */
const unsupported = (request: Chat.Request, model: Model.Model): string | undefined => {
  const sampling = request.sampling
  if (sampling?.n !== undefined && sampling.n > 1) return "more than one choice (n)"
  if (sampling?.logprobs === true || (sampling?.topLogprobs ?? 0) > 0) return "logprobs"
  if (sampling?.stop?.some((sequence) => !/\S/.test(sequence)) === true) return "blank stop sequences"
  return Media.unsupported(request.messages, Content.unsupported) ?? Tools.unsupported(request, model)
}

/** Whether the last turn has results for a turn that does not begin with reasoning. */
const resumesWithoutReasoning = (turns: ReadonlyArray<Conversation.Turn>): boolean => {
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
  usesReasoning: boolean,
  body: Record<string, unknown>,
  warn: Warn,
): void => {
  if (sampling === undefined) return
  if (sampling.stop !== undefined && sampling.stop.length > 0) body["stop_sequences"] = sampling.stop
  if (sampling.seed !== undefined) warn("seed")
  if ((sampling.frequencyPenalty ?? 0) !== 0) warn("frequency_penalty")
  if ((sampling.presencePenalty ?? 0) !== 0) warn("presence_penalty")

  const { temperature, topP, topK } = sampling
  const free = model.sampling !== "none" && !usesReasoning
  const where = usesReasoning ? "while the model reasons" : "for this model"
  if (temperature !== undefined) {
    if (!free) {
      if (temperature !== 1) warn(`temperature ${where}`)
    } else {
      if (temperature > 1) warn("temperature above 1, sent as 1")
      body["temperature"] = Math.min(temperature, 1)
    }
  }
  if (topP !== undefined && topP !== 1) {
    if (!free) warn(`top_p ${where}`)
    else if (model.sampling === "one" && temperature !== undefined) warn("top_p together with temperature")
    else body["top_p"] = topP
  }
  if (topK !== undefined) {
    if (free) body["top_k"] = topK
    else warn(`top_k ${where}`)
  }
}

/** The schema's name is dropped; its description becomes a part of the schema. */
const encodeFormat = (format: Chat.Format | undefined): Block | undefined => {
  if (format?.type !== "json-schema") return undefined
  const { schema, description } = format
  const described = description === undefined || "description" in schema ? schema : { ...schema, description }
  return { type: "json_schema", schema: described }
}

/** JSON mode as an instruction: the API only supports schemas. */
const jsonMode = (warn: Warn): Block => {
  warn("JSON mode, sent as an instruction")
  return { type: "text", text: "Answer with one JSON value and nothing else: no words around it, no code fence." }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: a client's body -> Chat
// ---------------------------------------------------------------------------------------------------------------------

const parse = SchemaParser.decodeUnknownResult(Wire.Request)

/**
 * Decodes a client's body, which is kept as `native`. Fields without a counterpart in `Chat` are also in
 * `vendor.messages`, and anything else in `droppedParams`, so that a provider of another protocol reports them.
 */
export const decode = (body: Record<string, unknown>): Result.Result<Chat.Request, InvalidBody.InvalidBody> => {
  if (Json.fields(body["thread"])["type"] === "continue") return Result.fail(notStored)
  const parsed = parse(ExactNumber.read(body, ["thinking"]))
  return Result.isFailure(parsed)
    ? Result.fail(InvalidBody.fromIssue(parsed.failure, body))
    : Result.succeed(fromWire(parsed.success, body))
}

/**
 * Conversations are not stored, and the next response may be another vendor's. Given this code, Anthropic's SDK sends
 * the conversation again; its tool runner starts a thread whenever it can.
 */
const notStored = new InvalidBody.InvalidBody({
  path: "thread",
  status: 404,
  code: "thread_not_found",
  message:
    "Conversations are not stored: send the whole conversation, without 'thread' or with a 'thread' of type \"create\".",
})

/** Whether the client asks for a stream. */
export const isStream = (body: Record<string, unknown>): boolean => body["stream"] === true

const fromWire = (wire: Wire.Request, body: Record<string, unknown>): Chat.Request => {
  const { warn, warnings: droppedParams } = Lowering.warnings()
  const request: { -readonly [K in keyof Chat.Request]: Chat.Request[K] } = {
    model: wire.model,
    messages: Conversation.decode(wire, warn),
    native: { protocol, body },
  }
  const vendor = otherFields(wire, body)
  if (vendor !== undefined) request.vendor = { [protocol]: vendor }
  const tools = Tools.decode(wire.tools, body["tools"], warn)
  if (tools.length > 0) request.tools = tools
  const choice = Tools.decodeChoice(wire.tool_choice)
  if (choice !== undefined) request.toolChoice = choice
  if (Tools.oneAtATime(wire.tool_choice)) request.parallelToolCalls = false
  const format = decodeFormat(wire.output_config?.format ?? wire.output_format)
  if (format !== undefined) request.format = format
  const sampling = decodeSampling(wire)
  if (sampling !== undefined) request.sampling = sampling
  for (const name of Object.keys(Json.fields(body["output_config"]))) {
    if (name !== "effort" && name !== "format") warn(`output_config.${name}`)
  }
  const reasoning = Reasoning.decode(wire.thinking, wire.output_config?.effort, warn)
  if (reasoning !== undefined) request.reasoning = reasoning
  const user = wire.metadata?.user_id
  if (Predicate.isString(user)) request.user = user
  if (droppedParams.length > 0) request.droppedParams = droppedParams
  return request
}

const known: ReadonlySet<string> = new Set(Object.keys(Wire.Request.fields))

/** The fields without a counterpart in `Chat`: unknown fields, and tools of Anthropic's own. */
const otherFields = (wire: Wire.Request, body: Record<string, unknown>): Record<string, unknown> | undefined => {
  let vendor: Record<string, unknown> | undefined
  const add = (name: string) => {
    vendor ??= {}
    vendor[name] = body[name]
  }
  for (const name in body) if (!known.has(name) && body[name] !== null) add(name)
  if (Tools.hasOwn(wire.tools)) add("tools")
  return vendor
}

/** The schema gets a name, which other APIs require. The API enforces it as far as it can. */
const decodeFormat = (format: Wire.Format): Chat.Format | undefined =>
  format === undefined || format === null ? undefined : { type: "json-schema", name: "answer", schema: format.schema }

const decodeSampling = (wire: Wire.Request): Chat.Sampling | undefined =>
  Json.defined({
    maxTokens: wire.max_tokens,
    temperature: wire.temperature,
    topP: wire.top_p,
    topK: wire.top_k,
    stop: wire.stop_sequences,
  })
