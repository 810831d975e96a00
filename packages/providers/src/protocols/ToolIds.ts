/**
 * Ids of tool calls. An endpoint gets back an id that it issued unchanged, whatever its length. A call and its result
 * have the same id, and different calls have different ids.
 *
 * An id is only changed for a vendor whose documentation says that it rejects it: it is hashed to one that fits, except
 * towards the endpoint that issued it. No state is needed for that: an id that its issuer's own documentation would
 * reject, or that looks like one written here (by another gateway behind this one), is given to the client tagged with
 * the endpoint's name, and clients return it unchanged.
 *
 * Gemini signs its calls and needs the signature back. Most protocols have no field for it, so it is part of the id,
 * too; so is an id with characters that some client protocols reject.
 */
import type * as Chat from "@understudy/core/Chat"
import { createHash } from "node:crypto"
import * as EncryptedReasoning from "./EncryptedReasoning.ts"

const mark = "__seal__"
const original = "__id__"
const issued = "__by__"

// ---------------------------------------------------------------------------------------------------------------------
// Client
// ---------------------------------------------------------------------------------------------------------------------

/** The id of a call as its client receives it. */
export const write = (id: string, signature: Chat.EncryptedReasoning | undefined): string => {
  const written = id === "" || /[^\w-]|__(?:seal|id)__/.test(id) ? under(original, id) : id
  return signature === undefined
    ? written
    : `${written}${mark}${Buffer.from(EncryptedReasoning.write(signature, "")).toString("base64url")}`
}

/** The id and the signature in an id that a client returns. */
export const read = (written: string): { readonly id: string; readonly signature?: Chat.EncryptedReasoning } => {
  const at = written.lastIndexOf(mark)
  if (at < 0) return { id: within(original, written) ?? written }
  const signature = EncryptedReasoning.read(Buffer.from(written.slice(at + mark.length), "base64url").toString(), "")
  if (signature.issuer === "") return { id: within(original, written) ?? written }
  const id = written.slice(0, at)
  return { id: within(original, id) ?? id, signature }
}

/** The encoded id after a mark, preceded by a readable part. */
const under = (mark: string, id: string): string => `${readable(id)}${mark}${Buffer.from(id).toString("base64url")}`

/** The readable part: the id up to anything that looks like a mark. */
const readable = (id: string): string => fit(id, readableLength).split("__", 1).join()

const readableLength = 64

/** The encoded id after a mark, if there is one. */
const within = (mark: string, written: string): string | undefined => {
  const at = written.indexOf(mark)
  if (at < 0) return undefined
  const id = Buffer.from(written.slice(at + mark.length), "base64url").toString()
  return readable(id) === written.slice(0, at) ? id : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Endpoints
// ---------------------------------------------------------------------------------------------------------------------

/** A vendor's documented rule for ids. */
export interface Rule {
  /** The maximum length; for another endpoint's ids only, if `lenient`. */
  readonly longest?: number
  /** The exact number of letters and digits, and no other characters. */
  readonly exactly?: number
  /** Only letters, digits, `_` and `-`. */
  readonly plain?: boolean
  /** Whether nothing is documented: an id is unchanged unless it is known to be another endpoint's. */
  readonly lenient?: boolean
}

/** An endpoint that issues ids. */
export interface Issuer {
  readonly name: string
  readonly ids: Rule
}

/** The id of a call in an endpoint's response, tagged if necessary. */
export const from = (id: string, { ids, name }: Issuer): string =>
  marks.test(id) || (ids.lenient !== true && (id.length > commonMaxLength || fitted(id, ids) !== id))
    ? under(`${issued}${name}_`, id)
    : id

const marks = /__(?:seal|id|by)__/

/** Whether the id has a mark of this gateway, or of another one. */
export const isMarked = (id: string): boolean => marks.test(id)

/** OpenAI's limit: the lowest limit that truncates no vendor's ids. */
const commonMaxLength = 40

/** The id as the endpoint accepts it. */
export const toward = (id: string, { ids, name }: Issuer): string => {
  const at = id.indexOf(issued)
  if (at < 0) return ids.lenient === true ? id : fitted(id, ids)
  const own = within(`${issued}${name}_`, id)
  if (own !== undefined) return own
  const end = id.indexOf("_", at + issued.length)
  const other = end < 0 ? undefined : within(id.slice(at, end + 1), id)
  return fitted(other === undefined ? id : read(other).id, ids)
}

const fitted = (id: string, { exactly: length, longest = Infinity, plain = false }: Rule): string => {
  if (length !== undefined) return exactly(id, length)
  return plain || id.length > longest ? fit(id, longest) : id
}

/** An id of `[a-zA-Z0-9_-]` up to `longest` characters. An id that fits is unchanged. */
export const fit = (id: string, longest: number): string => {
  const plain = id.replaceAll(/[^\w-]/g, (char) => `_${char.charCodeAt(0).toString(16)}_`)
  if (plain.length <= longest && plain !== "") return plain
  const digest = createHash("sha256").update(id).digest("base64url").slice(0, 16)
  return `${plain.slice(0, longest - digest.length - 1)}_${digest}`
}

/** An id of `length` letters and digits. An id that fits is unchanged. */
export const exactly = (id: string, length: number): string =>
  id.length === length && /^[a-zA-Z0-9]*$/.test(id)
    ? id
    : createHash("sha256").update(id).digest("hex").slice(0, length)
