import { assert, describe, it } from "@effect/vitest"
import * as ConfigError from "@understudy/providers/internal/config/ConfigError"

describe("an address in a message", () => {
  it("is shown without its userinfo and the values of its query", () => {
    assert.strictEqual(
      ConfigError.describeValue("ftp://me:p@ss@host.test/v1?key=abc&v=1"),
      '"ftp://***@host.test/v1?key=***&v=***"',
    )
    assert.strictEqual(ConfigError.shownAddress("https://host.test/v1"), "https://host.test/v1")
    assert.strictEqual(ConfigError.describeValue("me@host?a=b"), '"me@host?a=b"')
  })
})
