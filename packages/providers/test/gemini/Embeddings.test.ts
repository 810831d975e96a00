import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import type * as Embedding from "@understudy/core/Embedding"
import * as Gemini from "@understudy/providers/gemini"
import * as Embeddings from "@understudy/providers/protocols/gemini-embeddings"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

const faulty = Effect.gen(function* () {
  const server = yield* FaultServer.make()
  const provider = yield* Gemini.make({ apiKey: Redacted.make("sk-secret"), baseUrl: server.url })
  const embed = provider.embed ?? assert.fail("it embeds nothing")
  const count = provider.countTokens ?? assert.fail("it counts nothing")
  return { server, count, embed }
})

const ask = (model: string, more: Partial<Embedding.Request> = {}): Embedding.Request => ({
  model,
  input: ["one", "two"],
  ...more,
})

const content = (text: string) => ({ content: { parts: [{ text }] } })

const decode = (body: Record<string, unknown>) => Embeddings.Request.decode(body, { model: "assistant" })

describe("embed", () => {
  it.live("returns each input's vector, with the requested length and purpose", () =>
    Effect.gen(function* () {
      const { embed, server } = yield* faulty
      const { usage, vectors } = yield* embed(ask("ok", { dimensions: 3, purpose: "query" }))
      assert.deepStrictEqual(
        vectors.map(({ length }) => length),
        [3, 3],
      )
      assert.notDeepEqual(vectors[0], vectors[1])
      assert.deepStrictEqual(usage, { inputTokens: 2, outputTokens: 0 })
      const request = yield* server.received("ok")
      assert.strictEqual(request.path, "/v1beta/models/ok:batchEmbedContents")
      const wishes = { model: "models/ok", taskType: "RETRIEVAL_QUERY", outputDimensionality: 3 }
      assert.deepStrictEqual(request.body, {
        requests: [
          { ...wishes, ...content("one") },
          { ...wishes, ...content("two") },
        ],
      })
    }),
  )

  it.live("classifies errors by Gemini's table, and rejects tokens without a request", () =>
    Effect.gen(function* () {
      const { embed, server } = yield* faulty
      assert.strictEqual((yield* Effect.flip(embed(ask("quota")))).reason._tag, "QuotaExhausted")
      assert.strictEqual((yield* Effect.flip(embed(ask("half-json")))).reason._tag, "Malformed")
      assert.strictEqual((yield* Effect.flip(embed(ask("ok", { input: [[1, 2]] })))).reason._tag, "Unsupported")
      assert.strictEqual(yield* server.attempts("ok"), 0)
    }),
  )

  it.live("passes a client's own body through, with one input or several", () =>
    Effect.gen(function* () {
      const { embed, server } = yield* faulty
      const one = { ...content("one"), taskType: "QUESTION_ANSWERING", later: 1 }
      for (const body of [one, { requests: [one] }]) {
        const request = Result.getOrThrow(decode(body))
        assert.deepStrictEqual([request.input, request.purpose], [["one"], "query"])
        const response = yield* embed({ ...request, model: "ok" })
        const told = JSON.parse(Embeddings.Response.encode(response, request))
        assert.deepStrictEqual(Object.keys(told)[0], "requests" in body ? "embeddings" : "embedding")
      }
      const sent = { requests: [{ ...one, model: "models/ok" }] }
      for (const attempt of [1, 2]) assert.deepStrictEqual((yield* server.received("ok", attempt)).body, sent)
    }),
  )

  it("names the invalid field of a request", () => {
    const { message } = Result.getOrThrow(Result.flip(decode({ requests: [{ content: { parts: [{ text: 7 }] } }] })))
    assert.include(message, "'requests[0].content.parts[0].text'")
  })
})

describe("countTokens", () => {
  it.live("counts a complete request, tools included", () =>
    Effect.gen(function* () {
      const { count, server } = yield* faulty
      const tools = [{ name: "look" }]
      assert.isAbove(yield* count({ model: "ok", messages: [Chat.user("Hello")], tools }), 0)
      const request = yield* server.received("ok")
      assert.strictEqual(request.path, "/v1beta/models/ok:countTokens")
      assert.deepStrictEqual(request.body, {
        generateContentRequest: {
          model: "models/ok",
          contents: [{ role: "user", parts: [{ text: "Hello" }] }],
          tools: [{ functionDeclarations: tools }],
        },
      })
    }),
  )
})
