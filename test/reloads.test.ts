/** `npm run reloads` in small: a gateway under load whose configuration changes all the time. */
import { assert, describe, it } from "@effect/vitest"
import * as ReloadLoad from "../scorecard/ReloadLoad.ts"

describe("a gateway whose configuration changes under load", () => {
  it("fails no call, and rejects the bad configurations", async () => {
    const report = await ReloadLoad.play({ rate: 40, seconds: 4, stream: 1000, every: 150, overload: false })
    assert.deepStrictEqual(ReloadLoad.complaints(report), [])
    assert.deepStrictEqual([report.calls, report.streams], [160, 80])
    assert.isAbove(report.reloads, 3)
    assert.isAbove(report.rejected, 0)
    for (const answered of report.answered) assert.isAbove(answered, 0)
  }, 120_000)
})
