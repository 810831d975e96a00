/**
 * A client's own body on its way to a server of the same protocol: as it came, but for the model, for what asks for a
 * stream, and for what this very server would refuse: words of another dialect, and what another vendor's answer has left
 * in the conversation (its ids, its thoughts).
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import type { Endpoint } from "../Endpoint.ts"
import * as Json from "../Json.ts"
import type { Warn } from "../Lowering.ts"
import * as EncryptedReasoning from "../EncryptedReasoning.ts"
import * as ToolIds from "../ToolIds.ts"
import type { Dialect } from "./Compatibility.ts"
import { compatible, openAi } from "./Compatibility.ts"
import * as Dropped from "./Dropped.ts"
import { protocol } from "./Protocol.ts"
import * as Reasoning from "./Reasoning.ts"

type Body = Record<string, unknown>

/** The body that the client sent, where it spoke this protocol. */
export const encode = (
  { messages: said, model, native }: Chat.Request,
  dialect: Dialect,
  endpoint: Endpoint,
  warn: Warn = () => {},
): Body | undefined => {
  if (native?.protocol !== protocol) return undefined
  // A document that is a text is put into the prompt, which the codec does.
  if (isKnown(dialect) && dialect.documents === "text" && hasDocuments(said)) return undefined
  const { stream: _stream, stream_options: _options, ...rest } = native.body
  const body: Body = { ...rest, model }
  if (dialect.maxTokens === "max_tokens") rename(body, "max_completion_tokens", "max_tokens")
  if (dialect.seed !== "seed") rename(body, "seed", dialect.seed)
  const drops = isKnown(dialect)
  if (drops) Dropped.fields(body, dialect, warn)
  const messages = Json.list(body["messages"])
  for (const [index, message] of messages.entries()) {
    const fields = Json.fields(message)
    const named = drops ? Dropped.name(fields, dialect, warn) : undefined
    const fit = encodeMessage(named ?? fields, dialect, endpoint) ?? named
    if (fit === undefined) continue
    if (body["messages"] === native.body["messages"]) body["messages"] = [...messages]
    ;(body["messages"] as Array<unknown>)[index] = fit
  }
  return body
}

/**
 * Whether it is known what the server lacks. One at an address that is no vendor's is sent what its client wrote.
 */
const isKnown = (dialect: Dialect): boolean => dialect !== openAi && dialect !== compatible

/** What the server lacks of what the client's own body asks for, and that the answer would be another without. */
export const missingFeature = (request: Chat.Request, dialect: Dialect): string | undefined =>
  isKnown(dialect) ? Dropped.needed(request, dialect) : undefined

const hasDocuments = (messages: ReadonlyArray<Chat.Message>): boolean =>
  messages.some(({ content }) => content.some(({ type }) => type === "file"))

const rename = (body: Body, from: string, to: string): void => {
  if (body[from] === undefined) return
  body[to] ??= body[from]
  delete body[from]
}

/** `undefined` where it can stay as it is. */
const encodeMessage = (message: Json.Fields, dialect: Dialect, endpoint: Endpoint): Body | undefined => {
  switch (message["role"]) {
    case "developer":
      return dialect.developer === "developer" ? undefined : { ...message, role: dialect.developer }
    case "assistant":
      return encodeAssistant(message, dialect, endpoint)
    case "tool": {
      const id = message["tool_call_id"]
      const fit = Predicate.isString(id) ? ToolIds.toward(ToolIds.read(id).id, endpoint) : id
      return fit === id ? undefined : { ...message, tool_call_id: fit }
    }
    default:
      return undefined
  }
}

const encodeAssistant = (message: Json.Fields, dialect: Dialect, endpoint: Endpoint): Body | undefined => {
  let own: Body | undefined
  const calls = message["tool_calls"]
  if (Array.isArray(calls)) {
    const fit = calls.map((call) => encodeCall(call, dialect, endpoint))
    if (fit.some((call, index) => call !== calls[index])) own = { ...message, tool_calls: fit }
  }
  for (const field of sealable) {
    const kept = encodeSeals(message[field], endpoint)
    if (kept === message[field]) continue
    own ??= { ...message }
    if (kept === undefined) delete own[field]
    else own[field] = kept
  }
  return dialect.thoughts !== undefined && thinks(message)
    ? encodeThoughts(own ?? { ...message }, dialect.thoughts)
    : own
}

const encodeCall = (call: unknown, dialect: Dialect, endpoint: Endpoint): unknown => {
  if (!Predicate.isObject(call) || !Predicate.isString(call["id"])) return call
  const { id, signature } = ToolIds.read(call["id"])
  const fit = ToolIds.toward(id, endpoint)
  const kept = encodeSignature(call, endpoint)
  const own = signature === undefined ? undefined : EncryptedReasoning.toward(signature, endpoint.host)
  if (own?.issuer === "google" && dialect.signatures) return { ...kept, id: fit, ...Reasoning.signed(own) }
  return fit === call["id"] ? kept : { ...kept, id: fit }
}

// ---------------------------------------------------------------------------------------------------------------------
// Seals
// ---------------------------------------------------------------------------------------------------------------------

/** A call with its signature as the server gave it, or without the one of another. */
const encodeSignature = (call: Json.Fields, endpoint: Endpoint): Json.Fields => {
  const { signature } = Reasoning.ofCall(call, {})
  if (signature === undefined) return call
  const value = EncryptedReasoning.ownValue(signature.value, signature.issuer, endpoint.host)
  if (value === signature.value) return call
  const { extra_content: _google, provider_specific_fields: _litellm, ...rest } = call
  return value === undefined ? rest : { ...rest, ...Reasoning.signed({ ...signature, value }) }
}

const sealable = ["reasoning_details", "thinking_blocks"] as const

/** The details with their seals as the server gave them, without those of another; `undefined` where none is left. */
const encodeSeals = (details: unknown, { host }: Endpoint): unknown => {
  if (!Array.isArray(details)) return details
  const kept = details.flatMap((detail: unknown) => {
    if (!Predicate.isObject(detail)) return [detail]
    const field = detail["data"] === undefined ? "signature" : "data"
    const text = Json.nonEmptyString(detail[field])
    if (text === undefined) return [detail]
    const value = Reasoning.isAnothers(detail, text, host)
      ? undefined
      : EncryptedReasoning.ownValue(text, EncryptedReasoning.anyIssuer, host)
    if (value === undefined) return []
    return [value === text ? detail : { ...detail, [field]: value }]
  })
  if (kept.length === details.length && kept.every((detail, index) => detail === details[index])) return details
  return kept.length === 0 ? undefined : kept
}

const fields = ["reasoning_content", "reasoning", "reasoning_details"] as const

const thinks = (message: Json.Fields): boolean =>
  message["reasoning_content"] !== undefined ||
  message["reasoning"] !== undefined ||
  message["reasoning_details"] !== undefined

/** Thoughts stand where this server looks for them, if it does at all: OpenAI refuses fields that it does not know. */
const encodeThoughts = (message: Body, thoughts: NonNullable<Dialect["thoughts"]>): Body => {
  const kept = message["reasoning_details"]
  const text = Reasoning.decode(message)
    .map((thought) => thought.text)
    .join("")
  for (const field of fields) delete message[field]
  if (thoughts === "reasoning_details") {
    if (kept !== undefined) message[thoughts] = kept
    else if (text !== "") message["reasoning"] = text
  } else if (thoughts !== "none" && text !== "") message[thoughts] = text
  return message
}
