import { assert, describe, it } from "@effect/vitest"
import type * as Embedding from "@understudy/core/Embedding"
import * as Simulated from "@understudy/providers/simulated"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"

const embedding = (options: Simulated.Options, request: Omit<Embedding.Request, "model">) =>
  Effect.gen(function* () {
    const { provider } = yield* Simulated.make(options)
    const embed = provider.embed ?? assert.fail("it embeds nothing")
    return yield* embed({ model: "m", ...request })
  })

const dot = (a: Embedding.Vector | undefined, b: Embedding.Vector | undefined): number =>
  [...(a ?? [])].reduce((sum, value, at) => sum + value * (b?.[at] ?? 0), 0)

describe("a simulated embedding", () => {
  it.effect("is the same for the same text, of length 1, and near to a text of like words", () =>
    Effect.gen(function* () {
      const input = [
        "The cat sat on the mat",
        "A cat on a mat",
        "Interest rates rose again",
        "",
        "The cat sat on the mat",
      ]
      const { usage, vectors } = yield* embedding({}, { input, dimensions: 512 })
      const [cat, like, other, nothing, again] = vectors
      assert.deepStrictEqual(cat, again)
      assert.strictEqual(cat?.length, 512)
      for (const vector of vectors) assert.closeTo(dot(vector, vector), 1, 1e-5)
      assert.isAbove(dot(cat, like), dot(cat, other))
      assert.notDeepEqual(cat, nothing)
      assert.isAbove(usage?.inputTokens ?? 0, 10)
    }),
  )

  it.effect("takes its time, and fails as it is told", () =>
    Effect.gen(function* () {
      const slow = yield* Effect.forkChild(embedding({ latency: "2 seconds" }, { input: ["one"] }))
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(slow.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(slow)).vectors.length, 1)
      const error = yield* Effect.flip(embedding({ status: 503 }, { input: ["one"] }))
      assert.strictEqual(error.reason._tag, "Overloaded")
    }),
  )
})
