/**
 * The vendor of a LiteLLM deployment, by the prefix of its model, and the vendor keys for it.
 */
import * as Predicate from "effect/Predicate"
import type { Document, ImportReader } from "../ImportReader.ts"
import { compact } from "../ImportReader.ts"
import * as Endpoints from "../Endpoints.ts"

/** A deployment's vendor keys and model. `label` is LiteLLM's name of the vendor. */
export interface Vendor {
  readonly label: string
  readonly keys: Document & { readonly model: string }
}

type Reading = (model: string, params: ImportReader) => Vendor["keys"] | undefined

const account = (params: ImportReader): Endpoints.Account => ({
  apiKey: params.text("api_key"),
  baseUrl: params.address("api_base") ?? params.address("base_url"),
})

const headers = (params: ImportReader): Document => ({
  headers: params.texts("extra_headers") ?? params.texts("headers"),
})

const openai: Reading = (model, params) => ({
  provider: "openai",
  model,
  ...compact({ ...account(params), organization: params.text("organization"), ...headers(params) }),
})

/** An endpoint by its name in `Endpoints`. `id` converts LiteLLM's model id to the vendor's. */
const compatible =
  (name: Endpoints.Name, id: (model: string) => string = (model) => model): Reading =>
  (model, params) => {
    const keys = Endpoints.at(name, account(params))
    if (keys !== undefined) return { model: id(model), ...keys, ...compact(headers(params)) }
    return params.warn("api_base", "is missing, and this provider has no default address: not imported", "models")
  }

const ollama: Reading = (model, params) => {
  const { apiKey, baseUrl } = account(params)
  const keys = Endpoints.at("ollama", { apiKey, baseUrl: Endpoints.versioned(baseUrl) })
  return { model, ...keys, ...compact(headers(params)) }
}

const gemini: Reading = (model, params) => ({
  model,
  ...Endpoints.gemini(account(params)),
  ...compact(headers(params)),
})

const azure: Reading = (model, params) => ({
  model,
  ...Endpoints.azure(account(params), params),
  ...compact(headers(params)),
})

const anthropic: Reading = (model, params) => {
  const { apiKey, baseUrl } = account(params)
  const address = baseUrl?.replace(/\/(v1(\/messages)?\/?)?$/, "")
  return { provider: "anthropic", model, ...compact({ apiKey, baseUrl: address, ...headers(params) }) }
}

const region = /^[a-z]{2}(-[a-z]+)+-\d$/

/** `bedrock/`, an optional API (every model is called by Converse), an optional region, then the model. */
const bedrock: Reading = (model, params) => {
  const [first = "", ...others] = model.replace(/^(converse|converse_like|invoke)\//, "").split("/")
  const hasRegion = region.test(first) && others.length > 0
  return {
    provider: "bedrock",
    model: hasRegion ? others.join("/") : [first, ...others].join("/"),
    ...compact({
      region: params.text("aws_region_name") ?? (hasRegion ? first : undefined),
      profile: params.text("aws_profile_name"),
      accessKeyId: params.text("aws_access_key_id"),
      secretAccessKey: params.text("aws_secret_access_key"),
      sessionToken: params.text("aws_session_token"),
      bearerToken: params.text("api_key"),
      roleArn: params.text("aws_role_name"),
      roleSessionName: params.text("aws_session_name"),
      endpoint: params.address("aws_bedrock_runtime_endpoint") ?? params.address("api_base"),
    }),
  }
}

/** `vertex_ai/`, then a model with or without its publisher; a number, alone or after `gemini/`, is a tuned model's endpoint. */
const vertex: Reading = (model, params) => {
  if (/^openai\/\d+$/.test(model)) {
    return params.warn("model", "is an endpoint of your own in place of a model: not imported", "models")
  }
  const [, endpoint] = /^(?:gemini\/)?(\d+)$/.exec(model) ?? []
  const credentials = params.take("vertex_credentials") ?? params.take("vertex_ai_credentials")
  const project = params.text("vertex_project") ?? params.text("vertex_ai_project")
  if (project === undefined && credentials === undefined) {
    params.warn("vertex_project", "is missing: set GOOGLE_CLOUD_PROJECT, VERTEXAI_PROJECT is not read", "harmless")
  }
  const { baseUrl } = account(params)
  const isOrigin = baseUrl === undefined || /^https?:\/\/[^/]+\/?$/.test(baseUrl)
  if (!isOrigin) params.warn("api_base", "has a path: not imported, and Google's address is used", "models")
  return {
    provider: "vertex",
    model: endpoint === undefined ? model : `endpoints/${endpoint}`,
    location:
      params.text("vertex_location") ?? params.text("vertex_ai_location") ?? "${VERTEXAI_LOCATION:-us-central1}",
    ...compact({
      project,
      credentials: Predicate.isObject(credentials) ? JSON.stringify(credentials) : credentials,
      baseUrl: isOrigin ? baseUrl : undefined,
      ...headers(params),
    }),
  }
}

/** LiteLLM omits the account of Fireworks' own models. */
const fireworks = (model: string): string =>
  /^accounts\/|#/.test(model) ? model : `accounts/fireworks/models/${model}`

/** The supported prefixes. */
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
  vertex_ai: vertex,
  vertex_ai_beta: vertex,
  vllm: compatible("vllm"),
  xai: compatible("xai"),
}

/** Reads a deployment's `litellm_params`; reports why it cannot be imported. */
export const read = (params: ImportReader): Vendor | undefined => {
  const model = params.text("model")
  if (model === undefined) return params.warn("model", "is missing: not imported", "models")
  const custom = params.text("custom_llm_provider")
  const [first = "", ...others] = model.split("/")
  const prefix = Object.hasOwn(prefixes, first) && others.length > 0 ? first : undefined
  const label = prefix ?? custom ?? Endpoints.vendorOf(model)
  const reading = label !== undefined && Object.hasOwn(prefixes, label) ? prefixes[label] : undefined
  if (label === undefined || reading === undefined) {
    const vendor = custom ?? (others.length > 0 ? first : undefined)
    return params.warn(
      "model",
      vendor === undefined
        ? "does not name a provider, such as openai/…: not imported"
        : `the provider ${vendor} is not supported: not imported`,
      "models",
    )
  }
  const keys = reading(prefix === undefined ? model : others.join("/"), params)
  return keys && { label, keys }
}
