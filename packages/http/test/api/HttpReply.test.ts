import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as HttpReply from "../../src/api/HttpReply.ts"

const push = ({ parts }: Chat.Frame): string => parts.map((part) => (part.type === "text" ? part.text : "")).join("")

const late = Stream.fromEffect(
  Effect.as(Effect.sleep("12 seconds"), { parts: [{ type: "text", text: "Hello" }] } satisfies Chat.Frame),
)

const written = (buffered: boolean, keepAlive?: number) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    const fiber = yield* HttpReply.encodeStream(
      { frames: late, buffered, keepAlive },
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

  it.effect("keeps the client of a route with keep-alives waiting after each silence, and after none", () =>
    Effect.gen(function* () {
      const early = yield* written(true, 4000)
      assert.deepStrictEqual(early.seen, [comment, comment, comment, "Hello", "."])
      assert.deepStrictEqual(early.shown, [1, 2, 2, 3, 5])
      const begun = yield* written(false, 5000)
      assert.deepStrictEqual(begun.seen, [comment, comment, "Hello", "."])
      assert.deepStrictEqual(begun.shown, [0, 0, 1, 2, 4])
    }),
  )

  it.effect("counts silence from the last that was written", () =>
    Effect.gen(function* () {
      const frames = Stream.fromArray([0, 3, 3, 3]).pipe(
        Stream.mapEffect((wait) =>
          Effect.as(Effect.sleep(`${wait} seconds`), { parts: [{ type: "text", text: "." }] } satisfies Chat.Frame),
        ),
        Stream.rechunk(1),
      )
      const seen: Array<string> = []
      const bytes = HttpReply.encodeStream({ frames, buffered: false, keepAlive: 6000 }, push, String, String)
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(bytes, (each) => Effect.sync(() => void seen.push(new TextDecoder().decode(each)))),
      )
      for (let second = 0; second < 12; second++) yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.notInclude(seen, comment)
    }),
  )

  it.effect("adds nothing to any other answer", () =>
    Effect.gen(function* () {
      const { seen } = yield* written(false)
      assert.deepStrictEqual(seen, ["Hello", "."])
    }),
  )
})
