/**
 * Removes other vendors' content from a client's own body. If other vendors answered earlier turns, the client received
 * their reasoning and encrypted values in this protocol (see `Response.encode`), and calls without a signature. The API
 * validates its own content, and rejects theirs.
 */
import * as Predicate from "effect/Predicate"
import type { Endpoint } from "../Endpoint.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Model } from "./Model.ts"
import type * as EncryptedReasoning from "../EncryptedReasoning.ts"
import * as ToolIds from "../ToolIds.ts"
import * as Signatures from "./Signatures.ts"

/**
 * The body without foreign content, and with signatures where calls require them; the given body if nothing changes.
 */
export const remove = (body: Record<string, unknown>, model: Model, endpoint: Endpoint): Record<string, unknown> => {
  const contents = Json.list(body["contents"])
  const fitted = contents.map((content) => fitContent(content, model, endpoint))
  return fitted.some((content, at) => content !== contents[at])
    ? { ...body, contents: fitted.filter((content) => Json.list(Json.fields(content)["parts"]).length > 0) }
    : body
}

const fitContent = (content: unknown, model: Model, endpoint: Endpoint): unknown => {
  if (!Predicate.isObject(content) || !Array.isArray(content["parts"])) return content
  const parts: ReadonlyArray<unknown> = content["parts"]
  if (content["role"] !== "model") {
    const userParts = parts.map((part) => withId(part, "functionResponse", "function_response", endpoint))
    return userParts.every((part, at) => part === parts[at]) ? content : { ...content, parts: userParts }
  }
  const own = parts.map((part) => fitPart(withId(part, "functionCall", "function_call", endpoint), endpoint.host))
  const first = model.requiresSignatures ? own.findIndex(isCall) : -1
  const call = own[first]
  if (isCall(call) && signatureOf(call) === undefined)
    own[first] = { ...call, thoughtSignature: Signatures.placeholder }
  return own.every((part, at) => part === parts[at])
    ? content
    : { ...content, parts: own.filter(Predicate.isNotUndefined) }
}

/** The part with an id of its call or response that the endpoint accepts. */
const withId = (part: unknown, field: string, other: string, endpoint: Endpoint): unknown => {
  if (!Predicate.isObject(part)) return part
  const name = part[field] === undefined ? other : field
  const { id } = Json.fields(part[name])
  if (!Predicate.isString(id)) return part
  const own = ToolIds.toward(id, endpoint)
  return own === id ? part : { ...part, [name]: { ...Json.fields(part[name]), id: own } }
}

/**
 * The part as the endpoint accepts it: without another endpoint's value; `undefined` if it was reasoning with such a
 * value.
 */
const fitPart = (part: unknown, host: EncryptedReasoning.Host): unknown => {
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
