/** What each role may do, at each endpoint. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { onEach } from "../../store/Databases.ts"
import * as AdminGateway from "./AdminGateway.ts"

onEach("roles", ({ database }) => {
  const roles = ["admin", "viewer", "team-admin", "caller"] as const

  it.live("may do what is theirs, and are told which role the rest needs", () =>
    Effect.gen(function* () {
      const gateway = yield* AdminGateway.make(yield* Effect.promise(database))
      const { get, patch, post } = gateway
      yield* post("/admin/teams", { name: "ours", routes: ["assistant", "demo"], limits: { rpm: 100 } })
      yield* post("/admin/teams", { name: "theirs" })
      const keys: Record<string, { readonly id: string; readonly key: string }> = {}
      for (const role of roles) {
        keys[role] = (yield* post("/admin/keys", {
          name: role,
          role,
          ...(role === "admin" ? {} : { team: "ours" }),
        })).body
      }
      keys["mate"] = (yield* post("/admin/keys", { name: "mate", team: "ours" })).body
      keys["stranger"] = (yield* post("/admin/keys", { name: "stranger", team: "theirs" })).body
      const budget = (yield* post("/admin/budgets", { scope: { team: "ours" }, amount: 5, window: "day" })).body.id
      const mates = (yield* post("/admin/budgets", { scope: { key: keys["mate"]!.id }, amount: 5, window: "day" })).body
        .id
      const id = (of: string) => `/admin/keys/${keys[of]!.id}`
      const day = { amount: 1, window: "day" }

      /** The statuses for the operator, then for each role. */
      const matrix: ReadonlyArray<
        readonly [(sent: AdminGateway.Sent) => Effect.Effect<AdminGateway.Reply>, ...Array<number>]
      > = [
        [(sent) => get("/admin/keys", sent), 200, 200, 200, 200, 200],
        [(sent) => get("/admin/keys/me", sent), 200, 200, 200, 200, 200],
        [(sent) => get(id("mate"), sent), 200, 200, 200, 200, 403],
        [(sent) => get(id("caller"), sent), 200, 200, 200, 200, 200],
        [(sent) => get(id("stranger"), sent), 200, 200, 200, 404, 403],
        [(sent) => get("/admin/teams", sent), 200, 200, 200, 200, 403],
        [(sent) => get("/admin/teams/ours", sent), 200, 200, 200, 200, 403],
        [(sent) => get("/admin/teams/theirs", sent), 200, 200, 200, 404, 403],
        [(sent) => get("/admin/budgets", sent), 200, 200, 200, 200, 200],
        [(sent) => get(`/admin/budgets/${mates}`, sent), 200, 200, 200, 200, 403],
        [(sent) => get("/admin/audit", sent), 200, 200, 200, 403, 403],
        [(sent) => post("/admin/keys", { name: "n", team: "ours" }, sent), 201, 201, 403, 201, 403],
        [(sent) => post("/admin/keys", { name: "n" }, sent), 201, 201, 403, 201, 403],
        [(sent) => post("/admin/keys", { name: "n", team: "theirs" }, sent), 201, 201, 403, 403, 403],
        [(sent) => post("/admin/keys", { name: "n", team: "their" }, sent), 400, 400, 403, 403, 403],
        [(sent) => get("/admin/keys?team=theirs", sent), 200, 200, 200, 403, 403],
        [(sent) => get("/admin/keys?team=their", sent), 400, 400, 400, 403, 403],
        [(sent) => get("/admin/budgets?team=their", sent), 400, 400, 400, 403, 403],
        [(sent) => get("/admin/budgets?team=ours", sent), 200, 200, 200, 200, 200],
        [(sent) => post("/admin/budgets", { scope: { team: "their" }, ...day }, sent), 400, 400, 403, 403, 403],
        [(sent) => post("/admin/budgets", { scope: { key: "strange" }, ...day }, sent), 400, 400, 403, 400, 403],
        [(sent) => post("/admin/budgets", { scope: { key: "stranger" }, ...day }, sent), 201, 201, 403, 400, 403],
        [(sent) => post("/admin/keys", { name: "n", routes: ["cheap"] }, sent), 201, 201, 403, 403, 403],
        [(sent) => post("/admin/keys", { name: "n", limits: { rpm: 101 } }, sent), 201, 201, 403, 403, 403],
        [(sent) => patch(id("mate"), { limits: { queue: { priority: "high" } } }, sent), 200, 200, 403, 403, 403],
        [(sent) => patch(id("mate"), { limits: { queue: { priority: "low" } } }, sent), 200, 200, 403, 200, 403],
        [(sent) => post("/admin/keys", { name: "n", role: "team-admin", team: "ours" }, sent), 201, 201, 403, 403, 403],
        [(sent) => post("/admin/keys", { name: "n", role: "viewer" }, sent), 201, 201, 403, 403, 403],
        [(sent) => post("/admin/keys", { name: "n", role: "admin" }, sent), 201, 403, 403, 403, 403],
        [(sent) => patch(id("mate"), { tags: ["x"] }, sent), 200, 200, 403, 200, 403],
        [(sent) => patch(id("mate"), { role: "viewer" }, sent), 200, 200, 403, 403, 403],
        [(sent) => patch(id("mate"), { role: null }, sent), 200, 200, 403, 200, 403],
        [(sent) => patch(id("stranger"), { tags: ["x"] }, sent), 200, 200, 403, 404, 403],
        [(sent) => patch(id("team-admin"), { limits: null }, sent), 200, 200, 403, 403, 403],
        [(sent) => post(`${id("stranger")}/rotate`, {}, sent), 200, 200, 403, 404, 403],
        [(sent) => post("/admin/teams", { name: `t${Math.random()}` }, sent), 201, 201, 403, 403, 403],
        [(sent) => patch("/admin/teams/ours", { limits: { rpm: 100 } }, sent), 200, 200, 403, 403, 403],
        [(sent) => gateway.delete("/admin/teams/none", sent), 404, 404, 403, 403, 403],
        [(sent) => post("/admin/budgets", { scope: { key: keys["mate"]!.id }, ...day }, sent), 201, 201, 403, 201, 403],
        [(sent) => post("/admin/budgets", { scope: { team: "ours" }, ...day }, sent), 201, 201, 403, 403, 403],
        [(sent) => post("/admin/budgets", { scope: "all", ...day }, sent), 201, 201, 403, 403, 403],
        [(sent) => patch(`/admin/budgets/${budget}`, { amount: 6 }, sent), 200, 200, 403, 403, 403],
        [(sent) => patch(`/admin/budgets/${mates}`, { amount: 6 }, sent), 200, 200, 403, 200, 403],
        [(sent) => patch(`/admin/budgets/${mates}`, { scope: "all" }, sent), 200, 200, 403, 404, 403],
        [(sent) => post("/admin/deployments/demo/reset", {}, sent), 200, 200, 403, 403, 403],
        [(sent) => get("/metrics", { ...sent, headers: { accept: "text/plain" } }), 200, 200, 200, 403, 403],
      ]
      for (const [index, [request, ...expected]] of matrix.entries()) {
        const found: Array<number> = []
        for (const key of [AdminGateway.operatorKey, ...roles.map((role) => keys[role]!.key)]) {
          const reply = yield* request({ key })
          found.push(reply.status)
          if (reply.status === 403 && reply.body.error.code === "role_required") {
            assert.match(reply.body.detail, /It needs (?:the role|the operator key)/)
          }
        }
        assert.deepStrictEqual(found, expected, `row ${index}: ${String(request)}`)
      }

      const { id: strangers } = keys["stranger"]!
      const near = { scope: { key: strangers.slice(0, -1) }, ...day }
      const guess = yield* post("/admin/budgets", near, { key: keys["team-admin"]!.key })
      assert.notInclude(guess.body.detail, strangers, "a key of another team is not suggested")

      // Lists show a role what it may read.
      const names = (key: string, path = "/admin/keys") =>
        Effect.map(get(path, { key }), ({ body }) => body.data.map(({ name }: { readonly name: string }) => name))
      assert.deepStrictEqual(yield* names(keys["caller"]!.key), ["caller"])
      assert.notInclude(yield* names(keys["team-admin"]!.key), "stranger")
      assert.include(yield* names(keys["team-admin"]!.key), "mate")
      assert.include(yield* names(keys["viewer"]!.key), "stranger")
      assert.deepStrictEqual(yield* names(keys["team-admin"]!.key, "/admin/teams"), ["ours"])

      // Managers may rotate their own key.
      for (const role of ["admin", "team-admin"]) {
        const { id, key } = keys[role]!
        const rotated = yield* post(`/admin/keys/${id}/rotate`, {}, { key })
        assert.strictEqual(rotated.status, 200)
        assert.strictEqual((yield* get("/admin/keys/me", { key })).status, 401)
        assert.strictEqual((yield* get("/admin/keys/me", { key: rotated.body.key })).body.id, id)
      }
    }),
  )

  it.live("need no key at a gateway without configured keys, except for browsers of other origins", () =>
    Effect.gen(function* () {
      const { call, get, post } = yield* AdminGateway.make(yield* Effect.promise(database), { isOpen: true })
      const { id, key } = (yield* post("/admin/keys", { name: "ci", limits: { rpm: 1 } }, { key: null })).body
      assert.strictEqual((yield* get(`/admin/keys/${id}`, { key: null })).status, 200)
      assert.deepStrictEqual([(yield* call(key)).status, (yield* call(key)).status], [200, 429])
      assert.strictEqual((yield* call("anything")).status, 200)
      const foreign = { key: null, headers: { origin: "https://evil.example" } }
      const refused = yield* post("/admin/keys", { name: "evil" }, foreign)
      assert.deepStrictEqual([refused.status, refused.body.error.code], [403, "origin_not_allowed"])
    }),
  )

  it.live("are those of a session's key, for requests of the page only", () =>
    Effect.gen(function* () {
      const { get, post, url } = yield* AdminGateway.make(yield* Effect.promise(database))
      const { id, key } = (yield* post("/admin/keys", { name: "root", role: "admin" })).body
      const login = yield* post("/login", { key }, { key: null, headers: { origin: url } })
      const cookie = login.headers.get("set-cookie")!.split(";")[0]!
      const page = { key: null, headers: { cookie, origin: url, "sec-fetch-site": "same-origin" } }
      assert.strictEqual((yield* post("/admin/teams", { name: "a" }, page)).status, 201)
      const elsewhere = { key: null, headers: { cookie, origin: "http://localhost:1", "sec-fetch-site": "same-site" } }
      assert.strictEqual((yield* post("/admin/teams", { name: "b" }, elsewhere)).status, 401)
      yield* post(`/admin/keys/${id}/rotate`)
      assert.strictEqual((yield* get("/admin/keys/me", page)).status, 401)
    }),
  )
})

describe("/admin without a database", () => {
  it.live("says what to add", () =>
    Effect.gen(function* () {
      const { get, patch, post } = yield* AdminGateway.make(undefined)
      for (const reply of [
        yield* post("/admin/keys", { name: "ci" }),
        yield* get("/admin/keys/me"),
        yield* patch("/admin/teams/a", {}),
        yield* get("/admin/budgets"),
        yield* get("/admin/audit"),
      ]) {
        assert.deepStrictEqual([reply.status, reply.body.error.code], [501, "database_required"])
        assert.include(reply.body.detail, 'Add `database: "sqlite:./understudy.db"`')
      }
      assert.strictEqual((yield* get("/admin/keys", { key: null })).status, 401)
      assert.strictEqual((yield* post("/admin/deployments/demo/reset", {})).status, 200)
    }),
  )
})
