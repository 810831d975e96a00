import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { RouterError } from "@understudy/core/RouterError"
import * as ProviderChain from "@understudy/providers/ProviderChain"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"

/** An OpenAI, an Anthropic and a second OpenAI at a fault server, whose fates are their models' names. */
const links = (url: string, fates: readonly [string, string, string]): Parameters<typeof ProviderChain.make>[0] => [
  { provider: "openai", model: fates[0], apiKey: "sk-1", baseUrl: `${url}/v1`, timeout: "2s" },
  { provider: "anthropic", model: fates[1], apiKey: "sk-2", baseUrl: url, weight: 2 },
  { provider: "openai", model: fates[2], apiKey: "sk-3", baseUrl: `${url}/v1` },
]

const scene = (
  fates: readonly [string, string, string],
  options: ProviderChain.Options,
  play: (chain: ProviderChain.Chain, upstream: Effect.Success<ReturnType<typeof FaultServer.make>>) => Promise<void>,
) =>
  Effect.gen(function* () {
    const upstream = yield* FaultServer.make()
    yield* Effect.promise(async () => {
      await using chain = ProviderChain.make(links(upstream.url, fates), { retry: { times: 0 }, ...options })
      await play(chain, upstream)
    })
  })

describe("a chain", () => {
  it.live("answers from the first available provider, with its name, model and latency", () => {
    const failovers: Array<string> = []
    const successes: Array<string> = []
    return scene(
      ["a/503", "b/ok", "c/ok"],
      {
        onFailover: (from, to, reason) => failovers.push(`${from} -> ${to}: ${reason}`),
        onSuccess: ({ provider }) => successes.push(provider),
      },
      async (chain) => {
        const answer = await chain.chat("What is the capital of France?")
        assert.strictEqual(answer.provider, "anthropic")
        assert.strictEqual(answer.model, "b/ok")
        assert.strictEqual(answer.content, FaultServer.line("b/ok"))
        assert.isAtLeast(answer.latency, 0)
        assert.deepStrictEqual(
          answer.receipt.attempts.map(({ deployment }) => deployment),
          ["openai", "anthropic"],
        )
        await chain.close()
        assert.deepStrictEqual(failovers, ["openai -> anthropic: Overloaded"])
        assert.deepStrictEqual(successes, ["anthropic"])
      },
    )
  })

  it.live("accepts a whole request", () =>
    scene(["a/ok", "b/ok", "c/ok"], {}, async (chain, upstream) => {
      await chain.chat({
        messages: [Chat.system("You are helpful."), Chat.user("Explain quantum computing")],
        sampling: { temperature: 0.7, maxTokens: 500 },
      })
      const [sent] = await Effect.runPromise(upstream.requests)
      assert.deepInclude(sent?.body, { temperature: 0.7, max_tokens: 500 })
    }),
  )

  it.live("falls back on any error, InvalidRequest included", () =>
    scene(["a/invalid-request", "b/bad-key", "c/ok"], {}, async (chain) => {
      const { provider } = await chain.chat("Hello?")
      assert.strictEqual(provider, "openai-2")
    }),
  )

  it.live("skips a provider that fails repeatedly", () =>
    scene(["a/503", "b/ok", "c/ok"], { circuit: { failures: 3, open: "60s" } }, async (chain, upstream) => {
      for (let call = 0; call < 5; call++) await chain.chat("Hello?")
      const asked = (await Effect.runPromise(upstream.requests)).map(({ model }) => model)
      assert.strictEqual(asked.filter((model) => model === "a/503").length, 3)
      assert.strictEqual(asked.filter((model) => model === "b/ok").length, 5)
    }),
  )

  it.live("streams text", () =>
    scene(["a/503", "b/ok", "c/ok"], {}, async (chain) => {
      let text = ""
      for await (const piece of chain.stream("Hello?")) text += piece
      assert.strictEqual(text, FaultServer.line("b/ok"))
    }),
  )

  it.live("prefers the fastest provider once each was tried", () =>
    scene(["a/slow-first-token", "b/ok", "c/ok"], { strategy: "latency" }, async (chain) => {
      const providers: Array<string> = []
      for (let call = 0; call < 6; call++) providers.push((await chain.chat("Hello?")).provider)
      assert.deepStrictEqual(new Set(providers.slice(0, 3)), new Set(["openai", "anthropic", "openai-2"]))
      assert.notInclude(providers.slice(3), "openai")
    }),
  )

  it.live("rejects with all attempts when every provider fails", () =>
    scene(["a/503", "b/503", "c/503"], {}, async (chain) => {
      const error = await chain.chat("Hello?").catch((error: unknown) => error)
      assert.instanceOf(error, RouterError)
      assert.strictEqual(error.receipt?.attempts.length, 3)
    }),
  )

  it("rejects invalid links with every problem", async () => {
    await using chain = ProviderChain.make([{ provider: "openai", model: "gpt-4o", apiKee: "sk-1", timeout: "soon" }])
    const error = await chain.chat("Hello?").catch((error: unknown) => error)
    assert.instanceOf(error, ProviderChain.InvalidChain)
    assert.match(error.message, /^deployments\.openai\.apiKee: unknown key `apiKee`: did you mean `apiKey`\?/m)
    assert.match(error.message, /^deployments\.openai\.timeout\.attempt: expected a duration/m)
  })
})
