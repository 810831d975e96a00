import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Session from "../../src/auth/Session.ts"
import * as Keyring from "../../src/auth/Keyring.ts"

const secret = Redacted.make("of the sessions")
const [ours, theirs] = ["sk-ours", "sk-theirs"].map((text) => Keyring.operator(Redacted.make(text))) as [
  Keyring.Key,
  Keyring.Key,
]

describe("Session", () => {
  const sessions = new Session.Sessions(secret, new Keyring.Keyring([theirs, ours]))
  const token = sessions.issue(ours, 1000)

  it("stands for its key until it expires", () => {
    assert.strictEqual(sessions.keyOf(token, 999), ours)
    assert.isUndefined(sessions.keyOf(token, 1000))
  })

  it("is valid at any gateway with the same secret", () => {
    assert.strictEqual(new Session.Sessions(secret, new Keyring.Keyring([ours])).keyOf(token, 0), ours)
  })

  it("is invalid without its key or with another secret", () => {
    assert.isUndefined(new Session.Sessions(secret, new Keyring.Keyring([theirs])).keyOf(token, 0))
    assert.isUndefined(new Session.Sessions(Redacted.make("another"), new Keyring.Keyring([ours])).keyOf(token, 0))
  })

  it("ends with a key that is removed, and begins with one that is added", () => {
    const keys = new Keyring.Keyring([theirs], true)
    const changing = new Session.Sessions(secret, keys)
    const stored = { virtualKey: { id: "k" }, teamId: undefined, digest: ours.digest, length: 7, previous: undefined }
    assert.isUndefined(changing.keyOf(token, 0))
    keys.put(stored)
    assert.strictEqual(changing.keyOf(token, 0)?.virtualKey?.id, "k")
    keys.remove("k")
    assert.isUndefined(changing.keyOf(token, 0))
  })

  it("cannot be extended, moved to another key, or altered", () => {
    const [expires, nonce, mark, signature] = token.split(".")
    const other = sessions.issue(theirs, 1000).split(".")[2]
    const forged = [`${expires}.${nonce}.${other}.${signature}`, `9${token}`, token.slice(0, -1), `${token}=`, "", "."]
    for (const each of [...forged, "1000.", "sk-ours", `${expires}.${nonce?.toUpperCase()}.${mark}.${signature}`]) {
      assert.isUndefined(sessions.keyOf(each, 0), each)
    }
  })

  it("does not contain its key", () => assert.notInclude(token, "sk-ours"))

  it("ends when its browser signs out; other sessions of the key stay valid", () => {
    const [first, second] = [sessions.issue(ours, 1000), sessions.issue(ours, 1000)]
    assert.strictEqual(sessions.end(first, 0), ours)
    assert.isUndefined(sessions.keyOf(first, 0))
    assert.strictEqual(sessions.keyOf(second, 0), ours)
    assert.isUndefined(sessions.end(first, 0))
    assert.isUndefined(sessions.end("none", 0))
  })

  it("stays ended when many are: a forgotten one ends all that expire no later", () => {
    const many = new Session.Sessions(secret, new Keyring.Keyring([ours]))
    const tokens = Array.from({ length: 10_001 }, (_, index) => many.issue(ours, 1000 + index))
    const later = many.issue(ours, 20_000)
    for (const each of tokens) many.end(each, 0)
    assert.isTrue(tokens.every((each) => many.keyOf(each, 0) === undefined))
    assert.strictEqual(many.keyOf(later, 0), ours)
  })
})
