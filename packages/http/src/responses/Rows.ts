/**
 * The rows of stored responses, and the statements on them. A response belongs to the key of its call (`key_id`, empty for the
 * operator and where there are no keys); no statement reads the response of another key.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** A row of `responses`. Times are clock milliseconds. */
export interface Row {
  readonly id: string
  readonly key_id: string
  /** The response that it continues. */
  readonly previous_id: string | null
  /** The conversation that it belongs to. */
  readonly conversation_id: string | null
  /** The route or deployment that its client called. */
  readonly model: string
  readonly status: string
  /** The response as its client got it, as JSON. */
  readonly response: string
  /** The items of its own input, as a JSON list: without those of the responses before it. */
  readonly input: string
  /** The characters of `response` and `input`. */
  readonly size: number
  readonly created_at: number
  readonly expires_at: number
  /** The gateway that runs it in the background, and until when it is known to; `null` if it has ended. */
  readonly gateway_id: string | null
  readonly lease_until: number | null
}

/** Writes a response. */
export const insert = (sql: SqlClient, row: Row): Effect.Effect<void, SqlError> =>
  Effect.asVoid(sql`INSERT INTO responses ${sql.insert({ ...row })}`)

/** Writes the ids of the items in the output of a response, by which later calls may refer to them. */
export const insertItems = (
  sql: SqlClient,
  responseId: string,
  itemIds: ReadonlyArray<string>,
): Effect.Effect<void, SqlError> => {
  const items = itemIds.map((item_id): Record<string, unknown> => ({ item_id, response_id: responseId }))
  return Arr.isReadonlyArrayNonEmpty(items)
    ? Effect.asVoid(sql`INSERT INTO response_items ${sql.insert(items)} ON CONFLICT DO NOTHING`)
    : Effect.void
}

/** The response of a key with this id, unless it has expired. */
export const find = (
  sql: SqlClient,
  keyId: string,
  id: string,
  now: number,
): Effect.Effect<Row | undefined, SqlError> =>
  Effect.map(
    sql<Row>`SELECT * FROM responses WHERE id = ${id} AND key_id = ${keyId} AND expires_at > ${now}`,
    ([row]) => row,
  )

/** The ids of the response with this id and of all that it continues, the first of them first. */
export const links = (
  sql: SqlClient,
  keyId: string,
  id: string,
  now: number,
): Effect.Effect<ReadonlyArray<Pick<Row, "id" | "previous_id">>, SqlError> =>
  sql<Pick<Row, "id" | "previous_id">>`WITH RECURSIVE chain (id, previous_id, depth) AS (
      SELECT id, previous_id, 1 FROM responses WHERE id = ${id} AND key_id = ${keyId} AND expires_at > ${now}
      UNION ALL
      SELECT r.id, r.previous_id, c.depth + 1
      FROM chain c JOIN responses r ON r.id = c.previous_id AND r.key_id = ${keyId}
    )
    SELECT id, previous_id FROM chain ORDER BY depth DESC`

/** What these responses of a key were generated from, and what they are, in no order. */
export const turns = (
  sql: SqlClient,
  keyId: string,
  ids: ReadonlyArray<string>,
): Effect.Effect<ReadonlyArray<Pick<Row, "id" | "input" | "response">>, SqlError> =>
  sql<Pick<Row, "id" | "input" | "response">>`SELECT id, input, response FROM responses
    WHERE key_id = ${keyId} AND id IN ${sql.in(ids)}`

/** A response of a chain. */
export interface Link extends Row {
  /** The `size` of this response and of all that come after it in the chain. */
  readonly total: number
}

/**
 * The response with this id and all that it continues, the first of them first. Those whose `total` would exceed `maxSize`
 * by more than one response are left out.
 */
export const chain = (
  sql: SqlClient,
  keyId: string,
  id: string,
  now: number,
  maxSize: number,
): Effect.Effect<ReadonlyArray<Link>, SqlError> =>
  sql<Link>`WITH RECURSIVE chain (id, previous_id, total, depth) AS (
      SELECT id, previous_id, size, 1 FROM responses WHERE id = ${id} AND key_id = ${keyId} AND expires_at > ${now}
      UNION ALL
      SELECT r.id, r.previous_id, c.total + r.size, c.depth + 1
      FROM chain c JOIN responses r ON r.id = c.previous_id AND r.key_id = ${keyId} WHERE c.total <= ${maxSize}
    )
    SELECT r.*, c.total AS total FROM chain c JOIN responses r ON r.id = c.id ORDER BY c.depth DESC`

/** The ids of the responses of a key that have one of these items in their output, the oldest first: some servers repeat ids. */
export const withItems = (
  sql: SqlClient,
  keyId: string,
  itemIds: ReadonlyArray<string>,
  now: number,
): Effect.Effect<ReadonlyArray<string>, SqlError> =>
  Effect.map(
    sql<Pick<Row, "id">>`SELECT id FROM responses WHERE key_id = ${keyId} AND expires_at > ${now}
      AND id IN (SELECT response_id FROM response_items WHERE item_id IN ${sql.in(itemIds)})
      ORDER BY created_at`,
    (rows) => rows.map(({ id }) => id),
  )

/** The responses with these ids, the oldest first. */
export const responses = (
  sql: SqlClient,
  ids: Arr.NonEmptyReadonlyArray<string>,
): Effect.Effect<ReadonlyArray<Pick<Row, "response">>, SqlError> =>
  sql<Pick<Row, "response">>`SELECT response FROM responses WHERE id IN ${sql.in(ids)} ORDER BY created_at`

/** Puts off the expiry of the responses that another continues. */
export const extend = (sql: SqlClient, ids: ReadonlyArray<string>, until: number): Effect.Effect<void, SqlError> =>
  Effect.asVoid(sql`UPDATE responses SET expires_at = ${until} WHERE id IN ${sql.in(ids)} AND expires_at < ${until}`)

/** Deletes a response of a key. Succeeds with whether there was one. */
export const remove = (sql: SqlClient, keyId: string, id: string): Effect.Effect<boolean, SqlError> =>
  sql.withTransaction(
    Effect.flatMap(
      sql<{ readonly id: string }>`DELETE FROM responses WHERE id = ${id} AND key_id = ${keyId} RETURNING id`,
      (rows) =>
        rows.length === 0
          ? Effect.succeed(false)
          : Effect.as(
              Effect.andThen(
                sql`DELETE FROM response_items WHERE response_id = ${id}`,
                sql`DELETE FROM response_events WHERE response_id = ${id}`,
              ),
              true,
            ),
    ),
  )

/** Deletes at most `limit` responses that have expired. Succeeds with their number. */
export const removeExpired = (sql: SqlClient, now: number, limit: number): Effect.Effect<number, SqlError> =>
  Effect.flatMap(
    sql<{
      readonly id: string
    }>`SELECT id FROM responses WHERE expires_at <= ${now} ORDER BY expires_at LIMIT ${limit}`,
    (rows) => {
      if (rows.length === 0) return Effect.succeed(0)
      const ids = rows.map(({ id }) => id)
      return Effect.as(
        sql.withTransaction(
          Effect.all([
            sql`DELETE FROM response_items WHERE response_id IN ${sql.in(ids)}`,
            sql`DELETE FROM response_events WHERE response_id IN ${sql.in(ids)}`,
            sql`DELETE FROM responses WHERE id IN ${sql.in(ids)}`,
          ]),
        ),
        rows.length,
      )
    },
  )
