/**
 * Limits on the structure of a JSON text, checked before it is parsed. A few megabytes can contain millions of fields,
 * and parsing them would stall the process.
 */

/** The maximum of each. */
export interface JsonBounds {
  /** The nesting depth of objects and arrays. */
  readonly nesting: number
  /** The number of members of the outermost object or array. */
  readonly fields: number
  /** The number of values in total. */
  readonly values: number
  /**
   * The number of different fields, where a field is a name together with the names before it in its object. JavaScript
   * engines keep a description of each, which costs far more than its text.
   */
  readonly distinctFields: number
}

/**
 * The maximum nesting that can be written again: JavaScript's stack allows some thousands, a Python client's one
 * thousand.
 */
export const deepest = 1000

/** Limits the nesting only. */
export const none: JsonBounds = { nesting: deepest, fields: Infinity, values: Infinity, distinctFields: Infinity }

/** A text that exceeds a limit. */
export class Exceeded extends SyntaxError {
  readonly bound: keyof JsonBounds

  constructor(bound: keyof JsonBounds, bounds: JsonBounds) {
    super(messages[bound](bounds[bound]))
    this.bound = bound
  }
}

const messages: Record<keyof JsonBounds, (limit: number) => string> = {
  nesting: (limit) => `it is nested deeper than ${limit} levels`,
  fields: (limit) => `it has more than ${limit} top-level fields`,
  values: (limit) => `it holds more than ${limit} values`,
  distinctFields: (limit) => `its objects have more than ${limit} different fields`,
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
 * Whether the objects of a JSON text have more than `limit` different fields. Names are compared by a 30-bit hash: a
 * collision makes the count smaller, never larger.
 */
export const hasMoreFields = (text: string, limit: number): boolean => {
  const seen = new Set<number>()
  /** The hash of the names so far in each open object; unused for an array. */
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
        if (seen.size > limit) return true
        break
      }
    }
  }
  return false
}

/** The limits for a provider's text, and the length up to which a text is always parsed. */
const providerLimits = { containers: 1_000_000, distinctFields: 30_000, short: 262_144 }

/**
 * Whether parsing a provider's text would stall the process because of its objects, arrays and different fields. These
 * cost a quarter of a second per MB and more; numbers and strings cost a hundredth. No model's response has so many.
 */
export const isCostly = (text: string): boolean => {
  if (text.length < providerLimits.short) return false
  let containers = 0
  let names = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case object:
      case array:
        if (++containers > providerLimits.containers) return true
        break
      case colon:
        names++
        break
      case quote:
        at = endOfString(text, at)
        break
    }
  }
  return names > providerLimits.distinctFields && hasMoreFields(text, providerLimits.distinctFields)
}

/** The closing quote of the string that opens at `from`; the end of the text if it has none. */
export const endOfString = (text: string, from: number): number => {
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
