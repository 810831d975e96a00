/**
 * The response object around an answer's items: whole answers are one, and so is what the first and the last events of a
 * stream bear. It repeats what was asked, in the client's own words.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Answering } from "../Dialect.ts"
import * as Json from "../Json.ts"
import { protocol } from "./Protocol.ts"
import * as Usage from "./Usage.ts"

/** What a whole answer comes to: its status, and why it is not complete, where it is not. */
export interface Outcome {
  readonly status: "completed" | "incomplete"
  readonly incomplete_details: { readonly reason: string } | null
}

/**
 * The protocol knows two ways not to be complete. A refusal in words says so itself, any other is the filter's; of an
 * answer that only paused, or ended for a reason without a word, `max_output_tokens` says at least that it may not be whole.
 */
export const outcome = (finish: Chat.FinishReason, refuses: boolean): Outcome => {
  switch (finish) {
    case "stop":
    case "tool-calls":
      return completed
    case "refusal":
      return refuses ? completed : filtered
    case "content-filter":
      return filtered
    case "length":
    case "pause":
    case "other":
      return { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }
  }
}

const completed: Outcome = { status: "completed", incomplete_details: null }
const filtered: Outcome = { status: "incomplete", incomplete_details: { reason: "content_filter" } }

/** What every answer to a request says of it. */
export const settings = (request: Chat.Request): Record<string, unknown> => {
  const asked: Json.Fields = request.native?.protocol === protocol ? request.native.body : {}
  return {
    background: false,
    instructions: asked["instructions"] ?? null,
    max_output_tokens: asked["max_output_tokens"] ?? null,
    max_tool_calls: asked["max_tool_calls"] ?? null,
    metadata: asked["metadata"] ?? {},
    parallel_tool_calls: asked["parallel_tool_calls"] ?? true,
    previous_response_id: null,
    prompt_cache_key: asked["prompt_cache_key"] ?? null,
    reasoning: { effort: null, summary: null, ...Json.fields(asked["reasoning"]) },
    safety_identifier: asked["safety_identifier"] ?? null,
    service_tier: null,
    store: false,
    temperature: asked["temperature"] ?? null,
    text: { format: { type: "text" }, ...Json.fields(asked["text"]) },
    tool_choice: asked["tool_choice"] ?? "auto",
    tools: asked["tools"] ?? [],
    top_logprobs: asked["top_logprobs"] ?? 0,
    top_p: asked["top_p"] ?? null,
    truncation: "disabled",
    user: asked["user"] ?? null,
  }
}

/** A whole answer. */
export const of = (
  { created, id, request }: Answering,
  { model, usage }: Chat.Response,
  output: ReadonlyArray<unknown>,
  outcome: Outcome,
): Record<string, unknown> => ({
  id: `resp_${id}`,
  object: "response",
  created_at: created,
  ...outcome,
  error: null,
  model: model ?? request.model,
  output,
  usage: usage === undefined ? null : Usage.encode(usage),
  ...settings(request),
})
