import { assert, describe, it } from "@effect/vitest"
import * as ToolIds from "@understudy/providers/internal/protocols/ToolIds"
import * as Schema from "effect/Schema"

const signature = { issuer: "google", value: "c2lnbmVk+/=" }
const acceptable = /^[\w-]+$/

describe("tool call ids for clients", () => {
  it("are the vendor's own if every vendor accepts them", () => {
    assert.strictEqual(ToolIds.write("toolu_01-a", undefined), "toolu_01-a")
    assert.deepStrictEqual(ToolIds.read("toolu_01-a"), { id: "toolu_01-a" })
  })

  it.prop("are accepted by every vendor, and restored for their issuer", [Schema.String], ([text]) => {
    const id = text.toWellFormed()
    for (const sealed of [undefined, signature]) {
      const written = ToolIds.write(id, sealed)
      assert.match(written, acceptable)
      assert.deepStrictEqual(ToolIds.read(written), sealed === undefined ? { id } : { id, signature: sealed })
    }
  })

  it.prop("are restored for their endpoint, and fit any other", [Schema.String], ([text]) => {
    const id = text.toWellFormed()
    const rules: ReadonlyArray<ToolIds.Rule> = [
      { longest: 40 },
      { longest: 40, lenient: true },
      { longest: 64, plain: true },
      { plain: true },
      { exactly: 9 },
    ]
    const issuers = rules.map((ids, index) => ({ name: `h${index}`, ids }))
    for (const issuer of issuers) {
      const given = ToolIds.from(id, issuer)
      const { id: returned } = ToolIds.read(ToolIds.write(given, undefined))
      assert.strictEqual(ToolIds.toward(returned, issuer), id)
      for (const other of issuers) {
        if (other === issuer) continue
        const told = ToolIds.toward(returned, other)
        const { exactly, lenient, longest = Infinity, plain } = other.ids
        if (exactly !== undefined) assert.match(told, /^[a-zA-Z0-9]{9}$/)
        if (plain === true) assert.match(told, acceptable)
        if (lenient !== true) assert.isAtMost(told.length, longest)
        assert.strictEqual(ToolIds.toward(returned, other), told)
      }
    }
  })

  it("keep the signatures of a gateway behind this one", () => {
    const theirs = ToolIds.write("call_1", signature)
    const host = { name: "h1", ids: { longest: 40, lenient: true } }
    const given = ToolIds.from(theirs, host)
    assert.notInclude(given, "__seal__")
    assert.strictEqual(ToolIds.toward(ToolIds.read(given).id, host), theirs)
    assert.strictEqual(ToolIds.toward(ToolIds.read(given).id, { ...host, name: "h2" }), "call_1")
    const twice = ToolIds.from(given, { ...host, name: "h2" })
    assert.strictEqual(ToolIds.toward(ToolIds.read(twice).id, { ...host, name: "h2" }), given)
  })

  it("are unchanged if they only look tagged", () => {
    for (const id of ["call__id__1", "call__seal__1", "__id__", "a__id__!"]) {
      assert.deepStrictEqual(ToolIds.read(id), { id })
    }
  })
})
