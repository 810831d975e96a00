/**
 * The keys and teams of the database in the memory of the gateway: all of them when it starts, then every change as it is
 * made (see `Changes`). While the database is away, those that are known stay in force.
 */
import type { KeyLimits, Role, Team } from "../auth/VirtualKey.ts"
import type { Keyring, StoredKey } from "../auth/Keyring.ts"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as KeyText from "./KeyText.ts"
import { Changes } from "../store/Changes.ts"
import type { NoDatabase } from "../store/Store.ts"
import { unreadable } from "../store/Store.ts"

/** A row of `keys`. */
export interface KeyRow {
  readonly id: string
  readonly name: string
  readonly hash: string
  readonly hint: string
  readonly team_id: string | null
  readonly role: Role
  readonly routes: string | null
  readonly limits: string | null
  readonly tags: string
  readonly metadata: string
  readonly expires_at: number | null
  readonly disabled: number
  readonly previous_hash: string | null
  readonly previous_until: number | null
  readonly created_at: number
  readonly updated_at: number
  readonly last_used_at: number | null
}

/** A row of `teams`. */
export interface TeamRow {
  readonly id: string
  readonly name: string
  readonly routes: string | null
  readonly limits: string | null
  readonly metadata: string
  readonly disabled: number
  readonly created_at: number
  readonly updated_at: number
}

/** Fills the keyring, and keeps it as the database is. */
export const layer = (keys: Keyring): Layer.Layer<never, NoDatabase, SqlClient | Changes> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const { follow } = yield* Changes
      yield* follow(Effect.mapError(loadAll(sql, keys), unreadable), (rows) => {
        const changed = (kind: string) => Arr.dedupe(rows.flatMap((row) => (row.kind === kind ? [row.subjectId] : [])))
        // A key's team must be known before the key.
        return Effect.andThen(loadTeams(sql, keys, changed("team")), loadKeys(sql, keys, changed("key")))
      })
      let written = 0
      const write = Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        yield* writeLastUses(sql, keys.usedSince(written))
        written = now
      })
      // Those that cannot be written now are written later.
      const tryWrite = Effect.ignore(Effect.timeout(write, usesTimeout))
      yield* Effect.forkScoped(Effect.repeat(tryWrite, Schedule.spaced(usesInterval)))
      yield* Effect.addFinalizer(() => tryWrite)
    }),
  )

const loadAll = Effect.fnUntraced(function* (sql: SqlClient, keys: Keyring) {
  for (const team of yield* sql<TeamRow>`SELECT * FROM teams`) keys.putTeam(toTeam(team))
  for (const key of yield* sql<KeyRow>`SELECT * FROM keys`) keys.put(toStoredKey(key))
})

const loadTeams = Effect.fnUntraced(function* (sql: SqlClient, keys: Keyring, ids: ReadonlyArray<string>) {
  if (ids.length === 0) return
  const rows = yield* sql<TeamRow>`SELECT * FROM teams WHERE ${sql.in("id", ids)}`
  for (const row of rows) keys.putTeam(toTeam(row))
  for (const id of ids) if (!rows.some((row) => row.id === id)) keys.removeTeam(id)
})

const loadKeys = Effect.fnUntraced(function* (sql: SqlClient, keys: Keyring, ids: ReadonlyArray<string>) {
  if (ids.length === 0) return
  const rows = yield* sql<KeyRow>`SELECT * FROM keys WHERE ${sql.in("id", ids)}`
  const found = new Set(rows.map(({ id }) => id))
  for (const row of rows) keys.put(toStoredKey(row))
  for (const id of ids) if (!found.has(id)) keys.remove(id)
})

/** How often the last uses of keys are written, and how long that may take. */
const usesInterval = "10 seconds"
const usesTimeout = "2 seconds"

/** PostgreSQL locks the rows in one order: two gateways that locked them in different orders would wait for each other. */
const writeLastUses = (
  sql: SqlClient,
  used: ReadonlyArray<readonly [id: string, usedAt: number]>,
): Effect.Effect<void, SqlError> => {
  if (used.length === 0) return Effect.void
  const list = JSON.stringify(used)
  const later = "keys.id = used.id AND (keys.last_used_at IS NULL OR keys.last_used_at < used.at)"
  return sql.onDialectOrElse({
    pg: () =>
      Effect.asVoid(
        sql.unsafe(
          `UPDATE keys SET last_used_at = used.at FROM (
             SELECT locked.id, (r->>1)::bigint AS at FROM jsonb_array_elements(($1::text)::jsonb) r
             JOIN keys locked ON locked.id = r->>0 ORDER BY locked.id FOR UPDATE OF locked
           ) used WHERE ${later}`,
          [list],
        ),
      ),
    orElse: () =>
      Effect.asVoid(
        sql.unsafe(
          `UPDATE keys SET last_used_at = used.at FROM (SELECT value->>0 AS id, value->>1 AS at FROM json_each(?)) used
           WHERE ${later}`,
          [list],
        ),
      ),
  })
}

const json = (text: string | null): unknown => (text === null ? undefined : JSON.parse(text))

const toTeam = ({ disabled, id, limits, name, routes }: TeamRow): Team => ({
  id,
  name,
  limits: json(limits) as KeyLimits | undefined,
  routes: json(routes) as ReadonlyArray<string> | undefined,
  disabled: disabled === 1,
})

const toStoredKey = (row: KeyRow): StoredKey => ({
  virtualKey: {
    id: row.id,
    name: row.name,
    role: row.role,
    limits: json(row.limits) as KeyLimits | undefined,
    routes: json(row.routes) as ReadonlyArray<string> | undefined,
    tags: json(row.tags) as ReadonlyArray<string>,
    expiresAt: row.expires_at ?? undefined,
    disabled: row.disabled === 1,
  },
  teamId: row.team_id ?? undefined,
  digest: row.hash,
  length: KeyText.length,
  previous:
    row.previous_hash === null || row.previous_until === null
      ? undefined
      : { digest: row.previous_hash, until: row.previous_until },
})
