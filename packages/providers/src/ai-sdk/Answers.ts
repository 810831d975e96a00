/**
 * Complete responses, between the AI SDK and `Chat`.
 */
import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4Source,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
  SharedV4Warning,
} from "@ai-sdk/provider"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as ReceiptOf from "@understudy/core/Receipt"
import type { Receipt } from "@understudy/core/Receipt"
import type { Encrypted } from "@understudy/core/internal/effect-ai/language-model/Blocks"
import * as ReportedUsage from "@understudy/core/internal/effect-ai/language-model/ReportedUsage"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Json from "../protocols/Json.ts"
import * as Files from "./Files.ts"
import * as Metadata from "./Metadata.ts"
import * as Native from "./Native.ts"
import * as Requests from "./Requests.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Chat -> the AI SDK
// ---------------------------------------------------------------------------------------------------------------------

/** The result of a route: the model's own if a model of the AI SDK has answered. */
export const toResult = (response: Chat.Response, receipt: Receipt): LanguageModelV4GenerateResult => {
  const own = response.native?.protocol === Native.protocol ? Native.parseResult(response.native.text) : undefined
  const result: Native.Result = own ?? {
    content: response.content.flatMap(toContent),
    finishReason: toFinishReason(response.finishReason),
    usage: toUsage(response.usage),
    response: metadata(response.id, response.model),
    warnings: [],
  }
  return {
    ...result,
    warnings: warnings(receipt, result.warnings),
    providerMetadata: { ...result.providerMetadata, ...route(receipt) },
  }
}

const toContent = (part: Chat.AssistantContent): ReadonlyArray<LanguageModelV4Content> => {
  switch (part.type) {
    case "text":
      return [{ type: "text", text: part.text, ...Metadata.write(part) }, ...(part.citations ?? []).flatMap(source)]
    case "refusal":
      return [{ type: "text", text: part.text }]
    case "reasoning":
      return [{ type: "reasoning", text: part.text, ...Metadata.write(part) }]
    case "tool-call":
      return [call(part.id, part.name, part.arguments, part)]
    case "audio":
      return part.source.type === "base64"
        ? [{ type: "file", mediaType: part.source.mediaType, data: { type: "data", data: part.source.data } }]
        : []
  }
}

export const metadata = (id: string | undefined, model: string | undefined) => ({
  ...(id === undefined ? undefined : { id }),
  ...(model === undefined ? undefined : { modelId: model }),
})

/** A tool call. `ai` takes arguments that are not JSON for an invalid call, which the application may repair. */
export const call = (
  id: string,
  name: string,
  args: string,
  encrypted: Encrypted,
): Extract<LanguageModelV4Content, { readonly type: "tool-call" }> => ({
  type: "tool-call",
  toolCallId: id,
  toolName: name,
  input: args,
  ...Metadata.write({ signature: encrypted.signature }),
})

/** The source of a citation, if it is a page. The AI SDK's id of a source is of any kind. */
export const source = ({ source }: Chat.Citation): ReadonlyArray<LanguageModelV4Source> =>
  source.type === "url"
    ? [
        {
          type: "source",
          sourceType: "url",
          id: source.url,
          url: source.url,
          ...(source.title === undefined ? undefined : { title: source.title }),
        },
      ]
    : []

export const toFinishReason = (reason: Chat.FinishReason): LanguageModelV4FinishReason => {
  switch (reason) {
    case "refusal":
      return { unified: "content-filter", raw: reason }
    case "pause":
      return { unified: "other", raw: reason }
    default:
      return { unified: reason, raw: reason }
  }
}

export const toUsage = (usage: Chat.Usage | undefined): LanguageModelV4Usage => {
  const { cacheWriteTokens, cachedInputTokens, inputTokens, outputTokens, reasoningTokens } = usage ?? {}
  return {
    inputTokens: {
      total: inputTokens,
      noCache:
        inputTokens === undefined
          ? undefined
          : Math.max(0, inputTokens - (cachedInputTokens ?? 0) - (cacheWriteTokens ?? 0)),
      cacheRead: cachedInputTokens,
      cacheWrite: cacheWriteTokens,
    },
    outputTokens: {
      total: outputTokens,
      text: outputTokens === undefined ? undefined : Math.max(0, outputTokens - (reasoningTokens ?? 0)),
      reasoning: reasoningTokens,
    },
  }
}

/**
 * What `providerMetadata.understudy` of a result contains: the call as its receipt has it. `cost` is in US dollars and of
 * all attempts. Messages of vendors are not in it, because applications pass it on to browsers.
 */
export interface RouteMetadata {
  readonly call: string
  readonly route: string
  /** The deployment that has answered. */
  readonly deployment?: string
  readonly attempts: ReadonlyArray<{
    readonly deployment: string
    readonly model: string
    readonly outcome: ReceiptOf.Outcome
    readonly millis: number
    readonly reason?: string
    readonly status?: number
    readonly inputTokens?: number
    readonly outputTokens?: number
    readonly cost?: number
  }>
  readonly skipped: ReadonlyArray<{ readonly deployment: string; readonly reason: string }>
  readonly cost?: number
  readonly cache?: "hit" | "miss"
}

export const routeMetadata = (receipt: Receipt): RouteMetadata => {
  const { attempts, cache, deployment, id, route, skipped } = receipt
  const { cost } = ReceiptOf.total(receipt)
  return {
    call: id,
    route,
    attempts: attempts.map(({ cost, deployment, millis, model, outcome, reason, status, usage }) => ({
      deployment,
      model,
      outcome,
      millis,
      ...Json.defined({
        reason,
        status,
        inputTokens: usage?.inputTokens,
        outputTokens: usage?.outputTokens,
        cost,
      }),
    })),
    skipped: skipped.map(({ deployment, reason }) => ({ deployment, reason: reason._tag })),
    ...Json.defined({ deployment, cost, cache }),
  }
}

/** The provider metadata of a result of a route. */
export const route = (receipt: Receipt): SharedV4ProviderMetadata => ({
  [Metadata.namespace]: { ...routeMetadata(receipt) },
})

/** The warnings of a model, and one for each parameter that was not sent. */
export const warnings = (
  { droppedParams = [] }: Pick<Receipt, "droppedParams">,
  own: ReadonlyArray<SharedV4Warning>,
): Array<SharedV4Warning> => {
  const known = new Set(own.map(describe))
  const dropped = droppedParams.filter((param) => !known.has(param))
  return [...own, ...dropped.map(warning)]
}

/** A parameter that is sent differently has an explanation after a comma. */
const warning = (param: string): SharedV4Warning => {
  const comma = param.indexOf(", ")
  return comma < 0
    ? { type: "unsupported", feature: param }
    : { type: "compatibility", feature: param.slice(0, comma), details: param.slice(comma + 2) }
}

// ---------------------------------------------------------------------------------------------------------------------
// The AI SDK -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/** A warning as a dropped parameter. */
export const describe = (warning: SharedV4Warning): string => {
  switch (warning.type) {
    case "unsupported":
    case "compatibility":
      return warning.details === undefined ? warning.feature : `${warning.feature}: ${warning.details}`
    case "deprecated":
      return `${warning.setting}: ${warning.message}`
    case "other":
      return warning.message
  }
}

/** The request as far as its answer depends on it. */
export interface Asked {
  /** Whether the application is one of the AI SDK, and gets the result unchanged. */
  readonly isNative: boolean
  /** Of the model that answers: see `Requests.encoder`. */
  readonly host: string
  /** The parameters that were dropped before the request was sent. */
  readonly droppedParams: ReadonlyArray<string> | undefined
  /** Whether warnings of the model are reported. */
  readonly isReported: boolean
}

/** The response of a result. Calls of tools that the vendor has run are left out. */
export const fromResult = (
  result: LanguageModelV4GenerateResult,
  asked: Asked,
): Result.Result<Chat.Response, ProviderError> => {
  const content: Array<Chat.AssistantContent> = []
  for (const part of result.content) {
    switch (part.type) {
      case "text":
        content.push({ type: "text", text: part.text, ...signature(part.providerMetadata, asked.host) })
        break
      case "reasoning":
        content.push({ type: "reasoning", text: part.text, ...encrypted(part.text, part.providerMetadata, asked.host) })
        break
      case "tool-call":
        if (part.providerExecuted === true) break
        content.push({
          type: "tool-call",
          id: part.toolCallId,
          name: part.toolName,
          arguments: part.input,
          ...signature(part.providerMetadata, asked.host),
        })
        break
      case "source":
        cite(content, part)
        break
      case "file":
        if (part.mediaType.startsWith("audio/") && part.data.type === "data") {
          const data = Files.base64(part.data.data)
          content.push({ type: "audio", source: { type: "base64", data, mediaType: part.mediaType } })
        } else if (!asked.isNative) return Result.fail(malformed(`a response of ${part.mediaType}`))
        break
      default:
        break
    }
  }
  const calls = content.some(({ type }) => type === "tool-call")
  return Result.flatMap(finishReasonOf(result.finishReason, calls), (finishReason) =>
    finishReason === undefined
      ? Result.fail(malformed("the response has no finish reason"))
      : Result.succeed({
          content,
          finishReason,
          ...ReportedUsage.toChat(result.usage),
          ...(result.response?.id === undefined ? undefined : { id: result.response.id }),
          ...(result.response?.modelId === undefined ? undefined : { model: result.response.modelId }),
          ...dropped(asked, result.warnings),
          ...(asked.isNative ? { native: native(result, asked.host) } : undefined),
        }),
  )
}

/** The dropped parameters and the warnings, if there are any. */
export const dropped = (
  { droppedParams = [], isReported }: Asked,
  warnings: ReadonlyArray<SharedV4Warning>,
): Pick<Chat.Response, "droppedParams"> | undefined => {
  const all = [...droppedParams, ...(isReported ? warnings.map(describe) : [])]
  return all.length === 0 ? undefined : { droppedParams: all }
}

const native = (all: LanguageModelV4GenerateResult, host: string): Chat.NativeResponse => {
  const { request: _, response, ...result } = all
  const { body: __, ...metadata } = response ?? {}
  const body = { ...result, content: result.content.map((part) => withHost(part, host)), response: metadata }
  return { protocol: Native.protocol, text: Native.print(body), body }
}

/** The part with its host in its metadata, if it has any: see `Requests.encoder`. */
export const withHost = <Part extends { readonly type: string }>(part: Part, host: string): Part =>
  "providerMetadata" in part && Predicate.isObject(part.providerMetadata) && part.type !== "finish"
    ? { ...part, providerMetadata: { ...part.providerMetadata, [Metadata.namespace]: { host } } }
    : part

export const malformed = (message: string): ProviderError =>
  new ProviderError({ reason: { _tag: "Malformed" }, message })

/** The metadata of a part, kept as a signature: its vendor wants it back. */
export const signature = (
  metadata: SharedV4ProviderMetadata | undefined,
  host: string,
): { readonly signature?: Chat.EncryptedReasoning } => {
  const kept = Object.entries(metadata ?? {}).filter(([, fields]) => Object.keys(fields).length > 0)
  return kept.length === 0
    ? nothing
    : { signature: { issuer: `${Requests.issuer}@${host}`, value: Native.print(Object.fromEntries(kept)) } }
}

const nothing = {}

/** As `signature`, of reasoning: without text it is all that the reasoning consists of. */
export const encrypted = (text: string, metadata: SharedV4ProviderMetadata | undefined, host: string): Encrypted => {
  const { signature: kept } = signature(metadata, host)
  if (kept === undefined) return nothing
  return text === "" ? { redacted: kept } : { signature: kept }
}

/** Adds a citation to the last text. */
const cite = (content: Array<Chat.AssistantContent>, source: LanguageModelV4Source): void => {
  const citation = citationOf(source)
  const index = content.findLastIndex(({ type }) => type === "text")
  const last = content[index]
  if (citation === undefined || last?.type !== "text") return
  content[index] = { ...last, citations: [...(last.citations ?? []), citation] }
}

/** The citation of a page. A document of the AI SDK is not one of the request's by number. */
export const citationOf = (source: LanguageModelV4Source): Chat.Citation | undefined =>
  source.sourceType === "url" ? { source: { type: "url", url: source.url, title: source.title } } : undefined

/**
 * The finish reason; `undefined` if the vendor sent none: its response was cut off. A model that stopped because of an error
 * has failed.
 */
export const finishReasonOf = (
  { raw, unified }: LanguageModelV4FinishReason,
  calls: boolean,
): Result.Result<Chat.FinishReason | undefined, ProviderError> => {
  switch (unified) {
    case "error":
      return Result.fail(
        new ProviderError({ reason: { _tag: "ServerError" }, message: "the model stopped because of an error" }),
      )
    case "interrupted":
      return Result.succeed(undefined)
    case "other":
      return Result.succeed(raw === undefined ? undefined : calls ? "tool-calls" : "other")
    case "stop":
      return Result.succeed(calls ? "tool-calls" : "stop")
    default:
      return Result.succeed(unified)
  }
}
