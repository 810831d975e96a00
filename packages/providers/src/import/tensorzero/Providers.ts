/**
 * The provider of a TensorZero model, by its `type`, and the vendor keys for it.
 *
 * Sources: tensorzero.com/docs, "Configuration Reference", "Credential Management".
 */
import * as Predicate from "effect/Predicate"
import * as Endpoints from "../Endpoints.ts"
import type { Document, ImportReader } from "../ImportReader.ts"
import { compact, isAddress, notAnAddress } from "../ImportReader.ts"

/** The vendor keys of a deployment, its model among them. */
export type Keys = Document & { readonly model: string }

/** A model: its providers in the order in which they are tried. */
export interface Model {
  readonly name: string
  readonly providers: ReadonlyArray<{ readonly name: string; readonly deployment: Document }>
  readonly timeout: Document | undefined
}

/** The places of credentials that `provider_types` sets, by type. */
export type Credentials = ReadonlyMap<string, ImportReader>

type Reading = (place: ImportReader, credential: (variable?: string) => string | undefined) => Keys | undefined

const modelOf = (place: ImportReader, key = "model_name"): string | undefined =>
  place.text(key) ?? place.warn(key, "is missing: not imported", "models")

/** The text under a key, with `env::NAME` as a reference to the variable. */
const located = (place: ImportReader, key: string): string | undefined => {
  const text = place.text(key)
  if (text === undefined || text === "sdk" || text === "none") return undefined
  const [, source, name = ""] = /^(env|path|path_from_env|dynamic)::(.+)$/.exec(text) ?? []
  if (source === undefined) {
    const isPlace = key.startsWith("endpoint") && !isAddress(text)
    return isPlace ? place.warn(key, notAnAddress, "models") : text
  }
  if (source === "env") return Endpoints.reference(name)
  return place.warn(key, `${source}:: is not supported, only env::: not imported`, "safety")
}

/** An endpoint that Understudy knows by name. `own` is the variable of TensorZero, if it is another one. */
const compatible =
  (name: Endpoints.Name, own?: string): Reading =>
  (place, credential) => {
    const model = modelOf(place)
    const baseUrl = place.address("api_base")?.replace(/\/$/, "")
    const keys = Endpoints.at(name, { apiKey: credential(own), baseUrl })
    if (model === undefined) return undefined
    return keys === undefined
      ? place.warn("api_base", "is missing, and this provider has no default address: not imported", "models")
      : { model, ...keys }
  }

const openai: Reading = (place, credential) => {
  const model = modelOf(place)
  const baseUrl = place.address("api_base")?.replace(/\/$/, "")
  const api = place.text("api_type") === "responses" ? "responses" : undefined
  // Encrypted reasoning is requested wherever it is needed.
  place.take("include_encrypted_reasoning")
  const isOwn = baseUrl === undefined || baseUrl === "https://api.openai.com/v1"
  const apiKey = credential(isOwn ? undefined : "OPENAI_API_KEY")
  return model === undefined
    ? undefined
    : { provider: "openai", model, ...compact({ apiKey, baseUrl: isOwn ? undefined : baseUrl, api }) }
}

const anthropic: Reading = (place, credential) => {
  const model = modelOf(place)
  const baseUrl = place.address("api_base")?.replace(/\/(v1(\/messages)?\/?)?$/, "")
  return model === undefined
    ? undefined
    : { provider: "anthropic", model, ...compact({ apiKey: credential(), baseUrl }) }
}

const azure: Reading = (place, credential) => {
  const model = modelOf(place, "deployment_id")
  const endpoint = located(place, "endpoint")
  const apiKey = credential("AZURE_API_KEY")
  if (model === undefined) return undefined
  return {
    model,
    ...Endpoints.azure({ apiKey, baseUrl: endpoint ?? Endpoints.reference("AZURE_OPENAI_ENDPOINT") }, place),
  }
}

const bedrock: Reading = (place) => {
  const model = modelOf(place, "model_id")
  const region = located(place, "region")
  place.take("allow_auto_detect_region")
  const keys = compact({
    region,
    accessKeyId: located(place, "access_key_id"),
    secretAccessKey: located(place, "secret_access_key"),
    sessionToken: located(place, "session_token"),
    bearerToken: located(place, "api_key"),
    endpoint: located(place, "endpoint_url"),
  })
  return model === undefined ? undefined : { provider: "bedrock", model, ...keys }
}

const gemini: Reading = (place, credential) => {
  const model = modelOf(place)
  const apiKey = credential("GOOGLE_AI_STUDIO_API_KEY")
  return model === undefined ? undefined : { model, ...Endpoints.gemini({ apiKey, baseUrl: undefined }) }
}

/** Vertex AI: an endpoint of a tuned model, or a model, where TensorZero has it. */
const vertex: Reading = (place) => {
  const endpoint = place.text("endpoint_id")
  const model = endpoint === undefined ? modelOf(place, "model_id") : `endpoints/${endpoint}`
  const location = located(place, "location")
  const project = located(place, "project_id")
  const credential = place.text("credential_location")
  const [, variable] = /^path_from_env::(.+)$/.exec(credential ?? "") ?? []
  if (credential !== undefined && credential !== "sdk" && variable !== "GOOGLE_APPLICATION_CREDENTIALS") {
    place.warn("credential_location", "Application Default Credentials are used: set GOOGLE_APPLICATION_CREDENTIALS")
  }
  return model === undefined ? undefined : { provider: "vertex", model, ...compact({ project, location }) }
}

/** A server of one model, whose name it ignores. */
const tgi: Reading = (place, credential) => {
  const baseUrl = place.address("api_base")?.replace(/\/$/, "")
  const apiKey = credential("TGI_API_KEY")
  return baseUrl === undefined
    ? place.warn("api_base", "is missing: not imported", "models")
    : { provider: "openai", model: place.text("model_name") ?? "tgi", baseUrl, ...compact({ apiKey }) }
}

const hyperbolic: Reading = (place, credential) => {
  const model = modelOf(place)
  const apiKey = credential("HYPERBOLIC_API_KEY")
  return model === undefined
    ? undefined
    : { provider: "openai", model, baseUrl: "https://api.hyperbolic.xyz/v1", ...compact({ apiKey }) }
}

/** The supported types. */
const types: Readonly<Record<string, Reading>> = {
  anthropic,
  aws_bedrock: bedrock,
  azure,
  deepseek: compatible("deepseek"),
  fireworks: compatible("fireworks"),
  gcp_vertex_anthropic: vertex,
  gcp_vertex_gemini: vertex,
  google_ai_studio_gemini: gemini,
  groq: compatible("groq"),
  hyperbolic,
  mistral: compatible("mistral"),
  openai,
  openrouter: compatible("openrouter"),
  sglang: compatible("own", "SGLANG_API_KEY"),
  tgi,
  together: compatible("together", "TOGETHER_API_KEY"),
  vllm: compatible("vllm", "VLLM_API_KEY"),
  xai: compatible("xai"),
}

/** Reads a provider; reports why it cannot be imported. */
export const read = (place: ImportReader, credentials: Credentials): Keys | undefined => {
  const type = place.text("type")
  if (type === undefined) return place.warn("type", "is missing: not imported", "models")
  const reading = Object.hasOwn(types, type) ? types[type] : undefined
  if (reading === undefined) {
    return place.warn("type", `the provider type ${type} is not supported: not imported`, "models")
  }
  const location = place.has("api_key_location") ? place : credentials.get(type)
  return reading(place, (variable) => {
    const found = location === undefined ? undefined : credentialAt(location)
    if (found === "none") return undefined
    return found ?? (variable === undefined ? undefined : Endpoints.reference(variable))
  })
}

/** The reference to the variable of a credential, `none` if none is sent, `undefined` for the type's own variable. */
const credentialAt = (place: ImportReader): string | undefined => {
  const value = place.take("api_key_location")
  const choices = Predicate.isObject(value) ? ["default", "fallback"].map((key) => Reflect.get(value, key)) : [value]
  const texts = choices.filter(Predicate.isString)
  const variable = texts.map((text) => /^env::(.+)$/.exec(text)?.[1]).find((name) => name !== undefined)
  const others = texts.filter((text) => !text.startsWith("env::") && text !== "none")
  if (others.length > 0) {
    place.warn(
      "api_key_location",
      "callers do not send vendors' keys, and files are not read: the key is that of an environment variable",
      "safety",
    )
  }
  if (variable !== undefined) return Endpoints.reference(variable)
  return texts.includes("none") ? "none" : undefined
}

/** The keys for a model that is named with its provider, such as `openai::gpt-4o` or `openai::responses::gpt-5`. */
export const ofShorthand = (name: string): Document | undefined => {
  const [type = "", ...rest] = name.split("::")
  if (rest.length === 0 || !Object.hasOwn(types, type)) return undefined
  const isResponses = type === "openai" && rest[0] === "responses" && rest.length > 1
  return isResponses
    ? { type, model_name: rest.slice(1).join("::"), api_type: "responses" }
    : { type, model_name: rest.join("::") }
}
