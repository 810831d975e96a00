/**
 * Removes a deployment's secrets from everything that comes back. Vendors, and proxies in between, echo parts of
 * requests.
 *
 * A secret is found as it is, in any case, in base64 (also inside longer encoded text), in hexadecimal, with any of its
 * characters escaped as in URLs, JSON or HTML up to three times, and where the text was truncated within it.
 */
import type { Provider } from "@understudy/core/Provider"
import { ProviderError } from "@understudy/core/ProviderError"
import type { Reason } from "@understudy/core/ProviderError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Secrets } from "./Secrets.ts"

export interface Redaction {
  /** Redacts every secret in text about a failure. Redact before truncating. */
  readonly text: (text: string) => string
  /**
   * Redacts credentials in a response, or in one of its events, before it is decoded. Only secrets too long to occur by
   * chance are redacted.
   */
  readonly answer: (text: string) => string
  /** Redacts every secret in an error. */
  readonly error: (error: ProviderError) => ProviderError
}

export const make = (secrets: Secrets): Redaction => {
  let known: ReadonlyArray<string> | undefined
  let patterns: Patterns = { long: [], short: [] }
  let strongPatterns: Patterns = patterns
  let strongPrefix: RegExp | undefined
  /** The patterns are built on first use, and rebuilt when secrets are added. */
  const refresh = (): void => {
    const all = secrets.all()
    if (all === known) return
    known = all
    const strong = all.filter(({ length }) => length >= minStrongLength)
    patterns = patternsOf(all)
    strongPatterns = patternsOf(strong)
    strongPrefix = strongPrefixOf(strong)
  }
  const text = (text: string): string => {
    refresh()
    return redact(text, patterns)
  }
  return {
    text,
    answer: (answer) => {
      refresh()
      return strongPrefix?.test(answer) === true ? redact(answer, strongPatterns) : answer
    },
    error: (error) => {
      const message = shortened(text(error.message))
      const requestId = error.requestId === undefined ? undefined : text(error.requestId)
      const reason = redactReason(error.reason, text)
      const { cause } = error
      const causeIsClean = cause === undefined || text(textOf(cause)) === textOf(cause)
      return message === error.message && requestId === error.requestId && reason === error.reason && causeIsClean
        ? error
        : new ProviderError({
            reason,
            message,
            status: error.status,
            requestId,
            contentFree: error.contentFree,
            cause: causeIsClean ? cause : undefined,
          })
    },
  }
}

/** The provider with its errors redacted. */
export const provider = (service: Provider["Service"], { error }: Redaction): Provider["Service"] => ({
  ...service,
  chat: (request) => Effect.mapError(service.chat(request), error),
  stream: (request) => Stream.mapError(service.stream(request), error),
  ...(service.embed && { embed: (request) => Effect.mapError(service.embed!(request), error) }),
  ...(service.operations && {
    operations: {
      ...service.operations,
      send: (request) => Stream.mapError(service.operations!.send(request), error),
    },
  }),
  ...(service.countTokens && { countTokens: (request) => Effect.mapError(service.countTokens!(request), error) }),
})

/** The maximum length of an error message. */
const maxMessageLength = 4000

const shortened = (text: string): string =>
  text.length > maxMessageLength ? `${text.slice(0, maxMessageLength)}…` : text

const redactReason = (reason: Reason, text: (text: string) => string): Reason => {
  if (reason._tag === "InvalidRequest" && reason.param !== undefined) {
    const param = text(reason.param)
    return param === reason.param ? reason : { ...reason, param }
  }
  if (reason._tag === "Unsupported") {
    const feature = text(reason.feature)
    return feature === reason.feature ? reason : { ...reason, feature }
  }
  return reason
}

const textOf = (cause: unknown): string =>
  Predicate.isError(cause)
    ? `${cause.message}\n${cause.stack}\n${cause.cause === undefined ? "" : textOf(cause.cause)}`
    : String(cause)

// ---------------------------------------------------------------------------------------------------------------------
// Patterns
// ---------------------------------------------------------------------------------------------------------------------

interface Patterns {
  /** In lower case. */
  readonly long: ReadonlyArray<string>
  readonly short: ReadonlyArray<RegExp>
}

/** Secrets of at least this length are redacted inside words too. No vendor issues a shorter one. */
const minInnerLength = 8

/** Secrets of at least this length do not occur in a response by chance. */
const minStrongLength = 16

const patternsOf = (secrets: ReadonlyArray<string>): Patterns => ({
  long: [...new Set(secrets.flatMap((secret) => (secret.length < minInnerLength ? [] : formsOf(secret))))],
  short: secrets.flatMap((secret) => (secret.length < minInnerLength ? [standalone(secret)] : [])),
})

/** The encodings of a secret that unescaping does not undo. */
const formsOf = (secret: string): ReadonlyArray<string> =>
  [secret, ...base64(secret), Buffer.from(secret).toString("hex"), encoded(secret)].map(lower)

/** The base64 digits that depend on the secret alone, at each of the three alignments. */
const base64 = (secret: string): ReadonlyArray<string> => {
  const bytes = Buffer.from(secret)
  return [0, 1, 2].flatMap((before) => {
    const digits = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64")
    const own = digits.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
    return [own, own.replaceAll("+", "-").replaceAll("/", "_")]
  })
}

const encoded = (secret: string): string => encodeURIComponent(secret.toWellFormed())

/**
 * Matches the beginning of a secret in any form: punctuation escaped or not, letters in any case. One expression for
 * all secrets, so that a response is searched once.
 */
const strongPrefixOf = (secrets: ReadonlyArray<string>): RegExp | undefined => {
  const begun = secrets.flatMap((secret) => [
    prefixOf(secret, (letter) => `[${letter.toLowerCase()}${letter.toUpperCase()}]`),
    ...base64(secret).map((digits) => prefixOf(digits, (letter) => letter)),
  ])
  return begun.length === 0 ? undefined : new RegExp([...new Set(begun)].join("|"))
}

const prefixOf = (text: string, letter: (letter: string) => string): string =>
  text
    .slice(0, minStrongLength)
    .replaceAll(/[a-z]|[^\da-z]/gi, (each) => (/[a-z]/i.test(each) ? letter(each) : escapedMark(each)))

/**
 * A punctuation character as it is, behind backslashes, or escaped as in URLs, JSON and HTML, possibly several times.
 */
const escapedMark = (mark: string): string => {
  // UTF-8 has several bytes for it.
  if (mark > "\x7f") return String.raw`(?:${mark}|[%\\&][#\w%;]{1,18}?)`
  const code = mark.charCodeAt(0).toString(16)
  const digits = code.padStart(2, "0").replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
  return String.raw`(?:\\*${escaped(mark)}|%(?:25)*${digits}|\\+u00${digits}|&[#\w;]{2,12})`
}

/**
 * Matches a short secret as a word of its own. A placeholder such as `x`, for servers without keys, also occurs inside
 * ordinary words.
 */
const standalone = (secret: string): RegExp => new RegExp(`(?<![\\w-])${escaped(secret)}(?![\\w-])`, "g")

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)

/** Lower-cases ASCII only: other letters may change their length. */
const lower = (text: string): string => text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())

// ---------------------------------------------------------------------------------------------------------------------
// Redacting
// ---------------------------------------------------------------------------------------------------------------------

const redact = (text: string, { long, short }: Patterns): string => {
  const found: Array<Range> = []
  for (const pattern of short)
    for (const match of text.matchAll(pattern)) found.push([match.index, match.index + match[0].length])
  if (long.length > 0) {
    let view: View | undefined = { text, at: (index) => index }
    for (let level = 0; view !== undefined && level <= maxEscapeLevels; level++) {
      find(view, long, found)
      view = level < maxEscapeLevels ? unescaped(view) : undefined
    }
  }
  return found.length === 0 ? text : without(text, found)
}

/** A range in the original text. */
type Range = readonly [start: number, end: number]

/** A text after unescaping; `at` maps an index to the original text. */
interface View {
  readonly text: string
  readonly at: (index: number) => number
}

/** How many levels of escaping are undone. */
const maxEscapeLevels = 3

const find = ({ at, text }: View, patterns: ReadonlyArray<string>, found: Array<Range>): void => {
  const hay = lower(text)
  for (const needle of patterns) {
    for (let index = hay.indexOf(needle); index >= 0; index = hay.indexOf(needle, index + needle.length)) {
      found.push([at(index), at(index + needle.length)])
    }
    // The text was truncated within the secret.
    const begun = needle.slice(0, minInnerLength)
    for (
      let index = hay.indexOf(begun, Math.max(0, hay.length - needle.length));
      index >= 0;
      index = hay.indexOf(begun, index + 1)
    ) {
      if (needle.startsWith(hay.slice(index))) found.push([at(index), at(hay.length)])
    }
  }
}

const escape =
  /%([\da-f]{2})|\\u([\da-f]{4})|\\x([\da-f]{2})|\\(["'\\/])|&(?:#x([\da-f]{1,4})|#(\d{1,5})|(amp|quot|apos|lt|gt|sol|plus|equals|colon|commat));/gi

const entities: Readonly<Record<string, string>> = {
  amp: "&",
  quot: '"',
  apos: "'",
  lt: "<",
  gt: ">",
  sol: "/",
  plus: "+",
  equals: "=",
  colon: ":",
  commat: "@",
}

/** The view with one level of escapes undone; `undefined` if it has none. Each escape stands for one character. */
const unescaped = ({ at, text }: View): View | undefined => {
  let written = ""
  let from = 0
  const ends: Array<number> = []
  const shifts: Array<number> = []
  for (const match of text.matchAll(escape)) {
    const [escapeText, percent, unit, byte, bare, hex, decimal, name] = match
    const code = percent ?? unit ?? byte ?? hex
    const character =
      code !== undefined
        ? String.fromCharCode(Number.parseInt(code, 16))
        : decimal !== undefined
          ? String.fromCharCode(Number(decimal))
          : (bare ?? entities[name?.toLowerCase() ?? ""] ?? "?")
    written += text.slice(from, match.index) + character
    from = match.index + escapeText.length
    ends.push(written.length)
    shifts.push(from - written.length)
  }
  if (ends.length === 0) return undefined
  return {
    text: written + text.slice(from),
    at: (index) => {
      // The last escape that ends at or before the index gives the shift.
      let [low, high] = [0, ends.length]
      while (low < high) {
        const middle = (low + high) >> 1
        if (ends[middle]! <= index) low = middle + 1
        else high = middle
      }
      return at(index + (shifts[low - 1] ?? 0))
    },
  }
}

const without = (text: string, found: Array<Range>): string => {
  let left = ""
  let done = 0
  for (const [start, end] of found.toSorted(([a], [b]) => a - b)) {
    if (end <= done) continue
    left += start < done ? "" : `${text.slice(done, start)}***`
    done = end
  }
  return left + text.slice(done)
}
