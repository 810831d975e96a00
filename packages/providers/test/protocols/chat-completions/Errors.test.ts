import { assert, describe, it } from "@effect/vitest"
import { Errors } from "@understudy/providers/protocols/chat-completions"

const nothing = { type: undefined, code: undefined, message: undefined, param: undefined, status: undefined }

describe("an upstream's error", () => {
  it("is decoded in OpenAI's shape", () => {
    assert.deepStrictEqual(
      Errors.parse('{"error":{"message":"No","type":"invalid_request_error","param":"n","code":"bad"}}'),
      { message: "No", type: "invalid_request_error", param: "n", code: "bad", status: undefined },
    )
  })

  it("is decoded flat, as a string, as a detail, or with a status as its code", () => {
    assert.deepStrictEqual(Errors.fromBody({ object: "error", message: "No", code: 404 }), {
      ...nothing,
      message: "No",
      status: 404,
    })
    assert.deepStrictEqual(Errors.fromBody({ error: "No" }), { ...nothing, message: "No" })
    assert.deepStrictEqual(Errors.fromBody({ detail: "No" }), { ...nothing, message: "No" })
    assert.deepStrictEqual(Errors.fromBody({ error: { code: 502, message: "No" } }), {
      ...nothing,
      message: "No",
      status: 502,
    })
  })

  it("may have any shape", () => {
    for (const text of ["", "<html>", "null", "[]", '"no"', '{"error":null}', '{"error":{"code":7,"message":5}}']) {
      assert.deepStrictEqual(Errors.parse(text), nothing)
    }
  })
})

describe("a client's error", () => {
  it("has OpenAI's four fields, and ours if set", () => {
    const error = { message: "No", type: "server_error", code: "upstream_error" }
    assert.deepStrictEqual(Errors.encode({ ...error, status: 502 }), { error: { ...error, param: null } })
    assert.deepStrictEqual(Errors.encode({ ...error, status: 502, param: "n", requestId: "r", attempts: [1] }), {
      error: { ...error, param: "n", request_id: "r", attempts: [1] },
    })
  })
})
