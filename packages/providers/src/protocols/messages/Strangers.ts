/**
 * What stands in a client's conversation though it is not Anthropic's: when other vendors answered its earlier turns, the
 * client was given their thoughts, pages and blanks in this protocol's words (see `Response.encode`). The API checks its own, and
 * refuses these.
 */
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import { issuer } from "./Protocol.ts"
import * as Seals from "../Seals.ts"

/** The body without them: the very same where there are none. */
export const leaveOut = (body: Record<string, unknown>): Record<string, unknown> => {
  const messages = Json.list(body["messages"])
  if (!messages.some(hasStranger)) return body
  const left = messages.flatMap<unknown>((message) => (hasStranger(message) ? without(message) : [message]))
  return resumesUnthought(left) ? withoutThinking({ ...body, messages: left }) : { ...body, messages: left }
}

const hasStranger = (message: unknown): message is Fields => {
  if (!Predicate.isObject(message) || message["role"] !== "assistant" || !Array.isArray(message["content"]))
    return false
  return message["content"].some((block: unknown) => isStranger(block) || isForeignlyCited(block))
}

/** A thought that another vendor has sealed, or nobody; white space for an answer. */
const isStranger = (block: unknown): boolean => {
  if (!Predicate.isObject(block)) return false
  switch (block["type"]) {
    case "thinking":
      return !isOwn(Json.string(block["signature"]))
    case "redacted_thinking":
      return !isOwn(Json.string(block["data"]))
    case "text":
      return !/\S/.test(Json.string(block["text"]))
    default:
      return false
  }
}

const isOwn = (seal: string): boolean => seal !== "" && Seals.read(seal, issuer).issuer === issuer

const isForeignlyCited = (block: unknown): block is Fields =>
  Predicate.isObject(block) && Array.isArray(block["citations"]) && block["citations"].some(isForeign)

/** A page that Anthropic's own search has found bears its proof. */
const isForeign = (citation: unknown): boolean =>
  Predicate.isObject(citation) &&
  citation["type"] === "web_search_result_location" &&
  Json.string(citation["encrypted_index"]) === ""

/** A turn of which nothing is left is none. */
const without = (message: Fields): ReadonlyArray<Fields> => {
  const content = Json.list(message["content"])
    .filter((block) => !isStranger(block))
    .map((block) => {
      if (!isForeignlyCited(block)) return block
      const { citations, ...rest } = block
      const own = Json.list(citations).filter((citation) => !isForeign(citation))
      return own.length === 0 ? rest : { ...rest, citations: own }
    })
  return content.length === 0 ? [] : [{ ...message, content }]
}

/** Whether the last turn answers calls of a turn that now begins without a thought: no model with a budget goes on then. */
const resumesUnthought = (messages: ReadonlyArray<unknown>): boolean => {
  const first = (index: number) => Json.fields(Json.list(Json.fields(messages.at(index))["content"])[0])["type"]
  return first(-1) === "tool_result" && first(-2) !== "thinking" && first(-2) !== "redacted_thinking"
}

/** What clears thoughts is refused where there are to be none. */
const withoutThinking = (body: Record<string, unknown>): Record<string, unknown> => {
  if (Json.fields(body["thinking"])["type"] !== "enabled") return body
  const { context_management: management, thinking: _thinking, ...rest } = body
  if (!Predicate.isObject(management)) return rest
  const edits = Json.list(management["edits"]).filter(
    (edit) => !Json.string(Json.fields(edit)["type"]).startsWith("clear_thinking"),
  )
  return edits.length === 0 ? rest : { ...rest, context_management: { ...management, edits } }
}
