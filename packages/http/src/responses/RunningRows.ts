/**
 * The statements on responses that run in the background. A row ends once: by its gateway when the call ends, by a client that
 * cancels it, or by a reader who finds that its gateway has died.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** The statuses of a response that has not ended. */
export const isRunning = (status: string): boolean => status === "queued" || status === "in_progress"

/** Marks a response as started. */
export const start = (sql: SqlClient, id: string, response: string): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    sql`UPDATE responses SET status = ${"in_progress"}, response = ${response} WHERE id = ${id} AND status = ${"queued"}`,
  )

/** Ends a response that runs. Succeeds with whether it did. */
export const end = (
  sql: SqlClient,
  { id, response, status }: { readonly id: string; readonly status: string; readonly response: string },
): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    sql<{ readonly id: string }>`UPDATE responses
      SET status = ${status}, response = ${response}, size = LENGTH(input) + ${response.length}, gateway_id = NULL, lease_until = NULL
      WHERE id = ${id} AND status IN ('queued', 'in_progress') RETURNING id`,
    (rows) => rows.length > 0,
  )

/** Extends the leases of responses that a gateway runs. Succeeds with the ids of those that it still is to run. */
export const renew = (
  sql: SqlClient,
  gatewayId: string,
  ids: ReadonlyArray<string>,
  until: number,
): Effect.Effect<ReadonlySet<string>, SqlError> =>
  Effect.map(
    sql<{
      readonly id: string
    }>`UPDATE responses SET lease_until = ${until} WHERE gateway_id = ${gatewayId} AND id IN ${sql.in(ids)} RETURNING id`,
    (rows) => new Set(rows.map(({ id }) => id)),
  )

/** An event of a stream: its sequence number and its text. */
export type Event = readonly [sequence: number, text: string]

/** Events that were written together. */
export interface Batch {
  readonly batch: number
  readonly events: ReadonlyArray<Event>
}

/** Writes events of a response that is there: one that its client has deleted has none. */
export const insertEvents = (
  sql: SqlClient,
  responseId: string,
  { batch, events }: Batch,
): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    sql`INSERT INTO response_events (response_id, batch, events)
      SELECT id, CAST(${batch} AS INTEGER), CAST(${JSON.stringify(events)} AS TEXT) FROM responses
      WHERE id = ${responseId} ${locked(sql)}`,
  )

/** A client that deletes the row waits until this statement has ended. SQLite runs one at a time. */
const locked = (sql: SqlClient) =>
  sql.onDialectOrElse({ pg: () => sql.literal("FOR KEY SHARE"), orElse: () => sql.literal("") })

/** What a reader of events needs of a response: how it is, and its next events. */
export interface Progress {
  readonly status: string
  readonly lease_until: number | null
  /** The batches after the last one that was read, in order. */
  readonly batches: ReadonlyArray<Batch>
}

/** The progress of a response of a key after a batch, by one statement: if it has ended, its events were written before. */
export const progress = (
  sql: SqlClient,
  { id, key_id: keyId }: { readonly id: string; readonly key_id: string },
  batch: number,
): Effect.Effect<Progress | undefined, SqlError> =>
  Effect.map(
    sql<{
      readonly status: string
      readonly lease_until: number | null
      readonly batch: number | null
      readonly events: string | null
    }>`SELECT r.status, r.lease_until, e.batch, e.events
      FROM responses r LEFT JOIN response_events e ON e.response_id = r.id AND e.batch > ${batch}
      WHERE r.id = ${id} AND r.key_id = ${keyId} ORDER BY e.batch LIMIT 100`,
    (rows) => {
      const [first] = rows
      if (first === undefined) return undefined
      const { lease_until, status } = first
      const batches = rows.flatMap((row) =>
        row.batch === null || row.events === null ? [] : [{ batch: row.batch, events: JSON.parse(row.events) }],
      )
      return { status, lease_until, batches }
    },
  )
