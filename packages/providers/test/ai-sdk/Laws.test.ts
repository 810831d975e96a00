/** What goes through the bridges survives: through each of them, and through both. */
import type { LanguageModelV4GenerateResult, LanguageModelV4StreamPart } from "@ai-sdk/provider"
import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import * as Deployment from "@understudy/core/Deployment"
import { ProviderError } from "@understudy/core/ProviderError"
import type { Receipt } from "@understudy/core/Receipt"
import * as AiSdk from "@understudy/providers/ai-sdk"
import * as Answers from "@understudy/providers/internal/ai-sdk/Answers"
import * as Files from "@understudy/providers/internal/ai-sdk/Files"
import * as Requests from "@understudy/providers/internal/ai-sdk/Requests"
import * as Streams from "@understudy/providers/internal/ai-sdk/Streams"
import { convertArrayToReadableStream, MockLanguageModelV4 } from "ai/test"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Streamed from "../protocols/Streamed.ts"
import * as Conversation from "./Conversation.ts"

const receipt: Receipt = {
  id: "call-1",
  route: "assistant",
  model: "assistant",
  caller: undefined,
  team: undefined,
  tags: [],
  traceId: undefined,
  spanId: undefined,
  protocol: undefined,
  operation: "chat",
  streaming: false,
  startedAt: 0,
  needs: undefined,
  deployment: "only",
  split: undefined,
  shadowOf: undefined,
  attempts: [],
  skipped: [],
  droppedParams: undefined,
  cache: undefined,
  affinity: undefined,
  firstTokenMillis: undefined,
  queuedMillis: undefined,
  outcome: "success",
  error: undefined,
  millis: 1,
}

const asked: Answers.Asked = { isNative: false, host: "h", droppedParams: undefined, isReported: true }

/** The encrypted reasoning that a model's metadata contains: a route wrote it there. */
const opened = <Part extends Chat.AssistantContent>(part: Part): Part => {
  const open = (seal: Chat.EncryptedReasoning, field: "signature" | "redacted") => {
    assert.strictEqual(seal.issuer, "ai-sdk@h")
    const metadata = JSON.parse(seal.value)
    return { [field]: metadata.understudy[field] }
  }
  if ("redacted" in part && part.redacted !== undefined) return { ...part, ...open(part.redacted, "redacted") }
  if ("signature" in part && part.signature !== undefined) return { ...part, ...open(part.signature, "signature") }
  return part
}

describe("preserves everything that both sides support", () => {
  it.prop("a request", [Conversation.request], ([request]) => {
    const { body, warnings } = Result.getOrThrow(Requests.encoder(() => true, "h").encode(request))
    assert.deepStrictEqual(warnings, [])
    const { request: read } = Result.getOrThrow(Requests.toChat("assistant", undefined, body))
    const { native, droppedParams, ...rest } = read
    // Cache breakpoints and details of images are in the options of a vendor, which are not dropped but read.
    assert.deepStrictEqual(droppedParams, undefined)
    assert.deepStrictEqual(rest, request)
    assert.deepStrictEqual(native, { protocol: "ai-sdk", body })
  })

  it.prop("a response", [Conversation.response], ([response]) => {
    const result = Answers.toResult(response, receipt)
    const read = Result.getOrThrow(Answers.fromResult(result, asked))
    assert.deepStrictEqual({ ...read, content: read.content.map(opened) }, response)
  })

  it.prop("a stream", [Conversation.response], ([response]) => {
    const encoder = Streams.encoder(receipt)
    const parts = [...Streamed.frames(response).flatMap(encoder.push), ...encoder.end()]
    const decode = Streams.decoder(asked, () => new ProviderError({ reason: { _tag: "ServerError" }, message: "No" }))
    const read = Streamed.fold(parts.flatMap((part) => Result.getOrThrow(decode(part)).parts))
    assert.deepStrictEqual({ ...read, content: read.content.map(opened) }, response)
  })
})

describe("a stream", () => {
  it("has the metadata of a text, which its vendor wants back, at the end of the text", () => {
    const decode = Streams.decoder(asked, () => new ProviderError({ reason: { _tag: "ServerError" }, message: "No" }))
    const parts: ReadonlyArray<LanguageModelV4StreamPart> = [
      { type: "text-start", id: "t" },
      { type: "text-delta", id: "t", delta: "Hi" },
      { type: "text-end", id: "t", providerMetadata: { google: { thoughtSignature: "s" } } },
    ]
    const signature = { issuer: "ai-sdk@h", value: '{"google":{"thoughtSignature":"s"}}' }
    assert.deepStrictEqual(
      parts.flatMap((part) => Result.getOrThrow(decode(part)).parts),
      [
        { type: "text", text: "Hi" },
        { type: "text", text: "", signature },
      ],
    )
    const encoder = Streams.encoder(receipt)
    const written = [...encoder.push({ parts: [{ type: "text", text: "Hi", signature }] }), ...encoder.end()]
    assert.deepInclude(
      written.find(({ type }) => type === "text-end"),
      { providerMetadata: { understudy: { signature } } },
    )
  })

  it("that goes on elsewhere continues an open block, and starts a block after a closed one", () => {
    const native = (part: LanguageModelV4StreamPart): Chat.Frame => ({
      parts: [],
      native: { protocol: "ai-sdk", data: JSON.stringify(part) },
    })
    const types = (...frames: ReadonlyArray<Chat.Frame>) => {
      const encoder = Streams.encoder(receipt)
      return [...frames.flatMap(encoder.push), ...encoder.end()].map((part) =>
        "id" in part ? `${part.type} ${part.id}` : part.type,
      )
    }
    const more: Chat.Frame = { parts: [{ type: "text", text: "more" }] }
    const begun = [native({ type: "text-start", id: "t" }), native({ type: "text-delta", id: "t", delta: "Hi" })]
    assert.deepStrictEqual(types(...begun, more), [
      "stream-start",
      "text-start t",
      "text-delta t",
      "text-delta t",
      "text-end t",
      "finish",
    ])
    assert.deepStrictEqual(types(...begun, native({ type: "text-end", id: "t" }), more).slice(3), [
      "text-end t",
      "text-start text_0",
      "text-delta text_0",
      "text-end text_0",
      "finish",
    ])
  })
})

describe("a file", () => {
  it("with only the first half of a media type has the type of its first bytes", () => {
    const typeOf = (mediaType: string, data: Uint8Array | string) => {
      const { source } = Files.toChat({ data: { type: "data", data }, mediaType })
      return source.type === "base64" ? source.mediaType : undefined
    }
    assert.strictEqual(typeOf("image", "/9j/4AAQ"), "image/jpeg")
    assert.strictEqual(typeOf("image/*", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a)), "image/png")
    assert.strictEqual(typeOf("image/webp", "/9j/4AAQ"), "image/webp")
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Through both
// ---------------------------------------------------------------------------------------------------------------------

const nested = (model: MockLanguageModelV4) =>
  AiSdk.createUnderstudy({ deployments: { only: Deployment.make({ model: "m", provider: AiSdk.layer(model) }) } })(
    "only",
  )

/** Without what the bridges add under `understudy`. */
const stripped = <Value>(value: Value): Value => {
  if (Array.isArray(value)) return value.map(stripped) as Value
  if (typeof value !== "object" || value === null || value instanceof Date || value instanceof URL) return value
  const entries = Object.entries(value).filter(([name]) => name !== "understudy")
  return Object.fromEntries(entries.map(([name, each]) => [name, stripped(each)])) as Value
}

/** A result as the parts of a stream. */
const partsOf = (result: LanguageModelV4GenerateResult): Array<LanguageModelV4StreamPart> => {
  const { content, finishReason, providerMetadata = {}, response = {}, usage, warnings } = result
  const { headers: _, ...metadata } = response
  return [
    { type: "stream-start", warnings },
    { type: "response-metadata", ...metadata },
    { type: "raw", rawValue: { any: ["thing"] } },
    ...content.flatMap((part, index): Array<LanguageModelV4StreamPart> => {
      if (part.type !== "text" && part.type !== "reasoning") return [part]
      const { providerMetadata, text, type } = part
      const id = `b${index}`
      return [
        { type: `${type}-start`, id },
        { type: `${type}-delta`, id, delta: text },
        { type: `${type}-end`, id, ...(providerMetadata === undefined ? undefined : { providerMetadata }) },
      ]
    }),
    { type: "finish", finishReason, usage, providerMetadata },
  ]
}

describe("a model of the AI SDK in a route of the AI SDK", () => {
  it.effect.prop("gives its own result", [Conversation.result], ([result]) =>
    Effect.gen(function* () {
      const given = yield* Effect.promise(async () =>
        nested(new MockLanguageModelV4({ doGenerate: result })).doGenerate({ prompt: [] }),
      )
      assert.deepStrictEqual(stripped(given), stripped(result))
    }),
  )

  it.effect.prop("gives its own stream", [Conversation.result], ([result]) =>
    Effect.gen(function* () {
      const parts = partsOf(result)
      const model = new MockLanguageModelV4({ doStream: async () => ({ stream: convertArrayToReadableStream(parts) }) })
      const given = yield* Effect.promise(async () => {
        const { stream } = await nested(model).doStream({ prompt: [] })
        const given: Array<LanguageModelV4StreamPart> = []
        for await (const part of stream) given.push(part)
        return given
      })
      assert.deepStrictEqual(stripped(given), stripped(parts))
    }),
  )

  it.live("gets the options of the call unchanged", () =>
    Effect.gen(function* () {
      const result: LanguageModelV4GenerateResult = {
        content: [{ type: "text", text: "Hi" }],
        finishReason: { unified: "stop", raw: "stop" },
        usage: {
          inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
          outputTokens: { total: 1, text: 1, reasoning: 0 },
        },
        warnings: [],
      }
      const model = new MockLanguageModelV4({ doGenerate: result })
      yield* Effect.promise(async () => nested(model).doGenerate({ ...Conversation.options, headers: { "x-a": "b" } }))
      const [{ abortSignal, ...options } = { prompt: [] }] = model.doGenerateCalls
      assert.instanceOf(abortSignal, AbortSignal)
      assert.deepStrictEqual(options, Conversation.options)
    }),
  )
})
