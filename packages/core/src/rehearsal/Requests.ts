/**
 * The requests of planned calls: as large as they are said to be, with what they need of a model, and no meaning.
 */
import type * as Chat from "../model/Chat.ts"
import type * as Embedding from "../model/Embedding.ts"
import * as Filler from "./Filler.ts"
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
  input: [Filler.about(inputTokens)],
})

const tools: ReadonlyArray<Chat.Tool> = [{ name: "any" }]

const messageOf = ({ content, inputTokens, requires = [] }: PlannedCall): Chat.UserMessage => ({
  role: "user",
  content: [
    { type: "text", text: Filler.about(inputTokens) },
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
