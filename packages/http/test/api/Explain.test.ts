import { assert, describe, it } from "@effect/vitest"
import { Route } from "@understudy/core"
import type * as Explain from "@understudy/core/Explain"
import * as Effect from "effect/Effect"
import * as TestGateway from "../TestGateway.ts"

const hello = { model: "assistant", messages: [{ role: "user" as const, content: "Hello?" }] }

interface Availability {
  readonly type: string
  readonly capability?: string
  readonly retry_after_ms?: number
}

interface Explained extends Omit<Explain.ExplainedDeployment, "_tag" | "availability" | "checks"> {
  readonly availability: Availability
  readonly checks: { readonly circuit: Availability }
}

/** What the endpoint answers with: an explanation of a route that is a fallback of two, or names one, or an error. */
interface Told extends Omit<Explain.Explanation, "plan"> {
  readonly plan: {
    readonly type: "sequence"
    readonly strategy: "fallback"
    readonly plans: ReadonlyArray<Explained>
    readonly deployment: string
  }
  readonly error: { readonly code: string; readonly param: string }
}

describe("POST /v1/route/explain", () => {
  const explain = (url: string, body: object, query = "", headers: Record<string, string> = {}) =>
    Effect.promise(() =>
      fetch(`${url}/v1/route/explain${query}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      }).then(async (answer) => ({ status: answer.status, body: (await answer.json()) as Told })),
    )

  it.live("gives the tree of a chat completions request, as it stands just now, and asks nobody", () =>
    Effect.gen(function* () {
      const { client, upstream, url } = yield* TestGateway.make({ primary: { capabilities: { tools: false } } })
      yield* upstream.script("primary", "bad-key")
      const before = yield* explain(url, hello)
      assert.strictEqual(before.status, 200)
      assert.deepStrictEqual(
        [before.body.route, before.body.streaming, before.body.total, before.body.plan.strategy],
        ["assistant", false, 300_000, "fallback"],
      )
      assert.strictEqual(yield* upstream.attempts("primary"), 0)
      yield* Effect.promise(() => client.chat.completions.create(hello))
      const tools = [{ type: "function", function: { name: "weather" } }]
      const { body } = yield* explain(url, { ...hello, tools, stream: true })
      assert.deepStrictEqual([body.streaming, body.requires], [true, ["tools"]])
      const [primary, backup] = body.plan.plans
      assert.deepStrictEqual(primary?.availability, { type: "missing_capability", capability: "tools" })
      const circuit = primary?.checks.circuit
      assert.isAbove(circuit?.type === "circuit_open" ? (circuit.retry_after_ms ?? 0) : 0, 290_000)
      assert.deepStrictEqual([backup?.deployment, backup?.availability], ["backup", { type: "available" }])
      assert.deepStrictEqual(backup?.policies.retry, { times: 0, base: 500, max: 8000, maxRetryAfter: 5000 })
      assert.deepStrictEqual([yield* upstream.attempts("primary"), yield* upstream.attempts("backup")], [1, 1])
    }),
  )

  it.live("goes by the headers that the call itself would be sent with", () =>
    Effect.gen(function* () {
      const conditions = [
        { if: { tags: ["vip"] }, use: "backup" },
        { if: { headers: { "x-understudy-tier": "batch" } }, use: "backup" },
      ]
      const { url } = yield* TestGateway.make({ route: Route.when(conditions, "primary") })
      const who = (headers: Record<string, string>) =>
        Effect.map(explain(url, hello, "", headers), ({ body }) => [body.plan.deployment, body.total])
      assert.deepStrictEqual(yield* who({}), ["primary", 300_000])
      assert.deepStrictEqual(yield* who({ "x-understudy-tags": "eu, vip" }), ["backup", 300_000])
      assert.deepStrictEqual(yield* who({ "x-understudy-tier": "batch", "x-request-timeout-ms": "900" }), [
        "backup",
        900,
      ])
    }),
  )

  it.live("reads the bodies of every protocol that has clients", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      const bodies: ReadonlyArray<readonly [query: string, body: object, streaming: boolean]> = [
        ["?protocol=chat-completions", { ...hello, stream: true }, true],
        ["?protocol=responses", { model: "assistant", input: "Hello?", stream: true }, true],
        ["?protocol=messages", { ...hello, max_tokens: 10, system: "Be brief.", stream: true }, true],
        [
          "?protocol=gemini&model=assistant&stream=true",
          { contents: [{ role: "user", parts: [{ text: "Hello?" }] }] },
          true,
        ],
        ["?protocol=embeddings", { model: "assistant", input: ["Hello?"] }, false],
        ["?protocol=gemini-embeddings&model=assistant", { content: { parts: [{ text: "Hello?" }] } }, false],
      ]
      for (const [query, body, streaming] of bodies) {
        const told = yield* explain(url, body, query)
        assert.deepStrictEqual(
          [told.status, told.body.route, told.body.streaming],
          [200, "assistant", streaming],
          query,
        )
        assert.deepStrictEqual(told.body.requires, query.includes("embeddings") ? ["embeddings"] : [], query)
      }
      const unknown = yield* explain(url, hello, "?protocol=grpc")
      assert.deepStrictEqual([unknown.status, unknown.body.error.param], [400, "protocol"])
      const wrong = yield* explain(url, { model: "assistant" }, "?protocol=embeddings")
      assert.deepStrictEqual([wrong.status, wrong.body.error.param], [400, "input"])
      assert.strictEqual(yield* upstream.attempts("primary"), 0)
    }),
  )

  it.live("refuses what the endpoint it explains would refuse, in the same shape", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      const unknown = yield* explain(url, { ...hello, model: "nobody" })
      assert.deepStrictEqual([unknown.status, unknown.body.error.code], [404, "model_not_found"])
      const wrong = yield* explain(url, { model: "assistant" })
      assert.deepStrictEqual([wrong.status, wrong.body.error.param], [400, "messages"])
    }),
  )
})
