/**
 * When a provider says to come back, in every form it says so. What is read is finite, never negative and at most
 * `longest`, whatever was sent.
 *
 * Sources: RFC 9110 (`Retry-After` in seconds or as a date), OpenAI's and Azure's `retry-after-ms`, OpenAI's
 * `x-ratelimit-reset-*` (`6m0s`, `20ms`), Anthropic's `anthropic-ratelimit-*-reset` (RFC 3339; seconds since 1970 in
 * `unified-reset`), OpenRouter's `x-ratelimit-reset` (milliseconds since 1970), Cerebras' `x-ratelimit-reset-tokens-minute`
 * (seconds), the IETF's draft of `ratelimit-reset` (seconds).
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as WaitText from "./WaitText.ts"

/** Headers by lower-case names: a record, or anything with `get`. */
export type Headers =
  | Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  | { readonly get: (name: string) => string | null }

type Get = (name: string) => string | undefined

/** The longest wait that is read out of an answer, in milliseconds: one day. */
export const longest = 86_400_000

/** The wait that the headers of a refusal ask for, from `now` (clock milliseconds); nothing if they do not say. */
export const parse = (headers: Headers, now: number): Duration.Duration | undefined => {
  const get = reader(headers)
  return bounded(retryAfterMs(get) ?? wait(get("retry-after"), now) ?? resets(get, now))
}

/** Milliseconds as a duration between nothing and `longest`; nothing where there is no number. */
export const bounded = (millis: number | undefined): Duration.Duration | undefined =>
  millis === undefined || Number.isNaN(millis) ? undefined : Duration.millis(Math.min(longest, Math.max(0, millis)))

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

const retryAfterMs = (get: Get): number | undefined =>
  WaitText.number(get("retry-after-ms")) ?? WaitText.number(get("x-ms-retry-after-ms"))

/** Seconds, a span such as `6m0s`, a date, or seconds or milliseconds since 1970: as milliseconds from `now`. */
const wait = (value: string | undefined, now: number): number | undefined => {
  if (value === undefined) return undefined
  const seconds = WaitText.number(value)
  if (seconds !== undefined) {
    const moment = WaitText.epoch(seconds)
    return moment === undefined ? seconds * 1000 : moment - now
  }
  const span = WaitText.span(value)
  if (span !== undefined) return span
  const date = WaitText.date(value, now)
  return date === undefined ? undefined : date - now
}

/** A vendor's header of what remains of a limit, and the one of its reset. */
type Limit = readonly [remaining: string, reset: string]

/** The limits that the vendors' reset headers name. */
const limits: ReadonlyArray<Limit> = [
  ...["requests", "tokens", "requests-day", "tokens-minute"].map((kind): Limit => [
    `x-ratelimit-remaining-${kind}`,
    `x-ratelimit-reset-${kind}`,
  ]),
  ...["requests", "tokens", "input-tokens", "output-tokens"].map((kind): Limit => [
    `anthropic-ratelimit-${kind}-remaining`,
    `anthropic-ratelimit-${kind}-reset`,
  ]),
  ["x-ratelimit-remaining", "x-ratelimit-reset"],
  ["ratelimit-remaining", "ratelimit-reset"],
]

/** The latest reset of those limits that have nothing remaining: the others would let the call pass. */
const resets = (get: Get, now: number): number | undefined => {
  const waits = limits.flatMap(([remaining, reset]) =>
    WaitText.number(get(remaining)) === 0 ? (wait(get(reset), now) ?? []) : [],
  )
  // Anthropic's word for the limits of a subscription, which names no remainder.
  if (get("anthropic-ratelimit-unified-status") === "rejected") {
    const unified = wait(get("anthropic-ratelimit-unified-reset"), now)
    if (unified !== undefined) waits.push(unified)
  }
  return waits.length === 0 ? undefined : Math.max(...waits)
}

/** The wait in a field of an error's body: a number of seconds, or a span such as `37s`. */
export const ofField = (value: unknown): Duration.Duration | undefined => {
  if (Predicate.isNumber(value)) return bounded(value * 1000)
  if (!Predicate.isString(value)) return undefined
  const seconds = WaitText.number(value)
  return bounded(seconds === undefined ? WaitText.span(value) : seconds * 1000)
}

// ---------------------------------------------------------------------------------------------------------------------
// Words
// ---------------------------------------------------------------------------------------------------------------------

/** `Please try again in 1m3.5s`, `retry after 6 seconds`, `wait for 30s`, `quota will reset after 1h2m`, `available in 2 s`. */
const inWords = new RegExp(
  String.raw`\b(?:again|retry(?:ing)?|wait(?:ing)?|reset(?:s|ting)?|available|back)(?:\s+(?:in|after|for|at\s+least|about|approximately|around|another|only|you|request|your|the|a))*[\s~:=]*\s(${WaitText.spanSource})`,
  "i",
)
/** `retry after 30` and `"retry_after": 30`: seconds, where no unit stands behind them. */
const bare = /\bretry[\s_-]after["']?[\s:=]{0,3}(\d{1,15}(?:\.\d{1,15})?)(?!\.?\d|\s*[a-zµμ%])/i
/** Gemini's, in a message that holds the body of another server's error. */
const retryDelay = new RegExp(String.raw`retryDelay["'\\]*\s*[:=]\s*["'\\]*(${WaitText.spanSource})`, "i")
/** `Resets at 2026-11-29T12:00:00Z`, `reset at: 1764374400`, `try again at Sun, 29 Nov 2026 12:00:00 GMT`. */
const at =
  /\b(?:resets?|again|retry|available|until|renews?)(?:\s+(?:at|on|after|until|by|not\s+before))*[\s:=]{1,3}["'(]?(\d{4}-\d{2}-\d{2}[T\s]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?\s?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})?|\d{10}(?:\d{3})?\b(?!\.?\d)|[a-z]{3,9},?\s\d{1,2}[\s-][a-z]{3}[\s-]\d{2,4}\s\d{2}:\d{2}:\d{2}(?:\s(?:GMT|UTC))?)/i

/** The most of a message that is looked through. */
const most = 4000

/** The wait that the words of an error ask for, from `now` (clock milliseconds); nothing if they do not say. */
export const fromWords = (message: string | undefined, now: number): Duration.Duration | undefined => {
  if (message === undefined) return undefined
  const text = message.slice(0, most)
  const span = retryDelay.exec(text)?.[1] ?? inWords.exec(text)?.[1]
  if (span !== undefined) return bounded(WaitText.sum(span))
  const moment = at.exec(text)?.[1]
  if (moment !== undefined) return bounded(wait(moment, now))
  return bounded(wait(bare.exec(text)?.[1], now))
}
