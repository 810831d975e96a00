/**
 * Requests: encodes `Chat` as an upstream's body, and decodes a client's body to `Chat`.
 *
 * A feature that cannot be dropped fails with `Unsupported`, so that another deployment is tried. A dropped parameter
 * is named in `warnings`. `Chat.Request.metadata` is only sent if OpenAI is to store the response (`store`).
 *
 * Nothing is stored here: `decode` rejects a reference to an earlier response, with an alternative, and `decodeReferring` leaves
 * it to a gateway that stores responses.
 */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as SchemaParser from "effect/SchemaParser"
import * as Format from "../chat-completions/Format.ts"
import * as Model from "../chat-completions/Model.ts"
import * as Effort from "../Effort.ts"
import * as Endpoint from "../Endpoint.ts"
import * as ExactNumber from "../ExactNumber.ts"
import { InvalidBody, fromIssue } from "../InvalidBody.ts"
import * as Json from "../Json.ts"
import * as JsonMode from "../JsonMode.ts"
import type { Encoded, Warn } from "../Lowering.ts"
import * as Lowering from "../Lowering.ts"
import * as Media from "../Media.ts"
import * as Overrides from "../Overrides.ts"
import * as Compaction from "./Compaction.ts"
import * as Content from "./Content.ts"
import { protocol } from "./Protocol.ts"
import * as EchoedItems from "./EchoedItems.ts"
import * as Tools from "./Tools.ts"
import * as Conversation from "./Conversation.ts"
import * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> the upstream's body
// ---------------------------------------------------------------------------------------------------------------------

/** The body for `request.model`, the vendor's id of the model. Some models accept fewer fields than others. */
export const encode = (request: Chat.Request): Result.Result<Encoded, ProviderError> => {
  const model = Model.of(request.model)
  const feature = unsupported(request, model)
  if (feature !== undefined) return Lowering.unsupported("Responses", feature)

  const { change, changes, warn, warnings } = Lowering.warnings()
  const conversation = Conversation.encode(request.messages, model, warn)
  const body: Record<string, unknown> = { model: request.model, ...conversation, store: false }
  Tools.encode(request, model, body, warn)
  encodeFormat(request.format, conversation.input, body)
  encodeSampling(request.sampling, model, body, warn)
  encodeReasoning(request.reasoning, model, body, warn, change)
  if (request.user !== undefined) body["safety_identifier"] = request.user
  for (const [name, value] of Object.entries(request.vendor?.[protocol] ?? {})) put(body, name, value)
  if (request.metadata !== undefined && body["store"] === true) body["metadata"] = request.metadata
  return Result.succeed({ body, warnings, ...Lowering.withChanges(changes) })
}

/**
 * The fields shared with Chat Completions that every model accepts. Fields that only some models accept (service tier,
 * verbosity, cache retention) are not sent to a model that the client did not choose.
 */
export const sharedFields = { "chat-completions": ["prompt_cache_key"] }

/**
 * The client's own body; `undefined` if the client spoke another protocol. It stays as written, except for the model,
 * the stream parameters and `EchoedItems`.
 */
export const native = (
  { model, native }: Chat.Request,
  endpoint: Endpoint.Endpoint = Endpoint.unlimited,
  change: Warn = () => {},
): Record<string, unknown> | undefined => {
  if (native?.protocol !== protocol) return undefined
  // Only OpenAI itself compacts a conversation.
  if (endpoint.host !== undefined && Compaction.isTriggered(native.body["input"])) return undefined
  const { stream: _stream, stream_options: _options, ...sent } = native.body
  const body = native.stored === true ? storedElsewhere(sent, Model.of(model)) : sent
  const { input } = body
  return Array.isArray(input) ? { ...body, model, input: EchoedItems.fit(input, endpoint, change) } : { ...body, model }
}

/** The body of a response that the gateway stores: OpenAI does not, and returns the reasoning in encrypted form. */
const storedElsewhere = (body: Record<string, unknown>, model: Model.Model): Record<string, unknown> => {
  const { effort } = Json.fields(body["reasoning"])
  const adapted: Record<string, unknown> = { ...body, store: false }
  const reasons = model.reasons && effort !== "none" && (effort !== undefined || !model.samples)
  if (reasons && !Json.list(body["include"]).includes(reasoningIncluded)) include(adapted, reasoningIncluded)
  return adapted
}

/** The client's own body with the parameters that the deployment sets. */
export const override = (
  body: Record<string, unknown>,
  request: Chat.Request,
  overrides: Chat.Overrides,
  change: Warn,
  warn: Warn,
): Result.Result<Record<string, unknown>, ProviderError> => {
  const own = Overrides.only(request, overrides)
  const model = Model.of(request.model)
  const feature = unsupported(own, model)
  if (feature !== undefined) return Lowering.unsupported("Responses", feature)
  const encoded: Record<string, unknown> = {}
  encodeSampling(own.sampling, model, encoded, warn)
  if (own.reasoning !== undefined) encodeReasoning(own.reasoning, model, encoded, warn, change)
  const { include: included, reasoning, ...fields } = encoded
  const replaced = Overrides.replace(body, names, overrides, fields)
  if (included !== undefined)
    replaced["include"] = [...new Set([...Json.list(body["include"]), ...Json.list(included)])]
  if (own.reasoning !== undefined) {
    const { effort: _, ...others } = Json.fields(body["reasoning"])
    const kept = { ...others, ...Json.fields(reasoning) }
    if (Object.keys(kept).length > 0) replaced["reasoning"] = kept
    else delete replaced["reasoning"]
  }
  return Result.succeed(replaced)
}

const names: Overrides.Names = {
  maxTokens: ["max_output_tokens"],
  temperature: ["temperature"],
  topP: ["top_p"],
  frequencyPenalty: ["frequency_penalty"],
  presencePenalty: ["presence_penalty"],
}

/** Asks for a stream, with the client's `stream_options`. */
export const streamed = (body: Record<string, unknown>, { native }: Chat.Request): Record<string, unknown> => {
  const options = native?.protocol === protocol ? native.body["stream_options"] : undefined
  return Predicate.isObject(options) ? { ...body, stream: true, stream_options: options } : { ...body, stream: true }
}

/** The first feature that this API does not support and that cannot be dropped. */
const unsupported = (request: Chat.Request, model: Model.Model): string | undefined => {
  const sampling = request.sampling
  if (sampling?.n !== undefined && sampling.n > 1) return "more than one choice (n)"
  if (sampling?.stop !== undefined && sampling.stop.length > 0) return "stop sequences"
  if (!model.samples && (sampling?.logprobs === true || (sampling?.topLogprobs ?? 0) > 0)) return "logprobs"
  return Media.unsupported(request.messages, Content.unsupported)
}

/** Sets a field. A name such as `text.verbosity` is a nested field. `include` lists are joined. */
const put = (body: Record<string, unknown>, name: string, value: unknown): void => {
  const dot = name.indexOf(".")
  if (dot >= 0) body[name.slice(0, dot)] = { ...Json.fields(body[name.slice(0, dot)]), [name.slice(dot + 1)]: value }
  else body[name] = name === "include" ? [...Json.list(body[name]), ...Json.list(value)] : value
}

const include = (body: Record<string, unknown>, what: string): void => put(body, "include", [what])

const encodeFormat = (
  format: Chat.Format | undefined,
  input: Array<Lowering.Block>,
  body: Record<string, unknown>,
): void => {
  switch (format?.type) {
    case undefined:
      return
    case "text":
      body["text"] = { format: { type: "text" } }
      return
    case "json":
      body["text"] = { format: { type: "json_object" } }
      // OpenAI requires that a message mentions JSON; `instructions` do not count.
      if (!/json/i.test(JSON.stringify(input))) input.unshift({ role: "developer", content: JsonMode.instruction })
      return
    case "json-schema": {
      const { description, name, schema, strict } = format
      body["text"] = { format: { type: "json_schema", name, description, schema, strict } }
      return
    }
  }
}

/** The API's minimum of `max_output_tokens`. */
const minOutput = 16

const encodeSampling = (
  sampling: Chat.Sampling | undefined,
  model: Model.Model,
  body: Record<string, unknown>,
  warn: Warn,
): void => {
  if (sampling === undefined) return
  const setSampling = (name: string, value: number | undefined) => {
    if (value === undefined) return
    if (model.samples) body[name] = value
    else if (value !== 1) warn(`${name} for this model`)
  }
  const { frequencyPenalty, logprobs, maxTokens, presencePenalty, seed, topK, topLogprobs } = sampling
  if (maxTokens !== undefined) {
    const maxOutput = model.maxOutput ?? Infinity
    if (maxTokens < minOutput) warn(`max_output_tokens below ${minOutput}, sent as ${minOutput}`)
    if (maxTokens > maxOutput) warn(`max_output_tokens above the model's maximum, reduced to ${maxOutput}`)
    body["max_output_tokens"] = Math.min(Math.max(maxTokens, minOutput), maxOutput)
  }
  setSampling("temperature", sampling.temperature)
  setSampling("top_p", sampling.topP)
  if (topK !== undefined) warn("top_k")
  if (seed !== undefined) warn("seed")
  if ((frequencyPenalty ?? 0) !== 0) warn("frequency_penalty")
  if ((presencePenalty ?? 0) !== 0) warn("presence_penalty")
  if (topLogprobs !== undefined && topLogprobs > 0) body["top_logprobs"] = topLogprobs
  if (logprobs === true || (topLogprobs ?? 0) > 0) include(body, logprobsIncluded)
}

const logprobsIncluded = "message.output_text.logprobs"
const reasoningIncluded = "reasoning.encrypted_content"

/**
 * If the model reasons, encrypted reasoning is requested, because no response is stored for a later turn to refer to.
 */
const encodeReasoning = (
  reasoning: Chat.ReasoningOptions | undefined,
  model: Model.Model,
  body: Record<string, unknown>,
  warn: Warn,
  change: Warn,
): void => {
  const budget = reasoning?.budget
  const effort = reasoning?.effort ?? (budget === undefined ? undefined : Effort.ofBudget(budget))
  if (!model.reasons) {
    if (reasoning !== undefined && effort !== "none") warn("reasoning, which this model does not support")
    return
  }
  if ((reasoning !== undefined && effort !== "none") || !model.samples) include(body, reasoningIncluded)
  if (reasoning !== undefined && effort === undefined)
    change("reasoning without an effort, left to the model's default")
  if (effort === undefined) return
  if (budget !== undefined && budget > 0) warn(`a reasoning budget, sent as effort ${effort}`)
  body["reasoning"] = { effort }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: a client's body -> Chat
// ---------------------------------------------------------------------------------------------------------------------

const parse = SchemaParser.decodeUnknownResult(Wire.Request)

/**
 * Decodes a client's body, which is kept as `native`. Fields without a counterpart in `Chat` are also in
 * `vendor["responses"]`, and tools and items that only OpenAI supports in `droppedParams` or `requiredUnsupported`, so
 * that a provider of another protocol reports them. Fails if it refers to a stored response.
 */
export const decode = (body: Record<string, unknown>): Result.Result<Chat.Request, InvalidBody> => {
  const rejection = rejectStored(body)
  return rejection === undefined ? decodeReferring(body) : Result.fail(rejection)
}

/** As `decode`, for a gateway that stores responses: the body may refer to them, and its references are left as they are. */
export const decodeReferring = (body: Record<string, unknown>): Result.Result<Chat.Request, InvalidBody> => {
  if (isSet(body["prompt"])) return Result.fail(unsupportedParameter("prompt", sendPrompt))
  const parsed = parse(ExactNumber.read(body))
  return Result.isFailure(parsed)
    ? Result.fail(fromIssue(parsed.failure, body))
    : Result.succeed(fromWire(parsed.success, body))
}

/** Whether the client asks for a stream. */
export const isStream = (body: Record<string, unknown>): boolean => body["stream"] === true

const fromWire = (wire: Wire.Request, body: Record<string, unknown>): Chat.Request => {
  const conversation = Conversation.decode(wire)
  const tools = Tools.decode(wire)
  const request: { -readonly [K in keyof Chat.Request]: Chat.Request[K] } = {
    model: wire.model,
    messages: conversation.messages,
    native: { protocol, body },
  }
  const vendor = otherFields(wire, body)
  if (Object.keys(vendor).length > 0) request.vendor = { [protocol]: vendor }
  if (tools.tools.length > 0) request.tools = tools.tools
  const compacts = Compaction.isTriggered(wire.input)
  if (tools.tools.length > 0 && compacts) request.toolChoice = "none"
  else if (tools.choice !== undefined) request.toolChoice = tools.choice
  if (Predicate.isBoolean(wire.parallel_tool_calls)) request.parallelToolCalls = wire.parallel_tool_calls
  const format = decodeFormat(wire.text?.format)
  if (format !== undefined && !compacts) request.format = format
  const sampling = decodeSampling(wire)
  if (sampling !== undefined) request.sampling = sampling
  if (wire.reasoning?.effort) request.reasoning = { effort: wire.reasoning.effort }
  if (wire.metadata) request.metadata = wire.metadata
  const user = wire.safety_identifier ?? wire.user
  if (Predicate.isString(user)) request.user = user
  const droppedParams = [...tools.droppedParams, ...conversation.droppedParams]
  if (droppedParams.length > 0) request.droppedParams = droppedParams
  const requiredUnsupported = [...tools.requiredUnsupported, ...conversation.requiredUnsupported]
  if (requiredUnsupported.length > 0) request.requiredUnsupported = requiredUnsupported
  return request
}

const decodeFormat = (format: Wire.Format | null | undefined): Chat.Format | undefined =>
  Format.decode(format?.type, format?.type === "json_schema" ? format : undefined)

const decodeSampling = (wire: Wire.Request): Chat.Sampling | undefined =>
  Json.defined({
    maxTokens: wire.max_output_tokens,
    temperature: wire.temperature,
    topP: wire.top_p,
    presencePenalty: wire.presence_penalty,
    frequencyPenalty: wire.frequency_penalty,
    logprobs: wire.include?.includes(logprobsIncluded) === true ? true : undefined,
    topLogprobs: wire.top_logprobs !== 0 ? wire.top_logprobs : undefined,
  })

// ---------------------------------------------------------------------------------------------------------------------
// Fields without a counterpart in Chat
// ---------------------------------------------------------------------------------------------------------------------

const known: ReadonlySet<string> = new Set(Object.keys(Wire.Request.fields))

/** Included in every response, as far as its vendor supports it. */
const included: ReadonlySet<string> = new Set([logprobsIncluded, reasoningIncluded])

/** Reasoning summaries are up to the vendor in other protocols. */
const summaries: ReadonlySet<string> = new Set(["summary", "generate_summary"])

const otherFields = (wire: Wire.Request, body: Record<string, unknown>): Record<string, unknown> => {
  const vendor: Record<string, unknown> = {}
  const addNested = (name: "text" | "reasoning", understood: string) => {
    for (const [field, value] of Object.entries(Json.fields(body[name]))) {
      if (field !== understood && value !== null && !summaries.has(field)) vendor[`${name}.${field}`] = value
    }
  }
  for (const name in body)
    if (!known.has(name) && !ineffective.has(name) && body[name] !== null) vendor[name] = body[name]
  addNested("text", "format")
  addNested("reasoning", "effort")
  const more = wire.include?.filter((what) => !included.has(what)) ?? []
  if (more.length > 0) vendor["include"] = more
  if (wire.store === true) vendor["store"] = true
  if (wire.truncation === "auto") vendor["truncation"] = "auto"
  if (Predicate.isString(wire.safety_identifier) && Predicate.isString(wire.user)) vendor["user"] = wire.user
  return vendor
}

// ---------------------------------------------------------------------------------------------------------------------
// References to stored responses
// ---------------------------------------------------------------------------------------------------------------------

const sendConversation =
  "This gateway stores no responses: send the whole conversation as `input`, or have its operator set `responses.store` and a `database`."

/** Fields that refer to stored data, each with an alternative. */
const sendPrompt = "Prompt templates are not stored: send the prompt as `instructions` and `input`."

const storedFields: Readonly<Record<string, string>> = {
  previous_response_id: sendConversation,
  conversation: sendConversation,
  prompt: sendPrompt,
  background:
    "This gateway stores no responses: leave it out and stream the response, or have its operator set `responses.store` and a `database`.",
}

/** Without effect unless rejected. */
const ineffective: ReadonlySet<string> = new Set(Object.keys(storedFields))

const rejectStored = (body: Record<string, unknown>): InvalidBody | undefined => {
  for (const [name, advice] of Object.entries(storedFields)) {
    if (isSet(body[name])) return unsupportedParameter(name, advice)
  }
  const index = Json.list(body["input"]).findIndex(isReference)
  if (index < 0) return undefined
  return unsupportedParameter(
    `input[${index}]`,
    "This gateway stores no responses, so items cannot be referenced: send the item itself. Clients that send references " +
      "automatically send complete items if `store` is false.",
  )
}

const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== false

/** OpenAI's message for this error. */
const unsupportedParameter = (path: string, advice: string): InvalidBody =>
  new InvalidBody({
    path,
    message: `Unsupported parameter: '${path}'. ${advice}`,
    code: "unsupported_parameter",
  })

/** Whether an input item only refers to an item of an earlier response, by its id. */
export const isReference = (item: unknown): boolean => {
  const { id, role, type } = Json.fields(item)
  return type === "item_reference" || (type == null && role === undefined && Predicate.isString(id))
}
