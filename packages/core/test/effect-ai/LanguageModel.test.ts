import { assert, describe, it } from "@effect/vitest"
import * as AiChat from "effect/ai/Chat"
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Understudy from "../../src/effect-ai/LanguageModel.ts"
import { Provider } from "../../src/model/Provider.ts"
import type { Reason } from "../../src/model/ProviderError.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const down = Testing.script([Testing.fail({ _tag: "Overloaded" }, { status: 503 })])

/** A route whose `primary` comes before its `backup`, as a `LanguageModel`. */
const over = (primary: Layer.Layer<Provider>, backup: Layer.Layer<Provider>, options?: Understudy.Options) =>
  Layer.provideMerge(
    Understudy.layer("assistant", options),
    Router.layer({
      deployments: {
        primary: Deployment.make({ model: "p", provider: primary }),
        backup: Deployment.make({ model: "b", provider: backup }),
      },
      routes: { assistant: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
    }),
  )

/** A provider that answers everything with this. */
const answering = (response: Chat.Response): Layer.Layer<Provider> =>
  Layer.effect(
    Provider,
    Effect.map(Effect.provide(Provider, down.layer), (provider) => ({
      ...provider,
      chat: () => Effect.succeed(response),
    })),
  )

const GetWeather = Tool.make("get_weather", {
  description: "The weather in a city",
  parameters: Schema.Struct({ city: Schema.String }),
  success: Schema.Struct({ degrees: Schema.Finite }),
})
const Tools = Toolkit.make(GetWeather)
const ToolsLive = Tools.toLayer({ get_weather: ({ city }) => Effect.succeed({ degrees: city === "Rome" ? 28 : 0 }) })

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(Stream.runCollect(stream), (parts) => [...parts])

describe("a route as a LanguageModel", () => {
  it.effect("fails to start for an unknown route, and suggests a similar name", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      const start = (name: string) => Effect.exit(Effect.scoped(Layer.build(Understudy.layer(name))))
      for (const name of ["assistant", "primary", "wild/any"]) assert.strictEqual((yield* start(name))._tag, "Success")
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Understudy.layer("asistant"))))
      const called = yield* Effect.flip(router.chat({ model: "asistant", messages: [Chat.user("Hello?")] }))
      for (const { kind, message, param } of [error, called]) {
        assert.strictEqual(kind, "ModelNotFound")
        assert.strictEqual(param, "model")
        assert.strictEqual(
          message,
          'There is no route or deployment called "asistant": did you mean "assistant"? This router serves: assistant, primary, wild/*.',
        )
      }
      const far = yield* Effect.flip(router.chat({ model: "nobody", messages: [] }))
      assert.include(far.message, 'called "nobody". This router serves')
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            primary: Deployment.make({ model: "p", provider: down.layer }),
            "wild/*": Deployment.make({ model: "*", provider: down.layer }),
          },
          routes: { assistant: Route.to("primary") },
        }),
      ),
    ),
  )

  it.effect("generates text with fallback, and reports the deployment and the usage", () => {
    const usage = { inputTokens: 12, outputTokens: 7, cachedInputTokens: 4, reasoningTokens: 3 }
    const backup = Testing.script([Testing.reply("Hello there", { usage })])
    return Effect.gen(function* () {
      const response = yield* LanguageModel.generateText({ prompt: "Hello?" })
      assert.strictEqual(response.text, "Hello there")
      assert.strictEqual(response.finishReason, "stop")
      assert.deepStrictEqual({ ...response.usage.inputTokens }, { total: 12, uncached: 8, cacheRead: 4 })
      assert.deepStrictEqual({ ...response.usage.outputTokens }, { total: 7, reasoning: 3, text: 4 })
      const finish = response.content.find(({ type }) => type === "finish")
      const { call, ...told } = (finish?.metadata["understudy"] ?? {}) as Record<string, unknown>
      assert.isString(call)
      assert.deepStrictEqual(told, { deployment: "backup", attempts: 2 })
      assert.deepStrictEqual(backup.requests[0]?.messages, [Chat.user("Hello?")])
    }).pipe(Effect.provide(over(down.layer, backup.layer)))
  })

  it.effect("adds the default request fields and call options to every call", () => {
    const primary = Testing.script([Testing.reply("Hi")])
    const request = { sampling: { temperature: 0.2, maxTokens: 50 }, user: "someone" }
    return Effect.gen(function* () {
      yield* LanguageModel.generateText({ prompt: "Hello?" })
      assert.deepStrictEqual(primary.requests[0]?.sampling, request.sampling)
      assert.strictEqual(primary.requests[0]?.user, "someone")
    }).pipe(Effect.provide(over(primary.layer, down.layer, { request })))
  })

  it.effect("generates objects by their schema", () => {
    const backup = Testing.script([Testing.reply('{"city":"Rome","degrees":28,"note":null}')])
    const Weather = Schema.Struct({
      city: Schema.String,
      degrees: Schema.Finite,
      note: Schema.optionalKey(Schema.String),
    })
    return Effect.gen(function* () {
      const { value } = yield* LanguageModel.generateObject({
        prompt: "The weather?",
        schema: Weather,
        objectName: "weather",
      })
      assert.deepStrictEqual(value, { city: "Rome", degrees: 28 })
      const { format } = backup.requests[0] ?? assert.fail("it was not asked")
      if (format?.type !== "json-schema") return assert.fail("without a schema")
      assert.strictEqual(format.name, "weather")
      assert.strictEqual(format.strict, true)
      assert.deepStrictEqual(format.schema["required"], ["city", "degrees", "note"])
      assert.strictEqual(format.schema["additionalProperties"], false)
    }).pipe(Effect.provide(over(down.layer, backup.layer)))
  })

  it.effect("streams from the deployment that answers", () => {
    const backup = Testing.script([Testing.reply(["Hello ", "there"])])
    return Effect.gen(function* () {
      const parts = yield* collect(LanguageModel.streamText({ prompt: "Hello?" }))
      assert.deepStrictEqual(
        parts.map(({ type }) => type),
        ["response-metadata", "text-start", "text-delta", "text-delta", "text-end", "finish"],
      )
      assert.strictEqual(parts.map((part) => (part.type === "text-delta" ? part.delta : "")).join(""), "Hello there")
      const finish = parts.at(-1)
      assert.isTrue(finish?.type === "finish" && finish.reason === "stop" && finish.usage.outputTokens.total === 5)
    }).pipe(Effect.provide(over(down.layer, backup.layer)))
  })

  it.effect("ends a broken stream with an error, and leaves no request running", () => {
    const primary = Testing.script([Testing.fail({ _tag: "Network" }, { output: ["Hel"] })])
    return Effect.gen(function* () {
      const error = yield* Effect.flip(collect(LanguageModel.streamText({ prompt: "Hello?" })))
      assert.instanceOf(error, AiError.AiError)
      assert.strictEqual(error.reason._tag, "InternalProviderError")
      assert.include(error.message, "The answer broke off")
      assert.strictEqual(primary.inFlight(), 0)
    }).pipe(Effect.provide(over(primary.layer, down.layer)))
  })

  it.effect("calls tools in complete and streamed responses, and continues from their results", () => {
    const backup = Testing.script([
      Testing.callTool("get_weather", { city: "Rome" }),
      Testing.reply("28 degrees"),
      Testing.callTool("get_weather", { city: "Oslo" }, { id: "call_2" }),
      Testing.reply("0 degrees"),
    ])
    return Effect.gen(function* () {
      const chat = yield* AiChat.fromPrompt("Be brief.")
      const first = yield* chat.generateText({ prompt: "The weather in Rome?", toolkit: Tools })
      assert.strictEqual(first.finishReason, "tool-calls")
      assert.deepStrictEqual(first.toolResults[0]?.result, { degrees: 28 })
      const second = yield* chat.generateText({ prompt: [], toolkit: Tools })
      assert.strictEqual(second.text, "28 degrees")

      const parts = yield* collect(chat.streamText({ prompt: "And in Oslo?", toolkit: Tools }))
      const params = parts.map((part) => (part.type === "tool-params-delta" ? part.delta : "")).join("")
      assert.strictEqual(params, '{"city":"Oslo"}')
      assert.isTrue(parts.some((part) => part.type === "tool-result" && part.encodedResult !== undefined))
      yield* chat.generateText({ prompt: [], toolkit: Tools })

      assert.deepStrictEqual(
        backup.requests[0]?.tools?.map(({ description, name }) => [name, description]),
        [["get_weather", "The weather in a city"]],
      )
      const messages = backup.requests.at(-1)?.messages ?? []
      assert.deepStrictEqual(
        messages.map(({ role }) => role),
        ["user", "user", "assistant", "tool", "assistant", "user", "assistant", "tool"],
      )
      assert.deepStrictEqual(messages[2]?.content[0], {
        type: "tool-call",
        id: "call_1",
        name: "get_weather",
        arguments: '{"city":"Rome"}',
      })
      assert.deepStrictEqual(messages[3]?.content[0], {
        type: "tool-result",
        id: "call_1",
        content: [{ type: "text", text: '{"degrees":28}' }],
      })
    }).pipe(Effect.provide([over(down.layer, backup.layer), ToolsLive]))
  })

  it.effect("returns cited pages with an absolute URL as sources", () => {
    const cited = (url: string): Chat.Citation => ({ source: { type: "url", url, title: "A page" } })
    const content: ReadonlyArray<Chat.AssistantContent> = [
      { type: "text", text: "So they say", citations: [cited("https://example.com/a"), cited("/nowhere")] },
    ]
    return Effect.gen(function* () {
      const response = yield* LanguageModel.generateText({ prompt: "Who says?" })
      const sources = response.content.filter((part) => part.type === "source")
      assert.deepStrictEqual(
        sources.map((part) => part.sourceType === "url" && [part.url.href, part.title]),
        [["https://example.com/a", "A page"]],
      )
    }).pipe(Effect.provide(over(answering({ content, finishReason: "stop" }), down.layer)))
  })

  it.effect("sends images, documents and audio", () => {
    const primary = Testing.script([Testing.reply("I see")])
    const file = (mediaType: string, data: string | Uint8Array | URL, fileName?: string) =>
      Prompt.filePart({ mediaType, data, ...(fileName === undefined ? undefined : { fileName }) })
    return Effect.gen(function* () {
      const content = [
        Prompt.textPart({ text: "Look", options: { understudy: { cache: { ttl: "5m" } } } }),
        file("image/png", Uint8Array.of(1, 2, 3)),
        file("image/*", new URL("https://example.com/a.png")),
        file("application/pdf", "AAAA", "a.pdf"),
        file("audio/mpeg", "AAAA"),
      ]
      yield* LanguageModel.generateText({ prompt: Prompt.fromMessages([Prompt.userMessage({ content })]) })
      assert.deepStrictEqual(primary.requests[0]?.messages[0]?.content, [
        { type: "text", text: "Look", cache: { ttl: "5m" } },
        { type: "image", source: { type: "base64", data: "AQID", mediaType: "image/png" } },
        { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
        { type: "file", name: "a.pdf", source: { type: "base64", data: "AAAA", mediaType: "application/pdf" } },
        { type: "audio", format: "mp3", source: { type: "base64", data: "AAAA", mediaType: "audio/mpeg" } },
      ])
    }).pipe(Effect.provide(over(primary.layer, down.layer)))
  })

  it.effect("keeps encrypted reasoning from turn to turn", () => {
    const signature: Chat.EncryptedReasoning = { issuer: "anthropic", value: "sig" }
    const redacted: Chat.EncryptedReasoning = { issuer: "anthropic", value: "hidden" }
    const content: ReadonlyArray<Chat.AssistantContent> = [
      { type: "reasoning", text: "Hm", signature },
      { type: "reasoning", text: "", redacted },
      { type: "text", text: "Yes" },
    ]
    const backup = Testing.script([Testing.reply("Done")])
    return Effect.gen(function* () {
      const response = yield* LanguageModel.generateText({ prompt: "Well?" }).pipe(
        Effect.provide(over(answering({ content, finishReason: "stop" }), down.layer)),
      )
      assert.strictEqual(response.reasoningText, "Hm")
      const prompt = Prompt.concat(Prompt.fromResponseParts(response.content), "And now?")
      yield* LanguageModel.generateText({ prompt }).pipe(Effect.provide(over(down.layer, backup.layer)))
      assert.deepStrictEqual(backup.requests[0]?.messages[0]?.content.slice(0, 2), [
        { type: "reasoning", text: "Hm", signature },
        { type: "reasoning", text: "", redacted },
      ])
    })
  })

  it.effect("keeps encrypted reasoning in a stream, each in its own reasoning part", () => {
    const signature: Chat.EncryptedReasoning = { issuer: "anthropic", value: "sig" }
    const redacted: Chat.EncryptedReasoning = { issuer: "anthropic", value: "hidden" }
    const said: ReadonlyArray<Chat.Part> = [
      { type: "start", id: "1" },
      { type: "reasoning", text: "Hm" },
      { type: "reasoning", text: "", signature },
      { type: "reasoning", text: "", redacted },
      { type: "reasoning", text: "So" },
      { type: "text", text: "" },
      { type: "text", text: "Yes" },
      { type: "finish", reason: "stop" },
    ]
    const provider = Layer.effect(
      Provider,
      Effect.map(Effect.provide(Provider, down.layer), (provider) => ({
        ...provider,
        stream: () => Stream.make<ReadonlyArray<Chat.Frame>>(...said.map((part) => ({ parts: [part] }))),
      })),
    )
    const backup = Testing.script([Testing.reply("Done")])
    return Effect.gen(function* () {
      const parts = yield* Effect.provide(
        collect(LanguageModel.streamText({ prompt: "Well?" })),
        over(provider, down.layer),
      )
      const prompt = Prompt.concat(Prompt.fromResponseParts(parts), "And now?")
      yield* LanguageModel.generateText({ prompt }).pipe(Effect.provide(over(down.layer, backup.layer)))
      assert.deepStrictEqual(backup.requests[0]?.messages[0]?.content, [
        { type: "reasoning", text: "Hm", signature },
        { type: "reasoning", text: "", redacted },
        { type: "reasoning", text: "So" },
        { type: "text", text: "Yes" },
      ])
    })
  })

  it.effect("cancels the request to the provider when the reader stops", () => {
    const primary = Testing.script([Testing.hang({ output: ["One ", "two "] })])
    return Effect.gen(function* () {
      const parts = yield* collect(Stream.take(LanguageModel.streamText({ prompt: "Count!" }), 3))
      assert.strictEqual(parts.length, 3)
      assert.strictEqual(primary.inFlight(), 0)
    }).pipe(Effect.provide(over(primary.layer, down.layer)))
  })

  const failures: ReadonlyArray<readonly [Reason, string, retryable: boolean]> = [
    [{ _tag: "RateLimited", retryAfter: Duration.seconds(60) }, "RateLimitError", true],
    [{ _tag: "QuotaExhausted" }, "QuotaExhaustedError", false],
    [{ _tag: "Authentication" }, "AuthenticationError", false],
    [{ _tag: "Permission" }, "AuthenticationError", false],
    [{ _tag: "ContentPolicy" }, "ContentPolicyError", false],
    [{ _tag: "InvalidRequest", param: "messages" }, "InvalidRequestError", false],
    [{ _tag: "ContextWindowExceeded" }, "InvalidRequestError", false],
    [{ _tag: "Overloaded" }, "InternalProviderError", true],
    [{ _tag: "Network" }, "InternalProviderError", true],
  ]
  for (const [reason, expected, retryable] of failures) {
    it.effect(`fails with ${expected} after ${reason._tag}`, () => {
      const failing = Testing.script([Testing.fail(reason)]).layer
      return Effect.gen(function* () {
        const error = yield* Effect.flip(LanguageModel.generateText({ prompt: "Hello?" }))
        assert.strictEqual(error.reason._tag, expected)
        assert.strictEqual(error.isRetryable, retryable)
        if (error.reason._tag === "RateLimitError") {
          assert.deepStrictEqual(error.reason.retryAfter, Duration.seconds(60))
        }
        if (error.reason._tag === "InvalidRequestError" && reason._tag === "InvalidRequest") {
          assert.strictEqual(error.reason.parameter, "messages")
        }
      }).pipe(Effect.provide(over(failing, failing)))
    })
  }

  it.effect("rejects unsupported prompts and tools before a provider is called", () => {
    const primary = Testing.script([Testing.reply("Hi")])
    const Search = Tool.providerDefined({
      id: "anthropic.web_search",
      customName: "Search",
      providerName: "web_search",
      success: Schema.String,
    })
    return Effect.gen(function* () {
      const error = yield* Effect.flip(
        LanguageModel.generateText({ prompt: "Search!", toolkit: Toolkit.make(Search()) }),
      )
      assert.strictEqual(error.reason._tag, "ToolConfigurationError")
      assert.strictEqual(primary.requests.length, 0)
    }).pipe(Effect.provide(over(primary.layer, down.layer)))
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// A LanguageModel as a deployment
// ---------------------------------------------------------------------------------------------------------------------

interface Script {
  readonly whole?: ReadonlyArray<Response.PartEncoded> | AiError.AiErrorReason
  readonly streamed?: ReadonlyArray<Response.StreamPartEncoded>
}

/** A model that says this, and what it was asked. */
const model = ({ streamed = [], whole = [] }: Script) => {
  const asked: Array<LanguageModel.ProviderOptions> = []
  const made = LanguageModel.make({
    generateText: (options) =>
      Effect.suspend(() => {
        asked.push(options)
        return "length" in whole
          ? Effect.succeed([...whole])
          : Effect.fail(AiError.make({ module: "Test", method: "generateText", reason: whole }))
      }),
    streamText: (options) =>
      Stream.suspend(() => {
        asked.push(options)
        return Stream.fromIterable(streamed)
      }),
  })
  return { asked, provider: Understudy.provider(Layer.effect(LanguageModel.LanguageModel, made)) }
}

const usage = { inputTokens: { total: 9, cacheRead: 2 }, outputTokens: { total: 4, reasoning: 1 } }
const end = (reason: Response.FinishReason): Response.FinishPartEncoded => ({ type: "finish", reason, usage })

const ask: Chat.Request = { model: "assistant", messages: [Chat.system("Be brief."), Chat.user("Hello?")] }

const chat = (request = ask) => Effect.flatMap(Router.Router, (router) => router.chat(request))

describe("a LanguageModel as a deployment", () => {
  it.effect("answers after the first deployment fails", () => {
    const { asked, provider } = model({
      whole: [
        { type: "response-metadata", id: "r1", modelId: "tiny" },
        { type: "reasoning", text: "Hm", metadata: { understudy: { signature: { issuer: "me", value: "s" } } } },
        { type: "text", text: "Hi" },
        end("stop"),
      ],
    })
    return Effect.gen(function* () {
      const { receipt, response } = yield* chat({
        ...ask,
        sampling: { temperature: 1 },
        vendor: { other: { search: true } },
        overrides: { extraBody: { params: { tier: "flex" } } },
        droppedParams: ["a wish"],
      })
      assert.strictEqual(receipt.deployment, "backup")
      assert.deepStrictEqual(response, {
        id: "r1",
        model: "tiny",
        content: [
          { type: "reasoning", text: "Hm", signature: { issuer: "me", value: "s" } },
          { type: "text", text: "Hi" },
        ],
        finishReason: "stop",
        usage: { inputTokens: 9, outputTokens: 4, cachedInputTokens: 2, reasoningTokens: 1 },
        droppedParams: ["temperature", "search", "tier", "a wish"],
      })
      assert.deepStrictEqual(
        asked[0]?.prompt.content.map(({ role }) => role),
        ["system", "user"],
      )
    }).pipe(Effect.provide(over(down.layer, provider)))
  })

  it.effect("returns its tool calls in complete and streamed responses", () => {
    const { asked, provider } = model({
      whole: [{ type: "tool-call", id: "c1", name: "look", params: { where: "up" } }, end("stop")],
      streamed: [
        { type: "tool-params-start", id: "c1", name: "look" },
        { type: "tool-params-delta", id: "c1", delta: '{"where":' },
        { type: "tool-params-delta", id: "c1", delta: '"up"}' },
        { type: "tool-params-end", id: "c1" },
        { type: "tool-call", id: "c1", name: "look", params: { where: "up" } },
        { type: "tool-call", id: "c2", name: "note", params: { input: "free" } },
        end("tool-calls"),
      ],
    })
    const schema = { type: "object", properties: { where: { type: "string" } } }
    const request: Chat.Request = {
      ...ask,
      tools: [
        { name: "look", description: "Looks", parameters: schema, strict: true },
        { name: "note", custom: {} },
      ],
      toolChoice: { name: "look" },
    }
    return Effect.gen(function* () {
      const { response } = yield* chat(request)
      assert.strictEqual(response.finishReason, "tool-calls")
      assert.deepStrictEqual(Chat.toolCalls(response), [
        { type: "tool-call", id: "c1", name: "look", arguments: '{"where":"up"}' },
      ])
      const [look] = asked[0]?.tools ?? []
      if (look === undefined) return assert.fail("no tool")
      assert.deepStrictEqual(Tool.getJsonSchema(look), schema)
      assert.strictEqual(Tool.getStrictMode(look), true)
      assert.deepStrictEqual(asked[0]?.toolChoice, { tool: "look" })

      const parts = yield* collect(Router.stream(request))
      assert.deepStrictEqual(parts, [
        { type: "tool-call", index: 0, id: "c1", name: "look" },
        { type: "tool-call-delta", index: 0, arguments: '{"where":' },
        { type: "tool-call-delta", index: 0, arguments: '"up"}' },
        { type: "tool-call", index: 1, id: "c2", name: "note", custom: true },
        { type: "tool-call-delta", index: 1, arguments: "free" },
        { type: "finish", reason: "tool-calls" },
        { type: "usage", usage: { inputTokens: 9, outputTokens: 4, cachedInputTokens: 2, reasoningTokens: 1 } },
      ])
    }).pipe(Effect.provide(over(provider, down.layer)))
  })

  it.effect("gets the previous tool calls and results", () => {
    const { asked, provider } = model({ whole: [{ type: "text", text: "28" }, end("stop")] })
    const call: Chat.ToolCall = { type: "tool-call", id: "c1", name: "look", arguments: '{"where":"up"}' }
    const messages = [Chat.user("Look"), Chat.assistant([call]), Chat.toolResult("c1", "The sky")]
    return Effect.gen(function* () {
      yield* chat({ ...ask, messages, tools: [{ name: "look" }] })
      const [, said, result] = asked[0]?.prompt.content ?? []
      assert.isTrue(said?.role === "assistant" && said.content[0]?.type === "tool-call")
      if (result?.role !== "tool" || result.content[0]?.type !== "tool-result") return assert.fail("no result")
      const { id, isFailure, name, result: told } = result.content[0]
      assert.deepStrictEqual(
        { id, isFailure, name, told },
        { id: "c1", isFailure: false, name: "look", told: "The sky" },
      )
    }).pipe(Effect.provide(over(provider, down.layer)))
  })

  it.effect("streams text and reasoning with its signatures", () => {
    const { provider } = model({
      streamed: [
        { type: "response-metadata", id: "r1", modelId: "tiny" },
        { type: "reasoning-start", id: "0" },
        { type: "reasoning-delta", id: "0", delta: "Hm" },
        { type: "reasoning-end", id: "0", metadata: { understudy: { signature: { issuer: "me", value: "s" } } } },
        { type: "text-start", id: "1" },
        { type: "text-delta", id: "1", delta: "Hi" },
        { type: "text-end", id: "1" },
        { type: "source", sourceType: "url", id: "a", url: "https://example.com/", title: "Example" },
        end("length"),
      ],
    })
    return Effect.gen(function* () {
      const parts = yield* collect(Router.stream(ask))
      assert.deepStrictEqual(parts.slice(0, -1), [
        { type: "start", id: "r1", model: "tiny" },
        { type: "reasoning", text: "Hm" },
        { type: "reasoning", text: "", signature: { issuer: "me", value: "s" } },
        { type: "text", text: "Hi" },
        { type: "citation", citation: { source: { type: "url", url: "https://example.com/", title: "Example" } } },
        { type: "finish", reason: "length" },
      ])
    }).pipe(Effect.provide(over(provider, down.layer)))
  })

  it.effect("answers by a schema, streamed or not", () => {
    const { asked, provider } = model({ whole: [{ type: "text", text: '{"city":"Rome"}' }, end("stop")] })
    const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
    const request: Chat.Request = { ...ask, format: { type: "json-schema", name: "weather", schema } }
    return Effect.gen(function* () {
      const { response } = yield* chat(request)
      assert.deepStrictEqual(JSON.parse(Chat.text(response)), { city: "Rome" })
      const format = asked[0]?.responseFormat
      if (format?.type !== "json") return assert.fail("without a schema")
      assert.strictEqual(format.objectName, "weather")
      assert.deepStrictEqual(Schema.toJsonSchemaDocument(format.schema).schema["required"], ["city"])
      const parts = yield* collect(Router.stream(request))
      assert.deepStrictEqual(parts[1], { type: "text", text: '{"city":"Rome"}' })
    }).pipe(Effect.provide(over(provider, down.layer)))
  })

  const failures: ReadonlyArray<readonly [AiError.AiErrorReason, Reason["_tag"]]> = [
    [new AiError.RateLimitError({ retryAfter: Duration.seconds(60) }), "RateLimited"],
    [new AiError.QuotaExhaustedError({}), "QuotaExhausted"],
    [new AiError.AuthenticationError({ kind: "InvalidKey" }), "Authentication"],
    [new AiError.AuthenticationError({ kind: "InsufficientPermissions" }), "Permission"],
    [new AiError.ContentPolicyError({ description: "no" }), "ContentPolicy"],
    [new AiError.InvalidRequestError({ description: "maximum context length exceeded" }), "ContextWindowExceeded"],
    [new AiError.InvalidRequestError({ parameter: "x" }), "InvalidRequest"],
    [new AiError.InternalProviderError({ description: "oops" }), "ServerError"],
    [new AiError.InvalidOutputError({ description: "oops" }), "Malformed"],
    [new AiError.UnsupportedSchemaError({ description: "oops" }), "Unsupported"],
    [new AiError.NetworkError({ reason: "TransportError", method: "POST", url: "https://example.com" }), "Network"],
  ]
  for (const [reason, expected] of failures) {
    it.effect(`fails with ${expected} after ${reason._tag}`, () =>
      Effect.gen(function* () {
        const provider = yield* Provider
        const error = yield* Effect.flip(provider.chat(ask))
        assert.strictEqual(error.reason._tag, expected)
      }).pipe(Effect.provide(model({ whole: reason }).provider)),
    )
  }

  it.effect("fails when the model stops because of an error, or without a finish reason", () =>
    Effect.gen(function* () {
      const reason = (parts: ReadonlyArray<Response.PartEncoded>) =>
        Effect.flatMap(Provider, (provider) => Effect.flip(provider.chat(ask))).pipe(
          Effect.map(({ reason }) => reason._tag),
          Effect.provide(model({ whole: parts }).provider),
        )
      assert.strictEqual(yield* reason([end("error")]), "ServerError")
      assert.strictEqual(yield* reason([{ type: "text", text: "Hi" }]), "Malformed")
    }),
  )

  const unable: ReadonlyArray<readonly [string, Partial<Chat.Request>]> = [
    ["more than one choice (n)", { sampling: { n: 2 } }],
    ["logprobs", { sampling: { logprobs: true } }],
    ["JSON without a schema", { format: { type: "json" } }],
    ["a file by a vendor's id", { messages: [Chat.user([{ type: "file", source: { type: "id", id: "file-1" } }])] }],
    ["temperature", { sampling: { temperature: 1 }, unsupportedParams: "skip" }],
  ]
  for (const [feature, more] of unable) {
    it.effect(`is skipped for ${feature}`, () => {
      const { asked, provider } = model({ whole: [end("stop")] })
      return Effect.gen(function* () {
        const provider = yield* Provider
        const { reason } = yield* Effect.flip(provider.chat({ ...ask, ...more }))
        assert.deepStrictEqual(reason, { _tag: "Unsupported", feature })
        assert.strictEqual(asked.length, 0)
      }).pipe(Effect.provide(provider))
    })
  }
})
