/**
 * What stands in a client's conversation though it is not Google's: when other vendors answered its earlier turns, the
 * client was given their thoughts and seals in this protocol's words (see `Response.encode`), and calls without any
 * signature. The API checks its own, and refuses these.
 */
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Model } from "./Model.ts"
import { issuer } from "./Protocol.ts"
import * as Signatures from "./Signatures.ts"

/** The body without them, in which calls that must be signed are: the very same where there is nothing to do. */
export const leaveOut = (body: Record<string, unknown>, model: Model): Record<string, unknown> => {
  const contents = Json.list(body["contents"])
  const settled = contents.map((content) => settle(content, model))
  return settled.some((content, at) => content !== contents[at])
    ? { ...body, contents: settled.filter((content) => Json.list(Json.fields(content)["parts"]).length > 0) }
    : body
}

const settle = (content: unknown, model: Model): unknown => {
  if (!Predicate.isObject(content) || content["role"] !== "model" || !Array.isArray(content["parts"])) return content
  const parts: ReadonlyArray<unknown> = content["parts"]
  const first = model.signs ? parts.findIndex(isUnsignedCall) : -1
  const unsigned = first >= 0 && first === parts.findIndex(isCall)
  if (!unsigned && !parts.some(isStranger)) return content
  return { ...content, parts: parts.flatMap((part, at) => own(part, unsigned && at === first)) }
}

const own = (part: unknown, mustBeSigned: boolean): ReadonlyArray<unknown> => {
  const signed = mustBeSigned ? { thoughtSignature: Signatures.another } : undefined
  if (!isStranger(part)) return signed === undefined ? [part] : [{ ...Json.fields(part), ...signed }]
  const { thought, thoughtSignature: _, thought_signature: __, ...rest } = part
  return thought === true ? [] : [{ ...rest, ...signed }]
}

const signatureOf = (part: Fields): unknown => part["thoughtSignature"] ?? part["thought_signature"]

/** A part under another vendor's seal. */
const isStranger = (part: unknown): part is Fields => {
  if (!Predicate.isObject(part)) return false
  const { redacted, signature } = Signatures.read(signatureOf(part))
  const seal = redacted ?? signature
  return seal !== undefined && seal.issuer !== issuer
}

const isCall = (part: unknown): part is Fields =>
  Predicate.isObject(part) && Predicate.isObject(part["functionCall"] ?? part["function_call"])

const isUnsignedCall = (part: unknown): boolean => isCall(part) && (signatureOf(part) === undefined || isStranger(part))
