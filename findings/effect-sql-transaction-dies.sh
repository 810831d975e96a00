#!/usr/bin/env bash
# A database that goes away in the middle of a transaction: a defect, not a `SqlError`.
#
# Seen with effect 4.1.0, @effect/sql-pg 4.0.5 and PGlite 0.5.14 (npm) on Node 20 and 24, 2026-11-29: a statement whose connection
# is lost fails with `SqlError`. The same statement in `SqlClient.withTransaction` dies: the rollback, which fails too, turns both
# errors into defects. `Effect.catchTag("SqlError", …)`, `Effect.retry` and a typed error channel do not see them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/sql-pg@4.0.5 @electric-sql/pglite@0.5.14 @electric-sql/pglite-socket@0.2.17

cat >transaction.mjs <<'JS'
import * as PgClient from "@effect/sql-pg/PgClient"
import { PGlite } from "@electric-sql/pglite"
import { PGLiteSocketServer } from "@electric-sql/pglite-socket"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"

const server = new PGLiteSocketServer({ db: await PGlite.create(), port: 0, host: "127.0.0.1" })
await server.start()
const url = Redacted.make(`postgres://postgres@${server.getServerConn()}/postgres`)
const lose = Effect.promise(() => server.stop())
const end = (exit) => (Exit.isSuccess(exit) ? "success" : exit.cause.reasons.map(({ _tag }) => _tag).join(", "))

const program = Effect.gen(function* () {
  const sql = yield* SqlClient
  const inside = sql.withTransaction(sql`SELECT 1`.pipe(Effect.andThen(lose), Effect.andThen(sql`SELECT 2`)))
  console.log("in a transaction:", end(yield* Effect.exit(inside)))
  console.log("alone:", end(yield* Effect.exit(sql`SELECT 3`)))
})
await Effect.runPromise(program.pipe(Effect.provide(PgClient.layer({ url, maxConnections: 1 })), Effect.scoped))
process.exit()
JS
timeout 60 node transaction.mjs | tee seen
diff seen - <<'SEEN'
in a transaction: Die, Die
alone: Fail
SEEN
