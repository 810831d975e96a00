import { assert, describe, it } from "@effect/vitest"
import { interpolate, names } from "../../src/config/Interpolation.ts"

const environment = (name: string): string | undefined =>
  ({ KEY: "secret", NAME: "gpt-4o", ODD: "{ a: ${KEY} } $&" })[name]

describe("Interpolation", () => {
  it("replaces variables in all texts", () => {
    const { problems, value, variables } = interpolate(
      { a: { b: "${KEY}", list: ["x-${NAME}-${KEY}", 3, true, null] }, plain: "$KEY {KEY}" },
      environment,
    )
    assert.deepStrictEqual(value, { a: { b: "secret", list: ["x-gpt-4o-secret", 3, true, null] }, plain: "$KEY {KEY}" })
    assert.deepStrictEqual(problems, [])
    assert.deepStrictEqual(
      variables,
      new Map([
        ["a.b", ["KEY"]],
        ["a.list[0]", ["NAME", "KEY"]],
      ]),
    )
  })

  it("keeps the value of a variable as text", () => {
    assert.strictEqual(interpolate("${ODD}", environment).value, "{ a: ${KEY} } $&")
  })

  it("does not replace variables in keys", () => {
    assert.deepStrictEqual(interpolate({ "${KEY}": 1, __proto__: null }, environment).value, { "${KEY}": 1 })
  })

  it("uses the default, which may be empty", () => {
    assert.strictEqual(interpolate("${NONE:-http://127.0.0.1:80/v1}", environment).value, "http://127.0.0.1:80/v1")
    assert.strictEqual(interpolate("${NONE:-}", environment).value, "")
    assert.strictEqual(interpolate("${KEY:-other}", environment).value, "secret")
  })

  it("reports every unset variable with its path", () => {
    const { problems } = interpolate({ a: "${ONE} and ${TWO}", "b.c": ["${THREE}"] }, environment)
    assert.deepStrictEqual(
      problems.map(({ message, path }) => `${path}: ${message.split(":")[0]}`),
      [
        "a: the environment variable ONE is not set",
        "a: the environment variable TWO is not set",
        '["b.c"][0]: the environment variable THREE is not set',
      ],
    )
  })

  it("rejects invalid variables", () => {
    const messages = ["${A B}", "${}", "${1}", "${KEY"].map(
      (text) => interpolate(text, environment).problems[0]?.message,
    )
    assert.match(messages[0] ?? "", /is not a valid variable/)
    assert.match(messages[1] ?? "", /is not a valid variable/)
    assert.match(messages[2] ?? "", /is not a valid variable/)
    assert.match(messages[3] ?? "", /must be quoted/)
  })

  it("lists the variables of a document", () => {
    assert.deepStrictEqual(names({ a: "${A}${B:-x}", b: ["${A}", { c: "${C}" }], d: "${" }), new Set(["A", "B", "C"]))
  })
})
