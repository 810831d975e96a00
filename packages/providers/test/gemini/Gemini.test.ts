import { assert, describe, it, vi } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { Provider } from "@understudy/core/Provider"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Gemini from "@understudy/providers/gemini"
import * as Behaviour from "@understudy/providers/testing/Behaviour"
import * as FaultServer from "@understudy/providers/testing/FaultServer"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { fields } from "../../src/testing/Wire.ts"

const apiKey = Redacted.make("sk-secret")

const connect = (url: string, options: Gemini.Options = {}) => Gemini.make({ apiKey, baseUrl: url, ...options })

const ask = (model: string, more: Partial<Chat.Request> = {}): Chat.Request => ({
  model,
  messages: [Chat.user("Hello")],
  ...more,
})

/** A fault server and a provider that speaks to it. */
const faulty = Effect.gen(function* () {
  const server = yield* FaultServer.make()
  return { server, provider: yield* connect(server.url) }
})

/** The parts of a stream, and how it broke, if it did. */
const collect = (stream: Stream.Stream<Chat.Frame, ProviderError>) =>
  Effect.gen(function* () {
    const frames: Array<Chat.Frame> = []
    const exit = yield* Effect.exit(Stream.runForEach(stream, (frame) => Effect.sync(() => void frames.push(frame))))
    const error = Exit.isFailure(exit) ? yield* Effect.flip(exit) : undefined
    return { frames, parts: frames.flatMap(({ parts }) => parts), error }
  })

const types = (parts: ReadonlyArray<Chat.Part>): ReadonlyArray<string> => [...new Set(parts.map(({ type }) => type))]

const textOf = (parts: ReadonlyArray<Chat.Part>) =>
  parts.map((part) => (part.type === "text" ? part.text : "")).join("")

const look: Chat.Tool = { name: "look", parameters: { type: "object", properties: { where: { type: "string" } } } }

describe("chat", () => {
  it.live("answers, asked as the SDK would", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      assert.strictEqual(provider.protocol, "gemini")
      const response = yield* provider.chat(ask("ok"))
      assert.strictEqual(Chat.text(response), FaultServer.line("ok"))
      assert.strictEqual(response.finish, "stop")
      assert.strictEqual(response.model, "ok")
      assert.isAbove(response.usage?.inputTokens ?? 0, 0)
      const request = yield* server.received("ok")
      assert.strictEqual(request.path, "/v1beta/models/ok:generateContent")
      assert.strictEqual(request.headers["x-goog-api-key"], Redacted.value(apiKey))
      assert.match(String(request.headers["user-agent"]), /^google-genai-sdk/)
      assert.deepStrictEqual(request.body, { contents: [{ role: "user", parts: [{ text: "Hello" }] }] })
    }),
  )

  it.live("takes an empty text for an answer", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const response = yield* provider.chat(ask("empty-text"))
      assert.deepStrictEqual([Chat.text(response), response.finish], ["", "stop"])
    }),
  )

  it.live("answers several times over", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const { alternatives } = yield* provider.chat(ask("ok", { sampling: { n: 3 } }))
      assert.deepStrictEqual(
        alternatives?.map((choice) => Chat.text(choice)),
        [FaultServer.line("ok"), FaultServer.line("ok")],
      )
    }),
  )

  it.live("calls a tool, and goes on from its result, the signature and the missing id as they were", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      yield* server.script("tool", [Behaviour.answer({ arguments: '{"where":"up"}' }), Behaviour.answer()])
      const first = yield* provider.chat(ask("tool", { tools: [look] }))
      assert.strictEqual(first.finish, "tool-calls")
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

  it.live("has models of any name in its address, under the version asked for, and is silent on the console", () =>
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

  it.live("refuses what the protocol cannot say without asking anybody", () =>
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

  it.live("calls a tool, whatever words are in it", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const { error, parts } = yield* collect(provider.stream(ask("tool-done", { tools: [look] })))
      assert.isUndefined(error)
      const pieces = parts.flatMap((part) => (part.type === "tool-arguments" ? [part.arguments] : []))
      assert.deepStrictEqual(JSON.parse(pieces.join("")), { text: "\n\ndata: [DONE]\n\n" })
      assert.deepInclude(parts.at(-1), { type: "finish", reason: "tool-calls" })
    }),
  )

  it.live("tells several answers apart", () =>
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

  it.live("skips a malformed event", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      yield* server.script("m", [Behaviour.malformedEvent(1, { text: "One two three" })])
      const { error, parts } = yield* collect(provider.stream(ask("m")))
      assert.isUndefined(error)
      assert.strictEqual(textOf(parts), "One two three")
      assert.include(types(parts), "finish")
    }),
  )

  it.live("has no finish where the upstream ends without a finish reason", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const { error, parts } = yield* collect(provider.stream(ask("eof-no-finish")))
      assert.isUndefined(error)
      assert.deepStrictEqual(types(parts), ["start", "text", "usage"])
    }),
  )

  for (const [model, before] of [
    ["cut-3", ["start", "text", "usage"]],
    ["cut-3-reset", ["start", "text", "usage"]],
    ["cut-0", []],
  ] as const) {
    it.live(`fails as the network's fault when it is cut (${model})`, () =>
      Effect.gen(function* () {
        const { provider } = yield* faulty
        const { error, parts } = yield* collect(provider.stream(ask(model)))
        assert.strictEqual(error?.reason._tag, "Network")
        assert.deepStrictEqual(types(parts), before)
      }),
    )
  }

  for (const [model, reason, before] of [
    ["error-event-first", "Overloaded", []],
    ["error-event-after-2", "Overloaded", ["start", "text", "usage"]],
    ["error-event-after-2-rate-limit", "RateLimited", ["start", "text", "usage"]],
    ["error-event-after-2-quota", "QuotaExhausted", ["start", "text", "usage"]],
    ["error-event-first-context-length", "ContextWindowExceeded", []],
  ] as const) {
    it.live(`gives what came before an error event, then the error (${model})`, () =>
      Effect.gen(function* () {
        const { provider } = yield* faulty
        const { error, parts } = yield* collect(provider.stream(ask(model)))
        assert.strictEqual(error?.reason._tag, reason)
        assert.deepStrictEqual(types(parts), before)
      }),
    )
  }
})

describe("failures", () => {
  for (const [model, reason, status] of [
    ["429", "RateLimited", 429],
    ["quota", "QuotaExhausted", 429],
    ["bad-key", "Authentication", 400],
    ["forbidden", "Permission", 403],
    ["unknown-model", "ModelNotFound", 404],
    ["context-length", "ContextWindowExceeded", 400],
    ["content-policy", "ContentPolicy", 400],
    ["invalid-request", "InvalidRequest", 400],
    ["unsupported-parameter", "Unsupported", 400],
    ["timeout", "Timeout", 504],
    ["500", "ServerError", 500],
    ["503", "Overloaded", 503],
    ["html-502", "ServerError", 502],
    ["reset", "Network", undefined],
    ["cut-1", "Network", undefined],
    ["empty-200", "Malformed", undefined],
    ["half-json", "Malformed", undefined],
  ] as const) {
    it.live(`${model} is ${reason}, asked once`, () =>
      Effect.gen(function* () {
        const { provider, server } = yield* faulty
        const error = yield* Effect.flip(provider.chat(ask(model)))
        assert.strictEqual(error.reason._tag, reason)
        assert.strictEqual(error.status, status)
        assert.notInclude(error.message, Redacted.value(apiKey))
        assert.strictEqual(yield* server.attempts(model), 1)
        if (reason === "Malformed" || model === "cut-1") return
        const streamed = yield* collect(provider.stream(ask(model)))
        assert.strictEqual(streamed.error?.reason._tag, reason)
        assert.deepStrictEqual(streamed.parts, [])
      }),
    )
  }

  it.live("says when to come back, as the body tells it, but a header first", () =>
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

  it.live("refused connections are the network's fault", () =>
    Effect.gen(function* () {
      const url = yield* Effect.scoped(Effect.map(FaultServer.make(), (server) => server.url))
      const provider = yield* connect(url)
      assert.strictEqual((yield* Effect.flip(provider.chat(ask("ok")))).reason._tag, "Network")
      assert.strictEqual((yield* collect(provider.stream(ask("ok")))).error?.reason._tag, "Network")
    }),
  )
})

describe("stopping", () => {
  it.live("an interrupted chat or stream closes its connection, before the first word or after", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      for (const model of ["silent", "stall-0", "stall-2"]) {
        for (const [attempt, call] of [
          provider.chat(ask(model)),
          Stream.runDrain(provider.stream(ask(model))),
        ].entries()) {
          const fiber = yield* Effect.forkChild(call)
          const request = yield* server.received(model, attempt + 1)
          yield* Fiber.interrupt(fiber)
          assert.strictEqual(yield* server.closed(request), "left")
        }
      }
      yield* server.idle
    }),
  )

  it.live("a stream left early closes its connection, and a pulled one with its scope", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      yield* Stream.runDrain(Stream.take(provider.stream(ask("stall-2")), 1))
      assert.strictEqual(yield* server.closed(yield* server.received("stall-2")), "left")
      const scope = yield* Scope.make()
      const pull = yield* Scope.provide(Stream.toPull(provider.stream(ask("stall-2"))), scope)
      yield* pull
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* server.closed(yield* server.received("stall-2", 2)), "left")
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

  it.live("goes through as it came, both ways", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      const response = yield* provider.chat(ask("ok", { native }))
      const request = yield* server.received("ok")
      assert.deepStrictEqual(request.body, body)
      assert.strictEqual(request.path, "/v1beta/models/ok:generateContent?trace=1")
      // The server gives back the fields that it does not know.
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

  it.live("come from either variable, Gemini's own first, but not for another server", () =>
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
