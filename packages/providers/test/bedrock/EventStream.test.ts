import { assert, describe, it } from "@effect/vitest"
import * as EventStream from "@understudy/providers/internal/bedrock/EventStream"
import * as Frames from "@understudy/providers/internal/testing/EventStream"
import { Buffer } from "node:buffer"
import { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const delta = Frames.event("contentBlockDelta", { delta: { text: "Hi" } })
const stop = Frames.event("messageStop", { stopReason: "end_turn" })

const chunks = (...pieces: ReadonlyArray<Uint8Array>) =>
  Stream.runCollect(Stream.chunks(EventStream.events(Readable.from(pieces), String))).pipe(
    Effect.map((chunks) => chunks.map((events) => events.map(({ event }) => event))),
  )

describe("events", () => {
  it.effect("that came together stay together, whatever was cut", () =>
    Effect.gen(function* () {
      const bytes = Buffer.concat([delta, delta, stop])
      assert.deepStrictEqual(yield* chunks(bytes), [["contentBlockDelta", "contentBlockDelta", "messageStop"]])
      const cut = [bytes.subarray(0, 10), bytes.subarray(10, delta.length + 5), bytes.subarray(delta.length + 5)]
      assert.deepStrictEqual(yield* chunks(...cut), [["contentBlockDelta"], ["contentBlockDelta", "messageStop"]])
    }),
  )

  it.effect("end where the bytes end, even within a frame", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* chunks(), [])
      assert.deepStrictEqual(yield* chunks(delta, stop.subarray(0, 20)), [["contentBlockDelta"]])
    }),
  )

  it.effect("fail with what broke them", () =>
    Effect.gen(function* () {
      const broken = Readable.from(
        (function* () {
          yield delta
          throw new Error("reset")
        })(),
      )
      const error = yield* Effect.flip(Stream.runDrain(EventStream.events(broken, String)))
      assert.strictEqual(error, "Error: reset")
    }),
  )
})
