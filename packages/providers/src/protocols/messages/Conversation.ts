/**
 * Converts messages between `Chat` and the Messages API, which has a separate system prompt and alternating turns.
 *
 * - System and developer messages before the first turn are the system prompt.
 * - Neighbouring messages of one role are one turn. Tool results belong to the user, and come first in the turn.
 * - A later system message keeps its place. If the model supports it there (after a user turn, and before an assistant
 *   turn or the end), it is a `system` turn; otherwise it is text in the user's turn, marked `<system>`, and reported.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Content from "./Content.ts"
import type { Block, Warn } from "../Lowering.ts"
import type { Model } from "./Model.ts"
import { issuer } from "./Protocol.ts"
import * as EncryptedReasoning from "../EncryptedReasoning.ts"
import * as CacheControl from "./CacheControl.ts"
import * as TextPart from "../TextPart.ts"
import * as UserContent from "./UserContent.ts"
import type * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

export interface Turn {
  readonly role: "system" | "user" | "assistant"
  readonly content: Array<Block>
}

export interface Turns {
  readonly system: Array<Block>
  readonly turns: ReadonlyArray<Turn>
}

export const encode = (messages: ReadonlyArray<Chat.Message>, model: Model, warn: Warn): Turns => {
  const system: Array<Block> = []
  const unnormalized: Array<Turn> = []
  for (const message of messages) {
    const role = roleOf(message)
    if ("name" in message && message.name !== undefined) warn("message author names")
    const content: Array<Block> = role === "system" && unnormalized.length === 0 ? system : []
    for (const part of message.content) Content.encode(part, content, warn)
    if (content !== system) append(unnormalized, role, content)
  }
  return { system, turns: normalize(unnormalized, model, warn) }
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

/** Gives inner system turns a supported form, and moves tool results to the start of user turns. */
const normalize = (unnormalized: ReadonlyArray<Turn>, model: Model, warn: Warn): ReadonlyArray<Turn> => {
  const turns: Array<Turn> = []
  for (const [index, turn] of unnormalized.entries()) {
    if (turn.role !== "system" || isSupportedAt(turns[turns.length - 1], unnormalized[index + 1], model)) {
      append(turns, turn.role, turn.content)
      continue
    }
    warn("a system message inside the conversation, sent as user text")
    append(turns, "user", turn.content.map(asUserText))
  }
  return turns.map((turn) => (turn.role === "user" ? { role: turn.role, content: resultsFirst(turn.content) } : turn))
}

const isSupportedAt = (before: Turn | undefined, after: Turn | undefined, model: Model): boolean =>
  model.systemTurns && before?.role === "user" && after?.role !== "user"

const asUserText = (block: Block): Block => ({ ...block, text: `<system>\n${String(block["text"])}\n</system>` })

const resultsFirst = (content: Array<Block>): Array<Block> => {
  const results = content.filter(isResult)
  return results.length === 0 || results.length === content.length
    ? content
    : [...results, ...content.filter((block) => !isResult(block))]
}

const isResult = (block: Block): boolean => block["type"] === "tool_result"

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** The system prompt, then every turn. Blocks without a counterpart in `Chat` are reported. */
export const decode = (
  { cache_control, messages: turns, system }: Pick<Wire.Request, "cache_control" | "messages" | "system">,
  warn: Warn,
): ReadonlyArray<Chat.Message> => {
  const messages: Array<Chat.Message> = []
  if (system !== undefined && system !== null && system.length > 0) {
    messages.push({ role: "system", content: decodeSystem(system, warn) })
  }
  for (const [index, turn] of turns.entries()) {
    const hint = index === turns.length - 1 ? cache_control : undefined
    switch (turn.role) {
      case "system":
        messages.push({ role: "system", content: CacheControl.mark(decodeSystem(turn.content, warn), hint) })
        break
      case "assistant":
        messages.push({ role: "assistant", content: decodeAssistant(turn.content, warn) })
        break
      case "user":
        decodeUser(turn.content, hint, messages, warn)
        break
    }
  }
  return messages
}

const decodeSystem = (content: string | ReadonlyArray<Wire.SystemBlock>, warn: Warn): ReadonlyArray<Chat.Text> => {
  if (Predicate.isString(content)) return TextPart.fromString(content)
  return content.flatMap((block) => {
    if (block.type === "text") return [UserContent.decodeText(block)]
    warn(Content.other(block.name))
    return []
  })
}

/** The tool results of a user's turn are a tool message. `hint` applies to the last block. */
const decodeUser = (
  content: string | ReadonlyArray<Wire.UserBlock>,
  hint: Wire.CacheControl,
  messages: Array<Chat.Message>,
  warn: Warn,
): void => {
  if (Predicate.isString(content)) {
    messages.push({ role: "user", content: CacheControl.mark(TextPart.fromString(content), hint) })
    return
  }
  const results: Array<Chat.ToolResult> = []
  const media: Array<UserContent.MediaPart> = []
  for (const block of content) {
    if (block.type === "tool_result") results.push(Content.decodeResult(block, warn))
    else media.push(...Content.decodeMedia(block, warn))
  }
  if (results.length > 0) {
    messages.push({ role: "tool", content: media.length === 0 ? CacheControl.mark(results, hint) : results })
  }
  if (media.length > 0 || results.length === 0) messages.push({ role: "user", content: CacheControl.mark(media, hint) })
}

const decodeAssistant = (
  content: string | ReadonlyArray<Wire.AssistantBlock>,
  warn: Warn,
): ReadonlyArray<Chat.AssistantContent> => {
  if (Predicate.isString(content)) return TextPart.fromString(content)
  const parts: Array<Chat.AssistantContent> = []
  for (const block of content) {
    switch (block.type) {
      case "text":
        parts.push(UserContent.decodeText(block))
        break
      case "thinking":
        parts.push(decodeReasoning(block.thinking, block.signature))
        break
      case "redacted_thinking":
        parts.push({ type: "reasoning", text: "", redacted: EncryptedReasoning.read(block.data, issuer) })
        break
      case "tool_use":
        parts.push(Content.decodeCall(block))
        break
      case "other":
        warn(Content.other(block.name))
    }
  }
  return parts
}

const decodeReasoning = (text: string, signature: string | null | undefined): Chat.Reasoning =>
  Predicate.isString(signature) && signature !== ""
    ? { type: "reasoning", text, signature: EncryptedReasoning.read(signature, issuer) }
    : { type: "reasoning", text }
