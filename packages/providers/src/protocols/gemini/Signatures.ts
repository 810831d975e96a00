/**
 * Thought signatures. Google's own are sent as they are. Another vendor's encrypted reasoning is encoded as base64 for
 * clients of this protocol, whose SDKs require it.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as EncryptedReasoning from "../EncryptedReasoning.ts"
import { issuer } from "./Protocol.ts"

/** Replaces the signature of another model's call, which the API would otherwise reject. */
export const placeholder = "skip_thought_signature_validator"

/** Both documented placeholders. */
const placeholders: ReadonlySet<string> = new Set([placeholder, "context_engineering_is_the_way_to_go"])

/** A part's encrypted reasoning: a signature, or redacted reasoning. */
export interface Encrypted {
  readonly signature?: Chat.EncryptedReasoning | undefined
  readonly redacted?: Chat.EncryptedReasoning | undefined
}

const redactedMark = "*"

/** The signature of a part for a client. */
export const write = ({ redacted, signature }: Encrypted): string | undefined => {
  const encrypted = redacted === undefined ? signature : { ...redacted, issuer: `${redacted.issuer}${redactedMark}` }
  if (encrypted === undefined) return undefined
  return encrypted.issuer === issuer
    ? encrypted.value
    : Buffer.from(EncryptedReasoning.write(encrypted, issuer)).toString("base64")
}

/** The common prefix of foreign values in base64. */
const foreign = Buffer.from("understudy").toString("base64").slice(0, 12)

/** Reads a client's signature. */
export const read = (text: unknown): Encrypted => {
  if (!Predicate.isString(text) || text === "" || placeholders.has(text)) return none
  const encrypted = EncryptedReasoning.read(
    text.startsWith(foreign) ? Buffer.from(text, "base64").toString() : text,
    issuer,
  )
  return encrypted.issuer.endsWith(redactedMark)
    ? { redacted: { ...encrypted, issuer: encrypted.issuer.slice(0, -redactedMark.length) } }
    : { signature: encrypted }
}

const none: Encrypted = {}

/** Reads an upstream's signature, in any form. The upstream may be another gateway, which reads its own tags. */
export const issued = (text: unknown): Encrypted =>
  Predicate.isString(text) && text !== "" ? { signature: { issuer, value: text } } : none

/** Whether a signature contains redacted reasoning, as written by another gateway. */
export const isRedacted = (text: string | undefined): boolean =>
  text?.startsWith(foreign) === true && read(text).redacted !== undefined

/** A client's signature as `host` accepts it; `undefined` if it is another host's. */
export const ownText = (text: string, host: EncryptedReasoning.Host): string | undefined => {
  if (placeholders.has(text)) return text
  return EncryptedReasoning.ownValue(
    text.startsWith(foreign) ? Buffer.from(text, "base64").toString() : text,
    issuer,
    host,
  )
}

/** The signature of a part for Google, if Google issued it. */
export const own = (encrypted: Chat.EncryptedReasoning | undefined): string | undefined =>
  encrypted?.issuer === issuer ? encrypted.value : undefined
