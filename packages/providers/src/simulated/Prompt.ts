/**
 * The parts of a request that a simulated provider uses: the last message, and values in it for arguments.
 */
import * as Chat from "@understudy/core/Chat"

/** The prompt of a request. */
export interface Prompt {
  /** The text of the last message that is not a tool's, trimmed. */
  readonly text: string
  /** The subject of its beginning: the text in quotation marks, else a proper name, else all of it. */
  readonly subject: string
  /** The numbers in its beginning, in order. */
  readonly numbers: ReadonlyArray<number>
  /** The tool results in the last message. */
  readonly results: ReadonlyArray<Result>
}

/** A tool's result. */
export interface Result {
  /** The name of the tool, if the conversation contains the call. */
  readonly tool: string | undefined
  readonly text: string
  readonly failed: boolean
}

export const read = (messages: ReadonlyArray<Chat.Message>): Prompt => {
  const message = messages.findLast(({ role }) => role === "user") ?? messages.findLast(({ role }) => role !== "tool")
  const text = message === undefined ? "" : words(message.content).trim()
  const beginning = text.slice(0, 2_000)
  const last = messages.at(-1)
  return {
    text,
    subject: subject(beginning),
    numbers: (beginning.match(/(?<![\w.])-?\d+(?:\.\d+)?(?!\w)/g) ?? []).map(Number),
    results: last?.role === "tool" ? last.content.map((result) => resultOf(result, messages)) : [],
  }
}

const words = (content: ReadonlyArray<Chat.Message["content"][number]>): string =>
  content.map((part) => (part.type === "text" ? part.text : "")).join("")

const subject = (text: string): string => {
  const quoted = /"([^"]+)"|“([^”]+)”|`([^`]+)`/.exec(text)
  if (quoted !== null) return quoted[1] ?? quoted[2] ?? quoted[3] ?? text
  // A capital letter in the middle of a sentence begins a name.
  const name = /(?<=[\p{Ll}\d,] )\p{Lu}[\p{L}\d'’-]+(?: \p{Lu}[\p{L}\d'’-]+)*/u.exec(text)
  return name?.[0] ?? text
}

const resultOf = ({ content, id, isError }: Chat.ToolResult, messages: ReadonlyArray<Chat.Message>): Result => ({
  tool: messages
    .flatMap((message) => (message.role === "assistant" ? Chat.toolCalls(message) : []))
    .findLast((call) => call.id === id)?.name,
  text: words(content),
  failed: isError === true,
})
