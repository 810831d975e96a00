/**
 * Vendors that speak OpenAI's protocol at an address of their own: what a foreign document means by their names.
 */
import type { Document } from "./Foreign.ts"
import { said } from "./Foreign.ts"

interface Endpoint {
  /** Up to and including the version, as `baseUrl` wants it. None where everybody has their own. */
  readonly baseUrl?: string
  /** Where the key is looked for that the document does not give. None where none is needed. */
  readonly variable?: string
}

export const endpoints: Readonly<Record<string, Endpoint>> = {
  cerebras: { baseUrl: "https://api.cerebras.ai/v1", variable: "CEREBRAS_API_KEY" },
  cohere: { baseUrl: "https://api.cohere.ai/compatibility/v1", variable: "COHERE_API_KEY" },
  deepinfra: { baseUrl: "https://api.deepinfra.com/v1/openai", variable: "DEEPINFRA_API_KEY" },
  deepseek: { baseUrl: "https://api.deepseek.com/v1", variable: "DEEPSEEK_API_KEY" },
  fireworks: { baseUrl: "https://api.fireworks.ai/inference/v1", variable: "FIREWORKS_API_KEY" },
  gemini: { baseUrl: "https://generativelanguage.googleapis.com/v1beta/openai", variable: "GEMINI_API_KEY" },
  groq: { baseUrl: "https://api.groq.com/openai/v1", variable: "GROQ_API_KEY" },
  mistral: { baseUrl: "https://api.mistral.ai/v1", variable: "MISTRAL_API_KEY" },
  moonshot: { baseUrl: "https://api.moonshot.ai/v1", variable: "MOONSHOT_API_KEY" },
  nvidia: { baseUrl: "https://integrate.api.nvidia.com/v1", variable: "NVIDIA_NIM_API_KEY" },
  ollama: { baseUrl: "http://127.0.0.1:11434/v1" },
  openrouter: { baseUrl: "https://openrouter.ai/api/v1", variable: "OPENROUTER_API_KEY" },
  own: {},
  perplexity: { baseUrl: "https://api.perplexity.ai", variable: "PERPLEXITYAI_API_KEY" },
  sambanova: { baseUrl: "https://api.sambanova.ai/v1", variable: "SAMBANOVA_API_KEY" },
  together: { baseUrl: "https://api.together.xyz/v1", variable: "TOGETHERAI_API_KEY" },
  xai: { baseUrl: "https://api.x.ai/v1", variable: "XAI_API_KEY" },
}

/** What a document says of an endpoint. */
export interface Account {
  readonly apiKey: string | undefined
  readonly baseUrl: string | undefined
}

/** What a deployment of `provider: openai` says of the endpoint of that name; `undefined` where there is no address to be had. */
export const at = (name: keyof typeof endpoints, { apiKey, baseUrl }: Account): Document | undefined => {
  const known = endpoints[name] ?? {}
  const address = baseUrl ?? known.baseUrl
  const usual = known.variable === undefined ? undefined : reference(known.variable)
  return address === undefined ? undefined : { ...said({ apiKey: apiKey ?? usual, baseUrl: address }) }
}

/** The same of Azure's resource at this address, by its API that needs no version. */
export const azure = ({ apiKey, baseUrl }: Account): Document => {
  const resource = (baseUrl ?? reference("AZURE_API_BASE")).replace(/\/(openai(\/.*)?)?$/, "")
  return { apiKey: apiKey ?? reference("AZURE_API_KEY"), baseUrl: `${resource}/openai/v1` }
}

/** Ollama's own address is written without the path of its OpenAI-compatible API. */
export const versioned = (baseUrl: string | undefined): string | undefined => {
  const bare = baseUrl?.replace(/\/$/, "")
  return bare === undefined || bare.endsWith("/v1") ? bare : `${bare}/v1`
}

/** An environment variable, as our documents name it. */
export const reference = (variable: string): string => `\${${variable}}`

/** Whose a model is, by its id alone, where that tells. */
export const whose = (model: string): "openai" | "anthropic" | "bedrock" | undefined => {
  if (/^(gpt-|chatgpt-|o\d|ft:gpt-|codex-)/.test(model)) return "openai"
  if (model.startsWith("claude-")) return "anthropic"
  return /^((us|eu|apac|jp|global)\.)?(amazon|anthropic|cohere|deepseek|meta|mistral)\./.test(model)
    ? "bedrock"
    : undefined
}
