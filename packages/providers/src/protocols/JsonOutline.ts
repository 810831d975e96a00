/**
 * The outline of a JSON text: the text with its long strings shortened, which are most of a conversation. It is parsed,
 * validated and changed in place of the text, at the cost of its own length. What is printed of a changed outline takes
 * everything unchanged from the bytes of the text.
 *
 * Only strings of the `fields` below are shortened: no more than the beginning of their values is read to pass a body on.
 * An outline has the structure, the numbers and all other strings of its text, and is valid JSON only if its text is.
 */
import { isUtf8 } from "node:buffer"
import * as Predicate from "effect/Predicate"
import * as JsonOutlineScan from "./JsonOutlineScan.ts"
import * as JsonStrings from "./JsonStrings.ts"
import * as JsonText from "./JsonText.ts"

export interface JsonOutline {
  readonly text: string
  /** The length of what was left out of the strings, in UTF-16 code units. */
  readonly characters: number
  /** The whole text, in UTF-8. */
  readonly bytes: Buffer
  /**
   * For each shortened string: the position of its closing quote in `text`, of its quotes in `bytes`, and the length of what is
   * kept of it; all in bytes.
   */
  readonly places: Int32Array
  /** Whether positions in `text` are counted in bytes. */
  readonly isAscii: boolean
}

/** Shortens the strings of these fields: texts, results, descriptions, and arguments of calls as text. */
const scan = JsonOutlineScan.make(["arguments", "content", "description", "instructions", "output", "system", "text"])

const { digits, mark, stride } = JsonOutlineScan

/** The outline of a text; `undefined` if nothing can be shortened, or the text is invalid UTF-8 or has an invalid string. */
export const of = (bytes: Buffer): JsonOutline | undefined => {
  const scanned = scan(bytes)
  if (scanned === undefined || scanned.places.length === 0 || !isUtf8(bytes)) return undefined
  const { characters, outline, places } = scanned
  const text = outline.toString()
  // Another string has the mark.
  if (occurrences(text, mark) !== places.length / stride) return undefined
  return { text, characters, bytes, places, isAscii: text.length === outline.length }
}

/**
 * The JSON of `value`, which was made from `source`, the parsed outline: like `JsonText.print` for the parsed text.
 * `undefined` if a new value contains a shortened string.
 */
export const print = (value: object, source: object, outline: JsonOutline): Buffer | undefined => {
  const { bytes, isAscii, places, text } = outline
  const pieces = JsonText.pieces(value, source)
  const written: Array<Buffer> = []
  /** The last position in `text`, in UTF-16 code units and in bytes, and the next shortened string. */
  let units = 0
  let at = 0
  let next = 0
  const place = (position: number): number => {
    // Elements of a list may be in another order.
    if (position < units) units = at = next = 0
    at += isAscii ? position - units : Buffer.byteLength(text.slice(units, position))
    units = position
    while (next < places.length && places[next]! <= at) next += stride
    return next === 0 ? at : at + places[next - stride + 2]! - places[next - stride]!
  }
  for (const piece of pieces) {
    if (Predicate.isString(piece)) {
      if (piece.includes(mark)) return undefined
      written.push(Buffer.from(piece))
    } else written.push(bytes.subarray(place(piece.from), place(piece.to)))
  }
  return Buffer.concat(written)
}

/**
 * The JSON of a value that was made from the parsed outline in any way, with the whole strings as they are in the text.
 * `undefined` if a shortened string was cut or escaped.
 */
export const write = (value: object, { bytes, places }: JsonOutline): Buffer | undefined => {
  const short = Buffer.from(JSON.stringify(value))
  const text = short.toString("latin1")
  /** Where each shortened string begins in `short`, and its index in `places`. */
  const found: Array<number> = []
  let length = short.length
  let from = 0
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, from)) {
    const index = numberAt(text, at + mark.length) * stride
    if (!(index < places.length)) return undefined
    const first = places[index + 1]! + 1
    const kept = places[index + 3]!
    const start = at - kept
    if (start < from || text.charCodeAt(start - 1) === backslash) return undefined
    for (let offset = 0; offset < kept; offset++) {
      if (short[start + offset] !== bytes[first + offset]) return undefined
    }
    found.push(start, index)
    from = at + mark.length + digits
    length += places[index + 2]! - first - (from - start)
  }
  if (found.length === 0) return short
  const out = Buffer.allocUnsafe(length)
  let to = 0
  from = 0
  for (let next = 0; next < found.length; next += 2) {
    const start = found[next]!
    const index = found[next + 1]!
    to += short.copy(out, to, from, start)
    to += bytes.copy(out, to, places[index + 1]! + 1, places[index + 2])
    from = start + places[index + 3]! + mark.length + digits
  }
  short.copy(out, to, from)
  return out
}

/** The string whole, if it is shortened. */
export const restore = (text: string, { bytes, places }: JsonOutline): string => {
  const at = text.lastIndexOf("\u0001")
  if (at < 0) return text
  const index = numberAt(text, at + 1) * stride
  return JSON.parse(bytes.toString("utf8", places[index + 1]!, places[index + 2]! + 1)) as string
}

/** The string whole, if it is shortened, or is JSON that contains shortened strings. */
export const restoreJson = (text: string, outline: JsonOutline): string =>
  text.includes(mark) ? JsonStrings.inText(text, (_, value) => restore(value, outline)) : restore(text, outline)

const backslash = 92

/** The number of a shortened string; `NaN` if there is none. */
const numberAt = (text: string, from: number): number => {
  let number = 0
  for (let at = from; at < from + digits; at++) {
    const digit = text.charCodeAt(at) - 97
    if (!(digit >= 0 && digit < 16)) return NaN
    number = number * 16 + digit
  }
  return number
}

const occurrences = (text: string, part: string): number => {
  let count = 0
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++
  return count
}
