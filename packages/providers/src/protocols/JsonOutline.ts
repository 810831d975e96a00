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
import * as JsonText from "./JsonText.ts"

export interface JsonOutline {
  readonly text: string
  /** The length of what was left out of the strings, in UTF-16 code units. */
  readonly characters: number
  /** The whole text, in UTF-8. */
  readonly bytes: Buffer
  /** For each shortened string: the position of its closing quote in `text`, and of its quotes in `bytes`; all in bytes. */
  readonly places: Int32Array
  /** Whether positions in `text` are counted in bytes. */
  readonly isAscii: boolean
}

/** Shortens the strings of these fields: texts, results, descriptions, and arguments of calls as text. */
const scan = JsonOutlineScan.make(["arguments", "content", "description", "instructions", "output", "system", "text"])

const { mark } = JsonOutlineScan

/** The outline of a text; `undefined` if nothing can be shortened, or the text is invalid UTF-8 or has an invalid string. */
export const of = (bytes: Buffer): JsonOutline | undefined => {
  const scanned = scan(bytes)
  if (scanned === undefined || scanned.places.length === 0 || !isUtf8(bytes)) return undefined
  const { characters, outline, places } = scanned
  const text = outline.toString()
  // Another string has the mark.
  if (occurrences(text, mark) !== places.length / 3) return undefined
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
    while (next < places.length && places[next]! <= at) next += 3
    return next === 0 ? at : at + places[next - 1]! - places[next - 3]!
  }
  for (const piece of pieces) {
    if (Predicate.isString(piece)) {
      if (piece.includes(mark)) return undefined
      written.push(Buffer.from(piece))
    } else written.push(bytes.subarray(place(piece.from), place(piece.to)))
  }
  return Buffer.concat(written)
}

/** The string whole, if it is shortened. */
export const restore = (text: string, { bytes, places }: JsonOutline): string => {
  const at = text.lastIndexOf("\u0001")
  if (at < 0) return text
  let place = 0
  for (let digit = at + 1; digit < text.length; digit++) place = place * 16 + text.charCodeAt(digit) - 97
  return JSON.parse(bytes.toString("utf8", places[place * 3 + 1]!, places[place * 3 + 2]! + 1)) as string
}

const occurrences = (text: string, part: string): number => {
  let count = 0
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++
  return count
}
