/**
 * The rows of conversations, and the statements on them. A conversation belongs to the key that made it; no statement reads that of
 * another key.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { PageOf } from "./Items.ts"

/** A row of `conversations`. Times are clock milliseconds; `items` is the number of items that it ever had. */
export interface Row {
  readonly id: string
  readonly key_id: string
  readonly metadata: string
  readonly items: number
  readonly created_at: number
  readonly expires_at: number
}

/** An item with its id, as JSON. */
export interface Item {
  readonly id: string
  readonly item: string
}

export const insert = (sql: SqlClient, row: Row): Effect.Effect<void, SqlError> =>
  Effect.asVoid(sql`INSERT INTO conversations ${sql.insert({ ...row })}`)

export const find = (
  sql: SqlClient,
  keyId: string,
  id: string,
  now: number,
): Effect.Effect<Row | undefined, SqlError> =>
  Effect.map(
    sql<Row>`SELECT * FROM conversations WHERE id = ${id} AND key_id = ${keyId} AND expires_at > ${now}`,
    ([row]) => row,
  )

export const update = (sql: SqlClient, id: string, metadata: string): Effect.Effect<void, SqlError> =>
  Effect.asVoid(sql`UPDATE conversations SET metadata = ${metadata} WHERE id = ${id}`)

/** Both databases take some 32,000 values in a statement; an item has four. */
const itemsPerStatement = 5000

/** Adds items at the end, and puts off the expiry. Adds nothing to a conversation that is not there. */
export const append = (
  sql: SqlClient,
  keyId: string,
  id: string,
  items: ReadonlyArray<Item>,
  expiresAt: number,
): Effect.Effect<void, SqlError> =>
  sql.withTransaction(
    Effect.flatMap(
      // The row is locked until the items are there: those of calls at the same time do not mix.
      sql<{
        readonly items: number
      }>`UPDATE conversations SET items = items + ${items.length}, expires_at = ${expiresAt}
        WHERE id = ${id} AND key_id = ${keyId} RETURNING items`,
      ([row]) => {
        if (row === undefined) return Effect.void
        const first = row.items - items.length
        const rows = items.map((item, index): Record<string, unknown> => ({
          conversation_id: id,
          position: first + index,
          ...item,
        }))
        return Effect.forEach(
          Arr.chunksOf(rows, itemsPerStatement),
          (some) => sql`INSERT INTO conversation_items ${sql.insert(some)}`,
          { discard: true },
        )
      },
    ),
  )

/** All items, in order. `undefined` if they have more than `maxSize` characters together. */
export const items = (
  sql: SqlClient,
  id: string,
  maxSize: number,
): Effect.Effect<ReadonlyArray<Item> | undefined, SqlError> =>
  Effect.flatMap(
    sql<{ readonly size: number }>`SELECT CAST(COALESCE(SUM(LENGTH(item)), 0) AS BIGINT) AS size
      FROM conversation_items WHERE conversation_id = ${id}`,
    ([row]) =>
      (row?.size ?? 0) > maxSize
        ? Effect.undefined
        : sql<Item>`SELECT id, item FROM conversation_items WHERE conversation_id = ${id} ORDER BY position`,
  )

/** What a page needs: the item that it comes after, its own, and one more. Nothing, if the item that it comes after is not there. */
export const page = (
  sql: SqlClient,
  id: string,
  { after, limit, order }: PageOf,
): Effect.Effect<ReadonlyArray<Item>, SqlError> => {
  const isAfter = order === "asc" ? sql.literal("position >=") : sql.literal("position <=")
  const from =
    after === undefined
      ? sql.literal("")
      : sql`AND ${isAfter} (SELECT position FROM conversation_items WHERE conversation_id = ${id} AND id = ${after}
          ORDER BY position ${sql.literal(order)} LIMIT 1)`
  return sql<Item>`SELECT id, item FROM conversation_items WHERE conversation_id = ${id} ${from}
    ORDER BY position ${sql.literal(order)} LIMIT ${limit + 2}`
}

/** An item. `undefined` if it is not there. */
export const item = (sql: SqlClient, id: string, itemId: string): Effect.Effect<string | undefined, SqlError> =>
  Effect.map(
    sql<Item>`SELECT id, item FROM conversation_items WHERE conversation_id = ${id} AND id = ${itemId}
      ORDER BY position LIMIT 1`,
    ([row]) => row?.item,
  )

/** Deletes an item. Succeeds with whether there was one. */
export const removeItem = (sql: SqlClient, id: string, itemId: string): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    sql`DELETE FROM conversation_items WHERE conversation_id = ${id} AND id = ${itemId} RETURNING id`,
    (rows) => rows.length > 0,
  )

/** Deletes conversations with their items. */
export const remove = (sql: SqlClient, ids: Arr.NonEmptyReadonlyArray<string>): Effect.Effect<void, SqlError> =>
  sql.withTransaction(
    Effect.andThen(
      sql`DELETE FROM conversation_items WHERE conversation_id IN ${sql.in(ids)}`,
      Effect.asVoid(sql`DELETE FROM conversations WHERE id IN ${sql.in(ids)}`),
    ),
  )

/** Deletes at most `limit` conversations that have expired. Succeeds with their number. */
export const removeExpired = (sql: SqlClient, now: number, limit: number): Effect.Effect<number, SqlError> =>
  Effect.flatMap(
    sql<{
      readonly id: string
    }>`SELECT id FROM conversations WHERE expires_at <= ${now} ORDER BY expires_at LIMIT ${limit}`,
    (rows) =>
      Arr.isReadonlyArrayNonEmpty(rows)
        ? Effect.as(
            remove(
              sql,
              Arr.map(rows, ({ id }) => id),
            ),
            rows.length,
          )
        : Effect.succeed(0),
  )
