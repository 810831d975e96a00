/** OpenAI-compatible vendors and Azure over a socket: the URL and the credentials of each. */
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Local from "../../src/Local.ts"
import * as OpenAi from "@understudy/providers/openai"
import * as Azure from "@understudy/providers/internal/openai/Azure"
import * as Compatible from "@understudy/providers/internal/openai/Compatible"
import { compatible, openAi } from "@understudy/providers/internal/protocols/chat-completions/Compatibility"
import * as FaultServer from "@understudy/providers/testing"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { fields } from "../../src/testing/Wire.ts"

const names = Object.keys(Compatible.vendors) as ReadonlyArray<Compatible.Name>

const environment = (env: Record<string, string> = {}) =>
  Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))

const ask = (more: Partial<Chat.Request> = {}): Chat.Request => ({
  model: "ok",
  messages: [Chat.user("Hello")],
  ...more,
})

const apiKey = Redacted.make("secret-key")

describe("a compatible vendor", () => {
  it.live("gets its own parameters and the configured key", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      for (const vendor of names) {
        const provider = yield* OpenAi.make({ vendor, apiKey, baseUrl: `${server.url}/${vendor}/v1` })
        yield* provider.chat(ask({ sampling: { maxTokens: 5 } }))
        yield* Stream.runDrain(provider.stream(ask()))
        const [whole, streamed] = (yield* server.requests).slice(-2)
        assert.strictEqual(whole?.path, `/${vendor}/v1/chat/completions`)
        assert.strictEqual(whole?.headers.authorization, "Bearer secret-key")
        const { dialect } = Compatible.vendors[vendor]
        assert.deepStrictEqual(whole?.body, {
          model: "ok",
          messages: [{ role: "user", content: "Hello" }],
          [dialect.maxTokens]: 5,
          ...(Local.isServer(vendor) ? { stream: true, stream_options: { include_usage: true } } : undefined),
        })
        assert.deepStrictEqual(
          fields(streamed?.body)["stream_options"],
          dialect.streamOptions ? { include_usage: true } : undefined,
        )
      }
    }).pipe(environment(), Effect.scoped),
  )

  it.effect("uses its own environment variable, at its own URL only", () =>
    Effect.gen(function* () {
      for (const vendor of names) {
        const { variable } = Compatible.vendors[vendor]
        const made = OpenAi.make({ vendor })
        if (variable === undefined) {
          yield* environment()(made)
          continue
        }
        const error = yield* Effect.flip(environment()(made))
        assert.include(error.message, variable)
        assert.strictEqual("provider" in error ? error.provider : undefined, vendor)
        yield* environment({ [variable]: "k" })(made)
      }
    }),
  )

  it.live("gets no key but the configured one at another URL", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const provider = yield* OpenAi.make({ vendor: "groq", baseUrl: `${server.url}/v1` })
      yield* provider.chat(ask())
      assert.notProperty((yield* server.received("ok")).headers, "authorization")
    }).pipe(environment({ GROQ_API_KEY: "k", OPENAI_API_KEY: "k" }), Effect.scoped),
  )

  it("is recognised by its URL", () => {
    assert.strictEqual(Compatible.at("https://api.deepseek.com/v1").dialect, Compatible.vendors.deepseek.dialect)
    assert.isTrue(Compatible.at("https://generativelanguage.googleapis.com/v1beta/openai/").dialect.signatures)
    assert.strictEqual(Compatible.at("http://127.0.0.1:11434/v1").dialect, compatible)
    assert.strictEqual(Compatible.at("no address").dialect, compatible)
  })
})

describe("Azure", () => {
  it.live("uses the v1 API, or a dated API at the deployment's URL", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const now = yield* Azure.make({ endpoint: `${server.url}/`, apiKey })
      yield* now.chat(ask({ sampling: { maxTokens: 5 } }))
      const dated = yield* Azure.make({ endpoint: server.url, apiKey, apiVersion: "2024-10-21" })
      yield* Stream.runDrain(dated.stream(ask()))
      const [v1, old] = yield* server.requests
      assert.strictEqual(v1?.path, "/openai/v1/chat/completions")
      assert.strictEqual(old?.path, "/openai/deployments/ok/chat/completions?api-version=2024-10-21")
      for (const request of [v1, old]) {
        assert.strictEqual(request?.headers["api-key"], "secret-key")
        assert.notProperty(request?.headers, "authorization")
      }
      assert.deepStrictEqual(v1?.body, {
        model: "ok",
        messages: [{ role: "user", content: "Hello" }],
        [openAi.maxTokens]: 5,
      })
      const error = yield* Effect.flip(now.chat(ask({ model: "bad-key" })))
      assert.notInclude(error.message, "secret-key")
    }).pipe(environment(), Effect.scoped),
  )

  it.live("gets a Responses client's prompt_cache_key like OpenAI, unlike a compatible vendor", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const keyed = ask({ vendor: { responses: { prompt_cache_key: "5f1c", "text.verbosity": "low" } } })
      const azure = yield* Azure.make({ endpoint: server.url, apiKey })
      assert.deepStrictEqual((yield* azure.chat(keyed)).droppedParams, ["text.verbosity"])
      const groq = yield* OpenAi.make({ vendor: "groq", apiKey, baseUrl: `${server.url}/v1` })
      assert.deepStrictEqual((yield* groq.chat(keyed)).droppedParams, ["prompt_cache_key", "text.verbosity"])
      const [told, untold] = yield* server.requests
      assert.strictEqual(fields(told?.body)["prompt_cache_key"], "5f1c")
      assert.notProperty(untold?.body, "prompt_cache_key")
    }).pipe(environment(), Effect.scoped),
  )

  it.effect("names missing options", () =>
    Effect.gen(function* () {
      const start = (env: Record<string, string>) => Effect.flip(environment(env)(Azure.make()))
      assert.include((yield* start({})).message, "AZURE_OPENAI_API_KEY")
      assert.include((yield* start({ AZURE_OPENAI_API_KEY: "k" })).message, "AZURE_OPENAI_ENDPOINT")
      const env = { AZURE_OPENAI_API_KEY: "k", AZURE_OPENAI_ENDPOINT: "https://mine.openai.azure.com" }
      yield* environment(env)(Azure.make())
    }),
  )
})
