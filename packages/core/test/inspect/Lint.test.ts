import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import type { Defaults } from "../../src/policy/Policies.ts"
import type * as Deployment from "../../src/deployment/Deployment.ts"
import * as Lint from "../../src/inspect/Lint.ts"
import * as Route from "../../src/route/Route.ts"

const report = (
  routes: Record<string, Route.Route>,
  deployments: Record<string, Partial<Deployment.Options>>,
  defaults: Defaults = {},
) =>
  Lint.lint(
    routes,
    Object.fromEntries(Object.entries(deployments).map(([name, options]) => [name, { model: name, ...options }])),
    defaults,
  )

const warnings = (...args: Parameters<typeof report>) =>
  Result.getOrThrow(report(...args)).warnings.map(({ message, path }) => `${path}: ${message}`)

const worst = (...args: Parameters<typeof report>) => Result.getOrThrow(report(...args)).worstCases

describe("Lint.lint, warnings", () => {
  it("finds nothing where there is nothing", () => {
    assert.deepStrictEqual(
      warnings(
        { assistant: Route.fallback("a", Route.balance("shuffle", ["b", "c"])) },
        {
          a: { capabilities: { vision: false, contextWindow: 1000 } },
          b: { capabilities: { contextWindow: 1000 } },
          c: { capabilities: { vision: false } },
        },
      ),
      [],
    )
  })

  it("is not for routes that do not fit together", () => {
    const failed = report({ one: Route.to("two"), two: Route.to("one") }, { a: {} })
    assert.isTrue(Result.isFailure(failed) && failed.failure[0]?.message.startsWith("goes round in a circle"))
  })

  it("names a candidate that is alone though its answers are checked", () => {
    const routes = {
      alone: Route.to("a").pipe(Route.accept("schema")),
      two: Route.fallback("a", "b").pipe(Route.accept("schema")),
      free: Route.to("a"),
    }
    assert.deepStrictEqual(warnings(routes, { a: {}, b: {} }), [
      'routes.alone: "a" is alone with accept: schema: an answer that is not accepted becomes an error',
    ])
  })

  it("names candidates that are never asked, or twice", () => {
    assert.deepStrictEqual(
      warnings(
        { assistant: Route.fallback("a", Route.balance("shuffle", ["b", "c"]), "a") },
        { a: {}, b: {}, c: { weight: 0 } },
      ),
      [
        'routes.assistant: "c" is never asked by its balance: its weight is 0',
        'routes.assistant: "a" stands in it 2 times: whoever comes to it again has seen it fail',
      ],
    )
  })

  it("names the first that silence before it keeps from being asked", () => {
    const slow = { timeout: { attempt: "20 seconds", firstToken: "1 second" } } as const
    const route = (total: "40 seconds" | "41 seconds" | "2 seconds") => ({
      assistant: Route.fallback("a", "b", "c", "d").pipe(Route.timeout({ total })),
    })
    const all = { a: slow, b: slow, c: slow, d: slow }
    assert.deepStrictEqual(warnings(route("40 seconds"), all), [
      'routes.assistant: "c" comes too late for a plain call when all before it are silent: they may take 40s, the call 40s',
    ])
    assert.deepStrictEqual(warnings(route("41 seconds"), all), [
      'routes.assistant: "d" comes too late for a plain call when all before it are silent: they may take 1m, the call 41s',
    ])
    assert.deepStrictEqual(warnings(route("2 seconds"), { ...all, a: {}, b: {} }).length, 1)
    assert.include(
      warnings(route("2 seconds"), {
        a: { timeout: { attempt: 1, firstToken: "2 seconds" } },
        b: {},
        c: {},
        d: {},
      })[0] ?? "",
      '"c" comes too late for a plain call',
    )
  })

  it("names fallbacks that can do less, or read less, than the first", () => {
    assert.deepStrictEqual(
      warnings(
        { assistant: Route.fallback("lead", "blind", "small", "same") },
        {
          lead: { capabilities: { vision: true, contextWindow: 128_000 } },
          blind: { capabilities: { vision: false, tools: false } },
          small: { capabilities: { contextWindow: 8000 } },
          same: { capabilities: { contextWindow: 128_000 } },
        },
      ),
      [
        'routes.assistant: "blind" cannot do tools, vision: it stands in for "lead" only in calls without',
        'routes.assistant: "small" has a window of 8000 tokens, "lead" of 128000: it stands in only for calls that fit',
      ],
    )
  })

  it("names vectors that cannot be compared: of another model, not of another place", () => {
    const embeds = (model: string) => ({ model, capabilities: { embeddings: true } })
    assert.deepStrictEqual(
      warnings(
        {
          same: Route.balance("shuffle", ["east", "west", "anywhere"]),
          apart: Route.fallback("small", "other", "large"),
          talk: Route.fallback("small", "chat"),
        },
        {
          east: { model: "us.cohere.embed-v4:0" },
          west: { model: "eu.cohere.embed-v4:0" },
          anywhere: { model: "cohere/embed-v4:0" },
          small: { model: "text-embedding-3-small" },
          large: { model: "text-embedding-3-large" },
          other: embeds("bge-m3"),
          chat: { model: "embedded-chat", capabilities: { embeddings: false } },
        },
      ),
      [
        'routes.apart: "other" embeds by bge-m3, "small" by text-embedding-3-small: vectors of two models are not comparable',
        'routes.apart: "large" embeds by text-embedding-3-large, "small" by text-embedding-3-small: vectors of two models are not comparable',
      ],
    )
  })

  it("says what is wrong with a route once, not again of those that name it", () => {
    assert.deepStrictEqual(
      warnings(
        {
          inner: Route.fallback("a", "a"),
          outer: Route.fallback("inner", "b"),
          own: Route.fallback("b", "inner", "b"),
        },
        { a: {}, b: {} },
      ),
      [
        'routes.inner: "a" stands in it 2 times: whoever comes to it again has seen it fail',
        'routes.own: "b" stands in it 2 times: whoever comes to it again has seen it fail',
      ],
    )
  })
})

describe("Lint.lint, the worst case", () => {
  it("counts attempts, time and price", () => {
    assert.deepStrictEqual(
      worst(
        { assistant: Route.fallback("a", "b", Route.balance("ordered", ["c", "never"])) },
        {
          a: { price: { input: 1, output: 10 }, capabilities: { maxOutput: 1000 }, retry: { times: 2 } },
          b: { price: { input: 1, output: 1 }, retry: { times: 0 } },
          c: { retry: { times: 1 } },
          never: { weight: 0, price: { input: 100, output: 100 } },
        },
        {
          retry: { base: "1 second", max: "2 seconds", maxRetryAfter: 0 },
          timeout: { attempt: "10 seconds", total: "10 minutes" },
        },
      ),
      [
        {
          route: "assistant",
          attempts: 6,
          millis: 3 * 10_000 + 1200 + 2000 + 10_000 + 2 * 10_000 + 1200,
          dollars: 3 * 0.011 + 0.005096,
          unpriced: ["c"],
        },
      ],
    )
  })

  it("is never longer than the call may take, and waits for Retry-After as long as it may", () => {
    const deployments = { a: { retry: { times: 1 }, timeout: { attempt: "1 second" } } } as const
    const route = Route.fallback("a")
    assert.deepStrictEqual(
      worst({ route, short: route.pipe(Route.timeout({ total: "3 seconds" })) }, deployments).map(
        ({ dollars, millis }) => [millis, dollars],
      ),
      [
        [7000, undefined],
        [3000, undefined],
      ],
    )
  })
})

describe("Lint.lint, conditions", () => {
  const route = Route.when([{ if: { tags: ["vip"] }, use: Route.fallback("a", "b") }], "a")

  it("does not take two ways for one", () => {
    assert.deepStrictEqual(warnings({ assistant: route }, { a: {}, b: {} }), [])
  })

  it("takes the worst way for the worst case", () => {
    const [found] = worst({ assistant: route }, { a: {}, b: {} }, { retry: { times: 0 } })
    assert.strictEqual(found?.attempts, 2)
  })
})
