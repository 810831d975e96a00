/**
 * The ids of tool calls. Whoever issued one gets it back as it was; whoever did not gets one that it takes, the same for
 * a call and its result, and different for different calls.
 *
 * A vendor that signs its calls (Gemini) must see the signature again, and most protocols have no place for it: it then
 * travels in the id, which clients give back as it is. So does an id that not every vendor would take as it is.
 */
import type { Seal } from "@understudy/core/Chat"
import { createHash } from "node:crypto"
import * as Seals from "./Seals.ts"

const mark = "__seal__"
const original = "__id__"

/** The id that a client is given for a call. */
export const write = (id: string, signature: Seal | undefined): string => {
  const plain = fit(id, longest)
  const written = plain === id ? id : `${plain}${original}${Buffer.from(id).toString("base64url")}`
  return signature === undefined
    ? written
    : `${written}${mark}${Buffer.from(Seals.write(signature, "")).toString("base64url")}`
}

/** The id and the signature in one that a client has brought back. */
export const read = (written: string): { readonly id: string; readonly signature?: Seal } => {
  const at = written.lastIndexOf(mark)
  if (at < 0) return { id: restore(written) }
  const signature = Seals.read(Buffer.from(written.slice(at + mark.length), "base64url").toString(), "")
  return signature.issuer === "" ? { id: restore(written) } : { id: restore(written.slice(0, at)), signature }
}

const restore = (written: string): string => {
  const at = written.lastIndexOf(original)
  if (at < 0) return written
  const id = Buffer.from(written.slice(at + original.length), "base64url").toString()
  return fit(id, longest) === written.slice(0, at) ? id : written
}

/** The longest that is left as it is: OpenAI's and Bedrock's bound. */
const longest = 64

/** An id of `[a-zA-Z0-9_-]` alone, and no longer than `longest`. One that fits is left as it is. */
export const fit = (id: string, longest: number): string => {
  const plain = id.replaceAll(/[^\w-]/g, (char) => `_${char.charCodeAt(0).toString(16)}_`)
  if (plain.length <= longest && plain !== "") return plain
  const digest = createHash("sha256").update(id).digest("base64url").slice(0, 16)
  return `${plain.slice(0, longest - digest.length - 1)}_${digest}`
}

/** An id of that many letters and digits. One that is so is left as it is. */
export const exactly = (id: string, length: number): string =>
  id.length === length && /^[a-zA-Z0-9]*$/.test(id)
    ? id
    : createHash("sha256").update(id).digest("hex").slice(0, length)
