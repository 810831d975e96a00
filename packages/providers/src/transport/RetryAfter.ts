/**
 * When a provider says to come back, in every form it says so.
 *
 * Sources: RFC 9110 (`Retry-After` in seconds or as a date), OpenAI's and Azure's `retry-after-ms`, OpenAI's
 * `x-ratelimit-reset-*` (`6m0s`, `20ms`), Anthropic's `anthropic-ratelimit-*-reset` (RFC 3339).
 */
import * as Duration from "effect/Duration"

/** Headers by lower-case names: a record, or anything with `get`. */
export type Headers =
  | Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  | { readonly get: (name: string) => string | null }

type Get = (name: string) => string | undefined

/** The wait that the headers of a refusal ask for, from `now` (clock milliseconds); nothing if they do not say. */
export const parse = (headers: Headers, now: number): Duration.Duration | undefined => {
  const get = reader(headers)
  const millis = retryAfterMs(get) ?? retryAfter(get, now) ?? resets(get, now)
  return millis === undefined ? undefined : Duration.millis(Math.max(0, millis))
}

const reader = (headers: Headers): Get => {
  if (typeof headers.get === "function") {
    const { get } = headers as { readonly get: (name: string) => string | null }
    return (name) => get.call(headers, name) ?? undefined
  }
  const record = headers as Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  return (name) => {
    const value = record[name]
    return typeof value === "string" ? value : value?.[0]
  }
}

const retryAfterMs = (get: Get): number | undefined => finite(get("retry-after-ms"))

const retryAfter = (get: Get, now: number): number | undefined => {
  const value = get("retry-after")
  if (value === undefined) return undefined
  const seconds = finite(value)
  if (seconds !== undefined) return seconds * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : date - now
}

/** The kinds of limit that the vendors' reset headers name. */
const openAiKinds = ["requests", "tokens"]
const anthropicKinds = ["requests", "tokens", "input-tokens", "output-tokens"]

/** The latest reset of those limits that have nothing remaining: the others would let the call pass. */
const resets = (get: Get, now: number): number | undefined => {
  const waits = [
    ...openAiKinds.flatMap((kind) =>
      spent(get(`x-ratelimit-remaining-${kind}`)) ? (span(get(`x-ratelimit-reset-${kind}`)) ?? []) : [],
    ),
    ...anthropicKinds.flatMap((kind) =>
      spent(get(`anthropic-ratelimit-${kind}-remaining`))
        ? (until(get(`anthropic-ratelimit-${kind}-reset`), now) ?? [])
        : [],
    ),
  ]
  return waits.length === 0 ? undefined : Math.max(...waits)
}

const spent = (remaining: string | undefined): boolean => finite(remaining) === 0

const until = (value: string | undefined, now: number): number | undefined => {
  const date = value === undefined ? Number.NaN : Date.parse(value)
  return Number.isNaN(date) ? undefined : date - now
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `6m0s`, `1.5s`, `20ms`: Go's way of writing a duration. */
export const span = (value: string | undefined): number | undefined => {
  const parts = [...(value ?? "").matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
  return parts.length === 0
    ? undefined
    : parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (units[unit ?? ""] ?? 0), 0)
}

const finite = (value: string | undefined): number | undefined => {
  const number = value === undefined || value.trim() === "" ? Number.NaN : Number(value)
  return Number.isFinite(number) ? number : undefined
}
