/** The rows of calls in the database, and what becomes of them while it is lost. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Ledger from "../../src/ledger/Ledger.ts"
import * as StoreStatus from "../../src/store/StoreStatus.ts"
import { onEach } from "../store/Databases.ts"
import { folder, lossy, opened, start } from "./TestLedger.ts"

interface Count {
  readonly calls: number
  readonly attempts: number
  readonly counted: number
}

/** How many calls and attempts have rows, and how many calls the days have. */
const count = (sql: SqlClient) =>
  Effect.map(
    sql.unsafe<Count>(`SELECT
      (SELECT CAST(count(*) AS BIGINT) FROM calls) AS calls,
      (SELECT CAST(count(*) AS BIGINT) FROM attempts) AS attempts,
      (SELECT CAST(COALESCE(sum(calls), 0) AS BIGINT) FROM spend_daily) AS counted`),
    ([row]) => ({ ...row }),
  )

const ids = (sql: SqlClient) =>
  Effect.map(sql<{ readonly id: string }>`SELECT id FROM calls`, (rows) => rows.map(({ id }) => id).toSorted())

onEach("a ledger", ({ database }) => {
  /** An empty database, and a file to spill to. */
  const books = Effect.gen(function* () {
    const state = lossy(yield* opened(yield* Effect.promise(database)))
    return { state, sql: state.sql, file: join(yield* folder, "spill.jsonl") }
  })

  it.live("writes a row for a call and for each attempt", () =>
    Effect.gen(function* () {
      const { file, sql } = yield* books
      const { call, close } = yield* start(sql, { spill: { file } })
      yield* call("assistant", { caller: "k1", protocol: "messages" })
      yield* call("assistant", { caller: "k1" })
      yield* close
      const calls = yield* sql<Record<string, unknown>>`SELECT * FROM calls ORDER BY attempts`
      const { at, id, millis, ...second } = calls[1] ?? {}
      assert.isNumber(at)
      assert.isNumber(millis)
      assert.strictEqual(calls[0]?.["protocol"], "messages")
      assert.deepStrictEqual(second, {
        key_id: "k1",
        team_id: "",
        tags: "[]",
        route: "assistant",
        model: "assistant",
        deployment: "backup",
        vendor: "anthropic",
        served_model: "sonnet",
        protocol: "",
        streamed: 0,
        outcome: "success",
        reason: null,
        status: null,
        cache: null,
        first_token_millis: null,
        attempts: 2,
        attempt_millis: null,
        split: null,
        shadow_of: null,
        input_tokens: 1000,
        cached_input_tokens: 600,
        cache_write_tokens: 0,
        output_tokens: 200,
        reasoning_tokens: 50,
        cost: 6_000_000,
        price_version: null,
        estimated: 0,
      })
      const attempts = yield* sql<Record<string, unknown>>`SELECT * FROM attempts WHERE call_id = ${id as string}
        ORDER BY position`
      assert.deepStrictEqual(
        attempts.map((attempt): object => ({ ...attempt, millis: 0 })),
        [
          {
            call_id: id,
            position: 0,
            deployment: "primary",
            vendor: "openai",
            model: "gpt-4o",
            outcome: "failure",
            reason: "overloaded",
            status: 503,
            millis: 0,
            input_tokens: 0,
            cached_input_tokens: 0,
            cache_write_tokens: 0,
            output_tokens: 0,
            reasoning_tokens: 0,
            cost: 0,
            price_version: null,
            estimated: 0,
          },
          {
            call_id: id,
            position: 1,
            deployment: "backup",
            vendor: "anthropic",
            model: "sonnet",
            outcome: "success",
            reason: null,
            status: null,
            millis: 0,
            input_tokens: 1000,
            cached_input_tokens: 600,
            cache_write_tokens: 0,
            output_tokens: 200,
            reasoning_tokens: 50,
            cost: 6_000_000,
            price_version: "list 7",
            estimated: 0,
          },
        ],
      )
    }),
  )

  it.live("counts a call once, at the deployment that answered, and attempts where they were made", () =>
    Effect.gen(function* () {
      const { file, sql } = yield* books
      const { call, close } = yield* start(sql, { spill: { file } })
      for (const route of ["assistant", "assistant", "assistant", "cheap", "alone"]) yield* call(route)
      yield* close
      for (const table of ["spend_daily", "spend_hourly"]) {
        const rows = yield* sql.unsafe<Record<string, unknown>>(
          `SELECT route, deployment, calls, attempts, failed_calls, input_tokens, cost, unpriced_attempts
           FROM ${table} ORDER BY route, deployment`,
        )
        const columns = rows.map((row) => Object.values(row))
        assert.deepStrictEqual(columns, [
          ["alone", "primary", 1, 1, 1, 0, 0, 0],
          ["assistant", "backup", 2, 2, 0, 2000, 12_000_000, 0],
          ["assistant", "primary", 1, 3, 0, 1000, 4_000_000, 0],
          ["cheap", "free", 1, 1, 0, 1000, 0, 1],
        ])
      }
    }),
  )

  it.live("writes many calls in few transactions, and all that are pending when it closes", () =>
    Effect.gen(function* () {
      const { file, sql } = yield* books
      const { call, close } = yield* start(sql, { flush: "1 hour", spill: { file } })
      yield* Effect.forEach(Array.from({ length: 1234 }), () => call(), { discard: true })
      yield* close
      assert.deepStrictEqual(yield* count(sql), { calls: 1234, attempts: 1234, counted: 1234 })
      assert.isFalse(existsSync(file))
    }),
  )

  it.live("writes a batch once whose commit was not acknowledged", () =>
    Effect.gen(function* () {
      const { file, sql, state } = yield* books
      const { call, close, logged } = yield* start(sql, { spill: { file } })
      state.fault = "reply lost"
      for (let calls = 0; calls < 3; calls++) yield* call()
      yield* logged("The database is lost")
      state.fault = "none"
      yield* call()
      yield* logged("are written")
      yield* close
      assert.deepStrictEqual(yield* count(sql), { calls: 4, attempts: 4, counted: 4 })
    }),
  )

  it.live("keeps calls in a file while the database is lost, and writes them once when it is back", () =>
    Effect.gen(function* () {
      const { file, sql, state } = yield* books
      const { call, close, isUp, logged, messages, metric } = yield* start(sql, { spill: { file } })
      yield* call()
      state.fault = "down"
      for (let calls = 0; calls < 50; calls++) yield* call()
      yield* logged("The database is lost: connection reset")
      assert.isFalse(isUp())
      assert.strictEqual(yield* metric(StoreStatus.up), 0)
      for (let calls = 0; calls < 50; calls++) yield* call()
      state.fault = "none"
      yield* logged("are written")
      assert.isTrue(isUp())
      assert.strictEqual(yield* metric(StoreStatus.up), 1)
      yield* call()
      yield* close
      assert.strictEqual(yield* metric(Ledger.pendingRows), 0)
      assert.deepStrictEqual(yield* count(sql), { calls: 102, attempts: 102, counted: 102 })
      assert.isFalse(existsSync(file))
      assert.strictEqual(messages.filter((message) => message.includes("The database is lost")).length, 1)
      assert.strictEqual(messages.filter((message) => message.includes("The database is back")).length, 1)
    }),
  )

  it.live("writes what an earlier process left, also if that was ended while it wrote a line", () =>
    Effect.gen(function* () {
      const { file, sql, state } = yield* books
      const first = yield* start(sql, { spill: { file } })
      state.fault = "down"
      for (let calls = 0; calls < 10; calls++) yield* first.call()
      yield* first.close
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      const [line = ""] = readFileSync(file, "utf8").split("\n")
      // Some of them had been written already, and the last line was cut off.
      appendFileSync(file, `${line}\n${line.slice(0, 40)}`)
      state.fault = "none"
      const second = yield* start(sql, { spill: { file } })
      yield* second.logged("are written")
      yield* second.call()
      yield* second.close
      assert.deepStrictEqual(yield* count(sql), { calls: 11, attempts: 11, counted: 11 })
      assert.isTrue(second.messages.some((message) => message.startsWith("1 call is not in the ledger")))
    }),
  )

  it.live("loses the newest calls when the file is full", () =>
    Effect.gen(function* () {
      const { file, sql, state } = yield* books
      const { call, close, logged, messages, metric } = yield* start(sql, { spill: { file, maxSize: 5000 } })
      state.fault = "down"
      for (let calls = 0; calls < 50; calls++) yield* call()
      yield* logged("spill.jsonl has reached its maximum size")
      assert.isAtMost(statSync(file).size, 5000)
      const kept = readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line): string => JSON.parse(line).call.id)
      state.fault = "none"
      yield* logged("are written")
      yield* close
      assert.isAbove(kept.length, 3)
      assert.deepStrictEqual(yield* ids(sql), kept.toSorted())
      const lost = messages.map((message) => Number(/^(\d+) calls are not in the ledger/.exec(message)?.[1] ?? 0))
      assert.strictEqual(
        lost.reduce((sum, calls) => sum + calls, 0),
        50 - kept.length,
      )
      assert.strictEqual(yield* metric(Ledger.lostRows), 50 - kept.length)
    }),
  )

  it.live("loses only a call that the database refuses", () =>
    Effect.gen(function* () {
      const { file, sql, state } = yield* books
      const first = yield* start(sql, { spill: { file } })
      state.fault = "down"
      for (let calls = 0; calls < 9; calls++) yield* first.call()
      yield* first.close
      const lines = readFileSync(file, "utf8").trimEnd().split("\n")
      writeFileSync(
        file,
        lines.map((line, at) => (at === 4 ? line.replace(/"route":"\w+"/, '"route":null') : line)).join("\n"),
      )
      state.fault = "none"
      const second = yield* start(sql, { spill: { file } })
      yield* second.logged("are written")
      yield* second.close
      assert.deepStrictEqual(yield* count(sql), { calls: 8, attempts: 8, counted: 8 })
      assert.isTrue(second.messages.some((message) => message.startsWith("1 call is not in the ledger")))
    }),
  )
})
