import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Document from "./Document.ts"
import * as Matrix from "./Matrix.ts"

describe("features between every client and every provider", () => {
  const played: Array<Matrix.Cell> = []

  for (const target of Matrix.targets) {
    it.live(`answered in ${target.upstream.name}`, () =>
      Effect.gen(function* () {
        const cells = yield* Matrix.play(target)
        played.push(...cells)
        assert.deepStrictEqual(
          cells.flatMap(({ against, client, feature, stream }) =>
            against.map((each) => `${client}, ${feature}, ${stream ? "streamed" : "plain"}: ${each}`),
          ),
          [],
        )
      }),
    )
  }

  it("are carried nearly everywhere", () => {
    const carried = played.filter(({ outcome }) => outcome === "carried")
    assert.isAtLeast(carried.length / played.length, 0.95)
  })

  // `vitest run packages/http/test/matrix -u` writes it.
  it("match docs/protocols.md", () =>
    expect(Document.text(played)).toMatchFileSnapshot("../../../../docs/protocols.md"))
})
