/**
 * What stands in a client's conversation though it is not Google's: when other vendors answered its earlier turns, the
 * client was given their thoughts and seals in this protocol's words (see `Response.encode`), and calls without any
 * signature. The API checks its own, and refuses these.
 */
import * as Predicate from "effect/Predicate"
import type { Endpoint } from "../Endpoint.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Model } from "./Model.ts"
import type * as EncryptedReasoning from "../EncryptedReasoning.ts"
import * as ToolIds from "../ToolIds.ts"
import * as Signatures from "./Signatures.ts"

/** The body without them, in which calls that must be signed are: the very same where there is nothing to do. */
export const remove = (body: Record<string, unknown>, model: Model, endpoint: Endpoint): Record<string, unknown> => {
  const contents = Json.list(body["contents"])
  const settled = contents.map((content) => settle(content, model, endpoint))
  return settled.some((content, at) => content !== contents[at])
    ? { ...body, contents: settled.filter((content) => Json.list(Json.fields(content)["parts"]).length > 0) }
    : body
}

const settle = (content: unknown, model: Model, endpoint: Endpoint): unknown => {
  if (!Predicate.isObject(content) || !Array.isArray(content["parts"])) return content
  const parts: ReadonlyArray<unknown> = content["parts"]
  if (content["role"] !== "model") {
    const shown = parts.map((part) => withId(part, "functionResponse", "function_response", endpoint))
    return shown.every((part, at) => part === parts[at]) ? content : { ...content, parts: shown }
  }
  const own = parts.map((part) => settlePart(withId(part, "functionCall", "function_call", endpoint), endpoint.host))
  const first = model.signs ? own.findIndex(isCall) : -1
  const call = own[first]
  if (isCall(call) && signatureOf(call) === undefined) own[first] = { ...call, thoughtSignature: Signatures.another }
  return own.every((part, at) => part === parts[at])
    ? content
    : { ...content, parts: own.filter(Predicate.isNotUndefined) }
}

/** The part with the id of its call, or of what it answers, as the endpoint takes it. */
const withId = (part: unknown, field: string, other: string, endpoint: Endpoint): unknown => {
  if (!Predicate.isObject(part)) return part
  const name = part[field] === undefined ? other : field
  const { id } = Json.fields(part[name])
  if (!Predicate.isString(id)) return part
  const own = ToolIds.toward(id, endpoint)
  return own === id ? part : { ...part, [name]: { ...Json.fields(part[name]), id: own } }
}

/** The part as the endpoint takes it: without another's seal, or `undefined` where it was a thought under one. */
const settlePart = (part: unknown, host: EncryptedReasoning.Host): unknown => {
  if (!Predicate.isObject(part)) return part
  const signature = signatureOf(part)
  if (!Predicate.isString(signature)) return part
  const own = Signatures.ownText(signature, host)
  if (own === signature) return part
  const { thoughtSignature: _, thought_signature: __, ...rest } = part
  if (own !== undefined) return { ...rest, thoughtSignature: own }
  return part["thought"] === true ? undefined : rest
}

const signatureOf = (part: Fields): unknown => part["thoughtSignature"] ?? part["thought_signature"]

const isCall = (part: unknown): part is Fields =>
  Predicate.isObject(part) && Predicate.isObject(part["functionCall"] ?? part["function_call"])
