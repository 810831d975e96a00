/**
 * The database of a gateway: keys, teams, budgets and the ledger. SQLite for one gateway, PostgreSQL for several.
 *
 * Everything above this file is written against Effect's `SqlClient`. Calls never wait for it.
 */
import * as Redaction from "@understudy/providers/internal/transport/Redaction"
import * as Secrets from "@understudy/providers/internal/transport/Secrets"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Migrator from "effect/sql/Migrator"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { migrations } from "./Migrations.ts"

/** Where the database is: a file of SQLite, or the address of a PostgreSQL, which may contain its password. */
export type Database =
  | { readonly type: "sqlite"; readonly file: string }
  | { readonly type: "postgres"; readonly url: Redacted.Redacted }

/** The database cannot be used at start: it cannot be reached, or has a schema that this version does not know. */
export class NoDatabase extends Data.TaggedError("NoDatabase")<{ readonly message: string }> {}

/** The table of the migrations that have run. */
const table = "understudy_migrations"

/** How long the database may take to respond when the gateway starts, migrations apart. */
const startTimeout = "5 seconds"

/** A client of the database, with its tables in the version of this program. Fails only while it is built. */
export const layer = (database: Database): Layer.Layer<SqlClient, NoDatabase> =>
  Layer.effect(
    SqlClient,
    Effect.gen(function* () {
      const failed = (error: SqlError) => unreachable(database, reasonOf(error))
      const context = yield* Layer.build(client(database)).pipe(
        Effect.mapError(failed),
        Effect.timeoutOrElse({
          duration: startTimeout,
          orElse: () => Effect.fail(unreachable(database, `no response in ${startTimeout}`)),
        }),
      )
      yield* Effect.provideContext(migrate(database), context).pipe(
        Effect.catchTags({ SqlError: (error) => Effect.fail(failed(error)) }),
      )
      return yield* Effect.provideContext(SqlClient, context)
    }),
  )

/** A statement that failed when the gateway started. */
export const unreadable = (error: SqlError): NoDatabase =>
  new NoDatabase({ message: `database: cannot be read: ${reasonOf(error)}` })

/** The driver is loaded only for the database that is configured. */
const client = (database: Database): Layer.Layer<SqlClient, SqlError> =>
  Layer.unwrap(
    database.type === "sqlite"
      ? Effect.map(
          Effect.promise(() => import("./Sqlite.ts")),
          ({ layer }) => layer(database.file),
        )
      : Effect.map(
          Effect.promise(() => import("./Postgres.ts")),
          ({ layer }) => layer(database.url),
        ),
  )

/** Runs the migrations that are missing, under a lock: gateways that start together wait for the first. */
const migrate = Effect.fnUntraced(function* (database: Database) {
  const sql = yield* SqlClient
  yield* Migrator.make({})({ loader: Effect.succeed(migrations), table }).pipe(
    Effect.catchTag("MigrationError", ({ cause, message }) =>
      Effect.fail(
        new NoDatabase({ message: `database: ${message}: ${cause instanceof Error ? cause.message : String(cause)}` }),
      ),
    ),
  )
  const [latest] = yield* sql<{ readonly id: number; readonly name: string }>`
    SELECT migration_id AS id, name FROM ${sql(table)} ORDER BY migration_id DESC LIMIT 1`
  const known = migrations.at(-1)?.[0] ?? 0
  if (latest === undefined || latest.id <= known) return undefined
  return yield* new NoDatabase({
    message:
      `database: ${describe(database)} has schema version ${latest.id} ("${latest.name}"); this program knows versions up to ${known}.\n` +
      "A newer version of Understudy has used it. Start that version, or use another database.",
  })
})

/** A PostgreSQL error has its own message inside, next to the driver's. */
export const reasonOf = ({ reason }: SqlError): string => {
  const { cause, message } = reason
  const inner = cause instanceof Error && cause.message !== "" ? cause.message : undefined
  return inner === undefined || message?.includes(inner) === true ? (message ?? reason._tag) : `${message}: ${inner}`
}

const unreachable = (database: Database, why: string): NoDatabase => {
  const secrets = Secrets.make({ urls: database.type === "postgres" ? [Redacted.value(database.url)] : [] })
  const [, cure = ""] = cures[database.type].find(([cause]) => cause.test(why)) ?? []
  return new NoDatabase({
    message: `database: cannot use ${describe(database)}: ${Redaction.make(secrets).text(why)}\n${cure}`,
  })
}

/** What to do, by what the database says: the first that fits. */
const cures: Readonly<Record<Database["type"], ReadonlyArray<readonly [cause: RegExp, cure: string]>>> = {
  sqlite: [
    [/\b(?:locked|busy)\b/, "Another process writes to it: stop that process, or use another file."],
    [
      /not a database|malformed/,
      "The file is damaged, or not of SQLite: restore it from a backup, or use another file.",
    ],
    [/(?:)/, "Check that its folder exists and can be written."],
  ],
  postgres: [
    [
      /permission denied/,
      "Its user may not make tables: GRANT USAGE, CREATE ON SCHEMA public, or make the user the owner of the database.",
    ],
    [/(?:)/, "Start PostgreSQL and check user, password and database name, or remove `database`."],
  ],
}

/** The database without user and password. */
const describe = (database: Database): string => {
  if (database.type === "sqlite") return database.file
  const { host, pathname } = new URL(Redacted.value(database.url))
  return `${host}${pathname}`
}
