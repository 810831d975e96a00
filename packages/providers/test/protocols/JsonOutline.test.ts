import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as JsonOutline from "@understudy/providers/internal/protocols/JsonOutline"
import * as JsonText from "@understudy/providers/internal/protocols/JsonText"
import * as RandomJson from "./RandomJson.ts"

/** What strings consist of, as JSON: short and long, with escapes at every place of a block of 16 bytes. */
const parts = [
  "a",
  "word ",
  "x".repeat(15),
  "x".repeat(16),
  "lorem ipsum ".repeat(12),
  "\\n",
  '\\"',
  "\\\\",
  "\\u00e9",
  "\\ud83c\\udfad",
  "é",
  "漢字",
  "🎭",
  " ",
  "}, {",
  "\\u0001",
  "\\/",
]

const integers = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 })))

const string = (choices: ReadonlyArray<number>): string =>
  `"${choices.map((choice) => parts[choice % (choice > 990 ? parts.length : parts.length - 2)]).join("")}"`

const names = ["content", "text", "description", "arguments", "instructions", "output", "system", "c\\u006fntent", "id"]

/** A conversation with white space: texts in fields that are shortened, in others, in lists, under duplicate names. */
const body: Arbitrary.Arbitrary<string> = Arbitrary.map(
  Arbitrary.schema(
    Schema.Array(
      Schema.Struct({ name: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 99 })), text: integers }),
    ),
  ),
  (members) =>
    `{"model" : "a",\n "list": [${members
      .map(({ name, text }, index) => {
        const key = names[name % names.length]!
        switch (index % 4) {
          case 0:
            return `{"${key}" :${string(text)}, "n":1.0}`
          case 1:
            return `{"${key}":[${string(text)} , {"${key}":\t${string(text)}}]}`
          case 2:
            return `{"${key}":${string(text)},"${key}":${string([...text, 4, 4])}}`
          default:
            return string([...text, 4])
        }
      })
      .join(", ")}],"content":${string([0, ...members.flatMap(({ text }) => text), 4])}}`,
)

const restored = (value: unknown, outline: JsonOutline.JsonOutline): unknown => {
  if (typeof value === "string") return JsonOutline.restore(value, outline)
  if (Array.isArray(value)) return value.map((each) => restored(each, outline))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, restored(each, outline)]))
}

/** The length of all strings, also of duplicate members. */
const lengthOf = (text: string): number =>
  RandomJson.tokens(text).reduce(
    (sum, token) => sum + (token.startsWith('"') ? (JSON.parse(token) as string).length : 0),
    0,
  )

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

describe("JsonOutline", () => {
  it.prop("has the structure of its text, and restores every string", [body], ([text]) => {
    const outline = JsonOutline.of(Buffer.from(text))
    if (outline === undefined) return assert.include(text, "\\u0001")
    assert.isBelow(outline.text.length, text.length)
    const short: unknown = JSON.parse(outline.text)
    const whole: unknown = JSON.parse(text)
    assert.deepStrictEqual(restored(short, outline), whole)
    assert.strictEqual(lengthOf(text) - lengthOf(outline.text), outline.characters)
  })

  it.prop(
    "is valid only if its text is, whatever byte is added, removed or changed",
    [body, integers.check(Schema.isMinLength(3))],
    ([text, [at = 0, kind = 0, byte = 0]]) => {
      const bytes = Buffer.from(text)
      const place = Math.floor((at / 1001) * bytes.length)
      const added = Buffer.from([[34, 92, 10, 0x31, 0xc3, 0x80, 117, 44, 123, 93][byte % 10]!])
      const changed = Buffer.concat([
        bytes.subarray(0, place),
        ...(kind % 3 === 0 ? [] : [added]),
        bytes.subarray(kind % 3 === 1 ? place : place + 1),
      ])
      const outline = JsonOutline.of(changed)
      if (outline === undefined) return
      assert.isTrue(new TextDecoder("utf-8", { fatal: true }).decode(changed) !== "")
      assert.deepStrictEqual(restored(parsed(outline.text), outline), parsed(changed.toString()))
    },
  )

  it.prop("prints a changed body as from its whole text", [body, RandomJson.object], ([text, other]) => {
    const outline = JsonOutline.of(Buffer.from(text))
    if (outline === undefined) return
    const short = JsonText.parse(outline.text) as Record<string, unknown>
    const whole = JsonText.parse(text) as Record<string, unknown>
    const change = (source: Record<string, unknown>): object => {
      const { list, ...rest } = source
      const [first, ...others] = list as Array<unknown>
      const changed = typeof first === "object" ? { ...first, id: "new" } : first
      return { ...rest, model: "bé", more: JSON.parse(other), list: first === undefined ? [] : [changed, ...others] }
    }
    assert.strictEqual(
      JsonOutline.print(change(short), short, outline)?.toString(),
      JsonText.print(change(whole), whole),
    )
    assert.strictEqual(JsonOutline.print({ ...short }, short, outline)?.toString(), text)
    // A list of another length, its objects in another order.
    const reverse = (source: Record<string, unknown>): object => {
      const list = source["list"] as ReadonlyArray<unknown>
      return {
        ...source,
        list: [...list.map(() => 0), ...list.filter((each) => typeof each === "object").reverse(), 1],
      }
    }
    assert.strictEqual(
      JsonOutline.print(reverse(short), short, outline)?.toString(),
      JsonText.print(reverse(whole), whole),
    )
  })

  it("does not print a shortened string in a new place", () => {
    const outline = JsonOutline.of(Buffer.from(JSON.stringify({ content: "word ".repeat(40) })))!
    const short = JsonText.parse(outline.text) as Record<string, unknown>
    assert.isUndefined(JsonOutline.print({ moved: short["content"] }, short, outline))
    assert.isUndefined(JsonOutline.print({ content: { text: short["content"] } }, short, outline))
    assert.isDefined(JsonOutline.print({ content: "other" }, short, outline))
  })

  it.prop("writes any value that is made of it with the whole strings", [body], ([text]) => {
    const outline = JsonOutline.of(Buffer.from(text))
    if (outline === undefined) return
    const made = (value: unknown) => {
      const { content, list } = value as { readonly content: string; readonly list: unknown }
      return { moved: { content }, joined: `é ${content}\n${content} end`, twice: [list, list] }
    }
    const written = JsonOutline.write(made(JSON.parse(outline.text)), outline)
    assert.deepStrictEqual(parsed(written?.toString() ?? ""), made(JSON.parse(text)))
  })

  it("does not write a shortened string that was cut, or escaped again", () => {
    for (const first of ["w", '"', "é"]) {
      const outline = JsonOutline.of(Buffer.from(JSON.stringify({ content: `${first}${"word ".repeat(40)}` })))!
      const { content } = JSON.parse(outline.text) as { readonly content: string }
      assert.isDefined(JsonOutline.write({ content }, outline))
      for (const changed of [content.slice(0, -1), `${content.slice(0, -1)}z`, JSON.stringify({ content })]) {
        assert.isUndefined(JsonOutline.write({ changed }, outline))
      }
    }
  })

  it("keeps the beginning of a string, and blank or short strings", () => {
    const shortOf = (text: string) =>
      JsonOutline.of(Buffer.from(JSON.stringify({ text, content: "word ".repeat(40) })))?.text
    assert.match(shortOf("data:image/png;base64,".repeat(9)) ?? "", /^\{"text":"data:image\/png;b\\u0001[a-p]{6}",/)
    for (const kept of [" ".repeat(200), "\u3000".repeat(99), "\u00a0".repeat(99)]) assert.include(shortOf(kept), kept)
    for (const word of ["漢字", "é", "🎭", "  é", "\u05d0"]) assert.notInclude(shortOf(word.repeat(99)), word.repeat(2))
    assert.include(shortOf("x".repeat(60)), "x".repeat(60))
  })

  it("has no outline of invalid UTF-8 or invalid strings", () => {
    const of = (inside: string | Buffer) =>
      JsonOutline.of(
        Buffer.concat([Buffer.from(`{"content":"${"x".repeat(99)}`), Buffer.from(inside), Buffer.from(`"}`)]),
      )
    assert.isDefined(of("\\ud800"))
    for (const inside of [Buffer.of(0xff), Buffer.of(0xc3), "\n", "\\x", "\\u12g4", "\\u123"])
      assert.isUndefined(of(inside))
    for (const cut of ['{"content":"x', '{"content":"x\\', '{"content":"x\\u00', '{"content":"'])
      assert.isUndefined(JsonOutline.of(Buffer.from(cut + "y".repeat(0))))
  })
})
