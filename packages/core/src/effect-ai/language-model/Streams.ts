/**
 * A streamed answer in each other's words. `effect/ai` opens and closes every block, where ours are closed by what
 * follows them.
 */
import type * as AiError from "effect/ai/AiError"
import type * as Response from "effect/ai/Response"
import * as Result from "effect/Result"
import type * as Chat from "../../model/Chat.ts"
import { ProviderError } from "../../model/ProviderError.ts"
import type { Receipt } from "../../receipt/Receipt.ts"
import * as Answers from "./Answers.ts"
import * as Metadata from "./Metadata.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Chat -> effect/ai
// ---------------------------------------------------------------------------------------------------------------------

type Parts = ReadonlyArray<Response.StreamPartEncoded>

/** One stream on its way to an application. */
export interface Encoder {
  readonly push: (frame: Chat.Frame) => Parts
  /** What is left to say once the stream has ended well: calls with their arguments, and the end. */
  readonly end: (receipt: Receipt) => Result.Result<Parts, AiError.AiErrorReason>
}

interface Calling {
  readonly id: string
  readonly name: string
  readonly signature: Chat.EncryptedReasoning | undefined
  arguments: string
}

type Seals = Parameters<typeof Metadata.write>[0]

/** A block that is open: its seals are told when it closes. */
interface Block {
  readonly type: "text" | "reasoning"
  readonly id: string
  seals: Seals
}

export const encoder = (): Encoder => {
  const calls = new Map<number, Calling>()
  let blocks = 0
  let open: Block | undefined
  let usage: Chat.Usage | undefined
  let finish: Chat.FinishReason = "other"

  const close = (): Parts => {
    if (open === undefined) return []
    const { id, seals, type } = open
    open = undefined
    return [{ type: `${type}-end`, id, ...Metadata.write(seals) }]
  }
  /** A seal is the last word of its block, and thoughts that are hidden are a block of their own. */
  const say = (type: Block["type"], delta: string, seals: Seals): Parts => {
    const sealed = seals.signature !== undefined || seals.redacted !== undefined
    if (delta === "" && !sealed) return []
    const parts: Array<Response.StreamPartEncoded> = []
    if (open?.type !== type || seals.redacted !== undefined) {
      parts.push(...close())
      open = { type, id: `${type}_${blocks++}`, seals: {} }
      parts.push({ type: `${type}-start`, id: open.id })
    }
    if (delta !== "") parts.push({ type: `${type}-delta`, id: open.id, delta })
    if (sealed) {
      open.seals = seals
      parts.push(...close())
    }
    return parts
  }
  const tell = (part: Chat.Part): Parts => {
    switch (part.type) {
      case "start":
        return [Answers.metadata(part.id, part.model)]
      case "text":
        return say("text", part.text, part)
      case "refusal":
        return say("text", part.text, {})
      case "reasoning":
        return say("reasoning", part.text, part)
      case "citation":
        return Answers.source(part.citation)
      case "tool-call": {
        const { id, index, name, signature } = part
        calls.set(index, { id, name, signature, arguments: "" })
        return [...close(), { type: "tool-params-start", id, name }]
      }
      case "tool-arguments": {
        const calling = calls.get(part.index)
        if (calling === undefined) return []
        calling.arguments += part.arguments
        return [{ type: "tool-params-delta", id: calling.id, delta: part.arguments }]
      }
      case "usage":
        usage = part.usage
        return []
      case "finish":
        finish = part.reason
        return close()
    }
  }
  return {
    push: ({ parts }) => parts.flatMap(tell),
    end: (receipt) =>
      Result.map(
        Result.all(
          [...calls.values()].map(({ arguments: args, id, name, signature }) =>
            Answers.call(id, name, args, signature),
          ),
        ),
        (told) => [
          ...close(),
          ...told.flatMap((call): Parts => [{ type: "tool-params-end", id: call.id }, call]),
          Answers.finish(finish, usage, receipt),
        ],
      ),
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// effect/ai -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/** Reads the parts of one stream, in order, as frames. */
export const reader = (
  custom: ReadonlySet<string>,
): ((part: Response.AnyPart) => Result.Result<Chat.Frame, ProviderError>) => {
  const indexes = new Map<string, number>()
  const opening = (id: string, name: string, part: { readonly metadata: Response.ProviderMetadata }): Chat.Part => {
    const index = indexes.size
    indexes.set(id, index)
    return {
      type: "tool-call",
      index,
      id,
      name,
      ...(custom.has(name) ? { custom: true } : undefined),
      ...Answers.sealed(part),
    }
  }
  const read = (part: Response.AnyPart): Result.Result<ReadonlyArray<Chat.Part>, ProviderError> => {
    switch (part.type) {
      case "response-metadata":
        return Result.succeed([{ type: "start", id: part.id, model: part.modelId }])
      case "text-delta":
        return Result.succeed([{ type: "text", text: part.delta }])
      case "reasoning-delta":
        return Result.succeed([{ type: "reasoning", text: part.delta }])
      case "reasoning-end": {
        const seals = Answers.sealed(part)
        return Result.succeed(
          "signature" in seals || "redacted" in seals ? [{ type: "reasoning", text: "", ...seals }] : [],
        )
      }
      // Free text cannot be told from the JSON around it before all of it is there.
      case "tool-params-start":
        return Result.succeed(part.providerExecuted || custom.has(part.name) ? [] : [opening(part.id, part.name, part)])
      case "tool-params-delta": {
        const index = indexes.get(part.id)
        return Result.succeed(index === undefined ? [] : [{ type: "tool-arguments", index, arguments: part.delta }])
      }
      case "tool-call": {
        if (part.providerExecuted || indexes.has(part.id)) return Result.succeed([])
        const opened = opening(part.id, part.name, part)
        const args = Answers.written(part.params, custom.has(part.name))
        return Result.succeed([opened, { type: "tool-arguments", index: indexes.size - 1, arguments: args }])
      }
      case "source":
        return Result.succeed(
          part.sourceType === "url"
            ? [{ type: "citation", citation: { source: { type: "url", url: part.url.href, title: part.title } } }]
            : [],
        )
      case "file":
        return Result.fail(Answers.malformed(`a streamed answer of ${part.mediaType}`))
      case "finish":
        return Result.map(Answers.ending(part.reason, indexes.size > 0), (reason): ReadonlyArray<Chat.Part> => {
          const counted = Answers.fromUsage(part.usage)
          return [
            { type: "finish", reason },
            ...(counted?.usage === undefined ? [] : [{ type: "usage" as const, usage: counted.usage }]),
          ]
        })
      case "error":
        return Result.fail(
          new ProviderError({
            reason: { _tag: "ServerError" },
            message: part.error instanceof Error ? part.error.message : String(part.error),
            cause: part.error,
          }),
        )
      default:
        return Result.succeed([])
    }
  }
  return (part) => Result.map(read(part), (parts) => ({ parts }))
}
