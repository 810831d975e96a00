/**
 * Thought signatures. Google's own stand as they are; another vendor's seals, on their way to a client of this protocol,
 * are put into the base64 that its SDKs expect there.
 */
import type { EncryptedReasoning } from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Seals from "../EncryptedReasoning.ts"
import { issuer } from "./Protocol.ts"

/** Stands in the place of a signature where a call was another model's, which the API would else refuse to see. */
export const another = "skip_thought_signature_validator"

/** Both of the values that the documentation names for this. */
const stopgaps: ReadonlySet<string> = new Set([another, "context_engineering_is_the_way_to_go"])

/** What a seal is: a signature, or words that only its issuer can read. */
export interface Sealed {
  readonly signature?: EncryptedReasoning | undefined
  readonly redacted?: EncryptedReasoning | undefined
}

const redactedMark = "*"

/** The signature of a part for a client. */
export const write = ({ redacted, signature }: Sealed): string | undefined => {
  const seal = redacted === undefined ? signature : { ...redacted, issuer: `${redacted.issuer}${redactedMark}` }
  if (seal === undefined) return undefined
  return seal.issuer === issuer ? seal.value : Buffer.from(Seals.write(seal, issuer)).toString("base64")
}

/** How the base64 of every foreign seal begins. */
const foreign = Buffer.from("understudy").toString("base64").slice(0, 12)

/** What stands in the place of a signature. */
export const read = (text: unknown): Sealed => {
  if (!Predicate.isString(text) || text === "" || stopgaps.has(text)) return none
  const seal = Seals.read(text.startsWith(foreign) ? Buffer.from(text, "base64").toString() : text, issuer)
  return seal.issuer.endsWith(redactedMark)
    ? { redacted: { ...seal, issuer: seal.issuer.slice(0, -redactedMark.length) } }
    : { signature: seal }
}

const none: Sealed = {}

/** What an upstream gave: its own, whatever it looks like. It may be a gateway like ours, whose marks are its to read. */
export const issued = (text: unknown): Sealed =>
  Predicate.isString(text) && text !== "" ? { signature: { issuer, value: text } } : none

/** Whether thoughts stand in the place of a signature, as another gateway writes those that only their issuer can read. */
export const isRedacted = (text: string | undefined): boolean =>
  text?.startsWith(foreign) === true && read(text).redacted !== undefined

/** What a client's signature is to the endpoint whose seals are `host`'s, if it is that endpoint's. */
export const ownText = (text: string, host: Seals.Host): string | undefined => {
  if (stopgaps.has(text)) return text
  return Seals.ownValue(text.startsWith(foreign) ? Buffer.from(text, "base64").toString() : text, issuer, host)
}

/** The signature of a part for Google, where it is Google's. */
export const own = (seal: EncryptedReasoning | undefined): string | undefined =>
  seal?.issuer === issuer ? seal.value : undefined
