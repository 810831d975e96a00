/**
 * Converts Bifrost's `config.json`. Clients go on calling models as `openai/gpt-4o`, and send the fallbacks of a request with it:
 * a route with its fallbacks here takes their place.
 *
 * Sources: those of `Providers` and `Governance`; docs.getbifrost.ai, "Fallbacks", "OpenTelemetry".
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Problem } from "../../config/ConfigError.ts"
import { keyPath } from "../../config/ConfigError.ts"
import * as BudgetWindow from "../BudgetWindow.ts"
import type { Document, Imported } from "../ImportReader.ts"
import { ImportReader, compact } from "../ImportReader.ts"
import type { NotImported } from "../Report.ts"
import { total } from "../TotalTimeout.ts"
import * as Governance from "./Governance.ts"
import * as Providers from "./Providers.ts"
import * as Vendors from "./Vendors.ts"

/** The converted configuration with a report; or the problems, if no provider can be imported. */
export const read = (input: Document): Result.Result<Imported, ReadonlyArray<Problem>> => {
  const report: Array<NotImported> = []
  const document = new ImportReader(Vendors.resolved(input), "", report)
  const emptyAllowsAll = document.number("version") === 1
  document.take("$schema")
  const providers = Providers.read(document.mapping("providers"), emptyAllowsAll)
  if (providers.length === 0) {
    return Result.fail([...report, { path: "providers", message: "has no provider that can be imported" }])
  }
  const vendorOf = (name: string) => {
    const vendor = providers.find((each) => each.name === name)?.keys[0]?.vendor["provider"]
    return Predicate.isString(vendor) ? vendor : undefined
  }
  const { budgets, keys: virtual } = Governance.read(document.mapping("governance"), emptyAllowsAll, vendorOf)
  const wanted = new Map<string, Array<string>>()
  for (const { allowed } of virtual) {
    for (const [provider, models = []] of allowed) wanted.set(provider, [...(wanted.get(provider) ?? []), ...models])
  }
  const { deployments, names, routes } = Providers.write(providers, wanted)
  const keys = virtual.map((key) => keyWithRoutes(key, names)).filter((key) => key !== undefined)
  const client = document.mapping("client")
  const telemetry = pluginsOf(document)
  const imported = compact({
    server: serverOf(client),
    keys: keys.length === 0 ? undefined : keys,
    database: budgets.length === 0 ? undefined : BudgetWindow.database,
    budgets: budgets.length === 0 ? undefined : { list: budgets.filter(isOf(keys)) },
    telemetry,
    defaults: {
      // A provider without `max_retries` is not retried.
      retry: { times: 0 },
      ...compact({
        unsupportedParams: client.mapping("compat").flag("should_drop_params") === true ? "drop" : undefined,
        timeout: compact({ total: total(Object.values(deployments)) }),
      }),
    },
    deployments,
    routes: compact(routes),
  })
  const access = ["enforce_auth_on_inference", "enforce_governance_header"].map((key) => client.flag(key))
  if (keys.length > 0 && !access.includes(true)) {
    client.warn(
      "enforce_auth_on_inference",
      "is not set, but calls without a key are refused as soon as there are keys: see `server.allowUnauthenticated`",
      "harmless",
    )
  }
  for (const key of client.keys) client.take(key)
  for (const key of ["config_store", "logs_store", "vector_store", "mcp"]) {
    const { [key]: section } = input
    if (Predicate.isObject(section) && Reflect.get(section, "enabled") === false) document.take(key)
  }
  document.warnUnread(why)
  return Result.succeed({ document: imported ?? {}, report })
}

const stored = ["what its console has set is not read: see this file only", "safety"] as const

const why = {
  config_store: stored,
  logs_store: "calls are kept in the ledger and the usage log: see `database` and `usageLog`",
  vector_store: "responses are cached for identical requests only: see `cache`",
  mcp: ["tools of MCP servers are not called by the gateway: not imported", "models"],
  guardrails_config: ["guardrails of Bifrost are not run: see `guardrails`", "safety"],
  framework: "prices come with Understudy: see `price`",
  encryption_key: ["nothing is encrypted with it: keys are references to variables, or in the file", "harmless"],
  auth_config: ["the login of operators is UNDERSTUDY_API_KEY: not imported", "safety"],
  server: "headers have limits of their own: not imported",
} as const

/** A budget of a key that is not imported would be one of nothing. */
const isOf =
  (keys: ReadonlyArray<Document>) =>
  ({ key }: Document): boolean =>
    key === undefined || keys.some(({ id }) => id === key)

/** The key with the names that it may call: all, if it names no provider. */
const keyWithRoutes = (
  { allowed, document, place }: Governance.VirtualKey,
  names: ReadonlyMap<string, ReadonlyArray<string>>,
): Document | undefined => {
  if (allowed.size === 0) return document
  const routes = [...allowed].flatMap(([provider, models]) => {
    const all = names.get(provider) ?? []
    return models === undefined ? all : all.filter((name) => models.includes(name.slice(provider.length + 1)))
  })
  return routes.length === 0
    ? place.warn("provider_configs", "names no model that is imported: the key is not imported", "safety")
    : { ...document, routes: [...new Set(routes)] }
}

const serverOf = (client: ImportReader): Document | undefined => {
  const megabytes = client.count("max_request_body_size_mb")
  const origins = client
    .list("allowed_origins")
    .filter((origin): origin is string => Predicate.isString(origin) && /^https?:\/\/[^*]+$/.test(origin))
  return compact({
    maxBody: megabytes === undefined ? undefined : `${megabytes}mb`,
    allowedOrigins: origins.length === 0 ? undefined : origins,
  })
}

/** The telemetry of the `otel` plugin. Other plugins are reported. */
const pluginsOf = (document: ImportReader): Document | undefined => {
  let telemetry: Document | undefined
  for (const [index, input] of document.list("plugins").entries()) {
    const plugin = new ImportReader(input, keyPath("plugins", index), document.report)
    const name = plugin.text("name") ?? ""
    const isOn = plugin.flag("enabled") !== false
    const config = plugin.mapping("config")
    for (const key of plugin.keys) plugin.take(key)
    if (!isOn || inert.has(name)) continue
    if (name === "otel") telemetry ??= telemetryOf(config)
    else if (/guard|moderat|pii|redact/i.test(name)) {
      plugin.warn("name", `the plugin ${name} is not run: see \`guardrails\``, "safety")
    } else plugin.warn("name", `the plugin ${name} is not run: not imported`, "harmless")
  }
  return telemetry
}

/** Plugins whose work the gateway does itself. */
const inert = new Set(["governance", "telemetry", "logging"])

const telemetryOf = (config: ImportReader): Document | undefined => {
  const [profile] = config.list("profiles")
  const place =
    profile === undefined
      ? config
      : new ImportReader(profile, keyPath(keyPath(config.path, "profiles"), 0), config.report)
  const endpoint = Vendors.address(place, "collector_url")?.replace(/\/v1\/traces\/?$/, "")
  const service = place.text("service_name")
  const headers = place.texts("headers")
  const protocol = place.text("protocol")
  for (const each of [place, config]) for (const key of each.keys) each.take(key)
  if (endpoint === undefined) return undefined
  if (protocol === "grpc") {
    return place.warn("protocol", "traces are exported over HTTP, not gRPC: set `telemetry.otlp.endpoint`", "harmless")
  }
  return { otlp: { endpoint, ...compact({ headers }) }, ...compact({ service }) }
}
