/**
 * The vendor of a Bifrost key, by the name of its provider, and the vendor keys for it. `env.NAME` is an environment variable.
 */
import * as Predicate from "effect/Predicate"
import * as Endpoints from "../Endpoints.ts"
import type { Document, ImportReader } from "../ImportReader.ts"
import { compact, isAddress, notAnAddress } from "../ImportReader.ts"

/** The settings of the provider that all of its keys share. */
export interface Shared {
  /** Of older files, where newer ones have settings of each key. */
  readonly meta: ImportReader
  readonly settings: Settings
}

export interface Settings {
  readonly baseUrl: string | undefined
  readonly headers: Document | undefined
  readonly proxy: string | undefined
}

/** The vendor keys of a deployment without its model, or with the only one of a server; and the ids behind other names. */
export interface Vendor {
  readonly keys: Document
  readonly aliases: ReadonlyMap<string, string>
}

type Reading = (apiKey: string | undefined, entry: ImportReader, shared: Shared) => Document | undefined

/** The document with a reference to the variable for each `env.NAME`. */
export const resolved = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(resolved)
  if (Predicate.isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, resolved(each)]))
  }
  const [, variable] = (Predicate.isString(value) ? /^env\.([A-Za-z_]\w*)$/.exec(value) : undefined) ?? []
  return variable === undefined ? value : Endpoints.reference(variable)
}

/** The text under a key. A text in an object is its `value`, or that of a variable. */
export const text = (place: ImportReader, key: string): string | undefined => {
  const value = place.take(key)
  const variable: unknown = Predicate.isObject(value) ? Reflect.get(value, "env_var") : undefined
  if (Predicate.isString(variable)) return Endpoints.reference(variable.replace(/^env\./, ""))
  const given: unknown = Predicate.isObject(value) ? Reflect.get(value, "value") : value
  if (given === undefined || given === "") return undefined
  if (!Predicate.isString(given)) return place.warn(key, "is not a text: not imported")
  return given.startsWith("vault.")
    ? place.warn(key, "vaults are not read: set an environment variable", "safety")
    : given
}

/** An address under a key, as `text`. */
export const address = (place: ImportReader, key: string): string | undefined => {
  const given = text(place, key)
  return given === undefined || isAddress(given) ? given : place.warn(key, notAnAddress, "models")
}

/** The address, the headers and the proxy of a provider. */
export const settings = (place: ImportReader, network: ImportReader): Settings => {
  const proxy = place.mapping("proxy_config")
  const type = proxy.text("type")
  const url = address(proxy, "url")
  const [username, password] = [text(proxy, "username"), text(proxy, "password")]
  proxy.warnUnread()
  return {
    baseUrl: address(network, "base_url"),
    headers: network.texts("extra_headers"),
    proxy:
      type === "http" && url !== undefined
        ? withUser(url, username, password)
        : type === undefined || type === "none" || type === "environment"
          ? undefined
          : proxy.warn("type", `proxies of type ${type} are not supported: not imported`, "safety"),
  }
}

const withUser = (url: string, username: string | undefined, password: string | undefined): string =>
  username === undefined ? url : url.replace("://", `://${username}:${password ?? ""}@`)

const common = ({ headers, proxy }: Settings): Document => ({ ...compact({ headers, proxy }) })

/** An address up to and including its version: Bifrost adds `/v1` itself. */
const compatible =
  (name: Endpoints.Name): Reading =>
  (apiKey, entry, { settings }) => {
    const keys = Endpoints.at(name, { apiKey, baseUrl: Endpoints.versioned(settings.baseUrl) })
    return keys === undefined
      ? entry.warn("value", "has no address: set `network_config.base_url`: not imported", "models")
      : { ...keys, ...common(settings) }
  }

const openai: Reading = (apiKey, _, { settings }) => ({
  provider: "openai",
  ...compact({ apiKey, baseUrl: Endpoints.versioned(settings.baseUrl) }),
  ...common(settings),
})

const anthropic: Reading = (apiKey, _, { settings }) => ({
  provider: "anthropic",
  ...compact({ apiKey, baseUrl: settings.baseUrl?.replace(/\/(v1\/?)?$/, "") }),
  ...common(settings),
})

const gemini: Reading = (apiKey, _, { settings }) => ({
  ...Endpoints.gemini({ apiKey, baseUrl: settings.baseUrl }),
  ...common(settings),
})

const azure: Reading = (apiKey, entry, { meta, settings }) => {
  const own = entry.mapping("azure_key_config")
  const place = own.keys.length > 0 ? own : meta
  const endpoint = address(place, "endpoint") ?? settings.baseUrl
  if (place.has("client_id") || place.has("client_secret")) {
    place.warn("client_id", "Entra ID is not supported, only API keys: not imported", "models")
    for (const key of ["client_id", "client_secret", "tenant_id", "scopes"]) place.take(key)
  }
  const keys = Endpoints.azure({ apiKey, baseUrl: endpoint }, place)
  place.take("deployments")
  own.warnUnread()
  return { ...keys, ...common(settings) }
}

const bedrock: Reading = (apiKey, entry, { meta, settings }) => {
  const own = entry.mapping("bedrock_key_config")
  const place = own.keys.length > 0 ? own : meta
  const keys = compact({
    region: text(place, "region"),
    accessKeyId: text(place, "access_key"),
    secretAccessKey: text(place, "secret_key") ?? text(place, "secret_access_key"),
    sessionToken: text(place, "session_token"),
    roleArn: text(place, "role_arn"),
    roleSessionName: text(place, "session_name"),
    bearerToken: place === meta ? undefined : apiKey,
    proxy: settings.proxy,
  })
  for (const key of ["arn", "batch_s3_config", "deployments"]) place.take(key)
  if (place.has("external_id"))
    place.warn("external_id", "roles are assumed without an external id: not imported", "safety")
  place.take("external_id")
  own.warnUnread()
  if (settings.headers !== undefined)
    entry.warn("value", "requests to Bedrock have no headers of their own: not imported", "harmless")
  return place === meta && apiKey !== undefined
    ? { provider: "bedrock", ...keys, accessKeyId: apiKey }
    : { provider: "bedrock", ...keys }
}

const vertex: Reading = (_, entry, { meta, settings }) => {
  const own = entry.mapping("vertex_key_config")
  const place = own.keys.length > 0 ? own : meta
  const keys = compact({
    project: text(place, "project_id"),
    location: text(place, "region"),
    credentials: text(place, "auth_credentials"),
  })
  for (const key of ["deployments", "force_single_region", "project_number"]) place.take(key)
  own.warnUnread()
  return { provider: "vertex", ...keys, ...common(settings) }
}

const server =
  (config: string, name: Endpoints.Name): Reading =>
  (apiKey, entry, { settings }) => {
    const own = entry.mapping(config)
    const baseUrl = Endpoints.versioned(address(own, "url") ?? settings.baseUrl)
    const model = text(own, "model_name")
    own.warnUnread()
    const keys = Endpoints.at(name, { apiKey, baseUrl })
    return keys === undefined
      ? entry.warn(config, "has no url: not imported", "models")
      : { ...keys, ...compact({ model }), ...common(settings) }
  }

/** The supported providers. */
const providers: Readonly<Record<string, Reading>> = {
  openai,
  anthropic,
  azure,
  bedrock,
  cerebras: compatible("cerebras"),
  cohere: compatible("cohere"),
  deepseek: compatible("deepseek"),
  fireworks: compatible("fireworks"),
  gemini,
  groq: compatible("groq"),
  mistral: compatible("mistral"),
  ollama: server("ollama_key_config", "ollama"),
  openrouter: compatible("openrouter"),
  perplexity: compatible("perplexity"),
  sgl: server("sgl_key_config", "own"),
  vertex,
  vllm: server("vllm_key_config", "vllm"),
  xai: compatible("xai"),
}

/** Whether a provider may have no key at all. */
export const needsNoKey = (vendor: string): boolean => ["ollama", "sgl", "vertex", "vllm"].includes(vendor)

/** Reads the key of a provider; reports why it cannot be imported. */
export const read = (vendor: string, entry: ImportReader, shared: Shared): Vendor | undefined => {
  const reading = Object.hasOwn(providers, vendor) ? providers[vendor] : undefined
  if (reading === undefined) {
    return entry.warn("value", `the provider ${vendor} is not supported: not imported`, "models")
  }
  const aliases = new Map<string, string>()
  const configs = ["azure_key_config", "bedrock_key_config", "vertex_key_config"].map((key) => entry.take(key))
  for (const place of [entry.take("aliases"), ...configs.map(deploymentsOf), shared.meta.take("deployments")]) {
    if (!Predicate.isObject(place)) continue
    for (const [name, value] of Object.entries(place)) {
      const id: unknown = Predicate.isObject(value) ? Reflect.get(value, "model_id") : value
      if (Predicate.isString(id) && id.trim() !== "") aliases.set(name, id)
    }
  }
  const keys = reading(text(entry, "value"), entry, shared)
  return keys && { keys, aliases }
}

const deploymentsOf = (config: unknown): unknown =>
  Predicate.isObject(config) ? Reflect.get(config, "deployments") : undefined

const unverified = ["certificates are always verified: set NODE_EXTRA_CA_CERTS for one of your own", "safety"] as const

/** Why settings of connections are not imported. */
export const whyOfNetwork = {
  insecure_skip_verify: unverified,
  ca_cert_pem: unverified,
  allow_private_network: ["addresses of every network are called", "harmless"],
  beta_header_overrides: "clients set the headers of betas: not imported",
} as const
