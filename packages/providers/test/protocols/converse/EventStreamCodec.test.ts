import { assert, describe, it } from "@effect/vitest"
import { Framing } from "@understudy/providers/protocols/converse"
import * as EventStream from "@understudy/providers/internal/testing/EventStream"
import { Buffer } from "node:buffer"
import { crc32 } from "node:zlib"

const stop = EventStream.event("messageStop", { stopReason: "end_turn" })
const delta = EventStream.event("contentBlockDelta", { delta: { text: "naïve 🎭" }, contentBlockIndex: 0 })
const throttled = EventStream.exception("throttlingException", "Slow down")

const expected: ReadonlyArray<Framing.Event> = [
  { kind: "event", event: "contentBlockDelta", data: '{"delta":{"text":"naïve 🎭"},"contentBlockIndex":0}' },
  { kind: "event", event: "messageStop", data: '{"stopReason":"end_turn"}' },
  { kind: "exception", event: "throttlingException", data: '{"message":"Slow down"}' },
]

describe("frames", () => {
  it("that arrive together are decoded together", () => {
    assert.deepStrictEqual(Framing.decoder().push(Buffer.concat([delta, stop, throttled])), expected)
  })

  it("are assembled wherever the bytes are split", () => {
    const bytes = Buffer.concat([delta, stop, throttled])
    for (const size of [1, 3, 7, 16, 50, 120]) {
      const decoder = Framing.decoder()
      const events: Array<Framing.Event> = []
      for (let at = 0; at < bytes.length; at += size) {
        events.push(...decoder.push(bytes.subarray(at, at + size)))
      }
      assert.deepStrictEqual(events, expected)
    }
  })

  it("may be errors outside the service's model, and may have headers of other types", () => {
    assert.deepStrictEqual(Framing.decoder().push(EventStream.error("InternalFailure", "Sorry")), [
      { kind: "error", event: "InternalFailure", data: "Sorry" },
    ])
    const typed = Buffer.concat([
      header("flag", 0, Buffer.alloc(0)),
      header("number", 4, Buffer.alloc(4)),
      header("when", 8, Buffer.alloc(8)),
      header("bytes", 6, Buffer.from([0, 2, 9, 9])),
      header(":event-type", 7, Buffer.from([0, 4, ...Buffer.from("ping")])),
    ])
    assert.deepStrictEqual(Framing.decoder().push(withHeaders(typed)), [{ kind: "event", event: "ping", data: "" }])
  })
})

describe("corruption", () => {
  it("is detected in every byte, and earlier frames are kept", () => {
    for (let at = 0; at < stop.length; at++) {
      const broken = Buffer.from(stop)
      broken.writeUInt8(broken.readUInt8(at) ^ 0xff, at)
      const decoder = Framing.decoder()
      const kinds = decoder.push(Buffer.concat([delta, broken])).map(({ kind }) => kind)
      assert.deepStrictEqual(kinds, ["event", "corrupt"], `byte ${at}`)
      assert.deepStrictEqual(decoder.push(stop), [])
    }
  })

  it("includes headers that exceed their length", () => {
    const overlong = header(":event-type", 7, Buffer.from([0xff, 0xff]))
    assert.deepStrictEqual(Framing.decoder().push(withHeaders(overlong)), [corrupt])
    assert.deepStrictEqual(Framing.decoder().push(Buffer.from("<html>An error page</html>")), [corrupt])
  })
})

const corrupt: Framing.Event = { kind: "corrupt", event: "", data: "" }

const header = (name: string, type: number, value: Buffer) =>
  Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([type]), value])

/** A frame without a payload, around encoded headers. */
const withHeaders = (headers: Buffer): Uint8Array => {
  const total = 16 + headers.length
  const out = Buffer.alloc(total)
  out.writeUInt32BE(total, 0)
  out.writeUInt32BE(headers.length, 4)
  out.writeUInt32BE(crc32(out.subarray(0, 8)), 8)
  headers.copy(out, 12)
  out.writeUInt32BE(crc32(out.subarray(0, total - 4)), total - 4)
  return out
}
