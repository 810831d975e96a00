import { assert, describe, it } from "@effect/vitest"
import type { Receipt } from "@understudy/core/Receipt"
import * as Tape from "@understudy/core/Tape"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ByteReader, ByteWriter, crc32 } from "../../../src/rehearsal/tape/Bytes.ts"
import * as Format from "../../../src/rehearsal/tape/Format.ts"
import * as Receipts from "./Receipts.ts"

const recorder: Tape.Recorder = { version: "1.2.3", instance: "gateway", startedAt: 1_700_000_000_000, sample: 0.25 }

/** A tape with a frame for each group of receipts, and where each frame begins and ends. */
const tapeOf = (groups: ReadonlyArray<ReadonlyArray<Receipt>>, writer = new Tape.Writer(recorder)) => {
  const parts = groups.map((group) => {
    for (const receipt of group) writer.add(receipt)
    return writer.take()
  })
  return joined(parts)
}

const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** The items of a tape that arrives in pieces of a length. */
const itemsOf = (bytes: Uint8Array, piece = bytes.length): ReadonlyArray<Tape.Item> =>
  Result.getOrThrow(decode(bytes, piece))

const decode = (bytes: Uint8Array, piece = bytes.length) => {
  const decoder = new Tape.Decoder()
  const items: Array<Tape.Item> = []
  for (let at = 0; at < bytes.length; at += piece) {
    const result = decoder.push(bytes.slice(at, at + piece))
    if (Result.isFailure(result)) return Result.fail(result.failure)
    items.push(...result.success)
  }
  return Result.map(decoder.end(), (last) => [...items, ...last])
}

const callsOf = (items: ReadonlyArray<Tape.Item>): ReadonlyArray<Tape.Call> =>
  items.filter((item) => item._tag === "Call")

const damageOf = (items: ReadonlyArray<Tape.Item>): ReadonlyArray<Tape.Damage> =>
  items.filter((item) => item._tag === "Damage")

const fields: typeof Receipts.AnyReceipt.Type = {
  id: "1x2y3z-1k",
  startedAt: 1_700_000_001_000,
  millis: 640,
  route: "assistant",
  model: "assistant",
  operation: "chat",
  streaming: true,
  shadow: false,
  caller: "team-a",
  team: "search",
  tags: ["batch"],
  protocol: "messages",
  needs: { requires: ["tools"], inputTokens: 1200, maxOutputTokens: 4096 },
  split: undefined,
  affinity: undefined,
  deployment: "backup",
  cache: undefined,
  outcome: "success",
  error: undefined,
  firstTokenMillis: 420,
  attempts: [
    {
      deployment: "primary",
      model: "model-large-2026",
      type: "initial",
      after: 0,
      millis: 180,
      outcome: "failure",
      reason: "Overloaded",
      status: 529,
      retryAfter: 2000,
      firstTokenMillis: undefined,
      account: undefined,
      usage: undefined,
      estimated: undefined,
      nanos: undefined,
      injected: undefined,
    },
    {
      deployment: "backup",
      model: "model-small-2026",
      type: "fallback",
      after: 181,
      millis: 459,
      outcome: "success",
      reason: undefined,
      status: undefined,
      retryAfter: undefined,
      firstTokenMillis: 239,
      account: 2,
      usage: {
        inputTokens: 1213,
        outputTokens: 310,
        cachedInputTokens: 1024,
        cacheWriteTokens: undefined,
        reasoningTokens: 64,
      },
      estimated: undefined,
      nanos: 2_413_000,
      injected: undefined,
    },
  ],
  skipped: [{ deployment: "third", reason: 0 }],
}

const plain = Receipts.receipt(fields)

const numbered = (index: number, changes: Partial<typeof fields> = {}): Receipt =>
  Receipts.receipt({
    ...fields,
    id: `1x2y3z-${index.toString(36)}`,
    startedAt: fields.startedAt + index * 100,
    ...changes,
  })

const groupsOf = (sizes: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<Receipt>> => {
  let next = 0
  return sizes.map((size) => Array.from({ length: size }, () => numbered(next++)))
}

describe("Tape", () => {
  it.prop(
    "gives back every call that was written, whatever the pieces in which it arrives",
    {
      groups: Schema.Array(Schema.Array(Receipts.AnyReceipt).check(Schema.isMaxLength(4))).check(Schema.isMaxLength(4)),
      piece: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 300 })),
    },
    ({ groups, piece }) => {
      const receipts = groups.map((group) => group.map((fields) => Receipts.receipt(fields)))
      const items = itemsOf(tapeOf(receipts), piece)
      assert.deepStrictEqual(callsOf(items), receipts.flat().map(Receipts.taped))
      assert.lengthOf(items, receipts.flat().length + (receipts.flat().length === 0 ? 0 : 1))
    },
  )

  it("begins with a segment that says who recorded it", () => {
    const [segment] = itemsOf(tapeOf([[plain]]))
    assert.deepStrictEqual(segment, {
      _tag: "Segment",
      offset: 0,
      ...recorder,
      at: plain.startedAt + 640,
      lost: 0,
    })
  })

  it("takes at most 80 bytes for a call with two attempts", () => {
    const writer = new Tape.Writer(recorder)
    for (let index = 0; index < 1000; index++) writer.add(numbered(index))
    const { length } = writer.take()
    assert.isBelow(length / 1000, 80)
  })

  it.effect("is read as a stream", () =>
    Effect.gen(function* () {
      const bytes = tapeOf([[plain], [numbered(1)]])
      const items = yield* Stream.runCollect(Tape.read(Stream.make(bytes.slice(0, 70), bytes.slice(70))))
      assert.deepStrictEqual(callsOf(items), [plain, numbered(1)].map(Receipts.taped))
    }),
  )

  it("has no text of a receipt but its names", () => {
    const secret = "sk-live-0123456789abcdef"
    const receipt = Receipts.receipt(fields, secret)
    const text = Buffer.from(tapeOf([[receipt]])).toString("latin1")
    assert.include(JSON.stringify(receipt), secret)
    assert.notInclude(text, secret.slice(0, 8))
    assert.include(text, "model-large-2026")
  })

  it("bounds what a caller may choose: names to 128 characters, tags to 16 of them", () => {
    const model = `${"😀".repeat(64)}x`
    const tags = Array.from({ length: 40 }, (_, index) => `tag-${index}`)
    const [call] = callsOf(itemsOf(tapeOf([[{ ...plain, model: model.repeat(1000), tags, id: "i".repeat(1000) }]])))
    assert.strictEqual(call?.model, model.slice(0, 128))
    assert.deepStrictEqual(call?.tags, tags.slice(0, 16))
    assert.lengthOf(call?.id ?? "", 128)
  })

  it("has the name of half a character once", () => {
    const half = { ...plain, model: "\ud83d" }
    const first = tapeOf([[half]]).length
    const writer = new Tape.Writer(recorder)
    for (const receipt of [half, half, half]) writer.add(receipt)
    const bytes = writer.take()
    assert.isBelow(bytes.length, first + 2 * 90)
    assert.deepStrictEqual(
      callsOf(itemsOf(bytes)).map(({ model }) => model),
      ["\ufffd", "\ufffd", "\ufffd"],
    )
  })

  it("begins another segment when callers have chosen many names, and after a megabyte", () => {
    const calls = Array.from({ length: 30_000 }, (_, index) => numbered(index, { model: `model-${index}` }))
    const items = itemsOf(tapeOf([calls]), 65_536)
    for (const [index, call] of callsOf(items).entries()) assert.deepStrictEqual(call, Receipts.taped(calls[index]!))
    assert.lengthOf(callsOf(items), calls.length)
    assert.isAtLeast(items.filter(({ _tag }) => _tag === "Segment").length, 30_000 / Format.maxNames)
    const alike = itemsOf(tapeOf([Array.from({ length: 30_000 }, (_, index) => numbered(index))]), 65_536)
    assert.lengthOf(
      alike.filter(({ _tag }) => _tag === "Segment"),
      3,
    )
    assert.lengthOf(callsOf(alike), 30_000)
  })

  it("has the calls that were lost in the segment after them", () => {
    const writer = new Tape.Writer(recorder)
    writer.add(plain)
    assert.strictEqual(writer.calls, 1)
    writer.take()
    writer.restart(3)
    writer.restart(5)
    const items = itemsOf(tapeOf([[plain]], writer))
    assert.deepInclude(items[0], { _tag: "Segment", lost: 5 })
  })
})

describe("a damaged tape", () => {
  const groups = groupsOf([3, 1, 2])
  const whole = tapeOf(groups)
  const calls = groups.flat().map(Receipts.taped)

  it("is read up to its last whole record when its end is missing", () => {
    let readable = 0
    for (let length = 0; length < whole.length; length++) {
      const items = itemsOf(whole.slice(0, length))
      const found = callsOf(items)
      assert.deepStrictEqual(found, calls.slice(0, found.length), `${length} bytes`)
      assert.isAtLeast(found.length, readable, `${length} bytes`)
      readable = found.length
      for (const { bytes, cause, offset } of damageOf(items)) {
        assert.strictEqual(cause, "cut-off")
        assert.strictEqual(offset + bytes, length)
      }
    }
    assert.strictEqual(readable, calls.length - 1)
  })

  it("is read on from the next segment after an end that is missing", () => {
    const next = tapeOf([[numbered(90), numbered(91)]])
    const after = [numbered(90), numbered(91)].map(Receipts.taped)
    for (let length = 0; length < whole.length; length++) {
      for (const piece of [7, 10_000]) {
        const items = itemsOf(joined([whole.slice(0, length), next]), piece)
        const found = callsOf(items)
        assert.deepStrictEqual(found.slice(-2), after, `${length} bytes`)
        assert.deepStrictEqual(found.slice(0, -2), calls.slice(0, found.length - 2), `${length} bytes`)
        for (const { bytes, offset } of damageOf(items)) assert.strictEqual(offset + bytes, length)
      }
    }
  })

  it("never gives a call that was not written, and says where bytes were changed", () => {
    const first = tapeOf([[numbered(90)]])
    const tape = joined([whole, first])
    const written = new Map([...calls, Receipts.taped(numbered(90))].map((call) => [call.id, call]))
    for (let at = 0; at < tape.length; at++) {
      for (const change of [1, 0x80, 0xff]) {
        const changed = tape.slice()
        changed[at]! ^= change
        const result = decode(changed)
        if (Result.isFailure(result)) {
          assert.strictEqual(result.failure.offset, at < whole.length ? 0 : whole.length)
          continue
        }
        const items = result.success
        for (const call of callsOf(items)) assert.deepStrictEqual(call, written.get(call.id), `byte ${at}`)
        const [damage] = damageOf(items)
        // A frame that seems longer is one whose end is missing: its records are whole.
        if (damage?.cause !== "cut-off") assert.isAtMost(damage?.offset ?? Infinity, at)
      }
    }
  })

  it("is read by bounds, whatever its bytes", () => {
    let state = 7
    const random = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32
    for (let round = 0; round < 300; round++) {
      const bytes = new ByteWriter()
      for (let count = 0; count < 60; count++) bytes.byte(Math.floor(random() * 256))
      const frames = new ByteWriter()
      frames.bytes(tapeOf([[plain]]))
      const kind = random() < 0.5 ? Format.frameKinds.block : Format.frameKinds.header
      frames.byte(kind)
      frames.number(bytes.length)
      frames.uint32(crc32(kind, bytes.written))
      frames.bytes(bytes.written)
      const items = itemsOf(frames.written)
      assert.isAtLeast(callsOf(items).length, 1)
    }
  })

  it("is no tape if it begins otherwise", () => {
    for (const bytes of [Buffer.from("{}"), Buffer.from("time,route\n"), Uint8Array.of(0x89, 0x50, 0x4e, 0x47)]) {
      assert.deepInclude(Result.getOrThrow(Result.flip(decode(bytes))), { message: "is not a tape", offset: 0 })
    }
    assert.deepStrictEqual(itemsOf(new Uint8Array()), [])
    assert.deepStrictEqual(itemsOf(Format.signature.slice(0, 5)), [
      { _tag: "Damage", offset: 0, bytes: 5, cause: "cut-off" },
    ])
  })

  it("is refused if it is of another format", () => {
    const other = whole.slice()
    other[Format.signature.length] = 2
    const { message, offset } = Result.getOrThrow(Result.flip(decode(other)))
    assert.match(message, /has format 2, and this version reads format 1/)
    assert.strictEqual(offset, 0)
  })
})

describe("a tape of a later version", () => {
  const part = (kind: number, payload: Uint8Array, isFrame: boolean): Uint8Array => {
    const bytes = new ByteWriter()
    bytes.byte(kind)
    bytes.number(payload.length)
    if (isFrame) bytes.uint32(crc32(kind, payload))
    bytes.bytes(payload)
    return bytes.written.slice()
  }

  it("is read without its unknown frames, records and fields", () => {
    const tape = tapeOf([[plain]])
    const head = new ByteReader(tape, Format.signature.length + 1)
    head.byte()
    head.part(head.number() + 4)
    const block = head.at
    const own = new ByteReader(tape, block + 1)
    const size = own.number()
    own.uint32()
    const records = tape.slice(own.at, own.at + size)
    // The call is the last record: two bytes of a new field after its others, then a record of a new kind.
    let at = 0
    for (const reader = new ByteReader(records); !reader.isAtEnd;) {
      at = reader.at
      reader.byte()
      reader.part(reader.number())
    }
    const call = new ByteReader(records, at + 1)
    const length = call.number()
    const longer = joined([records.slice(call.at, call.at + length), Uint8Array.of(5, 6)])
    const later = joined([
      tape.slice(0, block),
      part(0x5a, Uint8Array.of(1, 2, 3), true),
      part(
        Format.frameKinds.block,
        joined([part(99, Uint8Array.of(9), false), records.slice(0, at), part(Format.recordKinds.call, longer, false)]),
        true,
      ),
      tape.slice(own.at + size),
    ])
    assert.deepStrictEqual(itemsOf(later), itemsOf(tape))
  })
})

describe("isSampled", () => {
  it("takes about the share of the ids, and the same each time", () => {
    const ids = Array.from({ length: 20_000 }, (_, index) => `1x2y3z-${index.toString(36)}`)
    for (const share of [0, 0.01, 0.25, 0.9, 1]) {
      const taken = ids.filter((id) => Tape.isSampled(id, share))
      assert.closeTo(taken.length / ids.length, share, 0.01)
      assert.deepStrictEqual(
        taken,
        ids.filter((id) => Tape.isSampled(id, share)),
      )
    }
  })

  it("takes a call of a smaller share in every larger one", () => {
    for (let index = 0; index < 1000; index++) {
      const id = `1x2y3z-${index}`
      if (Tape.isSampled(id, 0.1)) assert.isTrue(Tape.isSampled(id, 0.2))
    }
  })
})
