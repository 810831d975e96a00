/**
 * Finish reasons of all protocols in one table. A server may relay another vendor's models and report that vendor's
 * reasons, in any case.
 *
 * Sources: the reasons of OpenAI, Anthropic, Bedrock and Gemini; `eos` is Together's, `model_length` Mistral's,
 * `sensitive` Zhipu's; `content_filter: SAFETY` is Google's in OpenAI's protocol.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"

const all = (reason: Chat.FinishReason, ...values: ReadonlyArray<string>) =>
  values.map((value) => [value, reason] as const)

const reasons: ReadonlyMap<string, Chat.FinishReason> = new Map<string, Chat.FinishReason>([
  ...all("stop", "stop", "eos", "eos_token", "stop_sequence", "end_turn"),
  ...all("length", "length", "max_tokens", "max_output_tokens", "max_completion_tokens", "model_length"),
  ...all("length", "model_context_window_exceeded"),
  ...all("tool-calls", "tool_calls", "tool_call", "tool_use", "function_call"),
  ...all("content-filter", "content_filter", "content_filtered", "sensitive", "guardrail_intervened"),
  ...all(
    "content-filter",
    "safety",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "model_armor",
    "jailbreak",
  ),
  ...all("content-filter", "image_safety", "image_prohibited_content", "image_recitation"),
  ["refusal", "refusal"],
  ["pause_turn", "pause"],
])

/** The finish reason of a server's value. An unknown or missing value is `other`. */
export const read = (value: unknown): Chat.FinishReason => {
  if (!Predicate.isString(value)) return "other"
  return reasons.get(value) ?? reasons.get((value.split(":", 1)[0] ?? value).toLowerCase()) ?? "other"
}
