import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"
import * as Cost from "../../src/model/Cost.ts"

describe("Cost.of", () => {
  it("prices cached and cache-write tokens separately from other input", () => {
    const usage = {
      inputTokens: 1_000_000,
      outputTokens: 100_000,
      cachedInputTokens: 400_000,
      cacheWriteTokens: 100_000,
    }
    const price = { input: 3, output: 15, cachedInput: 0.3, cacheWrite: 3.75 }
    assert.closeTo(Cost.of(price, usage), 0.5 * 3 + 0.4 * 0.3 + 0.1 * 3.75 + 0.1 * 15, 1e-9)
  })

  it("uses the input price for cached tokens if the price does not set one, and accepts a price of 0", () => {
    assert.strictEqual(
      Cost.of({ input: 2, output: 0 }, { inputTokens: 500_000, outputTokens: 9, cachedInputTokens: 1 }),
      1,
    )
  })
})

describe("Cost.of with tiers", () => {
  const price = {
    input: 1,
    output: 10,
    tiers: [
      { above: 500_000, input: 4, output: 40 },
      { above: 200_000, input: 2, output: 20, cachedInput: 0.5 },
    ],
  }

  it("prices the whole call at the highest tier that its input reaches, in any order", () => {
    const costOf = (inputTokens: number) => Cost.of(price, { inputTokens, outputTokens: 100_000 })
    assert.closeTo(costOf(200_000), 0.2 * 1 + 0.1 * 10, 1e-9)
    assert.closeTo(costOf(200_001), 0.200001 * 2 + 0.1 * 20, 1e-9)
    assert.closeTo(costOf(600_000), 0.6 * 4 + 0.1 * 40, 1e-9)
  })

  it("counts cached tokens to the length of the input", () => {
    const usage = { inputTokens: 300_000, outputTokens: 0, cachedInputTokens: 200_000 }
    assert.closeTo(Cost.of(price, usage), 0.1 * 2 + 0.2 * 0.5, 1e-9)
  })
})

describe("Cost.of with reasoning tokens and a price per request", () => {
  it("prices reasoning tokens apart from the rest of the output, and adds the price of the request", () => {
    const usage = { inputTokens: 0, outputTokens: 1_000_000, reasoningTokens: 400_000 }
    assert.closeTo(
      Cost.of({ input: 1, output: 2, reasoning: 3, request: 0.005 }, usage),
      0.6 * 2 + 0.4 * 3 + 0.005,
      1e-9,
    )
    assert.closeTo(Cost.of({ input: 1, output: 2 }, usage), 2, 1e-9)
  })
})

describe("Cost.at", () => {
  const day = 86_400_000
  const hour = 3_600_000
  const june = Date.UTC(2026, 5, 1)
  const price = {
    input: 1,
    output: 1,
    changes: [
      { when: { from: june }, input: 2, output: 2 },
      { when: { start: 22 * hour, end: 2 * hour }, input: 3, output: 3 },
    ],
  }

  it("takes the last of the tariffs that hold at a time", () => {
    assert.strictEqual(Cost.at(price, june - day + 12 * hour).input, 1)
    assert.strictEqual(Cost.at(price, june + 12 * hour).input, 2)
    assert.strictEqual(Cost.at(price, june + 2 * hour).input, 2)
  })

  it("wraps times of day past midnight, with an exclusive end", () => {
    assert.strictEqual(Cost.at(price, june - 2 * hour).input, 3)
    assert.strictEqual(Cost.at(price, june + 2 * hour - 1).input, 3)
    assert.strictEqual(Cost.at(price, june + 22 * hour - 1).input, 2)
  })

  it("takes the last date outside of special hours without a time", () => {
    assert.strictEqual(Cost.at(price).input, 2)
    assert.strictEqual(Cost.of(price, { inputTokens: 1_000_000, outputTokens: 0 }), 2)
    assert.strictEqual(Cost.of(price, { inputTokens: 1_000_000, outputTokens: 0 }, june - 2 * hour), 3)
  })
})

describe("Cost.most", () => {
  const share = Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
  const rate = Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 100 }))
  const tokens = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))
  const rates = {
    input: rate,
    output: rate,
    cachedInput: Schema.optional(rate),
    cacheWrite: Schema.optional(rate),
    reasoning: Schema.optional(rate),
    request: Schema.optional(rate),
  }
  const tariff = { ...rates, tiers: Schema.optional(Schema.Array(Schema.Struct({ ...rates, above: tokens }))) }
  const time = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 * 86_400_000 }))
  const timeOfDay = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400_000 }))
  const when = Schema.Union([Schema.Struct({ from: time }), Schema.Struct({ start: timeOfDay, end: timeOfDay })])
  const price = Schema.Struct({
    ...tariff,
    changes: Schema.optional(Schema.Array(Schema.Struct({ ...tariff, when }))),
  })

  it.prop(
    "is at least the cost of every call with at most these tokens, at any time",
    {
      price,
      time,
      inputTokens: tokens,
      outputTokens: tokens,
      shares: Schema.Tuple([share, share, share, share, share]),
    },
    ({ inputTokens, outputTokens, price, shares: [input, output, cached, written, reasoning], time }) => {
      const used = {
        inputTokens: Math.floor(inputTokens * input),
        outputTokens: Math.floor(outputTokens * output),
      }
      const cachedInputTokens = Math.floor(used.inputTokens * cached)
      const usage = {
        ...used,
        cachedInputTokens,
        cacheWriteTokens: Math.floor((used.inputTokens - cachedInputTokens) * written),
        reasoningTokens: Math.floor(used.outputTokens * reasoning),
      }
      const most = Cost.most(price, inputTokens, outputTokens)
      assert.isAtLeast(most + 1e-9, Cost.of(price, usage, time))
      assert.isAtLeast(most + 1e-9, Cost.of(price, usage))
    },
  )

  it("is reached by a call that costs as much as any of its size", () => {
    const price = { input: 1, output: 2, cacheWrite: 1.25, tiers: [{ above: 10, input: 4, output: 3 }] }
    assert.closeTo(Cost.most(price, 10, 5), (10 * 1.25 + 5 * 2) / 1_000_000, 1e-12)
    assert.closeTo(Cost.most(price, 11, 5), (11 * 4 + 5 * 3) / 1_000_000, 1e-12)
  })
})

describe("the cost of an attempt", () => {
  const usage = { inputTokens: 1_000_000, outputTokens: 0 }

  const costs = (options: Partial<Deployment.Options>, model = "only") => {
    const provider = Testing.script([Testing.reply("yes", { usage })]).layer
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const { receipt } = yield* router.chat({ model, messages: [Chat.user("Why?")] })
      return receipt.attempts.map(({ cost, priceVersion }) => [cost, priceVersion])
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            only: Deployment.make({ model: "m", provider, ...options }),
            "any/*": Deployment.make({ model: "*", provider, ...options }),
          },
        }),
      ),
    )
  }

  it.effect("has the version of its price", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* costs({ price: { input: 2, output: 1 } }), [[2, "configured"]])
      assert.deepStrictEqual(yield* costs({ price: { input: 2, output: 1, version: "list 7" } }), [[2, "list 7"]])
      assert.deepStrictEqual(yield* costs({}), [[undefined, undefined]])
    }),
  )

  it.effect("is by the price at the start of the call", () =>
    Effect.gen(function* () {
      const price = { input: 1, output: 1, changes: [{ when: { from: 60_000 }, input: 5, output: 5 }] }
      assert.deepStrictEqual(yield* costs({ price }), [[1, "configured"]])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* costs({ price }), [[5, "configured"]])
    }),
  )

  it.effect("is by the model that was called, of a deployment with a wildcard", () =>
    Effect.gen(function* () {
      const priceOf = (model: string) => (model === "large" ? { input: 9, output: 1 } : undefined)
      assert.deepStrictEqual(yield* costs({ priceOf }, "any/large"), [[9, "configured"]])
      assert.deepStrictEqual(yield* costs({ priceOf }, "any/small"), [[undefined, undefined]])
      assert.deepStrictEqual(yield* costs({ priceOf, price: { input: 2, output: 1 } }, "any/large"), [
        [2, "configured"],
      ])
    }),
  )
})
