import { assert, describe, it, vi } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { Provider } from "@understudy/core/Provider"
import * as OpenAi from "@understudy/providers/openai"
import * as FaultServer from "@understudy/providers/testing"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { fields } from "../../src/testing/Wire.ts"
import { ask, collect, textOf, types } from "../Asking.ts"
import * as Contract from "../Contract.ts"
import { apiKey } from "../Contract.ts"

const connect = (url: string, options: OpenAi.Options = {}) => OpenAi.make({ apiKey, baseUrl: `${url}/v1`, ...options })

const faulty = Contract.faulty(connect)

Contract.holds({
  connect,
  begun: ["start", "text"],
  broken: [
    ["cut-0", "Network", ["start"]],
    ["error-event-after-2-server-error", "ServerError"],
    ["error-event-first-context-length", "ContextWindowExceeded", []],
  ],
})

describe("chat", () => {
  it.live("answers", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      assert.strictEqual(provider.protocol, "chat-completions")
      const response = yield* provider.chat(ask("ok"))
      assert.strictEqual(Chat.text(response), FaultServer.line("ok"))
      assert.strictEqual(response.finishReason, "stop")
      assert.strictEqual(response.model, "ok")
      assert.strictEqual(response.native?.protocol, "chat-completions")
      assert.isAbove(response.usage?.inputTokens ?? 0, 0)
      const request = yield* server.received("ok")
      assert.strictEqual(request.path, "/v1/chat/completions")
      assert.strictEqual(request.headers.authorization, `Bearer ${Redacted.value(apiKey)}`)
      assert.deepStrictEqual(request.body, { model: "ok", messages: [{ role: "user", content: "Hello" }] })
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

  it.live("uses a compatible server's parameters, and writes nothing to the console", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      const warn = yield* Effect.acquireRelease(
        Effect.sync(() => vi.spyOn(console, "warn")),
        (spy) => Effect.sync(() => spy.mockRestore()),
      )
      yield* provider.chat(ask("ok", { sampling: { maxTokens: 128_000 } }))
      yield* Effect.flip(provider.chat(ask("500")))
      const request = yield* server.received("ok")
      assert.propertyVal(request.body, "max_tokens", 128_000)
      assert.lengthOf(warn.mock.calls, 0)
    }),
  )

  it.live("logs a dropped parameter once", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const logged: Array<unknown> = []
      const logger = Logger.make(({ message }) => void logged.push(message))
      const picky = provider.chat(ask("ok", { sampling: { topK: 1 } }))
      yield* Effect.provide(Effect.andThen(picky, picky), Logger.layer([logger]))
      assert.deepStrictEqual(logged.flat(), ["openai: dropped for ok: top_k"])
    }),
  )

  it.live("rejects an unsupported feature without a request", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      const file = { type: "file" as const, source: { type: "url" as const, url: "https://a.example/b.pdf" } }
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
      assert.deepStrictEqual(types(parts), ["start", "text", "finish", "usage"])
      assert.strictEqual(textOf(parts), FaultServer.line("ok"))
      assert.isTrue(frames.every(({ native }) => native?.protocol === "chat-completions"))
      const { body } = yield* server.received("ok")
      assert.propertyVal(body, "stream", true)
      assert.deepStrictEqual(fields(body)["stream_options"], { include_usage: true })
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
  it.live("includes the request id, and not an echoed key", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const error = yield* Effect.flip(provider.chat(ask("bad-key")))
      assert.include(error.message, "Incorrect API key provided: ***.")
      assert.match(error.requestId ?? "", /^req_/)
    }),
  )

  it.live("names the invalid field", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const reason = (model: string) => Effect.map(Effect.flip(provider.chat(ask(model))), ({ reason }) => reason)
      assert.deepStrictEqual(yield* reason("invalid-request"), { _tag: "InvalidRequest", param: "temperature" })
      assert.deepStrictEqual(yield* reason("unsupported-parameter"), { _tag: "Unsupported", feature: "max_tokens" })
    }),
  )

  it.live("reads the wait before a retry in every form", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const after = (model: string) =>
        Effect.map(Effect.flip(provider.chat(ask(model))), (error) =>
          error.retryAfter === undefined ? undefined : Duration.toMillis(error.retryAfter),
        )
      assert.isUndefined(yield* after("429"))
      assert.strictEqual(yield* after("429-retry-after-1"), 1000)
      assert.strictEqual(yield* after("429-retry-after-ms-50"), 50)
      assert.strictEqual(yield* after("429-retry-after-reset-360000"), 360_000)
      const date = yield* after("429-retry-after-date-30")
      assert.isTrue(date !== undefined && date > 0 && date <= 31_000)
    }),
  )
})

describe("native", () => {
  const body = {
    model: "the client's name for it",
    stream: true,
    stream_options: { include_usage: false, include_obfuscation: false },
    messages: [{ role: "user", content: "Hello" }],
    a_field_of_a_later_api: { kept: [1, null, "two"] },
  }
  const native: Chat.Native = {
    protocol: "chat-completions",
    body,
    headers: { "x-client": "yes" },
    query: { "api-version": "1" },
  }

  it.live("is passed through in both directions", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      const response = yield* provider.chat(ask("ok", { native }))
      const request = yield* server.received("ok")
      const { stream: _stream, stream_options: _options, ...sent } = body
      assert.deepStrictEqual(request.body, { ...sent, model: "ok" })
      assert.strictEqual(request.path, "/v1/chat/completions?api-version=1")
      assert.strictEqual(request.headers["x-client"], "yes")
      // The server echoes unknown fields.
      assert.deepStrictEqual(fields(response.native?.body)["echo"], {
        a_field_of_a_later_api: body.a_field_of_a_later_api,
      })
      assert.strictEqual(response.native?.text, JSON.stringify(response.native?.body))
    }),
  )

  it.live("is streamed with its usage, unknown fields included", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      const { frames, parts } = yield* collect(provider.stream(ask("ok", { native })))
      const request = yield* server.received("ok")
      assert.deepStrictEqual(request.body, {
        ...body,
        model: "ok",
        stream_options: { include_usage: true, include_obfuscation: false },
      })
      assert.include(types(parts), "usage")
      assert.deepStrictEqual(JSON.parse(frames[0]?.native?.data ?? "")["echo"], {
        a_field_of_a_later_api: body.a_field_of_a_later_api,
      })
    }),
  )

  it.live("is not sent if it is another protocol's", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      yield* provider.chat(ask("ok", { native: { ...native, protocol: "messages" } }))
      const request = yield* server.received("ok")
      assert.notProperty(request.body, "a_field_of_a_later_api")
      assert.notProperty(request.headers, "x-client")
    }),
  )
})

const start = (options: OpenAi.Options, env: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const services = yield* Layer.build(OpenAi.layer(options))
    return yield* Effect.provideContext(Provider, services)
  }).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })))

describe("starting", () => {
  it.live("reads its key from the environment, and names a missing one", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* start({}, { OPENAI_API_KEY: "sk" })).protocol, "chat-completions")
      const error = yield* Effect.flip(start({}))
      assert.include(error.message, "OPENAI_API_KEY")
    }),
  )

  it.live("sends another server the configured headers and no key but the configured one", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const provider = yield* start(
        { baseUrl: `${server.url}/v1/`, headers: { "x-own": "yes" }, organization: "org-1" },
        { OPENAI_API_KEY: "sk-of-openai" },
      )
      yield* provider.chat(ask("ok"))
      const { headers, path } = yield* server.received("ok")
      assert.strictEqual(path, "/v1/chat/completions")
      assert.strictEqual(headers["x-own"], "yes")
      assert.strictEqual(headers["openai-organization"], "org-1")
      assert.notProperty(headers, "authorization")
      assert.notInclude(JSON.stringify(headers), "sk-of-openai")
    }),
  )
})
