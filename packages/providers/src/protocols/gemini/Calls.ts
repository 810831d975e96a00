/**
 * The ids of function calls. Older models give none, and clients of this protocol need none: calls and responses then
 * belong together by their names and their order. `Chat` wants ids, so those are made up, the same for the same call
 * every time it is read, and left out again wherever the protocol is spoken.
 */
import { createHash } from "node:crypto"
import * as ToolIds from "../ToolIds.ts"

const mark = "gemini_"

/** The id of a call that has none: the call of that number in an answer or a turn. */
export const made = (where: string, index: number): string => `${mark}${where}_${index}`

/** An answer's own name, to be part of its calls' ids: the vendor's id of it, else what it says. */
export const nameOf = (responseId: string | undefined, text: string): string =>
  responseId ?? createHash("sha256").update(text).digest("base64url").slice(0, 16)

/** The id on the wire: none where it was made up here. Under a mark it is what a gateway behind this one made up. */
export const encode = (id: string): { readonly id?: string } =>
  id.startsWith(mark) && !ToolIds.isMarked(id) ? none : { id }

const none = {}
