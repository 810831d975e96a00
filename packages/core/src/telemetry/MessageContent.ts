/**
 * Prompts, answers and tool definitions in the JSON of OpenTelemetry's conventions for generative AI. Only for spans whose
 * content is asked for: see `Telemetry.CaptureContent`. The data of images, files and audio are left out.
 */
import * as Result from "effect/Result"
import type * as Chat from "../model/Chat.ts"
import * as Outline from "../model/Outline.ts"
import type { Set } from "./GenAi.ts"
import { finishReason } from "./GenAi.ts"

/** The attributes of a request's content. */
export const setInput = (set: Set, request: Chat.Request): void => {
  const { messages, tools } = Outline.whole(request)
  set("gen_ai.input.messages", JSON.stringify(messages.map(message)))
  if (tools !== undefined && tools.length > 0) {
    const definitions = tools.map(({ description, name, parameters }) => ({
      type: "function",
      name,
      description,
      parameters,
    }))
    set("gen_ai.tool.definitions", JSON.stringify(definitions))
  }
}

/** The attribute of an answer's content. */
export const setOutput = (set: Set, choices: ReadonlyArray<Pick<Chat.Choice, "content"> & Finish>): void =>
  set(
    "gen_ai.output.messages",
    JSON.stringify(
      choices.map((choice) => ({
        role: "assistant",
        parts: choice.content.map(part),
        finish_reason: finishReason(choice.finishReason),
      })),
    ),
  )

interface Finish {
  readonly finishReason: Chat.FinishReason | undefined
}

const message = (message: Chat.Message) => ({
  role: message.role === "developer" ? "system" : message.role,
  parts: message.content.map(part),
  ...("name" in message && message.name !== undefined ? { name: message.name } : undefined),
})

type Content = Chat.AssistantContent | Chat.UserContent | Chat.ToolResult

const part = (content: Content): object => {
  switch (content.type) {
    case "text":
    case "reasoning":
    case "refusal":
      return { type: content.type, content: content.text }
    case "tool-call":
      return { type: "tool_call", id: content.id, name: content.name, arguments: parsed(content.arguments) }
    case "tool-result":
      return { type: "tool_call_response", id: content.id, response: content.content.map(part) }
    case "image":
      return source("image", content.source)
    case "file":
      return source("document", content.source)
    case "audio":
      return source("audio", content.source)
  }
}

const source = (modality: "image" | "document" | "audio", source: Chat.Source): object => {
  switch (source.type) {
    case "url":
      return { type: "uri", modality, uri: source.url.startsWith("data:") ? "data:" : source.url }
    case "base64":
      return { type: "blob", modality, mime_type: source.mediaType }
    case "id":
      return { type: "file", modality, file_id: source.id }
  }
}

/** The arguments as JSON, else as the text that the model wrote. */
const parsed = (text: string): unknown => {
  const result = Result.try((): unknown => JSON.parse(text))
  return Result.isSuccess(result) ? result.success : text
}
