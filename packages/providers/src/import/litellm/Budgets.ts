/**
 * LiteLLM's budgets: of the whole proxy, of providers, tags and deployments.
 *
 * Sources: docs.litellm.ai, "Budgets, Rate Limits", "Budget Routing", "Budget Reset Times and Timezones".
 */
import { maxAmount } from "@understudy/core/internal/spend/Budget"
import * as Window from "@understudy/core/internal/spend/Window"
import * as BudgetWindow from "../BudgetWindow.ts"
import type { Document, ImportReader } from "../ImportReader.ts"
import { compact } from "../ImportReader.ts"

/** The time zone in which days, weeks and months begin. */
export const timeZone = (place: ImportReader): string | undefined => {
  const zone = place.text("timezone")
  if (zone === undefined || Window.problem({ unit: "day", timeZone: zone }) === undefined) return zone
  return place.warn("timezone", "is not the name of a time zone: budgets begin at midnight in UTC")
}

/** The amount, window and alerts of a budget; `undefined` if there is none, or if it cannot be imported. */
export const limit = (place: ImportReader, timeZone: string | undefined): Document | undefined => {
  const amounts = ["max_budget", "budget_limit"].map((key) =>
    place.number(key, "an amount of US dollars above 0", (amount) => amount > 0 && amount <= maxAmount),
  )
  const amount = amounts.find((each) => each !== undefined)
  if (amount === undefined) return undefined
  const durations = ["budget_duration", "time_period"].flatMap((key) => {
    const text = place.text(key)
    return text === undefined ? [] : [{ key, text }]
  })
  const alerts = alertsOf(place, amount)
  const [duration] = durations
  if (duration === undefined) return compact({ amount, window: "total", alerts })
  const window = windowOf(duration.text)
  if (window === undefined) {
    return place.warn(duration.key, "is not an hour, or a number of days, weeks or months: the budget is not imported")
  }
  const isCalendar = Window.units.some((unit) => unit === window)
  return compact({ amount, window, timeZone: isCalendar ? timeZone : undefined, alerts })
}

/** The soft budget, which only alerts, as a share of the amount. */
const alertsOf = (place: ImportReader, amount: number): ReadonlyArray<number> | undefined => {
  const soft = place.number("soft_budget", "an amount above 0 and below the budget", (it) => it > 0 && it < amount)
  return soft === undefined ? undefined : [Number((soft / amount).toPrecision(6)), 1]
}

const words: Readonly<Record<string, string>> = { hourly: "1h", daily: "1d", weekly: "7d", monthly: "1mo" }

/** Periods that LiteLLM begins with a day, a Monday or a month are calendar windows, other numbers of days rolling ones. */
const windowOf = (text: string): string | undefined => {
  const word = text.trim().toLowerCase()
  const [, digits, unit = ""] = /^(\d{1,5})(h|d|w|mo)$/.exec(words[word] ?? word) ?? []
  const hours = { h: 1, d: 24, w: 7 * 24, mo: 30 * 24 }[unit]
  return hours === undefined ? undefined : BudgetWindow.ofHours(Number(digits) * hours)
}

/** The budgets of `provider_budget_config`. A vendor's budget counts all deployments with its `provider`. */
export const ofProviders = (
  place: ImportReader,
  entries: ReadonlyArray<{ readonly label: string; readonly deployment: Document }>,
  timeZone: string | undefined,
): ReadonlyArray<Document> => {
  const config = place.mapping("provider_budget_config")
  return config.keys.flatMap((label) => {
    const budget = read(config.mapping(label), timeZone)
    if (budget === undefined) return []
    const vendors = new Set(entries.flatMap((each) => (each.label === label ? [each.deployment["provider"]] : [])))
    const [vendor] = vendors
    if (vendor === undefined) return config.warn(label, "has no deployment that is imported: not imported") ?? []
    const isAlone = entries.every((each) => each.label === label || each.deployment["provider"] !== vendor)
    if (vendors.size === 1 && isAlone) return [{ vendor, ...budget }]
    return config.warn(label, "shares its `provider` with others: set budgets of its deployments: not imported") ?? []
  })
}

/** The budgets of `tag_budget_config`. */
export const ofTags = (place: ImportReader, timeZone: string | undefined): ReadonlyArray<Document> => {
  const config = place.mapping("tag_budget_config")
  return config.keys.flatMap((tag) => {
    const budget = read(config.mapping(tag), timeZone)
    return budget === undefined ? [] : [{ tag, ...budget }]
  })
}

const read = (place: ImportReader, timeZone: string | undefined): Document | undefined => {
  const budget = limit(place, timeZone)
  place.warnUnread()
  return budget
}
