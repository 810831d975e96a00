import { assert, describe, it } from "@effect/vitest"
import { Provider } from "@understudy/core/Provider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Anthropic from "../src/anthropic/Anthropic.ts"
import * as Config from "../src/Config.ts"
import { isLocal } from "../src/config/Address.ts"
import * as Gemini from "../src/gemini/Gemini.ts"
import * as Local from "../src/Local.ts"
import * as OpenAi from "../src/openai/OpenAi.ts"
import * as Transport from "../src/transport/Transport.ts"

describe("a local deployment", () => {
  it("is one at this machine's own address, by whichever name, or beside it", () => {
    const hosts = [
      "127.0.0.1",
      "127.1.2.3",
      "localhost",
      "models.localhost",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "gpu.local",
    ]
    for (const host of [...hosts, "0.0.0.0", "host.docker.internal"]) {
      assert.isTrue(Local.isLocal("openai", `http://${host}:8080/v1`), host)
    }
    for (const host of ["api.openai.com", "10.0.0.7", "localhost.example.com", "127.0.0.1.example.com", "[::2]"]) {
      assert.isFalse(Local.isLocal("openai", `http://${host}/v1`), host)
    }
    assert.isFalse(Local.isLocal("openai", "no address"))
    assert.isFalse(Local.isLocal("openai", undefined))
  })

  it.effect("is what its provider says, whatever it speaks", () =>
    Effect.gen(function* () {
      const local = <E>(layer: Layer.Layer<Provider, E>) =>
        Effect.map(Effect.provide(Provider, layer), (provider) => provider.local === true)
      const here = "http://127.0.0.1:9/v1"
      const there = "https://models.example.com/v1"
      const apiKey = Redacted.make("sk-a")
      const openai = (options: OpenAi.Options) => Layer.provide(OpenAi.layer(options), Transport.layer)
      assert.isTrue(yield* local(openai({ baseUrl: here })))
      assert.isTrue(yield* local(openai({ baseUrl: here, api: "responses" })))
      assert.isTrue(yield* local(openai({ vendor: "ollama" })))
      assert.isTrue(yield* local(openai({ vendor: "vllm", baseUrl: there })))
      assert.isTrue(yield* local(Layer.provide(Anthropic.layer({ baseUrl: here }), Transport.layer)))
      assert.isTrue(yield* local(Layer.provide(Gemini.layer({ baseUrl: here }), Transport.layer)))
      assert.isFalse(yield* local(openai({ baseUrl: there })))
      assert.isFalse(yield* local(openai({ baseUrl: here, local: false })))
      assert.isTrue(yield* local(openai({ baseUrl: there, local: true })))
      assert.isFalse(yield* local(Layer.provide(Anthropic.layer({ baseUrl: here, local: false }), Transport.layer)))
      assert.isFalse(yield* local(Layer.provide(Gemini.layer({ baseUrl: here, local: false }), Transport.layer)))
      assert.isFalse(yield* local(openai({ apiKey })))
      assert.isFalse(yield* local(openai({ vendor: "groq", apiKey })))
    }),
  )

  it("is known of a configuration before anything has started", () => {
    const { deployments } = Result.getOrThrow(
      Config.decode(
        {
          deployments: {
            ollama: { provider: "ollama", model: "m" },
            vllm: { provider: "vllm", model: "m", baseUrl: "https://gpu.example.com/v1" },
            llama: { provider: "openai", model: "m", baseUrl: "http://localhost:8080/v1" },
            claude: { provider: "anthropic", model: "m", baseUrl: "http://127.0.0.1:4000" },
            openai: { provider: "openai", model: "m", apiKey: "sk-a" },
            proxy: { provider: "openai", model: "m", baseUrl: "http://127.0.0.1:4000/v1", local: false },
            far: { provider: "gemini", model: "m", apiKey: "g", local: true },
            sim: { provider: "simulated", model: "m" },
          },
        },
        () => undefined,
      ),
    )
    const local = Object.entries(deployments).flatMap(([name, settings]) => (isLocal(settings) ? [name] : []))
    assert.deepStrictEqual(local, ["ollama", "vllm", "llama", "claude", "far"])
  })
})

describe("an account", () => {
  it.effect("changes with the credential, and tells nothing of it", () =>
    Effect.gen(function* () {
      const account = (key: string) =>
        Effect.map(
          Effect.provide(Provider, Layer.provide(OpenAi.layer({ apiKey: Redacted.make(key) }), Transport.layer)),
          (provider) => provider.account ?? "",
        )
      const [one, again, other] = [yield* account("sk-one"), yield* account("sk-one"), yield* account("sk-other")]
      assert.strictEqual(one, again)
      assert.notStrictEqual(one, other)
      assert.match(one, /^[0-9a-f]{8}$/)
    }),
  )
})
