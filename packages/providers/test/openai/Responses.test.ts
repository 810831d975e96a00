/** The provider that speaks the Responses API: what it has of its own. What it shares stands in `OpenAi.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import type { ProviderError, Reason } from "@understudy/core/ProviderError"
import * as OpenAi from "@understudy/providers/openai"
import * as Behaviour from "@understudy/providers/testing/Behaviour"
import * as FaultServer from "@understudy/providers/testing/FaultServer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"

const apiKey = Redacted.make("sk-secret")

/** A fault server and a provider that speaks to it. */
const faulty = Effect.gen(function* () {
  const server = yield* FaultServer.make()
  return { server, provider: yield* OpenAi.make({ apiKey, baseUrl: `${server.url}/v1`, api: "responses" }) }
})

const ask = (model: string, more: Partial<Chat.Request> = {}): Chat.Request => ({
  model,
  messages: [Chat.user("Hello")],
  ...more,
})

/** The parts of a stream, and how it broke, if it did. */
const collect = (stream: Stream.Stream<Chat.Frame, ProviderError>) =>
  Effect.gen(function* () {
    const frames: Array<Chat.Frame> = []
    const exit = yield* Effect.exit(Stream.runForEach(stream, (frame) => Effect.sync(() => void frames.push(frame))))
    const error = Exit.isFailure(exit) ? yield* Effect.flip(exit) : undefined
    return { frames, parts: frames.flatMap(({ parts }) => parts), error }
  })

const textOf = (parts: ReadonlyArray<Chat.Part>) =>
  parts.map((part) => (part.type === "text" ? part.text : "")).join("")

const look: Chat.Tool = { name: "look", parameters: { type: "object", properties: { where: { type: "string" } } } }

describe("chat", () => {
  it.live("answers", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      assert.strictEqual(provider.protocol, "responses")
      const response = yield* provider.chat(ask("ok"))
      assert.strictEqual(Chat.text(response), FaultServer.line("ok"))
      assert.deepInclude(response, { finish: "stop", model: "ok" })
      assert.isAbove(response.usage?.inputTokens ?? 0, 0)
      const request = yield* server.received("ok")
      assert.strictEqual(request.path, "/v1/responses")
      assert.strictEqual(request.headers.authorization, `Bearer ${Redacted.value(apiKey)}`)
      assert.deepStrictEqual(request.body, { model: "ok", input: [{ role: "user", content: "Hello" }], store: false })
    }),
  )

  it.live("calls a tool, and goes on from its result", () =>
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
    }),
  )
})

describe("stream", () => {
  it.live("answers, whole with its last event", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      for (const model of ["ok", "no-done", "malformed-event"]) {
        const { error, parts } = yield* collect(provider.stream(ask(model)))
        assert.isUndefined(error)
        assert.include(textOf(parts), FaultServer.line(model).slice(-20))
        assert.deepInclude(parts.at(-1), { type: "finish", reason: "stop" })
      }
    }),
  )

  it.live("calls a tool, in pieces, whatever words are in them", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const { parts } = yield* collect(provider.stream(ask("tool-done", { tools: [look] })))
      const written = parts.map((part) => (part.type === "tool-arguments" ? part.arguments : "")).join("")
      assert.deepStrictEqual(JSON.parse(written), { text: "\n\ndata: [DONE]\n\n" })
      assert.deepInclude(parts.at(-1), { type: "finish", reason: "tool-calls" })
    }),
  )

  it.live("has no finish where the upstream ends without its last event", () =>
    Effect.gen(function* () {
      const { provider } = yield* faulty
      const { parts } = yield* collect(provider.stream(ask("eof-no-finish")))
      assert.isTrue(parts.every(({ type }) => type !== "finish"))
    }),
  )

  const broken: ReadonlyArray<readonly [model: string, reason: Reason["_tag"], words: number]> = [
    ["cut-2", "Network", 2],
    ["cut-2-reset", "Network", 2],
    ["error-event-first", "Overloaded", 0],
    ["error-event-after-2-rate-limit", "RateLimited", 2],
  ]
  for (const [model, reason, words] of broken) {
    it.live(`gives what came before it broke, then why: ${model}`, () =>
      Effect.gen(function* () {
        const { provider } = yield* faulty
        const { error, parts } = yield* collect(provider.stream(ask(model)))
        assert.strictEqual(error?.reason._tag, reason)
        assert.lengthOf(
          parts.filter(({ type }) => type === "text"),
          words,
        )
      }),
    )
  }

  it.live("closes its connection when it is interrupted", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      const fiber = yield* Effect.forkChild(collect(provider.stream(ask("stall-2"))))
      const request = yield* server.received("stall-2")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* server.closed(request), "left")
    }),
  )
})

describe("failures", () => {
  const table: ReadonlyArray<readonly [model: string, reason: Reason["_tag"]]> = [
    ["429", "RateLimited"],
    ["quota", "QuotaExhausted"],
    ["bad-key", "Authentication"],
    ["unknown-model", "ModelNotFound"],
    ["context-length", "ContextWindowExceeded"],
    ["content-policy", "ContentPolicy"],
    ["invalid-request", "InvalidRequest"],
    ["unsupported-parameter", "Unsupported"],
    ["500", "ServerError"],
    ["503", "Overloaded"],
    ["half-json", "Malformed"],
    ["empty-200", "Malformed"],
  ]
  for (const [model, reason] of table) {
    it.live(`${model} is ${reason}, asked once`, () =>
      Effect.gen(function* () {
        const { provider, server } = yield* faulty
        const error = yield* Effect.flip(provider.chat(ask(model)))
        assert.strictEqual(error.reason._tag, reason)
        assert.notInclude(error.message, Redacted.value(apiKey))
        assert.strictEqual(yield* server.attempts(model), 1)
      }),
    )
  }
})

describe("native", () => {
  it.live("goes through as it came, both ways, streamed and not", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      const body = {
        model: "assistant",
        input: [{ type: "message", role: "user", content: [{ type: "input_text", text: "Hi" }] }],
        field_of_a_later_api: { deep: [1, null] },
        stream: true,
      }
      const request = ask("ok", { native: { protocol: "responses", body } })
      const response = yield* provider.chat(request)
      assert.include(response.native?.text, '"echo":{"field_of_a_later_api":{"deep":[1,null]}}')
      const { frames } = yield* collect(provider.stream(request))
      const { stream: _stream, ...sent } = body
      const [plain, streamed] = yield* server.requests
      assert.deepStrictEqual(plain?.body, { ...sent, model: "ok" })
      assert.deepStrictEqual(streamed?.body, { ...sent, model: "ok", stream: true })
      assert.strictEqual(frames[0]?.native?.event, "response.created")
      assert.include(frames[0]?.native?.data, "field_of_a_later_api")
      assert.strictEqual(frames.at(-1)?.native?.event, "response.completed")
    }),
  )
})
