import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as YamlText from "../../src/config/YamlText.ts"

const broken = (text: string) => Result.getOrThrow(Result.flip(YamlText.parse(text)))

describe("YamlText", () => {
  it("parses", () => {
    assert.deepStrictEqual(YamlText.parse("a: [1, { b: c }]"), Result.succeed({ a: [1, { b: "c" }] }))
  })

  it("finds the line of an error that the parser reports without one", () => {
    assert.deepStrictEqual(broken("a: [1, 2]\nb:\n  - { c: 1 d: 2, e: { f: 1 } g }\nh: 1"), {
      path: "line 3",
      message: "not YAML: expected ','",
    })
    assert.deepStrictEqual(broken("a: 1\r\nb: 'never closed\r\n"), {
      path: "line 2",
      message: "not YAML: unterminated quoted YAML scalar",
    })
  })

  it("suggests quotes only for a variable outside of quotes", () => {
    assert.strictEqual(broken("a: { b: ${X} }").message, '${X} must be quoted inside { } and [ ]: write "${X}"')
    assert.strictEqual(broken("a: [${X:-y}, 1]").message, '${X:-y} must be quoted inside { } and [ ]: write "${X:-y}"')
    assert.strictEqual(broken('a: { b: "${X}" } }').message, "not YAML: unexpected flow collection content")
    assert.strictEqual(broken("a: { b: 1 } } # ${X}").message, "not YAML: unexpected flow collection content")
  })
})

describe("YamlText.print", () => {
  it("writes sections and entries on separate lines, and other mappings inline where they fit", () => {
    const document = {
      server: { port: 4000 },
      deployments: {
        short: { provider: "openai", model: "gpt-4o:x", apiKey: "${KEY}", timeout: { attempt: "1.5s" }, on: "on" },
        long: { provider: "openai", model: "m".repeat(70), headers: { "x-a": "b ".repeat(20) }, list: [], empty: {} },
      },
      routes: { "a/*": ["short", { balance: "shuffle", across: ["short", "long"] }, "m".repeat(100)], b: "short" },
    }
    const text = YamlText.print(document)
    assert.strictEqual(
      text,
      `server:
  port: 4000
deployments:
  short: { provider: openai, model: "gpt-4o:x", apiKey: "\${KEY}", timeout: { attempt: 1.5s }, "on": "on" }
  long:
    provider: openai
    model: ${"m".repeat(70)}
    headers: { x-a: "${"b ".repeat(20)}" }
    list: []
    empty: {}
routes:
  "a/*":
    - short
    - { balance: shuffle, across: [short, long] }
    - ${"m".repeat(100)}
  b: short
`,
    )
    assert.deepStrictEqual(YamlText.parse(text), Result.succeed(document))
  })

  const Flat = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Schema.Null])
  const Texts = Schema.Array(Flat)
  const Inner = Schema.Record(
    Schema.String,
    Schema.Union([Flat, Texts, Schema.Array(Schema.Record(Schema.String, Texts))]),
  )
  const Document = Schema.Record(Schema.String, Schema.Union([Flat, Texts, Inner, Schema.Record(Schema.String, Inner)]))

  it.prop("round-trips any document", [Document], ([section]) => {
    // Neither YAML nor JSON tells 0 from -0.
    const document = JSON.parse(JSON.stringify({ section, ...section }))
    assert.deepStrictEqual(YamlText.parse(YamlText.print(document)), Result.succeed(document))
  })
})
