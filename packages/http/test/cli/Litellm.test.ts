/** LiteLLM's configuration, served as it is: what its users' clients meet. */
import { afterAll, assert, layer } from "@effect/vitest"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as FaultServer from "@understudy/providers/testing"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import OpenAI from "openai"
import { clean, start, url } from "./Process.ts"

afterAll(clean)

const config = (upstream: string) => `
x-upstream: &upstream { api_base: "${upstream}/v1", api_key: os.environ/UPSTREAM_KEY }
model_list:
  - { model_name: gpt-4o, litellm_params: { model: openai/broken, <<: *upstream } }
  - { model_name: backup, litellm_params: { model: openai/backup, <<: *upstream } }
  - { model_name: limited, rpm: 3, litellm_params: { model: openai/primary, <<: *upstream } }
  - { model_name: "any/*", litellm_params: { model: "openai/*", <<: *upstream } }
router_settings:
  enable_pre_call_checks: true
  num_retries: 0
  model_group_alias: { gpt-4: gpt-4o }
  fallbacks: [{ "gpt-4o": ["backup"] }, { "limited": ["backup"] }]
litellm_settings: { callbacks: [otel] }
general_settings: { master_key: os.environ/MASTER_KEY }
`

/** A gateway over a fault server, and the client of one of its users. */
const serve = Effect.gen(function* () {
  const upstream = yield* FaultServer.make()
  yield* upstream.script("broken", "503")
  yield* upstream.script("backup", [Behavior.answer({ text: "From the backup" })])
  yield* upstream.script("primary", [Behavior.answer({ text: "From the primary" })])
  yield* upstream.script("none-of-that-name", "unknown-model")
  const serving = start(["--port", "0", "--config", "config.yaml"], {
    files: { "config.yaml": config(upstream.url) },
    env: { UPSTREAM_KEY: "sk-upstream", MASTER_KEY: "sk-1234" },
  })
  const base = yield* Effect.promise(() => url(serving))
  const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "sk-1234", maxRetries: 0, logLevel: "off" })
  const ask = (model: string) =>
    Effect.tryPromise({
      try: () => client.chat.completions.create({ model, messages: [{ role: "user", content: "Hello?" }] }),
      catch: (error) => error as InstanceType<typeof OpenAI.APIError>,
    })
  return { ask, client, serving, upstream }
})

class Served extends Context.Service<Served, Effect.Success<typeof serve>>()("test/Served") {}

layer(Layer.effect(Served, serve), { excludeTestServices: true, timeout: 30_000 })("a LiteLLM configuration", (it) => {
  it.effect("is answered by the fallback when the primary is broken, whole and streamed, by an alias too", () =>
    Effect.gen(function* () {
      const { ask, client, serving } = yield* Served
      for (const model of ["gpt-4o", "gpt-4"]) {
        const answer = yield* ask(model)
        assert.strictEqual(answer.choices[0]?.message.content, "From the backup")
      }
      const text = yield* Effect.promise(async () => {
        let text = ""
        const messages = [{ role: "user" as const, content: "Hello?" }]
        for await (const chunk of await client.chat.completions.create({ model: "gpt-4o", messages, stream: true })) {
          text += chunk.choices[0]?.delta.content ?? ""
        }
        return text
      })
      assert.strictEqual(text, "From the backup")
      const stranger = client.withOptions({ apiKey: "sk-12345" })
      const refused = yield* Effect.flip(Effect.tryPromise(() => stranger.models.list()))
      assert.match(String(refused.cause), /401/)
      assert.match(
        serving.printed(),
        /litellm_settings\.callbacks: otel: traces are exported where OTEL_EXPORTER_OTLP_ENDPOINT says/,
      )
      assert.notInclude(serving.printed(), "sk-upstream")
      assert.notInclude(serving.printed(), "sk-1234")
    }),
  )

  it.effect("holds a deployment to its limit, and goes on from there", () =>
    Effect.gen(function* () {
      const { ask } = yield* Served
      const answers = yield* Effect.all(
        Array.from({ length: 10 }, () => ask("limited")),
        { concurrency: "unbounded" },
      )
      const texts = answers.map(({ choices }) => choices[0]?.message.content)
      assert.strictEqual(texts.filter((text) => text === "From the primary").length, 3)
      assert.strictEqual(texts.filter((text) => text === "From the backup").length, 7)
    }),
  )

  it.effect("serves every model that a * stands for, and lists those that are named", () =>
    Effect.gen(function* () {
      const { ask, client, upstream } = yield* Served
      assert.strictEqual((yield* ask("any/ok")).choices[0]?.finish_reason, "stop")
      assert.strictEqual(yield* upstream.attempts("ok"), 1)
      const error = yield* Effect.flip(ask("any/none-of-that-name"))
      assert.deepStrictEqual([error.status, error.code, error.param], [404, "model_not_found", "model"])
      assert.strictEqual((yield* ask("any/backup")).choices[0]?.message.content, "From the backup")
      const { data } = yield* Effect.promise(() => client.models.list())
      assert.deepStrictEqual(
        data.map(({ id }) => id),
        ["gpt-4o", "limited", "gpt-4", "gpt-4o@openai", "backup", "limited@openai"],
      )
      const found = yield* Effect.promise(() => client.models.retrieve("any/thing"))
      assert.strictEqual(found.id, "any/thing")
    }),
  )
})
