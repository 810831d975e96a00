/**
 * JSON that stays as written. Numbers that JavaScript would write differently are kept as `ExactNumber`s. A value
 * printed after a few changes takes everything unchanged from the text it was parsed from: byte by byte, in its order,
 * with everything that parsing loses.
 */
import * as Predicate from "effect/Predicate"
import * as ExactNumber from "./ExactNumber.ts"
import type { JsonBounds } from "./JsonBounds.ts"
import * as Bounds from "./JsonBounds.ts"

/**
 * Parses JSON like `JSON.parse`, and throws like it, except that numbers JavaScript would write differently are
 * `ExactNumber`s. Throws `JsonBounds.Exceeded` before parsing if the text exceeds `bounds`; by default, if it is nested
 * too deeply for `JSON.stringify`. An object or array keeps a reference to its text, for `print`.
 */
export const parse = (text: string, bounds: JsonBounds = Bounds.none): unknown => {
  const survey = scan(text, 0, undefined, bounds)
  const value: unknown = JSON.parse(text)
  if (!Predicate.isObjectOrArray(value)) {
    const literal = text.trim()
    return Predicate.isNumber(value) && ExactNumber.isNeeded(literal) ? ExactNumber.of(literal) : value
  }
  if (survey.exact) scan(text, 0, value)
  const members = survey.names.some((name) => name.includes("\\"))
    ? { ...survey, names: survey.names.map((name) => (name.includes("\\") ? unescaped(name) : name)) }
    : survey
  return Object.defineProperty(value, origin, { value: { text, members } satisfies Origin })
}

/**
 * The JSON of `value`, which was made from `source` by replacing, adding and removing members. Whatever it still shares
 * with `source`, at any depth, is copied from the text that `parse` read; the rest is written as `JSON.stringify` does.
 */
export const print = (value: object, source: object | undefined): string => {
  const from = source === undefined ? undefined : (source as Written)[origin]
  if (source === undefined || from === undefined) return JSON.stringify(value)
  let out = ""
  for (const piece of pieces(value, source)) {
    out += Predicate.isString(piece) ? piece : from.text.slice(piece.from, piece.to)
  }
  return out
}

/** A part of the text that a value was parsed from, or new JSON. */
export type Piece = { readonly from: number; readonly to: number } | string

/** What `print` consists of. */
export const pieces = (value: object, source: object): ReadonlyArray<Piece> => {
  const from = (source as Written)[origin]
  if (from === undefined) return [JSON.stringify(value)]
  const out: Array<Piece> = []
  splice(value, source, from.text, from.members, out)
  return out
}

interface Origin {
  readonly text: string
  readonly members: Members
}

/** The text a value was parsed from; copies do not have it. Values returned by `parse` must not be mutated. */
const origin = Symbol("@understudy/providers/JsonText/origin")

interface Written {
  readonly [origin]?: Origin
}

// ---------------------------------------------------------------------------------------------------------------------
// Print
// ---------------------------------------------------------------------------------------------------------------------

const splice = (value: object, source: object, text: string, members: Members, out: Array<Piece>): void =>
  Array.isArray(value)
    ? spliceArray(value, source as ReadonlyArray<unknown>, text, members, out)
    : spliceObject(value as Fields, source as Fields, text, members, out)

type Fields = Readonly<Record<string, unknown>>

const spliceObject = (
  value: Fields,
  source: Fields,
  text: string,
  { names, places }: Members,
  out: Array<Piece>,
): void => {
  const last = lastOf(names, source)
  let separator = "{"
  // Adjacent unchanged members are copied as one slice.
  let from = -1
  let to = -1
  const flush = () => {
    if (from < 0) return
    out.push(separator, { from, to })
    separator = ","
    from = -1
  }
  for (let index = 0; index < names.length; index++) {
    const name = names[index]!
    const place = index * 3
    // Of a duplicate name, the last one was parsed.
    const stays =
      Object.hasOwn(value, name) && value[name] !== undefined && (last === undefined || last.get(name) === index)
    if (stays && Object.is(value[name], source[name])) {
      if (from < 0) from = places[place]!
      to = places[place + 2]!
      continue
    }
    flush()
    if (!stays) continue
    out.push(separator, { from: places[place]!, to: places[place + 1]! })
    separator = ","
    child(value[name], source[name], text, places[place + 1]!, out)
  }
  flush()
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(source, name)) continue
    const json = JSON.stringify(value[name])
    if (json === undefined) continue
    out.push(`${separator}${JSON.stringify(name)}:${json}`)
    separator = ","
  }
  out.push(separator === "{" ? "{}" : "}")
}

/** The last index of each name; `undefined` if no name is a duplicate. */
const lastOf = (names: ReadonlyArray<string>, source: Fields): ReadonlyMap<string, number> | undefined =>
  names.length === Object.keys(source).length ? undefined : new Map(names.map((name, index) => [name, index]))

/** If the lengths are equal, elements are compared by index, else by identity. */
const spliceArray = (
  value: ReadonlyArray<unknown>,
  source: ReadonlyArray<unknown>,
  text: string,
  { places }: Members,
  out: Array<Piece>,
): void => {
  const slice = (index: number) => ({ from: places[index * 3 + 1]!, to: places[index * 3 + 2]! })
  const isAligned = value.length === source.length
  const indices = isAligned ? undefined : new Map(source.map((each, index) => [each, index] as const))
  out.push("[")
  for (let index = 0; index < value.length; index++) {
    const each: unknown = value[index]
    if (index > 0) out.push(",")
    if (isAligned) {
      if (Object.is(each, source[index])) out.push(slice(index))
      else child(each, source[index], text, places[index * 3 + 1]!, out)
    } else {
      const own = Predicate.isObjectOrArray(each) ? indices?.get(each) : undefined
      out.push(own === undefined ? write(each) : slice(own))
    }
  }
  out.push("]")
}

/** The JSON of a changed value. Its source begins at `from`. */
const child = (value: unknown, source: unknown, text: string, from: number, out: Array<Piece>): void => {
  if ((isPlainObject(value) && isPlainObject(source)) || (Array.isArray(value) && Array.isArray(source))) {
    splice(value, source, text, membersAt(text, from), out)
  } else out.push(write(value))
}

const isPlainObject = (value: unknown): value is object =>
  Predicate.isObject(value) && !ExactNumber.is(value) && !Predicate.isFunction(value["toJSON"])

/** The JSON of an array element, or of a member that exists. */
const write = (value: unknown): string => JSON.stringify(value) ?? "null"

// ---------------------------------------------------------------------------------------------------------------------
// Scan
// ---------------------------------------------------------------------------------------------------------------------

/** The direct members of an object or array. */
interface Members {
  /** The names; empty for an array. */
  readonly names: ReadonlyArray<string>
  /** For each: the start (of its name, if it has one), the start of its value, and the end. */
  readonly places: ReadonlyArray<number>
}

interface Survey extends Members {
  /** Whether it contains a number to be kept. Only determined without a `root`. */
  readonly exact: boolean
}

/** The members of the object or array at `from` in a valid JSON text. */
const membersAt = (text: string, from: number): Members => {
  const { names, places } = scan(text, from, undefined)
  return { names: names.map((name) => (name.includes("\\") ? unescaped(name) : name)), places }
}

/**
 * Scans the object or array at `from`: its members with their names as written. If `root` is given, the text must be
 * valid JSON, and numbers to be kept are replaced in `root`. Throws if the text exceeds `bounds`.
 *
 * One loop over the characters: `places` of the outer members, `keys` and `ends` of every open container, and counters
 * for the bounds. It keeps its state in local variables, which is what makes it fast.
 */
const scan = (text: string, from: number, root: object | undefined, bounds: JsonBounds = Bounds.none): Survey => {
  const names: Array<string> = []
  let exact = false
  let fields = 0
  let values = 1
  let named = 0
  const places: Array<number> = []
  /** For each open container, the current position in it: the index of an element, or the start of a member's name. */
  const keys: Array<number> = [0]
  const ends: Array<number> = [0]
  let depth = 0
  let isName = false
  /** The start of the current outer member and of its value, and the end of the last token. */
  let began = -1
  let valued = -1
  let last = from
  let kept: Map<string, ExactNumber.ExactNumber> | undefined
  /** The open containers, once a number in them is kept. */
  const found: Array<unknown> = [undefined, root]
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code <= space || code === colon) continue
    if (code === comma) {
      if (ends[depth] === inArray) keys[depth]!++
      else isName = true
      if (++values > bounds.values) throw new Bounds.Exceeded("values", bounds)
      if (depth === 1) {
        if (++fields >= bounds.fields) throw new Bounds.Exceeded("fields", bounds)
        places.push(began, valued, last)
        began = valued = -1
      }
      continue
    }
    if (code === endOfObject || code === endOfArray) {
      if (depth <= 1) {
        if (began >= 0) places.push(began, valued, last)
        break
      }
      depth--
      isName = false
      last = at + 1
      continue
    }
    if (depth === 1 && valued < 0) {
      if (began < 0) began = at
      if (!isName) valued = at
    }
    if (code === quote) {
      last = endOfString(text, at)
      if (isName) {
        keys[depth] = at
        ends[depth] = last
        named++
        if (depth === 1) names.push(text.slice(at + 1, last - 1))
        isName = false
      }
      at = last - 1
    } else if (code === object || code === array) {
      depth++
      if (depth > bounds.nesting) throw new Bounds.Exceeded("nesting", bounds)
      if (++values > bounds.values) throw new Bounds.Exceeded("values", bounds)
      if (depth > 1) found[depth] = undefined
      isName = code === object
      keys[depth] = 0
      ends[depth] = isName ? 0 : inArray
      last = at + 1
    } else {
      last = endOfWord(text, at)
      if (code <= digit9 && !exact && mayDiffer(text, at, last)) {
        const literal = text.slice(at, last)
        if (root === undefined) exact = ExactNumber.isNeeded(literal)
        else {
          const number = exactOf(literal, (kept ??= new Map()))
          const end = ends[depth]!
          if (number !== undefined) {
            const within = container(found, text, keys, ends, depth)
            keep(within, end === inArray ? keys[depth]! : nameAt(text, keys[depth]!, end), number)
          }
        }
      }
      at = last - 1
    }
  }
  if (named > bounds.distinctFields && Bounds.hasMoreFields(text, bounds.distinctFields)) {
    throw new Bounds.Exceeded("distinctFields", bounds)
  }
  return { names, places, exact }
}

const space = 32
const quote = 34
const comma = 44
const minus = 45
const digit0 = 48
const digit9 = 57
const colon = 58
const array = 91
const backslash = 92
const endOfArray = 93
const object = 123
const endOfObject = 125

/** In `ends`, marks an array. */
const inArray = -1

/** The end of the string that begins at `at`. Short strings are scanned, as that is faster than searching. */
const endOfString = (text: string, at: number): number => {
  const near = at + 24
  let end = at + 1
  for (; end < near; end++) {
    const code = text.charCodeAt(end)
    if (code === quote) return end + 1
    if (code === backslash) end++
  }
  for (; ; end++) {
    end = text.indexOf('"', end)
    if (end < 0) return text.length
    let escapes = end
    while (text.charCodeAt(escapes - 1) === backslash) escapes--
    if ((end - escapes) % 2 === 0) return end + 1
  }
}

/** The end of the number, `true`, `false` or `null` that begins at `at`. */
const endOfWord = (text: string, at: number): number => {
  let end = at + 1
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end)
    if (code <= space || code === comma || code === endOfObject || code === endOfArray) break
  }
  return end
}

/** Whether a number is other than a short integer. */
const mayDiffer = (text: string, from: number, to: number): boolean => {
  if (to - from > 15) return true
  const isNegative = text.charCodeAt(from) === minus
  if (isNegative && text.charCodeAt(from + 1) === digit0) return true
  for (let at = isNegative ? from + 1 : from; at < to; at++) {
    const code = text.charCodeAt(at)
    if (code < digit0 || code > digit9) return true
  }
  return false
}

const nameAt = (text: string, from: number, to: number): string => {
  const name = text.slice(from + 1, to - 1)
  return name.includes("\\") ? unescaped(name) : name
}

/** Decodes a name that has escapes. */
const unescaped = (name: string): string => JSON.parse(`"${name}"`) as string

/** The open container at this depth, from the nearest one in `found`; null if a later duplicate replaced it. */
const container = (
  found: Array<unknown>,
  text: string,
  keys: ReadonlyArray<number>,
  ends: ReadonlyArray<number>,
  depth: number,
): unknown => {
  let level = depth
  while (found[level] === undefined) level--
  for (; level < depth; level++) {
    const end = ends[level]!
    found[level + 1] = own(found[level], end === inArray ? keys[level]! : nameAt(text, keys[level]!, end)) ?? null
  }
  return found[depth]
}

/** Replaces a parsed number by the kept one. Of a duplicate name, the last one was parsed. */
const keep = (within: unknown, key: string | number, exact: ExactNumber.ExactNumber): void => {
  const there = own(within, key)
  if (Predicate.isNumber(there) ? there === Number(exact.rawJSON) : ExactNumber.is(there)) {
    ;(within as Record<PropertyKey, unknown>)[key] = exact
  }
}

/**
 * The number of a literal if it must be kept. Equal literals share one object: a million of them would cost more than
 * everything else.
 */
const exactOf = (literal: string, kept: Map<string, ExactNumber.ExactNumber>): ExactNumber.ExactNumber | undefined => {
  const before = kept.get(literal)
  if (before !== undefined || !ExactNumber.isNeeded(literal)) return before
  const exact = ExactNumber.of(literal)
  if (kept.size < 1000) kept.set(literal, exact)
  return exact
}

const own = (value: unknown, key: string | number): unknown =>
  Predicate.isObjectOrArray(value) && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined
