/**
 * Vendors that speak OpenAI's protocol at an address of their own: what a foreign document means by their names.
 */
import * as Compatible from "../openai/Compatible.ts"
import type { Document, ImportReader } from "./ImportReader.ts"
import { isSet } from "./ImportReader.ts"

interface Endpoint {
  /** Up to and including the version, as `baseUrl` wants it. None where everybody has their own. */
  readonly baseUrl?: string | undefined
  /** Where the key is looked for that the document does not give. None where none is needed. */
  readonly variable?: string | undefined
}

const endpoints = {
  ...Compatible.vendors,
  cerebras: { baseUrl: "https://api.cerebras.ai/v1", variable: "CEREBRAS_API_KEY" },
  cohere: { baseUrl: "https://api.cohere.ai/compatibility/v1", variable: "COHERE_API_KEY" },
  deepinfra: { baseUrl: "https://api.deepinfra.com/v1/openai", variable: "DEEPINFRA_API_KEY" },
  gemini: { baseUrl: "https://generativelanguage.googleapis.com/v1beta/openai", variable: "GEMINI_API_KEY" },
  moonshot: { baseUrl: "https://api.moonshot.ai/v1", variable: "MOONSHOT_API_KEY" },
  nvidia: { baseUrl: "https://integrate.api.nvidia.com/v1", variable: "NVIDIA_NIM_API_KEY" },
  openai: { baseUrl: "https://api.openai.com/v1", variable: "OPENAI_API_KEY" },
  own: {},
  perplexity: { baseUrl: "https://api.perplexity.ai", variable: "PERPLEXITYAI_API_KEY" },
  sambanova: { baseUrl: "https://api.sambanova.ai/v1", variable: "SAMBANOVA_API_KEY" },
  together: { ...Compatible.vendors.together, variable: "TOGETHERAI_API_KEY" },
  vllm: {},
} satisfies Readonly<Record<string, Endpoint>>

export type Name = keyof typeof endpoints

const names = Object.keys(endpoints) as ReadonlyArray<Name>

const endpointOf = (name: Name): Endpoint => endpoints[name]

/** Whose endpoint is at this host. */
export const hosted = (address: string): Name | undefined => {
  const host = hostOf(address)
  return names.find((name) => host !== undefined && hostOf(endpointOf(name).baseUrl ?? "") === host)
}

const hostOf = (address: string): string | undefined => (URL.canParse(address) ? new URL(address).host : undefined)

/** Whose endpoint is meant by a name that begins as its own does. */
export const named = (name: string): Name | undefined => names.find((each) => name.toLowerCase().startsWith(each))

/** Where the key of that endpoint is looked for. */
export const variableOf = (name: Name): string | undefined => endpointOf(name).variable

/** What a document says of an endpoint. */
export interface Account {
  readonly apiKey: string | undefined
  readonly baseUrl: string | undefined
}

/** What a deployment says of the endpoint of that name; `undefined` where there is no address to be had. */
export const at = (name: Name, { apiKey, baseUrl }: Account): Document | undefined => {
  const known = endpointOf(name)
  const address = baseUrl ?? known.baseUrl
  if (address === undefined) return undefined
  const vendor = isVendor(name) ? Compatible.vendors[name] : undefined
  // At its own address, a vendor of ours finds its key by itself.
  const there = address === vendor?.baseUrl
  const found = known.variable === undefined || (there && known.variable === vendor?.variable)
  return {
    provider: vendor === undefined ? "openai" : name,
    ...isSet({
      apiKey: apiKey ?? (found ? undefined : reference(known.variable)),
      baseUrl: there ? undefined : address,
    }),
  }
}

const isVendor = (name: Name): name is Compatible.Name => Object.hasOwn(Compatible.vendors, name)

/** The same of Google's Gemini, whose version others write as the end of its address. */
export const gemini = ({ apiKey, baseUrl }: Account): Document => {
  const [, version] = /\/(v\d\w*)\/?$/.exec(baseUrl ?? "") ?? []
  return {
    provider: "gemini",
    ...isSet({
      apiKey: apiKey ?? (baseUrl === undefined ? undefined : reference("GEMINI_API_KEY")),
      baseUrl: baseUrl?.replace(/\/(v\d\w*\/?)?$/, ""),
      apiVersion: version,
    }),
  }
}

/** The same of Azure's resource at this address. */
export const azure = ({ apiKey, baseUrl }: Account, place: ImportReader): Document => ({
  provider: "azure",
  apiKey: apiKey ?? reference("AZURE_API_KEY"),
  endpoint: (baseUrl ?? reference("AZURE_API_BASE")).replace(/\/(openai(\/.*)?)?$/, ""),
  ...isSet({ apiVersion: apiVersion(place) }),
})

const apiVersion = (place: ImportReader): string | undefined => {
  const version = place.text("api_version")
  if (version === undefined || unversioned.includes(version)) return undefined
  if (!/^\d/.test(version) || version >= oldest) return version
  return place.tell("api_version", "does not know all that is sent: Azure is asked by its API that has no versions")
}

/** What others call the API that has none. */
const unversioned = ["v1", "preview", "latest"]

/** The first that knows `max_completion_tokens` and `stream_options`. */
const oldest = "2024-09-01"

/** Ollama's own address is written without the path of its OpenAI-compatible API. */
export const versioned = (baseUrl: string | undefined): string | undefined => {
  const bare = baseUrl?.replace(/\/$/, "")
  return bare === undefined || bare.endsWith("/v1") ? bare : `${bare}/v1`
}

/** An environment variable, as our documents name it. */
export const reference = (variable: string): string => `\${${variable}}`

/** Whose a model is, by its id alone, where that tells. */
export const whose = (model: string): "openai" | "anthropic" | "bedrock" | undefined => {
  if (/^(gpt-|chatgpt-|o\d|ft:gpt-|codex-|text-embedding-)/.test(model)) return "openai"
  if (model.startsWith("claude-")) return "anthropic"
  return /^((us|eu|apac|jp|global)\.)?(amazon|anthropic|cohere|deepseek|meta|mistral)\./.test(model)
    ? "bedrock"
    : undefined
}
