/**
 * The providers of a Bifrost configuration as deployments. Bifrost calls models as `openai/gpt-4o`: each such name becomes a
 * deployment or, over several keys, a balance by their weights; a key for every model becomes `openai/*`.
 *
 * Sources: docs.getbifrost.ai, "Provider configuration", "Keys management"; the schema of its `config.json`.
 */
import * as Predicate from "effect/Predicate"
import type { Document, RouteDocument } from "../ImportReader.ts"
import { ImportReader, compact, uniqueName } from "../ImportReader.ts"
import { keyPath } from "../../config/ConfigError.ts"
import * as Vendors from "./Vendors.ts"

/** A provider whose keys can be imported. */
export interface Provider {
  readonly name: string
  readonly keys: ReadonlyArray<Key>
  readonly policies: Document
  /** The most calls at a time, and how many wait. */
  readonly concurrency: Document | undefined
  readonly warn: (key: string, message: string) => void
}

interface Key {
  readonly id: string
  readonly weight: number
  /** The models that it serves; `undefined` for every model. */
  readonly models: ReadonlyArray<string> | undefined
  /** The vendor's ids of models, by the names that calls have. */
  readonly aliases: ReadonlyMap<string, string>
  readonly vendor: Document
}

/** Reads all providers. `emptyAllowsAll`: what an empty list of models means in this version. */
export const read = (all: ImportReader, emptyAllowsAll: boolean): ReadonlyArray<Provider> =>
  all.keys.flatMap((name) => {
    const place = all.mapping(name)
    const custom = place.mapping("custom_provider_config")
    const vendor = custom.text("base_provider_type") ?? name
    for (const key of custom.keys) custom.take(key)
    const network = place.mapping("network_config")
    const settings = Vendors.settings(place, network)
    const meta = place.mapping("meta_config")
    const keys = place.list("keys").flatMap((input, index) => {
      const entry = new ImportReader(input, keyPath(keyPath(place.path, "keys"), index), place.report)
      return keyOf(entry, vendor, index, emptyAllowsAll, { meta, settings }) ?? []
    })
    if (keys.length === 0 && place.list("keys").length === 0 && Vendors.needsNoKey(vendor)) {
      const entry = new ImportReader({ models: ["*"] }, place.path, place.report)
      keys.push(...[keyOf(entry, vendor, 0, true, { meta, settings }) ?? []].flat())
    }
    meta.warnUnread()
    const policies = policiesOf(network)
    network.warnUnread(Vendors.whyOfNetwork)
    const size = place.mapping("concurrency_and_buffer_size")
    const concurrency = size.count("concurrency")
    const buffer = size.countOrNone("buffer_size")
    size.warnUnread()
    for (const key of inert) place.take(key)
    place.warnUnread()
    if (keys.length === 0) return all.warn(name, "has no key that can be imported: not imported", "models") ?? []
    return [
      {
        name,
        keys,
        policies,
        concurrency:
          concurrency === undefined
            ? undefined
            : compact({ concurrency, queue: buffer === undefined ? undefined : { max: buffer } }),
        warn: (key: string, message: string) => place.warn(key, message, "harmless"),
      },
    ]
  })

/** What is kept of requests and responses, and how connections are pooled. */
const inert = ["send_back_raw_request", "send_back_raw_response", "store_raw_request_response", "openai_config"]

const policiesOf = (network: ImportReader): Document => {
  const attempt = network.time("default_request_timeout_in_seconds", "seconds")
  const base =
    network.time("retry_backoff_initial", "milliseconds") ?? network.time("retry_backoff_initial_ms", "milliseconds")
  const max = network.time("retry_backoff_max", "milliseconds") ?? network.time("retry_backoff_max_ms", "milliseconds")
  return (
    compact({
      retry: compact({ times: network.countOrNone("max_retries"), base, max }),
      timeout: compact({
        attempt,
        firstToken: attempt,
        idle: network.time("stream_idle_timeout_in_seconds", "seconds"),
      }),
    }) ?? {}
  )
}

const keyOf = (
  entry: ImportReader,
  vendor: string,
  index: number,
  emptyAllowsAll: boolean,
  shared: Vendors.Shared,
): Key | undefined => {
  const enabled = entry.flag("enabled")
  const id = entry.text("id")
  const name = entry.text("name")
  const weight = entry.number("weight", "a number, 0 or more", (value) => value >= 0) ?? 1
  const hasModels = entry.has("models")
  const listed = entry.words("models")
  entry.take("use_for_batch_api")
  const blocked = entry.words("blacklisted_models")
  const read = Vendors.read(vendor, entry, shared)
  if (enabled === false) {
    for (const key of entry.keys) entry.take(key)
    return entry.warn("enabled", "is false: the key is not imported", "harmless")
  }
  if (read === undefined) {
    for (const key of entry.keys) entry.take(key)
    return undefined
  }
  const every = listed.includes("*") || (listed.length === 0 && (!hasModels || emptyAllowsAll))
  if (!every && listed.length === 0 && read.aliases.size === 0) {
    return entry.warn("models", "is empty, which allows no model: the key is not imported", "models")
  }
  if (blocked.length > 0 && every) {
    entry.warn("blacklisted_models", "a key for every model serves these too: list the models of the key", "safety")
  }
  entry.warnUnread()
  const models = [...new Set([...listed, ...read.aliases.keys()])].filter((model) => !blocked.includes(model))
  return {
    id: id ?? name ?? String(index + 1),
    weight,
    models: every ? undefined : models,
    aliases: read.aliases,
    vendor: read.keys,
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Writing
// ---------------------------------------------------------------------------------------------------------------------

/** Deployments and routes, and the names that a provider serves, by provider. */
export interface Written {
  readonly deployments: Record<string, unknown>
  readonly routes: Record<string, RouteDocument>
  readonly names: ReadonlyMap<string, ReadonlyArray<string>>
}

/** `wanted`: models of a provider that are named elsewhere, and need a name of their own. */
export const write = (
  providers: ReadonlyArray<Provider>,
  wanted: ReadonlyMap<string, ReadonlyArray<string>>,
): Written => {
  const deployments: Record<string, unknown> = {}
  const routes: Record<string, RouteDocument> = {}
  const names = new Map<string, ReadonlyArray<string>>()
  const taken = new Set<string>()
  for (const provider of providers) {
    const models = modelsOf(provider, wanted.get(provider.name) ?? [])
    names.set(
      provider.name,
      models.map((model) => `${provider.name}/${model}`),
    )
    for (const name of names.get(provider.name) ?? []) taken.add(name)
    const own: Array<string> = []
    for (const model of models) {
      const name = `${provider.name}/${model}`
      const keys = provider.keys.filter(({ aliases, models }) =>
        model === "*" ? models === undefined : models === undefined || models.includes(model) || aliases.has(model),
      )
      const pool = poolOf(keys, model)
      if (pool !== undefined) {
        deployments[name] = { ...pool, ...provider.policies }
        own.push(name)
        continue
      }
      const isEven = keys.every(({ weight }) => weight === keys[0]?.weight)
      const across = keys.map((key) => {
        const each = uniqueName(taken, `${provider.name}@${key.id}/${model}`)
        deployments[each] = {
          ...withModel(key, model),
          ...compact({ weight: isEven ? undefined : key.weight }),
          ...provider.policies,
        }
        own.push(each)
        return each
      })
      routes[name] = { balance: "shuffle", across }
    }
    const { concurrency } = provider
    const [only, ...others] = own
    if (concurrency !== undefined && only !== undefined && others.length === 0) {
      deployments[only] = { ...(deployments[only] as Document), limits: concurrency }
    } else if (concurrency !== undefined) {
      provider.warn(
        "concurrency_and_buffer_size",
        "is one limit for all models and keys of the provider, and deployments have their own: not imported",
      )
    }
  }
  return { deployments, routes, names }
}

const modelsOf = ({ keys }: Provider, wanted: ReadonlyArray<string>): ReadonlyArray<string> => {
  const every = keys.some(({ models }) => models === undefined)
  const listed = keys.flatMap(({ aliases, models = [] }) => [...models, ...aliases.keys()])
  const others = every ? wanted : []
  return [...new Set([...listed, ...others]), ...(every ? ["*"] : [])]
}

const withModel = ({ aliases, vendor }: Key, model: string): Document => ({
  provider: vendor["provider"],
  model: aliases.get(model) ?? vendor["model"] ?? model,
  ...Object.fromEntries(Object.entries(vendor).filter(([key]) => key !== "provider" && key !== "model")),
})

/** One deployment for all keys, if they differ in nothing but their API keys. */
const poolOf = (keys: ReadonlyArray<Key>, model: string): Document | undefined => {
  const [first, ...others] = keys.map((key) => withModel(key, model))
  if (first === undefined || others.length === 0) return first
  const apiKeys = [first, ...others].map(({ apiKey }) => apiKey)
  const rest = (keys: Document) => JSON.stringify({ ...keys, apiKey: undefined })
  const isAlike =
    others.every((each) => rest(each) === rest(first)) &&
    keys.every(({ weight }) => weight === keys[0]?.weight) &&
    apiKeys.every(Predicate.isString) &&
    new Set(apiKeys).size === apiKeys.length
  if (!isAlike) return undefined
  const { apiKey: _, ...common } = first
  return { ...common, apiKeys }
}
