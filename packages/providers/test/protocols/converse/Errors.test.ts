import { assert, describe, it } from "@effect/vitest"
import { Errors } from "@understudy/providers/protocols/converse"

const nothing = { name: undefined, message: undefined, status: undefined, requestId: undefined }

describe("an error", () => {
  it("is read from a body", () => {
    assert.deepStrictEqual(
      Errors.parse('{"__type":"com.amazon.coral.availability#ThrottlingException:http://x/y","Message":"Slow down"}'),
      { ...nothing, name: "ThrottlingException", message: "Slow down" },
    )
  })

  it("is read from an exception frame, named by the member", () => {
    assert.deepStrictEqual(
      Errors.fromEvent({
        kind: "exception",
        event: "modelStreamErrorException",
        data: '{"message":"Sorry","originalStatusCode":500,"originalMessage":"boom"}',
      }),
      { ...nothing, name: "ModelStreamErrorException", message: "Sorry", status: 500 },
    )
    assert.deepStrictEqual(Errors.fromEvent({ kind: "exception", event: "", data: "not JSON" }), {
      ...nothing,
      message: "not JSON",
    })
  })

  it("is read from an error frame", () => {
    assert.deepStrictEqual(Errors.fromEvent({ kind: "error", event: "InternalFailure", data: "Sorry" }), {
      ...nothing,
      name: "InternalFailure",
      message: "Sorry",
    })
  })

  it("may have any shape", () => {
    for (const text of ["", "<html>", "null", "[]", '{"message":1,"__type":null}']) {
      assert.deepStrictEqual(Errors.parse(text), nothing)
    }
  })
})
