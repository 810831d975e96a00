/**
 * Reads HTTP/1.1 responses from a socket's bytes, one after another, doing as little as will do: the status, where the
 * body ends, and the server-sent events in it. It is the load generator's hot path.
 */

const headerEnd = Buffer.from("\r\n\r\n")
const newline = 10

export class ResponseReader {
  status = 0
  /** Server-sent events seen in this response. */
  events = 0
  /** The body's bytes so far: kept only when the status is not 200, to say what went wrong. */
  failure = ""
  private head: Buffer | undefined
  private inBody = false
  private chunked = false
  private streamed = false
  /** Bytes left of the body, or of the chunk being read. */
  private left = 0
  /** Chunk framing: bytes of the line being read. */
  private line = ""
  private last = 0

  /** Takes bytes; true when the response is complete. The load generator never pipelines, so nothing follows it. */
  push(bytes: Buffer): boolean {
    if (this.inBody) return this.body(bytes, 0)
    const head = this.head === undefined ? bytes : Buffer.concat([this.head, bytes])
    const end = head.indexOf(headerEnd)
    if (end < 0) {
      this.head = head
      return false
    }
    const text = head.toString("latin1", 0, end).toLowerCase()
    this.head = undefined
    this.inBody = true
    this.status = Number(text.slice(9, 12))
    const length = /\r\ncontent-length: *(\d+)/.exec(text)
    this.chunked = length === null
    this.streamed = text.includes("text/event-stream")
    this.left = length === null ? 0 : Number(length[1])
    return this.body(head, end + 4)
  }

  /** Ready for the next response. */
  reset() {
    this.inBody = false
    this.events = 0
    this.last = 0
    this.line = ""
    this.failure = ""
  }

  private body(bytes: Buffer, start: number): boolean {
    if (!this.chunked) {
      this.left -= bytes.length - start
      this.take(bytes, start, bytes.length)
      return this.left <= 0
    }
    let at = start
    while (at < bytes.length) {
      if (this.left > 0) {
        const to = Math.min(bytes.length, at + this.left)
        this.take(bytes, at, to)
        this.left -= to - at
        at = to
        continue
      }
      const end = bytes.indexOf(newline, at)
      if (end < 0) {
        this.line += bytes.toString("latin1", at)
        return false
      }
      const line = (this.line + bytes.toString("latin1", at, end)).trim()
      this.line = ""
      at = end + 1
      // The empty line after a chunk carries no size; the one after the last chunk ends the response.
      if (line === "") {
        if (this.left < 0) {
          this.left = 0
          return true
        }
        continue
      }
      const size = Number.parseInt(line, 16)
      this.left = size === 0 ? -1 : size
    }
    return false
  }

  private take(bytes: Buffer, start: number, end: number) {
    if (this.status !== 200) this.failure += bytes.toString("utf8", start, end)
    if (!this.streamed) return
    let last = this.last
    for (let index = start; index < end; index++) {
      const byte = bytes[index]!
      if (byte === newline && last === newline) {
        this.events += 1
        last = 0
      } else last = byte
    }
    this.last = last
  }
}
