/**
 * What was asked, as far as a simulated provider understands it: the last message, and what in it could serve as an
 * argument.
 */
import * as Chat from "@understudy/core/Chat"

export interface Prompt {
  /** The words of the last message that is not a tool's, with the space around them taken off. */
  readonly text: string
  /** What its beginning seems to be about: what stands in quotation marks, else a proper name, else all its words. */
  readonly subject: string
  /** The numbers in its beginning, as they come. */
  readonly numbers: ReadonlyArray<number>
  /** What tools answered last, when nobody has spoken since. */
  readonly results: ReadonlyArray<Result>
}

export interface Result {
  /** The tool that was called, if the call stands in the conversation. */
  readonly tool: string | undefined
  readonly text: string
  readonly failed: boolean
}

export const read = (messages: ReadonlyArray<Chat.Message>): Prompt => {
  const spoken = messages.findLast(({ role }) => role === "user") ?? messages.findLast(({ role }) => role !== "tool")
  const text = spoken === undefined ? "" : words(spoken.content).trim()
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
  // A capital after a small letter or a comma is a name's; one after a full stop may be any word's.
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
