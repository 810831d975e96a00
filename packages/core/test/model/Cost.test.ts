import { assert, describe, it } from "@effect/vitest"
import * as Cost from "../../src/model/Cost.ts"

describe("Cost.of", () => {
  it("prices cached and cache-write tokens separately from other input", () => {
    const usage = {
      inputTokens: 1_000_000,
      outputTokens: 100_000,
      cachedInputTokens: 400_000,
      cacheWriteTokens: 100_000,
    }
    const price = { input: 3, output: 15, cachedInput: 0.3, cacheWrite: 3.75 }
    assert.closeTo(Cost.of(price, usage), 0.5 * 3 + 0.4 * 0.3 + 0.1 * 3.75 + 0.1 * 15, 1e-9)
  })

  it("uses the input price for cached tokens if the price does not set one, and accepts a price of 0", () => {
    assert.strictEqual(
      Cost.of({ input: 2, output: 0 }, { inputTokens: 500_000, outputTokens: 9, cachedInputTokens: 1 }),
      1,
    )
  })
})
