/**
 * Complete responses, between `effect/ai` and `Chat`.
 */
import * as AiError from "effect/ai/AiError"
import type * as Response from "effect/ai/Response"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import type * as Chat from "../../model/Chat.ts"
import { ProviderError } from "../../model/ProviderError.ts"
import type { Receipt } from "../../receipt/Receipt.ts"
import * as Metadata from "./Metadata.ts"
import * as ReportedUsage from "./ReportedUsage.ts"
import * as Tools from "./Tools.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Chat -> effect/ai
// ---------------------------------------------------------------------------------------------------------------------

type EncodedParts = Result.Result<Array<Response.PartEncoded>, AiError.AiErrorReason>

/** The parts of a response. The metadata of the last one has the deployment and the dropped parameters. */
export const toParts = (response: Chat.Response, receipt: Receipt): EncodedParts => {
  const parts: Array<Response.PartEncoded> = [metadata(response.id, response.model)]
  for (const part of response.content) {
    const encoded = toPart(part)
    if (Result.isFailure(encoded)) return Result.fail(encoded.failure)
    parts.push(...encoded.success)
  }
  parts.push(finish(response.finishReason, response.usage, receipt))
  return Result.succeed(parts)
}

const toPart = (part: Chat.AssistantContent): EncodedParts => {
  switch (part.type) {
    case "text":
      return Result.succeed([
        { type: "text", text: part.text, ...Metadata.write(part) },
        ...(part.citations ?? []).flatMap(source),
      ])
    case "refusal":
      return Result.succeed([{ type: "text", text: part.text }])
    case "reasoning":
      return Result.succeed([{ type: "reasoning", text: part.text, ...Metadata.write(part) }])
    case "tool-call":
      return Result.map(call(part.id, part.name, part.arguments, part.signature), (part) => [part])
    case "audio":
      return part.source.type === "base64"
        ? Result.succeed([{ type: "file", mediaType: part.source.mediaType, data: part.source.data }])
        : Result.fail(
            new AiError.InvalidOutputError({
              description: "the response has audio with a vendor's file id, which effect/ai does not support",
            }),
          )
  }
}

export const metadata = (id: string | undefined, model: string | undefined): Response.ResponseMetadataPartEncoded => ({
  type: "response-metadata",
  ...(id === undefined ? undefined : { id }),
  ...(model === undefined ? undefined : { modelId: model }),
})

/** A tool call. Its arguments must be JSON: a tool of `effect/ai` takes nothing else. */
export const call = (
  id: string,
  name: string,
  args: string,
  signature: Chat.EncryptedReasoning | undefined,
): Result.Result<Response.ToolCallPartEncoded, AiError.AiErrorReason> =>
  Result.mapBoth(Tools.parse(args), {
    onSuccess: (params) => ({ type: "tool-call", id, name, params, ...Metadata.write({ signature }) }),
    onFailure: () =>
      new AiError.InvalidOutputError({ description: `the arguments of the call of tool ${name} are not valid JSON` }),
  })

/** The source of a citation, if it is a page with an absolute URL. `effect/ai` has no citations of a prompt's documents. */
export const source = ({ source }: Chat.Citation): ReadonlyArray<Response.UrlSourcePartEncoded> =>
  source.type === "url" && URL.canParse(source.url)
    ? [
        {
          type: "source",
          sourceType: "url",
          id: source.url,
          url: source.url,
          title: source.title ?? source.url,
        },
      ]
    : []

/** The `finish` part, with the metadata of the call. */
export const finish = (
  reason: Chat.FinishReason,
  usage: Chat.Usage | undefined,
  receipt: Receipt,
): Response.FinishPartEncoded => ({
  type: "finish",
  reason: reason === "refusal" ? "content-filter" : reason,
  usage: toUsage(usage),
  metadata: Metadata.ofCall(receipt),
})

const toUsage = (usage: Chat.Usage | undefined): Response.FinishPartEncoded["usage"] => {
  if (usage === undefined) return { inputTokens: {}, outputTokens: {} }
  const { cacheWriteTokens, cachedInputTokens, inputTokens, outputTokens, reasoningTokens } = usage
  return {
    inputTokens: {
      total: inputTokens,
      uncached: Math.max(0, inputTokens - (cachedInputTokens ?? 0) - (cacheWriteTokens ?? 0)),
      ...(cachedInputTokens === undefined ? undefined : { cacheRead: cachedInputTokens }),
      ...(cacheWriteTokens === undefined ? undefined : { cacheWrite: cacheWriteTokens }),
    },
    outputTokens: {
      total: outputTokens,
      ...(reasoningTokens === undefined
        ? undefined
        : { reasoning: reasoningTokens, text: Math.max(0, outputTokens - reasoningTokens) }),
    },
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// effect/ai -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/** The response of these parts. Calls of tools that the provider has run are left out. */
export const fromParts = (
  parts: ReadonlyArray<Response.AnyPart>,
  custom: ReadonlySet<string>,
): Result.Result<Chat.Response, ProviderError> => {
  const content: Array<Chat.AssistantContent> = []
  let finish: Response.FinishPart | undefined
  let id: string | undefined
  let model: string | undefined
  for (const part of parts) {
    switch (part.type) {
      case "text":
        content.push({ type: "text", text: part.text, ...encrypted(part) })
        break
      case "reasoning":
        content.push({ type: "reasoning", text: part.text, ...encrypted(part) })
        break
      case "tool-call":
        if (part.providerExecuted) break
        content.push({
          type: "tool-call",
          id: part.id,
          name: part.name,
          arguments: argumentsText(part.params, custom.has(part.name)),
          ...(custom.has(part.name) ? { custom: true as const } : undefined),
          ...encrypted(part),
        })
        break
      case "file":
        if (!part.mediaType.startsWith("audio/")) return Result.fail(malformed(`a response of ${part.mediaType}`))
        content.push({
          type: "audio",
          source: { type: "base64", data: Base64.encode(part.data), mediaType: part.mediaType },
        })
        break
      case "response-metadata":
        id = part.id ?? id
        model = part.modelId ?? model
        break
      case "finish":
        finish = part
        break
      default:
        break
    }
  }
  if (finish === undefined) return Result.fail(malformed("no finish reason"))
  const calls = content.some(({ type }) => type === "tool-call")
  return Result.map(finishReasonOf(finish.reason, calls), (finishReason) => ({
    content,
    finishReason,
    ...ReportedUsage.toChat(finish.usage),
    ...(id === undefined ? undefined : { id }),
    ...(model === undefined ? undefined : { model }),
  }))
}

export const malformed = (message: string): ProviderError =>
  new ProviderError({ reason: { _tag: "Malformed" }, message })

/** The signature and the redacted reasoning in a part's metadata. */
export const encrypted = ({ metadata }: { readonly metadata: Response.ProviderMetadata }) => {
  const { redacted, signature } = Metadata.read(metadata)
  return {
    ...(signature === undefined ? undefined : { signature }),
    ...(redacted === undefined ? undefined : { redacted }),
  }
}

/** The arguments of a call as JSON text; of a custom tool, its free text. */
export const argumentsText = (params: unknown, custom: boolean): string => {
  if (custom && typeof params === "object" && params !== null && "input" in params) return String(params.input)
  return typeof params === "string" ? params : JSON.stringify(params ?? {})
}

/** The finish reason. A model that stopped because of an error has failed. */
export const finishReasonOf = (
  reason: Response.FinishReason,
  calls: boolean,
): Result.Result<Chat.FinishReason, ProviderError> => {
  switch (reason) {
    case "error":
      return Result.fail(
        new ProviderError({ reason: { _tag: "ServerError" }, message: "the model stopped because of an error" }),
      )
    case "unknown":
      return Result.succeed(calls ? "tool-calls" : "other")
    case "stop":
      return Result.succeed(calls ? "tool-calls" : "stop")
    default:
      return Result.succeed(reason)
  }
}
