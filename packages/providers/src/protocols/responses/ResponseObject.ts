/**
 * The response object: a complete response, and part of the first and last events of a stream. It repeats the client's
 * parameters, and has every field that the schema of Open Responses requires (https://www.openresponses.org/reference),
 * null only if null is meaningful.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import type { Answering } from "../ClientProtocol.ts"
import * as ExactNumber from "../ExactNumber.ts"
import * as Json from "../Json.ts"
import { protocol } from "./Protocol.ts"
import * as Usage from "./Usage.ts"

/** The status of a response, and why it is incomplete or failed. */
export interface Outcome {
  readonly status: "in_progress" | "completed" | "incomplete" | "failed"
  readonly incomplete_details: { readonly reason: string } | null
  readonly error: { readonly code: string; readonly message: string } | null
}

/** The status of an ended response. */
export type Ended = Outcome & { readonly status: "completed" | "incomplete" }

/**
 * The outcome of a finish reason. A refusal with text is complete, any other is `content_filter`; a pause is
 * `max_output_tokens`, as the response is not complete; an unknown reason is complete.
 */
export const outcome = (finish: Chat.FinishReason, hasRefusal: boolean): Ended => {
  switch (finish) {
    case "stop":
    case "tool-calls":
    case "other":
      return completed
    case "refusal":
      return hasRefusal ? completed : incomplete("content_filter")
    case "content-filter":
      return incomplete("content_filter")
    case "length":
    case "pause":
      return incomplete("max_output_tokens")
  }
}

const incomplete = (reason: string): Ended => ({
  status: "incomplete",
  incomplete_details: { reason },
  error: null,
})

const completed: Ended = { status: "completed", incomplete_details: null, error: null }

/** The outcome of a running response. */
export const inProgress: Outcome = { status: "in_progress", incomplete_details: null, error: null }

/** The outcome of a failed response. */
export const failed = (error: Outcome["error"]): Outcome => ({ status: "failed", incomplete_details: null, error })

// ---------------------------------------------------------------------------------------------------------------------
// Settings
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The request's settings in a response. `upstream` is the response of an upstream of this protocol, whose settings take
 * precedence.
 */
export const settings = (request: Chat.Request, upstream: Json.Fields = {}): Record<string, unknown> => {
  const body: Json.Fields = request.native?.protocol === protocol ? request.native.body : {}
  const known: Record<string, unknown> = {
    background: false,
    frequency_penalty: Json.number(body["frequency_penalty"]) ?? 0,
    instructions: body["instructions"] ?? null,
    max_output_tokens: body["max_output_tokens"] ?? null,
    max_tool_calls: body["max_tool_calls"] ?? null,
    metadata: body["metadata"] ?? {},
    parallel_tool_calls: body["parallel_tool_calls"] ?? true,
    presence_penalty: Json.number(body["presence_penalty"]) ?? 0,
    previous_response_id: null,
    prompt_cache_key: body["prompt_cache_key"] ?? null,
    reasoning: Json.fields(body["reasoning"]),
    safety_identifier: body["safety_identifier"] ?? null,
    service_tier: "default",
    store: false,
    temperature: body["temperature"] ?? 1,
    text: Json.fields(body["text"]),
    tool_choice: body["tool_choice"] ?? "auto",
    tools: Json.list(body["tools"]),
    top_logprobs: body["top_logprobs"] ?? 0,
    top_p: body["top_p"] ?? 1,
    truncation: "disabled",
    user: body["user"] ?? null,
  }
  for (const name in upstream)
    if (!otherFields.has(name) && isLike(upstream[name], known[name])) known[name] = upstream[name]
  const text = Json.fields(known["text"])
  return {
    ...known,
    reasoning: { effort: null, summary: null, ...Json.defined(Json.fields(known["reasoning"])) },
    text: { ...Json.defined(text), format: format(text["format"]) },
    tools: Json.list(known["tools"]).filter(Json.isObject).map(tool),
  }
}

/** Fields that are not settings. */
const otherFields: ReadonlySet<string> = new Set(
  "id object created_at completed_at status error incomplete_details model output usage".split(" "),
)

/** Whether a value has the type of another; any type if the other is null or undefined. */
const isLike = (value: unknown, known: unknown): boolean =>
  known === undefined ||
  known === null ||
  (typeof ExactNumber.toNumber(value) === typeof ExactNumber.toNumber(known) &&
    value !== null &&
    Array.isArray(value) === Array.isArray(known))

const format = (body: unknown): Json.Fields => {
  const known = Json.fields(body)
  if (known["type"] === "json_schema") return { description: null, schema: null, strict: false, ...Json.defined(known) }
  return Predicate.isString(known["type"]) ? known : { type: "text" }
}

const tool = (known: Json.Fields): Json.Fields =>
  known["type"] === "function"
    ? {
        ...known,
        description: known["description"] ?? null,
        parameters: known["parameters"] ?? null,
        strict: known["strict"] ?? false,
      }
    : known

// ---------------------------------------------------------------------------------------------------------------------
// Response
// ---------------------------------------------------------------------------------------------------------------------

/** The identity of a response. Times are in seconds. */
export interface Identity {
  readonly id: string
  readonly created_at: number
  readonly model: string
}

/** The fields that are neither settings nor output. `now` is the time of completion. */
export const head = (
  { created_at, id, model }: Identity,
  { error, incomplete_details, status }: Outcome,
  usage: Chat.Usage | undefined,
  now: number,
): Record<string, unknown> => ({
  id,
  object: "response",
  created_at,
  completed_at: status === "completed" ? Math.max(now, created_at) : null,
  status,
  incomplete_details,
  error,
  model,
  usage: usage === undefined ? null : Usage.encode(usage),
})

/** The current time of a call, in seconds. */
export const now = ({ created, now }: Answering): number => now?.() ?? created

/** A complete response. */
export const of = (
  answering: Answering,
  { model, usage }: Chat.Response,
  output: ReadonlyArray<unknown>,
  outcome: Outcome,
): Record<string, unknown> => {
  const { created, id, request } = answering
  const identity = { id: `resp_${id}`, created_at: created, model: model ?? request.model }
  return { ...head(identity, outcome, usage, now(answering)), output, ...settings(request) }
}
