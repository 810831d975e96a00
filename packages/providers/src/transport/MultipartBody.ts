/**
 * A `multipart/form-data` body (RFC 7578) of fields and files. Files are read while they are sent, from their beginning each time.
 */
import type { Part } from "@understudy/core/Operation"
import { randomUUID } from "node:crypto"
import { Readable } from "node:stream"

export interface MultipartBody {
  readonly contentType: string
  /** The length in bytes. */
  readonly size: number
  /** The bytes, for one sending. */
  readonly open: () => Readable
}

/** The body of these parts, with a boundary of its own. */
export const make = (parts: ReadonlyArray<Part>): MultipartBody => {
  const boundary = `understudy-${randomUUID()}`
  const heads = parts.map((part) => Buffer.from(headOf(part, boundary)))
  const end = Buffer.from(`--${boundary}--\r\n`)
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    size: parts.reduce((sum, part, index) => sum + heads[index]!.length + sizeOf(part) + 2, end.length),
    open: () => Readable.from(write(parts, heads, end), { objectMode: false }),
  }
}

const sizeOf = (part: Part): number => ("value" in part ? Buffer.byteLength(part.value) : part.size)

const headOf = (part: Part, boundary: string): string => {
  const name = `--${boundary}\r\ncontent-disposition: form-data; name="${quoted(part.name)}"`
  if ("value" in part) return `${name}\r\n\r\n`
  const filename = part.filename === undefined ? "" : `; filename="${quoted(part.filename)}"`
  return `${name}${filename}\r\ncontent-type: ${part.mediaType.replaceAll(/[\r\n]/g, "")}\r\n\r\n`
}

/** As browsers escape names: a name cannot end its header. */
const quoted = (text: string): string => text.replaceAll("\r", "%0D").replaceAll("\n", "%0A").replaceAll('"', "%22")

async function* write(
  parts: ReadonlyArray<Part>,
  heads: ReadonlyArray<Uint8Array>,
  end: Uint8Array,
): AsyncGenerator<Uint8Array> {
  for (const [index, part] of parts.entries()) {
    yield heads[index]!
    if ("value" in part) yield Buffer.from(part.value)
    else yield* part.open()
    yield newline
  }
  yield end
}

const newline = Buffer.from("\r\n")
