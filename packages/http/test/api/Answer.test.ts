import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Answer from "../../src/api/Answer.ts"

const push = ({ parts }: Chat.Frame): string => parts.map((part) => (part.type === "text" ? part.text : "")).join("")

const late = Stream.fromEffect(
  Effect.as(Effect.sleep("12 seconds"), { parts: [{ type: "text", text: "Hello" }] } satisfies Chat.Frame),
)

const written = (heldBack: boolean) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    const fiber = yield* Answer.bytes(
      { frames: late, heldBack },
      push,
      () => ".",
      () => "!",
    ).pipe(
      Stream.runForEach((bytes) => Effect.sync(() => void seen.push(new TextDecoder().decode(bytes)))),
      Effect.forkChild,
    )
    const shown: Array<number> = []
    for (const wait of [0, 4, 1, 5, 2]) {
      yield* TestClock.adjust(`${wait} seconds`)
      shown.push(seen.length)
    }
    yield* Fiber.join(fiber)
    return { seen, shown }
  })

const comment = ": keep-alive\n\n"

describe("bytes", () => {
  it.effect("keeps the client of an answer that is held back waiting, and no longer", () =>
    Effect.gen(function* () {
      const { seen, shown } = yield* written(true)
      assert.deepStrictEqual(seen, [comment, comment, comment, "Hello", "."])
      assert.deepStrictEqual(shown, [1, 1, 2, 3, 5])
    }),
  )

  it.effect("adds nothing to any other answer", () =>
    Effect.gen(function* () {
      const { seen } = yield* written(false)
      assert.deepStrictEqual(seen, ["Hello", "."])
    }),
  )
})
