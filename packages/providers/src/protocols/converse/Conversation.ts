/**
 * Converts messages between `Chat` and Converse, which has a separate system prompt and alternating turns.
 *
 * - System and developer messages before the first turn are the system prompt.
 * - Neighbouring messages of one role are one turn. Tool results belong to the user, and come first in the turn.
 * - A later system message keeps its place as text in the user's turn, marked `<system>`.
 * - The first turn must be the user's: one is inserted before an initial assistant turn, and a system prompt without
 *   turns becomes the user's. A document must have text next to it.
 *
 * Every change is reported.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Part } from "../Lowering.ts"
import * as Content from "./Content.ts"
import type { Block } from "../Lowering.ts"
import type { Context } from "./Content.ts"
import type * as Wire from "./Wire.ts"

export interface Turn {
  readonly role: "user" | "assistant"
  readonly content: ReadonlyArray<Block>
}

export interface Encoded {
  readonly system: Array<Block>
  readonly turns: ReadonlyArray<Turn>
}

interface Draft {
  readonly role: Turn["role"]
  readonly results: Array<Block>
  readonly content: Array<Block>
}

export const encode = (messages: ReadonlyArray<Chat.Message>, context: Context): Encoded => {
  const system: Array<Block> = []
  const drafts: Array<Draft> = []
  for (const message of messages) {
    if ("name" in message && message.name !== undefined) {
      context.warn(`message author names`)
    }
    const isSystem = message.role === "system" || message.role === "developer"
    if (isSystem && drafts.length === 0) {
      for (const part of message.content) Content.encode(part, system, context)
      continue
    }
    const content: Array<Block> = []
    for (const part of message.content) Content.encode(isSystem ? asUserText(part) : part, content, context)
    if (content.length === 0) continue
    if (isSystem) context.warn("a system message inside the conversation, sent as user text")
    const draft = draftFor(message.role === "assistant" ? "assistant" : "user", drafts)
    if (message.role === "tool") draft.results.push(...content)
    else draft.content.push(...content)
  }
  if (drafts[0] === undefined) {
    context.warn("a system prompt without messages, sent as user text")
    return { system: [], turns: [{ role: "user", content: system }] }
  }
  if (drafts[0].role === "assistant") {
    context.warn("an assistant message at the start, preceded by an added user message")
    drafts.unshift({ role: "user", results: [], content: [{ text: "(You speak first.)" }] })
  }
  return { system, turns: drafts.map((draft) => toTurn(draft, context)) }
}

const draftFor = (role: Turn["role"], drafts: Array<Draft>): Draft => {
  const last = drafts[drafts.length - 1]
  if (last?.role === role) return last
  const draft: Draft = { role, results: [], content: [] }
  drafts.push(draft)
  return draft
}

const toTurn = ({ role, results, content }: Draft, { warn }: Context): Turn => {
  if (content.some(isDocument) && !content.some(isText)) {
    warn("a document without text, sent with added text")
    content.push({ text: "(See the document.)" })
  }
  return { role, content: results.length === 0 ? content : [...results, ...content] }
}

const isDocument = (block: Block): boolean => "document" in block
const isText = (block: Block): boolean => "text" in block

const asUserText = (part: Part): Part =>
  part.type === "text" && /\S/.test(part.text) ? { ...part, text: `<system>\n${part.text}\n</system>` } : part

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** The tool results of a user's turn are a message of their own, before the user's. */
export const decode = (
  system: ReadonlyArray<Wire.System>,
  turns: ReadonlyArray<Wire.Message>,
): ReadonlyArray<Chat.Message> => {
  const messages: Array<Chat.Message> = []
  const prompt = Content.decode(system).filter((part) => part.type === "text")
  if (prompt.length > 0) messages.push({ role: "system", content: prompt })
  for (const { content, role } of turns) {
    const parts = Content.decode(content)
    if (role === "assistant") messages.push({ role, content: parts.filter(isAssistantPart) })
    else if (role === "system") messages.push({ role, content: parts.filter((part) => part.type === "text") })
    else {
      const results = parts.filter((part) => part.type === "tool-result")
      if (results.length > 0) messages.push({ role: "tool", content: results })
      const userParts = parts.filter(isUserPart)
      if (userParts.length > 0 || results.length === 0) messages.push({ role, content: userParts })
    }
  }
  return messages
}

const isAssistantPart = (part: Part): part is Chat.AssistantContent =>
  part.type === "text" || part.type === "reasoning" || part.type === "tool-call"

const isUserPart = (part: Part): part is Chat.UserMessage["content"][number] =>
  part.type === "text" || part.type === "image" || part.type === "file" || part.type === "audio"
