import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as YamlText from "../../src/config/YamlText.ts"

const broken = (text: string) => Result.getOrThrow(Result.flip(YamlText.parse(text)))

describe("YamlText", () => {
  it("parses", () => {
    assert.deepStrictEqual(YamlText.parse("a: [1, { b: c }]"), Result.succeed({ a: [1, { b: "c" }] }))
  })

  it("finds the line that the parser does not name", () => {
    assert.deepStrictEqual(broken("a: [1, 2]\nb:\n  - { c: 1 d: 2, e: { f: 1 } g }\nh: 1"), {
      path: "line 3",
      message: "not YAML: expected ','",
    })
    assert.deepStrictEqual(broken("a: 1\r\nb: 'never closed\r\n"), {
      path: "line 2",
      message: "not YAML: unterminated quoted YAML scalar",
    })
  })

  it("speaks of quotes only where a variable stands outside them", () => {
    assert.strictEqual(broken("a: { b: ${X} }").message, '${X} must be quoted inside { } and [ ]: write "${X}"')
    assert.strictEqual(broken("a: [${X:-y}, 1]").message, '${X:-y} must be quoted inside { } and [ ]: write "${X:-y}"')
    assert.strictEqual(broken('a: { b: "${X}" } }').message, "not YAML: unexpected flow collection content")
    assert.strictEqual(broken("a: { b: 1 } } # ${X}").message, "not YAML: unexpected flow collection content")
  })
})
