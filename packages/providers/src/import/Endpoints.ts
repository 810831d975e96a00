/**
 * The endpoints that imports know by name or host: their address, and the environment variable of their key.
 */
import * as Compatible from "../openai/Compatible.ts"
import type { Document, ImportReader } from "./ImportReader.ts"
import { compact } from "./ImportReader.ts"

interface Endpoint {
  /** Up to and including the version, like `baseUrl`. None for self-hosted servers. */
  readonly baseUrl?: string | undefined
  /** The environment variable for a key that the document does not contain. None if no key is needed. */
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

/** The endpoint at the host of `address`. */
export const atHost = (address: string): Name | undefined => {
  const host = hostOf(address)
  return names.find((name) => host !== undefined && hostOf(endpointOf(name).baseUrl ?? "") === host)
}

const hostOf = (address: string): string | undefined => (URL.canParse(address) ? new URL(address).host : undefined)

/** The endpoint whose name is a prefix of `name`. */
export const byPrefix = (name: string): Name | undefined => names.find((each) => name.toLowerCase().startsWith(each))

/** The environment variable of the endpoint's key. */
export const variableOf = (name: Name): string | undefined => endpointOf(name).variable

/** The key and address in the source document. */
export interface Account {
  readonly apiKey: string | undefined
  readonly baseUrl: string | undefined
}

/** The vendor keys of a deployment at the endpoint; `undefined` if its address is not known. */
export const at = (name: Name, { apiKey, baseUrl }: Account): Document | undefined => {
  const known = endpointOf(name)
  const address = baseUrl ?? known.baseUrl
  if (address === undefined) return undefined
  const vendor = isVendor(name) ? Compatible.vendors[name] : undefined
  // At its default address, a vendor reads its own variable.
  const isDefault = address === vendor?.baseUrl
  const findsKey = known.variable === undefined || (isDefault && known.variable === vendor?.variable)
  return {
    provider: vendor === undefined ? "openai" : name,
    ...compact({
      apiKey: apiKey ?? (findsKey ? undefined : reference(known.variable)),
      baseUrl: isDefault ? undefined : address,
    }),
  }
}

const isVendor = (name: Name): name is Compatible.Name => Object.hasOwn(Compatible.vendors, name)

/** The vendor keys of a Gemini deployment. The address in the source document may end with the API version. */
export const gemini = ({ apiKey, baseUrl }: Account): Document => {
  const [, version] = /\/(v\d\w*)\/?$/.exec(baseUrl ?? "") ?? []
  return {
    provider: "gemini",
    ...compact({
      apiKey: apiKey ?? (baseUrl === undefined ? undefined : reference("GEMINI_API_KEY")),
      baseUrl: baseUrl?.replace(/\/(v\d\w*\/?)?$/, ""),
      apiVersion: version,
    }),
  }
}

/** The vendor keys of an Azure deployment. */
export const azure = ({ apiKey, baseUrl }: Account, place: ImportReader): Document => ({
  provider: "azure",
  apiKey: apiKey ?? reference("AZURE_API_KEY"),
  endpoint: (baseUrl ?? reference("AZURE_API_BASE")).replace(/\/(openai(\/.*)?)?$/, ""),
  ...compact({ apiVersion: apiVersion(place) }),
})

const apiVersion = (place: ImportReader): string | undefined => {
  const version = place.text("api_version")
  if (version === undefined || unversioned.includes(version)) return undefined
  if (!/^\d/.test(version) || version >= oldest) return version
  return place.warn(
    "api_version",
    "is older than some of the parameters that are sent: the unversioned Azure API is used",
  )
}

/** Names of the unversioned API. */
const unversioned = ["v1", "preview", "latest"]

/** The first version with `max_completion_tokens` and `stream_options`. */
const oldest = "2024-09-01"

/** `baseUrl` with the path `/v1` of Ollama's OpenAI-compatible API. */
export const versioned = (baseUrl: string | undefined): string | undefined => {
  const bare = baseUrl?.replace(/\/$/, "")
  return bare === undefined || bare.endsWith("/v1") ? bare : `${bare}/v1`
}

/** A reference to an environment variable: `${NAME}`. */
export const reference = (variable: string): string => `\${${variable}}`

/** The vendor of a model, if its id alone shows it. */
export const vendorOf = (model: string): "openai" | "anthropic" | "bedrock" | undefined => {
  if (/^(gpt-|chatgpt-|o\d|ft:gpt-|codex-|text-embedding-)/.test(model)) return "openai"
  if (model.startsWith("claude-")) return "anthropic"
  return /^((us|eu|apac|jp|global)\.)?(amazon|anthropic|cohere|deepseek|meta|mistral)\./.test(model)
    ? "bedrock"
    : undefined
}
