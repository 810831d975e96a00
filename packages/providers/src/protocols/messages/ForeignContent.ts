/**
 * Removes other vendors' content from a client's own body. If other vendors answered earlier turns, the client received
 * their reasoning, pages and blank text in this protocol (see `Response.encode`). The API validates its own content,
 * and rejects theirs.
 */
import * as Predicate from "effect/Predicate"
import type { Endpoint } from "../Endpoint.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import { issuer } from "./Protocol.ts"
import * as EncryptedReasoning from "../EncryptedReasoning.ts"
import * as ToolIds from "../ToolIds.ts"

/** The body without foreign content, and with ids that the endpoint accepts; the given body if nothing changes. */
export const remove = (body: Record<string, unknown>, endpoint: Endpoint): Record<string, unknown> => {
  const messages = Json.list(body["messages"])
  let left: Array<unknown> | undefined
  for (const [index, message] of messages.entries()) {
    const kept = hasBlocks(message) ? fitTurn(message, endpoint) : message
    if (left === undefined && kept !== message) left = messages.slice(0, index)
    if (left !== undefined && kept !== undefined) left.push(kept)
  }
  if (left === undefined) return body
  return resumesWithoutReasoning(left) ? withoutThinking({ ...body, messages: left }) : { ...body, messages: left }
}

const hasBlocks = (message: unknown): message is Fields & { readonly content: ReadonlyArray<unknown> } =>
  Predicate.isObject(message) && Array.isArray(message["content"])

/** The turn as the endpoint accepts it: the given turn if nothing changes; `undefined` if nothing is left. */
const fitTurn = (
  message: Fields & { readonly content: ReadonlyArray<unknown> },
  endpoint: Endpoint,
): Fields | undefined => {
  const { content, role } = message
  const fitBlock = role === "assistant" ? fitAssistantBlock : fitUserBlock
  const kept = content.map((block) => fitBlock(block, endpoint))
  if (kept.every((block, index) => block === content[index])) return message
  const left = kept.filter(Predicate.isNotUndefined)
  return left.length === 0 ? undefined : { ...message, content: left }
}

/** `undefined` for reasoning that is not encrypted by this endpoint, and for blank text. */
const fitAssistantBlock = (block: unknown, endpoint: Endpoint): unknown => {
  if (!Predicate.isObject(block)) return block
  switch (block["type"]) {
    case "thinking":
      return withEncrypted(block, "signature", endpoint)
    case "redacted_thinking":
      return withEncrypted(block, "data", endpoint)
    case "tool_use":
      return withId(block, "id", endpoint)
    case "text":
      if (!/\S/.test(Json.string(block["text"]))) return undefined
      return hasForeignCitation(block) ? withOwnCitations(block) : block
    default:
      return block
  }
}

const fitUserBlock = (block: unknown, endpoint: Endpoint): unknown =>
  Predicate.isObject(block) && block["type"] === "tool_result" ? withId(block, "tool_use_id", endpoint) : block

const withId = (block: Fields, field: "id" | "tool_use_id", endpoint: Endpoint): Fields => {
  const written = Json.string(block[field])
  const id = ToolIds.toward(ToolIds.read(written).id, endpoint)
  return id === written ? block : { ...block, [field]: id }
}

const withEncrypted = (block: Fields, field: "signature" | "data", { host }: Endpoint): unknown => {
  const encrypted = EncryptedReasoning.ownValue(Json.string(block[field]), issuer, host)
  if (encrypted === undefined) return undefined
  return encrypted === block[field] ? block : { ...block, [field]: encrypted }
}

const hasForeignCitation = (block: unknown): block is Fields =>
  Predicate.isObject(block) && Array.isArray(block["citations"]) && block["citations"].some(isForeign)

/** A page found by Anthropic's own search has a proof. */
const isForeign = (citation: unknown): boolean =>
  Predicate.isObject(citation) &&
  citation["type"] === "web_search_result_location" &&
  Json.string(citation["encrypted_index"]) === ""

const withOwnCitations = ({ citations, ...rest }: Fields): Fields => {
  const own = Json.list(citations).filter((citation) => !isForeign(citation))
  return own.length === 0 ? rest : { ...rest, citations: own }
}

/**
 * Whether the last turn has results for a turn that no longer begins with reasoning. Models with a reasoning budget
 * reject that.
 */
export const resumesWithoutReasoning = (messages: ReadonlyArray<unknown>): boolean => {
  const first = (index: number) => Json.fields(Json.list(Json.fields(messages.at(index))["content"])[0])["type"]
  return first(-1) === "tool_result" && first(-2) !== "thinking" && first(-2) !== "redacted_thinking"
}

/** Edits that clear reasoning are rejected if there is none. */
const withoutThinking = (body: Record<string, unknown>): Record<string, unknown> =>
  Json.fields(body["thinking"])["type"] === "enabled" ? withoutReasoning(body) : body

/** The body of a request without reasoning. */
export const withoutReasoning = (body: Record<string, unknown>): Record<string, unknown> => {
  const { context_management: management, thinking: _thinking, ...rest } = body
  if (!Predicate.isObject(management)) return rest
  const edits = Json.list(management["edits"]).filter(
    (edit) => !Json.string(Json.fields(edit)["type"]).startsWith("clear_thinking"),
  )
  return edits.length === 0 ? rest : { ...rest, context_management: { ...management, edits } }
}
