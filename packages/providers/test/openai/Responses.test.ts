/** The provider of the Responses API. */
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as OpenAi from "@understudy/providers/openai"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { ask, collect, textOf } from "../Asking.ts"
import * as Contract from "../Contract.ts"
import { apiKey } from "../Contract.ts"

const connect = (url: string) => OpenAi.make({ apiKey, baseUrl: `${url}/v1`, api: "responses" })

const faulty = Contract.faulty(connect)

Contract.holds({
  connect,
  begun: ["start", "text"],
  broken: [
    ["cut-0", "Network", ["start"]],
    ["error-event-after-2-server-error", "ServerError"],
  ],
})

describe("chat", () => {
  it.live("answers", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      assert.strictEqual(provider.protocol, "responses")
      const response = yield* provider.chat(ask("ok"))
      assert.strictEqual(Chat.text(response), FaultServer.line("ok"))
      assert.deepInclude(response, { finishReason: "stop", model: "ok" })
      assert.isAbove(response.usage?.inputTokens ?? 0, 0)
      const request = yield* server.received("ok")
      assert.strictEqual(request.path, "/v1/responses")
      assert.strictEqual(request.headers.authorization, `Bearer ${Redacted.value(apiKey)}`)
      assert.deepStrictEqual(request.body, { model: "ok", input: [{ role: "user", content: "Hello" }], store: false })
    }),
  )
})

describe("a Chat Completions client's prompt_cache_key", () => {
  it.live("is sent, and fields that only some models accept are not", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty
      const theirs = { prompt_cache_key: "5f1c", service_tier: "flex" }
      const response = yield* provider.chat({ ...ask("ok"), vendor: { "chat-completions": theirs } })
      assert.deepStrictEqual(response.droppedParams, ["service_tier"])
      const { body } = yield* server.received("ok")
      assert.deepInclude(body, { prompt_cache_key: "5f1c" })
      assert.notProperty(body, "service_tier")
    }),
  )
})

describe("stream", () => {
  it.live("is complete with its last event", () =>
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
})

describe("native", () => {
  it.live("is passed through in both directions, streamed and not", () =>
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
