import { assert, describe, it, vi } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { Provider } from "@understudy/core/Provider"
import * as Gemini from "@understudy/providers/gemini"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as FaultServer from "@understudy/providers/testing"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { fields } from "../../src/testing/Wire.ts"
import { ask, collect, look, textOf, types } from "../Asking.ts"
import * as Contract from "../Contract.ts"
import { apiKey } from "../Contract.ts"

const connect = (url: string, options: Gemini.Options = {}) => Gemini.make({ apiKey, baseUrl: url, ...options })

const faulty = Contract.faulty(connect)

Contract.holds({
  connect,
  begun: ["start", "text", "usage"],
  broken: [
    ["cut-0", "Network", []],
    ["error-event-after-2-quota", "QuotaExhausted"],
    ["error-event-first-context-length", "ContextWindowExceeded", []],
  ],
  failures: [
    ["bad-key", "Authentication", 400],
    ["timeout", "Timeout", 504],
  ],
})

describe("chat", () => {
  it.live("sends the request that the SDK would send", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      assert.strictEqual(provider.protocol, "gemini")
      const response = yield* provider.chat(ask("ok"))
      assert.strictEqual(Chat.text(response), FaultServer.line("ok"))
      assert.strictEqual(response.finishReason, "stop")
      assert.strictEqual(response.model, "ok")
      assert.isAbove(response.usage?.inputTokens ?? 0, 0)
      const request = yield* server.received("ok")
      assert.strictEqual(request.path, "/v1beta/models/ok:generateContent")
      assert.strictEqual(request.headers["x-goog-api-key"], Redacted.value(apiKey))
      assert.match(String(request.headers["user-agent"]), /^google-genai-sdk/)
      assert.deepStrictEqual(request.body, { contents: [{ role: "user", parts: [{ text: "Hello" }] }] })
    }),
  )

  it.live("returns several choices", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const { alternatives } = yield* provider.chat(ask("ok", { sampling: { n: 3 } }))
      assert.deepStrictEqual(
        alternatives?.map((choice) => Chat.text(choice)),
        [FaultServer.line("ok"), FaultServer.line("ok")],
      )
    }),
  )

  it.live("a tool call and its result keep the signature and the missing id", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      yield* server.script("tool", [Behavior.answer({ arguments: '{"where":"up"}' }), Behavior.answer()])
      const first = yield* provider.chat(ask("tool", { tools: [look] }))
      assert.strictEqual(first.finishReason, "tool-calls")
      const [call] = Chat.toolCalls(first)
      if (call === undefined) return assert.fail("no call")
      assert.deepStrictEqual([call.name, call.arguments], ["look", '{"where":"up"}'])
      const messages = [Chat.user("Hello"), Chat.assistant(first.content), Chat.toolResult(call.id, "The sky")]
      const second = yield* provider.chat(ask("tool", { tools: [look], messages }))
      assert.include(Chat.text(second), "The sky")
      const { body } = yield* server.received("tool", 2)
      assert.deepStrictEqual((fields(body)["contents"] as ReadonlyArray<unknown>).slice(1), [
        {
          role: "model",
          parts: [
            {
              functionCall: { name: "look", args: { where: "up" } },
              thoughtSignature: call.signature?.value,
            },
          ],
        },
        { role: "user", parts: [{ functionResponse: { name: "look", response: { output: "The sky" } } }] },
      ])
    }),
  )

  it.live("puts any model name into its path, with the configured version, and writes nothing to the console", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const log = yield* Effect.acquireRelease(
        Effect.sync(() => [vi.spyOn(console, "warn"), vi.spyOn(console, "debug")]),
        (spies) => Effect.sync(() => spies.forEach((spy) => spy.mockRestore())),
      )
      const provider = yield* connect(`${server.url}/proxy/`, { apiVersion: "v1", headers: { "x-team": "search" } })
      yield* provider.chat(ask("tuned/a b:c"))
      const request = yield* server.received("tuned/a b:c")
      assert.strictEqual(request.path, "/proxy/v1/models/tuned/a%20b%3Ac:generateContent")
      assert.strictEqual(request.headers["x-team"], "search")
      assert.deepStrictEqual(
        log.flatMap(({ mock }) => mock.calls),
        [],
      )
    }),
  )

  it.live("rejects an unsupported feature without a request", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      const file = { type: "file" as const, source: { type: "id" as const, id: "file-1" } }
      const error = yield* Effect.flip(provider.chat(ask("ok", { messages: [Chat.user([file])] })))
      assert.strictEqual(error.reason._tag, "Unsupported")
      assert.lengthOf(yield* server.requests, 0)
    }),
  )
})

describe("stream", () => {
  it.live("answers", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      const { error, frames, parts } = yield* collect(provider.stream(ask("ok")))
      assert.isUndefined(error)
      assert.deepStrictEqual(types(parts), ["start", "text", "usage", "finish"])
      assert.strictEqual(textOf(parts), FaultServer.line("ok"))
      assert.isTrue(frames.every(({ native }) => native?.protocol === "gemini"))
      assert.strictEqual((yield* server.received("ok")).path, "/v1beta/models/ok:streamGenerateContent?alt=sse")
    }),
  )

  it.live("separates several choices", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const { parts } = yield* collect(provider.stream(ask("ok", { sampling: { n: 2 } })))
      const second = parts.filter((part) => "choice" in part && part.choice === 1)
      assert.strictEqual(textOf(second), FaultServer.line("ok"))
      assert.lengthOf(
        parts.filter(({ type }) => type === "finish"),
        2,
      )
    }),
  )
})

describe("failures", () => {
  it.live("reads the wait from a header, else from the body", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const after = (model: string) =>
        Effect.map(Effect.flip(provider.chat(ask(model))), (error) =>
          error.retryAfter === undefined ? undefined : Duration.toMillis(error.retryAfter),
        )
      assert.isUndefined(yield* after("429"))
      assert.strictEqual(yield* after("429-retry-after-1"), 1000)
      assert.strictEqual(yield* after("429-retry-after-reset-37500"), 37_500)
    }),
  )
})

describe("native", () => {
  const body = {
    contents: [{ role: "user", parts: [{ text: "Hello" }] }],
    generation_config: { temperature: 0 },
    a_field_of_a_later_api: { kept: [1, null, "two"] },
  }
  const native: Chat.Native = { protocol: "gemini", body, query: { trace: "1" } }

  it.live("is passed through in both directions", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      const response = yield* provider.chat(ask("ok", { native }))
      const request = yield* server.received("ok")
      assert.deepStrictEqual(request.body, body)
      assert.strictEqual(request.path, "/v1beta/models/ok:generateContent?trace=1")
      // The server echoes unknown fields.
      assert.deepInclude(fields(fields(response.native?.body)["echo"]), {
        a_field_of_a_later_api: body.a_field_of_a_later_api,
      })
      yield* collect(provider.stream(ask("ok", { native })))
      const streamed = yield* server.received("ok", 2)
      assert.strictEqual(streamed.path, "/v1beta/models/ok:streamGenerateContent?alt=sse&trace=1")
      assert.deepStrictEqual(streamed.body, body)
    }),
  )
})

describe("credentials", () => {
  const started = (options: Gemini.Options, environment: Record<string, string>) =>
    Effect.provideService(
      Effect.flatMap(Provider, (provider) => provider.chat(ask("ok"))).pipe(Effect.provide(Gemini.layer(options))),
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnvRecord(environment),
    )

  it.live("are read from either variable, Gemini's own first, but not for another server", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      yield* started({ baseUrl: server.url }, { GEMINI_API_KEY: "sk-google" })
      assert.isUndefined((yield* server.received("ok")).headers["x-goog-api-key"])
      const failure = yield* Effect.flip(started({}, {}))
      assert.include(failure.message, "GEMINI_API_KEY or GOOGLE_API_KEY")
      const layers = [{ GOOGLE_API_KEY: "a" }, { GEMINI_API_KEY: "b", GOOGLE_API_KEY: "a" }].map((environment) =>
        Layer.build(Gemini.layer()).pipe(
          Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(environment)),
        ),
      )
      yield* Effect.all(layers)
    }),
  )
})
