/**
 * Converts the configuration of LiteLLM's proxy.
 *
 * Sources: docs.litellm.ai, "All settings", "Router", "Fallbacks", "Wildcard routing"; those of `Budgets`.
 */
import type { Strategy } from "@understudy/core/Route"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Problem } from "../../config/ConfigError.ts"
import { keyPath } from "../../config/ConfigError.ts"
import * as BudgetWindow from "../BudgetWindow.ts"
import * as Endpoints from "../Endpoints.ts"
import type { Document, Imported } from "../ImportReader.ts"
import type { NotImported } from "../Report.ts"
import { groupOf } from "../Report.ts"
import { ImportReader, compact } from "../ImportReader.ts"
import { total } from "../TotalTimeout.ts"
import * as Affinity from "./Affinity.ts"
import * as Budgets from "./Budgets.ts"
import * as Callbacks from "./Callbacks.ts"
import * as Fallbacks from "./Fallbacks.ts"
import * as Limits from "./Limits.ts"
import * as ModelList from "./ModelList.ts"
import * as Params from "../Params.ts"
import * as Routes from "./Routes.ts"

/** The converted configuration with a report; or the problems, if no deployment can be imported. */
export const read = (input: Document): Result.Result<Imported, ReadonlyArray<Problem>> => {
  const report: Array<NotImported> = []
  const document = new ImportReader(resolved(input, report), "", report)
  const general = document.mapping("general_settings")
  // `router_settings` takes precedence.
  const settings = [document.mapping("router_settings"), document.mapping("litellm_settings")] as const
  const timeZone = first(settings, Budgets.timeZone)
  const entries = ModelList.read(
    document.list("model_list"),
    {
      credentials: credentialsOf(document),
      concurrency:
        first(settings, (place) => place.count("default_max_parallel_requests")) ??
        general.count("max_parallel_requests"),
      defaults: first(settings, (place) => {
        const params = place.mapping("default_litellm_params")
        const defaults = Params.read(params)
        params.warnUnread({ cache_control_injection_points: "clients mark what is cached: not imported" })
        return defaults
      }),
      timeZone,
    },
    report,
  )
  if (entries.length === 0) {
    const none = { path: "model_list", message: "has no deployment that can be imported" }
    return Result.fail([...report, none])
  }
  const graph = Fallbacks.read(entries, settings)
  const { budgets, deployments, routes } = Routes.write(graph, {
    strategy: first(settings, strategyOf) ?? "shuffle",
    retries: groupRetries(settings),
    cache: first(settings, cacheOf),
    affinity: first(settings, Affinity.read),
  })
  if (first(settings, (place) => place.flag("enable_pre_call_checks")) !== true && entries.some(isLimited)) {
    report.push({ path: "model_list", message: limitsEnforced, group: "harmless" })
  }
  const list = [
    ...settings.flatMap((place) => {
      const limit = Budgets.limit(place, timeZone)
      return limit === undefined ? [] : [{ all: true, ...limit }]
    }),
    ...settings.flatMap((place) => Budgets.ofProviders(place, entries, timeZone)),
    ...settings.flatMap((place) => Budgets.ofTags(place, timeZone)),
    ...budgets,
  ]
  if (list.length > 0) {
    general.take("database_url")
    general.warn(
      "database_url",
      `budgets are kept in ${BudgetWindow.database}: set \`database\` to share them between gateways`,
      "harmless",
    )
  }
  const native = compact({
    server: server(document),
    state: compact({ redis: redis(settings) }),
    keys: keys(general),
    database: list.length === 0 ? undefined : BudgetWindow.database,
    budgets: list.length === 0 ? undefined : { list },
    telemetry: Callbacks.telemetry(settings, variables(input)),
    defaults: defaults(settings, deployments),
    deployments,
    routes: compact(routes),
  })
  for (const place of settings) place.warnUnread(whyOfSettings)
  general.warnUnread(whyOfGeneral)
  for (const key of document.keys) if (key.startsWith("x-")) document.take(key)
  document.warnUnread(whyOfDocument)
  return Result.succeed({ document: native ?? {}, report })
}

/** The first value that `read` finds in `places`. Reads all places, so that no key counts as unread. */
const first = <A>(places: ReadonlyArray<ImportReader>, read: (place: ImportReader) => A | undefined): A | undefined =>
  places.map(read).find((value) => value !== undefined)

const isLimited = ({ shares }: ModelList.ModelEntry): boolean => shares.rpm !== undefined || shares.tpm !== undefined

const limitsEnforced = "rpm and tpm are enforced as limits; LiteLLM enforces them only with enable_pre_call_checks"

// ---------------------------------------------------------------------------------------------------------------------
// Values
// ---------------------------------------------------------------------------------------------------------------------

/** The variables that the document sets. */
const variables = ({ environment_variables: variables }: Document): Document =>
  Predicate.isObject(variables) ? (variables as Document) : {}

/** Replaces `os.environ/NAME` by the value in `environment_variables`, else by `${NAME}`. */
const resolved = (input: Document, report: Array<NotImported>): Document => {
  const { environment_variables: _, ...document } = input
  const known = variables(input)
  for (const name of Object.keys(known)) {
    report.push({
      path: `environment_variables.${name}`,
      message: "replaces os.environ/ in this document; set it in the environment or in .env if other programs read it",
      group: "harmless",
    })
  }
  const walk = (value: unknown, path: string): unknown => {
    if (Array.isArray(value)) return value.map((each, index) => walk(each, keyPath(path, index)))
    if (Predicate.isObject(value)) {
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each, keyPath(path, key))]))
    }
    if (!Predicate.isString(value)) return value
    if (value.includes("${"))
      report.push({
        path,
        message: "contains ${…}, which Understudy replaces by an environment variable",
        group: "harmless",
      })
    const [, name] = /^os\.environ\/(.*)$/.exec(value.trim()) ?? []
    if (name === undefined) return value
    if (Object.hasOwn(known, name)) return known[name]
    if (/^[a-z_]\w*$/i.test(name)) return Endpoints.reference(name)
    report.push({
      path,
      message: "is not a valid name of an environment variable: not imported",
      group: groupOf(path),
    })
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
  place.warn(
    "routing_strategy",
    `${name} is not supported: imported as least-busy; limits are enforced with every strategy`,
  )
  return "least-busy"
}

const groupRetries = (settings: ReadonlyArray<ImportReader>): ReadonlyMap<string, Document> =>
  new Map(
    settings.flatMap((place) => {
      const groups = place.mapping("model_group_retry_policy")
      return groups.keys.flatMap((group): ReadonlyArray<[string, Document]> => {
        const timesByReason = Limits.timesByReason(groups.mapping(group))
        return timesByReason === undefined ? [] : [[group, timesByReason]]
      })
    }),
  )

/** The `defaults` section. `timeout.total` is at least as long as the longest attempt timeout. */
const defaults = (settings: readonly [ImportReader, ImportReader], deployments: Document): Document | undefined => {
  const times = first(settings, (place) => place.countOrNone("num_retries"))
  const timesByReason = first(settings, (place) => Limits.timesByReason(place.mapping("retry_policy")))
  const timeout = first(settings, (place) => Limits.timeout(place, ["timeout", "request_timeout"]))
  for (const place of settings) {
    if (place.flag("disable_cooldowns") === true) place.warn("disable_cooldowns", Limits.noCooldown)
  }
  const unsupportedParams = first(settings, Limits.unsupported)
  const [router, litellm] = settings
  const inherited = Limits.circuit(litellm)
  const circuit = Limits.circuit(router, litellm.countOrNone("allowed_fails"))
  return compact({
    retry: compact({ times, timesByReason, base: first(settings, (place) => place.time("retry_after", "seconds")) }),
    circuit: compact({ ...inherited, ...circuit }),
    unsupportedParams,
    timeout: compact({ ...timeout, total: total([{ timeout }, ...Object.values(deployments)]) }),
  })
}

/** The response cache of every route: LiteLLM caches exact matches, for all groups. */
const cacheOf = (place: ImportReader): Document | undefined => {
  const enabled = place.flag("cache") ?? place.flag("cache_responses")
  const params = place.mapping("cache_params")
  const noCache = (key: string, why: string) => {
    for (const each of params.keys) params.take(each)
    return params.warn(key, `${why}: no response cache`)
  }
  if (enabled !== true) {
    params.warnUnread()
    return undefined
  }
  const type = params.text("type") ?? "local"
  if (type !== "local" && type !== "redis") return noCache("type", `${type} is not supported`)
  if (params.text("mode") === "default_off") return noCache("mode", "calls cannot enable the cache")
  const ttls = ["ttl", "default_in_memory_ttl", "default_in_redis_ttl"].map((key) => params.time(key, "seconds"))
  const ttl = ttls.find((each) => each !== undefined)
  if (ttl === undefined) return noCache("ttl", "is missing, and the cache needs a time to live")
  params.warnUnread({ host: cacheStore, port: cacheStore, password: cacheStore })
  return { ttl }
}

const cacheStore = "`state` sets where responses are cached: not imported"

/** The Redis address that several proxies share. */
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

/** Some setups keep the port of LiteLLM's proxy in a section `litellm` of the document. */
const server = (document: ImportReader): Document | undefined => {
  const litellm = document.mapping("litellm")
  const port = litellm.number("port", "a port", (value) => Number.isInteger(value) && value > 0 && value < 65_536)
  litellm.warnUnread()
  return compact({ port })
}

/** The master key becomes a virtual key for all routes. */
const keys = (general: ImportReader): ReadonlyArray<Document> | undefined => {
  const key = general.text("master_key")
  return key === undefined ? undefined : [{ id: "master", key }]
}

const whyOfSettings = {
  max_fallbacks: "the length of a route limits its fallbacks: not imported",
  routing_strategy_args: "strategies have no settings: not imported",
}

const whyOfGeneral = {
  database_url: [
    "the database of LiteLLM is not read: create its keys, teams and budgets anew, see `database`",
    "safety",
  ],
  store_model_in_db: ["models in the database of LiteLLM are not read: add them to `deployments`", "models"],
} as const

const whyOfDocument = {
  aws: "has no effect by itself: its values are used where YAML anchors copy them",
  include: ["only one file is read: copy the included file into it", "models"],
} as const
