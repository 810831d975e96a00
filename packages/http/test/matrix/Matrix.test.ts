import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Matrix from "./Matrix.ts"

describe("what is carried between every client and every provider", () => {
  for (const target of Matrix.targets) {
    it.live(`answered in ${target.upstream.name}`, () =>
      Effect.gen(function* () {
        const cells = yield* Matrix.play(target)
        assert.deepStrictEqual(
          cells.flatMap(({ against, client, feature, stream }) =>
            against.map((each) => `${client}, ${feature}, ${stream ? "streamed" : "plain"}: ${each}`),
          ),
          [],
        )
      }),
    )
  }
})
