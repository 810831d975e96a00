import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Session from "../../src/dashboard/Session.ts"
import * as Guard from "../../src/Guard.ts"

const secret = Redacted.make("of the sessions")
const [ours, theirs] = ["sk-ours", "sk-theirs"].map((text) => Guard.key(Redacted.make(text))) as [Guard.Key, Guard.Key]

describe("Session", () => {
  const token = Session.issue(secret, ours, 1000)

  it("stands for its key until it expires", () => {
    assert.strictEqual(Session.keyOf(secret, [theirs, ours], token, 999), ours)
    assert.isUndefined(Session.keyOf(secret, [theirs, ours], token, 1000))
  })

  it("is nobody's when the key is gone, or the secret another", () => {
    assert.isUndefined(Session.keyOf(secret, [theirs], token, 0))
    assert.isUndefined(Session.keyOf(Redacted.make("another"), [ours], token, 0))
  })

  it("cannot be made to hold longer, nor be anything else", () => {
    for (const forged of [`9${token}`, token.slice(0, -1), `${token}=`, "", ".", "1000.", "sk-ours"]) {
      assert.isUndefined(Session.keyOf(secret, [ours], forged, 0), forged)
    }
  })

  it("does not hold its key", () => assert.notInclude(token, "sk-ours"))
})
