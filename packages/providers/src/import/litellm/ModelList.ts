/**
 * The entries of LiteLLM's `model_list`: each a deployment of ours, and what says how it stands among those of its group.
 */
import * as Wildcard from "@understudy/core/internal/route/Wildcard"
import type { Problem } from "../../config/ConfigError.ts"
import { keyPath } from "../../config/ConfigError.ts"
import type { Document } from "../ImportReader.ts"
import { ImportReader, isSet } from "../ImportReader.ts"
import * as Limits from "./Limits.ts"
import * as Vendors from "./Vendors.ts"

/** One deployment of a group. */
export interface ModelEntry {
  readonly group: string
  /** LiteLLM's own name for it, which can be asked for too. */
  readonly id: string | undefined
  /** Its vendor, as LiteLLM calls it. */
  readonly label: string
  /** The lowest is tried first. */
  readonly order: number
  /** What `simple-shuffle` may go by. */
  readonly shares: Readonly<Record<Share, number | undefined>>
  readonly deployment: Document & { readonly model: string }
}

/** What a shuffle goes by: the first that any of a group says. */
export const sharing = ["weight", "rpm", "tpm"] as const
export type Share = (typeof sharing)[number]

/** What of the rest of the document bears upon deployments. */
export interface Context {
  /** By name, what `litellm_credential_name` stands for. */
  readonly credentials: ReadonlyMap<string, Document>
  /** Calls at once, where a deployment does not say. */
  readonly concurrency: number | undefined
}

/** Reads every entry that has an equivalent. */
export const read = (
  entries: ReadonlyArray<unknown>,
  { concurrency, credentials }: Context,
  report: Array<Problem>,
): ReadonlyArray<ModelEntry> =>
  entries.flatMap((input, index) => {
    const entry = new ImportReader(input, keyPath("model_list", index), report)
    const group = entry.text("model_name")
    if (group === undefined) return entry.tell("model_name", "is missing: left out") ?? []
    const params = withCredential(entry, credentials)
    const info = entry.mapping("model_info")
    const mode = info.text("mode")
    if (mode !== undefined && !modes.includes(mode)) {
      return info.tell("mode", `only chat and embeddings are served, and this is for ${mode}: left out`) ?? []
    }
    const vendor = Vendors.read(params)
    if (vendor === undefined) return []
    if (Wildcard.countWildcards(vendor.keys.model) > Wildcard.countWildcards(group)) {
      return params.tell("model", "has a * that its model_name does not say anything for: left out") ?? []
    }

    const shares = {
      weight: params.number("weight", "a number, 0 or more", (value) => value >= 0),
      rpm: entry.count("rpm") ?? params.count("rpm") ?? info.count("rpm"),
      tpm: entry.count("tpm") ?? params.count("tpm") ?? info.count("tpm"),
    }
    const order = params.number("order") ?? last
    const name = info.text("id")
    // A deployment's own name has to say what its model leaves open.
    const id = Wildcard.hasWildcard(vendor.keys.model) ? undefined : name
    if (name !== id) info.tell("id", "names no one model: left out")
    const deployment = {
      provider: vendor.keys["provider"],
      ...vendor.keys,
      ...isSet({
        limits: isSet({
          rpm: shares.rpm,
          tpm: shares.tpm,
          concurrency: params.count("max_parallel_requests") ?? concurrency,
        }),
        capabilities: capabilities(info, mode),
        price: price(params, info, mode),
        retry: isSet({ times: params.countOrNone("num_retries") ?? params.countOrNone("max_retries") }),
        timeout: Limits.timeout(params, ["timeout", "request_timeout"]),
        circuit: Limits.circuit(params),
        unsupportedParams: Limits.unsupported(params),
      }),
    }
    info.rest(whyOfInfo)
    params.rest(whyOfParams)
    entry.rest()
    return [{ group, id, label: vendor.label, order, shares, deployment }]
  })

/** The order of those without one, which LiteLLM asks when all others are away. */
const last = 1_000_000

const modes = ["chat", "completion", "responses", "embedding"]

/** A deployment's own words come before its credential's. */
const withCredential = (entry: ImportReader, credentials: Context["credentials"]): ImportReader => {
  const params = entry.mapping("litellm_params")
  const name = params.text("litellm_credential_name")
  if (name === undefined) return params
  const credential = credentials.get(name)
  if (credential === undefined) {
    params.tell("litellm_credential_name", "names nothing of the credential_list: left out")
    return params
  }
  const own = Object.fromEntries(params.keys.map((key) => [key, params.take(key)]))
  const merged = new ImportReader({ ...credential, ...own }, params.path, params.report)
  merged.take("litellm_credential_name")
  return merged
}

const capabilities = (info: ImportReader, mode: string | undefined): Document | undefined => {
  const maxTokens = info.count("max_tokens")
  return isSet({
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

/** Dollars a token become dollars a million of them. */
const price = (params: ImportReader, info: ImportReader, mode: string | undefined): Document | undefined => {
  const dollars = (key: string): number | undefined => {
    const cost = [params, info].map((place) => place.number(key, "a price, 0 or more", (value) => value >= 0))
    const [each] = cost.filter((value) => value !== undefined)
    return each === undefined ? undefined : Number((each * 1_000_000).toPrecision(12))
  }
  const input = dollars("input_cost_per_token")
  const output = dollars("output_cost_per_token") ?? (mode === "embedding" && input !== undefined ? 0 : undefined)
  const [cachedInput, cacheWrite] = [dollars("cache_read_input_token_cost"), dollars("cache_creation_input_token_cost")]
  if (input !== undefined && output !== undefined) return isSet({ input, output, cachedInput, cacheWrite })
  if ([input, output, cachedInput, cacheWrite].some((value) => value !== undefined)) {
    params.tell("input_cost_per_token", "a price wants both input_cost_per_token and output_cost_per_token: left out")
  }
  return undefined
}

const whyOfInfo = {
  base_model: "prices and windows are not looked up: say `price` and `capabilities`",
}

const whyOfParams = {
  mock_response: "is for tests: `provider: simulated` with `reply` says as much",
  tags: "calls are told apart by the conditions of a route: see `when`",
}
