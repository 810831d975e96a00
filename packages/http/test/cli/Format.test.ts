import { assert, describe, it } from "@effect/vitest"
import * as Format from "../../src/cli/Format.ts"

describe("amounts", () => {
  it("have cents, and two digits of what is smaller", () => {
    assert.deepStrictEqual(
      [0, 1.5, 1234567.891, 0.05, 0.043, 0.00421, 0.00000012, -3].map((amount) => Format.dollars(amount)),
      ["$0.00", "$1.50", "$1,234,567.89", "$0.05", "$0.043", "$0.0042", "$0.00", "-$3.00"],
    )
  })

  it("in a column have the decimals of the smallest", () => {
    assert.strictEqual(Format.decimals([12.5, 0, 0.0042]), 4)
    assert.strictEqual(Format.decimals([]), 2)
  })
})

describe("the bar of a budget", () => {
  it("shows what is spent and what is reserved", () => {
    assert.strictEqual(Format.bar(2, 3, 10), "██▒▒▒░░░░░  50 %")
    assert.strictEqual(Format.bar(0, 0, 10), "░░░░░░░░░░   0 %")
    assert.strictEqual(Format.bar(12, 0, 10), "██████████ 120 %")
  })

  it("is full where nothing may be spent", () => {
    assert.strictEqual(Format.bar(0, 0, 0), "██████████ 100 %")
  })

  it("says neither 0 % of something nor 100 % of less than all", () => {
    assert.strictEqual(Format.percent(0.001, 10), "<1 %")
    assert.strictEqual(Format.percent(9.99, 10), "99 %")
  })
})

describe("a time", () => {
  const now = Date.parse("2026-06-01T12:00:00Z")

  it("is told by how far it is from now, in the largest unit that fits", () => {
    assert.deepStrictEqual(
      [
        "2026-06-01T12:00:00.400Z",
        "2026-06-01T11:59:59Z",
        "2026-06-01T11:30:00Z",
        "2026-06-01T15:59:00Z",
        "2026-06-02T12:00:00Z",
        "2026-06-20T12:00:00Z",
        "2026-04-01T12:00:00Z",
        "2029-06-02T12:00:00Z",
      ].map((time) => Format.relative(time, now)),
      ["now", "1 s ago", "30 min ago", "in 3 h", "in 1 day", "in 19 days", "2 months ago", "in 3 years"],
    )
  })
})
