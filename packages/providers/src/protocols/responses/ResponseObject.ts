/**
 * The response object around an answer's items: whole answers are one, and so is what the first and the last events of a
 * stream bear. It repeats what was asked, in the client's own words, and has every field that the schema of Open Responses
 * requires (https://www.openresponses.org/reference): a value where one is due, null only where that says something.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import type { Answering } from "../ClientProtocol.ts"
import * as ExactNumber from "../ExactNumber.ts"
import * as Json from "../Json.ts"
import { protocol } from "./Protocol.ts"
import * as Usage from "./Usage.ts"

/** What an answer comes to: its status, and why it is not complete or failed, where it did not complete. */
export interface Outcome {
  readonly status: "in_progress" | "completed" | "incomplete" | "failed"
  readonly incomplete_details: { readonly reason: string } | null
  readonly error: { readonly code: string; readonly message: string } | null
}

/** What a whole answer comes to. */
export type Ended = Outcome & { readonly status: "completed" | "incomplete" }

/**
 * The protocol knows two ways not to be complete. A refusal in words says so itself, any other is the filter's; of an
 * answer that only paused, `max_output_tokens` says at least that it is not whole. One that ended for a reason without a
 * word has ended.
 */
export const outcome = (finish: Chat.FinishReason, refuses: boolean): Ended => {
  switch (finish) {
    case "stop":
    case "tool-calls":
    case "other":
      return completed
    case "refusal":
      return refuses ? completed : incomplete("content_filter")
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

/** That of an answer that has begun. */
export const inProgress: Outcome = { status: "in_progress", incomplete_details: null, error: null }

/** That of an answer that broke. */
export const failed = (error: Outcome["error"]): Outcome => ({ status: "failed", incomplete_details: null, error })

// ---------------------------------------------------------------------------------------------------------------------
// What was asked
// ---------------------------------------------------------------------------------------------------------------------

/** What every answer to a request says of it, as far as an upstream of this very protocol has not said `told` of it. */
export const settings = (request: Chat.Request, told: Json.Fields = {}): Record<string, unknown> => {
  const asked: Json.Fields = request.native?.protocol === protocol ? request.native.body : {}
  const said: Record<string, unknown> = {
    background: false,
    frequency_penalty: Json.number(asked["frequency_penalty"]) ?? 0,
    instructions: asked["instructions"] ?? null,
    max_output_tokens: asked["max_output_tokens"] ?? null,
    max_tool_calls: asked["max_tool_calls"] ?? null,
    metadata: asked["metadata"] ?? {},
    parallel_tool_calls: asked["parallel_tool_calls"] ?? true,
    presence_penalty: Json.number(asked["presence_penalty"]) ?? 0,
    previous_response_id: null,
    prompt_cache_key: asked["prompt_cache_key"] ?? null,
    reasoning: Json.fields(asked["reasoning"]),
    safety_identifier: asked["safety_identifier"] ?? null,
    service_tier: "default",
    store: false,
    temperature: asked["temperature"] ?? 1,
    text: Json.fields(asked["text"]),
    tool_choice: asked["tool_choice"] ?? "auto",
    tools: Json.list(asked["tools"]),
    top_logprobs: asked["top_logprobs"] ?? 0,
    top_p: asked["top_p"] ?? 1,
    truncation: "disabled",
    user: asked["user"] ?? null,
  }
  for (const name in told) if (!ours.has(name) && isLike(told[name], said[name])) said[name] = told[name]
  const text = Json.fields(said["text"])
  return {
    ...said,
    reasoning: { effort: null, summary: null, ...Json.defined(Json.fields(said["reasoning"])) },
    text: { ...Json.defined(text), format: format(text["format"]) },
    tools: Json.list(said["tools"]).filter(Json.isObject).map(tool),
  }
}

/** What stands beside the settings. */
const ours: ReadonlySet<string> = new Set(
  "id object created_at completed_at status error incomplete_details model output usage".split(" "),
)

/** Whether a value may stand where the other does; where that is nothing, any may. */
const isLike = (value: unknown, said: unknown): boolean =>
  said === undefined ||
  said === null ||
  (typeof ExactNumber.toNumber(value) === typeof ExactNumber.toNumber(said) &&
    value !== null &&
    Array.isArray(value) === Array.isArray(said))

const format = (asked: unknown): Json.Fields => {
  const said = Json.fields(asked)
  if (said["type"] === "json_schema") return { description: null, schema: null, strict: false, ...Json.defined(said) }
  return Predicate.isString(said["type"]) ? said : { type: "text" }
}

const tool = (said: Json.Fields): Json.Fields =>
  said["type"] === "function"
    ? {
        ...said,
        description: said["description"] ?? null,
        parameters: said["parameters"] ?? null,
        strict: said["strict"] ?? false,
      }
    : said

// ---------------------------------------------------------------------------------------------------------------------
// The whole
// ---------------------------------------------------------------------------------------------------------------------

/** What an answer is known by. Times are in seconds. */
export interface Identity {
  readonly id: string
  readonly created_at: number
  readonly model: string
}

/** All that is not of the request, but for the output. `now` is when an answer that completed did so. */
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

/** What time it is for an answer, in seconds. */
export const now = ({ created, now }: Answering): number => now?.() ?? created

/** A whole answer. */
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
