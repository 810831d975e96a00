/**
 * Writes AWS's binary event stream (`application/vnd.amazon.eventstream`), which Bedrock sends instead of SSE.
 *
 * A frame is: total length and headers' length (u32 each), CRC32 of these eight bytes, headers, payload, CRC32 of
 * everything before it. All numbers are big-endian. A header is its name (u8 length), a type, and its value; all of
 * Bedrock's are strings (type 7, u16 length).
 */
import { Buffer } from "node:buffer"
import { crc32 } from "node:zlib"

/** The type of a header whose value is UTF-8 text. */
const stringType = 7

const header = (name: string, value: string): Buffer => {
  const nameBytes = Buffer.from(name)
  const valueBytes = Buffer.from(value)
  const out = Buffer.alloc(4 + nameBytes.length + valueBytes.length)
  let at = out.writeUInt8(nameBytes.length, 0)
  at += nameBytes.copy(out, at)
  at = out.writeUInt8(stringType, at)
  at = out.writeUInt16BE(valueBytes.length, at)
  valueBytes.copy(out, at)
  return out
}

/** A frame with headers in order. `payload` is not changed. */
export const frame = (headers: Readonly<Record<string, string>>, payload: string | Uint8Array): Uint8Array => {
  const headerBytes = Buffer.concat(Object.entries(headers).map(([name, value]) => header(name, value)))
  const payloadBytes = Buffer.from(payload)
  const total = 16 + headerBytes.length + payloadBytes.length
  const out = Buffer.alloc(total)
  out.writeUInt32BE(total, 0)
  out.writeUInt32BE(headerBytes.length, 4)
  out.writeUInt32BE(crc32(out.subarray(0, 8)), 8)
  headerBytes.copy(out, 12)
  payloadBytes.copy(out, 12 + headerBytes.length)
  out.writeUInt32BE(crc32(out.subarray(0, total - 4)), total - 4)
  return out
}

/** An event with the payload `text`, which need not be JSON. */
export const rawEvent = (type: string, text: string): Uint8Array =>
  frame({ ":event-type": type, ":content-type": "application/json", ":message-type": "event" }, text)

/** An event, such as `event("messageStop", { stopReason: "end_turn" })`. */
export const event = (type: string, payload: unknown): Uint8Array => rawEvent(type, JSON.stringify(payload))

/** An exception of the service's model: `type` as in the stream's union, such as `"throttlingException"`. It ends the stream. */
export const exception = (type: string, message: string): Uint8Array =>
  frame(
    { ":exception-type": type, ":content-type": "application/json", ":message-type": "exception" },
    JSON.stringify({ message }),
  )

/** An error outside the service's model, such as `"InternalFailure"`: code and message are headers, the payload is empty. */
export const error = (code: string, message: string): Uint8Array =>
  frame({ ":error-code": code, ":error-message": message, ":message-type": "error" }, "")
