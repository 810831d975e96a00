import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import type * as Embedding from "@understudy/core/Embedding"
import * as Bedrock from "@understudy/providers/bedrock"
import * as FaultServer from "@understudy/providers/testing"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Embeddings from "../../src/bedrock/Embeddings.ts"
import { fields } from "../../src/testing/Wire.ts"

const connected = Effect.gen(function* () {
  const server = yield* FaultServer.make()
  const provider = yield* Bedrock.make({
    region: "eu-west-1",
    endpoint: server.url,
    accessKeyId: Redacted.make("AKIDEXAMPLE"),
    secretAccessKey: Redacted.make("wJalrXUtnFEMI"),
  })
  return {
    server,
    embed: provider.embed ?? assert.fail("it embeds nothing"),
    count: provider.countTokens ?? assert.fail("it counts nothing"),
  }
}).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} }))))

const titan = "amazon.titan-embed-text-v2:0"
const cohere3 = "cohere.embed-multilingual-v3"
const cohere4 = "us.cohere.embed-v4:0"

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `text ${index}`)

const rows = ({ vectors }: Embedding.Response) => vectors.map((vector) => [...vector])

describe("embed", () => {
  it.live("asks Titan for one text at a time, and keeps the order", () =>
    Effect.gen(function* () {
      const { embed, server } = yield* connected
      const input = numbered(20)
      const response = yield* embed({ model: titan, input, dimensions: 256 })
      const single = yield* Effect.forEach(input, (text) => embed({ model: titan, input: [text], dimensions: 256 }))
      assert.deepStrictEqual(
        rows(response),
        single.flatMap((each) => rows(each)),
      )
      assert.strictEqual(response.vectors[0]?.length, 256)
      assert.deepStrictEqual(response.usage, { inputTokens: 40, outputTokens: 0 })
      const request = yield* server.received(titan)
      assert.strictEqual(request.path, `/model/${encodeURIComponent(titan)}/invoke`)
      assert.deepStrictEqual(Object.keys(fields(request.body)), ["inputText", "dimensions"])
    }),
  )

  it.live("asks Cohere for 96 at a time, and says what they are for", () =>
    Effect.gen(function* () {
      const { embed, server } = yield* connected
      const input = numbered(200)
      for (const model of [cohere3, cohere4]) {
        const response = yield* embed({ model, input, purpose: "query" })
        assert.strictEqual(response.vectors.length, 200)
        const [last] = rows(yield* embed({ model, input: ["text 199"] }))
        assert.deepStrictEqual(rows(response)[199], last)
        assert.strictEqual(
          response.usage?.inputTokens,
          input.reduce((sum, text) => sum + Math.ceil(text.length / 4), 0),
        )
        assert.strictEqual(yield* server.attempts(model), 4)
      }
      const { body } = yield* server.received(cohere4)
      assert.strictEqual(fields(body)["input_type"], "search_query")
      assert.deepStrictEqual(fields(body)["embedding_types"], ["float"])
    }),
  )

  it.live("fails as a whole, and leaves nothing running", () =>
    Effect.gen(function* () {
      const { embed, server } = yield* connected
      yield* server.script(titan, [Behavior.silent, Behavior.refuse("rate-limit"), Behavior.silent])
      const { reason } = yield* Effect.flip(embed({ model: titan, input: numbered(4) }))
      assert.strictEqual(reason._tag, "RateLimited")
      yield* server.idle
    }),
  )

  it.live("closes the upstream when it is interrupted", () =>
    Effect.gen(function* () {
      const { embed, server } = yield* connected
      yield* server.script(cohere4, [Behavior.silent])
      const asking = yield* Effect.forkChild(embed({ model: cohere4, input: ["one"] }))
      const request = yield* server.received(cohere4)
      yield* Fiber.interrupt(asking)
      assert.strictEqual(yield* server.closed(request), "left")
    }),
  )
})

describe("what an embedding model cannot do", () => {
  const refusals: ReadonlyArray<readonly [feature: string, request: Embedding.Request]> = [
    ["embeddings by anthropic.claude-opus-5", { model: "anthropic.claude-opus-5", input: ["one"] }],
    ["300 dimensions (it has 256, 512, 1024)", { model: titan, input: ["one"], dimensions: 300 }],
    ["512 dimensions (it has 1024)", { model: cohere3, input: ["one"], dimensions: 512 }],
    ["inputs in another model's tokens", { model: titan, input: ["one", [1, 2]] }],
  ]
  for (const [feature, request] of refusals) {
    it(feature, () => {
      const result = Embeddings.encode(request)
      assert.deepStrictEqual(Result.isFailure(result) && result.failure.reason, { _tag: "Unsupported", feature })
    })
  }

  it("is told, where the vectors are the same without", () => {
    const warnings = (model: string, purpose: Embedding.Purpose) =>
      Result.getOrThrow(Embeddings.encode({ model, input: ["one"], purpose })).warnings
    assert.deepStrictEqual(warnings(titan, "query"), ["the embedding purpose"])
    assert.deepStrictEqual(warnings(cohere3, "query"), [])
  })

  it("carries the fields that are meant for it", () => {
    const vendor = { [Embeddings.protocol]: { truncate: "END" } }
    const { body } = Result.getOrThrow(Embeddings.encode({ model: cohere3, input: ["one"], vendor }))
    assert.deepStrictEqual(body, [{ texts: ["one"], input_type: "search_document", truncate: "END" }])
  })
})

describe("countTokens", () => {
  it.live("counts the part that is read, by the model and not by a profile of it", () =>
    Effect.gen(function* () {
      const { count, server } = yield* connected
      const model = "anthropic.claude-sonnet-4-5-20250929-v1:0"
      const tokens = yield* count({
        model: `us.${model}`,
        messages: [Chat.system("Be brief."), Chat.user("Hello")],
        sampling: { maxTokens: 10 },
      })
      const { body, path } = yield* server.received(model)
      assert.strictEqual(path, `/model/${encodeURIComponent(model)}/count-tokens`)
      assert.deepStrictEqual(body, {
        input: {
          converse: { messages: [{ role: "user", content: [{ text: "Hello" }] }], system: [{ text: "Be brief." }] },
        },
      })
      assert.strictEqual(tokens, Math.ceil(JSON.stringify(body).length / 4))
    }),
  )
})
