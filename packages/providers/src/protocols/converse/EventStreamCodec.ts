/**
 * AWS's binary event stream (`application/vnd.amazon.eventstream`), read: what Bedrock streams instead of SSE.
 *
 * A frame is: total length and headers' length (u32 each), CRC32 of these eight bytes, headers, payload, CRC32 of
 * everything before it. All numbers are big-endian. A header is its name (u8 length), a type, and its value; those that
 * matter here are strings (type 7, u16 length).
 */
import { Buffer } from "node:buffer"
import { crc32 } from "node:zlib"
import * as Result from "effect/Result"

/**
 * One frame's content. `kind` is `:message-type`: an event, an exception of the service's model, or an error outside it;
 * `event` its name, such as `"contentBlockDelta"` or `"throttlingException"`; `data` the payload's JSON text, or an
 * error's words.
 *
 * `corrupt` is what is no frame. Nothing can be read after it, for nobody knows where the next one begins.
 */
export interface Event {
  readonly kind: "event" | "exception" | "error" | "corrupt"
  readonly event: string
  readonly data: string
}

/** Puts frames together over the borders of chunks. Holds one stream's state. */
export interface Decoder {
  /** The events that the chunk completed. */
  readonly push: (chunk: Uint8Array) => Array<Event>
}

/** Lengths and both checksums: what a frame with neither headers nor payload takes. */
const overhead = 16

/** No frame of Bedrock's is longer; a length beyond it is no length. */
const longest = 16 * 1024 * 1024 + overhead

export const decoder = (): Decoder => {
  let rest: Array<Buffer> = []
  let size = 0
  /** How many bytes there must be before looking at them again: joining them with each chunk would take quadratic time. */
  let awaited = overhead
  let isCorrupt = false
  return {
    push: (chunk) => {
      if (isCorrupt) return []
      rest.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
      size += chunk.byteLength
      if (size < awaited) return []
      const bytes = rest.length === 1 ? rest[0]! : Buffer.concat(rest)
      const events: Array<Event> = []
      let at = 0
      while (bytes.length - at >= overhead) {
        const length = bytes.readUInt32BE(at)
        const isFrame = isPrelude(bytes, at, length)
        if (isFrame && bytes.length - at < length) {
          awaited = length
          break
        }
        const event = isFrame ? read(bytes.subarray(at, at + length)) : undefined
        events.push(event ?? corrupt)
        if (event === undefined) {
          isCorrupt = true
          return events
        }
        at += length
        awaited = overhead
      }
      rest = at === bytes.length ? [] : [bytes.subarray(at)]
      size = bytes.length - at
      return events
    },
  }
}

const corrupt: Event = { kind: "corrupt", event: "", data: "" }

const isPrelude = (bytes: Buffer, at: number, length: number): boolean =>
  length >= overhead &&
  length <= longest &&
  bytes.readUInt32BE(at + 4) <= length - overhead &&
  crc32(bytes.subarray(at, at + 8)) === bytes.readUInt32BE(at + 8)

/** Undefined for a frame whose bytes are not those that were sent, or whose headers run over their end. */
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

/** How many bytes the value of a header takes by its type; 6 and 7, bytes and text, say their length first. */
const widths: Readonly<Record<number, number>> = { 0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16 }

/** Undefined, or a RangeError, for headers that run over their end. */
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
