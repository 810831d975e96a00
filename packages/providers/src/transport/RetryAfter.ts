/**
 * The wait before a retry that a provider asks for, in every known form. The result is finite, never negative and at
 * most `longest`, whatever the provider sent.
 *
 * Sources: RFC 9110 (`Retry-After` in seconds or as a date), OpenAI's and Azure's `retry-after-ms`, OpenAI's
 * `x-ratelimit-reset-*` (`6m0s`, `20ms`), Anthropic's `anthropic-ratelimit-*-reset` (RFC 3339; seconds since 1970 in
 * `unified-reset`), OpenRouter's `x-ratelimit-reset` (milliseconds since 1970), Cerebras'
 * `x-ratelimit-reset-tokens-minute` (seconds), the IETF's draft of `ratelimit-reset` (seconds).
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as WaitText from "./WaitText.ts"

/** Headers by lower-case names: a record, or anything with `get`. */
export type Headers =
  | Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  | { readonly get: (name: string) => string | null }

type Get = (name: string) => string | undefined

/** The maximum wait, in milliseconds: one day. */
export const longest = 86_400_000

/** The wait in the headers of a response, from `now` (clock milliseconds); `undefined` if there is none. */
export const parse = (headers: Headers, now: number): Duration.Duration | undefined => {
  const get = reader(headers)
  return bounded(retryAfterMs(get) ?? wait(get("retry-after"), now) ?? resets(get, now))
}

/** Milliseconds as a duration between zero and `longest`; `undefined` if it is not a number. */
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

/** Seconds, a span such as `6m0s`, a date, or seconds or milliseconds since 1970; as milliseconds from `now`. */
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

/** The header of a limit's remaining amount, and the header of its reset. */
type Limit = readonly [remaining: string, reset: string]

/** The vendors' limits. */
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

/** The latest reset among the limits with nothing remaining. Other limits would let the call pass. */
const resets = (get: Get, now: number): number | undefined => {
  const waits = limits.flatMap(([remaining, reset]) =>
    WaitText.number(get(remaining)) === 0 ? (wait(get(reset), now) ?? []) : [],
  )
  // Anthropic's subscription limits have a status in place of a remaining amount.
  if (get("anthropic-ratelimit-unified-status") === "rejected") {
    const unified = wait(get("anthropic-ratelimit-unified-reset"), now)
    if (unified !== undefined) waits.push(unified)
  }
  return waits.length === 0 ? undefined : Math.max(...waits)
}

/** The wait in a field of an error body: a number of seconds, or a span such as `37s`. */
export const ofField = (value: unknown): Duration.Duration | undefined => {
  if (Predicate.isNumber(value)) return bounded(value * 1000)
  if (!Predicate.isString(value)) return undefined
  const seconds = WaitText.number(value)
  return bounded(seconds === undefined ? WaitText.span(value) : seconds * 1000)
}

// ---------------------------------------------------------------------------------------------------------------------
// Messages
// ---------------------------------------------------------------------------------------------------------------------

/**
 * `Please try again in 1m3.5s`, `retry after 6 seconds`, `wait for 30s`, `quota will reset after 1h2m`, `available in 2
 * s`.
 */
const spanPattern = new RegExp(
  String.raw`\b(?:again|retry(?:ing)?|wait(?:ing)?|reset(?:s|ting)?|available|back)(?:\s+(?:in|after|for|at\s+least|about|approximately|around|another|only|you|request|your|the|a))*[\s~:=]*\s(${WaitText.spanSource})`,
  "i",
)
/** `retry after 30` and `"retry_after": 30`: seconds, if no unit follows. */
const secondsPattern = /\bretry[\s_-]after["']?[\s:=]{0,3}(\d{1,15}(?:\.\d{1,15})?)(?!\.?\d|\s*[a-zµμ%])/i
/** Gemini's field, in a message that contains another server's error body. */
const retryDelayPattern = new RegExp(String.raw`retryDelay["'\\]*\s*[:=]\s*["'\\]*(${WaitText.spanSource})`, "i")
/** `Resets at 2026-11-29T12:00:00Z`, `reset at: 1764374400`, `try again at Sun, 29 Nov 2026 12:00:00 GMT`. */
const momentPattern =
  /\b(?:resets?|again|retry|available|until|renews?)(?:\s+(?:at|on|after|until|by|not\s+before))*[\s:=]{1,3}["'(]?(\d{4}-\d{2}-\d{2}[T\s]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?\s?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})?|\d{10}(?:\d{3})?\b(?!\.?\d)|[a-z]{3,9},?\s\d{1,2}[\s-][a-z]{3}[\s-]\d{2,4}\s\d{2}:\d{2}:\d{2}(?:\s(?:GMT|UTC))?)/i

/** How much of a message is searched, in characters. */
const maxMessageLength = 4000

/** The wait in an error's message, from `now` (clock milliseconds); `undefined` if there is none. */
export const fromMessage = (message: string | undefined, now: number): Duration.Duration | undefined => {
  if (message === undefined) return undefined
  const text = message.slice(0, maxMessageLength)
  const span = retryDelayPattern.exec(text)?.[1] ?? spanPattern.exec(text)?.[1]
  if (span !== undefined) return bounded(WaitText.sum(span))
  const moment = momentPattern.exec(text)?.[1]
  if (moment !== undefined) return bounded(wait(moment, now))
  return bounded(wait(secondsPattern.exec(text)?.[1], now))
}
