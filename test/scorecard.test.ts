/** docs/scorecard.md says what a run says: every fault, every pair, for every vendor, through the real gateway. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Document from "../scorecard/Document.ts"
import * as Score from "../scorecard/Score.ts"

describe("the scorecard", () => {
  it.live(
    "is what the documentation says it is",
    () =>
      Effect.gen(function* () {
        const score = yield* Score.play
        assert.deepStrictEqual(score.complaints, [])
        const kept = readFileSync(join(import.meta.dirname, "..", "docs", "scorecard.md"), "utf8")
        assert.strictEqual(Document.found(score).trimEnd(), Document.parts(kept).found.trimEnd())
      }),
    240_000,
  )
})
