/**
 * The conversation as Converse wants it: the system prompt apart, then turns of user and assistant that alternate.
 *
 * - System and developer messages before the first turn are the system prompt.
 * - Neighbours of one role are one turn; tool results are the user's, and stand first in the turn.
 * - A system message inside the conversation keeps its place as text in the user's turn, marked `<system>`, and that is
 *   warned of.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Part } from "../Lowering.ts"
import * as Content from "./Content.ts"
import type { Block } from "../Lowering.ts"
import type { Context } from "./Content.ts"

export interface Turn {
  readonly role: "user" | "assistant"
  readonly content: ReadonlyArray<Block>
}

export interface Turns {
  readonly system: ReadonlyArray<Block>
  readonly turns: ReadonlyArray<Turn>
}

interface Draft {
  readonly role: Turn["role"]
  readonly results: Array<Block>
  readonly content: Array<Block>
}

export const encode = (messages: ReadonlyArray<Chat.Message>, context: Context): Turns => {
  const system: Array<Block> = []
  const drafts: Array<Draft> = []
  for (const message of messages) {
    if ("name" in message && message.name !== undefined) {
      context.warn(`the name of a message's author, ${message.name}`)
    }
    const isSystem = message.role === "system" || message.role === "developer"
    if (isSystem && drafts.length === 0) {
      for (const part of message.content) Content.encode(part, system, context)
      continue
    }
    const content: Array<Block> = []
    for (const part of message.content) Content.encode(isSystem ? asUserText(part) : part, content, context)
    if (content.length === 0) continue
    if (isSystem) context.warn("a system message inside the conversation, sent as the user's text")
    const draft = draftFor(message.role === "assistant" ? "assistant" : "user", drafts)
    if (message.role === "tool") draft.results.push(...content)
    else draft.content.push(...content)
  }
  return { system, turns: drafts.map(settle) }
}

const draftFor = (role: Turn["role"], drafts: Array<Draft>): Draft => {
  const last = drafts[drafts.length - 1]
  if (last?.role === role) return last
  const draft: Draft = { role, results: [], content: [] }
  drafts.push(draft)
  return draft
}

const settle = ({ role, results, content }: Draft): Turn => ({
  role,
  content: results.length === 0 ? content : [...results, ...content],
})

const asUserText = (part: Part): Part =>
  part.type === "text" && /\S/.test(part.text) ? { ...part, text: `<system>\n${part.text}\n</system>` } : part
