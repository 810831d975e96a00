/** Spend and calls as they are asked for, against a recount of the rows. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Calls from "../../src/ledger/Calls.ts"
import * as Retention from "../../src/ledger/Retention.ts"
import * as RollUps from "../../src/ledger/RollUps.ts"
import type { AttemptRow, CallRow, Entry } from "../../src/ledger/Rows.ts"
import * as Spend from "../../src/ledger/Spend.ts"
import { onEach } from "../store/Databases.ts"
import { opened, write } from "./TestLedger.ts"

/** Numbers that look random, and are the same in every run. */
const random = (seed: number) => () => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
  return (seed >>> 8) / 2 ** 24
}

const from = Date.UTC(2026, 10, 28)
const tagLists = [[], ["a"], ["a", "b"], [`x"a`, "ü,"], ["b"]]
const vendors: Readonly<Record<string, string>> = { d1: "openai", d2: "openai", d3: "anthropic" }

/** Calls over five days, at any hour, also on the border of a month. */
const entries = (count: number, next = random(7)): ReadonlyArray<Entry> => {
  const pick = <A>(list: ReadonlyArray<A>): A => list[Math.floor(next() * list.length)]!
  return Array.from({ length: count }, (_, index): Entry => {
    const at = from + Math.floor(next() * 5 * RollUps.day)
    const id = `c-${index.toString(36).padStart(5, "0")}`
    const attempts = Array.from({ length: Math.floor(next() * 3) }, (_, position): AttemptRow => {
      const deployment = pick(["d1", "d2", "d3"])
      const tokens = Math.floor(next() * 1000)
      return {
        call_id: id,
        position,
        deployment,
        vendor: vendors[deployment]!,
        model: pick(["large", "small"]),
        outcome: "success",
        reason: null,
        status: null,
        millis: 5,
        input_tokens: tokens,
        cached_input_tokens: tokens >> 1,
        cache_write_tokens: tokens >> 2,
        output_tokens: tokens * 2,
        reasoning_tokens: tokens >> 3,
        cost: next() < 0.1 ? null : tokens * 1000,
        price_version: null,
        estimated: next() < 0.2 ? 1 : 0,
      }
    })
    const last = attempts.at(-1)
    const outcome = pick(["success", "success", "failure", "cancelled"])
    // Its row is also that of its attempt.
    const only = attempts.length === 1 && outcome === "success" ? last : undefined
    const call: CallRow = {
      id,
      at,
      key_id: pick(["", "k1", "k2"]),
      team_id: pick(["", "t1"]),
      tags: JSON.stringify(pick(tagLists)),
      route: pick(["r1", "r2"]),
      model: "asked",
      deployment: last?.deployment ?? "d1",
      vendor: vendors[last?.deployment ?? "d1"]!,
      served_model: last?.model ?? "large",
      protocol: "messages",
      streamed: 0,
      outcome,
      reason: null,
      status: null,
      cache: null,
      millis: 10,
      first_token_millis: null,
      attempts: attempts.length,
      attempt_millis: only?.millis ?? null,
      split: null,
      shadow_of: null,
      input_tokens: only?.input_tokens ?? 0,
      cached_input_tokens: only?.cached_input_tokens ?? 0,
      cache_write_tokens: only?.cache_write_tokens ?? 0,
      output_tokens: only?.output_tokens ?? 0,
      reasoning_tokens: only?.reasoning_tokens ?? 0,
      cost: only === undefined ? 0 : only.cost,
      price_version: null,
      estimated: only?.estimated ?? 0,
    }
    return { call, attempts }
  })
}

/** The sums of a query, counted one call and one attempt after the other. */
const recount = (entries: ReadonlyArray<Entry>, { by, every, from = 0, to = Infinity, where = {} }: Spend.Query) => {
  const rows = new Map<string, { calls: number; attempts: number; failedCalls: number; tokens: number; cost: number }>()
  const add = (call: CallRow, attempt: AttemptRow | undefined) => {
    const { deployment, model, vendor } = attempt ?? { ...call, model: call.served_model }
    const tags: ReadonlyArray<string> = JSON.parse(call.tags)
    const wanted = (tags.length === 0 ? [""] : tags).filter((tag) => where.tag === undefined || where.tag === tag)
    const names = { key: call.key_id, team: call.team_id, route: call.route, deployment, vendor, model }
    if (call.at < from || call.at >= to || wanted.length === 0) return
    for (const [name, value] of Object.entries(names)) {
      const expected = where[name as keyof typeof names]
      if (expected !== undefined && expected !== value) return
    }
    for (const tag of by.includes("tag") ? wanted : [""]) {
      const time = new Date(call.at).toISOString()
      const start =
        every === undefined ? "" : { hour: time.slice(0, 13), day: time.slice(0, 10), month: time.slice(0, 7) }[every]
      const key = [start, ...by.map((name) => (name === "tag" ? tag : names[name]))].join("|")
      const row = rows.get(key) ?? { calls: 0, attempts: 0, failedCalls: 0, tokens: 0, cost: 0 }
      rows.set(key, row)
      if (attempt === undefined) {
        row.calls++
        if (call.outcome === "failure") row.failedCalls++
      } else {
        row.attempts++
        row.tokens += attempt.input_tokens + attempt.output_tokens
        row.cost += attempt.cost ?? 0
      }
    }
  }
  for (const { attempts, call } of entries) {
    add(call, undefined)
    for (const attempt of attempts) add(call, attempt)
  }
  return rows
}

const answered = (rows: ReadonlyArray<Spend.Row>, { by, every }: Spend.Query) =>
  new Map(
    rows.map((row) => {
      const length = every === undefined ? 0 : { hour: 13, day: 10, month: 7 }[every]
      const key = [Spend.iso(row.start ?? 0).slice(0, length), ...by.map((name) => row[name])].join("|")
      const { attempts, calls, cost, failedCalls, inputTokens, outputTokens } = row
      return [key, { calls, attempts, failedCalls, tokens: inputTokens + outputTokens, cost: Math.round(cost * 1e9) }]
    }),
  )

onEach("the books", ({ database }) => {
  const filled = Effect.fnUntraced(function* (all: ReadonlyArray<Entry>) {
    const sql = yield* opened(yield* Effect.promise(database))
    for (let at = 0; at < all.length; at += 500) yield* write(sql, all.slice(at, at + 500))
    return sql
  })

  it.live("sum what was spent by every column, over every time, as a recount does", () =>
    Effect.gen(function* () {
      const all = entries(1500)
      const sql = yield* filled(all)
      const queries: ReadonlyArray<Spend.Query> = [
        { by: [] },
        ...Spend.dimensions.map((name): Spend.Query => ({ by: [name] })),
        ...Spend.intervals.map((every): Spend.Query => ({ by: ["team"], every })),
        { by: ["key", "tag", "model"], every: "day" },
        { by: ["vendor", "route"], from: from + RollUps.day, to: from + 3 * RollUps.day },
        { by: ["deployment"], from: from + 5 * RollUps.hour, to: from + 30 * RollUps.hour },
        { by: ["deployment"], every: "day", from: from + 5 * RollUps.hour },
        { by: ["tag"], where: { tag: "a" } },
        { by: ["key"], where: { tag: `x"a`, route: "r1" } },
        { by: ["model"], where: { key: "k1", team: "", vendor: "openai" } },
        { by: ["tag"], where: { tag: "" } },
      ]
      for (const query of queries) {
        const expected = recount(all, query)
        assert.isAbove(expected.size, 0)
        assert.deepStrictEqual(
          Object.fromEntries([...answered(yield* Spend.query(sql, query), query)].toSorted()),
          Object.fromEntries([...expected].toSorted()),
          JSON.stringify(query),
        )
      }
    }),
  )

  it.live("name keys and teams, and give no more rows than were spent on", () =>
    Effect.gen(function* () {
      const sql = yield* filled(entries(50))
      const times = { created_at: 0, updated_at: 0, disabled: 0, metadata: "{}" }
      yield* sql`INSERT INTO teams ${sql.insert({ id: "t1", name: "platform", ...times })}`
      yield* sql`INSERT INTO keys ${sql.insert({ id: "k1", name: "ci", hash: "h", hint: "", role: "caller", tags: "[]", ...times })}`
      const names = (rows: ReadonlyArray<Spend.Row>) =>
        rows.map(({ key, keyName, team, teamName }) => [key, keyName, team, teamName])
      const rows = yield* Spend.query(sql, { by: ["key", "team"] })
      assert.sameDeepMembers(names(rows), [
        ["", null, "", null],
        ["", null, "t1", "platform"],
        ["k1", "ci", "", null],
        ["k1", "ci", "t1", "platform"],
        ["k2", "k2", "", null],
        ["k2", "k2", "t1", "platform"],
      ])
      assert.deepStrictEqual(yield* Spend.query(sql, { by: ["key"], from: from + 50 * RollUps.day }), [])
    }),
  )

  it.live("give pages of calls that inserts between them do not change", () =>
    Effect.gen(function* () {
      const all = entries(240)
      // Many calls of one time: the order of ids decides.
      const crowded = all.map((entry, index) => ({
        ...entry,
        call: { ...entry.call, at: from + Math.floor(index / 60) },
      }))
      const sql = yield* filled(crowded.slice(0, 200))
      const seen: Array<string> = []
      let position: Calls.Position | undefined
      for (let page = 0; ; page++) {
        const calls = yield* Calls.list(sql, {}, 30, position)
        if (calls.length === 0) break
        seen.push(...calls.map(({ id }) => id))
        const last = calls.at(-1)!
        position = [last.at, last.id]
        if (page === 1) yield* write(sql, crowded.slice(200))
      }
      const expected = crowded.slice(0, 200).map(({ call }) => call.id)
      assert.deepStrictEqual(
        seen.filter((id) => expected.includes(id)),
        expected.toReversed(),
      )
      assert.strictEqual(new Set(seen).size, seen.length)
    }),
  )

  it.live("find calls by each filter", () =>
    Effect.gen(function* () {
      const all = entries(300)
      const sql = yield* filled(all)
      const filters: ReadonlyArray<readonly [Calls.Filter, (call: CallRow) => boolean]> = [
        [{ id: "c-00007" }, ({ id }) => id === "c-00007"],
        [{ key: "k1" }, ({ key_id }) => key_id === "k1"],
        [{ key: "" }, ({ key_id }) => key_id === ""],
        [{ team: "t1", route: "r2" }, ({ route, team_id }) => team_id === "t1" && route === "r2"],
        [{ deployment: "d3" }, ({ deployment }) => deployment === "d3"],
        [{ outcome: "success" }, ({ outcome }) => outcome === "success"],
        [{ outcome: "failure" }, ({ outcome }) => outcome === "failure"],
        [{ tag: "a" }, ({ tags }) => JSON.parse(tags).includes("a")],
        [{ tag: `x"a` }, ({ tags }) => JSON.parse(tags).includes(`x"a`)],
        [{ tag: "" }, ({ tags }) => tags === "[]"],
        [
          { from: from + RollUps.day, to: from + 2 * RollUps.day },
          ({ at }) => Math.floor((at - from) / RollUps.day) === 1,
        ],
      ]
      for (const [filter, matches] of filters) {
        const found = yield* Calls.list(sql, filter, 1000)
        const expected = all.filter(({ call }) => matches(call)).map(({ call }) => call.id)
        assert.isNotEmpty(expected)
        assert.sameMembers(
          found.map(({ id }) => id),
          expected,
          JSON.stringify(filter),
        )
      }
      for (const { attempts, call } of all.slice(0, 50)) {
        const one = yield* Calls.get(sql, call.id)
        assert.deepStrictEqual({ ...one?.call }, call)
        assert.deepStrictEqual(
          one?.attempts.map((attempt) => ({ ...attempt })),
          attempts,
        )
      }
      assert.isUndefined(yield* Calls.get(sql, "c-unknown"))
    }),
  )

  it.live("are written by several gateways at once, each call once", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const gateways = yield* Effect.all([opened(place), opened(place), opened(place)])
      const key = {
        hash: "",
        hint: "",
        role: "caller",
        tags: "[]",
        metadata: "{}",
        disabled: 0,
        created_at: 0,
        updated_at: 0,
      }
      for (const id of ["k1", "k2"])
        yield* gateways[0]`INSERT INTO keys ${gateways[0].insert({ ...key, id, name: id, hash: id })}`
      const all = entries(1800)
      const parts = Array.from({ length: 18 }, (_, part) => all.slice(part * 100, part * 100 + 100))
      // Each writes its own calls, and the first also those of the others, as after a commit that was not acknowledged.
      yield* Effect.forEach(
        gateways,
        (sql, at) =>
          Effect.forEach(
            parts.filter((_, part) => at === 0 || part % 3 === at),
            (part) => write(sql, part),
          ),
        { concurrency: "unbounded", discard: true },
      )
      const query: Spend.Query = { by: ["key", "deployment"], every: "day" }
      assert.deepStrictEqual(
        Object.fromEntries([...answered(yield* Spend.query(gateways[0], query), query)].toSorted()),
        Object.fromEntries([...recount(all, query)].toSorted()),
      )
    }),
  )

  it.live("lose what calls have in common once the last of these calls is older than a day more than it is kept", () =>
    Effect.gen(function* () {
      const sql = yield* filled([])
      const [{ attempts, call } = assert.fail("no entry")] = entries(1)
      const written = (id: string, route: string, at: number): Entry => ({ attempts, call: { ...call, id, route, at } })
      const before = from + 2 * RollUps.day
      yield* write(sql, [written("a", "old", before - 1), written("b", "older", before - RollUps.day - 1)])
      yield* write(sql, [written("c", "used again", from)])
      yield* write(sql, [written("d", "used again", before + 1)])
      assert.strictEqual(yield* Retention.deleteBefore(sql, before), 3)
      const left = yield* sql<{ readonly route: string }>`SELECT route FROM call_dimensions ORDER BY route`
      assert.deepStrictEqual(
        left.map(({ route }) => route),
        ["old", "used again"],
      )
      assert.deepStrictEqual(
        (yield* Calls.list(sql, {}, 10)).map(({ id }) => id),
        ["d"],
      )
    }),
  )

  it.live("find calls of more combinations of names than are searched one by one", () =>
    Effect.gen(function* () {
      const [{ attempts, call } = assert.fail("no entry")] = entries(1)
      const all = Array.from({ length: 1200 }, (_, index): Entry => ({
        attempts,
        call: {
          ...call,
          id: `m${index}`,
          at: from + index,
          tags: `["${index}"]`,
          route: index % 2 === 0 ? "r1" : "r2",
        },
      }))
      const sql = yield* filled(all)
      const found = yield* Calls.list(sql, { route: "r1" }, 3, [from + 1000, ""])
      assert.deepStrictEqual(
        found.map(({ id }) => id),
        ["m998", "m996", "m994"],
      )
      assert.strictEqual((yield* Calls.list(sql, { route: "r1" }, 1000)).length, 600)
      assert.deepStrictEqual(
        (yield* Calls.list(sql, { route: "r2", tag: "77" }, 3)).map(({ id }) => id),
        ["m77"],
      )
    }),
  )

  it.live("lose calls, attempts and hours with age, but no days", () =>
    Effect.gen(function* () {
      const all = entries(2000)
      const sql = yield* filled(all)
      const before = from + 2 * RollUps.day
      const days = yield* Spend.query(sql, { by: ["key"], every: "day" })
      const kept = all.filter(({ call }) => call.at >= before)
      assert.strictEqual(yield* Retention.deleteBefore(sql, before), all.length - kept.length)
      const [row] = yield* sql.unsafe<object>(`SELECT (SELECT CAST(count(*) AS BIGINT) FROM calls) AS calls,
        (SELECT CAST(count(*) AS BIGINT) FROM attempts) AS attempts`)
      const attempts = kept.reduce((sum, { attempts }) => sum + attempts.length, 0)
      assert.deepStrictEqual({ ...row }, { calls: kept.length, attempts })
      assert.deepStrictEqual(yield* Spend.query(sql, { by: ["key"], every: "day" }), days)
      assert.deepStrictEqual(
        answered(yield* Spend.query(sql, { by: [], every: "hour" }), { by: [], every: "hour" }),
        recount(kept, { by: [], every: "hour" }),
      )
    }),
  )
})

it("is written as CSV with quotes where they are needed, and no formulas", () => {
  const sums = {
    calls: 1,
    attempts: 1,
    failedCalls: 0,
    inputTokens: 2,
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 3,
    reasoningTokens: 0,
    cost: 0.5,
    estimatedCost: 0,
    unpricedAttempts: 0,
  }
  const rows = [
    { start: from, key: "k1", keyName: "=1+1", tag: `a,"b"`, ...sums },
    { start: from, key: "", keyName: null, tag: "", ...sums },
  ]
  assert.strictEqual(
    Spend.csv(rows, { by: ["key", "tag"], every: "day" }),
    "start,key,keyName,tag,calls,attempts,failedCalls,inputTokens,cachedInputTokens,cacheWriteTokens,outputTokens,reasoningTokens,cost,estimatedCost,unpricedAttempts\r\n" +
      `2026-11-28T00:00:00.000Z,k1,'=1+1,"a,""b""",1,1,0,2,0,0,3,0,0.5,0,0\r\n` +
      "2026-11-28T00:00:00.000Z,,,,1,1,0,2,0,0,3,0,0.5,0,0\r\n",
  )
})
