import { assert, describe, it } from "@effect/vitest"
import { Errors } from "@understudy/providers/protocols/gemini"
import * as Duration from "effect/Duration"

const rpc = (type: string, rest: object) => ({ "@type": `type.googleapis.com/google.rpc.${type}`, ...rest })

describe("fromBody", () => {
  it("reads an error's fields, in an array too", () => {
    const body = {
      error: {
        code: 429,
        message: "You exceeded your current quota",
        status: "RESOURCE_EXHAUSTED",
        details: [
          rpc("QuotaFailure", { violations: [{ quotaId: "GenerateRequestsPerDay" }, {}] }),
          rpc("ErrorInfo", { reason: "RATE_LIMIT_EXCEEDED" }),
          rpc("BadRequest", { fieldViolations: [{ field: "contents" }] }),
          rpc("RetryInfo", { retryDelay: "37.5s" }),
        ],
      },
    }
    for (const sent of [body, [body]]) {
      assert.deepStrictEqual(Errors.fromBody(sent), {
        status: 429,
        type: "RESOURCE_EXHAUSTED",
        code: "RATE_LIMIT_EXCEEDED",
        message: "You exceeded your current quota",
        param: "contents",
        quotas: ["GenerateRequestsPerDay"],
        retryAfter: Duration.millis(37_500),
      })
    }
  })

  it("accepts any value", () => {
    const nothing = Errors.parse("")
    assert.deepStrictEqual([nothing.status, nothing.message, nothing.quotas], [undefined, undefined, []])
    assert.strictEqual(Errors.parse('{"error":"No"}').message, "No")
    const retryDelay = { seconds: "2", nanos: 500_000_000 }
    const { retryAfter } = Errors.fromBody({ error: { details: [rpc("RetryInfo", { retryDelay })] } })
    assert.deepStrictEqual(retryAfter, Duration.millis(2500))
  })
})

describe("encode", () => {
  it("writes Google's error shape", () => {
    assert.deepStrictEqual(
      Errors.encode({
        status: 429,
        type: "rate_limit_error",
        code: "rate_limit_exceeded",
        message: "All rest",
        param: "model",
        requestId: "1",
        retryAfter: 1500,
        attempts: [{ deployment: "primary" }],
      }),
      {
        error: {
          code: 429,
          message: "All rest",
          status: "RESOURCE_EXHAUSTED",
          details: [
            rpc("ErrorInfo", { reason: "RATE_LIMIT_EXCEEDED", domain: "understudy", metadata: { requestId: "1" } }),
            rpc("BadRequest", { fieldViolations: [{ field: "model", description: "All rest" }] }),
            rpc("RetryInfo", { retryDelay: "2s" }),
            { "@type": "understudy/Attempts", attempts: [{ deployment: "primary" }] },
          ],
        },
      },
    )
    const status = (status: number) => Errors.encode({ status, type: "", code: "", message: "" }).error.status
    assert.deepStrictEqual([400, 401, 403, 404, 413, 500, 502, 503, 504].map(status), [
      "INVALID_ARGUMENT",
      "UNAUTHENTICATED",
      "PERMISSION_DENIED",
      "NOT_FOUND",
      "INVALID_ARGUMENT",
      "INTERNAL",
      "INTERNAL",
      "UNAVAILABLE",
      "DEADLINE_EXCEEDED",
    ])
  })
})
