import { assert, describe, it } from "@effect/vitest"
import * as ToolIds from "@understudy/providers/protocols/ToolIds"
import * as Schema from "effect/Schema"

const signature = { issuer: "google", value: "c2lnbmVk+/=" }
const acceptable = /^[\w-]+$/

describe("the ids that clients are given", () => {
  it("are the vendor's own where any vendor takes them", () => {
    assert.strictEqual(ToolIds.write("toolu_01-a", undefined), "toolu_01-a")
    assert.deepStrictEqual(ToolIds.read("toolu_01-a"), { id: "toolu_01-a" })
  })

  it.prop("are taken by any vendor, and restored to whoever issued them", [Schema.String], ([text]) => {
    const id = text.toWellFormed()
    for (const sealed of [undefined, signature]) {
      const written = ToolIds.write(id, sealed)
      assert.match(written, acceptable)
      assert.deepStrictEqual(ToolIds.read(written), sealed === undefined ? { id } : { id, signature: sealed })
    }
  })

  it("are left alone where they only look like ours", () => {
    for (const id of ["call__id__1", "call__seal__1", "__id__", "a__id__!"]) {
      assert.deepStrictEqual(ToolIds.read(id), { id })
    }
  })
})
