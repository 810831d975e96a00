import { assert, describe, it } from "@effect/vitest"
import * as NetworkError from "@understudy/providers/internal/transport/NetworkError"

const coded = (code: string, message = "it broke") => Object.assign(new Error(message), { code })

describe("classify", () => {
  for (const code of [
    "ECONNREFUSED",
    "ECONNRESET",
    "UND_ERR_SOCKET",
    "ENOTFOUND",
    "CERT_HAS_EXPIRED",
    "HPE_INVALID_VERSION",
    "UND_ERR_ABORTED",
    "UND_ERR_PRX_CONN",
    "ERR_PROXY_TUNNEL",
  ]) {
    it(`${code} is a Network error at any depth of causes`, () => {
      const failure = new Error("outer", { cause: new TypeError("terminated", { cause: coded(code) }) })
      const error = NetworkError.classify(failure)
      assert.deepStrictEqual(error?.reason, { _tag: "Network" })
      assert.strictEqual(error?.message, `${code}: it broke`)
      assert.strictEqual(error?.cause, failure)
    })
  }

  for (const said of [
    coded("UND_ERR_ABORTED", "Proxy response (407) !== 200 when HTTP Tunneling"),
    coded("UND_ERR_INVALID_ARG", "Proxy Authentication Required (407)"),
    coded("ERR_PROXY_TUNNEL", "Failed to establish tunnel to a:443 via http://127.0.0.1:1/: HTTP/1.1 407 No"),
  ]) {
    it(`${said.code}: a proxy that requires a password is an Authentication error`, () => {
      assert.deepStrictEqual(NetworkError.classify(said)?.reason, { _tag: "Authentication" })
    })
  }

  it("a tunnel that is not opened in time is a Timeout", () => {
    assert.deepStrictEqual(NetworkError.classify(coded("UND_ERR_HEADERS_TIMEOUT"))?.reason, {
      _tag: "Timeout",
      phase: "connect",
    })
  })

  it("a connection that is not opened in time is a Timeout", () => {
    assert.deepStrictEqual(NetworkError.classify(coded("UND_ERR_CONNECT_TIMEOUT"))?.reason, {
      _tag: "Timeout",
      phase: "connect",
    })
  })

  it("the code decides, not the error's name", () => {
    const failure = Object.assign(coded("ECONNRESET", ""), { name: "TimeoutError" })
    assert.strictEqual(NetworkError.classify(failure)?.message, "ECONNRESET")
  })

  for (const code of ["UND_ERR_HEADERS_OVERFLOW", "HPE_HEADER_OVERFLOW"]) {
    it(`${code}: an unreadable response is Malformed, and its code is named`, () => {
      const error = NetworkError.classify(new Error("", { cause: coded(code, "") }))
      assert.deepStrictEqual(error?.reason, { _tag: "Malformed" })
      assert.strictEqual(error?.message, code)
    })
  }

  it("other errors are left to the vendors", () => {
    for (const failure of [new Error("no"), coded("invalid_api_key"), "no", undefined, null, 5]) {
      assert.isUndefined(NetworkError.classify(failure))
    }
    const circle: { cause?: unknown } = {}
    circle.cause = circle
    assert.isUndefined(NetworkError.classify(circle))
  })
})

describe("orUnexpected", () => {
  const said = (failure: unknown) => NetworkError.orUnexpected(failure).message

  it("uses the first message among the causes", () => {
    assert.strictEqual(said(new Error("it broke")), "it broke")
    assert.strictEqual(said(new Error("", { cause: coded("EWHAT", "") })), "EWHAT")
    assert.strictEqual(said(new Error("", { cause: coded("EWHAT", "what it was") })), "EWHAT: what it was")
    assert.strictEqual(said(new Error("", { cause: coded("EWHAT", "connect EWHAT") })), "connect EWHAT")
    assert.strictEqual(said(new TypeError("")), "TypeError")
    assert.strictEqual(said("bare words"), "bare words")
  })

  it("the message is never empty", () => {
    for (const failure of ["", undefined, null, {}, { message: "" }, { message: 5, code: 5 }])
      assert.isNotEmpty(said(failure))
  })
})
