/**
 * Recognizes events that need no parsing. Most events of a stream are the same JSON but for the next piece of the answer's
 * text. After such an event was decoded, one that differs from it in nothing but the content of that string is known to be
 * valid JSON, and to have the same parts with another text.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Json from "./Json.ts"
import { endOfString } from "./JsonBounds.ts"

/** A part with a piece of text and nothing else that changes. */
type TextPart = Extract<Chat.Part, { readonly type: "text" | "reasoning" }>

/**
 * The template of one stream; stateful.
 *
 * A decoder calls `learn` for an event whose decoding neither changed its state nor depends on state that later changes,
 * and whose part has the text of one string in the event, unchanged.
 */
export class EventTemplate {
  readonly #ignored: ReadonlyArray<string>
  #part: TextPart | undefined
  /** What is the same in each event: before each hole, and after the last. */
  #fixed: ReadonlyArray<string> = []
  #holes: ReadonlyArray<Hole> = []

  /** `ignored` are fields that the decoder never reads, at any depth. Their strings and numbers may change too. */
  constructor(ignored: ReadonlyArray<string> = []) {
    this.#ignored = ignored.map((name) => `"${name}":`)
  }

  /** The parts of the event, if it is like the last one learned. */
  match(data: string): readonly [TextPart] | undefined {
    const part = this.#part
    if (part === undefined) return undefined
    const fixed = this.#fixed
    let text = ""
    let at = 0
    for (let index = 0; index < this.#holes.length; index++) {
      const before = fixed[index]!
      if (data.slice(at, at + before.length) !== before) return undefined
      const from = at + before.length
      const kind = this.#holes[index]!
      at = kind === "number" ? endOfNumber(data, from) : endOfPlainString(data, from)
      if (at >= 0) {
        if (kind === "text") text = data.slice(from, at)
        continue
      }
      if (kind !== "text") return undefined
      at = endOfString(data, from - 1)
      text = Json.string(Json.parse(data.slice(from - 1, at + 1)))
    }
    const last = fixed.at(-1)!
    if (text === "" || data.length - at !== last.length || data.slice(at) !== last) return undefined
    return [{ ...part, text }]
  }

  /** Learns an event, if it has one part, and that part's text occurs in it once. Whether it was learned. */
  learn(data: string, parts: ReadonlyArray<Chat.Part>): boolean {
    const [part] = parts
    if (part === undefined || parts.length > 1 || !isPlain(part)) return false
    // Without escapes the string is found as it is, and no string contains a quote.
    const literal = `"${part.text}"`
    const from = data.indexOf(literal)
    if (from < 0 || data.indexOf(literal, from + 1) >= 0 || data.includes("\\")) return false
    const holes: Array<readonly [from: number, end: number, kind: Hole]> = [
      [from + 1, from + 1 + part.text.length, "text"],
    ]
    for (const name of this.#ignored) {
      const field = data.indexOf(name)
      if (field < 0) continue
      const value = field + name.length
      const isString = data.startsWith('"', value)
      const end = isString ? endOfPlainString(data, value + 1) : endOfNumber(data, value)
      if (end >= 0) holes.push(isString ? [value + 1, end, "string"] : [value, end, "number"])
    }
    holes.sort(([a], [b]) => a - b)
    const ends = [0, ...holes.map(([, end]) => end)]
    this.#fixed = ends.map((end, index) => data.slice(end, holes[index]?.[0]))
    this.#holes = holes.map(([, , kind]) => kind)
    this.#part = part
    return true
  }
}

/** The text; a string or a number of an ignored field. */
type Hole = "text" | "string" | "number"

const isPlain = (part: Chat.Part): part is TextPart => {
  if (part.type === "text") return part.logprobs === undefined && part.signature === undefined
  return part.type === "reasoning" && part.signature === undefined && part.redacted === undefined
}

const quote = 34
const zero = 48
const nine = 57
const backslash = 92

/** The end of a string's content that begins at `from`, if it has no escapes; else -1. */
const endOfPlainString = (text: string, from: number): number => {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) return at
    if (code < 32 || code === backslash) return -1
  }
  return -1
}

/** The end of the digits of an integer that begins at `from`; -1 if there is none. */
const endOfNumber = (text: string, from: number): number => {
  let at = from
  while (at < text.length && text.charCodeAt(at) >= zero && text.charCodeAt(at) <= nine) at++
  const isInteger = at > from && (at === from + 1 || text.charCodeAt(from) !== zero)
  return isInteger ? at : -1
}
