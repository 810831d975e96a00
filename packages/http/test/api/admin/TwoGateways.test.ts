/** Gateways that share a database: a change at one holds at the other within one second. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import * as Store from "../../../src/store/Store.ts"
import { onEach } from "../../store/Databases.ts"
import * as TestPostgres from "../../store/TestPostgres.ts"
import * as Redacted from "effect/Redacted"
import * as AdminGateway from "./AdminGateway.ts"

/** Calls until the status is this one, few enough times that unknown keys are not delayed. Returns the milliseconds it took. */
const until = Effect.fnUntraced(function* (gateway: AdminGateway.AdminGateway, key: string, status: number) {
  const began = performance.now()
  while ((yield* gateway.call(key)).status !== status) yield* Effect.sleep("50 millis")
  return performance.now() - began
})

/** The bound of the documentation, in milliseconds. */
const bound = 1000

onEach("two gateways", ({ database }) => {
  it.live("hold to a key, its change, its team's and its revocation within one second", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const [one, other] = [yield* AdminGateway.make(place), yield* AdminGateway.make(place)]
      yield* one.post("/admin/teams", { name: "platform" })
      const { id, key } = (yield* one.post("/admin/keys", { name: "ci", team: "platform" })).body
      const took = [yield* until(other, key, 200)]
      yield* one.patch(`/admin/keys/${id}`, { disabled: true })
      took.push(yield* until(other, key, 401))
      yield* other.patch(`/admin/keys/${id}`, { disabled: false })
      assert.strictEqual((yield* other.call(key)).status, 200)
      took.push(yield* until(one, key, 200))
      yield* one.patch("/admin/teams/platform", { routes: ["cheap"] })
      took.push(yield* until(other, key, 403))
      yield* one.patch("/admin/teams/platform", { routes: null })
      took.push(yield* until(other, key, 200))
      yield* other.delete(`/admin/keys/${id}`)
      took.push(yield* until(one, key, 401))
      assert.isBelow(Math.max(...took), bound)
    }),
  )

  it.live("write their audit without a gap when both change things at the same time", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const gateways = [yield* AdminGateway.make(place), yield* AdminGateway.make(place)]
      const made = yield* Effect.all(
        Array.from({ length: 20 }, (_, index) => gateways[index % 2]!.post("/admin/keys", { name: `k${index}` })),
        { concurrency: "unbounded" },
      )
      assert.deepStrictEqual([...new Set(made.map(({ status }) => status))], [201])
      const { data } = (yield* gateways[0]!.get("/admin/audit")).body
      assert.deepStrictEqual(
        data.map(({ seq }: { readonly seq: number }) => seq),
        Array.from({ length: 20 }, (_, index) => 20 - index),
      )
      for (const gateway of gateways) for (const { body } of made) yield* until(gateway, body.key, 200)
    }),
  )

  it.live("of which one makes a key for two requests with one Idempotency-Key", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const gateways = [yield* AdminGateway.make(place), yield* AdminGateway.make(place)]
      const sent = { headers: { "idempotency-key": "once" } }
      const made = yield* Effect.all(
        gateways.map((gateway) => gateway.post("/admin/keys", { name: "ci" }, sent)),
        { concurrency: "unbounded" },
      )
      assert.strictEqual(new Set(made.map(({ body }) => body.id)).size, 1)
      assert.strictEqual(made.filter(({ body }) => body.key !== undefined).length, 1)
    }),
  )
})

/** A PostgreSQL of the test's own. */
const postgres = Effect.gen(function* () {
  const server = yield* Effect.acquireRelease(Effect.promise(TestPostgres.start), (server) =>
    Effect.promise(server.close),
  )
  const place: Store.Database = { type: "postgres", url: Redacted.make(yield* Effect.promise(server.database)) }
  return { server, place }
})

describe.skipIf(!TestPostgres.installed)("a gateway on PostgreSQL", { timeout: 60_000 }, () => {
  it.live("listens again when its connection for notifications is ended, and misses nothing meanwhile", () =>
    Effect.gen(function* () {
      const { place } = yield* postgres
      const [one, other] = [yield* AdminGateway.make(place), yield* AdminGateway.make(place)]
      const sql = Context.get(yield* Layer.build(Store.layer(place)), SqlClient)
      const listeners = Effect.map(
        sql<{ readonly pid: number }>`SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN %'`,
        (rows) => rows.map(({ pid }) => pid),
      )
      const listening = Effect.gen(function* () {
        let pids = yield* listeners
        while (pids.length < 2) {
          yield* Effect.sleep("10 millis")
          pids = yield* listeners
        }
        return pids
      })
      const before = yield* listening
      const { id, key } = (yield* one.post("/admin/keys", { name: "ci" })).body
      yield* until(other, key, 200)
      for (const pid of before) yield* sql`SELECT pg_terminate_backend(${pid})`
      yield* one.delete(`/admin/keys/${id}`)
      assert.isBelow(yield* until(other, key, 401), bound)
      const after = yield* listening
      for (const pid of after) assert.notInclude(before, pid)
    }),
  )

  it.live("goes on with the keys that it knows while the database is away", () =>
    Effect.gen(function* () {
      const { place, server } = yield* postgres
      const gateway = yield* AdminGateway.make(place)
      const { id, key } = (yield* gateway.post("/admin/keys", { name: "ci" })).body
      yield* Effect.promise(server.kill)
      assert.strictEqual((yield* gateway.call(key)).status, 200)
      const away = yield* gateway.patch(`/admin/keys/${id}`, { disabled: true })
      assert.deepStrictEqual([away.status, away.body.error.code], [503, "database_unavailable"])
      assert.strictEqual((yield* gateway.call(key)).status, 200)
      yield* Effect.promise(server.restart)
      while ((yield* gateway.patch(`/admin/keys/${id}`, { disabled: true })).status !== 200) {
        yield* Effect.sleep("20 millis")
      }
      assert.strictEqual((yield* gateway.call(key)).status, 401)
    }),
  )
})
