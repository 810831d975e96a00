/**
 * Changes of keys, teams and budgets, and the audit of them and of fault injection: every change is a transaction that also writes a row of `audit`,
 * and each gateway follows these rows, in order, without a gap. PostgreSQL tells of new rows at once; besides, they are
 * looked for twice a second, so that a change holds at every gateway within one second.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { SqlClient } from "effect/sql/SqlClient"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import type { NoDatabase } from "./Store.ts"
import { unreadable } from "./Store.ts"
import { MainProcess } from "../workers/MainProcess.ts"
import { StoreStatus } from "./StoreStatus.ts"

/** What was changed, by whom: `operator` or the id of a key. `before` and `after` are JSON values as the API shows them. */
export interface Change {
  readonly actor: string
  readonly action: "create" | "update" | "delete" | "rotate"
  readonly kind: "key" | "team" | "budget" | "faults"
  readonly subjectId: string
  readonly before: unknown
  readonly after: unknown
}

/** A change that was made. `at` is clock milliseconds; `seq` rises by 1 with each. */
export interface AuditRow extends Change {
  readonly seq: number
  readonly at: number
}

/** Writes the audit row of a change, in the transaction of `commit`. */
export type Record = (change: Change) => Effect.Effect<void, SqlError>

export class Changes extends Context.Service<
  Changes,
  {
    /**
     * Runs a transaction that records its changes. Only one runs at a time, over all gateways: what it has read stays true
     * until it commits. When it returns, the followers of this gateway have heard of the changes.
     */
    readonly commit: <A, E, R>(
      run: (record: Record) => Effect.Effect<A, E, R>,
    ) => Effect.Effect<A, E | SqlError, Exclude<R, SqlClient>>
    /**
     * Runs `load`, then `onChange` with the rows that are written after it, in order, until the scope closes. Rows for which
     * `onChange` fails come again.
     */
    readonly follow: <E>(
      load: Effect.Effect<void, E>,
      onChange: (rows: Arr.NonEmptyReadonlyArray<AuditRow>) => Effect.Effect<void, SqlError>,
    ) => Effect.Effect<void, E, Scope.Scope>
  }
>()("@understudy/http/Changes") {}

/** How often new rows are looked for, whether or not the database tells of them. */
const interval = Duration.millis(500)

/** How long the database may take for it. */
const timeout = Duration.seconds(5)

/** Rows that are read at once. */
const batch = 1000

/** The channel on which PostgreSQL tells of new rows, and the advisory lock under which they are written. */
const channel = "understudy_changes"
const lock = 0x756e6473

export const layer: Layer.Layer<Changes, NoDatabase, SqlClient | StoreStatus> = Layer.effect(
  Changes,
  Effect.gen(function* () {
    const sql = yield* SqlClient
    const status = yield* StoreStatus
    const followers = new Set<(rows: Arr.NonEmptyReadonlyArray<AuditRow>) => Effect.Effect<void, SqlError>>()
    const one = yield* Semaphore.make(1)
    let last = yield* Effect.mapError(latest(sql), unreadable)

    /** Reads the new rows, and tells the followers. */
    const catchUp: Effect.Effect<void, SqlError> = Effect.suspend(() => read(sql, last)).pipe(
      Effect.flatMap((rows) =>
        Arr.isReadonlyArrayNonEmpty(rows)
          ? Effect.forEach(followers, (onChange) => onChange(rows), { discard: true }).pipe(
              Effect.andThen(Effect.sync(() => void (last = Arr.lastNonEmpty(rows).seq))),
              Effect.andThen(Effect.suspend(() => (rows.length < batch ? Effect.void : catchUp))),
            )
          : Effect.void,
      ),
    )
    const catchUpInTime = one.withPermit(
      Effect.timeoutOrElse(catchUp, { duration: timeout, orElse: () => Effect.fail(noResponse) }),
    )

    const poll = Effect.matchEffect(catchUpInTime, {
      onSuccess: () => status.back,
      onFailure: ({ message }) => status.lost(message),
    })
    yield* Effect.forkScoped(Effect.repeat(poll, Schedule.spaced(interval)))
    yield* Effect.forkScoped(listen(sql, poll))
    // Of several workers, all know a change when it is answered.
    const main = yield* Effect.serviceOption(MainProcess)
    if (Option.isSome(main)) yield* main.value.answer("changes", () => Effect.as(poll, ""))
    const tellOthers = Option.isSome(main) ? main.value.ask("everyone", { topic: "changes", text: "" }) : Effect.void

    return {
      commit: (run) =>
        Effect.tap(
          sql.withTransaction(
            Effect.andThen(
              sql.onDialectOrElse({
                pg: () => Effect.asVoid(sql`SELECT pg_advisory_xact_lock(${lock})`),
                // The transaction has the lock for writing.
                orElse: () => Effect.void,
              }),
              run((change) => record(sql, change)),
            ),
          ),
          // The change is made, whether or not it can be read now.
          () => Effect.andThen(Effect.ignore(catchUpInTime), tellOthers),
        ) as never,
      follow: (load, onChange) =>
        one.withPermit(
          Effect.andThen(
            load,
            Effect.acquireRelease(
              Effect.sync(() => followers.add(onChange)),
              () => Effect.sync(() => followers.delete(onChange)),
            ),
          ),
        ),
    }
  }),
)

const noResponse = new SqlError({
  reason: new ConnectionError({ cause: undefined, message: "no response", operation: "execute" }),
})

const latest = (sql: SqlClient) =>
  Effect.map(
    sql<{ readonly seq: number }>`SELECT CAST(COALESCE(MAX(seq), 0) AS BIGINT) AS seq FROM audit`,
    ([row]) => row?.seq ?? 0,
  )

interface Row {
  readonly seq: number
  readonly at: number
  readonly actor: string
  readonly action: Change["action"]
  readonly kind: Change["kind"]
  readonly subject_id: string
  readonly before: string | null
  readonly after: string | null
}

const toAuditRow = ({ after, before, subject_id, ...row }: Row): AuditRow => ({
  ...row,
  subjectId: subject_id,
  before: before === null ? undefined : JSON.parse(before),
  after: after === null ? undefined : JSON.parse(after),
})

const read = (sql: SqlClient, after: number) =>
  Effect.map(sql<Row>`SELECT * FROM audit WHERE seq > ${after} ORDER BY seq LIMIT ${batch}`, Arr.map(toAuditRow))

/** The rows with a `seq` below `before`, the latest first. */
export const latestRows = (
  before: number,
  limit: number,
  filter: {
    readonly kind?: string | undefined
    readonly subjectId?: string | undefined
    readonly actor?: string | undefined
  },
): Effect.Effect<ReadonlyArray<AuditRow>, SqlError, SqlClient> =>
  Effect.flatMap(SqlClient, (sql) =>
    Effect.map(
      sql<Row>`SELECT * FROM audit WHERE ${sql.and([
        sql`seq < ${before}`,
        ...(filter.kind === undefined ? [] : [sql`kind = ${filter.kind}`]),
        ...(filter.subjectId === undefined ? [] : [sql`subject_id = ${filter.subjectId}`]),
        ...(filter.actor === undefined ? [] : [sql`actor = ${filter.actor}`]),
      ])} ORDER BY seq DESC LIMIT ${limit}`,
      Arr.map(toAuditRow),
    ),
  )

const record = Effect.fnUntraced(function* (sql: SqlClient, change: Change) {
  const seq = (yield* latest(sql)) + 1
  yield* sql`INSERT INTO audit ${sql.insert({
    seq,
    at: yield* Clock.currentTimeMillis,
    actor: change.actor,
    action: change.action,
    kind: change.kind,
    subject_id: change.subjectId,
    before: text(change.before),
    after: text(change.after),
  })}`
  // Sent when the transaction commits.
  yield* sql.onDialectOrElse({
    pg: () => Effect.asVoid(sql`SELECT pg_notify(${channel}, ${String(seq)})`),
    orElse: () => Effect.void,
  })
})

const text = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value))

/** Runs `poll` whenever PostgreSQL tells of new rows, over a connection that is made again when it breaks. */
const listen = (sql: SqlClient, poll: Effect.Effect<void>): Effect.Effect<void> => {
  if (!isPostgres(sql)) return Effect.void
  const listening = Effect.flatMap(sql.listen(channel), (notifications) =>
    // What was written while there was no connection is read at once.
    Effect.andThen(poll, Effect.forever(Effect.andThen(Queue.takeAll(notifications), poll))),
  )
  return Effect.ignore(Effect.retry(Effect.scoped(listening), Schedule.spaced(interval)))
}

const isPostgres = (sql: SqlClient): sql is PgClient => "listen" in sql
