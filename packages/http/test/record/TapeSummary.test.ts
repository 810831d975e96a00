/** What is found on a tape: gaps, restarts, losses, and attempts of a game day. */
import { assert, describe, it } from "@effect/vitest"
import type * as Tape from "@understudy/core/Tape"
import * as Items from "../../../core/test/rehearsal/tape/Items.ts"
import { TapeSummary } from "../../src/record/TapeSummary.ts"

const minute = 60_000

const segment = (instance: string, startedAt: number, at: number, lost = 0): Tape.Segment => ({
  _tag: "Segment",
  offset: 0,
  version: "1",
  instance,
  startedAt,
  at,
  sample: 1,
  lost,
})

const call = (startedAt: number, injected?: string): Tape.Call =>
  Items.call({ startedAt, attempts: [Items.attempt({ startedAt, injected })] })

const summaryOf = (...items: ReadonlyArray<Tape.Item>): TapeSummary => {
  const summary = new TapeSummary()
  for (const item of items) summary.add(item, "calls.tape")
  return summary
}

describe("TapeSummary", () => {
  it("finds minutes without calls, the longest first, and whether a process was started in them", () => {
    const { gaps } = summaryOf(
      segment("one", 0, 0),
      call(0.5 * minute),
      call(3.5 * minute),
      call(4.5 * minute),
      segment("two", 8 * minute, 10 * minute),
      call(10.5 * minute),
    )
    assert.deepStrictEqual(gaps, [
      { from: 5 * minute, to: 10 * minute, isRestart: true },
      { from: minute, to: 3 * minute, isRestart: false },
    ])
  })

  it("has when calls were lost, and how many", () => {
    const summary = summaryOf(segment("one", 0, 0), call(1), segment("one", 0, 5 * minute, 12), call(5 * minute))
    assert.strictEqual(summary.lost, 12)
    assert.deepStrictEqual(summary.losses, [{ at: 5 * minute, calls: 12 }])
  })

  it("counts attempts with an injected fault by its name", () => {
    const { injected } = summaryOf(call(1, "slow"), call(2), call(3, "down"), call(4, "slow"))
    assert.deepStrictEqual(injected.sorted, [
      ["slow", 2],
      ["down", 1],
    ])
  })
})
