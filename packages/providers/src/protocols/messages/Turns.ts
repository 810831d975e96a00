/**
 * The conversation as the Messages API wants it: the system prompt apart, then turns that alternate.
 *
 * - System and developer messages before the first turn are the system prompt.
 * - Neighbours of one role are one turn; tool results are the user's, and stand first in the turn.
 * - A system message inside the conversation keeps its place. Where the model takes it there, right after a user turn and
 *   before an assistant's or the end, it is a `system` turn; elsewhere it is text in the user's turn, marked `<system>`,
 *   and that is warned of.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Content from "./Content.ts"
import type { Block, Warn } from "../Lowering.ts"
import type { Model } from "./Model.ts"

export interface Turn {
  readonly role: "system" | "user" | "assistant"
  readonly content: Array<Block>
}

export interface Turns {
  readonly system: ReadonlyArray<Block>
  readonly turns: ReadonlyArray<Turn>
}

export const encode = (messages: ReadonlyArray<Chat.Message>, model: Model, warn: Warn): Turns => {
  const system: Array<Block> = []
  const merged: Array<Turn> = []
  for (const message of messages) {
    const role = roleOf(message)
    if ("name" in message && message.name !== undefined) warn("the name of a message's author")
    const content: Array<Block> = role === "system" && merged.length === 0 ? system : []
    for (const part of message.content) Content.encode(part, content, warn)
    if (content !== system) append(merged, role, content)
  }
  return { system, turns: settle(merged, model, warn) }
}

const roleOf = (message: Chat.Message): Turn["role"] => {
  switch (message.role) {
    case "system":
    case "developer":
      return "system"
    case "user":
    case "tool":
      return "user"
    case "assistant":
      return "assistant"
  }
}

const append = (turns: Array<Turn>, role: Turn["role"], content: Array<Block>): void => {
  if (content.length === 0) return
  const last = turns[turns.length - 1]
  if (last?.role === role) last.content.push(...content)
  else turns.push({ role, content })
}

/** Gives every inner system turn the form it may have where it stands, and every user turn its results first. */
const settle = (merged: ReadonlyArray<Turn>, model: Model, warn: Warn): ReadonlyArray<Turn> => {
  const turns: Array<Turn> = []
  for (const [index, turn] of merged.entries()) {
    if (turn.role !== "system" || mayStand(turns[turns.length - 1], merged[index + 1], model)) {
      append(turns, turn.role, turn.content)
      continue
    }
    warn("a system message inside the conversation, sent as the user's text")
    append(turns, "user", turn.content.map(asUserText))
  }
  return turns.map((turn) => (turn.role === "user" ? { role: turn.role, content: resultsFirst(turn.content) } : turn))
}

const mayStand = (before: Turn | undefined, after: Turn | undefined, model: Model): boolean =>
  model.systemTurns && before?.role === "user" && after?.role !== "user"

const asUserText = (block: Block): Block => ({ ...block, text: `<system>\n${String(block["text"])}\n</system>` })

const resultsFirst = (content: Array<Block>): Array<Block> => {
  const results = content.filter(isResult)
  return results.length === 0 || results.length === content.length
    ? content
    : [...results, ...content.filter((block) => !isResult(block))]
}

const isResult = (block: Block): boolean => block["type"] === "tool_result"
