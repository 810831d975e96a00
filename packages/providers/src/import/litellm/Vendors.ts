/**
 * Whose a deployment of LiteLLM's is: the prefix of its model and what stands beside it, as a vendor's keys of ours.
 */
import type { Document, ImportReader } from "../ImportReader.ts"
import { isSet } from "../ImportReader.ts"
import * as Endpoints from "../Endpoints.ts"

/** A deployment's vendor and model: all that is said of it alone. `label` is LiteLLM's name for the vendor. */
export interface Vendor {
  readonly label: string
  readonly keys: Document & { readonly model: string }
}

type Reading = (model: string, params: ImportReader) => Vendor["keys"] | undefined

const account = (params: ImportReader): Endpoints.Account => ({
  apiKey: params.text("api_key"),
  baseUrl: params.text("api_base") ?? params.text("base_url"),
})

const headers = (params: ImportReader): Document => ({
  headers: params.texts("extra_headers") ?? params.texts("headers"),
})

const openai: Reading = (model, params) => ({
  provider: "openai",
  model,
  ...isSet({ ...account(params), organization: params.text("organization"), ...headers(params) }),
})

/** An endpoint by its name among `Endpoints`; `id` is the vendor's id of LiteLLM's model. */
const compatible =
  (name: Endpoints.Name, id: (model: string) => string = (model) => model): Reading =>
  (model, params) => {
    const keys = Endpoints.at(name, account(params))
    if (keys !== undefined) return { model: id(model), ...keys, ...isSet(headers(params)) }
    return params.tell("api_base", "is missing, and where this endpoint is cannot be told without: left out")
  }

const ollama: Reading = (model, params) => {
  const { apiKey, baseUrl } = account(params)
  const keys = Endpoints.at("ollama", { apiKey, baseUrl: Endpoints.versioned(baseUrl) })
  return { model, ...keys, ...isSet(headers(params)) }
}

const gemini: Reading = (model, params) => ({
  model,
  ...Endpoints.gemini(account(params)),
  ...isSet(headers(params)),
})

const azure: Reading = (model, params) => ({
  model,
  ...Endpoints.azure(account(params), params),
  ...isSet(headers(params)),
})

const anthropic: Reading = (model, params) => {
  const { apiKey, baseUrl } = account(params)
  const address = baseUrl?.replace(/\/(v1(\/messages)?\/?)?$/, "")
  return { provider: "anthropic", model, ...isSet({ apiKey, baseUrl: address, ...headers(params) }) }
}

const region = /^[a-z]{2}(-[a-z]+)+-\d$/

/** `bedrock/`, perhaps by an API of Bedrock's (all are asked by Converse) and in a region, then the model. */
const bedrock: Reading = (model, params) => {
  const [first = "", ...others] = model.replace(/^(converse|converse_like|invoke)\//, "").split("/")
  const placed = region.test(first) && others.length > 0
  return {
    provider: "bedrock",
    model: placed ? others.join("/") : [first, ...others].join("/"),
    ...isSet({
      region: params.text("aws_region_name") ?? (placed ? first : undefined),
      profile: params.text("aws_profile_name"),
      accessKeyId: params.text("aws_access_key_id"),
      secretAccessKey: params.text("aws_secret_access_key"),
      sessionToken: params.text("aws_session_token"),
      bearerToken: params.text("api_key"),
      roleArn: params.text("aws_role_name"),
      roleSessionName: params.text("aws_session_name"),
      endpoint: params.text("aws_bedrock_runtime_endpoint") ?? params.text("api_base"),
    }),
  }
}

/** Fireworks' own models are written without the account they belong to. */
const fireworks = (model: string): string =>
  /^accounts\/|#/.test(model) ? model : `accounts/fireworks/models/${model}`

/** Every prefix that has an equivalent. */
const prefixes: Readonly<Record<string, Reading>> = {
  openai,
  azure,
  anthropic,
  bedrock,
  cerebras: compatible("cerebras"),
  cohere: compatible("cohere"),
  cohere_chat: compatible("cohere"),
  custom_openai: compatible("own"),
  deepinfra: compatible("deepinfra"),
  deepseek: compatible("deepseek"),
  fireworks_ai: compatible("fireworks", fireworks),
  gemini,
  groq: compatible("groq"),
  hosted_vllm: compatible("vllm"),
  litellm_proxy: compatible("own"),
  llamafile: compatible("own"),
  lm_studio: compatible("own"),
  mistral: compatible("mistral"),
  moonshot: compatible("moonshot"),
  nvidia_nim: compatible("nvidia"),
  ollama,
  ollama_chat: ollama,
  openai_like: compatible("own"),
  openrouter: compatible("openrouter"),
  perplexity: compatible("perplexity"),
  sambanova: compatible("sambanova"),
  together_ai: compatible("together"),
  vllm: compatible("vllm"),
  xai: compatible("xai"),
}

/** Reads a deployment's `litellm_params`, or tells what keeps it from being one of ours. */
export const read = (params: ImportReader): Vendor | undefined => {
  const written = params.text("model")
  if (written === undefined) return params.tell("model", "is missing: left out")
  const custom = params.text("custom_llm_provider")
  const [first = "", ...others] = written.split("/")
  const prefix = Object.hasOwn(prefixes, first) && others.length > 0 ? first : undefined
  const label = prefix ?? custom ?? Endpoints.whose(written)
  const reading = label !== undefined && Object.hasOwn(prefixes, label) ? prefixes[label] : undefined
  if (label === undefined || reading === undefined) {
    const vendor = custom ?? (others.length > 0 ? first : undefined)
    return params.tell(
      "model",
      vendor === undefined
        ? "does not say whose it is, such as openai/…: left out"
        : `${vendor} is not spoken: left out`,
    )
  }
  const keys = reading(prefix === undefined ? written : others.join("/"), params)
  return keys && { label, keys }
}
