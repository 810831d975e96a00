/**
 * Parses durations and times as providers write them: `1m3.5s`, `12.3 seconds`, an HTTP date, RFC 3339, seconds since
 * 1970. All functions are total: an unknown format is `undefined`, and a number is never NaN or infinite.
 *
 * Sources: RFC 9110, "Date/Time Formats" (with its two obsolete forms); RFC 3339; Go's `time.Duration`.
 */

/** A decimal number without exponent: no hexadecimal, no `Infinity`. */
export const number = (text: string | undefined): number | undefined => {
  const trimmed = text?.trim() ?? ""
  return /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/.test(trimmed) && Number.isFinite(Number(trimmed))
    ? Number(trimmed)
    : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Spans
// ---------------------------------------------------------------------------------------------------------------------

const units: ReadonlyArray<readonly [unit: RegExp, millis: number]> = [
  [/^(?:us|µs|μs|micro)/i, 0.001],
  [/^ns|^nano/i, 0.000_001],
  [/^(?:ms|msec|milli)/i, 1],
  [/^s/i, 1000],
  [/^m/i, 60_000],
  [/^h/i, 3_600_000],
  [/^d/i, 86_400_000],
]

const unit = "(?:ns|[uµμ]s|milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])"
const amount = String.raw`\d{1,15}(?:\.\d{1,15})?`
const piece = String.raw`${amount}\s{0,3}${unit}`

/** The pattern source of a span, such as `1m3.5s` and `2 hours and 5 minutes`. It has no capture groups. */
export const spanSource: string = String.raw`${piece}(?:[\s,]{0,3}(?:and\s)?\s{0,3}${piece}){0,5}`

const pieces = new RegExp(String.raw`(${amount})\s{0,3}(${unit})`, "gi")
const spanOnly = new RegExp(String.raw`^\s*${spanSource}\s*$`, "i")

/** The milliseconds of a text that consists of one span. */
export const span = (text: string | undefined): number | undefined =>
  text !== undefined && text.length < 200 && spanOnly.test(text) ? sum(text) : undefined

/** The milliseconds of all pieces of a span, added up. */
export const sum = (text: string): number | undefined => {
  const millis = [...text.matchAll(pieces)].reduce((all, [, amount, name = ""]) => {
    const factor = units.find(([pattern]) => pattern.test(name))?.[1] ?? 0
    return all + Number(amount) * factor
  }, 0)
  return Number.isFinite(millis) ? millis : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Dates
// ---------------------------------------------------------------------------------------------------------------------

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

/** `Sun, 06 Nov 1994 08:49:37 GMT`, and RFC 850's `Sunday, 06-Nov-94 08:49:37 GMT`. */
const dayFirst =
  /^[a-z]{3,9},?\s{1,3}(\d{1,2})[\s-]([a-z]{3})[\s-](\d{4}|\d{2})\s{1,3}(\d{2}):(\d{2}):(\d{2})(?:\s{1,3}(?:GMT|UTC|Z|[+-]0000))?$/i
/** C's `Sun Nov  6 08:49:37 1994`. */
const asctime = /^[a-z]{3}\s{1,3}([a-z]{3})\s{1,3}(\d{1,2})\s{1,3}(\d{2}):(\d{2}):(\d{2})\s{1,3}(\d{4})$/i
/** RFC 3339, also with a space, without seconds, or without a zone (then UTC). */
const iso =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T\s](\d{2}):(\d{2})(?::(\d{2})(\.\d{1,9})?)?\s?(Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?$/i

/** The clock milliseconds of a date in a known format. `now` determines the century of a two-digit year. */
export const date = (text: string | undefined, now: number): number | undefined => {
  const trimmed = text?.trim() ?? ""
  const first = dayFirst.exec(trimmed)
  if (first !== null) {
    const [, day, month, year = "", ...time] = first
    return utc(year.length === 2 ? century(Number(year), now) : Number(year), month, day, time)
  }
  const c = asctime.exec(trimmed)
  if (c !== null) {
    const [, month, day, hour, minute, second, year] = c
    return utc(Number(year), month, day, [hour, minute, second])
  }
  const standard = iso.exec(trimmed)
  if (standard === null) return undefined
  const [, year, month, day, hour, minute, second, fraction, zone] = standard
  const millis = utc(Number(year), months[Number(month) - 1], day, [hour, minute, second])
  return millis === undefined ? undefined : millis + Number(`0${fraction ?? ""}`) * 1000 - offset(zone)
}

/** RFC 9110: a two-digit year more than 50 years ahead is in the past. */
const century = (digits: number, now: number): number => {
  const current = new Date(now).getUTCFullYear()
  const year = current - (current % 100) + digits
  return year > current + 50 ? year - 100 : year
}

const utc = (
  year: number,
  month: string | undefined,
  day: string | undefined,
  [hour = "0", minute = "0", second = "0"]: ReadonlyArray<string | undefined>,
): number | undefined => {
  const index = months.indexOf(month?.toLowerCase() ?? "")
  const [d, h, m, s] = [day, hour, minute, second].map(Number) as [number, number, number, number]
  if (index < 0 || d < 1 || d > 31 || h > 23 || m > 59 || s > 60) return undefined
  const millis = Date.UTC(year, index, d, h, m, s)
  return Number.isFinite(millis) ? millis : undefined
}

/** The milliseconds that a zone is ahead of UTC. */
const offset = (zone: string | undefined): number => {
  const [, sign, hours, minutes] = /^([+-])(\d{2}):?(\d{2})$/.exec(zone ?? "") ?? []
  return sign === undefined ? 0 : (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
}

/**
 * The clock milliseconds of a number too large to be a wait: seconds or milliseconds since 1970, from September 2001
 * on.
 */
export const epoch = (value: number): number | undefined =>
  value >= 1e12 ? value : value >= 1e9 ? value * 1000 : undefined
