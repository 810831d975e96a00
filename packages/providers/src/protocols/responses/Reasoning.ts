/**
 * Reasoning items: a readable summary, and `encrypted_content`, which only its issuer can read.
 *
 * OpenAI's own items return to OpenAI unchanged. Another vendor's reasoning has the same form for the client: its text
 * is the summary, and its encrypted value, tagged with its issuer, is the encrypted content. The client returns the
 * item, and the issuer gets its value back.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import type { Block, Warn } from "../Lowering.ts"
import * as EncryptedReasoning from "../EncryptedReasoning.ts"
import { issuer } from "./Protocol.ts"

/** Precedes the issuer of a foreign value that contains the reasoning itself, and is not only a signature. */
const redactedMark = "~"

// ---------------------------------------------------------------------------------------------------------------------
// Items
// ---------------------------------------------------------------------------------------------------------------------

/** The item for OpenAI, if OpenAI issued it. It has no id: ids belong to stored responses. */
export const encode = ({ redacted, signature, text }: Chat.Reasoning, warn: Warn): Block | undefined => {
  const encrypted = redacted ?? signature
  if (encrypted?.issuer === issuer)
    return { type: "reasoning", summary: summary(text), encrypted_content: encrypted.value }
  warn("reasoning not issued by OpenAI, left out")
  return undefined
}

/** The item for a client. */
export const item = (id: string, { redacted, signature, text }: Omit<Chat.Reasoning, "type">): Block => ({
  id,
  type: "reasoning",
  summary: summary(text),
  ...write(redacted, signature),
})

/** The reasoning of an item. `encryptedOf` is `issued` for an item of a response, `read` for a client's item. */
export const decode = (item: Item, encryptedOf = read): Chat.Reasoning => {
  const text = [...texts(item.summary), ...texts(item.content)].join(separator)
  return { type: "reasoning", text, ...encryptedOf(item.encrypted_content, text) }
}

interface Item {
  readonly summary?: unknown
  readonly content?: unknown
  readonly encrypted_content?: unknown
}

/** Joins the parts of a summary, which are one text in other protocols. */
export const separator = "\n\n"

const summary = (text: string): ReadonlyArray<Block> => (text === "" ? [] : [{ type: "summary_text", text }])

const texts = (parts: unknown): ReadonlyArray<string> =>
  Array.isArray(parts)
    ? parts.flatMap((part) => (Predicate.isObject(part) && Predicate.isString(part["text"]) ? [part["text"]] : []))
    : []

// ---------------------------------------------------------------------------------------------------------------------
// Encrypted content
// ---------------------------------------------------------------------------------------------------------------------

/** No field if there is none: the schema does not allow null. */
const write = (
  redacted: Chat.EncryptedReasoning | undefined,
  signature: Chat.EncryptedReasoning | undefined,
): Block | undefined => {
  const text = writeEncrypted({ redacted, signature })
  return text === "" ? undefined : { encrypted_content: text }
}

/** The encrypted content of a response's item; empty if there is none. */
export const writeEncrypted = ({ redacted, signature }: Pick<Chat.Reasoning, "signature" | "redacted">): string => {
  const isForeignRedacted = redacted !== undefined && redacted.issuer !== issuer
  const encrypted = isForeignRedacted
    ? { issuer: `${redactedMark}${redacted.issuer}`, value: redacted.value }
    : (redacted ?? signature)
  return encrypted === undefined ? "" : EncryptedReasoning.write(encrypted, issuer)
}

/** Reads a client's `encrypted_content`. Without text next to it, OpenAI's own value contains the reasoning. */
export const read = (content: unknown, text: string): Pick<Chat.Reasoning, "signature" | "redacted"> => {
  if (!Predicate.isString(content) || content === "") return {}
  const encrypted = EncryptedReasoning.read(content, issuer)
  if (encrypted.issuer.startsWith(redactedMark)) {
    return { redacted: { issuer: encrypted.issuer.slice(redactedMark.length), value: encrypted.value } }
  }
  return encrypted.issuer === issuer && text === "" ? { redacted: encrypted } : { signature: encrypted }
}

/** Reads the `encrypted_content` of an upstream's response, in any form: only that endpoint reads it. */
export const issued = (content: unknown, text: string): Pick<Chat.Reasoning, "signature" | "redacted"> => {
  if (!Predicate.isString(content) || content === "") return {}
  const encrypted = { issuer, value: content }
  return text === "" ? { redacted: encrypted } : { signature: encrypted }
}

/** A client's `encrypted_content` as `host` accepts it; `undefined` if it is another host's. */
export const ownContent = (encrypted: unknown, host: EncryptedReasoning.Host): string | undefined => {
  if (!Predicate.isString(encrypted)) return undefined
  const marked = EncryptedReasoning.read(encrypted, issuer)
  return marked.issuer.startsWith(redactedMark)
    ? EncryptedReasoning.ownValue(
        EncryptedReasoning.write({ ...marked, issuer: marked.issuer.slice(redactedMark.length) }, ""),
        issuer,
        host,
      )
    : EncryptedReasoning.ownValue(encrypted, issuer, host)
}
