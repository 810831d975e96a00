import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as FaultServer from "@understudy/providers/testing"
import * as Vertex from "@understudy/providers/vertex"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { fields } from "../../src/testing/Wire.ts"
import { ask, collect, look, textOf } from "../Asking.ts"
import * as Contract from "../Contract.ts"
import { apiKey } from "../Contract.ts"

const connect =
  (api: Vertex.Api) =>
  (url: string, options: Vertex.Options = {}) =>
    Vertex.make({ project: "search-prod-1", location: "us-east5", accessToken: apiKey, baseUrl: url, api, ...options })

const faulty = (api: Vertex.Api) => Contract.faulty(connect(api))

const failures = [
  ["quota", "QuotaExhausted", 403],
  ["timeout", "Timeout", 504],
] as const

const parent = "projects/search-prod-1/locations/us-east5"

/** The path and the body of the only request, and the text of a response. */
const called = (api: Vertex.Api, model: string) =>
  Effect.gen(function* () {
    const { provider, server } = yield* faulty(api)
    const text = Chat.text(yield* provider.chat(ask(model)))
    const { error, parts } = yield* collect(provider.stream(ask(model)))
    assert.isUndefined(error)
    assert.strictEqual(textOf(parts), text)
    const [plain, stream] = yield* server.requests
    if (plain === undefined || stream === undefined) return assert.fail("two requests")
    for (const { headers } of [plain, stream]) {
      assert.strictEqual(headers.authorization, `Bearer ${Redacted.value(apiKey)}`)
      assert.notProperty(headers, "x-goog-api-key")
      assert.notProperty(headers, "x-api-key")
      assert.notProperty(headers, "anthropic-version")
    }
    return { plain, stream, text, provider }
  })

describe("Gemini", () => {
  Contract.holds({
    connect: connect("gemini"),
    begun: ["start", "text", "usage"],
    broken: [["cut-0", "Network", []]],
    failures,
  })

  it.live("is called at its publisher's path, with the headers of the SDK", () =>
    Effect.gen(function* () {
      const { plain, provider, stream, text } = yield* called("gemini", "gemini-2.5-flash")
      assert.strictEqual(text, FaultServer.line("gemini-2.5-flash"))
      assert.strictEqual(provider.protocol, "gemini")
      const path = `/v1beta1/${parent}/publishers/google/models/gemini-2.5-flash`
      assert.strictEqual(plain.path, `${path}:generateContent`)
      assert.strictEqual(stream.path, `${path}:streamGenerateContent?alt=sse`)
      assert.match(String(plain.headers["user-agent"]), /^google-genai-sdk/)
      assert.deepStrictEqual(plain.body, { contents: [{ role: "user", parts: [{ text: "Hello" }] }] })
    }),
  )

  it.live("may be named with its publisher, or be the endpoint of a tuned model", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty("gemini")
      for (const model of ["google/gemini-pro", "publishers/google/models/gemini-pro", "endpoints/123"]) {
        yield* provider.chat(ask(model))
      }
      assert.deepStrictEqual(
        (yield* server.requests).map(({ path }) => path.slice(`/v1beta1/${parent}/`.length)),
        [
          "publishers/google/models/gemini-pro:generateContent",
          "publishers/google/models/gemini-pro:generateContent",
          "endpoints/123:generateContent",
        ],
      )
    }),
  )

  it.live("counts the fields that make up the input", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty("gemini")
      const count = provider.countTokens ?? assert.fail("it counts nothing")
      const request = ask("ok", { tools: [look], toolChoice: "required", sampling: { maxTokens: 5 } })
      assert.isAbove(yield* count(request), 0)
      const { body, path } = yield* server.received("ok")
      assert.strictEqual(path, `/v1beta1/${parent}/publishers/google/models/ok:countTokens`)
      assert.sameMembers(Object.keys(fields(body)), ["contents", "tools", "generationConfig"])
    }),
  )
})

describe("embeddings", () => {
  const embedding = Effect.gen(function* () {
    const { provider, server } = yield* faulty("gemini")
    const embed = provider.embed ?? assert.fail("it embeds nothing")
    return { embed, server }
  })

  it.live("are predicted, in one request", () =>
    Effect.gen(function* () {
      const { embed, server } = yield* embedding
      const model = "text-embedding-005"
      const { usage, vectors } = yield* embed({ model, input: ["one", "two"], dimensions: 3, purpose: "query" })
      assert.deepStrictEqual(
        vectors.map(({ length }) => length),
        [3, 3],
      )
      assert.deepStrictEqual(usage, { inputTokens: 2, outputTokens: 0 })
      const { body, path } = yield* server.received(model)
      assert.strictEqual(path, `/v1beta1/${parent}/publishers/google/models/${model}:predict`)
      assert.deepStrictEqual(body, {
        instances: [
          { content: "one", task_type: "RETRIEVAL_QUERY" },
          { content: "two", task_type: "RETRIEVAL_QUERY" },
        ],
        parameters: { outputDimensionality: 3 },
      })
    }),
  )

  it.live("are requested one by one from models that take one text, in order", () =>
    Effect.gen(function* () {
      const { embed, server } = yield* embedding
      const single = "gemini-embedding-001"
      const newer = "gemini-embedding-2"
      const input = ["one", "two", "six"]
      for (const model of [single, newer]) {
        const { usage, vectors } = yield* embed({ model, input, user: "u" })
        const alone = yield* Effect.forEach(input, (text) => embed({ model, input: [text] }))
        assert.deepStrictEqual(
          vectors,
          alone.flatMap(({ vectors }) => vectors),
        )
        assert.deepStrictEqual(usage, { inputTokens: 3, outputTokens: 0 })
        assert.strictEqual(yield* server.attempts(model), 6)
      }
      const { body, path } = yield* server.received(newer)
      assert.match(path, /gemini-embedding-2:embedContent$/)
      assert.deepStrictEqual(Object.keys(fields(body)), ["content"])
    }),
  )

  it.live("fail by the table of errors", () =>
    Effect.gen(function* () {
      const { embed } = yield* embedding
      assert.strictEqual((yield* Effect.flip(embed({ model: "429", input: ["one"] }))).reason._tag, "RateLimited")
      assert.strictEqual((yield* Effect.flip(embed({ model: "ok", input: [[1, 2]] }))).reason._tag, "Unsupported")
    }),
  )
})

describe("Claude", () => {
  Contract.holds({
    connect: connect("anthropic"),
    begun: ["start", "usage", "text"],
    broken: [["error-event-after-2-server-error", "ServerError"]],
    failures,
  })

  it.live("is called with the model in the path and the version in the body", () =>
    Effect.gen(function* () {
      const { plain, provider, stream } = yield* called("anthropic", "claude-sonnet-4-5@20250929")
      assert.strictEqual(provider.protocol, "messages")
      const path = `/v1/${parent}/publishers/anthropic/models/claude-sonnet-4-5%4020250929`
      assert.strictEqual(plain.path, `${path}:rawPredict`)
      assert.strictEqual(stream.path, `${path}:streamRawPredict`)
      assert.deepStrictEqual(plain.body, {
        anthropic_version: "vertex-2023-10-16",
        max_tokens: 32_000,
        messages: [{ role: "user", content: [{ type: "text", text: "Hello" }] }],
      })
      assert.deepStrictEqual(stream.body, { ...fields(plain.body), stream: true })
    }),
  )

  it.live("gets a client's own body and beta, without its model, its version and its query", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty("anthropic")
      const body = { model: "assistant", max_tokens: 5, messages: [{ role: "user", content: "Hello" }], later: [1] }
      const headers = { "anthropic-beta": "a-2025-01-01", "anthropic-version": "2023-06-01" }
      const native: Chat.Native = { protocol: "messages", body, headers, query: { beta: "true" } }
      yield* provider.chat(ask("claude-x", { native }))
      const request = yield* server.received("claude-x")
      const { model: _, ...rest } = body
      assert.deepStrictEqual(request.body, { anthropic_version: "vertex-2023-10-16", ...rest })
      assert.strictEqual(request.path, `/v1/${parent}/publishers/anthropic/models/claude-x:rawPredict`)
      assert.strictEqual(request.headers["anthropic-beta"], "a-2025-01-01")
      assert.notProperty(request.headers, "anthropic-version")
    }),
  )

  it.live("counts tokens by a method that has the model in its body", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty("anthropic")
      const count = provider.countTokens ?? assert.fail("it counts nothing")
      assert.isAbove(yield* count(ask("anthropic/claude-x")), 0)
      const { body, path } = yield* server.received("claude-x")
      assert.strictEqual(path, `/v1/${parent}/publishers/anthropic/models/count-tokens:rawPredict`)
      assert.strictEqual(fields(body)["anthropic_version"], "vertex-2023-10-16")
    }),
  )
})

describe("open models", () => {
  Contract.holds({
    connect: connect("openai"),
    begun: ["start", "text"],
    broken: [["error-event-after-2-server-error", "ServerError"]],
    failures,
  })

  it.live("are called at the OpenAI-compatible endpoint", () =>
    Effect.gen(function* () {
      const model = "meta/llama-3.3-70b-instruct-maas"
      const { plain, stream } = yield* called("openai", model)
      for (const { body, path } of [plain, stream]) {
        assert.strictEqual(path, `/v1/${parent}/endpoints/openapi/chat/completions`)
        assert.strictEqual(fields(body)["model"], model)
      }
    }),
  )
})

describe("Mistral's models", () => {
  it.live("are called at their publisher's path, in Mistral's dialect", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty("mistral")
      yield* server.script("mistral-small-2503", [Behavior.answer()])
      for (const model of ["mistral-small-2503", "mistralai/mistral-small-2503@001"]) {
        yield* provider.chat(ask(model, { sampling: { seed: 7 } }))
      }
      yield* collect(provider.stream(ask("mistral-small-2503")))
      const [plain, versioned, stream] = yield* server.requests
      const path = `/v1/${parent}/publishers/mistralai/models/mistral-small-2503`
      assert.strictEqual(plain?.path, `${path}:rawPredict`)
      assert.strictEqual(versioned?.path, `${path}%40001:rawPredict`)
      assert.strictEqual(stream?.path, `${path}:streamRawPredict`)
      assert.deepInclude(fields(plain?.body), { model: "mistral-small-2503", random_seed: 7 })
      assert.deepInclude(fields(versioned?.body), { model: "mistral-small-2503" })
    }),
  )
})

describe("the address", () => {
  it.live("keeps the path of a base address, and has the configured version and headers", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const provider = yield* connect("gemini")(`${server.url}/proxy/`, {
        apiVersion: "v1",
        headers: { "x-goog-user-project": "billing-1" },
      })
      yield* provider.chat(ask("ok"))
      const { headers, path } = yield* server.received("ok")
      assert.strictEqual(path, `/proxy/v1/${parent}/publishers/google/models/ok:generateContent`)
      assert.strictEqual(headers["x-goog-user-project"], "billing-1")
    }),
  )

  it.live("never leads out of the project", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* faulty("gemini")
      const error = yield* Effect.flip(provider.chat(ask("../../../../projects/other")))
      assert.strictEqual(error.reason._tag, "InvalidRequest")
      assert.lengthOf(yield* server.requests, 0)
    }),
  )
})

describe("settings", () => {
  const started = (options: Vertex.Options, environment: Record<string, string> = {}) =>
    Effect.provideService(
      Effect.scoped(Effect.flip(Vertex.make(options))),
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnvRecord(environment),
    )

  const token = Redacted.make("ya29.token")

  it.live("that are missing or not valid are named", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [Vertex.Options, string]> = [
        [
          { accessToken: token, location: "global" },
          "no project: set project on the deployment, or GOOGLE_CLOUD_PROJECT",
        ],
        [{ accessToken: token, project: "p" }, "no location: set location on the deployment, or GOOGLE_CLOUD_LOCATION"],
        [{ accessToken: token, project: "p/../q", location: "global" }, 'project "p/../q" is not the id'],
        [
          { accessToken: token, project: "p", location: "evil.example/x" },
          'location "evil.example/x" is not a location',
        ],
        [{ accessToken: token, credentials: token, project: "p", location: "eu" }, "both credentials and accessToken"],
      ]
      for (const [options, message] of cases) assert.include((yield* started(options)).message, message)
    }),
  )

  it.live("are read from the environment, and tokens are only sent to Google by default", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const environment = { GOOGLE_CLOUD_PROJECT: "from-env-1", GOOGLE_CLOUD_LOCATION: "eu" }
      const provider = yield* Effect.provideService(
        Vertex.make({ baseUrl: server.url }),
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnvRecord({ ...environment, GOOGLE_APPLICATION_CREDENTIALS: "/nowhere.json" }),
      )
      yield* provider.chat(ask("ok"))
      const { headers, path } = yield* server.received("ok")
      assert.match(path, /^\/v1beta1\/projects\/from-env-1\/locations\/eu\//)
      assert.notProperty(headers, "authorization")
      const failure = yield* started({}, { ...environment, GOOGLE_APPLICATION_CREDENTIALS: "/nowhere.json" })
      assert.include(
        failure.message,
        "GOOGLE_APPLICATION_CREDENTIALS: /nowhere.json is no file that can be read: ENOENT",
      )
    }),
  )
})
