/**
 * Fills a ledger with a million calls, on SQLite and on PostgreSQL, and measures how long its queries take. Prints the plan of
 * each.
 *
 *     node bench/ledger.ts [--calls 1000000] [--only sqlite]
 */
import { Batch } from "@understudy/http/internal/ledger/Batch"
import * as Calls from "@understudy/http/internal/ledger/Calls"
import * as Retention from "@understudy/http/internal/ledger/Retention"
import type { Entry } from "@understudy/http/internal/ledger/Rows"
import * as Spend from "@understudy/http/internal/ledger/Spend"
import { write } from "@understudy/http/internal/ledger/Write"
import * as Store from "@understudy/http/internal/store/Store"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import * as Statement from "effect/sql/Statement"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as TestPostgres from "../packages/http/test/store/TestPostgres.ts"

const { values } = parseArgs({ options: { calls: { type: "string" }, only: { type: "string" } } })
const count = Number(values.calls ?? 1_000_000)
const day = 86_400_000
const days = 90
const now = Date.now()
const start = now - days * day
const deployments = ["openai", "anthropic", "bedrock"].flatMap((vendor) =>
  ["large", "small"].map((model) => ({ deployment: `${vendor}-${model}`, vendor, model })),
)

/** The call with this number. Of 1,000 calls, one has failed; of all, ten have a rare route and a rare tag. */
const entry = (index: number): Entry => {
  const { deployment, model, vendor } = deployments[(index * 7) % deployments.length]!
  const id = `bench-${index.toString(36)}`
  const isRare = index % (count / 10) === 0
  const tokens = (index * 37) % 2000
  const outcome = index % 1000 === 0 ? "failure" : "success"
  const reason = outcome === "failure" ? "overloaded" : null
  const used = {
    input_tokens: tokens,
    cached_input_tokens: tokens >> 2,
    cache_write_tokens: 0,
    output_tokens: tokens >> 1,
    reasoning_tokens: 0,
    cost: tokens * 2500,
    price_version: "genai-prices",
    estimated: 0,
  }
  return {
    call: {
      id,
      at: start + Math.floor((index / count) * days * day),
      key_id: `key_${(index * 31) % 200}`,
      team_id: `team_${(index * 31) % 20}`,
      tags: isRare ? '["rare"]' : index % 3 === 0 ? '["batch","nightly"]' : "[]",
      route: isRare ? "rare" : index % 2 === 0 ? "assistant" : "cheap",
      model: "assistant",
      deployment,
      vendor,
      served_model: model,
      protocol: "chat-completions",
      streamed: index & 1,
      outcome,
      reason,
      status: reason === null ? null : 503,
      cache: null,
      millis: 800,
      first_token_millis: 200,
      attempts: 1,
      attempt_millis: 790,
      split: null,
      shadow_of: null,
      ...used,
    },
    attempts: [
      {
        call_id: id,
        position: 0,
        deployment,
        vendor,
        model,
        outcome,
        reason,
        status: reason === null ? null : 503,
        millis: 790,
        ...used,
      },
    ],
  }
}

const fill = Effect.fnUntraced(function* (sql: SqlClient) {
  const from = performance.now()
  const cpu = process.cpuUsage()
  for (let at = 0; at < count; at += 500)
    yield* write(sql, Batch.of(Array.from({ length: Math.min(500, count - at) }, (_, index) => entry(at + index))))
  const { system, user } = process.cpuUsage(cpu)
  const seconds = (performance.now() - from) / 1000
  console.log(
    `${count} calls written in ${seconds.toFixed(0)} s: ${(count / seconds).toFixed(0)} a second, ` +
      `${((system + user) / count).toFixed(1)} µs of this process's CPU each`,
  )
})

const middle: Calls.Position = [start + (days / 2) * day, ""]

type Run = (sql: SqlClient) => Effect.Effect<unknown, unknown>

const queries: Readonly<Record<string, Run>> = {
  "spend in all": (sql) => Spend.query(sql, { by: [] }),
  "spend by key": (sql) => Spend.query(sql, { by: ["key"] }),
  "spend by team and model, every day": (sql) => Spend.query(sql, { by: ["team", "model"], every: "day" }),
  "spend by tag, 30 days": (sql) => Spend.query(sql, { by: ["tag"], from: (Math.floor(now / day) - 30) * day }),
  "spend of one key, every day": (sql) => Spend.query(sql, { by: ["model"], every: "day", where: { key: "key_7" } }),
  "spend by deployment, every hour of a week": (sql) =>
    Spend.query(sql, { by: ["deployment"], every: "hour", from: now - 7 * day }),
  "newest calls": (sql) => Calls.list(sql, {}, 100),
  "a page in the middle": (sql) => Calls.list(sql, {}, 100, middle),
  "calls of a key": (sql) => Calls.list(sql, { key: "key_7" }, 100),
  "calls of a team that failed": (sql) => Calls.list(sql, { team: "team_7", outcome: "failure" }, 100),
  "failed calls": (sql) => Calls.list(sql, { outcome: "failure" }, 100),
  "calls of a deployment": (sql) => Calls.list(sql, { deployment: "openai-large" }, 100),
  "calls of a rare route": (sql) => Calls.list(sql, { route: "rare" }, 100),
  "calls with a rare tag": (sql) => Calls.list(sql, { tag: "rare" }, 100),
  "a call with its attempts": (sql) => Calls.get(sql, `bench-${(count >> 1).toString(36)}`),
  "500 old calls deleted": (sql) => Retention.deleteBefore(sql, start + (499 / count) * days * day),
}

/** Runs it five times. Returns the median in milliseconds. */
const time = Effect.fnUntraced(function* (sql: SqlClient, run: Run) {
  const millis: Array<number> = []
  for (let round = 0; round < 5; round++) {
    const from = performance.now()
    yield* run(sql)
    millis.push(performance.now() - from)
  }
  return millis.toSorted((a, b) => a - b)[2]!
})

/** The plan of each statement of a query. */
const plan = Effect.fnUntraced(function* (sql: SqlClient, run: Run) {
  const statements: Array<readonly [string, ReadonlyArray<unknown>]> = []
  yield* Effect.provideService(run(sql), Statement.CurrentTransformer, (statement) => {
    statements.push(statement.compile())
    return Effect.succeed(statement)
  })
  const explain = sql.onDialectOrElse({ pg: () => "EXPLAIN", orElse: () => "EXPLAIN QUERY PLAN" })
  const plans = yield* Effect.forEach(
    statements.filter(([text]) => text.startsWith("SELECT")),
    ([text, params]) => sql.unsafe<Record<string, unknown>>(`${explain} ${text}`, [...params]),
  )
  return plans.flat().map((row) => `    ${String(row["QUERY PLAN"] ?? row["detail"]).slice(0, 150)}`)
})

const measure = Effect.fnUntraced(function* (name: string, database: Store.Database) {
  console.log(`\n${name}`)
  const sql = Context.get(yield* Layer.build(Store.layer(database)), SqlClient)
  yield* fill(sql)
  yield* sql.unsafe("ANALYZE")
  for (const [query, run] of Object.entries(queries)) {
    const millis = yield* time(sql, run)
    console.log(`  ${query}: ${millis.toFixed(1)} ms`)
    for (const line of yield* plan(sql, run)) console.log(line)
  }
})

const sqlite = Effect.acquireUseRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "understudy-bench-"))),
  (folder) => Effect.scoped(measure("SQLite", { type: "sqlite", file: join(folder, "books.db") })),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
)

const postgres = Effect.acquireUseRelease(
  Effect.promise(() => TestPostgres.start()),
  (server) =>
    Effect.flatMap(
      Effect.promise(() => server.database()),
      (url) => Effect.scoped(measure("PostgreSQL", { type: "postgres", url: Redacted.make(url) })),
    ),
  (server) => Effect.promise(() => server.close()),
)

const all = { sqlite, postgres }

await Effect.runPromise(
  Effect.forEach(
    Object.entries(all).filter(([name]) => values.only === undefined || values.only === name),
    ([, run]) => run,
    { discard: true },
  ),
)
