import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Window from "../../src/spend/Window.ts"

const at = (text: string): number => new Date(text).getTime()

const shown = (window: Window.Window, now: string): string => {
  const { end, start } = Window.period(window, at(now))
  return `${new Date(start).toISOString()} ${new Date(end).toISOString()}`
}

const hours = ({ end, start }: Window.Period): number => (end - start) / 3_600_000

describe("calendar windows", () => {
  it("follow the clocks of their zone", () => {
    assert.strictEqual(
      shown({ unit: "hour" }, "2026-03-05T13:27:45Z"),
      "2026-03-05T13:00:00.000Z 2026-03-05T14:00:00.000Z",
    )
    assert.strictEqual(
      shown({ unit: "day" }, "2026-03-05T13:27:45Z"),
      "2026-03-05T00:00:00.000Z 2026-03-06T00:00:00.000Z",
    )
    assert.strictEqual(
      shown({ unit: "month" }, "2026-12-31T23:59:59Z"),
      "2026-12-01T00:00:00.000Z 2027-01-01T00:00:00.000Z",
    )
    const berlin = "Europe/Berlin"
    assert.strictEqual(
      shown({ unit: "day", timeZone: berlin }, "2026-07-01T22:30:00Z"),
      "2026-07-01T22:00:00.000Z 2026-07-02T22:00:00.000Z",
    )
    assert.strictEqual(
      shown({ unit: "month", timeZone: berlin }, "2026-02-28T23:30:00Z"),
      "2026-02-28T23:00:00.000Z 2026-03-31T22:00:00.000Z",
    )
    assert.strictEqual(
      shown({ unit: "hour", timeZone: "Asia/Kolkata" }, "2026-03-05T13:27:45Z"),
      "2026-03-05T12:30:00.000Z 2026-03-05T13:30:00.000Z",
    )
  })

  it("begin a week on Monday", () => {
    const week = "2026-03-02T00:00:00.000Z 2026-03-09T00:00:00.000Z"
    assert.strictEqual(shown({ unit: "week" }, "2026-03-02T00:00:00Z"), week)
    assert.strictEqual(shown({ unit: "week" }, "2026-03-08T23:59:59Z"), week)
  })

  it("have days of 23 and 25 hours where clocks change", () => {
    const day = { unit: "day", timeZone: "America/New_York" } as const
    assert.strictEqual(hours(Window.period(day, at("2026-03-08T16:00:00Z"))), 23)
    assert.strictEqual(hours(Window.period(day, at("2026-11-01T16:00:00Z"))), 25)
    assert.strictEqual(hours(Window.period({ ...day, unit: "week" }, at("2026-11-01T16:00:00Z"))), 169)
  })

  it("count an hour that is shown twice as one, and begin a day without a midnight with its first moment", () => {
    const hour = { unit: "hour", timeZone: "America/New_York" } as const
    const twice = "2026-11-01T05:00:00.000Z 2026-11-01T07:00:00.000Z"
    assert.strictEqual(shown(hour, "2026-11-01T05:10:00Z"), twice)
    assert.strictEqual(shown(hour, "2026-11-01T06:50:00Z"), twice)
    // On this day in Cairo, the clocks went from 23:59 to 01:00.
    assert.strictEqual(
      shown({ unit: "day", timeZone: "Africa/Cairo" }, "2026-04-24T12:00:00Z"),
      "2026-04-23T22:00:00.000Z 2026-04-24T21:00:00.000Z",
    )
  })

  const zones = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
  ]

  it.effect.prop(
    "give every moment one period that contains it, and follow each other without a gap",
    {
      zone: Schema.Literals(zones),
      unit: Schema.Literals(Window.units),
      // 2000 to 2040: St John's changed its clocks one minute after midnight until 2011.
      now: Schema.Int.check(Schema.isBetween({ minimum: 946_684_800_000, maximum: 2_208_988_800_000 })),
      share: Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 0.999 })),
    },
    ({ now, share, unit, zone }) =>
      Effect.sync(() => {
        const window = { unit, timeZone: zone }
        const period = Window.period(window, now)
        assert.isAtMost(period.start, now)
        assert.isAbove(period.end, now)
        const within = Math.floor(period.start + share * (period.end - period.start))
        assert.deepStrictEqual(Window.period(window, within), period)
        assert.deepStrictEqual(Window.period(window, period.start), period)
        assert.strictEqual(Window.period(window, period.end).start, period.end)
        assert.strictEqual(Window.period(window, period.start - 1).end, period.start)
        assert.deepStrictEqual(Window.part(window, now), period)
        assert.strictEqual(Window.leaves(window, period), period.end)
      }),
    { arbitrary: { runs: 500 } },
  )

  it("follow each other around every change of clocks of a year", () => {
    for (const timeZone of zones) {
      // A year has many hours, and most zones change by whole ones.
      const fine = timeZone === "Australia/Lord_Howe" || timeZone === "Pacific/Chatham"
      for (const unit of fine ? Window.units : Window.units.slice(1)) {
        let period = Window.period({ unit, timeZone }, at("2026-01-01T00:00:00Z"))
        while (period.end < at("2027-01-02T00:00:00Z")) {
          const next = Window.period({ unit, timeZone }, period.end)
          assert.strictEqual(next.start, period.end, `${timeZone} ${unit}`)
          assert.deepStrictEqual(Window.period({ unit, timeZone }, period.end - 1), period)
          period = next
        }
      }
    }
  })
})

describe("rolling windows", () => {
  it("keep spending by the hour, until all of the hour has left", () => {
    const window = { days: 2 }
    assert.strictEqual(shown(window, "2026-03-05T13:27:45Z"), "2026-03-03T13:00:00.000Z 2026-03-05T14:00:00.000Z")
    const part = Window.part(window, at("2026-03-05T13:27:45Z"))
    assert.strictEqual(hours(part), 1)
    assert.strictEqual(Window.leaves(window, part), at("2026-03-07T14:00:00Z"))
    assert.strictEqual(Window.period(window, at("2026-03-07T13:59:59Z")).start, part.start)
    assert.strictEqual(Window.period(window, at("2026-03-07T14:00:00Z")).start, part.end)
  })
})

describe("a window in total", () => {
  it("never ends", () => {
    assert.deepStrictEqual(Window.period("total", at("2026-03-05T13:27:45Z")), { start: 0, end: Infinity })
  })
})

describe("the problem of a window", () => {
  it("is a unit, a zone or a number of days that there is not", () => {
    assert.isUndefined(Window.problem({ unit: "month", timeZone: "Europe/Berlin" }))
    assert.isUndefined(Window.problem({ days: 30 }))
    assert.isUndefined(Window.problem("total"))
    assert.include(Window.problem({ unit: "day", timeZone: "Europe/Berlyn" }), "Europe/Berlyn")
    assert.include(Window.problem({ days: 0 }), "days")
    assert.include(Window.problem({ days: 1.5 }), "days")
    assert.include(Window.problem({ unit: "year" as "month" }), "unit")
  })
})
