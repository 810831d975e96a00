import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { DatabaseSection, text } from "../../src/config/DatabaseSection.ts"
import { migrations } from "../../src/store/Migrations.ts"
import { Script } from "../../src/store/Script.ts"
import * as Store from "../../src/store/Store.ts"
import { onEach } from "./Databases.ts"
import * as TestPostgres from "./TestPostgres.ts"

const open = (database: Store.Database) => Effect.map(Layer.build(Store.layer(database)), Context.get(SqlClient))

const team = (id: string) => ({
  id,
  name: id,
  metadata: "{}",
  disabled: 0,
  created_at: 1_764_400_000_000,
  updated_at: 1_764_400_000_000,
})

onEach("a store", ({ database }) => {
  it.effect("keeps numbers of 53 bits, texts and nothing as they were", () =>
    Effect.gen(function* () {
      const sql = yield* open(yield* Effect.promise(database))
      yield* sql`INSERT INTO budgets ${sql.insert({
        id: "b",
        scope_type: "all",
        scope_name: "",
        amount: Number.MAX_SAFE_INTEGER,
        budget_window: "total",
        time_zone: "Europe/Berlin",
        then_use: null,
        alerts: "[0.5]",
        created_at: 0,
        updated_at: 1_764_400_000_000,
      })}`
      const [row] = yield* sql`SELECT amount, then_use, time_zone, updated_at FROM budgets`
      assert.deepStrictEqual(
        { ...row },
        {
          amount: Number.MAX_SAFE_INTEGER,
          then_use: null,
          time_zone: "Europe/Berlin",
          updated_at: 1_764_400_000_000,
        },
      )
    }),
  )

  it.effect("undoes a transaction that fails, and nothing of others beside it", () =>
    Effect.gen(function* () {
      const sql = yield* open(yield* Effect.promise(database))
      const failed = sql.withTransaction(
        Effect.andThen(sql`INSERT INTO teams ${sql.insert(team("undone"))}`, Effect.fail("stop")),
      )
      const kept = sql.withTransaction(sql`INSERT INTO teams ${sql.insert(team("kept"))}`)
      yield* Effect.all([Effect.exit(failed), kept, Effect.exit(failed)], { concurrency: "unbounded" })
      assert.deepStrictEqual(
        (yield* sql<{ readonly id: string }>`SELECT id FROM teams`).map(({ id }) => id),
        ["kept"],
      )
    }),
  )

  it.effect("ends a transaction whose fibre is interrupted", () =>
    Effect.gen(function* () {
      const sql = yield* open(yield* Effect.promise(database))
      const inserted = yield* Effect.forkChild(
        sql.withTransaction(Effect.andThen(sql`INSERT INTO teams ${sql.insert(team("cut"))}`, Effect.never)),
      )
      yield* Effect.yieldNow
      yield* Fiber.interrupt(inserted)
      yield* sql`INSERT INTO teams ${sql.insert(team("next"))}`
      assert.deepStrictEqual(
        (yield* sql<{ readonly id: string }>`SELECT id FROM teams`).map(({ id }) => id),
        ["next"],
      )
    }),
  )

  it.effect("says which constraint a row breaks", () =>
    Effect.gen(function* () {
      const sql = yield* open(yield* Effect.promise(database))
      yield* sql`INSERT INTO teams ${sql.insert(team("once"))}`
      const { reason } = yield* Effect.flip(sql`INSERT INTO teams ${sql.insert(team("once"))}`)
      assert.strictEqual(reason._tag, "UniqueViolation")
    }),
  )

  it.live("runs its migrations once when gateways start together", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const clients = yield* Effect.all([open(place), open(place), open(place)], { concurrency: "unbounded" })
      for (const sql of clients) {
        const [count] = yield* sql<{
          readonly n: number
        }>`SELECT CAST(count(*) AS INTEGER) AS n FROM understudy_migrations`
        assert.strictEqual(count?.n, migrations.length)
      }
    }),
  )

  it.effect("refuses the schema of a newer version", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      yield* Effect.scoped(
        Effect.flatMap(
          open(place),
          (sql) => sql`INSERT INTO understudy_migrations (migration_id, name) VALUES (99, 'from the future')`,
        ),
      )
      const exit = yield* Effect.exit(open(place))
      assert.isTrue(Exit.isFailure(exit))
      const message = String(exit)
      assert.include(message, 'has schema version 99 ("from the future")')
      assert.include(message, "Start that version, or use another database.")
    }),
  )

  it.effect("is written in a configuration as it is read", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const read = yield* Schema.decodeEffect(DatabaseSection)(text(place))
      assert.deepStrictEqual(read, place)
    }),
  )
})

describe("a script of SQLite", () => {
  const insert = (ids: ReadonlyArray<string>) => ({
    sql: "INSERT INTO gateways (id, seen_at) VALUES (?, ?), (?, ?) RETURNING id",
    lists: JSON.stringify(ids.map((id) => [id])),
    numbers: Float64Array.from(ids, (_, index) => index),
    perRun: 2,
  })
  const rows = (sql: SqlClient) => sql`SELECT id, seen_at FROM gateways ORDER BY id`

  it.effect("runs its statements for all their values, and gives the rows of all", () =>
    Effect.gen(function* () {
      const sql = yield* open({ type: "sqlite", file: ":memory:" })
      const script = new Script([insert(["a", "b", "c", "d"]), insert(["e", "f"])])
      const returned = yield* sql.unsafe<{ readonly id: string }>("INSERT", [script])
      assert.deepStrictEqual(returned.map(({ id }) => id).join(""), "abcdef")
      assert.deepStrictEqual(
        (yield* rows(sql)).map((row) => Object.values(row).join("")),
        ["a0", "b1", "c2", "d3", "e0", "f1"],
      )
    }),
  )

  it.effect("leaves nothing if one of them fails, or the transaction that it is in", () =>
    Effect.gen(function* () {
      const sql = yield* open({ type: "sqlite", file: ":memory:" })
      const broken = new Script([insert(["a", "b"]), insert(["c", "a"])])
      assert.strictEqual((yield* Effect.flip(sql.unsafe("INSERT", [broken]))).reason._tag, "ConstraintError")
      assert.deepStrictEqual(yield* rows(sql), [])
      const within = sql.withTransaction(
        Effect.andThen(sql.unsafe("INSERT", [new Script([insert(["a", "b"])])]), Effect.fail("stop")),
      )
      assert.strictEqual(yield* Effect.flip(within), "stop")
      assert.deepStrictEqual(yield* rows(sql), [])
    }),
  )
})

describe("a database that cannot be used", { timeout: 60_000 }, () => {
  const failure = (database: Store.Database) =>
    Effect.map(Effect.flip(Effect.scoped(Layer.build(Store.layer(database)))), ({ message }) => message)

  it.live("says so for a file whose folder does not exist", () =>
    Effect.map(failure({ type: "sqlite", file: "/nonexistent/understudy.db" }), (message) =>
      assert.strictEqual(
        message,
        "database: cannot use /nonexistent/understudy.db: cannot open /nonexistent/understudy.db: unable to open database file\n" +
          "Check that its folder exists and can be written.",
      ),
    ),
  )

  it.live("says what to do with a file that is damaged or that another process holds", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "understudy-store-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
      const damaged = join(folder, "damaged.db")
      writeFileSync(damaged, "x".repeat(8192))
      assert.include(yield* failure({ type: "sqlite", file: damaged }), "restore it from a backup")
      const held = join(folder, "held.db")
      const holder = new DatabaseSync(held)
      yield* Effect.addFinalizer(() => Effect.sync(() => holder.close()))
      holder.exec("PRAGMA journal_mode = WAL; BEGIN EXCLUSIVE; CREATE TABLE a (b)")
      assert.include(yield* failure({ type: "sqlite", file: held }), "Another process writes to it: stop that process")
    }),
  )

  it.live.skipIf(!TestPostgres.installed)("says which rights a user of PostgreSQL lacks", () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(Effect.promise(TestPostgres.start), (server) =>
        Effect.promise(server.close),
      )
      const url = yield* Effect.promise(server.database)
      TestPostgres.query(url, "CREATE ROLE guest LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
      const guest = Redacted.make(url.replace("understudy@", "guest@"))
      assert.include(yield* failure({ type: "postgres", url: guest }), "GRANT USAGE, CREATE ON SCHEMA public")
    }),
  )

  it.live("says so for a server that is not there, without its password", () =>
    Effect.map(
      failure({ type: "postgres", url: Redacted.make("postgres://me:s3cret-word@127.0.0.1:1/books") }),
      (message) => {
        assert.match(message, /^database: cannot use 127\.0\.0\.1:1\/books: .*ECONNREFUSED/)
        assert.notInclude(message, "s3cret-word")
        assert.include(message, "Start PostgreSQL and check user, password and database name, or remove `database`.")
      },
    ),
  )
})
