/**
 * Conversations, between `effect/ai` and `Chat`: a `Prompt` as messages, and messages as a `Prompt`. Each conversion fails
 * with a description of the part that the other side does not support.
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

/** The messages of a prompt. */
export const toMessages = ({ content }: Prompt.Prompt): Result.Result<ReadonlyArray<Chat.Message>, string> =>
  Result.map(Result.all(content.map(messagesOf)), (messages) => messages.flat())

const messagesOf = (message: Prompt.Message): Result.Result<ReadonlyArray<Chat.Message>, string> => {
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
      // Approvals of calls are handled before the model is called.
      const results = message.content.filter((part) => part.type === "tool-result")
      return Result.map(Result.all(results.map(toolResult)), (content) =>
        content.length === 0 ? [] : [{ role: "tool", content }],
      )
    }
  }
}

const text = (text: string, options: Prompt.ProviderOptions): Chat.Text => {
  const { redacted: _, ...fields } = Metadata.read(options)
  return { type: "text", text, ...fields }
}

/**
 * The messages of an assistant message. In `effect/ai` it may contain the result of a tool that the provider ran. In `Chat`
 * the result is a tool message, and the content after it another assistant message.
 */
const fromAssistant = (
  parts: Prompt.AssistantMessage["content"],
): Result.Result<ReadonlyArray<Chat.Message>, string> => {
  const messages: Array<Chat.Message> = []
  let content: Array<Chat.AssistantContent> = []
  const endMessage = () => {
    if (content.length > 0) messages.push({ role: "assistant", content })
    content = []
  }
  for (const part of parts) {
    switch (part.type) {
      case "text":
        content.push(text(part.text, part.options))
        break
      case "reasoning": {
        const { cache: _, ...encrypted } = Metadata.read(part.options)
        content.push({ type: "reasoning", text: part.text, ...encrypted })
        break
      }
      case "tool-call": {
        const { redacted: _, ...fields } = Metadata.read(part.options)
        content.push({
          type: "tool-call",
          id: part.id,
          name: part.name,
          arguments: JSON.stringify(part.params ?? {}),
          ...fields,
        })
        break
      }
      case "tool-result": {
        endMessage()
        const result = toolResult(part)
        if (Result.isFailure(result)) return Result.fail(result.failure)
        messages.push({ role: "tool", content: [result.success] })
        break
      }
      case "file":
        return Result.fail("a file in an assistant message")
      case "tool-approval-request":
        break
    }
  }
  endMessage()
  return Result.succeed(messages)
}

const toolResult = ({
  id,
  isFailure,
  modelOutput,
  result,
}: Prompt.ToolResultPart): Result.Result<Chat.ToolResult, string> => {
  const resultText = Predicate.isString(result) ? result : (JSON.stringify(result) ?? "")
  const content: Result.Result<Chat.ToolResult["content"], string> =
    modelOutput === undefined
      ? Result.succeed([{ type: "text", text: resultText }])
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
  return media.type === "audio" ? Result.fail("audio in a tool result") : Result.succeed(media)
}

// ---------------------------------------------------------------------------------------------------------------------
// Messages -> prompt
// ---------------------------------------------------------------------------------------------------------------------

/** The prompt of these messages. */
export const fromMessages = (messages: ReadonlyArray<Chat.Message>): Result.Result<Prompt.Prompt, string> => {
  const names = new Map<string, string>()
  return Result.map(Result.all(messages.map((message) => toMessage(message, names))), (messages) =>
    Prompt.fromMessages(messages),
  )
}

/** `names`: the tool names of the calls so far, by call id. A `Chat` result has no tool name, and a `Prompt` needs it. */
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
      return Result.fail("audio in an assistant message")
  }
}

const resultPart = (
  { content, id, isError }: Chat.ToolResult,
  names: ReadonlyMap<string, string>,
): Result.Result<Prompt.ToolResultPart, string> => {
  const resultText = content.map((part) => (part.type === "text" ? part.text : "")).join("")
  const result = {
    id,
    name: names.get(id) ?? "",
    isFailure: isError === true,
    result: resultText,
    providerExecuted: false,
  }
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
