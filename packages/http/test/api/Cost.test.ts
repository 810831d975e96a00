/** What a call costs, as clients and metrics of the gateway show it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Route } from "@understudy/core"
import * as HttpReply from "../../src/api/HttpReply.ts"
import * as TestGateway from "../TestGateway.ts"

const hello = { model: "assistant", messages: [{ role: "user", content: "Hello?" }] }

const ask = (url: string, body: object = hello) => Effect.promise(() => TestGateway.post(url, JSON.stringify(body)))

const metrics = (url: string) => Effect.promise(() => fetch(`${url}/metrics`).then((answer) => answer.text()))

const costOf = ({ headers }: { readonly headers: Headers }) => headers.get("x-understudy-cost")

const primary = { price: { input: 1, output: 10 } }

describe("x-understudy-cost", () => {
  it.live("is what a complete response cost, by the usage in it", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ primary })
      const answer = yield* ask(url)
      const { usage } = JSON.parse(answer.text)
      assert.isAbove(usage.prompt_tokens + usage.completion_tokens, 0)
      const cost = (usage.prompt_tokens + 10 * usage.completion_tokens) / 1e6
      assert.strictEqual(Number(costOf(answer)), Number(cost.toFixed(9)))
      assert.match(costOf(answer) ?? "", /^\d+(?:\.\d+)?$/)
      assert.notInclude(yield* metrics(url), "understudy_unpriced_attempts_total")
    }).pipe(Effect.scoped),
  )

  it.live("is not on a stream, whose cost is not known yet", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ primary })
      assert.isNull(costOf(yield* ask(url, { ...hello, stream: true })))
    }).pipe(Effect.scoped),
  )

  it.live("is 0 for a response from the cache", () =>
    Effect.gen(function* () {
      const route = Route.fallback("primary").pipe(Route.cache({ ttl: "1 minute" }))
      const { url } = yield* TestGateway.make({ primary, route })
      assert.notStrictEqual(costOf(yield* ask(url)), "0")
      assert.strictEqual(costOf(yield* ask(url)), "0")
    }).pipe(Effect.scoped),
  )

  it.live("is not there without a price, and a metric counts the attempt", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      assert.isNull(costOf(yield* ask(url)))
      assert.match(yield* metrics(url), /^understudy_unpriced_attempts_total\{deployment="primary"\} 1$/m)
    }).pipe(Effect.scoped),
  )

  const attempt = { deployment: "a", model: "m", type: "initial", startedAt: 0, outcome: "success", millis: 1 } as const
  const receiptOf = (cost: number | undefined) => ({
    id: "1",
    route: "assistant",
    model: "assistant",
    protocol: undefined,
    caller: undefined,
    team: undefined,
    tags: [],
    operation: "chat" as const,
    streaming: false,
    traceId: undefined,
    spanId: undefined,
    startedAt: 0,
    needs: undefined,
    deployment: "a",
    split: undefined,
    shadowOf: undefined,
    attempts: [{ ...attempt, usage: { inputTokens: 1, outputTokens: 1 }, cost }],
    skipped: [],
    droppedParams: undefined,
    cache: undefined,
    affinity: undefined,
    firstTokenMillis: undefined,
    queuedMillis: undefined,
    outcome: "success" as const,
    error: undefined,
    millis: 1,
  })
  const headerOf = (...costs: ReadonlyArray<number | undefined>) =>
    HttpReply.headers({ ...receiptOf(0), attempts: costs.flatMap((cost) => receiptOf(cost).attempts) }, "names")[
      "x-understudy-cost"
    ]

  it("is the sum of all attempts as a plain decimal", () => {
    assert.strictEqual(headerOf(0.00042), "0.00042")
    assert.strictEqual(headerOf(1e-7), "0.0000001")
    assert.strictEqual(headerOf(20, 0.5), "20.5")
    assert.strictEqual(headerOf(10), "10")
    assert.strictEqual(headerOf(0), "0")
  })

  it("is not known if the cost of an attempt is not", () => {
    assert.isUndefined(headerOf(0.1, undefined))
  })

  it("is hidden where nothing about deployments is exposed", () => {
    assert.notProperty(HttpReply.headers(receiptOf(0.1), "none"), "x-understudy-cost")
  })
})
