import { assert, describe, it } from "@effect/vitest"
import * as RetryAfter from "@understudy/providers/transport/RetryAfter"
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

  it("prefers the finer one", () => {
    assert.strictEqual(wait({ "retry-after-ms": "40", "retry-after": "1" }), 40)
  })

  it("never waits for the past", () => {
    assert.strictEqual(wait({ "retry-after": "Wed, 31 Dec 2025 23:59:00 GMT" }), 0)
    assert.strictEqual(wait({ "retry-after": "-5" }), 0)
  })

  it("reads OpenAI's resets where nothing remains, the latest of them", () => {
    const resets = { "x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "20ms" }
    assert.isUndefined(wait(resets))
    assert.strictEqual(wait({ ...resets, "x-ratelimit-remaining-tokens": "0" }), 20)
    assert.strictEqual(
      wait({ ...resets, "x-ratelimit-remaining-tokens": "0", "x-ratelimit-remaining-requests": "0" }),
      360_000,
    )
    assert.strictEqual(wait({ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.5s" }), 1500)
  })

  it("reads Anthropic's resets where nothing remains", () => {
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

  it("takes a Headers object, and lists", () => {
    assert.strictEqual(wait(new Headers({ "Retry-After": "3" })), 3000)
    assert.strictEqual(wait({ "retry-after": ["3", "4"] }), 3000)
  })

  it("knows nothing where nothing sound is said", () => {
    for (const value of ["", " ", "soon"]) assert.isUndefined(wait({ "retry-after": value }))
    assert.isUndefined(wait({}))
    assert.isUndefined(wait({ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "later" }))
  })
})
