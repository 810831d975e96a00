import { assert, describe, it } from "@effect/vitest"
import * as Behavior from "../../src/testing/Behavior.ts"
import * as FaultName from "../../src/testing/FaultName.ts"

const turns = (name: string, count: number): ReadonlyArray<Behavior.Behavior> | undefined => {
  const script = FaultName.script(name)
  return script && Array.from({ length: count }, (_, turn) => Behavior.at(script, turn))
}

const down = Behavior.refuse("server-error")
const limited = (form: Behavior.RetryAfter["form"], millis: number) => Behavior.refuse("rate-limit", { form, millis })
const ok = Behavior.answer()

describe("Name", () => {
  it.each<readonly [string, ReadonlyArray<Behavior.Behavior>]>([
    ["ok", [ok, ok]],
    ["429", [Behavior.refuse("rate-limit"), Behavior.refuse("rate-limit")]],
    ["429-forever", [Behavior.refuse("rate-limit"), Behavior.refuse("rate-limit")]],
    ["429-once", [Behavior.refuse("rate-limit"), ok, ok]],
    ["429-retry-after-1", [limited("seconds", 1_000), limited("seconds", 1_000)]],
    ["429-retry-after-1-once", [limited("seconds", 1_000), ok]],
    ["429-retry-after-date-2", [limited("date", 2_000)]],
    ["429-retry-after-ms-50", [limited("millis", 50)]],
    ["429-retry-after-reset-50", [limited("reset", 50)]],
    ["500-times-2", [down, down, ok]],
    ["503", [Behavior.refuse("overloaded")]],
    ["context-length", [Behavior.refuse("context-length")]],
    ["slow-first-token-250", [Behavior.answer({ delay: 250 })]],
    ["cut-3", [Behavior.cut(3)]],
    ["cut-0-reset", [Behavior.cut(0, { how: "reset" })]],
    ["stall-12-pings-once", [Behavior.stall(12, { pings: true }), ok]],
    ["error-event-first", [Behavior.errorEvent("first")]],
    ["error-event-after-2-rate-limit", [Behavior.errorEvent(2, "rate-limit")]],
    ["flapping-2", [down, down, ok, ok, down, down, ok, ok]],
    ["east/flapping-1", [down, ok, down]],
  ])("%s", (name, expected) => {
    assert.deepStrictEqual(turns(name, expected.length), expected)
  })

  it("knows every name it lists", () => {
    for (const name of FaultName.names) assert.isDefined(FaultName.script(name), name)
  })

  it("leaves other models alone", () => {
    for (const name of ["gpt-4o", "cut", "cut-x", "okay", "", "once", "flapping-0"]) {
      assert.isUndefined(FaultName.script(name), name)
    }
  })
})
