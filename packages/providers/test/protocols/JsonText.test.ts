import { assert, describe, it } from "@effect/vitest"
import * as ExactNumber from "@understudy/providers/internal/protocols/ExactNumber"
import * as JsonText from "@understudy/providers/internal/protocols/JsonText"
import * as RandomJson from "./RandomJson.ts"

const record = (text: string) => JsonText.parse(text) as Record<string, unknown>

describe("JsonText", () => {
  it.prop("parses like JSON.parse, and keeps numbers it would change", [RandomJson.ambiguous], ([text]) => {
    const read = JsonText.parse(text)
    const plain = (value: unknown): unknown => {
      if (ExactNumber.is(value)) return Number(value.rawJSON)
      if (Array.isArray(value)) return value.map(plain)
      if (typeof value !== "object" || value === null) return value
      return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]))
    }
    assert.deepStrictEqual(plain(read), plain(JSON.parse(text)))
  })

  it.prop("prints every number as written", [RandomJson.object], ([text]) => {
    assert.deepStrictEqual(RandomJson.literals(JSON.stringify(JsonText.parse(text))), RandomJson.literals(text))
  })

  it.prop("prints unchanged members byte for byte", [RandomJson.object, RandomJson.object], ([first, second]) => {
    const text = `{"model" : "a", "x":${first} ,"list": [ 1.0,${second}, "\\u0041" ],"stream":true}`
    const body = record(text)
    assert.strictEqual(JsonText.print({ ...body }, body), text)
    const { stream: _, ...rest } = body
    assert.strictEqual(
      JsonText.print({ ...rest, model: "b", more: [1] }, body),
      `{"model" : "b","x":${first} ,"list": [ 1.0,${second}, "\\u0041" ],"more":[1]}`,
    )
    const inner = second.slice(1, -1).trim()
    const [one, two, three] = body["list"] as Array<object>
    assert.strictEqual(
      JsonText.print({ ...rest, list: [one, { ...two, new: 0 }, three] }, body),
      `{"model" : "a", "x":${first},"list": [1.0,{${inner === "" ? "" : `${inner},`}"new":0},"\\u0041"]}`,
    )
    assert.strictEqual(
      JsonText.print({ ...rest, list: [two, "new"] }, body),
      `{"model" : "a", "x":${first},"list": [${second},"new"]}`,
    )
  })

  it.prop(
    "prints JSON equal to that of JSON.stringify",
    [RandomJson.ambiguous, RandomJson.ambiguous],
    ([before, after]) => {
      const source = record(before)
      const value = { ...source, ...record(after), gone: undefined }
      assert.deepStrictEqual(JSON.parse(JsonText.print(value, source)), JSON.parse(JSON.stringify(value)))
      assert.deepStrictEqual(JSON.parse(JsonText.print({}, source)), {})
      // Any member is replaced by any value.
      const changed = Object.fromEntries(Object.keys(source).map((name) => [name, value]))
      assert.deepStrictEqual(JSON.parse(JsonText.print(changed, source)), JSON.parse(JSON.stringify(changed)))
    },
  )

  it("keeps the last of duplicate members", () => {
    const body = record(`{"a":1.0,"b":{"x":1e400},"a":2.0,"b":{"y":3.0}}`)
    assert.strictEqual(JSON.stringify(body), `{"a":2.0,"b":{"y":3.0}}`)
    assert.strictEqual(JsonText.print({ ...body, c: 1 }, body), `{"a":2.0,"b":{"y":3.0},"c":1}`)
  })

  it("keeps a lone number, and throws like JSON.parse", () => {
    assert.strictEqual(JSON.stringify(JsonText.parse(" 1e400 ")), "1e400")
    assert.strictEqual(JsonText.parse("12"), 12)
    for (const text of ["", "{", "[1,]", "01", "{a:1}", "nul"]) assert.throws(() => JsonText.parse(text), SyntaxError)
  })

  it("parses deep and wide texts in proportional time", () => {
    const nested = (depth: number) => `${"[1.0,".repeat(depth)}0${"]".repeat(depth)}`
    const deep = `{"deep":[${Array.from({ length: 200 }, () => nested(998)).join()}],"model":"a"}`
    const source = record(deep)
    assert.strictEqual(JsonText.print({ ...source, model: "b" }, source), deep.replace(`"a"`, `"b"`))
    assert.strictEqual(JSON.stringify(source), deep)
    assert.throws(() => JsonText.parse(nested(1001)), /nested deeper than 1000 levels/)
    const wide = `{${Array.from({ length: 200_000 }, (_, index) => `"n${index}":1.0`).join()},"n0":2.0}`
    const many = record(wide)
    assert.strictEqual(JsonText.print({ ...many, n1: 3 }, many), wide.replace(`"n0":1.0,"n1":1.0`, `"n1":3`))
  })

  it("prints values of another origin like JSON.stringify", () => {
    assert.strictEqual(JsonText.print({ a: 1 }, undefined), `{"a":1}`)
    assert.strictEqual(JsonText.print({ a: 1 }, { a: 1 }), `{"a":1}`)
  })
})
