/**
 * LiteLLM's proxy configuration as one of ours, by what LiteLLM's documentation says that it means.
 *
 * Sources: docs.litellm.ai, "All settings", "Router", "Fallbacks", "Wildcard routing".
 */
import type { Strategy } from "@understudy/core/internal/route/Strategy"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Problem } from "../../config/ConfigError.ts"
import { keyPath } from "../../config/ConfigError.ts"
import * as Endpoints from "../Endpoints.ts"
import type { Document, Imported } from "../ImportReader.ts"
import { ImportReader, isSet } from "../ImportReader.ts"
import { total } from "../TotalTimeout.ts"
import * as Fallbacks from "./Fallbacks.ts"
import * as Limits from "./Limits.ts"
import * as ModelList from "./ModelList.ts"
import * as Routes from "./Routes.ts"

/** Whether a parsed document is LiteLLM's. */
export const is = (input: unknown): input is Document => Predicate.isObject(input) && "model_list" in input

/** The document of ours that says the same, with a report of what it cannot say; or why there is none. */
export const read = (input: Document): Result.Result<Imported, ReadonlyArray<Problem>> => {
  const report: Array<Problem> = []
  const document = new ImportReader(resolved(input, report), "", report)
  const general = document.mapping("general_settings")
  // What both say, the router says last.
  const settings = [document.mapping("router_settings"), document.mapping("litellm_settings")] as const
  const members = ModelList.read(
    document.list("model_list"),
    {
      credentials: credentialsOf(document),
      concurrency:
        first(settings, (place) => place.count("default_max_parallel_requests")) ??
        general.count("max_parallel_requests"),
    },
    report,
  )
  if (members.length === 0) {
    const nobody = { path: "model_list", message: "has no deployment that could be made one of ours" }
    return Result.fail([...report, nobody])
  }
  const graph = Fallbacks.read(members, settings)
  const { deployments, routes } = Routes.write(graph, {
    strategy: first(settings, strategyOf) ?? "shuffle",
    retries: groupRetries(settings),
    cache: first(settings, cacheOf),
  })
  if (first(settings, (place) => place.flag("enable_pre_call_checks")) !== true && members.some(isLimited)) {
    report.push({ path: "model_list", message: heeded })
  }
  const native = isSet({
    server: server(document),
    state: isSet({ redis: redis(settings) }),
    keys: keys(general),
    defaults: defaults(settings, deployments),
    deployments,
    routes: isSet(routes),
  })
  for (const place of settings) place.rest(whyOfSettings)
  general.rest(whyOfGeneral)
  for (const key of document.keys) if (key.startsWith("x-")) document.take(key)
  document.rest(whyOfDocument)
  return Result.succeed({ document: native ?? {}, report })
}

/** What the first place has to say that says anything; all are asked. */
const first = <A>(places: ReadonlyArray<ImportReader>, ask: (place: ImportReader) => A | undefined): A | undefined =>
  places.map(ask).find((answer) => answer !== undefined)

const isLimited = ({ shares }: ModelList.ModelEntry): boolean => shares.rpm !== undefined || shares.tpm !== undefined

const heeded = "rpm and tpm are held to as limits, which LiteLLM does only with enable_pre_call_checks"

// ---------------------------------------------------------------------------------------------------------------------
// Values
// ---------------------------------------------------------------------------------------------------------------------

/** `os.environ/NAME` as a variable of ours, or as what the document itself says that it holds. */
const resolved = (input: Document, report: Array<Problem>): Document => {
  const { environment_variables: variables, ...document } = input
  const known = Predicate.isObject(variables) ? variables : {}
  for (const name of Object.keys(known)) {
    report.push({
      path: `environment_variables.${name}`,
      message:
        "is put where os.environ/ names it; whoever looks for it in the environment finds it only there or in .env",
    })
  }
  const walk = (value: unknown, path: string): unknown => {
    if (Array.isArray(value)) return value.map((each, index) => walk(each, keyPath(path, index)))
    if (Predicate.isObject(value)) {
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each, keyPath(path, key))]))
    }
    if (!Predicate.isString(value)) return value
    if (value.includes("${")) report.push({ path, message: "has a ${…}, which names an environment variable here" })
    const [, name] = /^os\.environ\/(.*)$/.exec(value.trim()) ?? []
    if (name === undefined) return value
    if (Object.hasOwn(known, name)) return known[name]
    if (/^[a-z_]\w*$/i.test(name)) return Endpoints.reference(name)
    report.push({ path, message: "names no environment variable that could be one: left out" })
    return undefined
  }
  return Object.fromEntries(Object.entries(document).map(([key, value]) => [key, walk(value, key)]))
}

const credentialsOf = (document: ImportReader): ReadonlyMap<string, Document> =>
  new Map(
    document.list("credential_list").flatMap((each): ReadonlyArray<[string, Document]> => {
      if (!Predicate.isObject(each)) return []
      const { credential_name: name, credential_values: values } = each as Document
      return Predicate.isString(name) && Predicate.isObject(values) ? [[name, values as Document]] : []
    }),
  )

// ---------------------------------------------------------------------------------------------------------------------
// Settings
// ---------------------------------------------------------------------------------------------------------------------

const strategies: Readonly<Record<string, Strategy>> = {
  "simple-shuffle": "shuffle",
  "least-busy": "least-busy",
  "latency-based-routing": "latency",
  "cost-based-routing": "cost",
}

const strategyOf = (place: ImportReader): Strategy | undefined => {
  const name = place.text("routing_strategy")
  if (name === undefined) return undefined
  const strategy = Object.hasOwn(strategies, name) ? strategies[name] : undefined
  if (strategy !== undefined) return strategy
  place.tell("routing_strategy", `there is no ${name}: least-busy stands for it, and limits are held to anyway`)
  return "least-busy"
}

const groupRetries = (settings: ReadonlyArray<ImportReader>): ReadonlyMap<string, number> =>
  new Map(
    settings.flatMap((place) => {
      const groups = place.mapping("model_group_retry_policy")
      return groups.keys.flatMap((group): ReadonlyArray<[string, number]> => {
        const times = Limits.retries(groups.mapping(group))
        return times === undefined ? [] : [[group, times]]
      })
    }),
  )

/** What holds for all; and, since a whole call may take no longer than `total`, as much as its longest attempt. */
const defaults = (settings: ReadonlyArray<ImportReader>, deployments: Document): Document | undefined => {
  const times = first(settings, (place) => place.countOrNone("num_retries"))
  const policy = first(settings, (place) => Limits.retries(place.mapping("retry_policy"), times))
  const timeout = first(settings, (place) => Limits.timeout(place, ["timeout", "request_timeout"]))
  for (const place of settings) {
    if (place.flag("disable_cooldowns") === true) place.tell("disable_cooldowns", Limits.noCooldown)
  }
  const unsupportedParams = first(settings, Limits.unsupported)
  const circuits = settings.map(Limits.circuit)
  return isSet({
    retry: isSet({ times: policy ?? times, base: first(settings, (place) => place.time("retry_after", "seconds")) }),
    circuit: isSet({ ...circuits[1], ...circuits[0] }),
    unsupportedParams,
    timeout: isSet({ ...timeout, total: total([{ timeout }, ...Object.values(deployments)]) }),
  })
}

/** Exact answers, for as long as they are said to be good: of all routes, since LiteLLM's are of all groups. */
const cacheOf = (place: ImportReader): Document | undefined => {
  const wanted = place.flag("cache") ?? place.flag("cache_responses")
  const params = place.mapping("cache_params")
  const refuse = (key: string, why: string) => {
    for (const each of params.keys) params.take(each)
    return params.tell(key, `${why}: no answers are kept`)
  }
  if (wanted !== true) {
    params.rest()
    return undefined
  }
  const type = params.text("type") ?? "local"
  if (type !== "local" && type !== "redis") return refuse("type", `there is no ${type}`)
  if (params.text("mode") === "default_off") return refuse("mode", "calls cannot choose")
  const ttls = ["ttl", "default_in_memory_ttl", "default_in_redis_ttl"].map((key) => params.time(key, "seconds"))
  const ttl = ttls.find((each) => each !== undefined)
  if (ttl === undefined) return refuse("ttl", "is missing, and an answer is not kept for good")
  params.rest({ host: whereKept, port: whereKept, password: whereKept })
  return { ttl }
}

const whereKept = "answers are kept where `state` says: left out"

/** Several proxies that count together. */
const redis = (settings: ReadonlyArray<ImportReader>): string | undefined => {
  const [url, host, port, password, database] = [
    "redis_url",
    "redis_host",
    "redis_port",
    "redis_password",
    "redis_db",
  ].map((key) => first(settings, (place) => place.text(key)))
  if (url !== undefined) return url
  if (host === undefined) return undefined
  const secret = password === undefined ? "" : `:${password.includes("${") ? password : encodeURIComponent(password)}@`
  return `redis://${secret}${host}:${port ?? "6379"}${database === undefined ? "" : `/${database}`}`
}

/** The classics keep the port of LiteLLM's proxy beside its own document. */
const server = (document: ImportReader): Document | undefined => {
  const litellm = document.mapping("litellm")
  const port = litellm.count("port")
  litellm.rest()
  return isSet({ port })
}

/** Whoever sends the master key may call everything. */
const keys = (general: ImportReader): ReadonlyArray<Document> | undefined => {
  const key = general.text("master_key")
  return key === undefined ? undefined : [{ id: "master", key }]
}

const whyOfSettings = {
  allowed_fails_policy: "failures are counted alike, save those that say nothing of a deployment's health: left out",
  default_litellm_params: "requests are sent with what their caller says: left out",
  max_fallbacks: "a route ends where it ends: left out",
  routing_strategy_args: "strategies have no settings: left out",
}

const whyOfGeneral = {
  database_url: "there is no database: keys stand in the document itself",
}

const whyOfDocument = {
  aws: "means nothing to the gateway by itself: its values count where anchors copy them",
  include: "one file is read: copy the other into it",
}
