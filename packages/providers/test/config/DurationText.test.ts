import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DurationText, PositiveDuration } from "../../src/config/DurationText.ts"

const decode = Schema.decodeUnknownOption(DurationText)
const encode = Schema.encodeSync(DurationText)

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10 * 86_400_000 }))

describe("DurationText", () => {
  it("reads every unit", () => {
    for (const [text, millis] of [
      ["500ms", 500],
      ["2s", 2000],
      ["1.5s", 1500],
      ["5m", 300_000],
      ["1h", 3_600_000],
      ["90d", 7_776_000_000],
      ["0ms", 0],
      [" 30s ", 30_000],
    ] as const) {
      assert.deepStrictEqual(decode(text), Option.some(Duration.millis(millis)), text)
    }
  })

  it("rejects texts without a number or a known unit", () => {
    for (const text of ["500", "s", "5 s", "5S", "5w", "-5s", "1h30m", "5 seconds", "", 500, null, {}]) {
      assert.isTrue(Option.isNone(decode(text)), String(text))
    }
  })

  it("writes in the largest unit that fits", () => {
    assert.deepStrictEqual(
      [0, 500, 1500, 60_000, 90_000, 7_200_000].map((millis) => encode(Duration.millis(millis))),
      ["0ms", "500ms", "1500ms", "1m", "90s", "2h"],
    )
  })

  it.prop("reads what it writes", [Millis], ([millis]) => {
    const duration = Duration.millis(millis)
    assert.deepStrictEqual(decode(encode(duration)), Option.some(duration))
  })

  it("rejects 0 for limits", () => {
    const limit = Schema.decodeUnknownOption(PositiveDuration)
    assert.isTrue(Option.isNone(limit("0s")))
    assert.deepStrictEqual(limit("1ms"), Option.some(Duration.millis(1)))
  })
})
