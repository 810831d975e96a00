import { assert, describe, it } from "@effect/vitest"
import type * as Operation from "@understudy/core/Operation"
import * as Bedrock from "@understudy/providers/bedrock"
import * as FaultServer from "@understudy/providers/testing"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"

const connected = Effect.gen(function* () {
  const server = yield* FaultServer.make()
  const provider = yield* Bedrock.make({
    region: "eu-west-1",
    endpoint: server.url,
    accessKeyId: Redacted.make("AKIDEXAMPLE"),
    secretAccessKey: Redacted.make("wJalrXUtnFEMI"),
  })
  const operations = provider.operations ?? assert.fail("it has no operations")
  const send = (request: Operation.Request) =>
    Effect.map(Stream.runCollect(operations.send(request)), ([frame]) => ({
      body: JSON.parse(String(frame?.data)) as unknown,
      frame,
    }))
  return { server, operations, send }
}).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} }))))

const cohere = "cohere.rerank-v3-5:0"
const amazon = "amazon.rerank-v1:0"

const rerank = (model: string, fields: object): Operation.Request => ({
  operation: "rerank",
  model,
  body: { type: "json", fields: { model: "route", ...fields } },
})

describe("rerank on Bedrock", () => {
  it.live("invokes the model with the texts, and answers in the shape of Cohere and Jina", () =>
    Effect.gen(function* () {
      const { send, server } = yield* connected
      const documents = ["a", { text: "b" }, { title: "c" }]
      const { body, frame } = yield* send(
        rerank(cohere, { query: "best", documents, top_n: 3, return_documents: true }),
      )
      assert.deepStrictEqual(body, {
        model: cohere,
        results: [
          { index: 2, relevance_score: 1, document: { text: '{"title":"c"}' } },
          { index: 1, relevance_score: 2 / 3, document: { text: "b" } },
          { index: 0, relevance_score: 1 / 3, document: { text: "a" } },
        ],
      })
      assert.isTrue(frame?.isLast)
      const request = yield* server.received(cohere)
      assert.strictEqual(request.path, `/model/${encodeURIComponent(cohere)}/invoke`)
      assert.deepStrictEqual(request.body, {
        query: "best",
        documents: ["a", "b", '{"title":"c"}'],
        top_n: 3,
        api_version: 2,
      })
    }),
  )

  it.live("sends Amazon's model no version, and no documents back that are not asked for", () =>
    Effect.gen(function* () {
      const { send, server } = yield* connected
      const { body } = yield* send(rerank(amazon, { query: "best", documents: ["a"] }))
      assert.deepStrictEqual(body, { model: amazon, results: [{ index: 0, relevance_score: 1 }] })
      assert.deepStrictEqual((yield* server.received(amazon)).body, { query: "best", documents: ["a"] })
    }),
  )

  it.live("classifies errors as for chat, and rejects what is no request of it", () =>
    Effect.gen(function* () {
      const { send, server } = yield* connected
      yield* server.script(cohere, [Behavior.refuse("rate-limit")])
      const limited = yield* Effect.flip(send(rerank(cohere, { query: "best", documents: ["a"] })))
      assert.strictEqual(limited.reason._tag, "RateLimited")
      const invalid = yield* Effect.flip(send(rerank(cohere, { query: "best" })))
      assert.deepStrictEqual(invalid.reason, { _tag: "InvalidRequest", param: "documents" })
      const other = yield* Effect.flip(send({ ...rerank(cohere, {}), operation: "moderations" }))
      assert.strictEqual(other.reason._tag, "Unsupported")
    }),
  )
})
