/**
 * A request, from both ends: `Chat` said in the words of Responses, and a client's words read as a `Chat`.
 *
 * What would change the answer's meaning and cannot be said fails with `Unsupported`, so that another candidate is asked;
 * a mere wish that cannot be said is named in `warnings`. `Chat.Request.metadata` stays with the router unless the caller
 * has OpenAI store the answer: it takes labels for nothing else.
 *
 * Nothing is kept between calls: whatever refers to an earlier answer by its id is refused, with what to do instead.
 */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as SchemaParser from "effect/SchemaParser"
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
import * as Content from "./Content.ts"
import { protocol } from "./Protocol.ts"
import * as EchoedItems from "./EchoedItems.ts"
import * as Tools from "./Tools.ts"
import * as Conversation from "./Conversation.ts"
import * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> the upstream's body
// ---------------------------------------------------------------------------------------------------------------------

/** The body for `request.model`, which is the vendor's own id of the model: some models take fewer fields than others. */
export const encode = (request: Chat.Request): Result.Result<Encoded, ProviderError> => {
  const model = Model.of(request.model)
  const feature = unsupported(request, model)
  if (feature !== undefined) return Lowering.unsupported("Responses", feature)

  const { change, changes, warn, warnings } = Lowering.warnings()
  const turns = Conversation.encode(request.messages, model, warn)
  const body: Record<string, unknown> = { model: request.model, ...turns, store: false }
  Tools.encode(request, model, body, warn)
  encodeFormat(request.format, turns.input, body)
  encodeSampling(request.sampling, model, body, warn)
  encodeReasoning(request.reasoning, model, body, warn, change)
  if (request.user !== undefined) body["safety_identifier"] = request.user
  for (const [name, value] of Object.entries(request.vendor?.[protocol] ?? {})) put(body, name, value)
  if (request.metadata !== undefined && body["store"] === true) body["metadata"] = request.metadata
  return Result.succeed({ body, warnings, ...Lowering.withChanges(changes) })
}

/**
 * What OpenAI's other API says in the same words, and takes for any model. What only some models take (a service tier, how
 * verbose to be, how long to keep a prefix) is not asked of one that the client did not choose.
 */
export const sharedFields = { "chat-completions": ["prompt_cache_key"] }

/** The body that the client sent, where it spoke this protocol: as it came, but for the model and what asks for a stream. */
export const native = (
  { model, native }: Chat.Request,
  endpoint: Endpoint.Endpoint = Endpoint.unlimited,
): Record<string, unknown> | undefined => {
  if (native?.protocol !== protocol) return undefined
  const { stream: _stream, stream_options: _options, ...body } = native.body
  const { input } = body
  return Array.isArray(input) ? { ...body, model, input: EchoedItems.strip(input, endpoint) } : { ...body, model }
}

/** Asks for the answer as a stream, with what else the client wished of a stream. */
export const streamed = (body: Record<string, unknown>, { native }: Chat.Request): Record<string, unknown> => {
  const options = native?.protocol === protocol ? native.body["stream_options"] : undefined
  return Predicate.isObject(options) ? { ...body, stream: true, stream_options: options } : { ...body, stream: true }
}

/** The first thing asked for that this API cannot say and that the answer would be another without. */
const unsupported = (request: Chat.Request, model: Model.Model): string | undefined => {
  const sampling = request.sampling
  if (sampling?.n !== undefined && sampling.n > 1) return "several answers at once (n)"
  if (sampling?.stop !== undefined && sampling.stop.length > 0) return "stop sequences"
  if (!model.samples && (sampling?.logprobs === true || (sampling?.topLogprobs ?? 0) > 0)) return "logprobs"
  return Media.unsupported(request.messages, Content.unsupported)
}

/** Sets a field; a name such as `text.verbosity` is one within another. Lists are joined. */
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
      // OpenAI refuses the mode where no message speaks of JSON; instructions are none.
      if (!/json/i.test(JSON.stringify(input))) input.unshift({ role: "developer", content: JsonMode.instruction })
      return
    case "json-schema": {
      const { description, name, schema, strict } = format
      body["text"] = { format: { type: "json_schema", name, description, schema, strict } }
      return
    }
  }
}

/** The least that the API takes for `max_output_tokens`. */
const leastOutput = 16

const encodeSampling = (
  sampling: Chat.Sampling | undefined,
  model: Model.Model,
  body: Record<string, unknown>,
  warn: Warn,
): void => {
  if (sampling === undefined) return
  const wish = (name: string, value: number | undefined) => {
    if (value === undefined) return
    if (model.samples) body[name] = value
    else if (value !== 1) warn(`${name} for this model`)
  }
  const { frequencyPenalty, logprobs, maxTokens, presencePenalty, seed, topK, topLogprobs } = sampling
  if (maxTokens !== undefined) {
    const most = model.maxOutput ?? Infinity
    if (maxTokens < leastOutput) warn(`a limit of fewer than ${leastOutput} tokens, sent as ${leastOutput}`)
    if (maxTokens > most) warn(`max_output_tokens beyond what the model writes, cut to ${most}`)
    body["max_output_tokens"] = Math.min(Math.max(maxTokens, leastOutput), most)
  }
  wish("temperature", sampling.temperature)
  wish("top_p", sampling.topP)
  if (topK !== undefined) warn("top_k")
  if (seed !== undefined) warn("a seed")
  if ((frequencyPenalty ?? 0) !== 0) warn("a frequency penalty")
  if ((presencePenalty ?? 0) !== 0) warn("a presence penalty")
  if (topLogprobs !== undefined && topLogprobs > 0) body["top_logprobs"] = topLogprobs
  if (logprobs === true || (topLogprobs ?? 0) > 0) include(body, logprobsIncluded)
}

const logprobsIncluded = "message.output_text.logprobs"
const reasoningIncluded = "reasoning.encrypted_content"

/** Where the model reasons, its thoughts are wanted back sealed: nothing is stored to which a later turn could refer. */
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
    if (reasoning !== undefined && effort !== "none") warn("reasoning, which this model cannot do")
    return
  }
  if ((reasoning !== undefined && effort !== "none") || !model.samples) include(body, reasoningIncluded)
  if (reasoning !== undefined && effort === undefined) change("reasoning as the model sees fit, left to its default")
  if (effort === undefined) return
  if (budget !== undefined && budget > 0) warn(`a budget for reasoning, sent as the effort ${effort}`)
  body["reasoning"] = { effort }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: a client's body -> Chat
// ---------------------------------------------------------------------------------------------------------------------

const parse = SchemaParser.decodeUnknownResult(Wire.Request)

/**
 * The request in `body`, which travels along as `native`. Fields that `Chat` has no word for stand in
 * `vendor["responses"]` too, and tools and items that only OpenAI knows of in `droppedParams` or `requiredUnsupported`, so that what they
 * ask for is not lost on a provider that speaks another protocol.
 */
export const decode = (body: Record<string, unknown>): Result.Result<Chat.Request, InvalidBody> => {
  const refused = stateful(body)
  if (refused !== undefined) return Result.fail(refused)
  const parsed = parse(ExactNumber.read(body))
  return Result.isFailure(parsed)
    ? Result.fail(fromIssue(parsed.failure, body))
    : Result.succeed(fromWire(parsed.success, body))
}

/** Whether the answer is to be streamed. */
export const isStream = (body: Record<string, unknown>): boolean => body["stream"] === true

const fromWire = (wire: Wire.Request, body: Record<string, unknown>): Chat.Request => {
  const turns = Conversation.decode(wire)
  const tools = Tools.decode(wire)
  const request: { -readonly [K in keyof Chat.Request]: Chat.Request[K] } = {
    model: wire.model,
    messages: turns.messages,
    native: { protocol, body },
  }
  const vendor = others(wire, body)
  if (Object.keys(vendor).length > 0) request.vendor = { [protocol]: vendor }
  if (tools.tools.length > 0) request.tools = tools.tools
  if (tools.choice !== undefined) request.toolChoice = tools.choice
  if (Predicate.isBoolean(wire.parallel_tool_calls)) request.parallelToolCalls = wire.parallel_tool_calls
  const format = decodeFormat(wire.text?.format)
  if (format !== undefined) request.format = format
  const sampling = decodeSampling(wire)
  if (sampling !== undefined) request.sampling = sampling
  if (wire.reasoning?.effort) request.reasoning = { effort: wire.reasoning.effort }
  if (wire.metadata) request.metadata = wire.metadata
  const user = wire.safety_identifier ?? wire.user
  if (Predicate.isString(user)) request.user = user
  const droppedParams = [...tools.droppedParams, ...turns.droppedParams]
  if (droppedParams.length > 0) request.droppedParams = droppedParams
  const requiredUnsupported = [...tools.requiredUnsupported, ...turns.requiredUnsupported]
  if (requiredUnsupported.length > 0) request.requiredUnsupported = requiredUnsupported
  return request
}

const decodeFormat = (format: Wire.Format | null | undefined): Chat.Format | undefined => {
  switch (format?.type) {
    case undefined:
      return undefined
    case "text":
      return { type: "text" }
    case "json_object":
      return { type: "json" }
    case "json_schema": {
      const { description, name, schema, strict } = format
      return {
        type: "json-schema",
        name,
        schema,
        ...(Predicate.isString(description) ? { description } : undefined),
        ...(Predicate.isBoolean(strict) ? { strict } : undefined),
      }
    }
  }
}

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
// What Chat has no words for
// ---------------------------------------------------------------------------------------------------------------------

const known: ReadonlySet<string> = new Set(Object.keys(Wire.Request.fields))

/** What is included in any answer of ours, as far as its vendor gives it. */
const included: ReadonlySet<string> = new Set([logprobsIncluded, reasoningIncluded])

/** How a thought is told in short is its vendor's own affair, everywhere else. */
const summaries: ReadonlySet<string> = new Set(["summary", "generate_summary"])

const others = (wire: Wire.Request, body: Record<string, unknown>): Record<string, unknown> => {
  const vendor: Record<string, unknown> = {}
  const within = (name: "text" | "reasoning", understood: string) => {
    for (const [field, value] of Object.entries(Json.fields(body[name]))) {
      if (field !== understood && value !== null && !summaries.has(field)) vendor[`${name}.${field}`] = value
    }
  }
  for (const name in body) if (!known.has(name) && !idle.has(name) && body[name] !== null) vendor[name] = body[name]
  within("text", "format")
  within("reasoning", "effort")
  const more = wire.include?.filter((what) => !included.has(what)) ?? []
  if (more.length > 0) vendor["include"] = more
  if (wire.store === true) vendor["store"] = true
  if (wire.truncation === "auto") vendor["truncation"] = "auto"
  if (Predicate.isString(wire.safety_identifier) && Predicate.isString(wire.user)) vendor["user"] = wire.user
  return vendor
}

// ---------------------------------------------------------------------------------------------------------------------
// What refers to an earlier answer
// ---------------------------------------------------------------------------------------------------------------------

const instead = "No answers are kept here: send the whole conversation as `input`."

/** Fields that need an answer, or something else, that was stored; and what to do instead. */
const stored: Readonly<Record<string, string>> = {
  previous_response_id: instead,
  conversation: instead,
  prompt: "No prompt templates are kept here: send the prompt itself, as `instructions` and `input`.",
  background: "Nothing goes on here once its caller has left: leave it out, and stream the answer.",
}

/** As good as not said, where they are not refused. */
const idle: ReadonlySet<string> = new Set(Object.keys(stored))

const stateful = (body: Record<string, unknown>): InvalidBody | undefined => {
  for (const [name, advice] of Object.entries(stored)) {
    const value = body[name]
    if (value !== undefined && value !== null && value !== false) return unsupportedParameter(name, advice)
  }
  const index = Json.list(body["input"]).findIndex(isReference)
  if (index < 0) return undefined
  return unsupportedParameter(
    `input[${index}]`,
    "No answers are kept here that an item could refer to: send the item itself. Clients that refer to items by " +
      "themselves send them whole where `store` is false.",
  )
}

/** In OpenAI's own words. */
const unsupportedParameter = (path: string, advice: string): InvalidBody =>
  new InvalidBody({
    path,
    message: `Unsupported parameter: '${path}'. ${advice}`,
    code: "unsupported_parameter",
  })

const isReference = (item: unknown): boolean => {
  const { id, role, type } = Json.fields(item)
  return type === "item_reference" || (type == null && role === undefined && Predicate.isString(id))
}
