import { assert, describe, it } from "@effect/vitest"
import { closestMatch, didYouMean } from "../../src/route/Suggestion.ts"

const known = ["timeout", "retry", "apiKey", "baseUrl", "concurrency", "rpm", "tpm"]

describe("Suggestion", () => {
  it("suggests the known name for a misspelt one", () => {
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

  it("suggests the most similar name", () => {
    assert.strictEqual(closestMatch("rpm", ["tpm", "rpm"]), "rpm")
    assert.strictEqual(closestMatch("sonnet-est", ["sonnet-west", "sonnet-east"]), "sonnet-west")
  })

  it("takes little time for a name of any length", () => {
    assert.isUndefined(closestMatch("a".repeat(1_000_000), known))
  })

  it("suggests nothing for a dissimilar name", () => {
    for (const name of ["hedge", "x", "region", ""]) assert.isUndefined(closestMatch(name, known), name)
  })

  it("formats the suggestion as a question", () => {
    assert.strictEqual(didYouMean("timout", known, "`"), ": did you mean `timeout`?")
    assert.strictEqual(didYouMean("region", known), "")
  })
})
