import { calcPrice, findProvider } from "@pydantic/genai-prices"
import type { MatchLogic, Usage } from "@pydantic/genai-prices"
import { assert, describe, it } from "@effect/vitest"
import * as Cost from "@understudy/core/internal/model/Cost"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { vendorNames } from "../src/Catalog.ts"
import * as Config from "../src/Config.ts"
import * as Prices from "../src/Prices.ts"

/** The settings of deployments, whose credentials are never read. */
const deploymentsOf = (deployments: object) =>
  Result.getOrThrow(Config.decode({ deployments }, () => undefined)).deployments

const filled = (deployments: object) => Prices.fill(deploymentsOf(deployments))

/** The library's vendors that our vendors are priced by. */
const sources = new Set(
  vendorNames.flatMap((provider) => {
    const from = Prices.source(deploymentsOf({ a: { provider, model: "m" } })["a"]!)
    return from === undefined ? [] : [findProvider(from)!.id]
  }),
)

/** Texts that the conditions of a model's name hold for, mostly. */
const texts = (match: MatchLogic): ReadonlyArray<string> => {
  if ("or" in match) return match.or.flatMap(texts)
  if ("and" in match) {
    return match.and.reduce<ReadonlyArray<string>>(
      (before, each) =>
        before.flatMap((text) => texts(each).map((more) => ("starts_with" in each ? more + text : text + more))),
      [""],
    )
  }
  return "regex" in match ? [] : Object.values(match)
}

/** A name for each model of these vendors, of those that they are called by. */
const models = [...sources].flatMap((providerId) => {
  const all = findProvider({ providerId })!.models
  const names = new Map(
    all
      .flatMap(({ id, match }) => [id, ...texts(match)])
      .flatMap((name) => {
        const id = calcPrice({}, name, { providerId })?.model.id
        return id === undefined ? [] : [[id, name] as const]
      }),
  )
  return all.map(({ id }) => ({ providerId, id, name: names.get(id) ?? "none" }))
})

const sizes = [0, 1, 100, 31_999, 32_000, 32_001, 128_001, 200_000, 200_001, 272_001, 1_000_000]
const share = Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
const use = Schema.Struct({
  inputTokens: Schema.Union([Schema.Literals(sizes), Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2e6 }))]),
  outputTokens: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2e5 })),
  cached: share,
  written: share,
  reasoning: share,
})
const time = Schema.Int.check(Schema.isBetween({ minimum: Date.UTC(2023, 0), maximum: Date.UTC(2028, 0) }))

const usageOf = ({ cached, inputTokens, outputTokens, reasoning, written }: typeof use.Type) => {
  const cachedInputTokens = Math.floor(inputTokens * cached)
  return {
    inputTokens,
    outputTokens,
    cachedInputTokens,
    cacheWriteTokens: Math.floor((inputTokens - cachedInputTokens) * written),
    reasoningTokens: Math.floor(outputTokens * reasoning),
  }
}

const theirs = (usage: ReturnType<typeof usageOf>): Usage => ({
  input_tokens: usage.inputTokens,
  output_tokens: usage.outputTokens,
  cache_read_tokens: usage.cachedInputTokens,
  cache_write_tokens: usage.cacheWriteTokens,
  output_reasoning_tokens: usage.reasoningTokens,
})

describe("Prices", () => {
  it("covers every vendor but local servers and the simulated one", () => {
    const unpriced = vendorNames.filter(
      (provider) => Prices.source(deploymentsOf({ a: { provider, model: "m" } })["a"]!) === undefined,
    )
    assert.deepStrictEqual([...unpriced].sort(), ["ollama", "simulated", "vllm"])
    assert.deepStrictEqual([...sources].sort(), [
      "anthropic",
      "aws",
      "azure",
      "deepseek",
      "fireworks",
      "google",
      "groq",
      "mistral",
      "openai",
      "openrouter",
      "together",
      "x-ai",
    ])
  })

  it.effect.prop(
    "come to what the library computes, for every model of our vendors, at any time and for any usage",
    { use, time },
    ({ time, use }) =>
      Effect.map(Prices.load, ({ find }) => {
        const usage = usageOf(use)
        for (const { name, providerId } of models) {
          const price = find({ providerId }, name)
          if (price === undefined) continue
          const expected = calcPrice(theirs(usage), name, { providerId, timestamp: new Date(time) })!.total_price
          assert.closeTo(Cost.of(price, usage, time), expected, 1e-9 * (1 + expected), `${providerId} ${name}`)
          assert.isAtLeast(Cost.most(price, use.inputTokens, use.outputTokens) * (1 + 1e-9), expected)
        }
      }),
    { arbitrary: { runs: 40 } },
  )

  it.effect("leave out only models that are priced by something else than tokens and requests", () =>
    Effect.map(Prices.load, ({ find }) => {
      for (const { id, name, providerId } of models) {
        if (find({ providerId }, name) !== undefined) continue
        const found = calcPrice({}, name, { providerId })
        assert.strictEqual(found?.model.id, id)
        const keys = Object.keys(found?.model_price ?? {})
        assert.isNotEmpty(keys, `${providerId} ${id}`)
        for (const key of keys) assert.match(key, /_hours$|_kpages$|_text_messages_kcount$/, `${providerId} ${id}`)
      }
    }),
  )

  it("have the version of the library", () => {
    const manifest = new URL("../package.json", import.meta.resolve("@pydantic/genai-prices"))
    const { version } = JSON.parse(readFileSync(manifest, "utf8"))
    assert.strictEqual(Prices.version, `genai-prices ${version}`)
  })
})

describe("Prices.fill", () => {
  it.effect("prices each vendor's models by their ids", () =>
    Effect.map(
      filled({
        gpt: { provider: "openai", model: "gpt-4o" },
        azure: { provider: "azure", model: "gpt-4o", endpoint: "https://private.example.com" },
        bedrock: { provider: "bedrock", model: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0" },
        profile: {
          provider: "bedrock",
          model:
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        },
        everywhere: { provider: "bedrock", model: "global.anthropic.claude-sonnet-4-5-20250929-v1:0" },
        gemini: { provider: "gemini", model: "models/gemini-2.5-pro" },
        vertex: { provider: "vertex", model: "claude-sonnet-4-5@20250929", location: "global" },
        groq: { provider: "groq", model: "llama-3.3-70b-versatile" },
        compatible: { provider: "openai", baseUrl: "https://api.mistral.ai/v1", model: "mistral-large-latest" },
      }),
      (deployments) => {
        const rates = Object.entries(deployments).map(([name, { price }]) => [name, price?.input, price?.output])
        assert.deepStrictEqual(rates, [
          ["gpt", 2.5, 10],
          ["azure", 2.5, 10],
          ["bedrock", 3.3, 16.5],
          ["profile", 3.3, 16.5],
          ["everywhere", 3, 15],
          ["gemini", 1.25, 10],
          ["vertex", 3, 15],
          ["groq", 0.59, 0.79],
          ["compatible", 2, 6],
        ])
        assert.deepStrictEqual(
          deployments["gemini"]?.price?.tiers?.map(({ above, input, output }) => [above, input, output]),
          [[200_000, 2.5, 15]],
        )
        assert.strictEqual(deployments["gpt"]?.price?.version, Prices.version)
        assert.isFalse(Object.values(deployments).some(Prices.isUnknown))
      },
    ),
  )

  it.effect("keeps a price that a deployment sets", () =>
    Effect.map(
      filled({ gpt: { provider: "openai", model: "gpt-4o", price: { input: 1, output: 2 } } }),
      (deployments) => assert.deepStrictEqual(deployments["gpt"]?.price, { input: 1, output: 2 }),
    ),
  )

  it.effect("gives no price to simulated providers and local servers, whose price is not missing", () =>
    Effect.gen(function* () {
      const settings = deploymentsOf({
        simulated: { provider: "simulated", model: "gpt-4o" },
        ollama: { provider: "ollama", model: "gpt-oss:20b" },
        vllm: { provider: "vllm", baseUrl: "https://gpu.example.com/v1", model: "gpt-oss-120b" },
        lan: { provider: "openai", baseUrl: "http://gpu.local:8000/v1", model: "gpt-4o" },
        told: { provider: "openai", baseUrl: "https://gpu.example.com/v1", local: true, model: "gpt-4o" },
      })
      const deployments = yield* Prices.fill(settings)
      assert.deepStrictEqual(deployments, settings)
      assert.isFalse(Object.values(deployments).some(Prices.isUnknown))
    }),
  )

  it.effect("tells which prices are not known", () =>
    Effect.map(
      filled({
        known: { provider: "openai", model: "gpt-4o" },
        unreleased: { provider: "openai", model: "unreleased-1" },
        proxy: { provider: "openai", baseUrl: "https://llm.example.com/v1", model: "gpt-4o" },
        "proxy/*": { provider: "openai", baseUrl: "https://llm.example.com/v1", model: "*" },
      }),
      (deployments) =>
        assert.deepStrictEqual(
          Object.entries(deployments).flatMap(([name, each]) => (Prices.isUnknown(each) ? [name] : [])),
          ["unreleased", "proxy", "proxy/*"],
        ),
    ),
  )

  it.effect("knows the prices of audio and of images", () =>
    Effect.map(
      filled({
        whisper: { provider: "openai", model: "whisper-1" },
        transcribe: { provider: "openai", model: "gpt-4o-transcribe" },
        image: { provider: "openai", model: "gpt-image-1" },
      }),
      ({ image, transcribe, whisper }) => {
        assert.deepInclude(whisper?.price, { input: 0, output: 0 })
        assert.closeTo(whisper?.price?.units?.second ?? 0, 0.36 / 3600, 1e-12)
        assert.strictEqual(transcribe?.price?.units?.audioInput, 6)
        assert.strictEqual(image?.price?.units?.imageInput, 10)
      },
    ),
  )

  it.effect("prices a wildcard by the model that is called", () =>
    Effect.map(filled({ "anthropic/*": { provider: "anthropic", model: "*" } }), (deployments) => {
      const { price, priceOf } = deployments["anthropic/*"]!
      assert.isUndefined(price)
      assert.strictEqual(priceOf?.("claude-opus-4-1")?.input, 15)
      assert.strictEqual(priceOf?.("claude-sonnet-4-5")?.input, 3)
      assert.isUndefined(priceOf?.("no-such-model"))
      assert.isFalse(Prices.isUnknown(deployments["anthropic/*"]!))
    }),
  )
})
