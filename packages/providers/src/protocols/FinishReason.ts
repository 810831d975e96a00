/**
 * Why an answer ended, by the word that its server has for it. One table for every protocol: a server that speaks one is
 * often a relay of another, and gives the other's words, in the other's case.
 *
 * Sources: the reasons of OpenAI, Anthropic, Bedrock and Gemini; `eos` is Together's, `model_length` Mistral's, `sensitive`
 * Zhipu's; `content_filter: SAFETY` is how Google says it under OpenAI's protocol.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"

const all = (reason: Chat.FinishReason, ...words: ReadonlyArray<string>) => words.map((word) => [word, reason] as const)

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

/** The reason that a word stands for. A word of a later API, or none, is `other`. */
export const read = (word: unknown): Chat.FinishReason => {
  if (!Predicate.isString(word)) return "other"
  return reasons.get(word) ?? reasons.get((word.split(":", 1)[0] ?? word).toLowerCase()) ?? "other"
}
