import { assert, describe, it } from "@effect/vitest"
import * as Scrub from "@understudy/providers/transport/Scrub"
import * as Redacted from "effect/Redacted"

describe("scrub", () => {
  it("blots out every secret, wherever it stands", () => {
    const scrub = Scrub.scrub([Redacted.make("sk-1"), undefined, Redacted.make("AKIA")])
    assert.strictEqual(scrub("sk-1 and sk-1, by AKIA"), "*** and ***, by ***")
  })

  it("leaves the rest alone", () => {
    assert.strictEqual(Scrub.scrub([])("sk-1"), "sk-1")
    assert.strictEqual(Scrub.scrub([Redacted.make("")])("sk-1"), "sk-1")
  })
})
