/**
 * The dialects of Chat Completions: where the servers that speak it differ, from OpenAI and from each other. A vendor's is
 * `compatible` with what is special to it.
 *
 * Sources: developers.openai.com, "Chat completions", "File inputs"; console.groq.com, "OpenAI compatibility";
 * api-docs.deepseek.com, "Thinking mode"; docs.mistral.ai, "Chat completion"; openrouter.ai, "Reasoning tokens", "PDF
 * inputs", "Prompt caching"; docs.x.ai, "Chat completions"; Ollama's and vLLM's own, "OpenAI compatibility". The bounds are
 * those of the vendors' references; of a server that documents none, the one of OpenAI's that costs nothing to keep.
 */
import type * as ToolIds from "../ToolIds.ts"

export interface Dialect {
  /** How it takes developer's messages: as such, or, where it knows but OpenAI's older words, as the system's. */
  readonly developer: "developer" | "system"
  readonly maxTokens: "max_completion_tokens" | "max_tokens"
  readonly seed: "seed" | "random_seed"
  /** How it is told how much to think. */
  readonly effort: "reasoning_effort" | "reasoning" | "thinking"
  /** The field in which it takes the thoughts of earlier answers; `undefined` where that is not known. */
  readonly thoughts: "reasoning_content" | "reasoning" | "reasoning_details" | "none" | undefined
  /** Where it takes documents: OpenAI's part of data or an id, the same with a URL, Mistral's, or nowhere but as text. */
  readonly documents: "file" | "file-or-url" | "document_url" | "text"
  /** The word for the end of a prefix to cache, if it has one whatever the model. */
  readonly cache: "cache_control" | undefined
  /** The ids of tool calls that it takes. */
  readonly toolIds: ToolIds.Rule
  /** The most characters of the id of an end user, and the most tools. */
  readonly user: number
  readonly tools: number | undefined
  /** Whether a tool's result may hold images. */
  readonly results: "text" | "parts"
  /** Whether it may have sealed what it answered, and gets that back, in the form it gave it in: see `Thoughts`. */
  readonly signatures: boolean
  /** Whether a stream's usage must be asked for. */
  readonly streamOptions: boolean
  readonly lacks: ReadonlySet<Feature>
}

/** What one server or another does not take. */
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

/** OpenAI's own. */
export const openAi: Dialect = {
  developer: "developer",
  maxTokens: "max_completion_tokens",
  seed: "seed",
  effort: "reasoning_effort",
  thoughts: "none",
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

/** What nearly every server that calls itself compatible understands. */
export const compatible: Dialect = {
  ...openAi,
  developer: "system",
  maxTokens: "max_tokens",
  thoughts: undefined,
  toolIds: { longest: 40, lenient: true },
  tools: undefined,
  signatures: true,
  lacks: lacking("cache keys", "custom tools", "refusals", "top_k"),
}
