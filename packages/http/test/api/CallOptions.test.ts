import { assert, describe, it } from "@effect/vitest"
import { Route } from "@understudy/core"
import * as Effect from "effect/Effect"
import * as TestGateway from "../TestGateway.ts"

const hello = { model: "assistant", messages: [{ role: "user" as const, content: "Hello?" }] }

const json = { "content-type": "application/json" }

describe("what a client says of its call", () => {
  it.live("ends it at the client's own deadline, and closes the upstream", () =>
    Effect.gen(function* () {
      const { router, upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "silent")
      const ask = (body: object) =>
        Effect.promise(() => TestGateway.post(url, JSON.stringify(body), { ...json, "x-request-timeout-ms": "40" }))
      for (const stream of [false, true]) {
        const { status, text } = yield* ask({ ...hello, stream })
        assert.strictEqual(status, 504)
        assert.include(text, "the caller's timeout")
      }
      yield* upstream.idle
      assert.strictEqual(yield* upstream.attempts("backup"), 0)
      assert.deepStrictEqual(
        (yield* router.status).map(({ circuit, inFlight }) => [circuit, inFlight]),
        [
          ["closed", 0],
          ["closed", 0],
        ],
      )
    }),
  )

  it.live("refuses a deadline that is none", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      for (const wrong of ["soon", "0", "-5"]) {
        const { status, text } = yield* Effect.promise(() =>
          TestGateway.post(url, JSON.stringify(hello), { ...json, "x-request-timeout-ms": wrong }),
        )
        assert.strictEqual(status, 400)
        assert.include(text, "x-request-timeout-ms")
      }
    }),
  )

  it.live("shows its tags and some of its headers to conditions, never its credentials", () =>
    Effect.gen(function* () {
      const route = Route.when(
        [
          { if: { tags: ["vip"] }, use: "backup" },
          { if: { headers: { "x-understudy-tier": "batch" } }, use: "backup" },
          { if: { headers: { authorization: "Bearer key" } }, use: "backup" },
        ],
        "primary",
      )
      const { url } = yield* TestGateway.make({ route })
      const who = (headers: Record<string, string>) =>
        Effect.map(
          Effect.promise(() => TestGateway.post(url, JSON.stringify(hello), { ...json, ...headers })),
          ({ headers }) => headers.get("x-understudy-deployment"),
        )
      assert.strictEqual(yield* who({}), "primary")
      assert.strictEqual(yield* who({ "x-understudy-tags": "beta, vip" }), "backup")
      assert.strictEqual(yield* who({ "x-understudy-tier": "batch" }), "backup")
      assert.strictEqual(yield* who({ authorization: "Bearer key" }), "primary")
    }),
  )
})

describe("a hedge, through sockets", () => {
  it.live("answers from whoever is first, and closes the loser's connection", () =>
    Effect.gen(function* () {
      const route = Route.hedge({ after: "20 millis", across: ["primary", "backup"] })
      const { upstream, url } = yield* TestGateway.make({ route })
      yield* upstream.script("primary", "silent")
      for (const stream of [false, true]) {
        const { headers, text } = yield* Effect.promise(() =>
          TestGateway.post(url, JSON.stringify({ ...hello, stream })),
        )
        assert.strictEqual(headers.get("x-understudy-deployment"), "backup")
        if (stream) assert.include(text, "[DONE]")
      }
      yield* upstream.idle
      const endings = (yield* upstream.requests).map(({ ended, model }) => `${model} ${ended?.how}`)
      assert.deepStrictEqual(endings, ["primary left", "backup answered", "primary left", "backup answered"])
      const metrics = yield* Effect.promise(() => fetch(`${url}/metrics`).then((answer) => answer.text()))
      assert.match(metrics, /understudy_hedges_total\{.*from="primary".*to="backup".*\} 2/)
    }),
  )
})
