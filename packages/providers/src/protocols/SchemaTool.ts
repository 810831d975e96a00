/**
 * An answer by a JSON schema, from a model that knows none: it is given one tool of that schema and made to call it, and
 * what it writes to the tool is its answer. Where it cannot be made to, it is told the schema in the system prompt.
 */
import * as Chat from "@understudy/core/Chat"
import * as Stream from "effect/Stream"
import type { Warn } from "./Lowering.ts"

/** What the tool is called: no tool of a client's own. */
export const name = "answer_by_schema"

// ---------------------------------------------------------------------------------------------------------------------
// There
// ---------------------------------------------------------------------------------------------------------------------

/** The request as such a model is asked. `forcible`: whether it can be made to call a tool. */
export const lower = (request: Chat.Request, forcible: boolean, warn: Warn): Chat.Request => {
  const { format, ...rest } = request
  if (format?.type !== "json-schema") return request
  const thinks = request.reasoning !== undefined && request.reasoning.effort !== "none"
  if (forcible && !thinks && (request.tools ?? []).length === 0) {
    if (format.strict === true) warn("that the answer hold strictly to its JSON schema")
    const description = format.description ?? "Gives the answer."
    return { ...rest, tools: [{ name, description, parameters: format.schema }], toolChoice: { name } }
  }
  warn("a JSON schema for the answer, asked for in the system prompt")
  return { ...rest, messages: [Chat.system(instruction(format.schema)), ...request.messages] }
}

const instruction = (schema: object): string =>
  `When you give your answer, give one JSON value that this JSON Schema describes, with nothing before or after it:\n${JSON.stringify(schema)}`

// ---------------------------------------------------------------------------------------------------------------------
// And back
// ---------------------------------------------------------------------------------------------------------------------

const isAsked = ({ format }: Chat.Request): boolean => format?.type === "json-schema"

/** The answer, in which what the tool was given is text again. */
export const restore = (request: Chat.Request, response: Chat.Response): Chat.Response => {
  if (!isAsked(request) || !response.content.some(isAnswer)) return response
  return {
    ...response,
    content: response.content.map((part) => (isAnswer(part) ? { type: "text", text: part.arguments } : part)),
    finishReason: ending(response.finishReason),
  }
}

const isAnswer = (part: Chat.AssistantContent): part is Chat.ToolCall => part.type === "tool-call" && part.name === name

/** It was the only tool: the call of it was the answer's end. */
const ending = (finish: Chat.FinishReason): Chat.FinishReason => (finish === "tool-calls" ? "stop" : finish)

/** The same of a streamed answer, piece by piece. */
export const restoring = <E, R>(
  request: Chat.Request,
  frames: Stream.Stream<Chat.Frame, E, R>,
): Stream.Stream<Chat.Frame, E, R> => {
  if (!isAsked(request)) return frames
  return Stream.suspend(() => {
    let answering: number | undefined
    const restorePart = (part: Chat.Part): ReadonlyArray<Chat.Part> => {
      switch (part.type) {
        case "tool-call":
          if (part.name !== name) return [part]
          answering = part.index
          return []
        case "tool-arguments":
          return part.index === answering ? [{ type: "text", text: part.arguments }] : [part]
        case "finish":
          return answering === undefined ? [part] : [{ ...part, reason: ending(part.reason) }]
        default:
          return [part]
      }
    }
    return Stream.map(frames, (frame) => ({ ...frame, parts: frame.parts.flatMap(restorePart) }))
  })
}
