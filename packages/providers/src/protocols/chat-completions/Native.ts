/**
 * Adapts a client's own body for a server of the same protocol. It stays as written, except for the model, the stream
 * parameters, and what this server would reject: parameters of other servers, and ids and reasoning of other vendors'
 * responses.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import type { Endpoint } from "../Endpoint.ts"
import * as Json from "../Json.ts"
import type { Warn } from "../Lowering.ts"
import * as EncryptedReasoning from "../EncryptedReasoning.ts"
import * as ToolIds from "../ToolIds.ts"
import type { Compatibility } from "./Compatibility.ts"
import { compatible, openAi } from "./Compatibility.ts"
import * as Dropped from "./Dropped.ts"
import { protocol } from "./Protocol.ts"
import * as Reasoning from "./Reasoning.ts"

type Body = Record<string, unknown>

/** The client's body; `undefined` if the client spoke another protocol. */
export const encode = (
  { messages: decoded, model, native }: Chat.Request,
  compatibility: Compatibility,
  endpoint: Endpoint,
  warn: Warn = () => {},
): Body | undefined => {
  if (native?.protocol !== protocol) return undefined
  // Text documents go into the prompt, which the codec does.
  if (isKnown(compatibility) && compatibility.documents === "text" && hasDocuments(decoded)) return undefined
  const { stream: _stream, stream_options: _options, ...rest } = native.body
  const body: Body = { ...rest, model }
  if (compatibility.maxTokens === "max_tokens") rename(body, "max_completion_tokens", "max_tokens")
  if (compatibility.seed !== "seed") rename(body, "seed", compatibility.seed)
  const drops = isKnown(compatibility)
  if (drops) Dropped.fields(body, compatibility, warn)
  const messages = Json.list(body["messages"])
  for (const [index, message] of messages.entries()) {
    const fields = Json.fields(message)
    const named = drops ? Dropped.name(fields, compatibility, warn) : undefined
    const fit = encodeMessage(named ?? fields, compatibility, endpoint) ?? named
    if (fit === undefined) continue
    if (body["messages"] === native.body["messages"]) body["messages"] = [...messages]
    ;(body["messages"] as Array<unknown>)[index] = fit
  }
  return body
}

/** Whether the server's differences are known. A server at an unknown address is sent the client's body unchanged. */
const isKnown = (compatibility: Compatibility): boolean => compatibility !== openAi && compatibility !== compatible

/** The first feature of the client's body that the server lacks and that cannot be dropped. */
export const missingFeature = (request: Chat.Request, compatibility: Compatibility): string | undefined =>
  isKnown(compatibility) ? Dropped.missingFeature(request, compatibility) : undefined

const hasDocuments = (messages: ReadonlyArray<Chat.Message>): boolean =>
  messages.some(({ content }) => content.some(({ type }) => type === "file"))

const rename = (body: Body, from: string, to: string): void => {
  if (body[from] === undefined) return
  body[to] ??= body[from]
  delete body[from]
}

/** `undefined` if the message can stay unchanged. */
const encodeMessage = (message: Json.Fields, compatibility: Compatibility, endpoint: Endpoint): Body | undefined => {
  switch (message["role"]) {
    case "developer":
      return compatibility.developer === "developer" ? undefined : { ...message, role: compatibility.developer }
    case "assistant":
      return encodeAssistant(message, compatibility, endpoint)
    case "tool": {
      const id = message["tool_call_id"]
      const fit = Predicate.isString(id) ? ToolIds.toward(ToolIds.read(id).id, endpoint) : id
      return fit === id ? undefined : { ...message, tool_call_id: fit }
    }
    default:
      return undefined
  }
}

const encodeAssistant = (message: Json.Fields, compatibility: Compatibility, endpoint: Endpoint): Body | undefined => {
  let own: Body | undefined
  const calls = message["tool_calls"]
  if (Array.isArray(calls)) {
    const fit = calls.map((call) => encodeCall(call, compatibility, endpoint))
    if (fit.some((call, index) => call !== calls[index])) own = { ...message, tool_calls: fit }
  }
  for (const field of encryptedFields) {
    const kept = encodeEncrypted(message[field], endpoint)
    if (kept === message[field]) continue
    own ??= { ...message }
    if (kept === undefined) delete own[field]
    else own[field] = kept
  }
  return compatibility.reasoning !== undefined && hasReasoning(message)
    ? encodeReasoning(own ?? { ...message }, compatibility.reasoning)
    : own
}

const encodeCall = (call: unknown, compatibility: Compatibility, endpoint: Endpoint): unknown => {
  if (!Predicate.isObject(call) || !Predicate.isString(call["id"])) return call
  const { id, signature } = ToolIds.read(call["id"])
  const fit = ToolIds.toward(id, endpoint)
  const kept = encodeSignature(call, endpoint)
  const own = signature === undefined ? undefined : EncryptedReasoning.toward(signature, endpoint.host)
  if (own?.issuer === "google" && compatibility.signatures)
    return { ...kept, id: fit, ...Reasoning.signatureFields(own) }
  return fit === call["id"] ? kept : { ...kept, id: fit }
}

// ---------------------------------------------------------------------------------------------------------------------
// Encrypted reasoning
// ---------------------------------------------------------------------------------------------------------------------

/** The call with its signature as the server issued it, and without another server's signature. */
const encodeSignature = (call: Json.Fields, endpoint: Endpoint): Json.Fields => {
  const { signature } = Reasoning.ofCall(call, {})
  if (signature === undefined) return call
  const value = EncryptedReasoning.ownValue(signature.value, signature.issuer, endpoint.host)
  if (value === signature.value) return call
  const { extra_content: _google, provider_specific_fields: _litellm, ...rest } = call
  return value === undefined ? rest : { ...rest, ...Reasoning.signatureFields({ ...signature, value }) }
}

const encryptedFields = ["reasoning_details", "thinking_blocks"] as const

/** The details with values as the server issued them, and without another server's; `undefined` if none is left. */
const encodeEncrypted = (details: unknown, { host }: Endpoint): unknown => {
  if (!Array.isArray(details)) return details
  const kept = details.flatMap((detail: unknown) => {
    if (!Predicate.isObject(detail)) return [detail]
    const field = detail["data"] === undefined ? "signature" : "data"
    const text = Json.nonEmptyString(detail[field])
    if (text === undefined) return [detail]
    const value = Reasoning.isOtherHosts(detail, text, host)
      ? undefined
      : EncryptedReasoning.ownValue(text, EncryptedReasoning.anyIssuer, host)
    if (value === undefined) return []
    return [value === text ? detail : { ...detail, [field]: value }]
  })
  if (kept.length === details.length && kept.every((detail, index) => detail === details[index])) return details
  return kept.length === 0 ? undefined : kept
}

const fields = ["reasoning_content", "reasoning", "reasoning_details"] as const

const hasReasoning = (message: Json.Fields): boolean =>
  message["reasoning_content"] !== undefined ||
  message["reasoning"] !== undefined ||
  message["reasoning_details"] !== undefined

/** Moves reasoning to the field that this server reads, or removes it: OpenAI rejects unknown fields. */
const encodeReasoning = (message: Body, reasoning: NonNullable<Compatibility["reasoning"]>): Body => {
  const kept = message["reasoning_details"]
  const text = Reasoning.decode(message)
    .map((part) => part.text)
    .join("")
  for (const field of fields) delete message[field]
  if (reasoning === "reasoning_details") {
    if (kept !== undefined) message[reasoning] = kept
    else if (text !== "") message["reasoning"] = text
  } else if (reasoning !== "none" && text !== "") message[reasoning] = text
  return message
}
