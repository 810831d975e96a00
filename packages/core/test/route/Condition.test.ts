import { assert, describe, it } from "@effect/vitest"
import { Call } from "../../src/model/Call.ts"
import type { CallOptions } from "../../src/model/Call.ts"
import * as Chat from "../../src/model/Chat.ts"
import * as Condition from "../../src/route/Condition.ts"

const call = (request: Partial<Chat.Request> = {}, options: CallOptions = {}, at = 0) =>
  new Call({ model: "m", messages: [Chat.user("Hello?")], ...request }, false, options, at)

const at = (hours: number, minutes = 0) => call({}, {}, Date.UTC(2026, 1, 3, hours, minutes))

describe("Condition.holds", () => {
  it("holds if it is empty", () => {
    assert.isTrue(Condition.holds({}, call()))
  })

  it("requires every tag, and each value of metadata and headers", () => {
    const vip = call({ metadata: { team: "a", tier: "1" } }, { tags: ["vip", "beta"], headers: { "x-team": "a" } })
    assert.isTrue(Condition.holds({ tags: ["beta", "vip"] }, vip))
    assert.isFalse(Condition.holds({ tags: ["vip", "gold"] }, vip))
    assert.isTrue(Condition.holds({ metadata: { team: "a" } }, vip))
    assert.isFalse(Condition.holds({ metadata: { team: "a", tier: "2" } }, vip))
    assert.isTrue(Condition.holds({ headers: { "x-team": "a" } }, vip))
    assert.isFalse(Condition.holds({ headers: { "x-team": "b" } }, vip))
    for (const condition of [{ tags: ["vip"] }, { metadata: { team: "a" } }, { headers: { "x-team": "a" } }]) {
      assert.isFalse(Condition.holds(condition, call()))
    }
  })

  it("requires one of the callers", () => {
    assert.isTrue(Condition.holds({ keys: ["a", "b"] }, call({}, { caller: "b" })))
    assert.isFalse(Condition.holds({ keys: ["a", "b"] }, call({}, { caller: "c" })))
    assert.isFalse(Condition.holds({ keys: ["a", "b"] }, call()))
  })

  it("compares the estimated input tokens", () => {
    const long = call({ messages: [Chat.user("word ".repeat(200))] })
    assert.isTrue(Condition.holds({ inputTokens: { above: 249, below: 251 } }, long))
    assert.isFalse(Condition.holds({ inputTokens: { above: 250 } }, long))
    assert.isFalse(Condition.holds({ inputTokens: { below: 250 } }, long))
  })

  it("requires every capability", () => {
    const using = call({ tools: [{ name: "weather" }] })
    assert.isTrue(Condition.holds({ requires: ["tools"] }, using))
    assert.isFalse(Condition.holds({ requires: ["tools", "vision"] }, using))
  })

  it("compares the time of day in UTC, also across midnight", () => {
    const day: Condition.Condition = { timeOfDay: ["08:30", "17:00"] }
    assert.deepStrictEqual(
      [at(8, 29), at(8, 30), at(16, 59), at(17)].map((call) => Condition.holds(day, call)),
      [false, true, true, false],
    )
    const night: Condition.Condition = { timeOfDay: ["22:00", "06:00"] }
    assert.deepStrictEqual(
      [at(21, 59), at(22), at(0), at(5, 59), at(6)].map((call) => Condition.holds(night, call)),
      [false, true, true, true, false],
    )
  })

  it("holds only if all of its fields hold", () => {
    const condition: Condition.Condition = { tags: ["vip"], timeOfDay: ["00:00", "12:00"] }
    assert.isTrue(Condition.holds(condition, call({}, { tags: ["vip"] }, 0)))
    assert.isFalse(Condition.holds(condition, call({}, {}, 0)))
    assert.isFalse(Condition.holds(condition, call({}, { tags: ["vip"] }, 13 * 3_600_000)))
  })

  it("never holds for an invalid time", () => {
    assert.isFalse(Condition.holds({ timeOfDay: ["25:00", "06:00"] }, call()))
    assert.strictEqual(Condition.minutesOf("06:30"), 390)
    assert.strictEqual(Condition.minutesOf("6:30"), undefined)
  })
})
