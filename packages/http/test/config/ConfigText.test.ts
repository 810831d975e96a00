import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ConfigText from "../../src/config/ConfigText.ts"

const problem = (text: string) => Effect.flip(ConfigText.parse(text))

describe("the text of a configuration", () => {
  it.effect("is YAML, JSON with any indentation, or TOML", () =>
    Effect.gen(function* () {
      const texts: ReadonlyArray<readonly [text: string, syntax: string, value: unknown]> = [
        ["# A comment\na: { b: 1 }\n", "yaml", { a: { b: 1 } }],
        ["- a\n- b\n", "yaml", ["a", "b"]],
        ['{\n\t"a": {\n\t\t"b": 1\n\t}\n}', "yaml", { a: { b: 1 } }],
        ["{ a: 1, b: two }", "yaml", { a: 1, b: "two" }],
        ["# A comment\n\n[a.b]\nc = 1\n", "toml", { a: { b: { c: 1 } } }],
        ["[[a]] # a table\nb = 2025-01-02T03:04:05Z\n", "toml", { a: [{ b: "2025-01-02T03:04:05.000Z" }] }],
        ['a."b c" = [1, 2]\n', "toml", { a: { "b c": [1, 2] } }],
      ]
      for (const [text, syntax, value] of texts) {
        assert.deepStrictEqual<unknown>(yield* ConfigText.parse(text), { syntax, value }, text)
      }
    }),
  )

  it.effect("that cannot be read is reported with its line, and quotes nothing of it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problem("[a]\nb = 1\nb = secret\n"), {
        path: "line 3",
        message: "not TOML: this line cannot be read",
      })
      const json = yield* problem('{ "key": "secret", ')
      assert.match(json.message, /^not JSON: /)
      assert.notInclude(json.message, "secret")
      assert.strictEqual((yield* problem("a: [1")).path, "line 1")
    }),
  )
})
