/**
 * Whose a target of Portkey's is: its provider or the virtual key that hides one, as a vendor's keys of ours.
 */
import * as Endpoints from "../Endpoints.ts"
import type { Document, ImportReader } from "../ImportReader.ts"
import { isSet } from "../ImportReader.ts"

/** A target's vendor, by Portkey's name for it, and its model where it has one of its own. */
export interface Vendor {
  readonly label: string
  readonly keys: Document
  readonly model: string | undefined
}

interface Said {
  readonly apiKey: string | undefined
  readonly baseUrl: string | undefined
  readonly model: string | undefined
}

type Reading = (
  said: Said,
  target: ImportReader,
) => { readonly keys: Document; readonly model?: string | undefined } | undefined

const openai: Reading = ({ apiKey, baseUrl }, target) => ({
  keys: { provider: "openai", ...isSet({ apiKey, baseUrl, organization: target.text("openai_organization") }) },
})

const anthropic: Reading = ({ apiKey, baseUrl }, target) => {
  const beta = target.text("anthropic_beta")
  const address = baseUrl?.replace(/\/(v1\/?)?$/, "")
  const headers = isSet({ "anthropic-beta": beta })
  return { keys: { provider: "anthropic", ...isSet({ apiKey, baseUrl: address, headers }) } }
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
    ...isSet({
      region: target.text("aws_region"),
      accessKeyId: target.text("aws_access_key_id"),
      secretAccessKey: target.text("aws_secret_access_key"),
      sessionToken: target.text("aws_session_token"),
      bearerToken: apiKey,
      endpoint: baseUrl,
    }),
  },
})

const compatible =
  (name: Endpoints.Name): Reading =>
  ({ apiKey, baseUrl }) => {
    const keys = Endpoints.at(name, { apiKey, baseUrl: name === "ollama" ? Endpoints.versioned(baseUrl) : baseUrl })
    return keys && { keys }
  }

/** Every provider that has an equivalent. */
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
  "x-ai": compatible("xai"),
}

/** What people call their virtual keys, and whose they mean; Azure's often say OpenAI too. */
const hints: ReadonlyArray<readonly [hint: RegExp, provider: string]> = [
  [/azure/i, "azure-openai"],
  [/bedrock|aws/i, "bedrock"],
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

/** Reads a target, given the model it is sent by its own words or by those around it; or tells what keeps it out. */
export const read = (target: ImportReader, written: string | undefined): Vendor | undefined => {
  // `@slug/model` names a provider that Portkey keeps, as `@slug` does and as a virtual key does.
  const [, slug, plain] = /^@([^/]+)\/(.+)$/.exec(written ?? "") ?? []
  const model = plain ?? written
  const provider = target.text("provider")
  const kept =
    target.text("virtual_key") ?? (provider?.startsWith("@") === true ? provider.slice(1) : undefined) ?? slug
  const named = provider === undefined || provider.startsWith("@") ? undefined : provider
  const guessed = kept === undefined ? undefined : hints.find(([hint]) => hint.test(kept))?.[1]
  const label = named ?? guessed ?? (model === undefined ? undefined : Endpoints.whose(model))
  const key = provider === undefined || named === undefined ? "virtual_key" : "provider"
  if (label === undefined) return target.tell(key, "does not tell whose it is: left out")
  const reading = Object.hasOwn(providers, label) ? providers[label] : undefined
  if (reading === undefined) return target.tell(key, `${label} is not spoken: left out`)
  const own = target.text("api_key")
  const variable = kept === undefined || own !== undefined ? undefined : variableOf(kept)
  if (variable !== undefined && label !== "bedrock") {
    target.tell(key, `is kept by Portkey: taken for one of ${label}'s, its key is looked for in ${variable}`)
  } else if (variable !== undefined) {
    target.tell(key, "is kept by Portkey: AWS's own credentials are looked for in its place")
  }
  const apiKey = own ?? (variable === undefined || label === "bedrock" ? undefined : Endpoints.reference(variable))
  const read = reading({ apiKey, baseUrl: target.text("custom_host"), model }, target)
  return read && { label, keys: read.keys, model: read.model ?? model }
}

/** The environment variable for what a virtual key stands for. */
const variableOf = (slug: string): string =>
  `${slug
    .toUpperCase()
    .replace(/\W+/g, "_")
    .replace(/^(?=\d)/, "_")
    .replace(/(_VIRTUAL)?(_API)?_KEY$/, "")}_API_KEY`
