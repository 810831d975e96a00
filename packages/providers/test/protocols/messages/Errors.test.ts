import { assert, describe, it } from "@effect/vitest"
import type { ClientError } from "@understudy/providers/internal/protocols/ClientProtocol"
import { Errors } from "@understudy/providers/protocols/messages"

const nothing = { type: undefined, code: undefined, message: undefined, param: undefined, requestId: undefined }

const param = (message: string) => Errors.fromBody({ error: { message } }).param

describe("parse", () => {
  it("reads an error", () => {
    assert.deepStrictEqual(
      Errors.parse(
        JSON.stringify({
          type: "error",
          error: {
            type: "rate_limit_error",
            message: "Slow down",
            details: { error_code: "ramp_limit_exceeded" },
          },
          request_id: "req_1",
        }),
      ),
      { ...nothing, type: "rate_limit_error", code: "ramp_limit_exceeded", message: "Slow down", requestId: "req_1" },
    )
  })

  it("names the field to blame, where the message does", () => {
    assert.strictEqual(param("messages.1.content.0.text: Input should be a valid string"), "messages.1.content.0.text")
    assert.strictEqual(param("max_tokens: Field required"), "max_tokens")
    assert.strictEqual(param("Your credit balance is too low: pay"), undefined)
  })

  it("accepts any body", () => {
    for (const text of ["", "<html>", "null", "[]", '{"error":"no"}', '{"error":{"message":1,"details":null}}']) {
      assert.deepStrictEqual(Errors.parse(text), nothing)
    }
  })
})

describe("encode", () => {
  const encode = (status: number, more: Partial<ClientError> = {}) =>
    Errors.encode({ status, type: "server_error", code: "some_code", message: "No", ...more })

  it("has Anthropic's shape, and our attempts", () => {
    assert.deepStrictEqual(encode(502, { requestId: "r-1", param: "max_tokens", attempts: [{ deployment: "a" }] }), {
      type: "error",
      error: { type: "api_error", message: "No", details: { error_code: "some_code" }, param: "max_tokens" },
      request_id: "r-1",
      attempts: [{ deployment: "a" }],
    })
    assert.isNull(encode(502)["request_id"])
  })

  it("has the type of its status", () => {
    const statuses = [400, 401, 402, 403, 404, 413, 415, 421, 429, 500, 502, 503, 504, 529]
    assert.deepStrictEqual(
      statuses.map((status) => Errors.fromBody(encode(status)).type),
      [
        "invalid_request_error",
        "authentication_error",
        "billing_error",
        "permission_error",
        "not_found_error",
        "request_too_large",
        "invalid_request_error",
        "invalid_request_error",
        "rate_limit_error",
        "api_error",
        "api_error",
        "overloaded_error",
        "timeout_error",
        "overloaded_error",
      ],
    )
  })

  it("describes a prompt that is too long with the text clients look for", () => {
    assert.match(
      Errors.fromBody(encode(400, { code: "context_length_exceeded" })).message ?? "",
      /^prompt is too long: /,
    )
  })
})
