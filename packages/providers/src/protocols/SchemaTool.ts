/**
 * JSON schema output for a model without it. The model gets one tool with that schema and is forced to call it; the
 * tool's arguments are the response. If the model cannot be forced, the schema goes into the system prompt.
 */
import * as Chat from "@understudy/core/Chat"
import * as Stream from "effect/Stream"
import type { Warn } from "./Lowering.ts"

/** The name of the tool. */
export const name = "answer_by_schema"

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

/** The request without a JSON schema format. `forcible`: whether the model can be forced to call a tool. */
export const lower = (request: Chat.Request, forcible: boolean, warn: Warn): Chat.Request => {
  const { format, ...rest } = request
  if (format?.type !== "json-schema") return request
  const usesReasoning = request.reasoning !== undefined && request.reasoning.effort !== "none"
  if (forcible && !usesReasoning && (request.tools ?? []).length === 0) {
    if (format.strict === true) warn("strict JSON schema output")
    const description = format.description ?? "Gives the answer."
    return { ...rest, tools: [{ name, description, parameters: format.schema }], toolChoice: { name } }
  }
  warn("a JSON schema, sent as an instruction")
  return { ...rest, messages: [Chat.system(instruction(format.schema)), ...request.messages] }
}

const instruction = (schema: object): string =>
  `When you give your answer, give one JSON value that this JSON Schema describes, with nothing before or after it:\n${JSON.stringify(schema)}`

// ---------------------------------------------------------------------------------------------------------------------
// Response
// ---------------------------------------------------------------------------------------------------------------------

const hasSchema = ({ format }: Chat.Request): boolean => format?.type === "json-schema"

/** The response, the tool's arguments as text. */
export const restore = (request: Chat.Request, response: Chat.Response): Chat.Response => {
  if (!hasSchema(request) || !response.content.some(isAnswer)) return response
  return {
    ...response,
    content: response.content.map((part) => (isAnswer(part) ? { type: "text", text: part.arguments } : part)),
    finishReason: withoutToolCalls(response.finishReason),
  }
}

const isAnswer = (part: Chat.AssistantContent): part is Chat.ToolCall => part.type === "tool-call" && part.name === name

/** The call of the only tool ends the response. */
const withoutToolCalls = (finish: Chat.FinishReason): Chat.FinishReason => (finish === "tool-calls" ? "stop" : finish)

/** The frames of a streamed response, the tool's arguments as text. */
export const restoring = <E, R>(
  request: Chat.Request,
  frames: Stream.Stream<Chat.Frame, E, R>,
): Stream.Stream<Chat.Frame, E, R> => {
  if (!hasSchema(request)) return frames
  return Stream.suspend(() => {
    let answering: number | undefined
    const restorePart = (part: Chat.Part): ReadonlyArray<Chat.Part> => {
      switch (part.type) {
        case "tool-call":
          if (part.name !== name) return [part]
          answering = part.index
          return []
        case "tool-call-delta":
          return part.index === answering ? [{ type: "text", text: part.arguments }] : [part]
        case "finish":
          return answering === undefined ? [part] : [{ ...part, reason: withoutToolCalls(part.reason) }]
        default:
          return [part]
      }
    }
    return Stream.map(frames, (frame) => ({ ...frame, parts: frame.parts.flatMap(restorePart) }))
  })
}
