/**
 * Bounds on the structure of a JSON text, looked at before it is parsed: a few megabytes can hold millions of names, and
 * to parse them stalls everybody who shares the process.
 */

/** The most of each that is taken. */
export interface JsonBounds {
  /** How deep objects and arrays stand in each other. */
  readonly nesting: number
  /** What stands directly in the outermost object or array. */
  readonly fields: number
  /** Values in all. */
  readonly values: number
  /**
   * Different fields of objects: a name, told apart by the names before it in its object. JavaScript engines keep a
   * description of each, and it costs far more than its text.
   */
  readonly distinctFields: number
}

/** As deep as JavaScript can write again: its stack bears some thousands; Python's, at the other end, one. */
export const deepest = 1000

/** Bounds nothing but the nesting. */
export const none: JsonBounds = { nesting: deepest, fields: Infinity, values: Infinity, distinctFields: Infinity }

/** A text that holds more than one of its bounds allows. */
export class Exceeded extends SyntaxError {
  readonly bound: keyof JsonBounds

  constructor(bound: keyof JsonBounds, bounds: JsonBounds) {
    super(words[bound](bounds[bound]))
    this.bound = bound
  }
}

const words: Record<keyof JsonBounds, (most: number) => string> = {
  nesting: (most) => `it is nested deeper than ${most} levels`,
  fields: (most) => `it has more than ${most} top-level fields`,
  values: (most) => `it holds more than ${most} values`,
  distinctFields: (most) => `its objects have more than ${most} different fields`,
}

const quote = 34
const comma = 44
const colon = 58
const array = 91
const backslash = 92
const endOfArray = 93
const object = 123
const endOfObject = 125

/**
 * Whether the objects of a text that is JSON have more than `most` different fields. Names are told apart by 30 bits: two
 * that are taken for one make the count smaller, never larger.
 */
export const hasMoreFields = (text: string, most: number): boolean => {
  const seen = new Set<number>()
  /** Of every open object, what its names so far come to; of an array, nothing. */
  const hashes: Array<number> = [0]
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case object:
      case array:
        hashes[++depth] = 17
        break
      case endOfObject:
      case endOfArray:
        if (depth > 0) depth--
        break
      case quote: {
        let hash = hashes[depth]!
        let end = at + 1
        for (; end < text.length; end++) {
          const code = text.charCodeAt(end)
          if (code === quote) break
          if (code === backslash) end++
          hash = (Math.imul(hash, 31) + code) & 0x3fff_ffff
        }
        at = end
        if (!isName(text, end + 1)) break
        hash = (Math.imul(hash, 31) + comma) & 0x3fff_ffff
        hashes[depth] = hash
        seen.add(hash)
        if (seen.size > most) return true
        break
      }
    }
  }
  return false
}

/** The most that is parsed of what a provider sends, and how short a text is that is parsed whatever it holds. */
const answers = { containers: 1_000_000, distinctFields: 30_000, short: 262_144 }

/**
 * Whether to parse a provider's text would stall the process for long, for the objects, arrays and different fields in it:
 * a quarter of a second a MB and more, where numbers and texts cost a hundredth. No model's answer has so many.
 */
export const isCostly = (text: string): boolean => {
  if (text.length < answers.short) return false
  let containers = 0
  let names = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case object:
      case array:
        if (++containers > answers.containers) return true
        break
      case colon:
        names++
        break
      case quote:
        at = endOfString(text, at)
        break
    }
  }
  return names > answers.distinctFields && hasMoreFields(text, answers.distinctFields)
}

/** Where the string that begins at `from` ends. */
const endOfString = (text: string, from: number): number => {
  let end = from
  for (;;) {
    end = text.indexOf('"', end + 1)
    if (end < 0) return text.length
    let escapes = 0
    while (text.charCodeAt(end - 1 - escapes) === backslash) escapes++
    if (escapes % 2 === 0) return end
  }
}

/** Whether the string that ended before `at` is followed by a colon. */
const isName = (text: string, at: number): boolean => {
  let next = at
  while (text.charCodeAt(next) <= 32) next++
  return text.charCodeAt(next) === colon
}
