/** `GET /admin/spend` and `GET /admin/calls`, and who sees what of them. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { AttemptRow, CallRow, Entry } from "../../../src/ledger/Rows.ts"
import { opened, write } from "../../ledger/TestLedger.ts"
import { onEach } from "../../store/Databases.ts"
import * as AdminGateway from "./AdminGateway.ts"

const at = Date.UTC(2026, 10, 28, 12)

const entry = (id: string, names: Partial<CallRow>): Entry => {
  const used = {
    input_tokens: 100,
    cached_input_tokens: 50,
    cache_write_tokens: 0,
    output_tokens: 20,
    reasoning_tokens: 0,
    cost: 2_500_000,
    price_version: "configured",
    estimated: 0,
  }
  const attempt: AttemptRow = {
    call_id: id,
    position: 0,
    deployment: "demo",
    vendor: "simulated",
    model: "any",
    outcome: "success",
    reason: null,
    status: null,
    millis: 4,
    ...used,
  }
  const call: CallRow = {
    id,
    at,
    key_id: "",
    team_id: "",
    tags: `["=a"]`,
    route: "assistant",
    model: "assistant",
    deployment: "demo",
    vendor: "simulated",
    served_model: "any",
    protocol: "messages",
    streamed: 1,
    outcome: "success",
    reason: null,
    status: null,
    cache: null,
    millis: 5,
    first_token_millis: 2,
    attempts: 1,
    attempt_millis: 4,
    split: null,
    shadow_of: null,
    ...used,
    ...names,
  }
  return { call, attempts: [attempt] }
}

onEach("spend and calls", ({ database }) => {
  /** A gateway with a team, a key of it, another key, and calls of both and of the operator. */
  const books = Effect.gen(function* () {
    const place = yield* Effect.promise(database)
    const gateway = yield* AdminGateway.make(place)
    const team = (yield* gateway.post("/admin/teams", { name: "platform" })).body
    const key = (name: string, more: object = {}) =>
      Effect.map(gateway.post("/admin/keys", { name, ...more }), ({ body }) => body)
    const ci = yield* key("ci", { team: "platform" })
    const other = yield* key("other")
    const manager = yield* key("manager", { team: "platform", role: "team-admin" })
    const viewer = yield* key("viewer", { role: "viewer" })
    yield* write(yield* opened(place), [
      entry("c1", { key_id: ci.id, team_id: team.id }),
      entry("c2", { key_id: ci.id, team_id: team.id, at: at + 86_400_000, outcome: "failure" }),
      entry("c3", { key_id: other.id }),
      entry("c4", {}),
    ])
    return { gateway, team, ci, other, manager, viewer }
  })

  it.live("answers what was spent by key, with names beside ids", () =>
    Effect.gen(function* () {
      const { ci, gateway, other } = yield* books
      const { body, headers, status } = yield* gateway.get("/admin/spend?by=key")
      assert.strictEqual(status, 200)
      assert.strictEqual(headers.get("cache-control"), "no-store")
      assert.sameDeepMembers(
        body.rows.map(({ calls, cost, inputTokens, key, keyName, outputTokens }: Record<string, unknown>) => ({
          calls,
          cost,
          inputTokens,
          key,
          keyName,
          outputTokens,
        })),
        [
          { key: ci.id, keyName: "ci", calls: 2, inputTokens: 200, outputTokens: 40, cost: 0.005 },
          { key: other.id, keyName: "other", calls: 1, inputTokens: 100, outputTokens: 20, cost: 0.0025 },
          { key: "", keyName: null, calls: 1, inputTokens: 100, outputTokens: 20, cost: 0.0025 },
        ],
      )
      const days = yield* gateway.get("/admin/spend?by=team,tag&every=day&from=2026-11-28&to=2026-11-29&team=")
      assert.deepStrictEqual(
        days.body.rows.map(({ calls, start, tag, teamName }: Record<string, unknown>) => [start, teamName, tag, calls]),
        [["2026-11-28T00:00:00.000Z", null, "=a", 2]],
      )
    }),
  )

  it.live("finds a team by its name and by its id", () =>
    Effect.gen(function* () {
      const { gateway, manager, team } = yield* books
      for (const path of ["/admin/spend?team=platform", `/admin/spend?team=${team.id}`]) {
        for (const key of [AdminGateway.operatorKey, manager.key]) {
          assert.strictEqual((yield* gateway.get(path, { key })).body.rows[0].calls, 2)
        }
      }
      assert.strictEqual((yield* gateway.get("/admin/calls?team=platform")).body.data.length, 2)
    }),
  )

  it.live("answers CSV where it is asked for", () =>
    Effect.gen(function* () {
      const { gateway } = yield* books
      const get = (path: string, accept: string) =>
        Effect.promise(async () => {
          const headers = { accept, authorization: `Bearer ${AdminGateway.operatorKey}` }
          const response = await fetch(`${gateway.url}${path}`, { headers })
          return [response.headers.get("content-type"), await response.text()] as const
        })
      const expected =
        "tag,calls,attempts,failedCalls,inputTokens,cachedInputTokens,cacheWriteTokens,outputTokens,reasoningTokens,cost,estimatedCost,unpricedAttempts\r\n" +
        "'=a,4,4,1,400,200,0,80,0,0.01,0,0\r\n"
      for (const [path, accept] of [
        ["/admin/spend?by=tag", "text/csv"],
        ["/admin/spend?by=tag&format=csv", "*/*"],
      ] as const) {
        assert.deepStrictEqual(yield* get(path, accept), ["text/csv; charset=utf-8", expected])
      }
      const [type] = yield* get("/admin/spend?by=tag&format=json", "text/csv")
      assert.strictEqual(type, "application/json")
    }),
  )

  it.live("names the parameter that is invalid", () =>
    Effect.gen(function* () {
      const { gateway } = yield* books
      for (const [path, field] of [
        ["/admin/spend?by=colour", "by"],
        ["/admin/spend?every=week", "every"],
        ["/admin/spend?from=yesterday", "from"],
        ["/admin/spend?from=2026-11-28T12:30:00Z", "from"],
        ["/admin/spend?to=2026-11-28T00:00:00%2B05:30", "to"],
        ["/admin/spend?from=2026-11-29&to=2026-11-28", "from"],
        ["/admin/calls?from=2026-11-29&to=2026-11-28", "from"],
        ["/admin/spend?key=a&key=b", "key"],
        ["/admin/calls?outcome=lost", "outcome"],
        ["/admin/calls?cursor=none", "cursor"],
      ] as const) {
        const { body, headers, status } = yield* gateway.get(path)
        assert.strictEqual(status, 400, path)
        assert.strictEqual(headers.get("content-type"), "application/problem+json")
        assert.strictEqual(body.errors[0].field, field)
      }
    }),
  )

  it.live("pages through calls, and shows one with its attempts", () =>
    Effect.gen(function* () {
      const { ci, gateway, team } = yield* books
      const first = (yield* gateway.get("/admin/calls?limit=3")).body
      const second = (yield* gateway.get(`/admin/calls?limit=3&cursor=${first.next}`)).body
      const ids = [...first.data, ...second.data].map(({ id }) => id)
      assert.deepStrictEqual([ids, second.next], [["c2", "c4", "c3", "c1"], null])
      const failed = (yield* gateway.get(`/admin/calls?key=${ci.id}&outcome=failure`)).body
      assert.deepStrictEqual(
        failed.data.map(({ id }: { readonly id: string }) => id),
        ["c2"],
      )
      const { attempts, ...call } = (yield* gateway.get("/admin/calls/c1")).body
      assert.deepInclude(call, {
        at: "2026-11-28T12:00:00.000Z",
        keyName: "ci",
        team: team.id,
        teamName: "platform",
        tags: ["=a"],
        streamed: true,
        cost: 0.0025,
      })
      assert.deepInclude(attempts[0], { deployment: "demo", cachedInputTokens: 50, priceVersion: "configured" })
      assert.strictEqual((yield* gateway.get("/admin/calls/c9")).status, 404)
    }),
  )

  it.live("shows a caller its own, a team's admin those of its team, and a viewer all", () =>
    Effect.gen(function* () {
      const { ci, gateway, manager, other, team, viewer } = yield* books
      const seen = Effect.fnUntraced(function* (key: string, filter = "") {
        const { body, status } = yield* gateway.get(`/admin/calls?${filter}`, { key })
        const spent = yield* gateway.get(`/admin/spend?${filter}`, { key })
        assert.strictEqual(spent.status, status)
        const ids = status === 200 ? body.data.map(({ id }: { readonly id: string }) => id) : []
        if (status === 200) assert.strictEqual(spent.body.rows[0]?.calls ?? 0, ids.length)
        return status === 200 ? ids.toSorted().join(" ") : status
      })
      assert.strictEqual(yield* seen(viewer.key), "c1 c2 c3 c4")
      assert.strictEqual(yield* seen(ci.key), "c1 c2")
      assert.strictEqual(yield* seen(ci.key, `key=${other.id}`), 403)
      assert.strictEqual(yield* seen(ci.key, "key="), 403)
      assert.strictEqual(yield* seen(other.key), "c3")
      assert.strictEqual(yield* seen(other.key, `team=${team.id}`), 403)
      assert.strictEqual(yield* seen(manager.key), "c1 c2")
      assert.strictEqual(yield* seen(manager.key, `key=${other.id}`), "")
      assert.strictEqual(yield* seen(manager.key, "team="), 403)
      const status = (key: string, id: string) =>
        Effect.map(gateway.get(`/admin/calls/${id}`, { key }), ({ status }) => status)
      assert.strictEqual(yield* status(ci.key, "c2"), 200)
      assert.strictEqual(yield* status(ci.key, "c3"), 404)
      assert.strictEqual(yield* status(manager.key, "c1"), 200)
      assert.strictEqual(yield* status(manager.key, "c4"), 404)
      assert.strictEqual(yield* status(viewer.key, "c4"), 200)
    }),
  )
})

it.live("says what to add where there is no database", () =>
  Effect.gen(function* () {
    const gateway = yield* AdminGateway.make(undefined)
    for (const path of ["/admin/spend", "/admin/calls", "/admin/calls/c1"]) {
      const { body, status } = yield* gateway.get(path)
      assert.strictEqual(status, 501, path)
      assert.include(body.detail, "database")
    }
  }),
)
