import { assert, describe, it } from "@effect/vitest"
import * as RetryAfter from "@understudy/providers/internal/transport/RetryAfter"
import * as Duration from "effect/Duration"

const now = Date.parse("2026-01-01T00:00:00Z")

const wait = (headers: RetryAfter.Headers) => {
  const duration = RetryAfter.parse(headers, now)
  return duration === undefined ? undefined : Duration.toMillis(duration)
}

describe("parse", () => {
  it("reads seconds, dates and milliseconds", () => {
    assert.strictEqual(wait({ "retry-after": "3" }), 3000)
    assert.strictEqual(wait({ "retry-after": "0.5" }), 500)
    assert.strictEqual(wait({ "retry-after": "Thu, 01 Jan 2026 00:00:07 GMT" }), 7000)
    assert.strictEqual(wait({ "retry-after-ms": "40" }), 40)
  })

  it("prefers milliseconds to seconds", () => {
    assert.strictEqual(wait({ "retry-after-ms": "40", "retry-after": "1" }), 40)
  })

  it("a time in the past is no wait", () => {
    assert.strictEqual(wait({ "retry-after": "Wed, 31 Dec 2025 23:59:00 GMT" }), 0)
    assert.strictEqual(wait({ "retry-after": "-5" }), 0)
  })

  it("reads the latest of OpenAI's resets with nothing remaining", () => {
    const resets = { "x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "20ms" }
    assert.isUndefined(wait(resets))
    assert.strictEqual(wait({ ...resets, "x-ratelimit-remaining-tokens": "0" }), 20)
    assert.strictEqual(
      wait({ ...resets, "x-ratelimit-remaining-tokens": "0", "x-ratelimit-remaining-requests": "0" }),
      360_000,
    )
    assert.strictEqual(wait({ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.5s" }), 1500)
  })

  it("reads Anthropic's resets with nothing remaining", () => {
    const resets = { "anthropic-ratelimit-input-tokens-reset": "2026-01-01T00:00:09Z" }
    assert.isUndefined(wait({ ...resets, "anthropic-ratelimit-input-tokens-remaining": "12" }))
    assert.strictEqual(wait({ ...resets, "anthropic-ratelimit-input-tokens-remaining": "0" }), 9000)
  })

  it("prefers Retry-After to a reset", () => {
    assert.strictEqual(
      wait({ "retry-after": "1", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9s" }),
      1000,
    )
  })

  it("accepts a Headers object, and lists of values", () => {
    assert.strictEqual(wait(new Headers({ "Retry-After": "3" })), 3000)
    assert.strictEqual(wait({ "retry-after": ["3", "4"] }), 3000)
  })

  it("ignores headers without a valid value", () => {
    for (const value of ["", " ", "soon"]) assert.isUndefined(wait({ "retry-after": value }))
    assert.isUndefined(wait({}))
    assert.isUndefined(wait({ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "later" }))
  })
})

describe("parse and fromMessage", () => {
  const after = (value: string) => wait({ "retry-after": value })
  const day = RetryAfter.longest

  it.each([
    ["0", 0],
    [" 120 ", 120_000],
    ["1.5", 1500],
    [".5", 500],
    ["+3", 3000],
    ["-0.1", 0],
    ["-99999999999999999999", 0],
    ["99999999999999999999", day],
    [`1${"0".repeat(300)}`, day],
    ["31536000", day],
    // Seconds and milliseconds since 1970.
    [String(now / 1000 + 60), 60_000],
    [String(now + 60_000), 60_000],
    ["1m3.5s", 63_500],
    ["20s", 20_000],
    ["250ms", 250],
    ["2 minutes", 120_000],
    // RFC 9110's obsolete forms.
    ["Thursday, 01-Jan-26 00:00:07 GMT", 7000],
    ["Thu Jan  1 00:00:07 2026", 7000],
    ["Sunday, 06-Nov-94 08:49:37 GMT", 0],
    ["Thu, 01 Jan 2026 00:00:07 UTC", 7000],
    ["thu, 1 jan 2026 00:00:07 gmt", 7000],
    ["2026-01-01T00:00:07Z", 7000],
    ["2026-01-01T01:00:07+01:00", 7000],
    ["2026-01-01T00:00:07.250Z", 7250],
    ["2026-01-01 00:00:07", 7000],
    ["Fri, 01 Jan 2126 00:00:07 GMT", day],
  ] as const)("%s is %d ms", (value, expected) => {
    assert.strictEqual(after(value), expected)
  })

  it.each([
    "",
    "soon",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1e3",
    "0x10",
    `1${"0".repeat(400)}`,
    "garbage 12",
    "12 monkeys",
    "3, later",
    "Thu, 45 Jan 2026 00:00:07 GMT",
    "Thu, 01 Foo 2026 00:00:07 GMT",
    "2026-13-01T00:00:00Z",
    "null",
    "undefined",
    "[object Object]",
  ])("%s is nothing", (value) => {
    assert.isUndefined(after(value))
    assert.isUndefined(wait({ "retry-after-ms": value }))
  })

  it("try the next form if one is unreadable", () => {
    assert.strictEqual(wait({ "retry-after-ms": "NaN", "retry-after": "2" }), 2000)
    assert.strictEqual(
      wait({ "retry-after": "later", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9s" }),
      9000,
    )
  })

  it("bound milliseconds too", () => {
    assert.strictEqual(wait({ "retry-after-ms": "-5" }), 0)
    assert.strictEqual(wait({ "retry-after-ms": "1e400", "retry-after": "1" }), 1000)
    assert.strictEqual(wait({ "retry-after-ms": "99999999999999" }), day)
    assert.strictEqual(wait({ "retry-after-ms": "40.5" }), 40.5)
  })

  it("read other vendors' resets with nothing remaining", () => {
    const reset = (name: string, value: string, remaining = "0") =>
      wait({ [`${name}-remaining`]: remaining, [`${name}-reset`]: value })
    assert.strictEqual(reset("ratelimit", "30"), 30_000)
    assert.isUndefined(reset("ratelimit", "30", "1"))
    assert.strictEqual(wait({ "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(now + 4000) }), 4000)
    assert.strictEqual(
      wait({ "x-ratelimit-remaining-tokens-minute": "0", "x-ratelimit-reset-tokens-minute": "11.38" }),
      11_380,
    )
    assert.strictEqual(
      wait({
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": String(now / 1000 + 90),
      }),
      90_000,
    )
  })
})

describe("fromMessage", () => {
  const words = (message: string) => {
    const duration = RetryAfter.fromMessage(message, now)
    return duration === undefined ? undefined : Duration.toMillis(duration)
  }

  it.each([
    ["Rate limit reached for gpt-4o. Please try again in 1m3.5s. Visit https://example.com", 63_500],
    ["Please retry in 12.3s.", 12_300],
    ["Please try again in 20ms.", 20],
    ["Please try again in 6m0s", 360_000],
    ["Try again in 5 seconds. Passed model=x", 5000],
    ["Requests have exceeded call rate limit. Please retry after 6 seconds.", 6000],
    ["Please retry your request after 6 seconds.", 6000],
    ["Too many requests: retry after 30", 30_000],
    ["Please wait 30 seconds and try again", 30_000],
    ["You must wait for at least 2 minutes", 120_000],
    ["Your quota will reset after 1h2m3s.", 3_723_000],
    ["The limit resets in 1 hour and 5 minutes", 3_900_000],
    ["It will be available in about 10 s", 10_000],
    ["try again in 1 day", 86_400_000],
    ["try again in 400 days", RetryAfter.longest],
    ["try again in 999999999999999h", RetryAfter.longest],
    ["Quota exceeded, resets at 2026-01-01T00:00:40Z", 40_000],
    ["Your limit will reset at 2026-01-01 00:01 UTC.", 60_000],
    ["Limit reached. Reset at 2026-01-01T01:00:40+01:00", 40_000],
    ["You can try again at Thu, 01 Jan 2026 00:00:07 GMT", 7000],
    [`resets at ${now / 1000 + 5}`, 5000],
    ["resets at 2020-01-01T00:00:00Z", 0],
    ["resets at 2999-01-01T00:00:00Z", RetryAfter.longest],
    ['GeminiException - {"error":{"details":[{"retryDelay":"37s"}]}}', 37_000],
    ['{\\"retryDelay\\": \\"0.5s\\"}', 500],
  ] as const)("%s", (message, expected) => {
    assert.strictEqual(words(message), expected)
  })

  it.each([
    "Please try again later.",
    "try again in a few minutes",
    "try again in 2 tries",
    "Limit 30000, used 29000, requested 2000 in 60s",
    "The model gpt-4o was retried 3 times",
    "retry after 30%",
    "resets at midnight",
    "max_tokens must be at least 1",
    "resets at 2026-99-99T00:00:00Z",
  ])("%s says nothing", (message) => {
    assert.isUndefined(words(message))
  })

  it("searches long messages quickly", () => {
    assert.isUndefined(words(`again ${"in ".repeat(100_000)}`))
    assert.isUndefined(words("9".repeat(100_000)))
    assert.isUndefined(words(`try again in ${"1m".repeat(3000)}x`.replace("1m", "in")))
  })
})
