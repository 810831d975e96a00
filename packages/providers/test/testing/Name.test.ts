import { assert, describe, it } from "@effect/vitest"
import * as Behaviour from "../../src/testing/Behaviour.ts"
import * as Name from "../../src/testing/Name.ts"

const turns = (name: string, count: number): ReadonlyArray<Behaviour.Behaviour> | undefined => {
  const script = Name.script(name)
  return script && Array.from({ length: count }, (_, turn) => Behaviour.at(script, turn))
}

const down = Behaviour.refuse("server-error")
const limited = (form: Behaviour.RetryAfter["form"], millis: number) => Behaviour.refuse("rate-limit", { form, millis })
const ok = Behaviour.answer()

describe("Name", () => {
  it.each<readonly [string, ReadonlyArray<Behaviour.Behaviour>]>([
    ["ok", [ok, ok]],
    ["429", [Behaviour.refuse("rate-limit"), Behaviour.refuse("rate-limit")]],
    ["429-forever", [Behaviour.refuse("rate-limit"), Behaviour.refuse("rate-limit")]],
    ["429-once", [Behaviour.refuse("rate-limit"), ok, ok]],
    ["429-retry-after-1", [limited("seconds", 1_000), limited("seconds", 1_000)]],
    ["429-retry-after-1-once", [limited("seconds", 1_000), ok]],
    ["429-retry-after-date-2", [limited("date", 2_000)]],
    ["429-retry-after-ms-50", [limited("millis", 50)]],
    ["429-retry-after-reset-50", [limited("reset", 50)]],
    ["500-times-2", [down, down, ok]],
    ["503", [Behaviour.refuse("overloaded")]],
    ["context-length", [Behaviour.refuse("context-length")]],
    ["slow-first-token-250", [Behaviour.answer({ delay: 250 })]],
    ["cut-3", [Behaviour.cut(3)]],
    ["cut-0-reset", [Behaviour.cut(0, { how: "reset" })]],
    ["stall-12-pings-once", [Behaviour.stall(12, { pings: true }), ok]],
    ["error-event-first", [Behaviour.errorEvent("first")]],
    ["error-event-after-2-rate-limit", [Behaviour.errorEvent(2, "rate-limit")]],
    ["flapping-2", [down, down, ok, ok, down, down, ok, ok]],
    ["east/flapping-1", [down, ok, down]],
  ])("%s", (name, expected) => {
    assert.deepStrictEqual(turns(name, expected.length), expected)
  })

  it("knows every name it lists", () => {
    for (const name of Name.names) assert.isDefined(Name.script(name), name)
  })

  it("leaves other models alone", () => {
    for (const name of ["gpt-4o", "cut", "cut-x", "okay", "", "once", "flapping-0"]) {
      assert.isUndefined(Name.script(name), name)
    }
  })
})
