/**
 * The ids of tool calls. Whoever issued one gets it back exactly as it was, whatever its length; the same for a call and its
 * result, and different for different calls.
 *
 * The rule: an id is left alone unless the documentation of the vendor asked says that it refuses it. Then it is hashed to one that
 * fits, but not towards the endpoint that issued it. That is known without any memory: where an endpoint issues an id that its
 * own documentation would refuse, or that looks like one written here (of another gateway behind this one), the client is
 * given the id under a mark that names the endpoint, which clients give back as it is.
 *
 * A vendor that signs its calls (Gemini) must see the signature again, and most protocols have no place for it: it too
 * travels in the id. So does an id with characters that not every client's protocol would take.
 */
import type { EncryptedReasoning } from "@understudy/core/Chat"
import { createHash } from "node:crypto"
import * as Seals from "./EncryptedReasoning.ts"

const mark = "__seal__"
const original = "__id__"
const issued = "__by__"

// ---------------------------------------------------------------------------------------------------------------------
// In a client's hands
// ---------------------------------------------------------------------------------------------------------------------

/** The id that a client is given for a call. */
export const write = (id: string, signature: EncryptedReasoning | undefined): string => {
  const written = id === "" || /[^\w-]|__(?:seal|id)__/.test(id) ? under(original, id) : id
  return signature === undefined
    ? written
    : `${written}${mark}${Buffer.from(Seals.write(signature, "")).toString("base64url")}`
}

/** The id and the signature in one that a client has brought back. */
export const read = (written: string): { readonly id: string; readonly signature?: EncryptedReasoning } => {
  const at = written.lastIndexOf(mark)
  if (at < 0) return { id: within(original, written) ?? written }
  const signature = Seals.read(Buffer.from(written.slice(at + mark.length), "base64url").toString(), "")
  if (signature.issuer === "") return { id: within(original, written) ?? written }
  const id = written.slice(0, at)
  return { id: within(original, id) ?? id, signature }
}

/** The id under a mark, behind what people may know it by. */
const under = (mark: string, id: string): string => `${shown(id)}${mark}${Buffer.from(id).toString("base64url")}`

/** Up to anything that looks like a mark. */
const shown = (id: string): string => fit(id, longestShown).split("__", 1).join()

const longestShown = 64

/** The id that stands under that mark, if one does. */
const within = (mark: string, written: string): string | undefined => {
  const at = written.indexOf(mark)
  if (at < 0) return undefined
  const id = Buffer.from(written.slice(at + mark.length), "base64url").toString()
  return shown(id) === written.slice(0, at) ? id : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Between endpoints
// ---------------------------------------------------------------------------------------------------------------------

/** What a vendor's documentation says of the ids it takes. */
export interface Rule {
  /** No more characters than these: of another's, where it is `lenient`. */
  readonly longest?: number
  /** As many letters and digits as these, and nothing else. */
  readonly exactly?: number
  /** Letters, digits, `_` and `-` alone. */
  readonly plain?: boolean
  /** Whether nothing is documented: what is not known to be another's is left as it is. */
  readonly lenient?: boolean
}

/** An endpoint, as far as ids are concerned. */
export interface Issuer {
  readonly name: string
  readonly ids: Rule
}

/** The id of a call in an endpoint's answer, under the mark where it takes one. */
export const from = (id: string, { ids, name }: Issuer): string =>
  isOurs.test(id) || (ids.lenient !== true && (id.length > longestEverywhere || fitted(id, ids) !== id))
    ? under(`${issued}${name}_`, id)
    : id

const isOurs = /__(?:seal|id|by)__/

/** Whether the id bears a mark of ours, or of another gateway like ours. */
export const isMarked = (id: string): boolean => isOurs.test(id)

/** OpenAI's bound, which is the least of those that cut nothing of what vendors issue. */
const longestEverywhere = 40

/** The id as that endpoint takes it. */
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
