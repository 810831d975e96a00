/**
 * A conversation in each other's words: a `Prompt` as messages, messages as a `Prompt`.
 */
import * as Prompt from "effect/ai/Prompt"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Chat from "../../model/Chat.ts"
import * as Files from "./Files.ts"
import * as Metadata from "./Metadata.ts"
import * as Tools from "./Tools.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Prompt -> messages
// ---------------------------------------------------------------------------------------------------------------------

/** The prompt's messages, or what in it a conversation cannot hold. */
export const toMessages = ({ content }: Prompt.Prompt): Result.Result<ReadonlyArray<Chat.Message>, string> =>
  Result.map(Result.all(content.map(turns)), (turns) => turns.flat())

const turns = (message: Prompt.Message): Result.Result<ReadonlyArray<Chat.Message>, string> => {
  switch (message.role) {
    case "system":
      return Result.succeed([{ role: "system", content: [text(message.content, message.options)] }])
    case "user":
      return Result.succeed([
        {
          role: "user",
          content: message.content.map((part) =>
            part.type === "text" ? text(part.text, part.options) : Files.toChat(part),
          ),
        },
      ])
    case "assistant":
      return fromAssistant(message.content)
    case "tool": {
      // Whether a call was approved is settled before a model is asked.
      const results = message.content.filter((part) => part.type === "tool-result")
      return Result.map(Result.all(results.map(toolResult)), (content) =>
        content.length === 0 ? [] : [{ role: "tool", content }],
      )
    }
  }
}

const text = (text: string, options: Prompt.ProviderOptions): Chat.Text => {
  const { redacted: _, ...marks } = Metadata.read(options)
  return { type: "text", text, ...marks }
}

/**
 * What an assistant said. A tool that its provider ran stands in the same message with its result: here the result is a
 * message of its own, and what was said after it another.
 */
const fromAssistant = (
  parts: Prompt.AssistantMessage["content"],
): Result.Result<ReadonlyArray<Chat.Message>, string> => {
  const messages: Array<Chat.Message> = []
  let said: Array<Chat.AssistantContent> = []
  const turn = () => {
    if (said.length > 0) messages.push({ role: "assistant", content: said })
    said = []
  }
  for (const part of parts) {
    switch (part.type) {
      case "text":
        said.push(text(part.text, part.options))
        break
      case "reasoning": {
        const { cache: _, ...seals } = Metadata.read(part.options)
        said.push({ type: "reasoning", text: part.text, ...seals })
        break
      }
      case "tool-call": {
        const { redacted: _, ...marks } = Metadata.read(part.options)
        said.push({
          type: "tool-call",
          id: part.id,
          name: part.name,
          arguments: JSON.stringify(part.params ?? {}),
          ...marks,
        })
        break
      }
      case "tool-result": {
        turn()
        const result = toolResult(part)
        if (Result.isFailure(result)) return Result.fail(result.failure)
        messages.push({ role: "tool", content: [result.success] })
        break
      }
      case "file":
        return Result.fail("a file that the assistant made")
      case "tool-approval-request":
        break
    }
  }
  turn()
  return Result.succeed(messages)
}

const toolResult = ({
  id,
  isFailure,
  modelOutput,
  result,
}: Prompt.ToolResultPart): Result.Result<Chat.ToolResult, string> => {
  const words = Predicate.isString(result) ? result : (JSON.stringify(result) ?? "")
  const content: Result.Result<Chat.ToolResult["content"], string> =
    modelOutput === undefined
      ? Result.succeed([{ type: "text", text: words }])
      : Result.all(modelOutput.map(resultContent))
  return Result.map(content, (content) => ({
    type: "tool-result",
    id,
    content,
    ...(isFailure ? { isError: true } : undefined),
  }))
}

const resultContent = (part: Prompt.ToolModelOutputPart): Result.Result<Chat.ToolResult["content"][number], string> => {
  if (part.type === "text") return Result.succeed(text(part.text, part.options))
  const media = Files.toChat(part)
  return media.type === "audio" ? Result.fail("a recording that a tool made") : Result.succeed(media)
}

// ---------------------------------------------------------------------------------------------------------------------
// Messages -> prompt
// ---------------------------------------------------------------------------------------------------------------------

/** The prompt of these messages, or what in them a prompt cannot hold. */
export const fromMessages = (messages: ReadonlyArray<Chat.Message>): Result.Result<Prompt.Prompt, string> => {
  const names = new Map<string, string>()
  return Result.map(Result.all(messages.map((message) => toMessage(message, names))), (messages) =>
    Prompt.fromMessages(messages),
  )
}

/** `names` are those of the tools called so far, by the call's id: a result does not say it. */
const toMessage = (message: Chat.Message, names: Map<string, string>): Result.Result<Prompt.Message, string> => {
  switch (message.role) {
    case "system":
    case "developer":
      return Result.succeed(Prompt.systemMessage({ content: message.content.map(({ text }) => text).join("\n\n") }))
    case "user":
      return Result.map(
        Result.all(
          message.content.map((part) =>
            part.type === "text" ? Result.succeed(Prompt.textPart({ text: part.text })) : Files.toPrompt(part),
          ),
        ),
        (content) => Prompt.userMessage({ content }),
      )
    case "assistant":
      return Result.map(Result.all(message.content.map((part) => assistantPart(part, names))), (content) =>
        Prompt.assistantMessage({ content }),
      )
    case "tool":
      return Result.map(Result.all(message.content.map((result) => resultPart(result, names))), (content) =>
        Prompt.toolMessage({ content }),
      )
  }
}

const assistantPart = (
  part: Chat.AssistantContent,
  names: Map<string, string>,
): Result.Result<Prompt.AssistantMessagePart, string> => {
  switch (part.type) {
    case "text":
    case "refusal":
      return Result.succeed(Prompt.textPart({ text: part.text }))
    case "reasoning":
      return Result.succeed(Prompt.reasoningPart({ text: part.text, options: Metadata.write(part).metadata }))
    case "tool-call":
      names.set(part.id, part.name)
      return Result.succeed(
        Prompt.toolCallPart({
          id: part.id,
          name: part.name,
          params: part.custom === true ? { input: part.arguments } : Tools.params(part.arguments, part.arguments),
          providerExecuted: false,
          options: Metadata.write(part).metadata,
        }),
      )
    case "audio":
      return Result.fail("a recording that the assistant made")
  }
}

const resultPart = (
  { content, id, isError }: Chat.ToolResult,
  names: ReadonlyMap<string, string>,
): Result.Result<Prompt.ToolResultPart, string> => {
  const words = content.map((part) => (part.type === "text" ? part.text : "")).join("")
  const result = { id, name: names.get(id) ?? "", isFailure: isError === true, result: words, providerExecuted: false }
  if (content.every(({ type }) => type === "text")) return Result.succeed(Prompt.toolResultPart(result))
  return Result.map(
    Result.all(
      content.map((part) =>
        part.type === "text" ? Result.succeed(Prompt.textPart({ text: part.text })) : Files.toPrompt(part),
      ),
    ),
    (modelOutput) => Prompt.toolResultPart({ ...result, modelOutput }),
  )
}
