/**
 * Takes a deployment's secrets out of whatever comes back: vendors, and proxies on the way to them, echo what they were sent.
 *
 * A secret is found as it is, in any case, in base64 (also as a part of what was encoded), in hexadecimal, and with any of
 * its characters escaped as in URLs, JSON or HTML, up to three times over; and where a text was cut within it.
 */
import type { Provider } from "@understudy/core/Provider"
import { ProviderError } from "@understudy/core/ProviderError"
import type { Reason } from "@understudy/core/ProviderError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Secrets } from "./Secrets.ts"

export interface Redaction {
  /** Blots every secret out of what is said of a failure. Scrub before you cut. */
  readonly text: (text: string) => string
  /** Blots credentials out of an answer, or an event of one, before it is decoded: only what stands there by no chance. */
  readonly answer: (text: string) => string
  /** Blots every secret out of all that an error says. */
  readonly error: (error: ProviderError) => ProviderError
}

export const make = (secrets: Secrets): Redaction => {
  let known: ReadonlyArray<string> | undefined
  let needles: Needles = { long: [], short: [] }
  let rare: Needles = needles
  let trace: RegExp | undefined
  /** Secrets are made ready where they are first looked for, and again when there are more. */
  const renew = (): void => {
    const all = secrets.all()
    if (all === known) return
    known = all
    const strong = all.filter(({ length }) => length >= unlikely)
    needles = needlesOf(all)
    rare = needlesOf(strong)
    trace = traceOf(strong)
  }
  const text = (text: string): string => {
    renew()
    return blot(text, needles)
  }
  return {
    text,
    answer: (answer) => {
      renew()
      return trace?.test(answer) === true ? blot(answer, rare) : answer
    },
    error: (error) => {
      const message = shortened(text(error.message))
      const requestId = error.requestId === undefined ? undefined : text(error.requestId)
      const reason = scrubReason(error.reason, text)
      const { cause } = error
      const kept = cause === undefined || text(wordsOf(cause)) === wordsOf(cause)
      return message === error.message && requestId === error.requestId && reason === error.reason && kept
        ? error
        : new ProviderError({ reason, message, status: error.status, requestId, cause: kept ? cause : undefined })
    },
  }
}

/** The provider, none of whose errors says a secret. */
export const provider = (service: Provider["Service"], { error }: Redaction): Provider["Service"] => ({
  ...service,
  chat: (request) => Effect.mapError(service.chat(request), error),
  stream: (request) => Stream.mapError(service.stream(request), error),
  ...(service.embed && { embed: (request) => Effect.mapError(service.embed!(request), error) }),
  ...(service.countTokens && { countTokens: (request) => Effect.mapError(service.countTokens!(request), error) }),
})

/** The most that is told of a failure. */
const longest = 4000

const shortened = (text: string): string => (text.length > longest ? `${text.slice(0, longest)}…` : text)

const scrubReason = (reason: Reason, text: (text: string) => string): Reason => {
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

const wordsOf = (cause: unknown): string =>
  Predicate.isError(cause)
    ? `${cause.message}\n${cause.stack}\n${cause.cause === undefined ? "" : wordsOf(cause.cause)}`
    : String(cause)

// ---------------------------------------------------------------------------------------------------------------------
// What is looked for
// ---------------------------------------------------------------------------------------------------------------------

interface Needles {
  /** In lower case. */
  readonly long: ReadonlyArray<string>
  readonly short: ReadonlyArray<RegExp>
}

/** The length from which a secret is blotted out inside words too: no vendor issues a shorter one. */
const shortest = 8

/** The length from which a secret stands in no sound answer by chance. */
const unlikely = 16

const needlesOf = (secrets: ReadonlyArray<string>): Needles => ({
  long: [...new Set(secrets.flatMap((secret) => (secret.length < shortest ? [] : formsOf(secret))))],
  short: secrets.flatMap((secret) => (secret.length < shortest ? [alone(secret)] : [])),
})

/** The forms that no unescaping leads back from. */
const formsOf = (secret: string): ReadonlyArray<string> =>
  [secret, ...base64(secret), Buffer.from(secret).toString("hex"), encoded(secret)].map(lower)

/** The digits of base64 that the secret alone decides, whatever stands before and after it. */
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
 * Finds the beginning of a secret in any form that an answer may have it in: each of its marks escaped or not, its letters in
 * any case. One expression: an answer is searched once, whatever it is searched for.
 */
const traceOf = (secrets: ReadonlyArray<string>): RegExp | undefined => {
  const begun = secrets.flatMap((secret) => [
    tracesOf(secret, (letter) => `[${letter.toLowerCase()}${letter.toUpperCase()}]`),
    ...base64(secret).map((digits) => tracesOf(digits, (letter) => letter)),
  ])
  return begun.length === 0 ? undefined : new RegExp([...new Set(begun)].join("|"))
}

const tracesOf = (text: string, letter: (letter: string) => string): string =>
  text
    .slice(0, unlikely)
    .replaceAll(/[a-z]|[^\da-z]/gi, (each) => (/[a-z]/i.test(each) ? letter(each) : traceOfMark(each)))

/** A mark as it is, behind backslashes, or as URLs, JSON and HTML have it, several times over. */
const traceOfMark = (mark: string): string => {
  // In UTF-8, some bytes.
  if (mark > "\x7f") return String.raw`(?:${mark}|[%\\&][#\w%;]{1,18}?)`
  const code = mark.charCodeAt(0).toString(16)
  const digits = code.padStart(2, "0").replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
  return String.raw`(?:\\*${escaped(mark)}|%(?:25)*${digits}|\\+u00${digits}|&[#\w;]{2,12})`
}

/** A placeholder such as `x`, which servers without keys are given, stands inside ordinary words: only the bare word is it. */
const alone = (secret: string): RegExp => new RegExp(`(?<![\\w-])${escaped(secret)}(?![\\w-])`, "g")

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)

/** Of ASCII alone: no other letter keeps its length for sure. */
const lower = (text: string): string => text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())

// ---------------------------------------------------------------------------------------------------------------------
// Blotting
// ---------------------------------------------------------------------------------------------------------------------

const blot = (text: string, { long, short }: Needles): string => {
  const found: Array<Range> = []
  for (const pattern of short)
    for (const match of text.matchAll(pattern)) found.push([match.index, match.index + match[0].length])
  if (long.length > 0) {
    let view: View | undefined = { text, at: (index) => index }
    for (let level = 0; view !== undefined && level <= levels; level++) {
      find(view, long, found)
      view = level < levels ? unescaped(view) : undefined
    }
  }
  return found.length === 0 ? text : without(text, found)
}

/** From where to where, in the text as it came. */
type Range = readonly [start: number, end: number]

/** A text after unescaping, and where its characters began before. */
interface View {
  readonly text: string
  readonly at: (index: number) => number
}

/** How many times over what is escaped may be. */
const levels = 3

const find = ({ at, text }: View, needles: ReadonlyArray<string>, found: Array<Range>): void => {
  const hay = lower(text)
  for (const needle of needles) {
    for (let index = hay.indexOf(needle); index >= 0; index = hay.indexOf(needle, index + needle.length)) {
      found.push([at(index), at(index + needle.length)])
    }
    // A text that was cut within it.
    const begun = needle.slice(0, shortest)
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

/** The view with its escapes undone; `undefined` where it has none. Each stands for one character. */
const unescaped = ({ at, text }: View): View | undefined => {
  let written = ""
  let from = 0
  const ends: Array<number> = []
  const shifts: Array<number> = []
  for (const match of text.matchAll(escape)) {
    const [whole, percent, unit, byte, bare, hex, decimal, name] = match
    const code = percent ?? unit ?? byte ?? hex
    const character =
      code !== undefined
        ? String.fromCharCode(Number.parseInt(code, 16))
        : decimal !== undefined
          ? String.fromCharCode(Number(decimal))
          : (bare ?? entities[name?.toLowerCase() ?? ""] ?? "?")
    written += text.slice(from, match.index) + character
    from = match.index + whole.length
    ends.push(written.length)
    shifts.push(from - written.length)
  }
  if (ends.length === 0) return undefined
  return {
    text: written + text.slice(from),
    at: (index) => {
      // The last escape that ends at or before the index says by how much it is shifted.
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
