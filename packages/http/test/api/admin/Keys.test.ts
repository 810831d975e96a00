import { assert, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Layer from "effect/Layer"
import * as Context from "effect/Context"
import * as Keyring from "../../../src/auth/Keyring.ts"
import * as Store from "../../../src/store/Store.ts"
import { onEach } from "../../store/Databases.ts"
import * as AdminGateway from "./AdminGateway.ts"

onEach("/admin", ({ database }) => {
  const gateway = (options?: Parameters<typeof AdminGateway.make>[1]) =>
    Effect.flatMap(Effect.promise(database), (place) => AdminGateway.make(place, options))

  it.live(
    "names the field that has NUL or is a prototype, lists that are too long, and a budget that uses its own route",
    () =>
      Effect.gen(function* () {
        const { get, patch, post } = yield* gateway()
        const { id } = (yield* post("/admin/keys", { name: "ci" })).body
        const day = { amount: 1, window: "day" }
        const many = Array.from({ length: 101 }, (_, index) => `t${index}`)
        const cursor = Buffer.from(JSON.stringify([0, "\0"])).toString("base64url")
        for (const [reply, field] of [
          [yield* post("/admin/keys", { name: "a\0b" }), "name"],
          [yield* post("/admin/keys", { name: "a", tags: ["b", "\0"] }), "tags[1]"],
          [yield* patch(`/admin/keys/${id}`, { metadata: { a: { "b\0": 1 } } }), "metadata.a"],
          [yield* post("/admin/budgets", { scope: { tag: "\0" }, ...day }), "scope.tag"],
          [yield* patch(`/admin/keys/${id}`, '{"__proto__":{"role":"viewer"}}'), "__proto__"],
          [yield* get("/admin/keys/%00"), "id"],
          [yield* get("/admin/spend?by=key&key=a%00"), "key"],
          [yield* get(`/admin/keys?cursor=${cursor}`), "cursor"],
          [yield* post("/admin/keys", { name: "a", tags: many }), "tags"],
          [yield* post("/admin/keys", { name: "a", budgets: many.map(() => day) }), "budgets"],
          [yield* post("/admin/budgets", { scope: "all", ...day, alerts: Array(21).fill(0.5) }), "alerts"],
          [yield* post("/admin/budgets", { scope: { route: "demo" }, ...day, then: { use: "demo" } }), "then.use"],
        ] as const) {
          assert.deepStrictEqual([reply.status, reply.body.errors?.[0].field], [400, field], reply.body.detail)
        }
        const kept = yield* patch(`/admin/keys/${id}`, '{"metadata":{"__proto__":{"a":1},"constructor":2}}')
        assert.deepStrictEqual(Object.keys(kept.body.metadata), ["__proto__", "constructor"])
      }),
  )

  it.live("makes a key that is shown once, and holds it to what it may do", () =>
    Effect.gen(function* () {
      const { call, get, post } = yield* gateway()
      const { body: team } = yield* post("/admin/teams", { name: "platform" })
      const made = yield* post("/admin/keys", {
        name: "ci",
        team: "platform",
        routes: ["assistant"],
        limits: { rpm: 2 },
        budgets: [{ amount: 5, window: "month", then: "refuse" }],
        tags: ["batch"],
        metadata: { owner: "jo", floor: 3 },
        expiresAt: "2999-01-31",
      })
      assert.strictEqual(made.status, 201)
      assert.strictEqual(made.headers.get("cache-control"), "no-store")
      const { id, key } = made.body
      assert.match(key, /^sk-us-[\w-]{43}$/)
      assert.deepInclude(made.body, {
        name: "ci",
        team: "platform",
        teamId: team.id,
        role: "caller",
        hint: key.slice(-4),
        tags: ["batch"],
        metadata: { owner: "jo", floor: 3 },
        expiresAt: "2999-01-31T00:00:00.000Z",
        disabled: false,
        source: "database",
        lastUsedAt: null,
      })
      assert.deepInclude(made.body.budgets[0], { scope: { key: id }, amount: 5, window: "month", remaining: 5 })

      assert.strictEqual((yield* call(key)).status, 200)
      assert.strictEqual((yield* call(key, "demo")).status, 403)
      assert.strictEqual((yield* call(key)).status, 200)
      const limited = yield* call(key)
      assert.strictEqual(
        limited.body.error.message,
        'Key "ci" exceeds its limit of 2 requests a minute. Try again in 60 s.',
      )

      const shown = yield* get(`/admin/keys/${id}`)
      assert.isUndefined(shown.body.key)
      assert.isString(shown.body.lastUsedAt)
      assert.strictEqual(shown.body.budgets.length, 1)
      for (const path of ["/admin/keys", "/admin/audit", `/admin/keys/${id}`, "/admin/budgets"]) {
        assert.notInclude(JSON.stringify((yield* get(path)).body), key)
      }
    }),
  )

  it.live("sets, shows, merges and clears the queue of a key, and holds its calls to it", () =>
    Effect.gen(function* () {
      const { call, get, patch, post } = yield* gateway()
      const queue = { max: 3, maxWait: "90s", priority: "low" }
      const { body } = yield* post("/admin/keys", { name: "ci", limits: { concurrency: 1, queue } })
      assert.deepStrictEqual(body.limits, { concurrency: 1, queue })
      const { id, key } = body
      const calls = yield* Effect.all([call(key), call(key), call(key)], { concurrency: "unbounded" })
      assert.deepStrictEqual(
        calls.map(({ status }) => status),
        [200, 200, 200],
      )
      const changed = yield* patch(`/admin/keys/${id}`, { limits: { queue: { priority: null, maxWait: "1m" } } })
      assert.deepStrictEqual(changed.body.limits, { concurrency: 1, queue: { max: 3, maxWait: "1m" } })
      const wrong = yield* patch(`/admin/keys/${id}`, { limits: { queue: { maxWait: 5, priority: "urgent" } } })
      assert.deepStrictEqual(
        wrong.body.errors.map(({ field }: { readonly field: string }) => field),
        ["limits.queue.maxWait", "limits.queue.priority"],
      )
      yield* patch(`/admin/keys/${id}`, { limits: { queue: null } })
      assert.deepStrictEqual((yield* get(`/admin/keys/${id}`)).body.limits, { concurrency: 1 })
    }),
  )

  it.live("changes what a patch names, clears what it makes null, and deletes", () =>
    Effect.gen(function* () {
      const { call, get, patch, post, ...admin } = yield* gateway()
      const { id, key } = (yield* post("/admin/keys", { name: "ci", limits: { rpm: 9, tpm: 9999 }, tags: ["a"] })).body
      const changed = yield* patch(`/admin/keys/${id}`, { limits: { rpm: null }, tags: null, disabled: true })
      assert.strictEqual(changed.status, 200)
      assert.deepInclude(changed.body, { name: "ci", limits: { tpm: 9999 }, tags: [], disabled: true })
      const disabled = yield* call(key)
      assert.deepStrictEqual([disabled.status, disabled.body.error.message], [401, 'Key "ci" is disabled.'])
      yield* patch(`/admin/keys/${id}`, { disabled: null, limits: null, expiresAt: "2020-01-01" })
      assert.strictEqual((yield* call(key)).body.error.message, 'Key "ci" expired at 2020-01-01T00:00:00.000Z.')
      const enabled = yield* patch(`/admin/keys/${id}`, { expiresAt: null, name: "cd" })
      assert.deepInclude(enabled.body, { name: "cd", limits: null, expiresAt: null, disabled: false })
      assert.strictEqual((yield* call(key)).status, 200)
      assert.strictEqual((yield* patch(`/admin/keys/${id}`, { name: null })).body.errors[0].field, "name")

      assert.strictEqual((yield* admin.delete(`/admin/keys/${id}`)).status, 204)
      assert.strictEqual((yield* call(key)).status, 401)
      assert.strictEqual((yield* get(`/admin/keys/${id}`)).status, 404)
      assert.strictEqual((yield* admin.delete(`/admin/keys/${id}`)).status, 404)
    }),
  )

  it.live("names every invalid and unknown field, and suggests", () =>
    Effect.gen(function* () {
      const { get, post } = yield* gateway()
      const fields = (reply: AdminGateway.Reply): ReadonlyArray<string> => {
        assert.deepStrictEqual([reply.status, reply.headers.get("content-type")], [400, "application/problem+json"])
        assert.strictEqual(reply.body.type, "urn:understudy:problem:invalid_request")
        assert.strictEqual(reply.body.error.message, reply.body.detail)
        return reply.body.errors.map(({ field }: { readonly field: string }) => field)
      }
      const wrong = yield* post("/admin/keys", {
        nam: "ci",
        limits: { rpn: 3, tpm: 0 },
        expiresAt: "soon",
        role: "boss",
      })
      assert.deepStrictEqual([...fields(wrong)].sort(), [
        "expiresAt",
        "limits.rpn",
        "limits.tpm",
        "nam",
        "name",
        "role",
      ])
      assert.include(wrong.body.detail, "unknown key `nam`: did you mean `name`?")
      const route = yield* post("/admin/keys", { name: "ci", routes: ["demo", "asistant"] })
      assert.deepStrictEqual(fields(route), ["routes[1]"])
      assert.include(route.body.detail, 'did you mean "assistant"?')
      yield* post("/admin/teams", { name: "platform" })
      const team = yield* post("/admin/keys", { name: "ci", team: "platfrom" })
      assert.strictEqual(team.body.errors[0].message, 'there is no team "platfrom": did you mean "platform"?')
      const then = { amount: 1, window: "day", then: { use: "chaep" } }
      assert.deepStrictEqual(fields(yield* post("/admin/keys", { name: "a", budgets: [then] })), [
        "budgets[0].then.use",
      ])
      assert.deepStrictEqual(fields(yield* post("/admin/keys", { name: "a", role: "team-admin" })), ["team"])
      const long = { name: "a".repeat(201), metadata: { text: "a".repeat(20_000) } }
      assert.deepStrictEqual(fields(yield* post("/admin/keys", long)), ["name", "metadata"])
      assert.deepStrictEqual(fields(yield* get("/admin/keys?limt=1")), ["limt"])
      assert.deepStrictEqual(fields(yield* get("/admin/keys?limit=0&cursor=x")), ["limit", "cursor"])
      for (const body of ["{bad", "[]", '"text"']) assert.strictEqual((yield* post("/admin/keys", body)).status, 400)
      assert.strictEqual((yield* get("/admin/keys")).body.data.length, 0)
    }),
  )

  it.live("takes numbers as any client writes them, and no day that the calendar does not have", () =>
    Effect.gen(function* () {
      const { post } = yield* gateway()
      // Python writes 50.0, and jq 5e+01.
      const made = yield* post(
        "/admin/keys",
        `{ "name": "ci", "limits": { "rpm": 60.0, "tpm": 1e5 }, "budgets": [{ "amount": 50.0, "window": "month", "alerts": [0.50, 1.0] }] }`,
      )
      assert.strictEqual(made.status, 201)
      assert.deepStrictEqual(made.body.limits, { rpm: 60, tpm: 100_000 })
      assert.deepInclude(made.body.budgets[0], { amount: 50, alerts: [0.5, 1] })
      const large = yield* post("/admin/budgets", `{ "scope": "all", "amount": 1e9, "window": "day" }`)
      assert.deepStrictEqual(large.body.errors, [
        { field: "amount", message: "expected an amount of US dollars from 0 to 9000000, found 1000000000" },
      ])
      const never = yield* post("/admin/keys", { name: "ci", expiresAt: "2027-02-30", routes: [] })
      assert.sameDeepMembers(never.body.errors, [
        {
          field: "expiresAt",
          message: 'expected a date such as 2027-01-31, or with a time: 2027-01-31T18:00:00Z, found "2027-02-30"',
        },
        { field: "routes[0]", message: "is missing: name a route, or leave out `routes` to allow all" },
      ])
    }),
  )

  it.live("rotates a key: the former text is accepted until the overlap ends", () =>
    Effect.gen(function* () {
      const { call, post } = yield* gateway()
      const { id, key } = (yield* post("/admin/keys", { name: "ci" })).body
      const second = yield* post(`/admin/keys/${id}/rotate`, { overlap: "24h" })
      assert.strictEqual(second.status, 200)
      assert.strictEqual(second.body.id, id)
      assert.isString(second.body.formerKeyUntil)
      assert.deepStrictEqual([(yield* call(key)).status, (yield* call(second.body.key)).status], [200, 200])
      const third = yield* post(`/admin/keys/${id}/rotate`)
      assert.strictEqual((yield* call(key)).status, 401)
      assert.include((yield* call(second.body.key)).body.error.message, 'Key "ci" was rotated')
      assert.strictEqual((yield* call(third.body.key)).status, 200)
      assert.strictEqual((yield* post(`/admin/keys/${id}/rotate`, { overlap: "99d" })).body.errors[0].field, "overlap")
    }),
  )

  it.live("makes a key once for requests with one Idempotency-Key, also at the same time", () =>
    Effect.gen(function* () {
      const { get, post } = yield* gateway()
      const headers = { "idempotency-key": "once" }
      const replies = yield* Effect.all(
        Array.from({ length: 10 }, () => post("/admin/keys", { name: "ci" }, { headers })),
        { concurrency: "unbounded" },
      )
      assert.deepStrictEqual([...new Set(replies.map(({ status }) => status))], [201])
      assert.strictEqual(new Set(replies.map(({ body }) => body.id)).size, 1)
      const shown = replies.filter(({ body }) => body.key !== undefined)
      assert.strictEqual(shown.length, 1)
      for (const { body, headers } of replies) {
        if (body.key !== undefined) continue
        assert.strictEqual(headers.get("idempotency-replayed"), "true")
        assert.include(body.note, "To get a new one, rotate it.")
      }
      assert.strictEqual((yield* get("/admin/keys")).body.data.length, 1)
      const other = yield* post("/admin/keys", { name: "cd" }, { headers })
      assert.deepStrictEqual([other.status, other.body.error.code], [422, "idempotency_key_reused"])
      // A request that failed may be sent again.
      const failing = { "idempotency-key": "failing" }
      assert.strictEqual((yield* post("/admin/teams", { name: "" }, { headers: failing })).status, 400)
      assert.strictEqual((yield* post("/admin/teams", { name: "a" }, { headers: failing })).status, 201)
    }),
  )

  it.live("keeps an audit of every change: who, what, from what", () =>
    Effect.gen(function* () {
      const { get, patch, post, ...admin } = yield* gateway()
      const admins = (yield* post("/admin/keys", { name: "root", role: "admin" })).body
      const { body: team } = yield* post("/admin/teams", { name: "platform" }, { key: admins.key })
      yield* patch(`/admin/teams/${team.id}`, { limits: { rpm: 5 } }, { key: admins.key })
      yield* patch(`/admin/teams/${team.id}`, { limits: { rpm: 0 } }, { key: admins.key })
      yield* admin.delete(`/admin/teams/${team.id}`)
      const { data } = (yield* get("/admin/audit?kind=team")).body
      assert.deepStrictEqual(
        data.map(({ action, actor, id }: Record<string, string>) => [action, actor, id]),
        [
          ["delete", "operator", team.id],
          ["update", admins.id, team.id],
          ["create", admins.id, team.id],
        ],
      )
      assert.deepStrictEqual([data[1].before.limits, data[1].after.limits], [null, { rpm: 5 }])
      const first = yield* get("/admin/audit?limit=2")
      const rest = yield* get(`/admin/audit?limit=2&cursor=${first.body.next}`)
      assert.deepStrictEqual(
        [...first.body.data, ...rest.body.data].map(({ seq }: { readonly seq: number }) => seq),
        [4, 3, 2, 1],
      )
      assert.isNull(rest.body.next)
    }),
  )

  it.live("shares a team's limits and routes between its keys, and does not delete a team with keys", () =>
    Effect.gen(function* () {
      const { call, patch, post, ...admin } = yield* gateway({
        keys: "[{ id: written, key: sk-written, team: platform }]",
      })
      assert.strictEqual((yield* call("sk-written", "demo")).status, 200)
      const { body: team } = yield* post("/admin/teams", {
        name: "platform",
        routes: ["assistant"],
        limits: { rpm: 2 },
      })
      const { id, key } = (yield* post("/admin/keys", { name: "ci", team: team.id })).body
      assert.strictEqual((yield* call("sk-written", "demo")).status, 403)
      assert.deepStrictEqual([(yield* call(key)).status, (yield* call("sk-written")).status], [200, 200])
      assert.include((yield* call(key)).body.error.message, 'Team "platform" exceeds its limit of 2 requests a minute.')
      yield* patch(`/admin/teams/platform`, { limits: null, disabled: true })
      assert.include((yield* call(key)).body.error.message, 'The team of key "ci", "platform", is disabled.')
      yield* patch(`/admin/teams/platform`, { disabled: false })
      assert.strictEqual((yield* call(key)).status, 200)
      assert.strictEqual((yield* post("/admin/teams", { name: "platform" })).body.error.code, "name_taken")
      assert.strictEqual((yield* admin.delete("/admin/teams/platform")).body.error.code, "team_has_keys")
      assert.isNull((yield* patch(`/admin/keys/${id}`, { team: null })).body.team)
      assert.strictEqual((yield* admin.delete("/admin/teams/platform")).status, 204)
      assert.strictEqual((yield* call("sk-written", "demo")).status, 200)
    }),
  )

  it.live("holds a team to the budget that the configuration has for its name", () =>
    Effect.gen(function* () {
      const { call, get, patch, post } = yield* gateway({
        keys: "[{ id: written, key: sk-written, team: platform }]",
        budgets: "[{ team: platform, amount: 0.000001, window: month }]",
      })
      const code = (key: string) => Effect.map(call(key), ({ body }) => body.error?.code)
      assert.strictEqual(yield* code("sk-written"), "budget_exceeded")
      const { body: team } = yield* post("/admin/teams", { name: "platform" })
      const manager = (yield* post("/admin/keys", { name: "manager", team: "platform", role: "team-admin" })).body
      assert.strictEqual(yield* code("sk-written"), "budget_exceeded")
      assert.strictEqual(yield* code(manager.key), "budget_exceeded")
      for (const path of ["/admin/budgets", "/admin/budgets?team=platform"]) {
        const { body } = yield* get(path, { key: manager.key })
        assert.deepInclude(body.data[0], { id: "team:platform/month", scope: { team: team.id } })
      }
      // By another name it is another team.
      yield* patch("/admin/teams/platform", { name: "search" })
      assert.strictEqual(yield* code("sk-written"), "budget_exceeded")
      assert.strictEqual(yield* code(manager.key), undefined)
    }),
  )

  it.live("gives a new team the budgets that were made for its name", () =>
    Effect.gen(function* () {
      const { call, get, patch, post } = yield* gateway({
        keys: "[{ id: a, key: sk-a, team: platform }, { id: b, key: sk-b, team: search }]",
      })
      const code = (key: string) => Effect.map(call(key), ({ body }) => body.error?.code)
      for (const team of ["platform", "search"]) {
        yield* post("/admin/budgets", { scope: { team }, amount: 0.000001, window: "month" })
      }
      const { body: team } = yield* post("/admin/teams", { name: "platform" })
      assert.strictEqual(yield* code("sk-a"), "budget_exceeded")
      // Whether it is made with the name or gets it.
      yield* patch(`/admin/teams/${team.id}`, { name: "search" })
      assert.strictEqual(yield* code("sk-b"), "budget_exceeded")
      const { body } = yield* get(`/admin/teams/${team.id}`)
      assert.strictEqual(body.budgets.length, 2)
      assert.strictEqual((yield* get("/admin/audit?kind=budget")).body.data[0].action, "update")
    }),
  )

  it.live("lists keys of the configuration beside others, and does not change them", () =>
    Effect.gen(function* () {
      const { get, patch, post, ...admin } = yield* gateway({
        keys: "[{ id: a, key: sk-a, role: viewer }, { id: b, key: sk-b, limits: { rpm: 7 } }]",
      })
      for (const name of ["c", "d", "e"]) yield* post("/admin/keys", { name })
      const names: Array<string> = []
      let next: string | null = ""
      while (next !== null) {
        const page: AdminGateway.Reply = yield* get(`/admin/keys?limit=2${next === "" ? "" : `&cursor=${next}`}`)
        names.push(...page.body.data.map(({ name }: { readonly name: string }) => name))
        next = page.body.next
      }
      assert.deepStrictEqual(names, ["a", "b", "c", "d", "e"])
      assert.deepInclude((yield* get("/admin/keys/b")).body, {
        source: "configuration",
        limits: { rpm: 7 },
        hint: null,
      })
      for (const reply of [
        yield* patch("/admin/keys/b", { name: "x" }),
        yield* admin.delete("/admin/keys/b"),
        yield* post("/admin/keys/b/rotate"),
      ]) {
        assert.deepStrictEqual([reply.status, reply.body.error.code], [409, "configured_key"])
      }
      assert.strictEqual((yield* get("/admin/keys/me", { key: "sk-a" })).body.role, "viewer")
    }),
  )

  it.live("holds calls to a budget as soon as it is made, changed or deleted, and shows what was spent", () =>
    Effect.gen(function* () {
      const { call, get, patch, post, ...admin } = yield* gateway()
      const budgets = [{ amount: 0.001, window: "month" }]
      const { body } = yield* post("/admin/keys", { name: "ci", budgets })
      const [{ id }] = body.budgets
      const refused = yield* call(body.key)
      assert.deepStrictEqual([refused.status, refused.body.error.code], [429, "budget_exceeded"])
      yield* patch(`/admin/budgets/${id}`, { amount: 1000 })
      assert.strictEqual((yield* call(body.key)).status, 200)
      const { reserved, remaining, spent } = (yield* get(`/admin/budgets/${id}`)).body
      assert.isAbove(spent, 0)
      assert.deepStrictEqual([reserved, remaining], [0, 1000 - spent])
      yield* patch(`/admin/budgets/${id}`, { amount: 0.001 })
      // What the gateway had leased of the former amount goes back with its next round.
      while ((yield* call(body.key)).status !== 429) yield* Effect.sleep("50 millis")
      yield* admin.delete(`/admin/budgets/${id}`)
      assert.strictEqual((yield* call(body.key)).status, 200)
    }),
  )

  it.live("counts from a change of the window on, and says so at once", () =>
    Effect.gen(function* () {
      const { call, get, patch, post } = yield* gateway()
      const budgets = [{ amount: 1000, window: "month" }]
      const { body } = yield* post("/admin/keys", { name: "ci", budgets })
      const [{ id }] = body.budgets
      assert.strictEqual((yield* call(body.key)).status, 200)
      assert.isAbove((yield* get(`/admin/budgets/${id}`)).body.spent, 0)
      const changed = yield* patch(`/admin/budgets/${id}`, { window: "week" })
      assert.deepInclude(changed.body, { window: "week", spent: 0, reserved: 0, remaining: 1000 })
      assert.strictEqual((yield* get(`/admin/budgets/${id}`)).body.spent, 0)
    }),
  )

  it.live("limits budgets to what exists, and shows what they name by id", () =>
    Effect.gen(function* () {
      const { get, patch, post, ...admin } = yield* gateway()
      const { body: team } = yield* post("/admin/teams", { name: "platform" })
      const { id } = (yield* post("/admin/keys", { name: "ci" })).body
      const made = yield* post("/admin/budgets", {
        scope: { team: "platform" },
        amount: 50.25,
        window: "week",
        timeZone: "Europe/Berlin",
        then: { use: "cheap" },
        alerts: [0.9],
      })
      assert.strictEqual(made.status, 201)
      assert.deepInclude(made.body, {
        scope: { team: team.id },
        amount: 50.25,
        window: "week",
        timeZone: "Europe/Berlin",
        then: { use: "cheap" },
        alerts: [0.9],
        spent: 0,
        remaining: 50.25,
      })
      yield* post("/admin/budgets", { scope: "all", amount: 1, window: "total" })
      yield* post("/admin/budgets", { scope: { key: "ci" }, amount: 1, window: "30 days" })
      const changed = yield* patch(`/admin/budgets/${made.body.id}`, {
        amount: 60,
        then: null,
        scope: { tag: "batch" },
      })
      assert.deepInclude(changed.body, { scope: { tag: "batch" }, amount: 60, window: "week", then: "refuse" })
      yield* post("/admin/teams", { name: "narrow", routes: ["cheap"] })
      const beyond = yield* post("/admin/keys", {
        name: "narrow",
        team: "narrow",
        budgets: [{ amount: 1, window: "day", then: { use: "assistant" } }],
      })
      assert.deepStrictEqual(beyond.body.errors, [
        {
          field: "budgets[0].then.use",
          message: 'the calls of this budget may not use "assistant". They may use: cheap.',
        },
      ])
      const field = (body: object) => Effect.map(post("/admin/budgets", body), ({ body }) => body.errors[0].field)
      const rest = { amount: 1, window: "day" }
      assert.strictEqual(yield* field({ scope: { key: "nobody" }, ...rest }), "scope.key")
      assert.strictEqual(yield* field({ scope: { route: "asistant" }, ...rest }), "scope.route")
      assert.strictEqual(yield* field({ scope: { deployment: "assistant" }, ...rest }), "scope.deployment")
      assert.strictEqual(yield* field({ scope: { vendor: "openia" }, ...rest }), "scope.vendor")
      // No call has such a tag, and none is answered by another route for its deployment.
      assert.strictEqual(yield* field({ scope: { tag: "a,b" }, ...rest }), "scope.tag")
      assert.strictEqual(yield* field({ scope: { vendor: "openai" }, ...rest, then: { use: "cheap" } }), "then.use")
      assert.strictEqual(yield* field({ scope: { team: "a", key: "b" }, ...rest }), "scope")
      assert.strictEqual(yield* field({ scope: "al", ...rest }), "scope")
      assert.strictEqual(yield* field({ scope: "all", amount: 1, window: "fortnight" }), "window")
      assert.strictEqual((yield* get("/admin/budgets")).body.data.length, 3)
      assert.deepStrictEqual(
        (yield* get(`/admin/budgets?key=${id}`)).body.data.map(({ scope }: { readonly scope: unknown }) => scope),
        [{ key: id }],
      )
      // The budgets of a key go with it.
      yield* admin.delete(`/admin/keys/${id}`)
      assert.strictEqual((yield* get("/admin/budgets")).body.data.length, 2)
      assert.strictEqual((yield* admin.delete(`/admin/budgets/${made.body.id}`)).status, 204)
      assert.strictEqual((yield* get(`/admin/budgets/${made.body.id}`)).status, 404)
    }),
  )

  it.live("is described by an OpenAPI document", () =>
    Effect.gen(function* () {
      const { get } = yield* gateway()
      const { body } = yield* get("/admin/openapi.json")
      assert.strictEqual(body.openapi, "3.1.0")
      assert.includeMembers(Object.keys(body.paths), ["/admin/keys", "/admin/keys/{id}/rotate", "/admin/audit"])
      const { post } = body.paths["/admin/keys"]
      assert.deepStrictEqual(post.security, [{ bearer: [] }])
      assert.includeMembers(Object.keys(post.requestBody.content["application/json"].schema.properties), [
        "name",
        "budgets",
      ])
      assert.deepStrictEqual(post.responses["400"].content, {
        "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
      })
      assert.property(body.components.schemas, "Problem")
    }),
  )

  it.live("finds each of ten thousand keys, and lists them in pages", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const sql = Context.get(yield* Layer.build(Store.layer(place)), SqlClient)
          const rows = Array.from({ length: 10_000 }, (_, index): Record<string, unknown> => ({
            id: `key_${String(index).padStart(5, "0")}`,
            name: `n${index}`,
            hash: Keyring.digestOf(`sk-us-${index}`),
            hint: "none",
            role: "caller",
            tags: "[]",
            metadata: "{}",
            disabled: 0,
            created_at: 0,
            updated_at: 0,
          }))
          for (const chunk of Arr.chunksOf(rows, 1000)) yield* sql`INSERT INTO keys ${sql.insert(chunk)}`
        }),
      )
      const { call, get, ring } = yield* AdminGateway.make(place)
      assert.strictEqual(ring.size, 10_000)
      assert.strictEqual((yield* call("sk-us-9999")).status, 200)
      const first = yield* get("/admin/keys?limit=1000")
      assert.strictEqual(first.body.data.length, 1000)
      const second = yield* get(`/admin/keys?limit=1000&cursor=${first.body.next}`)
      assert.strictEqual(second.body.data[0].id, "key_01000")
    }),
  )
})
