import { assert, describe, it } from "@effect/vitest"
import type * as Embedding from "@understudy/core/Embedding"
import * as Embeddings from "@understudy/providers/protocols/embeddings"
import * as OpenAi from "@understudy/providers/openai"
import * as FaultServer from "@understudy/providers/testing"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { fields } from "../../src/testing/Wire.ts"

const faulty = Effect.gen(function* () {
  const server = yield* FaultServer.make()
  const provider = yield* OpenAi.make({ apiKey: Redacted.make("sk-secret"), baseUrl: `${server.url}/v1` })
  const embed = provider.embed ?? assert.fail("it embeds nothing")
  return { server, embed }
})

const ask = (model: string, more: Partial<Embedding.Request> = {}): Embedding.Request => ({
  model,
  input: ["one", "two"],
  ...more,
})

const rows = ({ vectors }: Embedding.Response) => vectors.map((vector) => [...vector])

/** As a gateway decodes it from a client. */
const native = (model: string, body: Record<string, unknown>): Embedding.Request => ({
  ...Result.getOrThrow(Embeddings.Request.decode({ model: "route", input: ["one", "two"], ...body })),
  model,
})

describe("embed", () => {
  it.live("returns each input's vector, in either encoding", () =>
    Effect.gen(function* () {
      const { embed, server } = yield* faulty
      const plain = yield* embed(ask("ok"))
      assert.strictEqual(plain.vectors.length, 2)
      assert.notDeepEqual(plain.vectors[0], plain.vectors[1])
      assert.strictEqual(plain.model, "ok")
      assert.deepStrictEqual(plain.usage, { inputTokens: 2, outputTokens: 0 })
      const request = yield* server.received("ok")
      assert.strictEqual(request.path, "/v1/embeddings")
      assert.deepStrictEqual(request.body, { model: "ok", input: ["one", "two"] })

      const base64 = yield* embed(native("ok", { encoding_format: "base64" }))
      assert.instanceOf(base64.vectors[0], Float32Array)
      assert.deepStrictEqual(rows(base64), rows(plain))
    }),
  )

  it.live("passes a client's own body through", () =>
    Effect.gen(function* () {
      const { embed, server } = yield* faulty
      const response = yield* embed(native("ok", { dimensions: 3, input_type: "query", truncate: "END" }))
      assert.strictEqual(response.vectors[0]?.length, 3)
      const { body } = yield* server.received("ok")
      assert.deepStrictEqual(fields(body), {
        model: "ok",
        input: ["one", "two"],
        dimensions: 3,
        input_type: "query",
        truncate: "END",
      })
      assert.deepStrictEqual(fields(response.native?.body)["echo"], { input_type: "query", truncate: "END" })
    }),
  )

  it.live("classifies errors by the vendor's table", () =>
    Effect.gen(function* () {
      const { embed } = yield* faulty
      const reason = (model: string) => Effect.map(Effect.flip(embed(ask(model))), ({ reason }) => reason._tag)
      assert.strictEqual(yield* reason("429"), "RateLimited")
      assert.strictEqual(yield* reason("bad-key"), "Authentication")
      assert.strictEqual(yield* reason("unknown-model"), "ModelNotFound")
      assert.strictEqual(yield* reason("context-length"), "ContextWindowExceeded")
      assert.strictEqual(yield* reason("half-json"), "Malformed")
      assert.strictEqual(yield* reason("empty-200"), "Malformed")
      assert.strictEqual(yield* reason("cut-1"), "Network")
      assert.strictEqual(yield* reason("html-502"), "ServerError")
    }),
  )

  it.live("a server without the endpoint is Unsupported, not ModelNotFound", () =>
    Effect.gen(function* () {
      const { embed } = yield* faulty
      const { reason } = yield* Effect.flip(embed(ask("html-404")))
      assert.deepStrictEqual(reason, { _tag: "Unsupported", feature: "embeddings" })
    }),
  )

  it.live("closes the upstream when it is interrupted", () =>
    Effect.gen(function* () {
      const { embed, server } = yield* faulty
      yield* server.script("slow", [Behavior.silent])
      const asking = yield* Effect.forkChild(embed(ask("slow")))
      const request = yield* server.received("slow")
      yield* Fiber.interrupt(asking)
      assert.strictEqual(yield* server.closed(request), "left")
    }),
  )
})
