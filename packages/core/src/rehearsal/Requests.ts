/**
 * The requests of planned calls: as large as they are said to be, with what they need of a model, and no meaning.
 */
import type * as Chat from "../model/Chat.ts"
import type * as Embedding from "../model/Embedding.ts"
import { charactersPerToken } from "../model/Usage.ts"
import type { PlannedCall } from "./Traffic.ts"

export const chat = (call: PlannedCall): Chat.Request => {
  const { maxTokens, model, requires } = call
  const sampling = maxTokens === undefined ? undefined : { maxTokens }
  if (requires === undefined || requires.length === 0) return { model, messages: [messageOf(call)], sampling }
  const needs = new Set(requires)
  return {
    model,
    messages: [messageOf(call)],
    sampling,
    tools: needs.has("tools") ? tools : undefined,
    reasoning: needs.has("reasoning") ? { effort: "medium" } : undefined,
    format: needs.has("jsonSchema") ? { type: "json-schema", name: "any", schema: {} } : undefined,
  }
}

export const embedding = ({ inputTokens, model }: PlannedCall): Embedding.Request => ({
  model,
  input: [textOf(inputTokens)],
})

const tools: ReadonlyArray<Chat.Tool> = [{ name: "any" }]

/** Long texts are shared by the calls of about one size. */
const messageOf = ({ content, inputTokens, requires = [] }: PlannedCall): Chat.UserMessage => ({
  role: "user",
  content: [
    { type: "text", text: textOf(inputTokens) },
    { type: "text", text: String(content) },
    ...requires.flatMap((need) => parts[need] ?? []),
  ],
})

const data = { type: "base64", data: "", mediaType: "application/octet-stream" } as const

const parts: Readonly<Partial<Record<string, Chat.UserContent>>> = {
  vision: { type: "image", source: data },
  files: { type: "file", source: data },
  audio: { type: "audio", source: data },
}

/** A text of about as many tokens: in sixteen sizes from one power of two to the next. */
const textOf = (tokens: number): string => {
  const size = Math.round(Math.log2(Math.max(1, tokens)) * 16)
  const known = texts.get(size)
  if (known !== undefined) return known
  const made = "word".padEnd(charactersPerToken).repeat(Math.round(2 ** (size / 16)))
  texts.set(size, made)
  return made
}

const texts = new Map<number, string>()
