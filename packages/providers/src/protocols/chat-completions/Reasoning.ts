/**
 * Reasoning in the fields of compatible servers: text in `reasoning_content` (DeepSeek, vLLM) or `reasoning` (Ollama,
 * Groq, OpenRouter), text with encrypted reasoning in OpenRouter's `reasoning_details`, and in LiteLLM's
 * `thinking_blocks` and `provider_specific_fields`. OpenAI's Chat Completions has none.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import type { Fields } from "../Json.ts"
import * as Json from "../Json.ts"
import type { Block } from "../Lowering.ts"
import * as EncryptedReasoning from "../EncryptedReasoning.ts"

/** The issuer of a detail's encrypted reasoning, by its `format`. Any other issuer is named as is. */
const formats: ReadonlyArray<readonly [issuer: string, format: string]> = [
  ["anthropic", "anthropic-claude-v1"],
  ["openai", "openai-responses-v1"],
  ["google", "google-gemini-v1"],
  ["xai", "xai-responses-v1"],
]
const formatOf = new Map(formats)
const issuerOf = new Map(formats.map(([issuer, format]) => [format, issuer]))

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** The reasoning of a message or a delta. Details take precedence over plain text. */
export const decode = (message: Fields): ReadonlyArray<Chat.Reasoning> => {
  const details = message["reasoning_details"]
  if (Array.isArray(details) && details.length > 0) {
    const parts = details.flatMap((detail) => decodeDetail(Json.fields(detail)) ?? [])
    if (parts.length > 0) return parts
  }
  const blocks = message["thinking_blocks"]
  if (Array.isArray(blocks) && blocks.length > 0) {
    const parts = blocks.flatMap((block) => decodeBlock(Json.fields(block)) ?? [])
    if (parts.length > 0) return parts
  }
  const text = Json.nonEmptyString(message["reasoning_content"]) ?? Json.nonEmptyString(message["reasoning"])
  return text === undefined ? none : [{ type: "reasoning", text }]
}

const none: ReadonlyArray<Chat.Reasoning> = []

/** The issuer of values in LiteLLM's fields: LiteLLM does not name the vendor behind it. */
const litellm = "litellm"

const decodeBlock = ({ data, signature, thinking, type }: Fields): Chat.Reasoning | undefined => {
  if (type === "redacted_thinking") {
    return Predicate.isString(data)
      ? { type: "reasoning", text: "", redacted: { issuer: litellm, value: data } }
      : undefined
  }
  const text = Json.string(thinking)
  const value = Json.nonEmptyString(signature)
  if (value !== undefined) return { type: "reasoning", text, signature: { issuer: litellm, value } }
  return text === "" ? undefined : { type: "reasoning", text }
}

const decodeDetail = ({ data, format, id, signature, summary, text, type }: Fields): Chat.Reasoning | undefined => {
  const named = Json.nonEmptyString(format) ?? "unknown"
  const issuer = issuerOf.get(named) ?? named
  switch (type) {
    case "reasoning.encrypted":
      // With a call's id, it is the call's signature: see `ofCall`.
      return Predicate.isString(data) && !(issuer === "google" && Predicate.isString(id))
        ? { type: "reasoning", text: "", redacted: { issuer, value: data } }
        : undefined
    case "reasoning.summary":
      return Predicate.isString(summary) && summary !== "" ? { type: "reasoning", text: summary } : undefined
    case "reasoning.text": {
      const written = Json.string(text)
      if (Predicate.isString(signature) && signature !== "") {
        return { type: "reasoning", text: written, signature: { issuer, value: signature } }
      }
      return written === "" ? undefined : { type: "reasoning", text: written }
    }
    default:
      return undefined
  }
}

/**
 * Whether a client's detail was written here for a response of another endpoint. Values of `host` itself are tagged.
 */
export const isOtherHosts = ({ format }: Fields, encrypted: string, host: EncryptedReasoning.Host): boolean => {
  const named = Json.string(format)
  if (named.includes("@")) return !EncryptedReasoning.isTaggedFor(encrypted, named)
  return host !== undefined && issuerOf.has(named) && !EncryptedReasoning.isMarked(encrypted)
}

/** The signature of a Gemini call: on the call itself (Google, LiteLLM), or among the details (OpenRouter). */
export const ofCall = (call: Fields, message: Fields): { readonly signature?: Chat.EncryptedReasoning } => {
  const own = Json.fields(Json.fields(call["extra_content"])["google"])["thought_signature"]
  if (Predicate.isString(own) && own !== "") return { signature: { issuer: "google", value: own } }
  const vendorFields = call["provider_specific_fields"] ?? Json.fields(call["function"])["provider_specific_fields"]
  const given = Json.nonEmptyString(Json.fields(vendorFields)["thought_signature"])
  if (given !== undefined) return { signature: { issuer: litellm, value: given } }
  const details = message["reasoning_details"]
  if (!Array.isArray(details) || details.length === 0) return unsigned
  for (const detail of details) {
    const { data, format, id } = Json.fields(detail)
    if (Predicate.isString(data) && id === call["id"] && issuerOf.get(Json.string(format)) === "google") {
      return { signature: { issuer: "google", value: data } }
    }
  }
  return unsigned
}

const unsigned = {}

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** The fields of a call's signature, in the form it was issued in. */
export const signatureFields = (signature: Chat.EncryptedReasoning | undefined): Block => {
  switch (signature?.issuer) {
    case "google":
      return { extra_content: { google: { thought_signature: signature.value } } }
    case litellm:
      return { provider_specific_fields: { thought_signature: signature.value } }
    default:
      return unsigned
  }
}

/** The encrypted reasoning of a server, in the form it was issued in. */
export const encryptedFields = (parts: ReadonlyArray<Chat.Reasoning>): Block => {
  const blocks: Array<Block> = []
  const details: Array<Block> = []
  for (const part of parts) {
    const { redacted, signature, text } = part
    const encrypted = redacted ?? signature
    if (encrypted === undefined || EncryptedReasoning.isForeign(encrypted)) continue
    if (encrypted.issuer !== litellm) details.push(encode(part, details.length))
    else if (redacted !== undefined) blocks.push({ type: "redacted_thinking", data: redacted.value })
    else blocks.push({ type: "thinking", thinking: text, signature: signature?.value })
  }
  return {
    ...(blocks.length === 0 ? undefined : { thinking_blocks: blocks }),
    ...(details.length === 0 ? undefined : { reasoning_details: details }),
  }
}

/** Reasoning as a detail. `index` identifies it among its neighbours, and joins its pieces in a stream. */
export const encode = ({ redacted, signature, text }: Omit<Chat.Reasoning, "type">, index: number): Block => {
  if (redacted !== undefined) {
    return { type: "reasoning.encrypted", data: redacted.value, format: format(redacted), index }
  }
  return signature === undefined
    ? { type: "reasoning.text", text, index }
    : { type: "reasoning.text", text, signature: signature.value, format: format(signature), index }
}

/** A call's signature as OpenRouter accepts it. */
export const encodeCall = (id: string, signature: Chat.EncryptedReasoning, index: number): Block => ({
  type: "reasoning.encrypted",
  data: signature.value,
  id,
  format: format(signature),
  index,
})

const format = ({ issuer }: Chat.EncryptedReasoning): string => formatOf.get(issuer) ?? issuer
