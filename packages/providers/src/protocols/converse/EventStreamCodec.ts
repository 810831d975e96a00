/**
 * A decoder of AWS's binary event stream (`application/vnd.amazon.eventstream`), which Bedrock uses in place of SSE.
 *
 * A frame is: total length and headers' length (u32 each), CRC32 of these eight bytes, headers, payload, CRC32 of
 * everything before it. Numbers are big-endian. A header is its name (u8 length), a type, and its value; the relevant
 * ones are strings (type 7, u16 length).
 */
import { Buffer } from "node:buffer"
import { crc32 } from "node:zlib"
import * as Result from "effect/Result"

/**
 * The content of one frame. `kind` is `:message-type`: an event, an exception of the service's model, or another error.
 * `event` is its name, such as `"contentBlockDelta"` or `"throttlingException"`. `data` is the payload's JSON text, or
 * an error's message.
 *
 * `corrupt` is an invalid frame. Nothing can be read after it, because the start of the next frame is unknown.
 */
export interface Event {
  readonly kind: "event" | "exception" | "error" | "corrupt"
  readonly event: string
  readonly data: string
}

/** Assembles frames from chunks. Holds the state of one stream. */
export interface Decoder {
  /** The events that this chunk completes. */
  readonly push: (chunk: Uint8Array) => Array<Event>
}

/** The size of a frame without headers and payload: lengths and checksums. */
const overhead = 16

/** The maximum size of a Bedrock frame. */
const maxFrameSize = 16 * 1024 * 1024 + overhead

export const decoder = (): Decoder => {
  let pending: Array<Buffer> = []
  let size = 0
  /** The number of bytes needed before decoding again. Joining the bytes with each chunk would take quadratic time. */
  let needed = overhead
  let isCorrupt = false
  return {
    push: (chunk) => {
      if (isCorrupt) return []
      pending.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
      size += chunk.byteLength
      if (size < needed) return []
      const bytes = pending.length === 1 ? pending[0]! : Buffer.concat(pending)
      const events: Array<Event> = []
      let at = 0
      while (bytes.length - at >= overhead) {
        const length = bytes.readUInt32BE(at)
        const isFrame = isPrelude(bytes, at, length)
        if (isFrame && bytes.length - at < length) {
          needed = length
          break
        }
        const event = isFrame ? read(bytes.subarray(at, at + length)) : undefined
        events.push(event ?? corrupt)
        if (event === undefined) {
          isCorrupt = true
          return events
        }
        at += length
        needed = overhead
      }
      pending = at === bytes.length ? [] : [bytes.subarray(at)]
      size = bytes.length - at
      return events
    },
  }
}

const corrupt: Event = { kind: "corrupt", event: "", data: "" }

const isPrelude = (bytes: Buffer, at: number, length: number): boolean =>
  length >= overhead &&
  length <= maxFrameSize &&
  bytes.readUInt32BE(at + 4) <= length - overhead &&
  crc32(bytes.subarray(at, at + 8)) === bytes.readUInt32BE(at + 8)

/** `undefined` for a frame with a wrong checksum, or whose headers exceed their length. */
const read = (frame: Buffer): Event | undefined =>
  crc32(frame.subarray(0, frame.length - 4)) === frame.readUInt32BE(frame.length - 4)
    ? Result.getOrUndefined(Result.try(() => decode(frame)))
    : undefined

const decode = (frame: Buffer): Event | undefined => {
  const payload = 12 + frame.readUInt32BE(4)
  const headers = decodeHeaders(frame.subarray(12, payload))
  if (headers === undefined) return undefined
  const data = frame.toString("utf8", payload, frame.length - 4)
  switch (headers[":message-type"]) {
    case "exception":
      return { kind: "exception", event: headers[":exception-type"] ?? "", data }
    case "error":
      return { kind: "error", event: headers[":error-code"] ?? "", data: headers[":error-message"] ?? data }
    default:
      return { kind: "event", event: headers[":event-type"] ?? "", data }
  }
}

/** The size of a header's value by type. Types 6 and 7, bytes and string, are preceded by their length. */
const widths: Readonly<Record<number, number>> = { 0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16 }

/** `undefined`, or a RangeError, for headers that exceed their length. */
const decodeHeaders = (bytes: Buffer): Readonly<Record<string, string>> | undefined => {
  const headers: Record<string, string> = {}
  let at = 0
  while (at < bytes.length) {
    const value = at + 2 + bytes.readUInt8(at)
    const name = bytes.toString("utf8", at + 1, value - 1)
    const type = bytes.readUInt8(value - 1)
    const fixed = widths[type]
    at = fixed === undefined ? value + 2 + bytes.readUInt16BE(value) : value + fixed
    if (type === 7) headers[name] = bytes.toString("utf8", value + 2, at)
  }
  return at === bytes.length ? headers : undefined
}
