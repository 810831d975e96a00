import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Anthropic from "@understudy/providers/anthropic"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

const connected = Effect.gen(function* () {
  const server = yield* FaultServer.make()
  const { countTokens } = yield* Anthropic.make({ apiKey: Redacted.make("sk-ant"), baseUrl: server.url })
  return { server, count: countTokens ?? assert.fail("it counts nothing") }
})

describe("countTokens", () => {
  it.live("sends the fields that are counted, and no others", () =>
    Effect.gen(function* () {
      const { count, server } = yield* connected
      const tokens = yield* count({
        model: "ok",
        messages: [Chat.system("Be brief."), Chat.user("Hello")],
        tools: [{ name: "look" }],
        sampling: { maxTokens: 10, temperature: 0.5, stop: ["x"] },
        user: "someone",
      })
      const request = yield* server.received("ok")
      assert.strictEqual(request.path, "/v1/messages/count_tokens")
      assert.deepStrictEqual(Object.keys(request.body as object), ["model", "messages", "system", "tools"])
      assert.strictEqual(tokens, Math.ceil(JSON.stringify(request.body).length / 4))
    }),
  )

  it.live("counts a client's own body, with its headers", () =>
    Effect.gen(function* () {
      const { count, server } = yield* connected
      const body = { model: "route", max_tokens: 5, stream: true, messages: [{ role: "user", content: "Hi" }] }
      yield* count({
        model: "ok",
        messages: [Chat.user("Hi")],
        native: { protocol: "messages", body, headers: { "anthropic-beta": "token-counting-2024-11-01" } },
      })
      const request = yield* server.received("ok")
      assert.deepStrictEqual(request.body, { model: "ok", messages: [{ role: "user", content: "Hi" }] })
      assert.strictEqual(request.headers["anthropic-beta"], "token-counting-2024-11-01")
    }),
  )

  it.live("classifies errors by the vendor's table", () =>
    Effect.gen(function* () {
      const { count } = yield* connected
      const ask = (model: string) => Effect.flip(count({ model, messages: [Chat.user("Hi")] }))
      assert.strictEqual((yield* ask("529")).reason._tag, "Overloaded")
      assert.strictEqual((yield* ask("half-json")).reason._tag, "Malformed")
    }),
  )
})
