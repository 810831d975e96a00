/**
 * Bifrost's governance: virtual keys as `keys`, its budgets and rate limits as theirs and as `budgets`.
 *
 * Sources: docs.getbifrost.ai, "Virtual keys", "Budget and limits".
 */
import * as Predicate from "effect/Predicate"
import { maxAmount } from "@understudy/core/internal/spend/Budget"
import * as BudgetWindow from "../BudgetWindow.ts"
import { keyPath } from "../../config/ConfigError.ts"
import type { Document } from "../ImportReader.ts"
import { ImportReader, compact } from "../ImportReader.ts"
import * as Vendors from "./Vendors.ts"

/** Virtual keys and budgets, before the names of deployments are known. */
export interface Governance {
  readonly keys: ReadonlyArray<VirtualKey>
  readonly budgets: ReadonlyArray<Document>
}

export interface VirtualKey {
  readonly document: Document
  /** The models that it may use, by provider; `undefined` for all of a provider. */
  readonly allowed: ReadonlyMap<string, ReadonlyArray<string> | undefined>
  readonly place: ImportReader
}

/** Reads the section. `vendorOf`: the vendor of a provider; `undefined` if it is not imported. */
export const read = (
  section: ImportReader,
  emptyAllowsAll: boolean,
  vendorOf: (provider: string) => string | undefined,
): Governance => {
  const limits = byId(section, "rate_limits")
  const budgets = byId(section, "budgets")
  const teams = byId(section, "teams")
  const list: Array<Document> = []
  const use = (budget: ImportReader | undefined, scope: Document): void => {
    const limit = budget === undefined ? undefined : budgetOf(budget)
    if (limit !== undefined) list.push({ ...scope, ...limit })
  }
  const keys = section
    .list("virtual_keys")
    .map((input, index) => {
      const place = new ImportReader(input, keyPath(keyPath(section.path, "virtual_keys"), index), section.report)
      return keyOf(place, emptyAllowsAll, limits, teams, budgets, use)
    })
    .filter((key) => key !== undefined)
  const known = new Set(keys.map(({ document }) => String(document["id"])))
  for (const [id, team] of teams) {
    const name = team.text("name") ?? id
    use(mark(budgets.get(team.text("budget_id") ?? "")), { team: name })
    if (team.text("rate_limit_id") !== undefined) {
      team.warn(
        "rate_limit_id",
        "limits of teams are kept in the database: see `understudy teams`: not imported",
        "safety",
      )
    }
    for (const key of ["id", "calendar_aligned", "profile", "config", "claims", "source_id", "virtual_key_count"])
      team.take(key)
    team.warnUnread()
  }
  for (const [, provider] of byName(section, "providers")) {
    const vendor = vendorOf(provider.text("name") ?? "")
    const budget = provider.text("budget_id")
    if (budget !== undefined && vendor !== undefined) use(mark(budgets.get(budget)), { vendor })
    if (provider.has("rate_limit_id")) {
      provider.take("rate_limit_id")
      provider.warn("rate_limit_id", "set `limits` of the provider's deployments: not imported", "safety")
    }
    for (const key of provider.keys) provider.take(key)
  }
  for (const budget of budgets.values()) {
    const [key, team] = [budget.text("virtual_key_id"), budget.text("team_id")]
    if (key !== undefined && known.has(key)) use(budget, { key })
    else if (team !== undefined && teams.has(team)) use(budget, { team: teams.get(team)?.text("name") ?? team })
    else if (!budget.isUsed) {
      for (const each of budget.keys) budget.take(each)
      budget.warn("id", "is a budget of something that is not imported: not imported", "safety")
    }
  }
  section.warnUnread(why)
  return { keys, budgets: list }
}

const why = {
  routing_rules: ["rules in CEL are not read: write routes with `when` and `split`", "models"],
  customers: ["customers with budgets and limits are teams here: not imported", "safety"],
  model_configs: ["set `limits` and `budgets` of the model's deployments: not imported", "safety"],
  pricing_overrides: ["set `price` of the deployments: not imported", "safety"],
  auth_config: ["the login of operators is UNDERSTUDY_API_KEY: not imported", "safety"],
  complexity_analyzer_config: "rules that use it are not imported",
} as const

/** A mapping of the section that is referred to by its id. `isUsed`: something refers to it. */
class Entry extends ImportReader {
  isUsed = false
}

const byId = (section: ImportReader, key: string): ReadonlyMap<string, Entry> => by(section, key, "id")
const byName = (section: ImportReader, key: string): ReadonlyMap<string, Entry> => by(section, key, "name")

const by = (section: ImportReader, key: string, name: string): ReadonlyMap<string, Entry> =>
  new Map(
    section.list(key).flatMap((input, index): ReadonlyArray<readonly [string, Entry]> => {
      const id: unknown = Predicate.isObject(input) ? Reflect.get(input, name) : undefined
      const place = new Entry(input, keyPath(keyPath(section.path, key), index), section.report)
      return Predicate.isString(id) ? [[id, place]] : []
    }),
  )

const keyOf = (
  place: ImportReader,
  emptyAllowsAll: boolean,
  limits: ReadonlyMap<string, Entry>,
  teams: ReadonlyMap<string, Entry>,
  budgets: ReadonlyMap<string, Entry>,
  use: (budget: Entry | undefined, scope: Document) => void,
): VirtualKey | undefined => {
  const [id, name] = [place.text("id"), place.text("name")]
  const leave = (key: string, message: string, group: "safety" | "harmless") => {
    for (const each of place.keys) place.take(each)
    return place.warn(key, message, group)
  }
  if (place.flag("is_active") === false) return leave("is_active", "is false: the key is not imported", "harmless")
  const key = Vendors.text(place, "value")
  if (key === undefined)
    return leave("value", "is kept in Bifrost's database: create the key anew, see `keys`", "safety")
  const own = id ?? name
  if (own === undefined) return leave("id", "is missing: not imported", "safety")
  const allowed = new Map<string, ReadonlyArray<string> | undefined>()
  const configs = place.list("provider_configs")
  for (const [index, input] of configs.entries()) {
    const config = new ImportReader(input, keyPath(keyPath(place.path, "provider_configs"), index), place.report)
    const provider = config.text("provider")
    const models = config.words("allowed_models")
    const ids = config.words("key_ids")
    for (const each of ["id", "virtual_key_id"]) config.take(each)
    config.take("weight")
    if (ids.length > 0 && !ids.includes("*")) {
      config.warn("key_ids", "the key may use every API key of the provider: make deployments of each", "safety")
    }
    if (config.list("blacklisted_models").length > 0) {
      config.warn(
        "blacklisted_models",
        "models are allowed by name, not excluded: list them in `routes` of the key",
        "safety",
      )
    }
    if (config.text("rate_limit_id") !== undefined || config.take("budget_id") !== undefined) {
      config.warn("rate_limit_id", "limits of a key and a provider together are not imported", "safety")
    }
    config.warnUnread()
    if (provider === undefined) continue
    const every = models.includes("*") || (models.length === 0 && (emptyAllowsAll || !config.has("allowed_models")))
    allowed.set(provider, every ? undefined : models)
  }
  if (configs.length === 0 && place.has("provider_configs") && !emptyAllowsAll) {
    return leave("provider_configs", "is empty, which allows nothing: the key is not imported", "safety")
  }
  if (allowed.size > 1) {
    place.warn(
      "provider_configs",
      "a model that is called without its provider is not served: call it as provider/model",
      "models",
    )
  }
  const team = place.text("team_id")
  const limit = place.text("rate_limit_id")
  const given = place.text("expires_at")
  if (given !== undefined && Number.isNaN(Date.parse(given)))
    return leave("expires_at", "is not a date: the key is not imported", "safety")
  const expires = given === undefined ? undefined : new Date(Date.parse(given)).toISOString()
  const budget = place.text("budget_id")
  if (budget !== undefined) use(mark(budgets.get(budget)), { key: own })
  for (const each of ["description", "calendar_aligned"]) place.take(each)
  place.warnUnread({
    customer_id: ["customers are not imported: give the key a team", "safety"],
    mcp_configs: ["tools of MCP servers are not called by the gateway: not imported", "models"],
  })
  return {
    place,
    allowed,
    document: {
      id: own,
      key,
      ...compact({
        team: team === undefined ? undefined : (teams.get(team)?.text("name") ?? team),
        expiresAt: expires,
        limits: limit === undefined ? undefined : limitsOf(limits.get(limit)),
      }),
    },
  }
}

const mark = (entry: Entry | undefined): Entry | undefined => {
  if (entry !== undefined) entry.isUsed = true
  return entry
}

/** Requests and tokens by the minute, and requests by the day. */
const limitsOf = (limit: Entry | undefined): Document | undefined => {
  if (limit === undefined) return undefined
  limit.isUsed = true
  const found: Record<string, number> = {}
  const kinds = [
    ["request", { minute: "rpm", day: "rpd" }],
    ["token", { minute: "tpm", day: undefined }],
  ] as const
  for (const [kind, names] of kinds) {
    const max = limit.count(`${kind}_max_limit`)
    const period = limit.text(`${kind}_reset_duration`)
    if (max === undefined) continue
    const hours = hoursOf(period ?? "")
    const name =
      hours === undefined ? undefined : hours * 60 === 1 ? names.minute : hours === 24 ? names.day : undefined
    if (name !== undefined) found[name] = max
    else
      limit.warn(
        `${kind}_reset_duration`,
        "only limits by the minute, and of requests by the day: not imported",
        "safety",
      )
  }
  for (const key of limit.keys) limit.take(key)
  return compact(found)
}

const hoursByUnit: Readonly<Record<string, number>> = { s: 1 / 3600, m: 1 / 60, h: 1, d: 24, w: 168, M: 720, Y: 8760 }

/** The hours of a period such as `30s`, `5m`, `1h`, `1d`, `1w`, `1M` or `1Y`. */
const hoursOf = (period: string): number | undefined => {
  const [, count, unit = ""] = /^(\d+)([smhdwMY])$/.exec(period) ?? []
  const hours = hoursByUnit[unit]
  return count === undefined || hours === undefined ? undefined : Number(count) * hours
}

const budgetOf = (budget: ImportReader): Document | undefined => {
  const amount = budget.number(
    "max_limit",
    "an amount of US dollars, 0 or more",
    (value) => value >= 0 && value <= maxAmount,
  )
  const window = BudgetWindow.ofHours(hoursOf(budget.text("reset_duration") ?? "") ?? 0)
  for (const key of budget.keys) budget.take(key)
  if (amount === undefined) return undefined
  return window === undefined
    ? budget.warn("reset_duration", "is not an hour, or a number of days, weeks or months: not imported", "safety")
    : { amount, window }
}
