/**
 * Thoughts, as the servers that are only compatible write them: as text in `reasoning_content` (DeepSeek, vLLM) or
 * `reasoning` (Ollama, Groq, OpenRouter), in OpenRouter's `reasoning_details` with the seals that vendors put on them, and
 * in LiteLLM's `thinking_blocks` and `provider_specific_fields`. OpenAI's own Chat Completions shows none.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import type { Fields } from "../Json.ts"
import * as Json from "../Json.ts"
import type { Block } from "../Lowering.ts"
import * as EncryptedReasoning from "../EncryptedReasoning.ts"

/** Whose seal a detail bears, as its `format` says it. Any other issuer is named as it is. */
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

/** The thoughts of a message, or of a delta, however they are written: details say more than the text beside them. */
export const decode = (message: Fields): ReadonlyArray<Chat.Reasoning> => {
  const details = message["reasoning_details"]
  if (Array.isArray(details) && details.length > 0) {
    const thoughts = details.flatMap((detail) => decodeDetail(Json.fields(detail)) ?? [])
    if (thoughts.length > 0) return thoughts
  }
  const blocks = message["thinking_blocks"]
  if (Array.isArray(blocks) && blocks.length > 0) {
    const thoughts = blocks.flatMap((block) => decodeBlock(Json.fields(block)) ?? [])
    if (thoughts.length > 0) return thoughts
  }
  const text = Json.nonEmptyString(message["reasoning_content"]) ?? Json.nonEmptyString(message["reasoning"])
  return text === undefined ? none : [{ type: "reasoning", text }]
}

const none: ReadonlyArray<Chat.Reasoning> = []

/** Whose a seal is that stands where LiteLLM puts those of the vendors behind it. */
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
      // With the id of a call, it is the call's own: see `ofCall`.
      return Predicate.isString(data) && !(issuer === "google" && Predicate.isString(id))
        ? { type: "reasoning", text: "", redacted: { issuer, value: data } }
        : undefined
    case "reasoning.summary":
      return Predicate.isString(summary) && summary !== "" ? { type: "reasoning", text: summary } : undefined
    case "reasoning.text": {
      const words = Json.string(text)
      if (Predicate.isString(signature) && signature !== "") {
        return { type: "reasoning", text: words, signature: { issuer, value: signature } }
      }
      return words === "" ? undefined : { type: "reasoning", text: words }
    }
    default:
      return undefined
  }
}

/**
 * Whether a client's detail is the answer of an endpoint that spoke another protocol, which we wrote so: what `host` gave
 * itself is under its mark.
 */
export const isAnothers = ({ format }: Fields, seal: string, host: EncryptedReasoning.Host): boolean => {
  const named = Json.string(format)
  if (named.includes("@")) return !EncryptedReasoning.isTaggedFor(seal, named)
  return host !== undefined && issuerOf.has(named) && !EncryptedReasoning.isMarked(seal)
}

/** Gemini signs its calls: on the call itself, by Google's own server and LiteLLM, or among the details, by OpenRouter. */
export const ofCall = (call: Fields, message: Fields): { readonly signature?: Chat.EncryptedReasoning } => {
  const own = Json.fields(Json.fields(call["extra_content"])["google"])["thought_signature"]
  if (Predicate.isString(own) && own !== "") return { signature: { issuer: "google", value: own } }
  const beside = call["provider_specific_fields"] ?? Json.fields(call["function"])["provider_specific_fields"]
  const given = Json.nonEmptyString(Json.fields(beside)["thought_signature"])
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

/** What a call bears its signature in, in the form in which it came. */
export const signed = (signature: Chat.EncryptedReasoning | undefined): Block => {
  switch (signature?.issuer) {
    case "google":
      return { extra_content: { google: { thought_signature: signature.value } } }
    case litellm:
      return { provider_specific_fields: { thought_signature: signature.value } }
    default:
      return unsigned
  }
}

/** The thoughts that a server has sealed, in the form in which it gave them. */
export const sealed = (thoughts: ReadonlyArray<Chat.Reasoning>): Block => {
  const blocks: Array<Block> = []
  const details: Array<Block> = []
  for (const thought of thoughts) {
    const { redacted, signature, text } = thought
    const seal = redacted ?? signature
    if (seal === undefined || EncryptedReasoning.isForeign(seal)) continue
    if (seal.issuer !== litellm) details.push(encode(thought, details.length))
    else if (redacted !== undefined) blocks.push({ type: "redacted_thinking", data: redacted.value })
    else blocks.push({ type: "thinking", thinking: text, signature: signature?.value })
  }
  return {
    ...(blocks.length === 0 ? undefined : { thinking_blocks: blocks }),
    ...(details.length === 0 ? undefined : { reasoning_details: details }),
  }
}

/** One thought as a detail: `index` tells it from its neighbours, and joins the pieces of a streamed one. */
export const encode = ({ redacted, signature, text }: Omit<Chat.Reasoning, "type">, index: number): Block => {
  if (redacted !== undefined) {
    return { type: "reasoning.encrypted", data: redacted.value, format: format(redacted), index }
  }
  return signature === undefined
    ? { type: "reasoning.text", text, index }
    : { type: "reasoning.text", text, signature: signature.value, format: format(signature), index }
}

/** The signature of a call, as OpenRouter takes it. */
export const encodeCall = (id: string, signature: Chat.EncryptedReasoning, index: number): Block => ({
  type: "reasoning.encrypted",
  data: signature.value,
  id,
  format: format(signature),
  index,
})

const format = ({ issuer }: Chat.EncryptedReasoning): string => formatOf.get(issuer) ?? issuer
