/**
 * The entries of LiteLLM's `model_list`: each becomes a deployment, with its order and weights within its group.
 */
import type { Name } from "@understudy/core/Operation"
import { names } from "@understudy/core/Operation"
import * as Wildcard from "@understudy/core/internal/route/Wildcard"
import { isVendor } from "../../Catalog.ts"
import { keyPath } from "../../config/ConfigError.ts"
import * as VendorOperations from "../../config/VendorOperations.ts"
import type { Document } from "../ImportReader.ts"
import type { NotImported } from "../Report.ts"
import { ImportReader, compact } from "../ImportReader.ts"
import * as Budgets from "./Budgets.ts"
import * as Limits from "./Limits.ts"
import * as Params from "../Params.ts"
import * as Vendors from "./Vendors.ts"

/** One deployment of a group. */
export interface ModelEntry {
  readonly group: string
  /** LiteLLM's id of the deployment, which calls may use as a model name. */
  readonly id: string | undefined
  /** LiteLLM's name of the vendor. */
  readonly label: string
  /** The lowest is tried first. */
  readonly order: number
  /** The weights that `simple-shuffle` may use. */
  readonly shares: Readonly<Record<Share, number | undefined>>
  readonly deployment: Document & { readonly model: string }
  /** Its budget, without its scope. */
  readonly budget: Document | undefined
}

/** The kinds of weights, by precedence: a group uses the first kind that any entry has. */
export const sharing = ["weight", "rpm", "tpm"] as const
export type Share = (typeof sharing)[number]

/** Settings of other sections that apply to deployments. */
export interface Context {
  /** The credentials by the name that `litellm_credential_name` refers to. */
  readonly credentials: ReadonlyMap<string, Document>
  /** The default limit of concurrent calls. */
  readonly concurrency: number | undefined
  /** The parameters of every deployment that has none of its own. */
  readonly defaults: Document | undefined
  /** In which the windows of budgets begin. */
  readonly timeZone: string | undefined
}

/** Reads the entries that can be imported. */
export const read = (
  entries: ReadonlyArray<unknown>,
  { concurrency, credentials, defaults, timeZone }: Context,
  report: Array<NotImported>,
): ReadonlyArray<ModelEntry> =>
  entries.flatMap((input, index) => {
    const entry = new ImportReader(input, keyPath("model_list", index), report)
    const group = entry.text("model_name")
    if (group === undefined) return entry.warn("model_name", "is missing: not imported", "models") ?? []
    const params = withCredential(entry, credentials)
    const info = entry.mapping("model_info")
    const mode = info.text("mode")
    const operations = mode === undefined ? [] : modes.get(mode)
    if (operations === undefined) {
      return info.warn("mode", `the mode ${mode} is not supported: not imported`, "models") ?? []
    }
    if (params.text("model")?.startsWith("auto_router/") === true) {
      return params.warn("model", autoRouter, "models") ?? []
    }
    const vendor = Vendors.read(params)
    if (vendor === undefined) return []
    const own = operationsOf(vendor.keys["provider"])
    if (operations.length > 0 && !operations.some((each) => own.has(each))) {
      const message = `the mode ${mode} is not supported with the provider ${vendor.keys["provider"]}: not imported`
      return info.warn("mode", message, "models") ?? []
    }
    if (Wildcard.countWildcards(vendor.keys.model) > Wildcard.countWildcards(group)) {
      return params.warn("model", "contains more * than its model_name: not imported", "models") ?? []
    }

    const shares = {
      weight: params.number("weight", "a number, 0 or more", (value) => value >= 0),
      rpm: entry.count("rpm") ?? params.count("rpm") ?? info.count("rpm"),
      tpm: entry.count("tpm") ?? params.count("tpm") ?? info.count("tpm"),
    }
    const order = params.number("order") ?? last
    const name = info.text("id")
    // The id of a wildcard model does not name one model.
    const id = Wildcard.hasWildcard(vendor.keys.model) ? undefined : name
    if (name !== id) info.warn("id", "is the id of a wildcard model, which needs a name with *: not imported", "models")
    const deployment = {
      provider: vendor.keys["provider"],
      ...vendor.keys,
      ...compact({
        limits: compact({
          rpm: shares.rpm,
          tpm: shares.tpm,
          concurrency: params.count("max_parallel_requests") ?? concurrency,
        }),
        capabilities: capabilities(info, mode),
        operations: operations.length === 0 ? undefined : operations.filter((each) => own.has(each)),
        price: price(params, info, mode),
        params: withDefaults(defaults, Params.read(params)),
        retry: compact({ times: params.countOrNone("num_retries") ?? params.countOrNone("max_retries") }),
        timeout: Limits.timeout(params, ["timeout", "request_timeout"]),
        circuit: Limits.circuit(params),
        unsupportedParams: Limits.unsupported(params),
      }),
    }
    const budget = Budgets.limit(params, timeZone)
    info.warnUnread(whyOfInfo)
    params.warnUnread(whyOfParams)
    entry.warnUnread()
    return [{ group, id, label: vendor.label, order, shares, deployment, budget }]
  })

/** A deployment's own parameters over the defaults. */
const withDefaults = (defaults: Document | undefined, own: Document | undefined): Document | undefined =>
  defaults === undefined || own === undefined ? (own ?? defaults) : { ...defaults, ...own }

/** The order of those without one, which LiteLLM asks when all others are away. */
const last = 1_000_000

const autoRouter =
  "an auto router picks a model by what the prompt means, which no route does: write one with `when` or `split`: not imported"

/** The operations besides chat and embeddings that a mode is for. */
const modes: ReadonlyMap<string, ReadonlyArray<Name>> = new Map<string, ReadonlyArray<Name>>([
  ["chat", []],
  ["responses", []],
  ["embedding", []],
  ["completion", []],
  ["moderation", ["moderations"]],
  ["image_generation", ["images.generations", "images.edits", "images.variations"]],
  ["image_edit", ["images.edits"]],
  ["audio_speech", ["audio.speech"]],
  ["audio_transcription", ["audio.transcriptions", "audio.translations"]],
  ["rerank", ["rerank"]],
  ["realtime", ["realtime"]],
  ["batch", ["files", "batches"]],
])

/** The operations of a provider. One with OpenAI's protocol may be any server. */
const operationsOf = (provider: unknown): ReadonlySet<Name> => {
  if (provider === "openai") return new Set(names)
  return isVendor(provider) ? VendorOperations.of(provider) : new Set()
}

/** The `litellm_params` merged with those of the credential. The deployment's own take precedence. */
const withCredential = (entry: ImportReader, credentials: Context["credentials"]): ImportReader => {
  const params = entry.mapping("litellm_params")
  const name = params.text("litellm_credential_name")
  if (name === undefined) return params
  const credential = credentials.get(name)
  if (credential === undefined) {
    params.warn("litellm_credential_name", "is not in credential_list: not imported", "models")
    return params
  }
  const own = Object.fromEntries(params.keys.map((key) => [key, params.take(key)]))
  const merged = new ImportReader({ ...credential, ...own }, params.path, params.report)
  merged.take("litellm_credential_name")
  return merged
}

const capabilities = (info: ImportReader, mode: string | undefined): Document | undefined => {
  const maxTokens = info.count("max_tokens")
  return compact({
    tools: info.flag("supports_function_calling"),
    vision: info.flag("supports_vision"),
    audio: info.flag("supports_audio_input"),
    files: info.flag("supports_pdf_input"),
    jsonSchema: info.flag("supports_response_schema"),
    reasoning: info.flag("supports_reasoning"),
    embeddings: mode === "embedding" ? true : undefined,
    prefill: info.flag("supports_assistant_prefill"),
    contextWindow: info.count("max_input_tokens"),
    maxOutput: info.count("max_output_tokens") ?? maxTokens,
  })
}

/** Prices, converted from dollars a token to dollars a million tokens, with those of longer inputs as tiers. */
const price = (params: ImportReader, info: ImportReader, mode: string | undefined): Document | undefined => {
  const base = rates(params, info, mode, "")
  const lengths = [params, info].flatMap(({ keys }) =>
    keys.flatMap((key) => /^(?:in|out)put_cost_per_token_above_(\d+)k_tokens$/.exec(key)?.[1] ?? []),
  )
  const tiers = [...new Set(lengths)].flatMap((length) => {
    const tier = rates(params, info, mode, `_above_${length}k_tokens`)
    return tier === undefined || base === undefined ? [] : [{ above: Number(length) * 1000, ...base, ...tier }]
  })
  return base === undefined || tiers.length === 0 ? base : { ...base, tiers }
}

/** The prices whose keys end with `suffix`. */
const rates = (
  params: ImportReader,
  info: ImportReader,
  mode: string | undefined,
  suffix: string,
): Document | undefined => {
  const dollars = (name: string): number | undefined => {
    const key = `${name}${suffix}`
    const cost = [params, info].map((place) => place.number(key, "a price, 0 or more", (value) => value >= 0))
    const [each] = cost.filter((value) => value !== undefined)
    return each === undefined ? undefined : Number((each * 1_000_000).toPrecision(12))
  }
  const input = dollars("input_cost_per_token")
  const output = dollars("output_cost_per_token") ?? (mode === "embedding" && input !== undefined ? 0 : undefined)
  const [cachedInput, cacheWrite] = [dollars("cache_read_input_token_cost"), dollars("cache_creation_input_token_cost")]
  const reasoning = suffix === "" ? dollars("output_cost_per_reasoning_token") : undefined
  const { request, units } = suffix === "" ? unitRates(params, info) : {}
  if (input !== undefined && output !== undefined)
    return compact({ input, output, cachedInput, cacheWrite, reasoning, request, units })
  if (input === undefined && output === undefined && (units ?? request) !== undefined)
    return compact({ input: 0, output: 0, request, units })
  if ([input, output, cachedInput, cacheWrite].some((value) => value !== undefined)) {
    params.warn(
      `input_cost_per_token${suffix}`,
      `a price needs both input_cost_per_token${suffix} and output_cost_per_token${suffix}: not imported`,
    )
  }
  return undefined
}

/** The prices of a query, of a second of audio, of a million characters and of an image. */
const unitRates = (
  params: ImportReader,
  info: ImportReader,
): { readonly request?: number | undefined; readonly units?: Document | undefined } => {
  const dollars = (key: string): number | undefined => {
    const cost = [params, info].map((place) => place.number(key, "a price, 0 or more", (value) => value >= 0))
    return cost.find((value) => value !== undefined)
  }
  const characters = dollars("input_cost_per_character")
  return {
    request: dollars("input_cost_per_query"),
    units: compact({
      second: dollars("input_cost_per_second"),
      characters: characters === undefined ? undefined : Number((characters * 1_000_000).toPrecision(12)),
      image: dollars("output_cost_per_image") ?? dollars("input_cost_per_image"),
    }),
  }
}

const whyOfInfo = {
  base_model: "prices and context windows are not looked up: set `price` and `capabilities`",
}

const whyOfParams = {
  cache_control_injection_points: "clients mark what is cached: not imported",

  mock_response: "is for tests: use `provider: simulated` with `reply`",
  tags: "tags do not select deployments: use conditions on a route, see `when`",
}
