/**
 * Conversations, between the AI SDK and `Chat`: a prompt as messages, and messages as a prompt.
 */
import type {
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4TextPart,
  LanguageModelV4ToolResultOutput,
  LanguageModelV4ToolResultPart,
} from "@ai-sdk/provider"
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as CustomTools from "../protocols/CustomTools.ts"
import * as Json from "../protocols/Json.ts"
import * as Files from "./Files.ts"
import * as Metadata from "./Metadata.ts"

type Of<Role extends LanguageModelV4Message["role"]> = Extract<LanguageModelV4Message, { readonly role: Role }>

// ---------------------------------------------------------------------------------------------------------------------
// Prompt -> messages
// ---------------------------------------------------------------------------------------------------------------------

/** The messages of a prompt, and the parts that only a model of the AI SDK reads, each a noun phrase. */
export interface Converted {
  readonly messages: ReadonlyArray<Chat.Message>
  /** Parts without which the conversation is another one. */
  readonly required: ReadonlyArray<string>
  /** Parts that may be dropped. */
  readonly dropped: ReadonlyArray<string>
}

export const toMessages = (prompt: LanguageModelV4Prompt): Converted => {
  const required = new Set<string>()
  const dropped = new Set<string>()
  const lacking: Lacking = { require: (part) => required.add(part), drop: (part) => dropped.add(part) }
  return {
    messages: prompt.flatMap((message) => messagesOf(message, lacking)),
    required: [...required],
    dropped: [...dropped],
  }
}

/** Reports parts that `Chat` has no field for. */
interface Lacking {
  readonly require: (part: string) => void
  readonly drop: (part: string) => void
}

const messagesOf = (message: LanguageModelV4Message, lacking: Lacking): ReadonlyArray<Chat.Message> => {
  switch (message.role) {
    case "system":
      return [
        {
          role: "system",
          content: [{ type: "text", text: message.content, ...Metadata.cache(message.providerOptions) }],
        },
      ]
    case "user": {
      const content = message.content.map((part) => (part.type === "text" ? text(part) : Files.toChat(part)))
      return [{ role: "user", content: withCache(content, message) }]
    }
    case "assistant":
      return fromAssistant(message, lacking)
    case "tool": {
      // An approval is of a tool that the vendor runs.
      const content = message.content.flatMap((part) =>
        part.type === "tool-result" ? [toolResult(part, lacking)] : (lacking.drop("the approval of a tool call"), []),
      )
      return content.length === 0 ? [] : [{ role: "tool", content: withCache(content, message) }]
    }
  }
}

const text = (part: LanguageModelV4TextPart): Chat.Text => ({
  type: "text",
  text: part.text,
  ...Metadata.cache(part.providerOptions),
})

/** A cache breakpoint of a message is one of its last part. */
const withCache = <Part extends object>(
  parts: ReadonlyArray<Part>,
  { providerOptions }: Pick<LanguageModelV4Message, "providerOptions">,
): ReadonlyArray<Part> => {
  const hint = Metadata.cache(providerOptions)
  return hint.cache === undefined
    ? parts
    : parts.map((part, index) => (index === parts.length - 1 ? { ...hint, ...part } : part))
}

/**
 * The messages of an assistant message. In the AI SDK it may contain the result of a tool that the vendor ran. In `Chat` the
 * result is a tool message, and the content after it another assistant message.
 */
const fromAssistant = (message: Of<"assistant">, lacking: Lacking): ReadonlyArray<Chat.Message> => {
  const messages: Array<Chat.Message> = []
  let content: Array<Chat.AssistantContent> = []
  const endMessage = () => {
    if (content.length > 0) messages.push({ role: "assistant", content })
    content = []
  }
  for (const part of message.content) {
    const { signature, redacted } = Metadata.encrypted(part.providerOptions)
    const signed = signature === undefined ? undefined : { signature }
    switch (part.type) {
      case "text":
        content.push({ ...text(part), ...signed })
        break
      case "reasoning":
        content.push({
          type: "reasoning",
          text: part.text,
          ...signed,
          ...(redacted === undefined ? undefined : { redacted }),
        })
        break
      case "tool-call":
        content.push({
          type: "tool-call",
          id: part.toolCallId,
          name: part.toolName,
          arguments: Predicate.isString(part.input) ? part.input : JSON.stringify(part.input ?? {}),
          ...signed,
          ...Metadata.cache(part.providerOptions),
        })
        break
      case "tool-result":
        endMessage()
        messages.push({ role: "tool", content: [toolResult(part, lacking)] })
        break
      case "file":
        lacking.require("a file in an assistant message")
        break
      case "reasoning-file":
        lacking.drop("a file of the model's reasoning")
        break
      case "custom":
        lacking.drop(`content of the kind ${part.kind}`)
        break
    }
  }
  endMessage()
  return messages
}

const toolResult = (part: LanguageModelV4ToolResultPart, lacking: Lacking): Chat.ToolResult => ({
  type: "tool-result",
  id: part.toolCallId,
  content: outputOf(part.output, lacking),
  ...(isError.has(part.output.type) ? { isError: true } : undefined),
  ...Metadata.cache(part.providerOptions),
})

const isError: ReadonlySet<LanguageModelV4ToolResultOutput["type"]> = new Set([
  "error-text",
  "error-json",
  "execution-denied",
])

const outputOf = (output: LanguageModelV4ToolResultOutput, lacking: Lacking): Chat.ToolResult["content"] => {
  switch (output.type) {
    case "text":
    case "error-text":
      return [{ type: "text", text: output.value }]
    case "json":
    case "error-json":
      return [{ type: "text", text: JSON.stringify(output.value) }]
    case "execution-denied":
      return [{ type: "text", text: output.reason ?? "The user has denied the execution of the tool." }]
    case "content":
      return output.value.flatMap((part): Chat.ToolResult["content"] => {
        if (part.type === "text") return [{ type: "text", text: part.text, ...Metadata.cache(part.providerOptions) }]
        const media = part.type === "file" ? Files.toChat(part) : undefined
        if (media !== undefined && media.type !== "audio") return [media]
        if (media === undefined) lacking.drop("custom content of a tool result")
        else lacking.require("audio in a tool result")
        return []
      })
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Messages -> prompt
// ---------------------------------------------------------------------------------------------------------------------

/** What a model reads: URLs, and the metadata that it wrote itself. */
export interface Reader {
  readonly readsUrl: Files.ReadsUrl
  /** The provider options that a model wrote as encrypted reasoning; `undefined` if another wrote it. */
  readonly returned: (encrypted: Chat.EncryptedReasoning) => LanguageModelV4TextPart["providerOptions"]
}

/** The prompt of these messages. Fails with a description of the part that the AI SDK does not support. */
export const fromMessages = (
  messages: ReadonlyArray<Chat.Message>,
  reader: Reader,
): Result.Result<LanguageModelV4Prompt, string> => {
  const names = new Map<string, string>()
  return Result.map(Result.all(messages.map((message) => fromMessage(message, names, reader))), (all) => all.flat())
}

/** `names`: the tool names of the calls so far, by call id. A `Chat` result has no tool name, and a prompt needs it. */
const fromMessage = (
  message: Chat.Message,
  names: Map<string, string>,
  reader: Reader,
): Result.Result<ReadonlyArray<LanguageModelV4Message>, string> => {
  switch (message.role) {
    case "system":
    case "developer":
      return Result.succeed(
        message.content.map(({ cache, text }) => ({
          role: "system",
          content: text,
          ...Metadata.options(Metadata.writeCache(cache)),
        })),
      )
    case "user":
      return Result.map(
        Result.all(
          message.content.map((part) =>
            part.type === "text" ? Result.succeed(fromText(part)) : Files.fromChat(part, reader.readsUrl),
          ),
        ),
        (content) => [{ role: "user", content }],
      )
    case "assistant":
      return Result.map(
        Result.all(message.content.map((part) => assistantPart(part, names, reader))),
        (content): ReadonlyArray<LanguageModelV4Message> => [{ role: "assistant", content }],
      )
    case "tool":
      return Result.map(
        Result.all(message.content.map((result) => resultPart(result, names, reader))),
        (content): ReadonlyArray<LanguageModelV4Message> => [{ role: "tool", content }],
      )
  }
}

const fromText = ({ cache, text }: Chat.Text): LanguageModelV4TextPart => ({
  type: "text",
  text,
  ...Metadata.options(Metadata.writeCache(cache)),
})

const assistantPart = (
  part: Chat.AssistantContent,
  names: Map<string, string>,
  { returned }: Reader,
): Result.Result<Of<"assistant">["content"][number], string> => {
  switch (part.type) {
    case "text":
      return Result.succeed({
        type: "text",
        text: part.text,
        ...Metadata.options(part.signature && returned(part.signature), Metadata.writeCache(part.cache)),
      })
    case "refusal":
      return Result.succeed({ type: "text", text: part.text })
    case "reasoning": {
      const encrypted = part.redacted ?? part.signature
      return Result.succeed({
        type: "reasoning",
        text: part.text,
        ...Metadata.options(encrypted && returned(encrypted)),
      })
    }
    case "tool-call":
      names.set(part.id, part.name)
      return Result.succeed({
        type: "tool-call",
        toolCallId: part.id,
        toolName: part.name,
        input: inputOf(CustomTools.argumentsOf(part)),
        ...Metadata.options(part.signature && returned(part.signature), Metadata.writeCache(part.cache)),
      })
    case "audio":
      return Result.fail("audio in an assistant message")
  }
}

/** The parsed arguments of a call, or their text if they are not JSON. */
const inputOf = (args: string): unknown => (args.trim() === "" ? {} : (Json.parse(args) ?? args))

const resultPart = (
  { cache, content, id, isError }: Chat.ToolResult,
  names: ReadonlyMap<string, string>,
  { readsUrl }: Reader,
): Result.Result<LanguageModelV4ToolResultPart, string> => {
  const part = (output: LanguageModelV4ToolResultOutput): LanguageModelV4ToolResultPart => ({
    type: "tool-result",
    toolCallId: id,
    toolName: names.get(id) ?? "",
    output,
    ...Metadata.options(Metadata.writeCache(cache)),
  })
  const [first] = content
  if (isError === true) {
    return content.every(({ type }) => type === "text")
      ? Result.succeed(part({ type: "error-text", value: textOf(content) }))
      : Result.fail("a file in the result of a failed tool")
  }
  if (content.length <= 1 && (first === undefined || (first.type === "text" && first.cache === undefined))) {
    return Result.succeed(part({ type: "text", value: textOf(content) }))
  }
  return Result.map(
    Result.all(
      content.map((each) => (each.type === "text" ? Result.succeed(fromText(each)) : Files.fromChat(each, readsUrl))),
    ),
    (value) => part({ type: "content", value }),
  )
}

const textOf = (content: Chat.ToolResult["content"]): string =>
  content.map((part) => (part.type === "text" ? part.text : "")).join("")
