/**
 * Deletes calls and attempts, and the roll-up by hours, once they are older than they are kept. The roll-up by days stays.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as RollUps from "./RollUps.ts"

/** Calls that are deleted in one transaction. */
const chunk = 500

/** Deletes once an hour, for as long as it runs. What fails is tried again an hour later. */
export const hourly = (sql: SqlClient, keep: Duration.Duration): Effect.Effect<void> =>
  Clock.currentTimeMillis.pipe(
    Effect.flatMap((now) => deleteBefore(sql, now - Duration.toMillis(keep))),
    Effect.catch((error) => Effect.logDebug("Old calls could not be deleted", error)),
    Effect.repeat(Schedule.spaced("1 hour")),
    Effect.asVoid,
  )

/** Deletes what is older than a time in clock milliseconds. Succeeds with the number of calls. */
export const deleteBefore = Effect.fnUntraced(function* (
  sql: SqlClient,
  before: number,
): Effect.fn.Return<number, SqlError> {
  yield* sql`DELETE FROM spend_hourly WHERE start < ${before}`
  let deleted = 0
  for (;;) {
    const count = yield* deleteChunk(sql, before)
    deleted += count
    if (count < chunk) {
      // No call has them: the last one was older than this.
      yield* sql`DELETE FROM call_dimensions WHERE used_at < ${before - RollUps.day}`
      return deleted
    }
    // The writer of the ledger comes first.
    yield* Effect.sleep("20 millis")
  }
})

const deleteChunk = (sql: SqlClient, before: number): Effect.Effect<number, SqlError> =>
  Effect.flatMap(
    sql<{ readonly id: string }>`SELECT id FROM call_facts WHERE at < ${before} ORDER BY at LIMIT ${chunk}`,
    (rows) => {
      if (rows.length === 0) return Effect.succeed(0)
      const ids = rows.map(({ id }) => id)
      return Effect.as(
        sql.withTransaction(
          Effect.andThen(
            sql`DELETE FROM multiple_attempts WHERE call_id IN ${sql.in(ids)}`,
            sql`DELETE FROM call_facts WHERE id IN ${sql.in(ids)}`,
          ),
        ),
        rows.length,
      )
    },
  )
