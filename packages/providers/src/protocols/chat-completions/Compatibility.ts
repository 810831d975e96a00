/**
 * How servers that speak Chat Completions differ from OpenAI and from each other. A vendor's entry is `compatible` with
 * its differences.
 *
 * Sources: developers.openai.com, "Chat completions", "File inputs"; console.groq.com, "OpenAI compatibility";
 * api-docs.deepseek.com, "Thinking mode"; docs.mistral.ai, "Chat completion"; openrouter.ai, "Reasoning tokens", "PDF
 * inputs", "Prompt caching"; docs.x.ai, "Chat completions"; Ollama's and vLLM's own, "OpenAI compatibility". Limits are
 * those of the vendors' references. For a server that documents none, those of OpenAI's limits apply that cost nothing
 * to keep.
 */
import type * as ToolIds from "../ToolIds.ts"

export interface Compatibility {
  /** The role of developer messages. Older servers only know `system`. */
  readonly developer: "developer" | "system"
  readonly maxTokens: "max_completion_tokens" | "max_tokens"
  readonly seed: "seed" | "random_seed"
  /** The field that controls reasoning. */
  readonly effort: "reasoning_effort" | "reasoning" | "thinking"
  /** The field for reasoning of earlier responses; `undefined` if unknown. */
  readonly reasoning: "reasoning_content" | "reasoning" | "reasoning_details" | "none" | undefined
  /**
   * How it accepts documents: OpenAI's `file` (data or id), OpenAI's `file` with URLs too, Mistral's `document_url`, or
   * as text only.
   */
  readonly documents: "file" | "file-or-url" | "document_url" | "text"
  /** The field that marks the end of a cached prefix, if it supports one for every model. */
  readonly cache: "cache_control" | undefined
  /** Its rule for tool call ids. */
  readonly toolIds: ToolIds.Rule
  /** The maximum length of the end user's id in characters, and the maximum number of tools. */
  readonly user: number
  readonly tools: number | undefined
  /** Whether a tool result may contain images. */
  readonly results: "text" | "parts"
  /** Whether it may issue encrypted reasoning, which is returned in the form it was issued in: see `Reasoning`. */
  readonly signatures: boolean
  /** Whether a stream's usage must be requested. */
  readonly streamOptions: boolean
  readonly lacks: ReadonlySet<Feature>
}

/** A feature that some servers do not support. */
export type Feature =
  | "cache keys"
  | "custom tools"
  | "forced tools"
  | "image urls"
  | "json schemas"
  | "logit_bias"
  | "logprobs"
  | "n"
  | "names"
  | "parallel tool calls"
  | "refusals"
  | "top_k"
  | "user"

export const lacking = (...features: ReadonlyArray<Feature>): ReadonlySet<Feature> => new Set(features)

/** OpenAI itself. */
export const openAi: Compatibility = {
  developer: "developer",
  maxTokens: "max_completion_tokens",
  seed: "seed",
  effort: "reasoning_effort",
  reasoning: "none",
  documents: "file",
  cache: undefined,
  toolIds: { longest: 40 },
  user: 64,
  tools: 128,
  results: "text",
  signatures: false,
  streamOptions: true,
  lacks: lacking("top_k"),
}

/** What nearly every OpenAI-compatible server supports. */
export const compatible: Compatibility = {
  ...openAi,
  developer: "system",
  maxTokens: "max_tokens",
  reasoning: undefined,
  toolIds: { longest: 40, lenient: true },
  tools: undefined,
  signatures: true,
  lacks: lacking("cache keys", "custom tools", "refusals", "top_k"),
}
