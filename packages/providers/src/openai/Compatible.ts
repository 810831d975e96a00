/**
 * The vendors with an OpenAI-compatible API, and how each differs from OpenAI. A new vendor is an entry here and a row in
 * `docs/configuration.md`.
 */
import type { Name as Operation } from "@understudy/core/Operation"
import { names } from "@understudy/core/Operation"
import type { Compatibility, Feature } from "../protocols/chat-completions/Compatibility.ts"
import { compatible, lacking } from "../protocols/chat-completions/Compatibility.ts"

/** A vendor with an OpenAI-compatible API. */
export interface Vendor {
  readonly baseUrl: string
  /** The environment variable of its API key; `undefined` for self-hosted servers, which need no key. */
  readonly variable: string | undefined
  readonly dialect: Compatibility
  /** The operations besides chat and embeddings that it has. */
  readonly operations: ReadonlySet<Operation>
  /** The form of its model ids, for error messages. */
  readonly models: string
  /** The address of its status page; none for self-hosted servers. */
  readonly statusPage?: string
}

const lacks = (...features: ReadonlyArray<Feature>): Pick<Compatibility, "lacks"> => ({
  lacks: lacking("cache keys", "custom tools", "refusals", ...features),
})

/** Servers of open-weight models: more sampling parameters than OpenAI, documents as text. */
const open: Compatibility = { ...compatible, documents: "text", ...lacks() }

const operations = (...operations: ReadonlyArray<Operation>): ReadonlySet<Operation> => new Set(operations)

const without = (...others: ReadonlyArray<Operation>): ReadonlySet<Operation> =>
  new Set(names.filter((name) => !others.includes(name)))

/** The operations of OpenAI, and of Azure. */
export const ofOpenAi = without("rerank")
export const ofAzure = without("rerank", "moderations", "images.variations")

const of = <const Vendors extends Readonly<Record<string, Vendor>>>(vendors: Vendors): Vendors => vendors

/** All compatible vendors, by the name that `provider:` takes. */
export const vendors = of({
  groq: {
    baseUrl: "https://api.groq.com/openai/v1",
    variable: "GROQ_API_KEY",
    dialect: { ...open, maxTokens: "max_completion_tokens", tools: 128, ...lacks("logprobs", "n", "names", "top_k") },
    operations: operations("audio.speech", "audio.transcriptions", "audio.translations", "files", "batches"),
    models: "ids look like llama-3.3-70b-versatile",
    statusPage: "https://groqstatus.com",
  },
  together: {
    baseUrl: "https://api.together.xyz/v1",
    variable: "TOGETHER_API_KEY",
    dialect: open,
    operations: operations(
      "completions",
      "images.generations",
      "audio.speech",
      "audio.transcriptions",
      "audio.translations",
      "rerank",
      "realtime",
    ),
    models: "ids look like meta-llama/Llama-3.3-70B-Instruct-Turbo",
    statusPage: "https://status.together.ai",
  },
  fireworks: {
    baseUrl: "https://api.fireworks.ai/inference/v1",
    variable: "FIREWORKS_API_KEY",
    dialect: { ...open, reasoning: "reasoning_content" },
    operations: operations("completions", "rerank"),
    models: "ids look like accounts/fireworks/models/gpt-oss-120b",
    statusPage: "https://status.fireworks.ai",
  },
  deepseek: {
    baseUrl: "https://api.deepseek.com/v1",
    variable: "DEEPSEEK_API_KEY",
    dialect: {
      ...open,
      effort: "thinking",
      reasoning: "reasoning_content",
      tools: 128,
      ...lacks("json schemas", "n", "top_k", "user"),
    },
    operations: operations(),
    models: "ids look like deepseek-chat",
    statusPage: "https://status.deepseek.com",
  },
  mistral: {
    baseUrl: "https://api.mistral.ai/v1",
    variable: "MISTRAL_API_KEY",
    dialect: {
      ...compatible,
      seed: "random_seed",
      documents: "document_url",
      toolIds: { exactly: 9 },
      results: "parts",
      streamOptions: false,
      ...lacks("logprobs", "names", "top_k", "user"),
    },
    operations: operations("moderations", "audio.transcriptions"),
    models: "ids look like mistral-large-latest",
    statusPage: "https://status.mistral.ai",
  },
  xai: {
    baseUrl: "https://api.x.ai/v1",
    variable: "XAI_API_KEY",
    dialect: { ...compatible, maxTokens: "max_completion_tokens", documents: "text", tools: 128 },
    operations: operations("completions", "images.generations", "images.edits", "realtime"),
    models: "ids look like grok-4",
    statusPage: "https://status.x.ai",
  },
  openrouter: {
    baseUrl: "https://openrouter.ai/api/v1",
    variable: "OPENROUTER_API_KEY",
    dialect: {
      ...compatible,
      effort: "reasoning",
      reasoning: "reasoning_details",
      documents: "file-or-url",
      cache: "cache_control",
      user: 128,
      signatures: false,
      ...lacks("n"),
    },
    operations: operations("completions"),
    models: "ids look like anthropic/claude-sonnet-4.5",
    statusPage: "https://status.openrouter.ai",
  },
  ollama: {
    baseUrl: "http://127.0.0.1:11434/v1",
    variable: undefined,
    dialect: {
      ...open,
      reasoning: "reasoning",
      ...lacks("forced tools", "image urls", "logit_bias", "n", "parallel tool calls", "top_k", "user"),
    },
    operations: operations("completions"),
    models: "ids look like llama3.2, as `ollama list` shows them",
  },
  vllm: {
    baseUrl: "http://127.0.0.1:8000/v1",
    variable: undefined,
    dialect: { ...open, reasoning: "reasoning" },
    operations: operations("completions", "audio.transcriptions", "audio.translations", "rerank", "realtime"),
    models: "the id is the model that the server was started with",
  },
})

/** The name of a vendor, as `provider:` gives it. */
export type Name = keyof typeof vendors

/** Google's OpenAI-compatible API: its models require their signatures to be sent back. */
const google: Compatibility = { ...compatible, signatures: true }

/** Zhipu's two addresses, in China and abroad. */
const zhipu: Compatibility = { ...open, reasoning: "reasoning_content", user: 128, tools: 128 }

/** How an address differs from OpenAI's. */
interface Differences {
  readonly dialect: Compatibility
  readonly operations: ReadonlySet<Operation>
}

/** A server that is not known may have any operation: one that it has not it answers with 404. */
const unknown: Differences = { dialect: compatible, operations: new Set(names) }

const byHost: ReadonlyMap<string, Differences> = new Map<string, Differences>([
  ...Object.values(vendors).flatMap(({ baseUrl, dialect, operations, variable }) =>
    variable === undefined ? [] : [[new URL(baseUrl).host, { dialect, operations }] as const],
  ),
  ["generativelanguage.googleapis.com", { dialect: google, operations: operations("images.generations") }],
  ["open.bigmodel.cn", { ...unknown, dialect: zhipu }],
  ["api.z.ai", { ...unknown, dialect: zhipu }],
])

/** How a configured address differs: as the vendor with this host does, else as `compatible` with any operation. */
export const at = (baseUrl: string): Differences =>
  (URL.canParse(baseUrl) ? byHost.get(new URL(baseUrl).host) : undefined) ?? unknown
