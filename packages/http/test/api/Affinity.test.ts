/** `x-understudy-affinity` and sessions through the gateway: what callers see of their conversations, and of those of others. */
import { assert, describe, it } from "@effect/vitest"
import { Route } from "@understudy/core"
import * as Behavior from "@understudy/providers/internal/testing/Behavior"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Level } from "../../src/auth/Expose.ts"
import type { ConfiguredKey } from "../../src/auth/VirtualKey.ts"
import * as TestGateway from "../TestGateway.ts"

const route = Route.balance("round-robin", ["primary", "backup"], { affinity: {} }).pipe(Route.retry({ times: 0 }))

const key = (id: string): ConfiguredKey => ({ id, key: Redacted.make(`sk-${id}`) })

const gateway = (expose: Level) => TestGateway.make({ route, keys: [key("one"), key("two")], auth: { expose } })

const hello = { model: "assistant", messages: [{ role: "user", content: "Hello?" }] }

const post = (url: string, id: string, headers: Record<string, string>, body: object = {}) =>
  Effect.promise(async () => {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer sk-${id}`, ...headers },
      body: JSON.stringify({ ...hello, ...body }),
    })
    await response.text()
    assert.strictEqual(response.status, 200)
    const [deployment, affinity] = ["deployment", "affinity"].map((name) =>
      response.headers.get(`x-understudy-${name}`),
    )
    return [deployment ?? null, affinity ?? null] as const
  })

const session = { "x-session-id": "s" }

describe("affinity", () => {
  it.live("keeps the sessions of two keys apart, though they have one id", () =>
    Effect.gen(function* () {
      const { url } = yield* gateway("names")
      assert.deepStrictEqual(yield* post(url, "one", session), ["primary", "new"])
      assert.deepStrictEqual(yield* post(url, "two", session), ["backup", "new"])
      for (let turn = 0; turn < 3; turn++) {
        assert.deepStrictEqual(yield* post(url, "one", session), ["primary", "kept"])
        assert.deepStrictEqual(yield* post(url, "two", session, { stream: true }), ["backup", "kept"])
      }
    }).pipe(Effect.scoped),
  )

  it.live("knows the session of a body, and prefers that of a header", () =>
    Effect.gen(function* () {
      const { url } = yield* gateway("names")
      assert.deepStrictEqual(yield* post(url, "one", {}, { prompt_cache_key: "s" }), ["primary", "new"])
      assert.deepStrictEqual(yield* post(url, "one", { "session-id": "t" }, { prompt_cache_key: "s" }), [
        "backup",
        "new",
      ])
      assert.deepStrictEqual(yield* post(url, "one", { "session-id": "s" }), ["primary", "kept"])
    }).pipe(Effect.scoped),
  )

  it.live("shows the reason of a move only to those who may see the state of deployments", () =>
    Effect.gen(function* () {
      for (const [level, told] of [
        ["full", ["backup", "moved; reason=overloaded"]],
        ["names", ["backup", "moved"]],
        ["none", [null, null]],
      ] as const) {
        const { upstream, url } = yield* gateway(level)
        yield* post(url, "one", session)
        yield* upstream.script("primary", [Behavior.refuse("overloaded")])
        assert.deepStrictEqual(yield* post(url, "one", session), told, level)
      }
    }).pipe(Effect.scoped),
  )

  it.live("explains a request with its session", () =>
    Effect.gen(function* () {
      const { url } = yield* gateway("full")
      yield* post(url, "one", { "x-session-id": "other" })
      yield* post(url, "one", session)
      const explained = yield* Effect.promise(async () => {
        const response = await fetch(`${url}/v1/route/explain`, {
          method: "POST",
          headers: { "content-type": "application/json", authorization: "Bearer sk-one", ...session },
          body: JSON.stringify(hello),
        })
        return (await response.json()) as { readonly plan: { readonly affinity: unknown } }
      })
      assert.deepStrictEqual(explained.plan.affinity, { by: "session", ttl: 3_600_000, kept: "backup" })
    }).pipe(Effect.scoped),
  )
})
