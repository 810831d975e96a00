import { assert, describe, it } from "@effect/vitest"
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

  it("takes anything", () => {
    for (const text of ["", "<html>", "null", "[]", '{"error":"no"}', '{"error":{"message":1,"details":null}}']) {
      assert.deepStrictEqual(Errors.parse(text), nothing)
    }
  })
})
