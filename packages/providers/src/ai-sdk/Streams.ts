/**
 * Streamed responses, between the AI SDK and `Chat`. The AI SDK starts and ends every block with parts of their own; in
 * `Chat` a block ends with the next part of another type.
 */
import type {
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  SharedV4ProviderMetadata,
  SharedV4Warning,
} from "@ai-sdk/provider"
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import type { Receipt } from "@understudy/core/Receipt"
import { Blocks } from "@understudy/core/internal/effect-ai/language-model/Blocks"
import * as ReportedUsage from "@understudy/core/internal/effect-ai/language-model/ReportedUsage"
import * as Result from "effect/Result"
import * as Answers from "./Answers.ts"
import * as Failures from "./Failures.ts"
import * as Metadata from "./Metadata.ts"
import * as Native from "./Native.ts"

type Parts = ReadonlyArray<LanguageModelV4StreamPart>
type Finish = Extract<LanguageModelV4StreamPart, { readonly type: "finish" }>

// ---------------------------------------------------------------------------------------------------------------------
// Chat -> the AI SDK
// ---------------------------------------------------------------------------------------------------------------------

/** Encodes one stream for an application. */
export interface Encoder {
  readonly push: (frame: Chat.Frame) => Parts
  /** The last parts of a complete stream: the tool calls with their arguments, and `finish`. */
  readonly end: () => Parts
  /** The last parts of a stream that failed. */
  readonly fail: (error: unknown) => Parts
}

/** A tool call whose arguments are still streamed. */
interface PendingCall {
  readonly id: string
  readonly name: string
  readonly signature: Chat.EncryptedReasoning | undefined
  arguments: string
}

/** The state of an encoder. */
interface State {
  readonly calls: Map<number, PendingCall>
  hasStarted: boolean
  readonly blocks: Blocks<ReturnType<typeof Metadata.write>>
  usage: Chat.Usage | undefined
  finishReason: LanguageModelV4FinishReason
  /** The `finish` part of a model of the AI SDK. */
  finish: Finish | undefined
}

/** `receipt` is read when the parts that contain it are written. */
export const encoder = (receipt: Receipt): Encoder => {
  const state: State = {
    calls: new Map(),
    hasStarted: false,
    blocks: new Blocks(Metadata.write),
    usage: undefined,
    finishReason: { unified: "other", raw: undefined },
    finish: undefined,
  }
  const started = (parts: Parts, warnings: ReadonlyArray<SharedV4Warning> = []): Parts => {
    if (state.hasStarted) return parts
    state.hasStarted = true
    return [{ type: "stream-start", warnings: Answers.warnings(receipt, warnings) }, ...parts]
  }
  const finish = (finishReason: LanguageModelV4FinishReason): Finish => ({
    type: "finish",
    finishReason,
    usage: state.finish?.usage ?? Answers.toUsage(state.usage),
    providerMetadata: { ...state.finish?.providerMetadata, ...Answers.route(receipt) },
  })
  return {
    push: ({ native, parts }) => {
      if (native?.protocol !== Native.protocol) return started(parts.flatMap((part) => encodePart(state, part)))
      const part = Native.parsePart(native.data)
      return part.type === "stream-start" ? started([], part.warnings) : started(passOn(state, part))
    },
    end: () => started([...encodeEnd(state), finish(state.finish?.finishReason ?? state.finishReason)]),
    fail: (error) =>
      started([...state.blocks.close(), { type: "error", error }, finish({ unified: "error", raw: undefined })]),
  }
}

/** A part of a model of the AI SDK. Its `finish` is written at the end, with the route's metadata. */
const passOn = (state: State, part: LanguageModelV4StreamPart): Parts => {
  switch (part.type) {
    case "text-start":
    case "reasoning-start":
      state.blocks.opened(part.type === "text-start" ? "text" : "reasoning", part.id)
      return [part]
    case "text-end":
    case "reasoning-end":
      state.blocks.ended(part.id)
      return [part]
    case "finish":
      state.finish = part
      return []
    default:
      return [part]
  }
}

const encodePart = (state: State, part: Chat.Part): Parts => {
  switch (part.type) {
    case "start":
      return [{ type: "response-metadata", ...Answers.metadata(part.id, part.model) }]
    case "text":
      return state.blocks.append("text", part.text, part)
    case "refusal":
      return state.blocks.append("text", part.text, {})
    case "reasoning":
      return state.blocks.append("reasoning", part.text, part)
    case "citation":
      return Answers.source(part.citation)
    case "tool-call": {
      const { id, index, name, signature } = part
      state.calls.set(index, { id, name, signature, arguments: "" })
      return [...state.blocks.close(), { type: "tool-input-start", id, toolName: name }]
    }
    case "tool-call-delta": {
      const call = state.calls.get(part.index)
      if (call === undefined) return []
      call.arguments += part.arguments
      return [{ type: "tool-input-delta", id: call.id, delta: part.arguments }]
    }
    case "usage":
      state.usage = part.usage
      return []
    case "finish":
      state.finishReason = Answers.toFinishReason(part.reason)
      return state.blocks.close()
  }
}

const encodeEnd = (state: State): Parts => [
  ...state.blocks.close(),
  ...[...state.calls.values()].flatMap((call): Parts => [
    { type: "tool-input-end", id: call.id },
    Answers.call(call.id, call.name, call.arguments, call),
  ]),
]

// ---------------------------------------------------------------------------------------------------------------------
// The AI SDK -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/** The state of a decoder. */
interface DecoderState {
  readonly asked: Answers.Asked
  /** The index of each tool call by its id. */
  readonly indexes: Map<string, number>
  /** The metadata of each open block, and whether it has had any text. */
  readonly blocks: Map<string, { metadata: SharedV4ProviderMetadata; isEmpty: boolean }>
}

type Decoded = Result.Result<ReadonlyArray<Chat.Part>, ProviderError>

/** Decodes the parts of one stream, in order, as frames. `classify` is for `error` parts. */
export const decoder = (
  asked: Answers.Asked,
  classify: (error: unknown) => ProviderError,
): ((part: LanguageModelV4StreamPart) => Result.Result<Chat.Frame, ProviderError>) => {
  const state: DecoderState = { asked, indexes: new Map(), blocks: new Map() }
  return (part) =>
    Result.map(decodePart(state, part, classify), (parts): Chat.Frame => ({
      parts,
      ...(part.type === "stream-start" ? Answers.dropped(asked, part.warnings) : undefined),
      ...(asked.isNative && part.type !== "error"
        ? { native: { protocol: Native.protocol, data: Native.print(Answers.withHost(part, asked.host)) } }
        : undefined),
    }))
}

const decodePart = (
  state: DecoderState,
  part: LanguageModelV4StreamPart,
  classify: (error: unknown) => ProviderError,
): Decoded => {
  const { asked, blocks, indexes } = state
  switch (part.type) {
    case "response-metadata":
      return Result.succeed([{ type: "start", id: part.id, model: part.modelId }])
    case "text-start":
    case "reasoning-start":
      blocks.set(part.id, { metadata: { ...part.providerMetadata }, isEmpty: true })
      return none
    case "text-delta":
    case "reasoning-delta": {
      const block = blocks.get(part.id)
      if (block !== undefined) {
        Object.assign(block.metadata, part.providerMetadata)
        if (part.delta !== "") block.isEmpty = false
      }
      return part.delta === ""
        ? none
        : Result.succeed([{ type: part.type === "text-delta" ? "text" : "reasoning", text: part.delta }])
    }
    case "text-end":
    case "reasoning-end": {
      const { isEmpty = true, metadata } = blocks.get(part.id) ?? {}
      blocks.delete(part.id)
      return Result.succeed(endOf(part.type, isEmpty, { ...metadata, ...part.providerMetadata }, asked.host))
    }
    // Text in place of JSON comes with "tool-call", as JSON.
    case "tool-input-start":
      return part.providerExecuted === true || part.inputEncoding === "text"
        ? none
        : Result.succeed([startCall(state, part.id, part.toolName, part.providerMetadata)])
    case "tool-input-delta": {
      const index = indexes.get(part.id)
      return index === undefined ? none : Result.succeed([{ type: "tool-call-delta", index, arguments: part.delta }])
    }
    case "tool-call": {
      if (part.providerExecuted === true || indexes.has(part.toolCallId)) return none
      const start = startCall(state, part.toolCallId, part.toolName, part.providerMetadata)
      return Result.succeed([start, { type: "tool-call-delta", index: indexes.size - 1, arguments: part.input }])
    }
    case "source": {
      const citation = Answers.citationOf(part)
      return citation === undefined ? none : Result.succeed([{ type: "citation", citation }])
    }
    case "file":
      return asked.isNative ? none : Result.fail(Answers.malformed(`a streamed response of ${part.mediaType}`))
    case "finish":
      return Result.map(
        Answers.finishReasonOf(part.finishReason, indexes.size > 0),
        (reason): ReadonlyArray<Chat.Part> => {
          const reported = ReportedUsage.toChat(part.usage)?.usage
          return [
            ...(reported === undefined ? [] : [{ type: "usage" as const, usage: reported }]),
            ...(reason === undefined ? [] : [{ type: "finish" as const, reason }]),
          ]
        },
      )
    // A malformed event is skipped: the model goes on, and its finish reason tells whether the response is complete.
    case "error":
      return Failures.isMalformed(part.error) && Failures.unread(part.error) === undefined
        ? none
        : Result.fail(classify(part.error))
    default:
      return none
  }
}

const none: Decoded = Result.succeed([])

const endOf = (
  type: "text-end" | "reasoning-end",
  isEmpty: boolean,
  metadata: SharedV4ProviderMetadata,
  host: string,
): ReadonlyArray<Chat.Part> => {
  if (type === "text-end") {
    const { signature } = Answers.signature(metadata, host)
    return signature === undefined ? [] : [{ type: "text", text: "", signature }]
  }
  const encrypted = Answers.encrypted(isEmpty ? "" : "text", metadata, host)
  return encrypted.signature === undefined && encrypted.redacted === undefined
    ? []
    : [{ type: "reasoning", text: "", ...encrypted }]
}

const startCall = (
  { asked, indexes }: DecoderState,
  id: string,
  name: string,
  metadata: SharedV4ProviderMetadata | undefined,
): Chat.Part => {
  const index = indexes.size
  indexes.set(id, index)
  return { type: "tool-call", index, id, name, ...Answers.signature(metadata, asked.host) }
}
