import { assert, describe, it } from "@effect/vitest"
import * as Sse from "@understudy/providers/internal/transport/Sse"
import * as Effect from "effect/Effect"
import * as EffectSse from "effect/encoding/Sse"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const bytes = (text: string) => new TextEncoder().encode(text)

/** The bytes of these texts, one read each. */
const reads = (...pieces: ReadonlyArray<string | Uint8Array>) =>
  Stream.rechunk(Stream.fromIterable(pieces.map((piece) => (typeof piece === "string" ? bytes(piece) : piece))), 1)

const chunks = (...pieces: ReadonlyArray<string>) =>
  Stream.runCollect(Stream.mapArray(Sse.events(reads(...pieces), String), (chunk) => [chunk.map(({ data }) => data)]))

const events = (...pieces: ReadonlyArray<string | Uint8Array>) =>
  Effect.map(Stream.runCollect(Sse.events(reads(...pieces), String)), (all) =>
    all.map(({ data, event }) => [event, data]),
  )

/** Pieces of streams, complete and broken. */
const Piece = Schema.Literals([
  "data: {}",
  "data:",
  "data",
  "event: a",
  "event",
  ": ping",
  "id: 7",
  "retry: 9",
  "Grüße 🎭",
  "\n",
  "\n\n",
  "\r",
  "\r\n",
  " ",
  ":",
  "\u{feff}",
])

/** What Effect's parser finds in a text. */
const expected = (text: string) => {
  const found: Array<Array<string>> = []
  const parser = EffectSse.makeParser((event) => {
    if (event._tag === "Event") found.push([event.event, event.data])
  })
  parser.feed(text)
  return found
}

describe("events", () => {
  it.effect.prop(
    "finds what Effect's parser finds, wherever the bytes are split",
    {
      pieces: Schema.Array(Piece),
      sizes: Schema.NonEmptyArray(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 }))),
    },
    Effect.fnUntraced(function* ({ pieces, sizes }) {
      const text = pieces.join("")
      const all = bytes(text)
      const parts: Array<Uint8Array> = []
      for (let at = 0; at < all.length; at += parts.at(-1)!.length) {
        parts.push(all.subarray(at, at + sizes[parts.length % sizes.length]!))
      }
      assert.deepStrictEqual(yield* events(...parts), expected(text))
      assert.deepStrictEqual(yield* events(all), expected(text))
    }),
    { arbitrary: { runs: 500 } },
  )

  it.effect("events that arrive together stay together", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* chunks("data: 1\n\ndata: 2\n\n", "data: 3\n\n"), [["1", "2"], ["3"]])
    }),
  )

  it.effect("events are complete wherever the bytes are split, also within a character", () =>
    Effect.gen(function* () {
      const all = bytes("event: say\ndata: Grüße ✓ 🎭\n\ndata: [DONE]\n\n")
      for (let cut = 1; cut < all.length; cut++) {
        assert.deepStrictEqual(yield* events(all.subarray(0, cut), all.subarray(cut)), [
          ["say", "Grüße ✓ 🎭"],
          ["message", "[DONE]"],
        ])
      }
    }),
  )

  it.effect("events may have names, several lines, and comments between them", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* events(": hello\n\nevent: a\ndata: 1\ndata: 2\r\n\r\n: ping\n\ndata:3\n\n"), [
        ["a", "1\n2"],
        ["message", "3"],
      ])
    }),
  )

  it.effect("events end with the bytes; an incomplete event is dropped", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* events("data: 1\n\nda", "ta: 2"), [["message", "1"]])
      assert.deepStrictEqual(yield* events(), [])
    }),
  )

  it.effect("events fail with the bytes' error, after those that had arrived", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const broken = Stream.concat(reads("data: 1\n\n"), Stream.fail("cut"))
      const error = yield* Sse.events(broken, String).pipe(
        Stream.runForEach(({ data }) => Effect.sync(() => seen.push(data))),
        Effect.flip,
      )
      assert.strictEqual(error, "cut")
      assert.deepStrictEqual(seen, ["1"])
    }),
  )

  it.effect("events fail at one over the size limit", () =>
    Effect.gen(function* () {
      const endless = Stream.forever(reads(`data: ${"x".repeat(1_000_000)}`))
      const error = yield* Effect.flip(Stream.runDrain(Sse.events(endless, (cause) => cause)))
      assert.propertyVal(error, "_tag", "UnreadableAnswer")
    }),
  )
})
