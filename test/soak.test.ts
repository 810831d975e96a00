/** The soak in small: `npm run soak` makes many more calls, and watches the heap. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Endurance from "../scorecard/Endurance.ts"

describe("some hundred calls with random faults and callers that go away", () => {
  it.live(
    "leave nothing behind",
    () =>
      Effect.gen(function* () {
        const report = yield* Endurance.play({
          calls: 400,
          concurrency: 16,
          silence: 500,
          seed: "in small",
          heap: () => 0,
        })
        assert.deepStrictEqual(Endurance.complaints(report), [])
        assert.isAbove(report.ends["Whole"] ?? 0, 100)
        assert.isAbove(report.ends["Left"] ?? 0, 20)
      }),
    60_000,
  )
})
