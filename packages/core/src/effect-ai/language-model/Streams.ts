/**
 * Streamed responses, between `effect/ai` and `Chat`. `effect/ai` starts and ends every block with parts of their own; in
 * `Chat` a block ends with the next part of another type.
 */
import type * as AiError from "effect/ai/AiError"
import type * as Response from "effect/ai/Response"
import * as Result from "effect/Result"
import type * as Chat from "../../model/Chat.ts"
import { ProviderError } from "../../model/ProviderError.ts"
import type { Receipt } from "../../receipt/Receipt.ts"
import * as Answers from "./Answers.ts"
import { Blocks } from "./Blocks.ts"
import * as Metadata from "./Metadata.ts"
import * as ReportedUsage from "./ReportedUsage.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Chat -> effect/ai
// ---------------------------------------------------------------------------------------------------------------------

type Parts = ReadonlyArray<Response.StreamPartEncoded>

/** Encodes one stream for an application. */
export interface Encoder {
  readonly push: (frame: Chat.Frame) => Parts
  /** The last parts of a complete stream: the tool calls with their arguments, and `finish`. */
  readonly end: (receipt: Receipt) => Result.Result<Parts, AiError.AiErrorReason>
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
  readonly blocks: Blocks<ReturnType<typeof Metadata.write>>
  usage: Chat.Usage | undefined
  finishReason: Chat.FinishReason
}

export const encoder = (): Encoder => {
  const state: State = {
    calls: new Map(),
    blocks: new Blocks(Metadata.write),
    usage: undefined,
    finishReason: "other",
  }
  return {
    push: ({ parts }) => parts.flatMap((part) => encodePart(state, part)),
    end: (receipt) => encodeEnd(state, receipt),
  }
}

const encodePart = (state: State, part: Chat.Part): Parts => {
  switch (part.type) {
    case "start":
      return [Answers.metadata(part.id, part.model)]
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
      return [...state.blocks.close(), { type: "tool-params-start", id, name }]
    }
    case "tool-call-delta": {
      const call = state.calls.get(part.index)
      if (call === undefined) return []
      call.arguments += part.arguments
      return [{ type: "tool-params-delta", id: call.id, delta: part.arguments }]
    }
    case "usage":
      state.usage = part.usage
      return []
    case "finish":
      state.finishReason = part.reason
      return state.blocks.close()
  }
}

const encodeEnd = (state: State, receipt: Receipt): Result.Result<Parts, AiError.AiErrorReason> =>
  Result.map(
    Result.all(
      [...state.calls.values()].map(({ arguments: args, id, name, signature }) =>
        Answers.call(id, name, args, signature),
      ),
    ),
    (calls) => [
      ...state.blocks.close(),
      ...calls.flatMap((call): Parts => [{ type: "tool-params-end", id: call.id }, call]),
      Answers.finish(state.finishReason, state.usage, receipt),
    ],
  )

// ---------------------------------------------------------------------------------------------------------------------
// effect/ai -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/** The state of a decoder: the index of each tool call by its id, and the names of custom tools. */
interface DecoderState {
  readonly indexes: Map<string, number>
  readonly custom: ReadonlySet<string>
}

type Decoded = Result.Result<ReadonlyArray<Chat.Part>, ProviderError>

/** Decodes the parts of one stream, in order, as frames. `custom`: the names of custom tools. */
export const decoder = (
  custom: ReadonlySet<string>,
): ((part: Response.AnyPart) => Result.Result<Chat.Frame, ProviderError>) => {
  const state: DecoderState = { indexes: new Map(), custom }
  return (part) => Result.map(decodePart(state, part), (parts) => ({ parts }))
}

const decodePart = (state: DecoderState, part: Response.AnyPart): Decoded => {
  switch (part.type) {
    case "response-metadata":
      return Result.succeed([{ type: "start", id: part.id, model: part.modelId }])
    case "text-delta":
      return Result.succeed([{ type: "text", text: part.delta }])
    case "reasoning-delta":
      return Result.succeed([{ type: "reasoning", text: part.delta }])
    case "reasoning-end": {
      const encrypted = Answers.encrypted(part)
      return Result.succeed(
        "signature" in encrypted || "redacted" in encrypted ? [{ type: "reasoning", text: "", ...encrypted }] : [],
      )
    }
    // The free text of a custom tool is only known when its JSON is complete: it comes with "tool-call".
    case "tool-params-start":
      return Result.succeed(
        part.providerExecuted || state.custom.has(part.name) ? [] : [startCall(state, part.id, part.name, part)],
      )
    case "tool-params-delta": {
      const index = state.indexes.get(part.id)
      return Result.succeed(index === undefined ? [] : [{ type: "tool-call-delta", index, arguments: part.delta }])
    }
    case "tool-call":
      return Result.succeed(decodeCall(state, part))
    case "source":
      return Result.succeed(
        part.sourceType === "url"
          ? [{ type: "citation", citation: { source: { type: "url", url: part.url.href, title: part.title } } }]
          : [],
      )
    case "file":
      return Result.fail(Answers.malformed(`a streamed response of ${part.mediaType}`))
    case "finish":
      return decodeFinish(state, part)
    case "error":
      return Result.fail(streamError(part.error))
    default:
      return Result.succeed([])
  }
}

const startCall = (
  { custom, indexes }: DecoderState,
  id: string,
  name: string,
  part: { readonly metadata: Response.ProviderMetadata },
): Chat.Part => {
  const index = indexes.size
  indexes.set(id, index)
  return {
    type: "tool-call",
    index,
    id,
    name,
    ...(custom.has(name) ? { custom: true } : undefined),
    ...Answers.encrypted(part),
  }
}

/** A complete tool call. It was already decoded if its arguments were streamed. */
const decodeCall = (
  state: DecoderState,
  part: Extract<Response.AnyPart, { readonly type: "tool-call" }>,
): ReadonlyArray<Chat.Part> => {
  if (part.providerExecuted || state.indexes.has(part.id)) return []
  const start = startCall(state, part.id, part.name, part)
  const args = Answers.argumentsText(part.params, state.custom.has(part.name))
  return [start, { type: "tool-call-delta", index: state.indexes.size - 1, arguments: args }]
}

const decodeFinish = ({ indexes }: DecoderState, part: Response.FinishPart): Decoded =>
  Result.map(Answers.finishReasonOf(part.reason, indexes.size > 0), (reason): ReadonlyArray<Chat.Part> => {
    const reported = ReportedUsage.toChat(part.usage)
    return [
      { type: "finish", reason },
      ...(reported?.usage === undefined ? [] : [{ type: "usage" as const, usage: reported.usage }]),
    ]
  })

const streamError = (error: unknown): ProviderError =>
  new ProviderError({
    reason: { _tag: "ServerError" },
    message: error instanceof Error ? error.message : String(error),
    cause: error,
  })
