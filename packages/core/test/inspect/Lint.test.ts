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
  known: Lint.Known = {},
) =>
  Lint.lint(
    routes,
    Object.fromEntries(Object.entries(deployments).map(([name, options]) => [name, { model: name, ...options }])),
    defaults,
    known,
  )

const warnings = (...args: Parameters<typeof report>) =>
  Result.getOrThrow(report(...args)).warnings.map(({ message, path }) => `${path}: ${message}`)

const worst = (...args: Parameters<typeof report>) => Result.getOrThrow(report(...args)).worstCases

describe("Lint.lint, warnings", () => {
  it("returns no warnings for sound routes", () => {
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

  it("warns of operations that a deployment lists and its vendor is not known to have", () => {
    const operations = ["rerank", "files"] as const
    const deployments = { a: { operations }, b: { operations }, c: { operations }, d: {} }
    const known = {
      operations: new Map([
        ["a", new Set(["files"] as const)],
        ["b", new Set(operations)],
        ["d", new Set<never>()],
      ]),
    }
    assert.deepStrictEqual(warnings({}, deployments, {}, known), [
      "deployments.a: lists rerank in `operations`, which its vendor is not known to have: if it answers such a call with 404, the next deployment is tried. Remove what it does not have",
    ])
  })

  it("warns of affinity that has no effect", () => {
    const affinity = { affinity: {} }
    const inside = Route.when([{ if: {}, use: Route.balance("cost", ["b", "off"], affinity) }], "a")
    assert.deepStrictEqual(
      warnings(
        {
          sound: Route.balance("latency", ["a", "b"], affinity),
          one: Route.balance("cost", ["a"], affinity),
          inside,
          vectors: Route.balance("cost", ["e", "f"], affinity),
        },
        {
          a: {},
          b: {},
          off: { weight: 0 },
          e: { model: "text-embedding-3-small" },
          f: { model: "text-embedding-3-small" },
        },
      ),
      [
        'routes.one: "a" is the only deployment of a balance with affinity, which has no effect there: remove it',
        'routes.inside: "off" is never tried: its weight is 0',
        'routes.inside: "b" is the only deployment of a balance with affinity, which has no effect there: remove it',
        'routes.vectors: affinity has no effect on the balance of "e", "f": embeddings have no prompt cache',
      ],
    )
  })

  it("fails for invalid routes", () => {
    const failed = report({ one: Route.to("two"), two: Route.to("one") }, { a: {} })
    assert.isTrue(Result.isFailure(failed) && failed.failure[0]?.message.startsWith("refers to itself"))
  })

  it("warns of a single deployment with accept", () => {
    const routes = {
      alone: Route.to("a").pipe(Route.accept("schema"), Route.stream({ protect: "full" })),
      two: Route.fallback("a", "b").pipe(Route.accept("schema"), Route.stream({ protect: "full" })),
      free: Route.to("a"),
    }
    assert.deepStrictEqual(warnings(routes, { a: {}, b: {} }), [
      'routes.alone: "a" is the only deployment, with `accept`: a response that misses it is an error',
    ])
  })

  it("warns of accept on streams that are not held", () => {
    const routes = {
      plain: Route.fallback("a", "b").pipe(Route.accept({ refusal: false })),
      held: Route.fallback("a", "b").pipe(Route.accept({ refusal: false }), Route.stream({ protect: "full" })),
    }
    assert.deepStrictEqual(warnings(routes, { a: {}, b: {} }), [
      "routes.plain: streams are not checked by `accept`: set `stream: { protect: full }` to hold and check them",
    ])
  })

  it("warns of keywords of a schema that are not checked", () => {
    const schema = { type: "object", properties: { at: { type: "string", format: "date" } } }
    const held = Route.fallback("a", "b").pipe(Route.accept({ schema }), Route.stream({ protect: "full" }))
    assert.deepStrictEqual(warnings({ held }, { a: {}, b: {} }), [
      "routes.held: `accept.schema` has keywords that are not checked: format",
    ])
  })

  it("warns of deployments that are never tried, or listed twice", () => {
    assert.deepStrictEqual(
      warnings(
        { assistant: Route.fallback("a", Route.balance("shuffle", ["b", "c"]), "a") },
        { a: {}, b: {}, c: { weight: 0 } },
      ),
      [
        'routes.assistant: "c" is never tried: its weight is 0',
        'routes.assistant: "a" appears 2 times in this route: later entries only run after it has already failed',
      ],
    )
  })

  it("warns of a deployment that timeouts before it leave no time for", () => {
    const slow = { timeout: { attempt: "20 seconds", firstToken: "1 second" } } as const
    const route = (total: "40 seconds" | "41 seconds" | "2 seconds") => ({
      assistant: Route.fallback("a", "b", "c", "d").pipe(Route.timeout({ total })),
    })
    const all = { a: slow, b: slow, c: slow, d: slow }
    assert.deepStrictEqual(warnings(route("40 seconds"), all), [
      `routes.assistant: "c" is not tried in a non-streamed call if all deployments before it time out: they take up to 40s, and the call's total timeout is 40s`,
    ])
    assert.deepStrictEqual(warnings(route("41 seconds"), all), [
      `routes.assistant: "d" is not tried in a non-streamed call if all deployments before it time out: they take up to 1m, and the call's total timeout is 41s`,
    ])
    assert.deepStrictEqual(warnings(route("2 seconds"), { ...all, a: {}, b: {} }).length, 1)
    assert.include(
      warnings(route("2 seconds"), {
        a: { timeout: { attempt: 1, firstToken: "2 seconds" } },
        b: {},
        c: {},
        d: {},
      })[0] ?? "",
      '"c" is not tried in a non-streamed call',
    )
  })

  it("warns of a queue in which a call may wait for its whole time, and of one without limits", () => {
    const route = { assistant: Route.fallback("a", "b").pipe(Route.timeout({ total: "30 seconds" })) }
    const waits = (maxWait: "30 seconds" | "29 seconds") => ({
      a: { limits: { concurrency: 1, queue: { maxWait } } },
      b: { limits: { rpm: 1, queue: {} } },
    })
    assert.deepStrictEqual(
      warnings(route, waits("29 seconds")).filter((each) => each.includes("queue")),
      [],
    )
    assert.deepStrictEqual(
      warnings(route, waits("30 seconds")).filter((each) => each.includes("queue")),
      [
        'routes.assistant: calls wait up to 30s in the queue of "a", and the call\'s total timeout is 30s: set its `maxWait` lower',
      ],
    )
    assert.deepStrictEqual(
      warnings(route, { a: { limits: { queue: {} } }, b: {} }).filter((each) => each.includes("queue")),
      ["deployments.a: has a queue but no limits, so no call waits: set `limits.concurrency`, `rpm`, `rpd` or `tpm`"],
    )
  })

  it("warns of fallbacks with fewer capabilities or a smaller context window than the first deployment", () => {
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
        'routes.assistant: "blind" does not support tools, vision: it is a fallback for "lead" only in calls without',
        'routes.assistant: "small" has a context window of 8000 tokens, "lead" of 128000: it is a fallback only for calls that fit',
      ],
    )
  })

  it("warns of different embedding models, not of different locations of one model", () => {
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
        'routes.apart: "other" embeds with bge-m3, "small" with text-embedding-3-small: vectors of different models are not comparable',
        'routes.apart: "large" embeds with text-embedding-3-large, "small" with text-embedding-3-small: vectors of different models are not comparable',
      ],
    )
  })

  it("reports a warning of a route once, not again for routes that use it", () => {
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
        'routes.inner: "a" appears 2 times in this route: later entries only run after it has already failed',
        'routes.own: "b" appears 2 times in this route: later entries only run after it has already failed',
      ],
    )
  })
})

describe("Lint.lint, the worst case", () => {
  it("adds up attempts, time and price", () => {
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

  it("is at most the total timeout, and includes the longest Retry-After", () => {
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

  it("gives any deployment without a timeout the time of the last: those after it may not fit the call", () => {
    const limited = { timeout: { attempt: "1 second" } } as const
    const defaults = { retry: { times: 0 } }
    const millis = (route: Route.Route, all: Parameters<typeof report>[1]) => worst({ route }, all, defaults)[0]?.millis
    const total = 300_000
    assert.strictEqual(millis(Route.fallback("a", "b"), { a: limited, b: limited }), 2000)
    assert.strictEqual(millis(Route.fallback("a", "b"), { a: {}, b: limited }), total)
    assert.strictEqual(millis(Route.balance("shuffle", ["a", "b"]), { a: {}, b: limited }), total)
    // No timeout leads to the branch.
    assert.strictEqual(millis(Route.onError(["RateLimited"], "b")("a"), { a: {}, b: limited }), total)
  })

  it("includes the waits in queues, for each attempt and each account", () => {
    const limited = {
      limits: { concurrency: 1, queue: { maxWait: "3 seconds" } },
      timeout: { attempt: "1 second" },
      retry: { times: 1, base: 0, max: 0, maxRetryAfter: 0 },
    } as const
    const millis = (all: Parameters<typeof report>[1], known?: Lint.Known) =>
      worst({ route: Route.to("a") }, all, {}, known)[0]?.millis
    assert.strictEqual(millis({ a: limited }), 2 * 1000 + 2 * 3000)
    assert.strictEqual(millis({ a: limited }, { accounts: new Map([["a", 2]]) }), 3 * 1000 + 4 * 3000)
    assert.strictEqual(millis({ a: { ...limited, limits: { queue: {} } } }), 2000)
    assert.strictEqual(millis({ a: { ...limited, limits: { rpm: 1, queue: { max: 0 } } } }), 2000)
  })

  it("includes racers that are tried again", () => {
    const defaults = { retry: { times: 1 } }
    const hedge = Route.hedge({ after: "1 second", across: ["a", "b"] })
    const attempts = (route: Route.Route, all: Parameters<typeof report>[1] = {}) =>
      worst({ route }, { a: {}, b: {}, c: {}, ...all }, defaults)[0]?.attempts
    assert.strictEqual(attempts(hedge), 4)
    // The one that lost takes over the stream of the one that won.
    for (const protect of ["continue", "full"] as const)
      assert.strictEqual(attempts(hedge.pipe(Route.stream({ protect }))), 5)
    // One is interrupted for the branch, and tried again when the call has waited for limits.
    const branched = hedge.pipe(Route.onError(["RateLimited"], "c"))
    assert.strictEqual(attempts(branched), 6)
    assert.strictEqual(attempts(branched, { c: { limits: { rpm: 1, queue: {} } } }), 10)
  })

  it("uses the highest rates", () => {
    const price = { input: 1, output: 1, reasoning: 10, cacheWrite: 2, request: 0.5 }
    const peak = { ...price, request: 2, when: { start: 0, end: 3_600_000 } }
    const dollars = (of: Deployment.Price) =>
      worst({ route: Route.to("a") }, { a: { price: of, retry: { times: 0 }, capabilities: { maxOutput: 1000 } } })[0]
        ?.dollars
    assert.strictEqual(dollars(price), 0.512)
    assert.strictEqual(dollars({ ...price, changes: [peak] }), 2.012)
  })
})

describe("Lint.lint, conditions", () => {
  const route = Route.when([{ if: { tags: ["vip"] }, use: Route.fallback("a", "b") }], "a")

  it("does not combine the paths of different cases", () => {
    assert.deepStrictEqual(warnings({ assistant: route }, { a: {}, b: {} }), [])
  })

  it("uses the worst path for the worst case", () => {
    const [found] = worst({ assistant: route }, { a: {}, b: {} }, { retry: { times: 0 } })
    assert.strictEqual(found?.attempts, 2)
  })
})
