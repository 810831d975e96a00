/** Models of the AI SDK as deployments of a router whose client is not the AI SDK: usage, errors, waits, files, embeddings. */
import { createOpenAI } from "@ai-sdk/openai"
import {
  APICallError,
  InvalidPromptError,
  LoadAPIKeyError,
  NoSuchModelError,
  UnsupportedFunctionalityError,
} from "@ai-sdk/provider"
import type {
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
} from "@ai-sdk/provider"
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Deployment from "@understudy/core/Deployment"
import { Provider } from "@understudy/core/Provider"
import type { Reason } from "@understudy/core/ProviderError"
import * as Route from "@understudy/core/Route"
import * as Router from "@understudy/core/Router"
import * as Testing from "@understudy/core/Testing"
import * as AiSdk from "@understudy/providers/ai-sdk"
import * as FaultServer from "@understudy/providers/testing"
import * as Behavior from "@understudy/providers/testing/Behavior"
import {
  convertArrayToReadableStream,
  MockEmbeddingModelV3,
  MockEmbeddingModelV4,
  MockLanguageModelV3,
  MockLanguageModelV4,
} from "ai/test"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { ask, collect, look } from "../Asking.ts"

const provider = (source: AiSdk.Source, options?: AiSdk.ProviderOptions) =>
  Effect.flatMap(Layer.build(AiSdk.layer(source, options)), (context) => Effect.provideContext(Provider, context))

const usage = {
  inputTokens: { total: 10, noCache: 3, cacheRead: 5, cacheWrite: 2 },
  outputTokens: { total: 7, text: 3, reasoning: 4 },
}

const result = (more: Partial<LanguageModelV4GenerateResult> = {}): LanguageModelV4GenerateResult => ({
  content: [{ type: "text", text: "Hi" }],
  finishReason: { unified: "stop", raw: "stop" },
  usage,
  warnings: [],
  ...more,
})

const answering = (more?: Partial<LanguageModelV4GenerateResult>) =>
  new MockLanguageModelV4({ doGenerate: result(more) })

const failing = (error: unknown, vendor = "openai.chat") =>
  new MockLanguageModelV4({ provider: vendor, doGenerate: () => Promise.reject(error) })

const streaming = (parts: ReadonlyArray<LanguageModelV4StreamPart>) =>
  new MockLanguageModelV4({ doStream: async () => ({ stream: convertArrayToReadableStream([...parts]) }) })

const callError = (statusCode: number, body: unknown, responseHeaders: Record<string, string> = {}): APICallError =>
  new APICallError({
    message: "The call failed",
    url: "https://vendor.example",
    requestBodyValues: {},
    statusCode,
    responseHeaders,
    responseBody: JSON.stringify(body),
  })

describe("a response", () => {
  it.effect("has the usage with cached and reasoning tokens, the id and the model", () =>
    Effect.gen(function* () {
      const { chat } = yield* provider(answering({ response: { id: "r1", modelId: "m1" } }))
      const response = yield* chat(ask("any"))
      assert.deepStrictEqual(response.usage, {
        inputTokens: 10,
        outputTokens: 7,
        cachedInputTokens: 5,
        cacheWriteTokens: 2,
        reasoningTokens: 4,
      })
      assert.strictEqual(response.id, "r1")
      assert.strictEqual(response.model, "m1")
      assert.isUndefined(response.native)
    }),
  )

  it.effect("reports the model's warnings as dropped parameters, unless they are to be dropped in silence", () =>
    Effect.gen(function* () {
      const { chat } = yield* provider(answering({ warnings: [{ type: "unsupported", feature: "seed" }] }))
      const { droppedParams } = yield* chat(ask("any", { user: "u1", sampling: { seed: 1 } }))
      assert.deepStrictEqual(droppedParams, ["the end user's id", "seed"])
      const silent = yield* chat(ask("any", { user: "u1", unsupportedParams: "drop" }))
      assert.isUndefined(silent.droppedParams)
      const skipped = yield* Effect.flip(chat(ask("any", { user: "u1", unsupportedParams: "skip" })))
      assert.strictEqual(skipped.reason._tag, "Unsupported")
    }),
  )

  it.effect("without a finish reason of the vendor is malformed, and one that stopped by an error has failed", () =>
    Effect.gen(function* () {
      for (const [unified, expected] of [
        ["interrupted", "Malformed"],
        ["other", "Malformed"],
        ["error", "ServerError"],
      ] as const) {
        const { chat } = yield* provider(answering({ finishReason: { unified, raw: undefined } }))
        const { reason } = yield* Effect.flip(chat(ask("any")))
        assert.strictEqual(reason._tag, expected)
      }
      const { chat } = yield* provider(answering({ finishReason: { unified: "other", raw: "paused" } }))
      assert.strictEqual((yield* chat(ask("any"))).finishReason, "other")
    }),
  )

  it.effect("of an image is malformed for a client without images", () =>
    Effect.gen(function* () {
      const file = { type: "file", mediaType: "image/png", data: { type: "data", data: "AAAA" } } as const
      const { chat } = yield* provider(answering({ content: [file] }))
      assert.strictEqual((yield* Effect.flip(chat(ask("any")))).reason._tag, "Malformed")
    }),
  )

  it.effect("has the text of a custom tool, which the model gets as a function", () =>
    Effect.gen(function* () {
      const call = { type: "tool-call", toolCallId: "c1", toolName: "patch", input: '{"input":"*** Begin"}' } as const
      const model = answering({ content: [call] })
      const { chat } = yield* provider(model)
      const response = yield* chat(ask("any", { tools: [{ name: "patch", custom: {} }] }))
      assert.deepInclude(Chat.toolCalls(response)[0], { custom: true, arguments: "*** Begin" })
      assert.deepNestedInclude(model.doGenerateCalls[0]?.tools?.[0], { type: "function", name: "patch" })
    }),
  )
})

describe("a stream", () => {
  it.effect("has each part as it comes, and ends without a finish if the vendor sent no finish reason", () =>
    Effect.gen(function* () {
      const parts: ReadonlyArray<LanguageModelV4StreamPart> = [
        { type: "stream-start", warnings: [{ type: "other", message: "Mind the gap" }] },
        { type: "tool-input-start", id: "c1", toolName: "look" },
        { type: "tool-input-delta", id: "c1", delta: '{"where":' },
        { type: "tool-input-delta", id: "c1", delta: '"up"}' },
        { type: "tool-input-end", id: "c1" },
        { type: "tool-call", toolCallId: "c1", toolName: "look", input: '{"where":"up"}' },
        { type: "finish", finishReason: { unified: "interrupted", raw: undefined }, usage },
      ]
      const { stream } = yield* provider(streaming(parts))
      const { error, frames, parts: read } = yield* collect(stream(ask("any", { tools: [look] })))
      assert.isUndefined(error)
      assert.deepStrictEqual(
        frames.flatMap(({ droppedParams }) => droppedParams ?? []),
        ["Mind the gap"],
      )
      assert.deepStrictEqual(
        read.map((part) => (part.type === "tool-call-delta" ? part.arguments : part.type)),
        ["tool-call", '{"where":', '"up"}', "usage"],
      )
    }),
  )

  it.effect("that a model opens after its call was interrupted is cancelled", () =>
    Effect.gen(function* () {
      const called = yield* Deferred.make<void>()
      const cancelled = yield* Deferred.make<void>()
      const opening = Promise.withResolvers<LanguageModelV4StreamResult>()
      const model = new MockLanguageModelV4({
        doStream: () => {
          Deferred.doneUnsafe(called, Effect.void)
          return opening.promise
        },
      })
      const { stream } = yield* provider(model)
      const fiber = yield* Effect.forkChild(collect(stream(ask("any"))))
      yield* Deferred.await(called)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(model.doStreamCalls[0]?.abortSignal?.aborted)
      opening.resolve({
        stream: new ReadableStream({ cancel: () => void Deferred.doneUnsafe(cancelled, Effect.void) }),
      })
      yield* Deferred.await(cancelled)
    }),
  )
})

describe("an error", () => {
  const classified = (error: unknown, vendor?: string) =>
    Effect.gen(function* () {
      const { chat } = yield* provider(failing(error, vendor))
      return yield* Effect.flip(chat(ask("any")))
    })

  it.effect("with a Retry-After is a rate limit with that wait, and starts a cooldown", () =>
    Effect.gen(function* () {
      for (const [headers, millis] of [
        [{ "retry-after": "7" }, 7000],
        [{ "retry-after-ms": "250" }, 250],
        [{}, undefined],
      ] as const) {
        const { reason, status } = yield* classified(callError(429, { error: { message: "Slow down" } }, headers))
        assert.strictEqual(status, 429)
        assert.deepStrictEqual(reason, {
          _tag: "RateLimited",
          retryAfter: millis === undefined ? undefined : Duration.millis(millis),
        })
      }
      const backup = Testing.script([Testing.reply("Hi")])
      const router = yield* Effect.map(
        Layer.build(
          Router.layer({
            deployments: {
              lead: Deployment.make({
                model: "l",
                provider: AiSdk.layer(failing(callError(429, {}, { "retry-after": "60" }))),
              }),
              backup: Deployment.make({ model: "b", provider: backup.layer }),
            },
            routes: { assistant: Route.fallback("lead", "backup") },
          }),
        ),
        (context) => context,
      )
      const attempts = yield* Effect.provideContext(
        Effect.flatMap(Router.Router, (router) =>
          Effect.all([router.chat(ask("assistant")), router.chat(ask("assistant"))]),
        ),
        router,
      )
      assert.deepStrictEqual(
        attempts.map(({ receipt }) => [receipt.attempts.length, receipt.skipped.map(({ reason }) => reason._tag)]),
        [
          [2, []],
          [1, ["CoolingDown"]],
        ],
      )
    }),
  )

  const table: ReadonlyArray<readonly [Reason["_tag"], unknown, vendor?: string]> = [
    ["QuotaExhausted", callError(429, { error: { code: "insufficient_quota", message: "No quota" } })],
    ["ContextWindowExceeded", callError(400, { error: { code: "context_length_exceeded", message: "Too long" } })],
    [
      "Overloaded",
      callError(529, { type: "error", error: { type: "overloaded_error", message: "Busy" } }),
      "anthropic.messages",
    ],
    [
      "QuotaExhausted",
      callError(400, { type: "error", error: { type: "billing_error", message: "Pay" } }),
      "anthropic.messages",
    ],
    [
      "Authentication",
      callError(400, {
        error: {
          code: 400,
          status: "INVALID_ARGUMENT",
          message: "No",
          details: [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID" }],
        },
      }),
      "google.generative-ai",
    ],
    ["ServerError", callError(500, "<html>")],
    ["Authentication", new LoadAPIKeyError({ message: "No key" })],
    ["ModelNotFound", new NoSuchModelError({ modelId: "m", modelType: "languageModel" })],
    ["Unsupported", new UnsupportedFunctionalityError({ functionality: "seed" })],
    ["InvalidRequest", new InvalidPromptError({ prompt: "", message: "Bad" })],
    ["Timeout", new DOMException("Too slow", "TimeoutError")],
    ["Network", Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNREFUSED" } })],
    ["Overloaded", { type: "overloaded_error", message: "Busy" }, "anthropic.messages"],
    ["RateLimited", { message: "Slow", statusCode: 429, data: { message: "Slow" } }],
    ["ServerError", new Error("Who knows")],
    ["ServerError", "text"],
  ]
  for (const [expected, error, vendor] of table) {
    it.effect(
      `is ${expected}: ${error instanceof Error ? `${error.name} ${error.message}` : JSON.stringify(error)}`,
      () =>
        Effect.gen(function* () {
          const { reason } = yield* classified(error, vendor)
          assert.strictEqual(reason._tag, expected)
        }),
    )
  }

  it.effect("that a model throws before its promise is one, too", () =>
    Effect.gen(function* () {
      const model = new MockLanguageModelV4({
        doGenerate: () => {
          throw callError(503, {})
        },
      })
      const { chat } = yield* provider(model)
      assert.strictEqual((yield* Effect.flip(chat(ask("any")))).reason._tag, "Overloaded")
    }),
  )
})

describe("a request", () => {
  it.effect("with a file at a URL that the model does not read is Unsupported: `ai` is not there to download it", () =>
    Effect.gen(function* () {
      const image = (url: string) =>
        ask("any", { messages: [Chat.user([{ type: "image", source: { type: "url", url } }])] })
      const model = new MockLanguageModelV4({
        doGenerate: result(),
        supportedUrls: { "image/*": [/^https:\/\/a\.example\//g] },
      })
      const { chat } = yield* provider(model)
      for (let call = 0; call < 2; call++) yield* chat(image("https://a.example/b.png"))
      const { reason } = yield* Effect.flip(chat(image("https://other.example/b.png")))
      assert.deepStrictEqual(reason, { _tag: "Unsupported", feature: "a file at a URL" })
    }),
  )

  it.effect("sends the provider options in `vendor`", () =>
    Effect.gen(function* () {
      const model = answering()
      const { chat } = yield* provider(model)
      const providerOptions = { openai: { store: false } }
      yield* chat(ask("any", { vendor: { "ai-sdk": { providerOptions } } }))
      assert.deepStrictEqual(model.doGenerateCalls[0]?.providerOptions, providerOptions)
    }),
  )

  it.effect("returns the metadata that the model wrote, and not what another account wrote", () =>
    Effect.gen(function* () {
      const providerMetadata = { openai: { itemId: "rs_1", reasoningEncryptedContent: "sealed" } }
      const content = [{ type: "reasoning", text: "Hm", providerMetadata }] as const
      const models = [answering({ content: [...content] }), answering()] as const
      const own = yield* provider(models[0], { account: "one" })
      const other = yield* provider(models[1], { account: "two" })
      const first = yield* own.chat(ask("any"))
      const next = ask("any", { messages: [Chat.user("Hi"), Chat.assistant(first.content), Chat.user("And?")] })
      yield* own.chat(next)
      yield* other.chat(next)
      const sent = (model: MockLanguageModelV4) => model.doGenerateCalls.at(-1)?.prompt[1]?.content
      assert.deepStrictEqual(sent(models[0]), [{ type: "reasoning", text: "Hm", providerOptions: providerMetadata }])
      assert.deepStrictEqual(sent(models[1]), [{ type: "reasoning", text: "Hm" }])
    }),
  )

  it.live("names the model of a vendor's package by the deployment's model", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const openai = createOpenAI({ apiKey: "sk-secret", baseURL: `${server.url}/v1` })
      const { chat, embed } = yield* provider(openai)
      yield* server.script("gpt-5", [Behavior.answer({ text: "Hi" })])
      assert.strictEqual(Chat.text(yield* chat(ask("gpt-5"))), "Hi")
      const vectors = yield* embed!({ model: "text-embedding-3-small", input: ["one", "two"], dimensions: 4 })
      assert.lengthOf(vectors.vectors, 2)
      assert.isAbove(vectors.usage?.inputTokens ?? 0, 0)
      const { body } = yield* server.received("text-embedding-3-small")
      assert.deepInclude(body, { dimensions: 4 })
    }),
  )
})

describe("the conversation of an application of the AI SDK", () => {
  it.live("has only the ids and signatures of the account that it is sent to", () =>
    Effect.gen(function* () {
      const providerMetadata = { openai: { itemId: "rs_1" } }
      const one = answering({ content: [{ type: "reasoning", text: "Hm", providerMetadata }] })
      const two = answering()
      const understudy = AiSdk.createUnderstudy({
        deployments: {
          one: Deployment.make({ model: "m", provider: AiSdk.layer(one, { account: "one" }) }),
          two: Deployment.make({ model: "m", provider: AiSdk.layer(two, { account: "two" }) }),
        },
      })
      const { content } = yield* Effect.promise(async () => understudy("one").doGenerate({ prompt: [] }))
      const [part] = content
      if (part?.type !== "reasoning") return assert.fail("no reasoning")
      const { providerMetadata: written, ...rest } = part
      const prompt = [
        { role: "assistant" as const, content: [{ ...rest, ...(written && { providerOptions: written }) }] },
      ]
      yield* Effect.promise(async () => understudy("one").doGenerate({ prompt }))
      yield* Effect.promise(async () => understudy("two").doGenerate({ prompt }))
      const sent = (model: MockLanguageModelV4) => model.doGenerateCalls.at(-1)?.prompt[0]?.content
      assert.deepNestedPropertyVal(sent(one), "[0].providerOptions.openai", { itemId: "rs_1" })
      assert.deepStrictEqual(sent(two), [{ type: "reasoning", text: "Hm" }])
    }),
  )

  it.live("is not sent to a deployment that lacks its vendor's tools, unless there are others", () =>
    Effect.gen(function* () {
      const plain = Testing.script([Testing.reply("Hi")])
      const model = answering()
      const understudy = AiSdk.createUnderstudy({
        deployments: {
          plain: Deployment.make({ model: "p", provider: plain.layer }),
          vendor: Deployment.make({ model: "v", provider: AiSdk.layer(model) }),
        },
      })
      const search = { type: "provider", id: "openai.web_search", name: "search", args: {} } as const
      const lookTool = {
        type: "function" as const,
        name: "look",
        inputSchema: { type: "object" as const },
        inputExamples: [{ input: { where: "up" } }],
      }
      yield* Effect.promise(async () => understudy("vendor").doGenerate({ prompt: [], tools: [search] }))
      assert.deepStrictEqual(model.doGenerateCalls[0]?.tools, [search])
      yield* Effect.promise(async () => understudy("plain").doGenerate({ prompt: [], tools: [search] }))
      yield* Effect.promise(async () => understudy("plain").doGenerate({ prompt: [], tools: [search, lookTool] }))
      assert.deepStrictEqual(
        plain.requests.map(({ droppedParams, requiredUnsupported }) => [requiredUnsupported, droppedParams]),
        [
          [["the tool openai.web_search"], undefined],
          [undefined, ["the tool openai.web_search", "the input examples of tools"]],
        ],
      )
    }),
  )
})

describe("a model of specification 3", () => {
  it.effect("gets files and results of tools in its form, and warns of what came later", () =>
    Effect.gen(function* () {
      const model = new MockLanguageModelV3({
        doGenerate: async () => ({
          content: [{ type: "file", mediaType: "audio/wav", data: "AAAA" }],
          finishReason: { unified: "stop", raw: "stop" },
          usage,
          warnings: [],
        }),
        doStream: async () => ({ stream: convertArrayToReadableStream([{ type: "stream-start", warnings: [] }]) }),
      })
      const { chat, stream } = yield* provider(model)
      const png = { type: "image", source: { type: "base64", data: "AAAA", mediaType: "image/png" } } as const
      const response = yield* chat(
        ask("any", {
          reasoning: { effort: "low" },
          messages: [
            Chat.user([png]),
            Chat.assistant([{ type: "tool-call", id: "c1", name: "look", arguments: "{}" }]),
            { role: "tool", content: [{ type: "tool-result", id: "c1", content: [png] }] },
          ],
        }),
      )
      const [given] = model.doGenerateCalls
      assert.notProperty(given, "reasoning")
      assert.deepStrictEqual(given?.prompt[0]?.content, [{ type: "file", mediaType: "image/png", data: "AAAA" }])
      assert.deepNestedPropertyVal(given?.prompt[2]?.content, "[0].output.value[0].type", "file-data")
      assert.strictEqual(response.content[0]?.type, "audio")
      assert.match(String(response.droppedParams), /^reasoning: /)
      const { frames } = yield* collect(stream(ask("any", { reasoning: { effort: "low" } })))
      assert.match(String(frames[0]?.droppedParams), /^reasoning: /)
    }),
  )
})

describe("a model of another specification", () => {
  it.effect("is Unsupported, and the message says what to do", () =>
    Effect.gen(function* () {
      const old = Object.assign(answering(), { specificationVersion: "v2" })
      const { chat } = yield* provider(old as unknown as AiSdk.Source)
      const { message, reason } = yield* Effect.flip(chat(ask("any")))
      assert.strictEqual(reason._tag, "Unsupported")
      assert.match(message, /specification v2, not of 3 or 4: update the vendor's package/)
    }),
  )
})

describe("a dropped parameter", () => {
  it.effect("is logged once, also by the models of a package, which are new objects for each call", () =>
    Effect.gen(function* () {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ message }) => void logged.push(message))
      const none = (): never => assert.fail("not called")
      const { chat } = yield* provider({
        specificationVersion: "v4",
        languageModel: () => answering(),
        embeddingModel: none,
        imageModel: none,
      })
      const calls = [1, 2, 3].map(() => chat(ask("any", { user: "u1" })))
      yield* Effect.provide(Effect.all(calls), Logger.layer([logger]))
      assert.lengthOf(logged, 1)
    }),
  )
})

describe("embeddings", () => {
  it.effect("are sent in calls of the size that the model takes, in the order of the inputs", () =>
    Effect.gen(function* () {
      for (const supportsParallelCalls of [true, false]) {
        const model = new MockEmbeddingModelV4({
          maxEmbeddingsPerCall: 2,
          supportsParallelCalls,
          doEmbed: async ({ values }) => ({
            embeddings: values.map((value) => [Number(value)]),
            usage: { tokens: values.length },
            warnings: [],
          }),
        })
        const { embed } = yield* provider(model)
        const response = yield* embed!({
          model: "any",
          input: ["0", "1", "2", "3", "4"],
          purpose: "query",
          overrides: { extraBody: { params: { providerOptions: { own: { user: "u" } } } } },
        })
        assert.deepStrictEqual(response.vectors, [[0], [1], [2], [3], [4]])
        assert.deepStrictEqual(response.usage, { inputTokens: 5, outputTokens: 0 })
        assert.deepStrictEqual(response.droppedParams, ["the purpose of the embeddings"])
        assert.lengthOf(model.doEmbedCalls, 3)
        assert.deepStrictEqual(model.doEmbedCalls[0]?.providerOptions, { own: { user: "u" } })
      }
    }),
  )

  it.effect("of token ids are Unsupported, and chat by an embedding model is, too", () =>
    Effect.gen(function* () {
      const { chat, embed } = yield* provider(new MockEmbeddingModelV3())
      assert.strictEqual((yield* Effect.flip(embed!({ model: "any", input: [[1, 2]] }))).reason._tag, "Unsupported")
      assert.strictEqual((yield* Effect.flip(chat(ask("any")))).reason._tag, "Unsupported")
      assert.isUndefined((yield* provider(answering())).embed)
    }),
  )
})
