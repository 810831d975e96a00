/**
 * What stands in a client's conversation though it is not Anthropic's: when other vendors answered its earlier turns, the
 * client was given their thoughts, pages and blanks in this protocol's words (see `Response.encode`). The API checks its own, and
 * refuses these.
 */
import * as Predicate from "effect/Predicate"
import type { Endpoint } from "../Endpoint.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import { issuer } from "./Protocol.ts"
import * as EncryptedReasoning from "../EncryptedReasoning.ts"
import * as ToolIds from "../ToolIds.ts"

/** The body without them, with ids that the endpoint takes: the very same where there is nothing to do. */
export const leaveOut = (body: Record<string, unknown>, endpoint: Endpoint): Record<string, unknown> => {
  const messages = Json.list(body["messages"])
  let left: Array<unknown> | undefined
  for (const [index, message] of messages.entries()) {
    const kept = hasBlocks(message) ? settle(message, endpoint) : message
    if (left === undefined && kept !== message) left = messages.slice(0, index)
    if (left !== undefined && kept !== undefined) left.push(kept)
  }
  if (left === undefined) return body
  return resumesUnthought(left) ? withoutThinking({ ...body, messages: left }) : { ...body, messages: left }
}

const hasBlocks = (message: unknown): message is Fields & { readonly content: ReadonlyArray<unknown> } =>
  Predicate.isObject(message) && Array.isArray(message["content"])

/** The turn as the endpoint takes it: the same, where that is so already; `undefined` where nothing is left of it. */
const settle = (
  message: Fields & { readonly content: ReadonlyArray<unknown> },
  endpoint: Endpoint,
): Fields | undefined => {
  const { content, role } = message
  const settled = role === "assistant" ? settleSaid : settleShown
  const kept = content.map((block) => settled(block, endpoint))
  if (kept.every((block, index) => block === content[index])) return message
  const left = kept.filter(Predicate.isNotUndefined)
  return left.length === 0 ? undefined : { ...message, content: left }
}

/** `undefined` for a thought that another endpoint has sealed, or nobody, and for white space. */
const settleSaid = (block: unknown, endpoint: Endpoint): unknown => {
  if (!Predicate.isObject(block)) return block
  switch (block["type"]) {
    case "thinking":
      return withSeal(block, "signature", endpoint)
    case "redacted_thinking":
      return withSeal(block, "data", endpoint)
    case "tool_use":
      return withId(block, "id", endpoint)
    case "text":
      if (!/\S/.test(Json.string(block["text"]))) return undefined
      return isForeignlyCited(block) ? withOwnCitations(block) : block
    default:
      return block
  }
}

const settleShown = (block: unknown, endpoint: Endpoint): unknown =>
  Predicate.isObject(block) && block["type"] === "tool_result" ? withId(block, "tool_use_id", endpoint) : block

const withId = (block: Fields, field: "id" | "tool_use_id", endpoint: Endpoint): Fields => {
  const written = Json.string(block[field])
  const id = ToolIds.toward(ToolIds.read(written).id, endpoint)
  return id === written ? block : { ...block, [field]: id }
}

const withSeal = (block: Fields, field: "signature" | "data", { host }: Endpoint): unknown => {
  const seal = EncryptedReasoning.ownValue(Json.string(block[field]), issuer, host)
  if (seal === undefined) return undefined
  return seal === block[field] ? block : { ...block, [field]: seal }
}

const isForeignlyCited = (block: unknown): block is Fields =>
  Predicate.isObject(block) && Array.isArray(block["citations"]) && block["citations"].some(isForeign)

/** A page that Anthropic's own search has found bears its proof. */
const isForeign = (citation: unknown): boolean =>
  Predicate.isObject(citation) &&
  citation["type"] === "web_search_result_location" &&
  Json.string(citation["encrypted_index"]) === ""

const withOwnCitations = ({ citations, ...rest }: Fields): Fields => {
  const own = Json.list(citations).filter((citation) => !isForeign(citation))
  return own.length === 0 ? rest : { ...rest, citations: own }
}

/** Whether the last turn answers calls of a turn that now begins without a thought: no model with a budget goes on then. */
export const resumesUnthought = (messages: ReadonlyArray<unknown>): boolean => {
  const first = (index: number) => Json.fields(Json.list(Json.fields(messages.at(index))["content"])[0])["type"]
  return first(-1) === "tool_result" && first(-2) !== "thinking" && first(-2) !== "redacted_thinking"
}

/** What clears thoughts is refused where there are to be none. */
const withoutThinking = (body: Record<string, unknown>): Record<string, unknown> =>
  Json.fields(body["thinking"])["type"] === "enabled" ? unthinking(body) : body

/** The body of a request that is to do without thought. */
export const unthinking = (body: Record<string, unknown>): Record<string, unknown> => {
  const { context_management: management, thinking: _thinking, ...rest } = body
  if (!Predicate.isObject(management)) return rest
  const edits = Json.list(management["edits"]).filter(
    (edit) => !Json.string(Json.fields(edit)["type"]).startsWith("clear_thinking"),
  )
  return edits.length === 0 ? rest : { ...rest, context_management: { ...management, edits } }
}
