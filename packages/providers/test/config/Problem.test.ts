import { assert, describe, it } from "@effect/vitest"
import * as Problem from "@understudy/providers/config/Problem"

describe("an address in a message", () => {
  it("is shown without its userinfo and the values of its query", () => {
    assert.strictEqual(
      Problem.found("ftp://me:p@ss@host.test/v1?key=abc&v=1"),
      '"ftp://***@host.test/v1?key=***&v=***"',
    )
    assert.strictEqual(Problem.shownAddress("https://host.test/v1"), "https://host.test/v1")
    assert.strictEqual(Problem.found("me@host?a=b"), '"me@host?a=b"')
  })
})
