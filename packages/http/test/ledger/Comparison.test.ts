/** Comparisons of shadow calls and of the arms of splits, against the rows, and from a gateway. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Comparison from "../../src/ledger/Comparison.ts"
import type { CallRow, Entry } from "../../src/ledger/Rows.ts"
import * as AdminGateway from "../api/admin/AdminGateway.ts"
import { onEach } from "../store/Databases.ts"
import { opened, write } from "./TestLedger.ts"

const at = Date.UTC(2026, 10, 28)

const entry = (id: string, values: Partial<CallRow> = {}): Entry => ({
  call: {
    id,
    at,
    key_id: "",
    team_id: "",
    tags: "[]",
    route: "assistant",
    model: "assistant",
    deployment: "gpt-4o",
    vendor: "openai",
    served_model: "gpt-4o",
    protocol: "chat-completions",
    streamed: 1,
    outcome: "success",
    reason: null,
    status: null,
    cache: null,
    millis: 100,
    first_token_millis: 10,
    attempts: 1,
    attempt_millis: 100,
    price_version: null,
    split: null,
    shadow_of: null,
    input_tokens: 10,
    cached_input_tokens: 0,
    cache_write_tokens: 0,
    output_tokens: 2,
    reasoning_tokens: 0,
    cost: 1_000_000,
    estimated: 0,
    ...values,
  },
  attempts: [],
})

/** A call of `assistant` of so many milliseconds, and its shadow, which takes twice as long. */
const pair = (id: string, millis: number, call: Partial<CallRow> = {}, shadow: Partial<CallRow> = {}) => [
  entry(id, { millis, first_token_millis: millis / 10, ...call }),
  entry(`${id}-shadow`, {
    route: "candidate",
    millis: 2 * millis,
    first_token_millis: millis / 5,
    cost: 3_000_000,
    shadow_of: id,
    ...shadow,
  }),
]

onEach("comparisons", ({ database }) => {
  it.live("compares pairs of calls and shadow calls by their routes", () =>
    Effect.gen(function* () {
      const sql = yield* opened(yield* Effect.promise(database))
      yield* write(sql, [
        ...Array.from({ length: 20 }, (_, index) => pair(`p${index}`, (index + 1) * 100)).flat(),
        // Latencies are of pairs in which both succeeded.
        ...pair("failed", 9000, {}, { outcome: "failure", first_token_millis: null, cost: null }),
        ...pair("left", 9000, { outcome: "cancelled" }),
        ...pair("other", 50, { route: "chat" }, { at: at + 1000 }),
        // A call without a shadow, and a shadow whose call is not there.
        entry("alone"),
        entry("orphan-shadow", { shadow_of: "gone" }),
      ])
      const { isTruncated, rows } = yield* Comparison.shadows(sql, {})
      assert.isFalse(isTruncated)
      assert.deepStrictEqual(
        rows.map(({ pairs, route, shadowRoute }) => [route, shadowRoute, pairs]),
        [
          ["assistant", "candidate", 22],
          ["chat", "candidate", 1],
        ],
      )
      const [assistant] = rows
      assert.deepStrictEqual(assistant?.call, {
        successes: 21,
        failures: 0,
        cancelled: 1,
        p50Millis: 1000,
        p95Millis: 1900,
        p50FirstTokenMillis: 100,
        p95FirstTokenMillis: 190,
        inputTokens: 220,
        outputTokens: 44,
        cost: 0.022,
        unpricedCalls: 0,
      })
      assert.deepStrictEqual(assistant?.shadow, {
        successes: 21,
        failures: 1,
        cancelled: 0,
        p50Millis: 2000,
        p95Millis: 3800,
        p50FirstTokenMillis: 200,
        p95FirstTokenMillis: 380,
        inputTokens: 220,
        outputTokens: 44,
        cost: 0.063,
        unpricedCalls: 1,
      })
      const only = yield* Comparison.shadows(sql, { route: "chat" })
      assert.deepStrictEqual(
        only.rows.map(({ route }) => route),
        ["chat"],
      )
      const early = yield* Comparison.shadows(sql, { from: at, to: at + 1000 })
      assert.deepStrictEqual(
        early.rows.map(({ route }) => route),
        ["assistant"],
      )
      assert.deepStrictEqual((yield* Comparison.shadows(sql, { from: at + 5000 })).rows, [])
    }),
  )

  it.live("compares the arms of splits, without shadow calls", () =>
    Effect.gen(function* () {
      const sql = yield* opened(yield* Effect.promise(database))
      yield* write(sql, [
        entry("a1", { split: "control", millis: 10 }),
        entry("a2", { split: "control", millis: 30 }),
        entry("a3", { split: "control", millis: 20 }),
        entry("b1", { split: "candidate", millis: 40 }),
        entry("b2", { split: "candidate", outcome: "failure", first_token_millis: null }),
        entry("none"),
        entry("shadow", { split: "candidate", shadow_of: "a1" }),
      ])
      const { rows } = yield* Comparison.splits(sql, { route: "assistant" })
      assert.deepStrictEqual(
        rows.map(({ arm, calls, failures, p50Millis, p95Millis, successes }) => [
          arm,
          calls,
          successes,
          failures,
          p50Millis,
          p95Millis,
        ]),
        [
          ["candidate", 2, 1, 1, 40, 40],
          ["control", 3, 3, 0, 20, 30],
        ],
      )
    }),
  )

  it.live("reads them by an index", () =>
    Effect.gen(function* () {
      const sql = yield* opened(yield* Effect.promise(database))
      const plan = yield* sql.onDialectOrElse({
        pg: () =>
          Effect.andThen(
            sql`SET enable_seqscan = off`,
            sql`EXPLAIN SELECT at FROM calls WHERE shadow_of IS NOT NULL AND at >= 5`,
          ),
        orElse: () => sql`EXPLAIN QUERY PLAN SELECT at FROM calls WHERE shadow_of IS NOT NULL AND at >= 5`,
      })
      assert.include(JSON.stringify(plan), "call_facts_shadow")
    }),
  )

  it.live("answers GET /admin/shadows and /admin/splits, with what the calls of a gateway were", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const scope = yield* Scope.make()
      const gateway = yield* Scope.provide(
        AdminGateway.make(place, {
          deployments:
            "slow: { provider: simulated, model: any, latency: 1h, firstToken: 1h, price: { input: 1, output: 1 } }",
          routes: [
            "mirrored: { fallback: [demo], shadow: { to: slow, share: 1 } }",
            "halved: { split: [{ use: demo, share: 1 }, { use: cheap, share: 0 }] }",
          ].join(", "),
        }),
        scope,
      )
      const ci = (yield* gateway.post("/admin/keys", { name: "ci" })).body
      assert.strictEqual((yield* gateway.call(ci.key, "mirrored")).status, 200)
      assert.strictEqual((yield* gateway.call(ci.key, "halved")).status, 200)
      assert.strictEqual((yield* gateway.get("/admin/shadows", { key: ci.key })).status, 403)
      const invalid = yield* gateway.get("/admin/splits?from=yesterday")
      assert.deepStrictEqual([invalid.status, invalid.body.errors[0].field], [400, "from"])
      const empty = yield* gateway.get("/admin/shadows?route=assistant")
      assert.deepStrictEqual([empty.status, empty.body], [200, { rows: [], truncated: false }])
      // Ends the shadow call, which would take an hour, before the ledger closes.
      yield* Scope.close(scope, Exit.void)
      const again = yield* AdminGateway.make(place)
      const { body } = yield* again.get("/admin/shadows?route=mirrored")
      const [row] = body.rows
      assert.deepStrictEqual(
        [row.route, row.shadowRoute, row.pairs, row.call.successes, row.shadow.cancelled, row.shadow.p50Millis],
        ["mirrored", "slow", 1, 1, 1, null],
      )
      const splits = (yield* again.get("/admin/splits")).body
      assert.deepInclude(splits.rows[0], { route: "halved", arm: "demo", calls: 1, successes: 1 })
      const calls = (yield* again.get("/admin/calls")).body.data
      const shadow = calls.find((call: { readonly shadowOf: string | null }) => call.shadowOf !== null)
      const real = (yield* again.get(`/admin/calls/${shadow.shadowOf}`)).body
      assert.deepStrictEqual([shadow.key, shadow.route, real.key, real.route], ["", "slow", ci.id, "mirrored"])
      assert.deepStrictEqual(
        (yield* again.get(`/admin/calls?shadowOf=${real.id}`)).body.data.map(({ id }: { readonly id: string }) => id),
        [shadow.id],
      )
      // The key's spend is that of its own calls.
      const spend = (yield* again.get(`/admin/spend?by=route&key=${ci.id}`)).body
      assert.sameMembers(
        spend.rows.map(({ route }: { readonly route: string }) => route),
        ["mirrored", "halved"],
      )
    }),
  )
})
