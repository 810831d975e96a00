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

/** Extends the leases of a gateway. Succeeds with the ids of the responses that it still is to run. */
export const renew = (sql: SqlClient, gatewayId: string, until: number): Effect.Effect<ReadonlySet<string>, SqlError> =>
  Effect.map(
    sql<{
      readonly id: string
    }>`UPDATE responses SET lease_until = ${until} WHERE gateway_id = ${gatewayId} RETURNING id`,
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

/** The batches after one, in order. */
export const eventsAfter = (
  sql: SqlClient,
  responseId: string,
  batch: number,
): Effect.Effect<ReadonlyArray<Batch>, SqlError> =>
  Effect.map(
    sql<{ readonly batch: number; readonly events: string }>`SELECT batch, events FROM response_events
      WHERE response_id = ${responseId} AND batch > ${batch} ORDER BY batch LIMIT 100`,
    (rows) => rows.map((row) => ({ batch: row.batch, events: JSON.parse(row.events) })),
  )
