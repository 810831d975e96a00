/**
 * The names of keys and teams. Those of the configuration are not in the database: their ids are their names.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** The most names that are looked up one by one. */
const most = 500

/** A function that gives the name of an id; `null` for the empty id. */
export const of = (
  sql: SqlClient,
  table: "keys" | "teams",
  ids: Iterable<string>,
): Effect.Effect<(id: string) => string | null, SqlError> => {
  const wanted = [...new Set(ids)].filter((id) => id !== "")
  const rows =
    wanted.length === 0
      ? Effect.succeed([])
      : sql<{ readonly id: string; readonly name: string }>`SELECT id, name FROM ${sql(table)}
          ${wanted.length > most ? sql`` : sql`WHERE id IN ${sql.in(wanted)}`}`
  return Effect.map(rows, (found) => {
    const names = new Map(found.map(({ id, name }) => [id, name]))
    return (id) => (id === "" ? null : (names.get(id) ?? id))
  })
}
