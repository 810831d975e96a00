import { assert, describe, it } from "@effect/vitest"
import * as Keyring from "../../src/auth/Keyring.ts"

const key = (text: string) => ({ text, ...Keyring.digested(text) })

describe("Keyring", () => {
  it("finds each of ten thousand keys, and no other text", () => {
    const keys = Array.from({ length: 10_000 }, (_, index) => key(`sk-${index}`))
    const ring = new Keyring.Keyring(keys)
    for (const each of keys) assert.strictEqual(ring.find(each.text), each)
    for (const text of ["", "sk-", "sk-10000", "SK-1", " sk-1", "sk-1 "]) assert.isFalse(ring.has(text), text)
  })

  it("finds the first of two equal keys, and none in an empty keyring", () => {
    const [first, second] = [key("sk-1"), key("sk-1")]
    assert.strictEqual(new Keyring.Keyring([first, second]).find("sk-1"), first)
    assert.isTrue(new Keyring.Keyring([]).isEmpty)
    assert.isUndefined(new Keyring.Keyring([]).find("sk-1"))
  })
})
