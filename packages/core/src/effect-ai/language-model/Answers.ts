/**
 * A whole answer in each other's words.
 */
import * as AiError from "effect/ai/AiError"
import type * as Response from "effect/ai/Response"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import type * as Chat from "../../model/Chat.ts"
import { ProviderError } from "../../model/ProviderError.ts"
import type { Receipt } from "../../receipt/Receipt.ts"
import * as Metadata from "./Metadata.ts"
import * as Tools from "./Tools.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Chat -> effect/ai
// ---------------------------------------------------------------------------------------------------------------------

type Told = Result.Result<Array<Response.PartEncoded>, AiError.AiErrorReason>

/** The parts of an answer. Whose it was, and what was not said to it, stands in the last one's metadata. */
export const toParts = (response: Chat.Response, receipt: Receipt): Told => {
  const parts: Array<Response.PartEncoded> = [metadata(response.id, response.model)]
  for (const part of response.content) {
    const told = toPart(part)
    if (Result.isFailure(told)) return Result.fail(told.failure)
    parts.push(...told.success)
  }
  parts.push(finish(response.finishReason, response.usage, receipt))
  return Result.succeed(parts)
}

const toPart = (part: Chat.AssistantContent): Told => {
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
        : Result.fail(new AiError.InvalidOutputError({ description: "a recording that only its vendor can find" }))
  }
}

export const metadata = (id: string | undefined, model: string | undefined): Response.ResponseMetadataPartEncoded => ({
  type: "response-metadata",
  ...(id === undefined ? undefined : { id }),
  ...(model === undefined ? undefined : { modelId: model }),
})

/** A call whose arguments are JSON: what is none no tool could be called with. */
export const call = (
  id: string,
  name: string,
  args: string,
  signature: Chat.EncryptedReasoning | undefined,
): Result.Result<Response.ToolCallPartEncoded, AiError.AiErrorReason> =>
  Result.mapBoth(Tools.parse(args), {
    onSuccess: (params) => ({ type: "tool-call", id, name, params, ...Metadata.write({ signature }) }),
    onFailure: () =>
      new AiError.InvalidOutputError({ description: `the arguments of a call of ${name} are not valid JSON` }),
  })

/** Pages have a place here, by a whole address; the documents of a prompt have none. */
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

/** What `finish` says of us, under `metadata.understudy`. */
export const finish = (
  reason: Chat.FinishReason,
  usage: Chat.Usage | undefined,
  { attempts, deployment, id, droppedParams }: Receipt,
): Response.FinishPartEncoded => ({
  type: "finish",
  reason: reason === "refusal" ? "content-filter" : reason,
  usage: toUsage(usage),
  metadata: {
    understudy: {
      call: id,
      deployment: deployment ?? null,
      attempts: attempts.length,
      ...(droppedParams === undefined ? undefined : { droppedParams: [...droppedParams] }),
    },
  },
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

/** The answer that these parts are. What its own provider's tools did has been done, and is not told again. */
export const fromParts = (
  parts: ReadonlyArray<Response.AnyPart>,
  custom: ReadonlySet<string>,
): Result.Result<Chat.Response, ProviderError> => {
  const content: Array<Chat.AssistantContent> = []
  let end: Response.FinishPart | undefined
  let id: string | undefined
  let model: string | undefined
  for (const part of parts) {
    switch (part.type) {
      case "text":
        content.push({ type: "text", text: part.text, ...sealed(part) })
        break
      case "reasoning":
        content.push({ type: "reasoning", text: part.text, ...sealed(part) })
        break
      case "tool-call":
        if (part.providerExecuted) break
        content.push({
          type: "tool-call",
          id: part.id,
          name: part.name,
          arguments: written(part.params, custom.has(part.name)),
          ...(custom.has(part.name) ? { custom: true as const } : undefined),
          ...sealed(part),
        })
        break
      case "file":
        if (!part.mediaType.startsWith("audio/")) return Result.fail(malformed(`an answer of ${part.mediaType}`))
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
        end = part
        break
      default:
        break
    }
  }
  if (end === undefined) return Result.fail(malformed("no finish reason"))
  const calls = content.some(({ type }) => type === "tool-call")
  return Result.map(ending(end.reason, calls), (finishReason) => ({
    content,
    finishReason,
    ...fromUsage(end.usage),
    ...(id === undefined ? undefined : { id }),
    ...(model === undefined ? undefined : { model }),
  }))
}

export const malformed = (message: string): ProviderError =>
  new ProviderError({ reason: { _tag: "Malformed" }, message })

/** The seals that a part carries. */
export const sealed = ({ metadata }: { readonly metadata: Response.ProviderMetadata }) => {
  const { redacted, signature } = Metadata.read(metadata)
  return {
    ...(signature === undefined ? undefined : { signature }),
    ...(redacted === undefined ? undefined : { redacted }),
  }
}

/** Arguments as text; of a tool that takes text, the text. */
export const written = (params: unknown, custom: boolean): string => {
  if (custom && typeof params === "object" && params !== null && "input" in params) return String(params.input)
  return typeof params === "string" ? params : JSON.stringify(params ?? {})
}

/** Why it stopped; a model that stopped by an error has not answered. */
export const ending = (
  reason: Response.FinishReason,
  calls: boolean,
): Result.Result<Chat.FinishReason, ProviderError> => {
  switch (reason) {
    case "error":
      return Result.fail(
        new ProviderError({ reason: { _tag: "ServerError" }, message: "the model stopped by an error" }),
      )
    case "unknown":
      return Result.succeed(calls ? "tool-calls" : "other")
    case "stop":
      return Result.succeed(calls ? "tool-calls" : "stop")
    default:
      return Result.succeed(reason)
  }
}

export const fromUsage = ({
  inputTokens: input,
  outputTokens: output,
}: Response.FinishPart["usage"]): Pick<Chat.Response, "usage"> | undefined =>
  input.total === undefined && output.total === undefined
    ? undefined
    : {
        usage: {
          inputTokens: input.total ?? 0,
          outputTokens: output.total ?? 0,
          ...(input.cacheRead === undefined ? undefined : { cachedInputTokens: input.cacheRead }),
          ...(input.cacheWrite === undefined ? undefined : { cacheWriteTokens: input.cacheWrite }),
          ...(output.reasoning === undefined ? undefined : { reasoningTokens: output.reasoning }),
        },
      }
