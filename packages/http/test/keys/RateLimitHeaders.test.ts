import { assert, describe, it } from "@effect/vitest"
import { headers, resetText } from "../../src/keys/RateLimitHeaders.ts"

describe("rate limit headers", () => {
  it("report the request limit with the fewest left, and the token limit", () => {
    const standings = [
      { name: "rpm", limit: 10, remaining: 4, resetAfter: 36_000 },
      { name: "rpd", limit: 100, remaining: 3, resetAfter: 83_808_000 },
      { name: "tpm", limit: 150_000, remaining: 149_984, resetAfter: 6.4 },
    ] as const
    assert.deepStrictEqual(headers(standings), {
      "x-ratelimit-limit-requests": "100",
      "x-ratelimit-remaining-requests": "3",
      "x-ratelimit-reset-requests": "23h16m48s",
      "x-ratelimit-limit-tokens": "150000",
      "x-ratelimit-remaining-tokens": "149984",
      "x-ratelimit-reset-tokens": "7ms",
    })
    assert.deepStrictEqual(headers([]), {})
  })

  it("format durations like OpenAI", () => {
    const written = [0, 999, 1000, 1500, 60_000, 360_000, 3_600_000, 86_400_000].map(resetText)
    assert.deepStrictEqual(written, ["0ms", "999ms", "1s", "1.5s", "1m0s", "6m0s", "1h0m0s", "24h0m0s"])
  })
})
