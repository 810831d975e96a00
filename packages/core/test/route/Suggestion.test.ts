import { assert, describe, it } from "@effect/vitest"
import { closestMatch, didYouMean } from "../../src/route/Suggestion.ts"

const known = ["timeout", "retry", "apiKey", "baseUrl", "concurrency", "rpm", "tpm"]

describe("Suggestion", () => {
  it("finds what was misspelt", () => {
    for (const [name, meant] of [
      ["timout", "timeout"],
      ["tiemout", "timeout"],
      ["timeouts", "timeout"],
      ["api_key", "apiKey"],
      ["API-KEY", "apiKey"],
      ["baseURL", "baseUrl"],
      ["rmp", "rpm"],
      ["conc", "concurrency"],
    ] as const) {
      assert.strictEqual(closestMatch(name, known), meant, name)
    }
  })

  it("prefers the nearest", () => {
    assert.strictEqual(closestMatch("rpm", ["tpm", "rpm"]), "rpm")
    assert.strictEqual(closestMatch("sonnet-est", ["sonnet-west", "sonnet-east"]), "sonnet-west")
  })

  it("is quick with a name of any length", () => {
    assert.isUndefined(closestMatch("a".repeat(1_000_000), known))
  })

  it("does not guess wildly", () => {
    for (const name of ["hedge", "x", "region", ""]) assert.isUndefined(closestMatch(name, known), name)
  })

  it("asks", () => {
    assert.strictEqual(didYouMean("timout", known, "`"), ": did you mean `timeout`?")
    assert.strictEqual(didYouMean("region", known), "")
  })
})
