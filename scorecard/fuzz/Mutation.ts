/** What is done to JSON, to texts and to bytes that were right. */
import type { Draw } from "./Draw.ts"
import * as Json from "./Json.ts"

type Tree = Record<string, unknown> | Array<unknown>

// ---------------------------------------------------------------------------------------------------------------------
// Odd values
// ---------------------------------------------------------------------------------------------------------------------

const raw = (text: string): Json.Raw => new Json.Raw(text)

const nested = (open: string, inner: string, close: string, depth: number): Json.Raw =>
  raw(open.repeat(depth) + inner + close.repeat(depth))

const depths = [3, 20, 150, 250, 5000, 20_000] as const

const widths = [3, 50, 1200, 20_000] as const

/** Numbers at the edges of what doubles, integers and clocks hold. */
export const numbers = [
  "0",
  "-0",
  "-1",
  "1.5",
  "1e999",
  "-1e999",
  "1e-400",
  "5e-324",
  "1.7976931348623157e308",
  "2147483648",
  "-2147483649",
  "4294967296",
  "9007199254740993",
  "18446744073709551616",
  "123456789012345678901234567890123456789012345678901234567890",
  "8640000000000001",
  "1E400",
  "00",
  "+1",
  ".5",
  "1.",
  "0x10",
  "NaN",
  "Infinity",
] as const

/** Texts that parsers of URLs, base64, templates, events and names stumble over. */
export const texts = [
  "",
  " ",
  "\u0000",
  "\ud800",
  "a\udfffb",
  "ge/a\ud800b",
  "\u{1d4b3}\u{1f3ad}",
  "\ufeff",
  "\u2028",
  "\r\n\r\n",
  "data: [DONE]\n\n",
  "event: error\ndata: {}\n\n",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "null",
  "undefined",
  "NaN",
  "-1",
  "../..",
  "a/../../b",
  "%2e%2e%2f",
  "%",
  "%ud800",
  "http://[/",
  "https://[::1",
  "https://x:99999/",
  "file:///",
  "data:",
  "data:;base64,",
  "data:image/png;base64,%%%",
  "data:image/png;base64,iVBORw0KGgo",
  "application/\u0000",
  "\u0130\u0131\u00df",
  "(a+)+$",
  "{}",
  "[[[[",
  '"',
  "\\",
  "assistant",
  "user",
  "system",
  "tool",
  "text",
  "image_url",
  "function",
  "auto",
] as const

const odd = (draw: Draw): unknown => {
  switch (draw.below(10)) {
    case 0:
      return raw(draw.one(numbers))
    case 1:
    case 2:
      return draw.one(texts)
    case 3:
      return draw.one([null, true, false, [], {}, [[]], [{}], [null], { type: null }, [[[[]]]]])
    case 4:
      return draw.chance(0.2) ? nested("[", "", "]", draw.one(depths)) : nested("[", "1", "]", 3)
    case 5:
      return draw.chance(0.2) ? nested('{"a":', "1", "}", draw.one(depths)) : nested('{"type":', '"text"', "}", 3)
    case 6:
      return draw.chance(0.2) ? raw(`[${"0,".repeat(draw.one(widths))}0]`) : raw("[0,0,0]")
    case 7:
      return draw.chance(0.2) ? wide(draw.one(widths)) : wide(3)
    case 8:
      return draw.chance(0.1) ? "x".repeat(draw.one([1000, 70_000, 300_000])) : "xxxx"
    default:
      return draw.below(1000) - 500
  }
}

const wide = (members: number): Json.Raw => {
  let object = objects.get(members)
  if (object === undefined) {
    object = raw(`{${Array.from({ length: members }, (_, index) => `"k${index}":${index}`).join()}}`)
    objects.set(members, object)
  }
  return object
}

const objects = new Map<number, Json.Raw>()

// ---------------------------------------------------------------------------------------------------------------------
// JSON
// ---------------------------------------------------------------------------------------------------------------------

/** Where a value stands. */
interface Slot {
  readonly holder: Tree
  readonly key: string | number
}

const at = ({ holder, key }: Slot): unknown => (holder as Record<string | number, unknown>)[key]

const put = ({ holder, key }: Slot, value: unknown): void => {
  Object.defineProperty(holder, key, { value, enumerable: true, writable: true, configurable: true })
}

const slotsOf = (tree: Tree, all: Array<Slot> = []): Array<Slot> => {
  for (const key of Object.keys(tree)) {
    const slot = { holder: tree, key: Array.isArray(tree) ? Number(key) : key }
    all.push(slot)
    const value = at(slot)
    if (Json.isTree(value)) slotsOf(value, all)
  }
  return all
}

/** A text that was right, with something in it that is not. */
const textual = (text: string, draw: Draw): string => {
  const place = draw.below(text.length + 1)
  switch (draw.below(6)) {
    case 0:
      return text.slice(0, place) + draw.one(texts) + text.slice(place)
    case 1:
      return text.slice(0, place)
    case 2:
      return text.toUpperCase()
    case 3:
      return draw.chance(0.1) ? text.slice(0, 50).repeat(2000) : text.slice(0, 5000).repeat(2)
    case 4:
      return ` ${text}`
    default:
      return text.slice(0, place) + String.fromCharCode(draw.below(65_536)) + text.slice(place + 1)
  }
}

const change = (root: { value: unknown }, draw: Draw): void => {
  const slots = slotsOf(root as Tree)
  const slot = slots[draw.below(slots.length)]
  if (slot === undefined) return
  const value = at(slot)
  switch (draw.below(9)) {
    case 0:
      if (Array.isArray(slot.holder)) slot.holder.splice(Number(slot.key), 1)
      else delete slot.holder[slot.key]
      return
    case 1:
    case 2:
      return put(slot, odd(draw))
    case 3:
      return put(slot, draw.one([[value], { value }, [value, value], { type: "text", text: value }]))
    case 4: {
      const other = slots[draw.below(slots.length)]
      return put(slot, other === undefined ? odd(draw) : Json.copy(at(other)))
    }
    case 5:
      if (typeof value === "string") return put(slot, textual(value, draw))
      return put(slot, typeof value === "number" ? raw(draw.one(numbers)) : Json.write(value))
    case 6:
      if (Array.isArray(slot.holder)) {
        const drawn = draw.chance(0.05) ? draw.one([300, 3000]) : 2
        const times = Math.min(drawn, Math.ceil(mostCopied / Json.lengthOf(value)))
        for (let count = 0; count < times; count++) slot.holder.push(Json.copy(value))
      } else put({ holder: slot.holder, key: draw.one(texts) }, odd(draw))
      return
    case 7:
      if (Array.isArray(slot.holder)) slot.holder.reverse()
      else {
        delete slot.holder[slot.key]
        put({ holder: slot.holder, key: draw.one(texts) }, value)
      }
      return
    default:
      if (Json.isTree(value) && !Array.isArray(value)) {
        const entries = Object.entries(value)
        const twice = entries[draw.below(entries.length)]
        put(slot, new Json.Members(twice === undefined ? entries : [...entries, [twice[0], odd(draw)]]))
      } else put(slot, odd(draw))
  }
}

/**
 * How much is copied at once, and how long a value is before it is changed no more, in characters: copies of copies would
 * be longer than a string can be. Few changes do more than double it.
 */
const mostCopied = 8_000_000

/** JSON text of a value with a few changes. */
export const json = (value: unknown, draw: Draw): string => {
  const root = { value: Json.copy(value) }
  const changes = 1 + draw.below(draw.chance(0.2) ? 8 : 3)
  for (let count = 0; count < changes && Json.lengthOf(root.value) < mostCopied; count++) change(root, draw)
  return Json.write(root.value)
}

// ---------------------------------------------------------------------------------------------------------------------
// Bytes
// ---------------------------------------------------------------------------------------------------------------------

const tokens = [
  Buffer.from("\ufeff"),
  Buffer.from([0]),
  Buffer.from([0xff]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0xf0, 0x9f]),
  Buffer.from('"\\ud800"'),
  Buffer.from("\n\n"),
  Buffer.from("\r"),
  Buffer.from("data: "),
  Buffer.from("[DONE]"),
  Buffer.from(","),
  Buffer.from("}"),
  Buffer.from("]]"),
  Buffer.from('{"'),
  Buffer.from("1e999"),
] as const

/** Bytes with a few changes. */
export const bytes = (whole: Buffer, draw: Draw): Buffer => {
  let changed = Buffer.from(whole)
  const changes = 1 + draw.below(3)
  for (let count = 0; count < changes; count++) {
    const place = draw.below(changed.length + 1)
    const length = draw.below(Math.min(200, changed.length - place) + 1)
    const before = changed.subarray(0, place)
    switch (draw.below(6)) {
      case 0:
        if (place < changed.length) changed[place] = (changed[place] ?? 0) ^ (1 << draw.below(8))
        break
      case 1:
        changed = Buffer.concat([before, changed.subarray(place + length)])
        break
      case 2:
        changed = Buffer.concat([before, draw.one(tokens), changed.subarray(place)])
        break
      case 3:
        changed = Buffer.concat([changed.subarray(0, place + length), changed.subarray(place)])
        break
      case 4:
        changed = Buffer.from(before)
        break
      default:
        changed = Buffer.concat([before, Buffer.from([draw.below(256)]), changed.subarray(place)])
    }
  }
  return changed
}
