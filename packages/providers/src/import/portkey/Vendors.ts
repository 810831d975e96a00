/**
 * The vendor of a Portkey target, by its provider or its virtual key, and the vendor keys for it.
 */
import * as Predicate from "effect/Predicate"
import * as Endpoints from "../Endpoints.ts"
import type { Document, ImportReader } from "../ImportReader.ts"
import { compact } from "../ImportReader.ts"

/** A target's vendor keys, and its model if it sets one. `label` is Portkey's name of the vendor. */
export interface Vendor {
  readonly label: string
  readonly keys: Document
  readonly model: string | undefined
}

interface Account {
  readonly apiKey: string | undefined
  readonly baseUrl: string | undefined
  readonly model: string | undefined
}

type Reading = (
  account: Account,
  target: ImportReader,
) => { readonly keys: Document; readonly model?: string | undefined } | undefined

const openai: Reading = ({ apiKey, baseUrl }, target) => ({
  keys: { provider: "openai", ...compact({ apiKey, baseUrl, organization: target.text("openai_organization") }) },
})

const anthropic: Reading = ({ apiKey, baseUrl }, target) => {
  const beta = target.text("anthropic_beta")
  const address = baseUrl?.replace(/\/(v1\/?)?$/, "")
  const headers = compact({ "anthropic-beta": beta })
  return { keys: { provider: "anthropic", ...compact({ apiKey, baseUrl: address, headers }) } }
}

const azure: Reading = ({ apiKey, baseUrl }, target) => {
  const resource = target.text("resource_name")
  const address = baseUrl ?? (resource === undefined ? undefined : `https://${resource}.openai.azure.com`)
  return {
    keys: Endpoints.azure({ apiKey, baseUrl: address }, target),
    model: target.text("deployment_id"),
  }
}

const bedrock: Reading = ({ apiKey, baseUrl }, target) => ({
  keys: {
    provider: "bedrock",
    ...compact({
      region: target.text("aws_region"),
      accessKeyId: target.text("aws_access_key_id"),
      secretAccessKey: target.text("aws_secret_access_key"),
      sessionToken: target.text("aws_session_token"),
      bearerToken: apiKey,
      endpoint: baseUrl,
    }),
  },
})

/** Portkey writes a publisher before a dot: `anthropic.claude-sonnet-4-5`, `meta.llama-4`, `endpoints.123`. */
const vertex: Reading = ({ apiKey, baseUrl, model }, target) => {
  const account = target.take("vertex_service_account_json")
  const [, publisher, name] =
    /^(anthropic|deepseek-ai|endpoints|google|meta|mistralai|openai|qwen)\.(.+)$/.exec(model ?? "") ?? []
  const own = publisher === "anthropic" || publisher === "google"
  return {
    keys: {
      provider: "vertex",
      ...compact({
        project: target.text("vertex_project_id"),
        location: target.text("vertex_region"),
        credentials: Predicate.isObject(account) ? JSON.stringify(account) : account,
        accessToken: account === undefined ? apiKey : undefined,
        baseUrl,
      }),
    },
    model: name === undefined ? model : own ? name : `${publisher}/${name}`,
  }
}

const compatible =
  (name: Endpoints.Name): Reading =>
  ({ apiKey, baseUrl }) => {
    const keys = Endpoints.at(name, { apiKey, baseUrl: name === "ollama" ? Endpoints.versioned(baseUrl) : baseUrl })
    return keys && { keys }
  }

/** The supported providers. */
const providers: Readonly<Record<string, Reading>> = {
  openai,
  anthropic,
  "azure-openai": azure,
  bedrock,
  cerebras: compatible("cerebras"),
  cohere: compatible("cohere"),
  deepinfra: compatible("deepinfra"),
  deepseek: compatible("deepseek"),
  "fireworks-ai": compatible("fireworks"),
  google: (account) => ({ keys: Endpoints.gemini(account) }),
  groq: compatible("groq"),
  "mistral-ai": compatible("mistral"),
  moonshot: compatible("moonshot"),
  ollama: compatible("ollama"),
  openrouter: compatible("openrouter"),
  "perplexity-ai": compatible("perplexity"),
  sambanova: compatible("sambanova"),
  "together-ai": compatible("together"),
  "vertex-ai": vertex,
  "x-ai": compatible("xai"),
}

/** Parts of virtual keys' names, and the provider they suggest. Azure is first: its names often contain "openai". */
const hints: ReadonlyArray<readonly [hint: RegExp, provider: string]> = [
  [/azure/i, "azure-openai"],
  [/bedrock|aws/i, "bedrock"],
  [/vertex/i, "vertex-ai"],
  [/anthropic|claude/i, "anthropic"],
  [/open-?router/i, "openrouter"],
  [/open-?ai|gpt/i, "openai"],
  [/gemini|google/i, "google"],
  [/mistral/i, "mistral-ai"],
  [/together/i, "together-ai"],
  [/fireworks/i, "fireworks-ai"],
  [/perplexity/i, "perplexity-ai"],
  [/x-?ai|grok/i, "x-ai"],
  [/groq/i, "groq"],
  [/deepseek/i, "deepseek"],
  [/cohere/i, "cohere"],
]

/** Reads a target that is called with the model `called`; reports why it cannot be imported. */
export const read = (target: ImportReader, called: string | undefined): Vendor | undefined => {
  // `@slug/model`, `@slug` and virtual keys name a provider stored by Portkey.
  const [, slug, bare] = /^@([^/]+)\/(.+)$/.exec(called ?? "") ?? []
  const model = bare ?? called
  const provider = target.text("provider")
  const stored =
    target.text("virtual_key") ?? (provider?.startsWith("@") === true ? provider.slice(1) : undefined) ?? slug
  const named = provider === undefined || provider.startsWith("@") ? undefined : provider
  const guessed = stored === undefined ? undefined : hints.find(([hint]) => hint.test(stored))?.[1]
  const label = named ?? guessed ?? (model === undefined ? undefined : Endpoints.vendorOf(model))
  const key = provider === undefined || named === undefined ? "virtual_key" : "provider"
  if (label === undefined) return target.warn(key, "does not name a provider: not imported", "models")
  const reading = Object.hasOwn(providers, label) ? providers[label] : undefined
  if (reading === undefined) return target.warn(key, `the provider ${label} is not supported: not imported`, "models")
  const own = target.text("api_key")
  const variable = stored === undefined || own !== undefined ? undefined : variableOf(stored)
  const defaults = Object.hasOwn(defaultCredentials, label) ? defaultCredentials[label] : undefined
  if (variable !== undefined) {
    const instead =
      defaults === undefined ? `read as ${label}, with its API key in ${variable}` : `${defaults} are used instead`
    target.warn(key, `is stored by Portkey: ${instead}`, "harmless")
  }
  const apiKey = own ?? (variable === undefined || defaults !== undefined ? undefined : Endpoints.reference(variable))
  const read = reading({ apiKey, baseUrl: target.address("custom_host"), model }, target)
  return read && { label, keys: read.keys, model: read.model ?? model }
}

/** The providers that find credentials without a key. */
const defaultCredentials: Readonly<Record<string, string>> = {
  bedrock: "AWS's default credentials",
  "vertex-ai": "Google's Application Default Credentials",
}

/** The environment variable for the API key behind a virtual key. */
const variableOf = (slug: string): string =>
  `${slug
    .toUpperCase()
    .replace(/\W+/g, "_")
    .replace(/^(?=\d)/, "_")
    .replace(/(_VIRTUAL)?(_API)?_KEY$/, "")}_API_KEY`
