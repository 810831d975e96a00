import { assert, describe, it } from "@effect/vitest"
import { Route } from "@understudy/core"
import * as Bedrock from "@understudy/providers/bedrock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type OpenAI from "openai"
import { APIError } from "openai"
import * as TestGateway from "../TestGateway.ts"

type Asked = Omit<OpenAI.EmbeddingCreateParams, "model">

const embed = (client: OpenAI, asked: Asked) =>
  Effect.promise(() => client.embeddings.create({ model: "assistant", ...asked }).withResponse())

/** As the wire has it: the SDK turns base64 into numbers. */
const raw = (url: string, asked: object) =>
  Effect.promise(() =>
    fetch(`${url}/v1/embeddings`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "assistant", ...asked }),
    }).then(async (response) => ({ status: response.status, text: await response.text() })),
  )

/** What a call of the SDK rejected with. */
const rejected = (client: OpenAI, asked: Asked) =>
  Effect.promise(() =>
    client.embeddings.create({ model: "assistant", ...asked }).then(
      () => assert.fail("expected the client to see an error"),
      (error: unknown) => {
        assert.instanceOf(error, APIError)
        return error as APIError
      },
    ),
  )

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `text ${index}`)

const bedrock = (url: string) =>
  Bedrock.layer({ endpoint: url, region: "us-east-1", bearerToken: Redacted.make(TestGateway.upstreamKey) })

describe("embeddings, through the openai SDK", () => {
  it.live("are equal as floats and as base64", () =>
    Effect.gen(function* () {
      const { client, url } = yield* TestGateway.make()
      const { data, response } = yield* embed(client, { input: ["one", "two"] })
      assert.strictEqual(response.headers.get("x-understudy-deployment"), "primary")
      assert.deepStrictEqual(
        data.data.map(({ embedding, index }) => [index, embedding.length]),
        [
          [0, 8],
          [1, 8],
        ],
      )
      assert.strictEqual(data.usage.prompt_tokens, 2)
      const float = yield* embed(client, { input: ["one", "two"], encoding_format: "float" })
      assert.deepStrictEqual(float.data.data, data.data)
      const base64 = yield* raw(url, { input: ["one", "two"], encoding_format: "base64" })
      assert.isString(JSON.parse(base64.text).data[0].embedding)
      const droppedParams = yield* raw(url, { input: ["one", "two"] })
      assert.deepStrictEqual(JSON.parse(droppedParams.text).data, float.data.data)
    }),
  )

  it.live("pass through as the upstream wrote them", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      const { text } = yield* raw(url, { input: "one", truncate: "END" })
      assert.deepStrictEqual(JSON.parse(text).echo, { truncate: "END" })
      const { body } = yield* upstream.received("primary")
      assert.deepStrictEqual(body, { model: "primary", input: "one", truncate: "END" })
    }),
  )

  it.live("come from the backup when the primary is down", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make()
      for (const fate of ["503", "reset", "half-json"]) {
        yield* upstream.script("primary", fate)
        const { data, response } = yield* embed(client, { input: ["one"], dimensions: 4 })
        assert.strictEqual(response.headers.get("x-understudy-deployment"), "backup", fate)
        assert.strictEqual(response.headers.get("x-understudy-attempts"), "2", fate)
        assert.strictEqual(data.model, "backup")
        assert.strictEqual(data.data[0]?.embedding.length, 4)
      }
      yield* upstream.idle
    }),
  )

  it.live("come in batches from a vendor with another protocol", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make({
        provider: bedrock,
        primary: { model: "cohere.embed-v4:0" },
        route: Route.fallback("primary"),
      })
      const input = numbered(200)
      const { data } = yield* embed(client, { input, user: "someone" })
      assert.strictEqual(data.data.length, 200)
      assert.strictEqual(data.model, "cohere.embed-v4:0")
      assert.strictEqual(yield* upstream.attempts("cohere.embed-v4:0"), 3)
      const last = yield* embed(client, { input: input.slice(-1) })
      assert.deepStrictEqual(data.data[199]?.embedding, last.data.data[0]?.embedding)
    }),
  )

  it.live("are rejected with the invalid field, without counting as a provider failure", () =>
    Effect.gen(function* () {
      const { client, upstream, url } = yield* TestGateway.make()
      const empty = yield* rejected(client, { input: [] })
      assert.strictEqual(empty.status, 400)
      assert.strictEqual(empty.param, "input")
      assert.include(empty.message, "at least one input")
      const wrong = yield* raw(url, { input: "one", dimensions: "many" })
      assert.strictEqual(wrong.status, 400)
      assert.include(wrong.text, "Invalid value for 'dimensions'")
      const unknown = yield* raw(url, { model: "nobody", input: "one" })
      assert.strictEqual(unknown.status, 404)
      assert.deepStrictEqual(yield* upstream.requests, [])
      yield* upstream.script("primary", "invalid-request")
      assert.strictEqual((yield* rejected(client, { input: "one" })).status, 400)
    }),
  )

  it.live("report the attempts when all fail, without the input", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make({ backup: "anthropic" })
      yield* upstream.script("primary", "bad-key")
      const error = yield* rejected(client, { input: "one" })
      assert.strictEqual(error.status, 502)
      assert.include(error.message, "primary: Authentication (401)")
      assert.include(error.message, "backup: does not support embeddings")
      assert.notInclude(JSON.stringify(error), TestGateway.upstreamKey)
    }),
  )

  it.live("release everything when the client disconnects", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make()
      yield* upstream.script("primary", "silent")
      const leaving = new AbortController()
      const asking = client.embeddings
        .create({ model: "assistant", input: "one" }, { signal: leaving.signal })
        .catch((error: unknown) => error)
      const request = yield* upstream.received("primary")
      leaving.abort()
      yield* Effect.promise(() => asking)
      assert.strictEqual(yield* upstream.closed(request), "left")
    }),
  )
})
