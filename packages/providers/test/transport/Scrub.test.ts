import { assert, describe, it } from "@effect/vitest"
import * as Scrub from "@understudy/providers/transport/Scrub"
import * as Redacted from "effect/Redacted"

describe("scrub", () => {
  it("blots out every secret, wherever it stands", () => {
    const scrub = Scrub.scrub([Redacted.make("sk-proj-1"), undefined, Redacted.make("AKIA0001")])
    assert.strictEqual(scrub("sk-proj-1 and sk-proj-1, by AKIA0001"), "*** and ***, by ***")
    assert.strictEqual(scrub('{"key":"Bearersk-proj-1s"}'), '{"key":"Bearer***s"}')
  })

  it("leaves words alone that a placeholder stands in", () => {
    const scrub = Scrub.scrub([Redacted.make("x"), Redacted.make("a.b*")])
    assert.strictEqual(scrub("This model's maximum context is 8 tokens"), "This model's maximum context is 8 tokens")
    assert.strictEqual(scrub("Incorrect API key provided: x."), "Incorrect API key provided: ***.")
    assert.strictEqual(scrub("no such key (a.b*), nor aXbb"), "no such key (***), nor aXbb")
  })

  it("leaves the rest alone", () => {
    assert.strictEqual(Scrub.scrub([])("sk-1"), "sk-1")
    assert.strictEqual(Scrub.scrub([Redacted.make("")])("sk-1"), "sk-1")
  })
})
