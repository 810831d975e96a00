import { assert, describe, it } from "@effect/vitest"
import * as Sse from "@understudy/providers/transport/Sse"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { PassThrough } from "node:stream"

const bytes = (text: string) => new TextEncoder().encode(text)

/** The events' data, chunk by chunk, of bytes each written when the one before has been read. */
const chunks = (...pieces: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const readable = new PassThrough()
    const left = [...pieces]
    const next = () => {
      const piece = left.shift()
      if (piece === undefined) readable.end()
      else readable.write(piece)
    }
    next()
    const read = Stream.mapArray(Sse.events(readable, String), (chunk) => {
      next()
      return [chunk.map(({ data }) => data)]
    })
    return yield* Stream.runCollect(read)
  })

const datas = (...pieces: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const readable = new PassThrough()
    for (const piece of pieces) readable.write(piece)
    readable.end()
    return (yield* Stream.runCollect(Sse.events(readable, String))).map(({ data, event }) => [event, data])
  })

describe("events", () => {
  it.live("that arrive together stay together", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* chunks("data: 1\n\ndata: 2\n\n", "data: 3\n\n"), [["1", "2"], ["3"]])
    }),
  )

  it.live("are whole wherever the bytes were cut, within a character too", () =>
    Effect.gen(function* () {
      const all = bytes("event: say\ndata: Grüße ✓ 🎭\n\ndata: [DONE]\n\n")
      for (let cut = 1; cut < all.length; cut++) {
        const readable = new PassThrough()
        const collected = yield* Effect.forkChild(Stream.runCollect(Sse.events(readable, String)))
        readable.write(all.subarray(0, cut))
        yield* Effect.yieldNow
        readable.end(all.subarray(cut))
        const events = yield* Fiber.join(collected)
        assert.deepStrictEqual(
          events.map(({ data }) => data),
          ["Grüße ✓ 🎭", "[DONE]"],
        )
      }
    }),
  )

  it.live("have names, several lines, and comments between them", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* datas(": hello\n\nevent: a\ndata: 1\ndata: 2\r\n\r\n: ping\n\ndata:3\n\n"), [
        ["a", "1\n2"],
        ["message", "3"],
      ])
    }),
  )

  it.live("end with the bytes, and what was not finished is not an event", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* datas("data: 1\n\nda", "ta: 2"), [["message", "1"]])
      assert.deepStrictEqual(yield* datas(), [])
    }),
  )

  it.live("fail with what broke the connection, after what had arrived", () =>
    Effect.gen(function* () {
      const readable = new PassThrough()
      const seen: Array<string> = []
      const read = Stream.runForEach(
        Sse.events(readable, (cause) => String(cause)),
        ({ data }) =>
          Effect.sync(() => {
            seen.push(data)
            readable.destroy(new Error("cut"))
          }),
      )
      readable.write("data: 1\n\n")
      assert.strictEqual(yield* Effect.flip(read), "Error: cut")
      assert.deepStrictEqual(seen, ["1"])
      const destroyed = new PassThrough()
      destroyed.destroy()
      const error = yield* Effect.flip(Stream.runDrain(Sse.events(destroyed, (cause) => cause)))
      assert.propertyVal(error, "code", "ERR_STREAM_PREMATURE_CLOSE")
    }),
  )
})
