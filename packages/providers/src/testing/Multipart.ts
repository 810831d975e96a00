/** The fields of a `multipart/form-data` body, for the fault server: texts, and of files their name, type, size and hash. */
import { createHash } from "node:crypto"
import type { Buffer } from "node:buffer"
import type { Fields } from "./Wire.ts"

/** The fields of a body with this content type; `undefined` if it is no form. */
export const fieldsOf = (contentType: string, body: Buffer): Fields | undefined => {
  const boundary = /^multipart\/form-data.*boundary="?([^";]+)/i.exec(contentType)?.[1]
  if (boundary === undefined) return undefined
  const delimiter = `--${boundary}`
  const fields: Record<string, unknown> = {}
  for (let at = body.indexOf(delimiter); at >= 0;) {
    const next = body.indexOf(delimiter, at + delimiter.length)
    if (next < 0) return fields
    const part = body.subarray(at + delimiter.length + 2, next - 2)
    at = next
    const headEnd = part.indexOf("\r\n\r\n")
    const head = part.subarray(0, headEnd).toString()
    const content = part.subarray(headEnd + 4)
    const name = /name="([^"]*)"/i.exec(head)?.[1] ?? ""
    const filename = /filename="([^"]*)"/i.exec(head)?.[1]
    const type = /^content-type: *(.*)$/im.exec(head)?.[1]
    const hash = createHash("sha256").update(content).digest("hex")
    fields[name] = filename === undefined ? content.toString() : { filename, type, size: content.length, hash }
  }
  return fields
}
