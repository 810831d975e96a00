import { assert, describe, it, vi } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { Provider } from "@understudy/core/Provider"
import * as Anthropic from "@understudy/providers/anthropic"
import * as EncryptedReasoning from "@understudy/providers/internal/protocols/EncryptedReasoning"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Upstream from "./Upstream.ts"
import { ask, collect, textOf, types } from "../Asking.ts"
import * as Contract from "../Contract.ts"
import { apiKey } from "../Contract.ts"

const connect = (baseUrl: string, options: Anthropic.Options = {}) => Anthropic.make({ apiKey, baseUrl, ...options })

const faulty = Contract.faulty(connect)

Contract.holds({
  connect,
  begun: ["start", "usage", "text"],
  broken: [
    ["cut-0", "Network", ["start", "usage"]],
    ["error-event-after-2-server-error", "ServerError"],
  ],
  failures: [
    ["quota", "QuotaExhausted", 400],
    ["timeout", "Timeout", 504],
    ["529", "Overloaded", 529],
  ],
  without: ["503"],
})

describe("chat", () => {
  it.live("answers", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      assert.strictEqual(provider.protocol, "messages")
      const response = yield* provider.chat(ask("ok"))
      assert.notStrictEqual(Chat.text(response), "")
      assert.strictEqual(response.finishReason, "stop")
      assert.strictEqual(response.model, "ok")
      assert.strictEqual(response.native?.protocol, "messages")
      const request = yield* server.received("ok")
      assert.strictEqual(request.path, "/v1/messages")
      assert.include(Object.values(request.headers), `Bearer ${Redacted.value(apiKey)}`)
      assert.deepStrictEqual(request.body, {
        model: "ok",
        max_tokens: 4096,
        messages: [{ role: "user", content: [{ type: "text", text: "Hello" }] }],
      })
    }),
  )

  it.live("a large max_tokens is not rejected by the SDK, nor warned of on the console", () =>
    Effect.gen(function* () {
      const upstream = yield* Upstream.make({ body: { content: [], stop_reason: "end_turn" } })
      const provider = yield* connect(upstream.url)
      const warn = yield* Effect.acquireRelease(
        Effect.sync(() => vi.spyOn(console, "warn")),
        (spy) => Effect.sync(() => spy.mockRestore()),
      )
      yield* provider.chat(ask("claude-opus-4-8", { sampling: { maxTokens: 128_000 } }))
      yield* provider.chat(ask("claude-mythos-preview", { vendor: { messages: { thinking: { type: "enabled" } } } }))
      assert.strictEqual(upstream.asked[0]?.body["max_tokens"], 128_000)
      assert.lengthOf(warn.mock.calls, 0)
    }),
  )

  it.live("logs a dropped parameter once", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const logged: Array<unknown> = []
      const logger = Logger.make(({ message }) => void logged.push(message))
      const seeded = provider.chat(ask("ok", { sampling: { seed: 1 } }))
      yield* Effect.provide(Effect.andThen(seeded, seeded), Logger.layer([logger]))
      assert.deepStrictEqual(logged.flat(), ["anthropic: dropped for ok: seed"])
    }),
  )

  it.live("rejects an unsupported feature without a request", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      const error = yield* Effect.flip(provider.chat(ask("ok", { sampling: { n: 2 } })))
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
      assert.deepStrictEqual(types(parts), ["start", "usage", "text", "finish"])
      assert.notStrictEqual(textOf(parts), "")
      assert.deepStrictEqual(frames[0], {
        parts: [],
        droppedParams: ["max_tokens, which the API requires, set to 4096"],
      })
      assert.isTrue(frames.slice(1).every(({ native }) => native?.protocol === "messages"))
      assert.strictEqual(frames.at(-1)?.native?.event, "message_stop")
      assert.propertyVal((yield* server.received("ok")).body, "stream", true)
    }),
  )

  it.live("separates reasoning from text", () =>
    Effect.gen(function* () {
      const upstream = yield* Upstream.make({
        body: [
          { type: "message_start", message: { id: "msg_1", model: "m", usage: { input_tokens: 1, output_tokens: 1 } } },
          { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
          { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "Hm ✓" } },
          { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: "sig" } },
          { type: "content_block_stop", index: 0 },
          { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } },
          { type: "content_block_delta", index: 1, delta: { type: "text_delta", text: "So" } },
          { type: "content_block_stop", index: 1 },
          {
            type: "message_delta",
            delta: { stop_reason: "end_turn", stop_sequence: null },
            usage: { output_tokens: 9, output_tokens_details: { thinking_tokens: 7 } },
          },
          { type: "message_stop" },
        ],
      })
      const provider = yield* connect(upstream.url)
      const { parts } = yield* collect(provider.stream(ask("claude-opus-5", { reasoning: { effort: "high" } })))
      assert.deepStrictEqual(parts.slice(2), [
        { type: "reasoning", text: "Hm ✓" },
        {
          type: "reasoning",
          text: "",
          signature: { issuer: `anthropic@${EncryptedReasoning.hostAt(upstream.url)}`, value: "sig" },
        },
        { type: "text", text: "So" },
        { type: "usage", usage: { inputTokens: 1, outputTokens: 9, reasoningTokens: 7 } },
        { type: "finish", reason: "stop", stopSequence: undefined },
      ])
      assert.deepStrictEqual(upstream.asked[0]?.body["thinking"], { type: "adaptive" })
      assert.deepStrictEqual(upstream.asked[0]?.body["output_config"], { effort: "high" })
    }),
  )
})

/** The reason of an error with that body. */
const refused = (status: number, error: object) =>
  Effect.gen(function* () {
    const { url } = yield* Upstream.make({ status, body: { type: "error", error } })
    const provider = yield* connect(url)
    return (yield* Effect.flip(provider.chat(ask("m")))).reason
  })

describe("failures", () => {
  it.live("includes the request id, and not an echoed key", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const error = yield* Effect.flip(provider.chat(ask("bad-key")))
      assert.strictEqual(error.message, "invalid x-api-key: ***")
      assert.isString(error.requestId)
    }),
  )

  it.live("reads codes and the invalid field", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* refused(429, {
          type: "rate_limit_error",
          message: "Limit",
          details: { error_code: "enforced_spend_limit_reached" },
        }),
        { _tag: "QuotaExhausted" },
      )
      assert.deepStrictEqual(
        yield* refused(400, { type: "invalid_request_error", message: "messages.0.content: Field required" }),
        { _tag: "InvalidRequest", param: "messages.0.content" },
      )
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
      assert.isAtMost((yield* after("429-retry-after-date-30")) ?? Infinity, 31_000)
      assert.isAtMost((yield* after("429-retry-after-reset-5000")) ?? Infinity, 5000)
    }),
  )
})

describe("native", () => {
  const body = {
    model: "the client's name for it",
    max_tokens: 9,
    stream: true,
    messages: [{ role: "user", content: "Hello" }],
    user_profile_id: "kept",
    a_field_of_a_later_api: { kept: [1, null, "two"] },
  }
  const native: Chat.Native = {
    protocol: "messages",
    body,
    headers: { "anthropic-beta": "one,two", "anthropic-version": "2023-06-01" },
    query: { beta: "true" },
  }

  it.live("is passed through in both directions", () =>
    Effect.gen(function* () {
      const answer = { content: [{ type: "text", text: "Hi" }], stop_reason: "end_turn", of_a_later_api: 1 }
      const upstream = yield* Upstream.make({ body: answer })
      const provider = yield* connect(upstream.url)
      const response = yield* provider.chat(ask("claude-opus-5", { native }))
      assert.deepStrictEqual(response.native?.body, answer)
      const [asked] = upstream.asked
      const { stream: _stream, ...sent } = body
      assert.deepStrictEqual(asked?.body, { ...sent, model: "claude-opus-5" })
      assert.strictEqual(asked?.path, "/v1/messages?beta=true")
      assert.strictEqual(asked?.headers["anthropic-beta"], "one,two")
      assert.strictEqual(asked?.headers["anthropic-version"], "2023-06-01")
    }),
  )

  it.live("is streamed, unknown events included", () =>
    Effect.gen(function* () {
      const later = { type: "an_event_of_a_later_api", kept: true }
      const upstream = yield* Upstream.make({ body: [later] })
      const provider = yield* connect(upstream.url)
      const { frames } = yield* collect(provider.stream(ask("claude-opus-5", { native: { ...native, body: {} } })))
      assert.deepStrictEqual(frames, [
        { parts: [], native: { protocol: "messages", event: later.type, data: JSON.stringify(later) } },
      ])
      assert.deepStrictEqual(upstream.asked[0]?.body, { model: "claude-opus-5", stream: true })
    }),
  )

  it.live("is not sent if it is another protocol's", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      yield* provider.chat(ask("ok", { native: { ...native, protocol: "chat-completions" } }))
      const request = yield* server.received("ok")
      assert.notProperty(request.body, "a_field_of_a_later_api")
      assert.notProperty(request.headers, "anthropic-beta")
    }),
  )
})

const start = (options: Anthropic.Options, env: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const services = yield* Layer.build(Anthropic.layer(options))
    return yield* Effect.provideContext(Provider, services)
  }).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })))

describe("starting", () => {
  it.live("reads its key from the environment, and names a missing one", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* start({}, { ANTHROPIC_API_KEY: "sk" })).protocol, "messages")
      const error = yield* Effect.flip(start({}))
      assert.include(error.message, "ANTHROPIC_API_KEY")
    }),
  )

  it.live("sends another server the configured headers and no key but the configured one", () =>
    Effect.gen(function* () {
      const upstream = yield* Upstream.make({ body: { content: [], stop_reason: "end_turn" } })
      const provider = yield* start(
        { baseUrl: `${upstream.url}/v1/`, headers: { "x-own": "yes" } },
        { ANTHROPIC_API_KEY: "sk-of-anthropic" },
      )
      yield* provider.chat(ask("m"))
      const [asked] = upstream.asked
      assert.strictEqual(asked?.path, "/v1/messages")
      assert.strictEqual(asked?.headers["x-own"], "yes")
      assert.notInclude(JSON.stringify(asked?.headers), "sk-of-anthropic")
      assert.notProperty(asked?.headers, "authorization")
      assert.notProperty(asked?.headers, "x-api-key")
    }),
  )
})
