/**
 * Converts a `tensorzero.toml`: models with their providers as deployments and routes, functions without templates as routes
 * over their variants. Clients go on with the names that they have, `tensorzero::model_name::gpt-4o`, or without the prefix.
 *
 * Sources: tensorzero.com/docs, "Configuration Reference", "Call any LLM", "Enforce custom rate limits".
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { maxAmount } from "@understudy/core/internal/spend/Budget"
import * as BudgetWindow from "../BudgetWindow.ts"
import type { Problem } from "../../config/ConfigError.ts"
import { keyPath } from "../../config/ConfigError.ts"
import type { Document, Imported, RouteDocument } from "../ImportReader.ts"
import { ImportReader, compact, uniqueName } from "../ImportReader.ts"
import type { NotImported } from "../Report.ts"
import { total } from "../TotalTimeout.ts"
import * as Adjustments from "./Adjustments.ts"
import * as Functions from "./Functions.ts"
import * as Providers from "./Providers.ts"
import type { Model } from "./Providers.ts"

/** The converted configuration with a report; or the problems, if no model can be imported. */
export const read = (input: Document): Result.Result<Imported, ReadonlyArray<Problem>> => {
  const report: Array<NotImported> = []
  const document = new ImportReader(input, "", report)
  const credentials = credentialsOf(document)
  const models = modelsOf(document.mapping("models"), credentials, false)
  const embeddings = modelsOf(document.mapping("embedding_models"), credentials, true)
  const shorthands = new Map<string, Model>()
  const modelOf = (name: string): Model | undefined => {
    const known = models.find((each) => each.name === name) ?? shorthands.get(name)
    const keys = known === undefined ? Providers.ofShorthand(name) : undefined
    if (keys === undefined) return known
    const place = new ImportReader(keys, keyPath("models", name), report)
    const deployment = Providers.read(place, credentials)
    if (deployment === undefined) return undefined
    const model: Model = { name, providers: [{ name: String(keys["type"]), deployment }], timeout: undefined }
    shorthands.set(name, model)
    return model
  }
  const all = document.mapping("functions")
  const functions = all.keys.flatMap((name) => Functions.read(name, all.mapping(name), modelOf) ?? [])
  if (models.length + embeddings.length + shorthands.size === 0) {
    return Result.fail([...report, { path: "models", message: "has no provider that can be imported" }])
  }
  const { deployments, routes } = write([...models, ...embeddings, ...shorthands.values()], embeddings, functions)
  const gateway = document.mapping("gateway")
  const limits = budgetsOf(document.mapping("rate_limiting"))
  const attempt = gateway.time("global_outbound_http_timeout_ms", "milliseconds")
  const imported = compact({
    server: serverOf(gateway),
    database: limits.length === 0 ? undefined : BudgetWindow.database,
    budgets: limits.length === 0 ? undefined : { list: limits },
    defaults: {
      // A model is tried once, unless a variant says otherwise.
      retry: { times: 0 },
      ...compact({
        timeout: compact({
          attempt,
          total: total([{ timeout: { attempt } }, ...Object.values(deployments)]),
        }),
      }),
    },
    deployments,
    routes: compact(routes),
  })
  gateway.warnUnread(whyOfGateway)
  for (const key of document.keys) if (inert.has(key)) document.take(key)
  document.warnUnread(whyOfDocument)
  return Result.succeed({ document: imported ?? {}, report })
}

/** Sections about data and evaluations, which calls do not need. */
const inert = new Set([
  "clickhouse",
  "postgres",
  "object_storage",
  "metrics",
  "evaluations",
  "tools",
  "optimizers",
  "autopilot",
])

const whyOfDocument = {
  rate_limiting: ["limits of requests and tokens belong to keys and deployments here: not imported", "safety"],
  include: ["only one file is read: copy the included file into it", "models"],
} as const

const whyOfGateway = {
  base_path: "paths have no prefix: set it in a proxy in front",
  observability: "calls are kept in the ledger and the usage log: see `database` and `usageLog`",
  cache: "responses are cached by routes: see `cache`",
  fetch_and_encode_input_files_before_inference: "URLs of files are sent to vendors that read them: not imported",
} as const

// ---------------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------------

const credentialsOf = (document: ImportReader): Providers.Credentials => {
  const types = document.mapping("provider_types")
  return new Map(
    types.keys.map((type) => {
      const place = types.mapping(type)
      const defaults = place.mapping("defaults")
      // Fine-tuning and batches.
      for (const key of ["sft", "batch"]) place.take(key)
      place.warnUnread()
      return [type, defaults]
    }),
  )
}

const modelsOf = (all: ImportReader, credentials: Providers.Credentials, isEmbedding: boolean): ReadonlyArray<Model> =>
  all.keys.flatMap((name) => {
    const place = all.mapping(name)
    const routing = place.words("routing")
    const listed = place.mapping("providers")
    const providers = routing.flatMap((each) => {
      if (!listed.has(each)) {
        return place.warn("routing", `names "${each}", which is no provider: not imported`, "models") ?? []
      }
      const deployment = providerOf(listed.mapping(each), credentials, isEmbedding)
      return deployment === undefined ? [] : [{ name: each, deployment }]
    })
    for (const unused of listed.keys.filter((each) => !routing.includes(each))) listed.take(unused)
    const timeout = Adjustments.total(place)
    if (place.flag("skip_relay") === true) place.take("skip_relay")
    place.warnUnread({ namespace: ["every caller may use the model: see `routes` of a key", "safety"] })
    return providers.length === 0 ? [] : [{ name, providers, timeout }]
  })

const providerOf = (
  place: ImportReader,
  credentials: Providers.Credentials,
  isEmbedding: boolean,
): Document | undefined => {
  const keys = Providers.read(place, credentials)
  if (keys === undefined) {
    for (const key of place.keys) place.take(key)
    return undefined
  }
  const deployment = {
    provider: keys["provider"],
    ...keys,
    ...compact({
      headers: Adjustments.headers(place, keys["provider"]),
      capabilities: isEmbedding ? { embeddings: true } : undefined,
      price: Adjustments.price(place),
      timeout: Adjustments.timeout(place),
      force: Adjustments.force(place),
    }),
  }
  // A chunk that no codec knows is passed on to clients of its protocol, and left out for others.
  place.take("discard_unknown_chunks")
  place.warnUnread({ provider_tools: ["tools are those that the client sends: not imported", "models"] })
  return deployment
}

// ---------------------------------------------------------------------------------------------------------------------
// Routes
// ---------------------------------------------------------------------------------------------------------------------

const write = (
  models: ReadonlyArray<Model>,
  embeddings: ReadonlyArray<Model>,
  functions: ReadonlyArray<Functions.Served>,
): { readonly deployments: Record<string, unknown>; readonly routes: Record<string, RouteDocument> } => {
  const deployments: Record<string, unknown> = {}
  const routes: Record<string, RouteDocument> = {}
  const taken = new Set(models.map(({ name }) => name))

  /** The deployments of a model under names of their own, and the route over them. */
  const chain = (
    { providers, timeout }: Model,
    name: string,
    settings: Document,
    total: string | undefined,
  ): RouteDocument => {
    const isAlone = providers.length === 1 && timeout === undefined && total === undefined
    const names = providers.map(({ deployment, name: provider }) => {
      const own = isAlone ? name : uniqueName(taken, `${name}@${provider}`)
      deployments[own] = merged(deployment, settings)
      return own
    })
    if (isAlone) return names[0]!
    const whole = compact({ ...timeout, ...compact({ total }) })
    return { fallback: names, fallbackOn: "any", ...compact({ timeout: whole }) }
  }

  const alias = (prefix: string, name: string, target: RouteDocument) => {
    routes[`tensorzero::${prefix}::${name}`] = target
  }
  for (const model of models) {
    const route = chain(model, model.name, {}, undefined)
    if (route !== model.name) routes[model.name] = route
    alias(embeddings.includes(model) ? "embedding_model_name" : "model_name", model.name, model.name)
  }
  for (const served of functions) {
    const used = new Map<Functions.Variant, RouteDocument>()
    const use = (variant: Functions.Variant): RouteDocument => {
      const known = used.get(variant)
      if (known !== undefined) return known
      const { model, settings, total } = variant
      const isPlain = Object.keys(settings).length === 0 && total === undefined
      const name = isPlain ? model.name : uniqueName(taken, `${served.name}/${variant.name}`)
      const route = isPlain ? model.name : chain(model, name, settings, total)
      if (route !== name) routes[name] = route
      used.set(variant, name)
      return name
    }
    alias("function_name", served.name, Functions.route(served, use))
  }
  return { deployments, routes }
}

/** A deployment with the settings of a variant. What the provider forces replaces what the variant does. */
const merged = (deployment: Document, settings: Document): Document => {
  const { headers: _, ...signed } = settings
  const both: Record<string, unknown> = { ...deployment, ...(deployment["provider"] === "bedrock" ? signed : settings) }
  for (const key of ["headers", "timeout"]) {
    const [own, variant] = [deployment[key], settings[key]]
    if (Predicate.isObject(own) && Predicate.isObject(variant)) both[key] = { ...variant, ...own }
  }
  const [own, variant] = [deployment["force"], settings["force"]]
  if (Predicate.isObject(own) && Predicate.isObject(variant)) {
    const [inner, outer] = [own, variant].map((each) => Reflect.get(each, "extraBody"))
    both["force"] = {
      ...variant,
      ...own,
      ...compact({
        extraBody: inner === undefined && outer === undefined ? undefined : { ...asFields(outer), ...asFields(inner) },
      }),
    }
  }
  return both
}

const asFields = (value: unknown): object => (Predicate.isObject(value) ? value : {})

// ---------------------------------------------------------------------------------------------------------------------
// Gateway
// ---------------------------------------------------------------------------------------------------------------------

const serverOf = (gateway: ImportReader): Document | undefined => {
  const address = gateway.text("bind_address")
  const [, host, port] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(address ?? "") ?? []
  const auth = gateway.mapping("auth")
  if (auth.flag("enabled") === true) {
    auth.warn(
      "enabled",
      "TensorZero keeps its keys in Postgres: create them anew, see `keys` and `understudy keys`",
      "safety",
    )
  }
  auth.take("cache")
  auth.warnUnread()
  const relay = gateway.mapping("relay")
  if (relay.has("gateway_url")) {
    relay.warn(
      "gateway_url",
      "calls go to vendors directly, past the limits and the keys of that gateway: not imported",
      "safety",
    )
    for (const key of relay.keys) relay.take(key)
  }
  relay.warnUnread()
  const traces = gateway.mapping("export").mapping("otlp").mapping("traces")
  if (traces.flag("enabled") === true) {
    traces.warn("enabled", "traces are exported over HTTP, not gRPC: set OTEL_EXPORTER_OTLP_ENDPOINT to that address")
  }
  for (const key of traces.keys) traces.take(key)
  for (const key of [
    "debug",
    "disable_pseudonymous_usage_analytics",
    "metrics",
    "unstable_disable_feedback_target_validation",
    "unstable_error_json",
    "template_filesystem_access",
  ])
    gateway.take(key)
  if (host !== undefined && !/^(?:127\.|::1$|localhost$)/.test(host)) {
    gateway.warn(
      "bind_address",
      "only the port is imported: listening on other addresses than loopback needs keys, see `server.host`",
    )
  }
  return compact({ port: Number(port) > 0 && Number(port) < 65_536 ? Number(port) : undefined })
}

const costWindows: Readonly<Record<string, string | undefined>> = {
  cost_per_hour: "hour",
  cost_per_day: BudgetWindow.ofDays(1),
  cost_per_week: BudgetWindow.ofDays(7),
  cost_per_month: BudgetWindow.ofDays(30),
}

/** The rules about what everything may cost are budgets. */
const budgetsOf = (section: ImportReader): ReadonlyArray<Document> => {
  if (section.flag("enabled") === false) {
    for (const key of section.keys) section.take(key)
    return []
  }
  section.take("default_cost")
  const budgets = section.list("rules").flatMap((rule, index): ReadonlyArray<Document> => {
    const place = new ImportReader(rule, keyPath(keyPath(section.path, "rules"), index), section.report)
    const scope = place.list("scope")
    for (const key of ["always", "priority"]) place.take(key)
    const costs = place.keys.filter((key) => costWindows[key] !== undefined)
    if (scope.length > 0) {
      for (const key of place.keys) place.take(key)
      place.warn("scope", "limits of tags and keys are set on `keys`, `limits` and `budgets`: not imported", "safety")
      return []
    }
    const found = costs.flatMap((key) => {
      const value = place.take(key)
      const capacity = Predicate.isObject(value) ? Reflect.get(value, "capacity") : value
      return Predicate.isNumber(capacity) && capacity >= 0 && capacity <= maxAmount
        ? [{ all: true, amount: capacity, window: costWindows[key] }]
        : (place.warn(key, "is not an amount of US dollars: not imported", "safety") ?? [])
    })
    for (const key of place.keys.filter(
      (key) => /_per_(second|minute|hour|day|week|month)$/.test(key) && !costs.includes(key),
    )) {
      place.take(key)
      place.warn(key, "is a limit of the whole gateway: set `limits` of deployments or keys: not imported", "safety")
    }
    place.warnUnread()
    return found
  })
  section.warnUnread()
  return budgets
}
