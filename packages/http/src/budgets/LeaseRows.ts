/**
 * The leases of budgets in the database, as one gateway reads and writes them: its own, what all others hold, the alerts that were
 * published, and the signs of life of gateways.
 *
 * Leases are written under a lock, and as they are, not as they change, so that one whose commit was not acknowledged is right
 * the next time.
 */
import type { Nanos } from "@understudy/core/internal/spend/Budget"
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { DueAlert, Elsewhere, Lease, LeasedAccount, Written } from "./LeasedAccount.ts"

/** After this many milliseconds without a sign of life, a gateway is dead, and what it had leased counts as spent. */
const deadAfter = 15_000

/** After so many milliseconds of silence a gateway does not come back: what it had leased is kept under no name. */
const goneAfter = Duration.toMillis(Duration.days(1))

/** Leases of periods that began so many milliseconds ago are deleted: no window is longer. Those of `total` begin at 0. */
const keptFor = Duration.toMillis(Duration.days(800))

/** The advisory lock of PostgreSQL under which gateways change leases, one after the other. */
export const lock = 0x6c65617365

/** Times are clock milliseconds. */
export class LeaseRows {
  readonly #sql: SqlClient
  readonly #gateway: string

  constructor(sql: SqlClient, gateway: string) {
    this.#sql = sql
    this.#gateway = gateway
  }

  /** Runs statements in a transaction that has the lock. */
  transaction<A>(statements: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    const sql = this.#sql
    const locked = sql.onDialectOrElse({
      pg: () => Effect.asVoid(sql`SELECT pg_advisory_xact_lock(${lock})`),
      // The transaction has the lock for writing.
      orElse: () => Effect.void,
    })
    return sql.withTransaction(Effect.andThen(locked, statements))
  }

  /** Whether the fibre is in a transaction of this database. */
  get isInTransaction(): Effect.Effect<boolean> {
    return Effect.map(Effect.serviceOption(this.#sql.transactionService), Option.isSome)
  }

  signOfLife(now: number): Effect.Effect<void, SqlError> {
    const sql = this.#sql
    const row = { id: this.#gateway, seen_at: now }
    return Effect.asVoid(
      sql`INSERT INTO gateways ${sql.insert(row)} ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`,
    )
  }

  /** The gateway ends: what it has leased and not spent was given back. */
  get retire(): Effect.Effect<void, SqlError> {
    return Effect.asVoid(this.#sql`DELETE FROM gateways WHERE id = ${this.#gateway}`)
  }

  /** What other gateways hold of these budgets, by their keys. */
  elsewhere(
    accounts: ReadonlyArray<LeasedAccount>,
    now: number,
  ): Effect.Effect<ReadonlyMap<string, Elsewhere>, SqlError> {
    const sql = this.#sql
    const counted = sql.or(accounts.map(({ key, since }) => sql`(budget_id = ${key} AND period_start >= ${since})`))
    return Effect.map(
      sql<{ readonly id: string } & Elsewhere>`
        SELECT budget_id AS id,
          CAST(SUM(granted) AS BIGINT) AS granted,
          CAST(SUM(CASE WHEN seen_at >= ${now - deadAfter} THEN spent ELSE granted END) AS BIGINT) AS spent,
          CAST(SUM(CASE WHEN seen_at >= ${now - deadAfter} THEN reserved ELSE 0 END) AS BIGINT) AS reserved
        FROM budget_leases LEFT JOIN gateways ON gateways.id = gateway_id
        WHERE gateway_id <> ${this.#gateway} AND ${counted}
        GROUP BY budget_id`,
      (rows) => new Map(rows.map(({ id, ...held }) => [id, held])),
    )
  }

  /** Writes the leases that differ from what is written of them. Succeeds with these as they are now. */
  save(
    accounts: ReadonlyArray<LeasedAccount>,
    additions: ReadonlyMap<Lease, Nanos>,
    now: number,
  ): Effect.Effect<ReadonlyMap<Lease, Written>, SqlError> {
    const sql = this.#sql
    const saved = new Map<Lease, Written>()
    const rows: ReadonlyArray<Record<string, unknown>> = accounts.flatMap(({ key, leases }) =>
      leases.flatMap((lease) => {
        const { allowance, part, written } = lease
        const { reserved, spent } = allowance
        const granted = allowance.granted + (additions.get(lease) ?? 0)
        if (written?.granted === granted && written.spent === spent && written.reserved === reserved) return []
        const row = { granted, spent, reserved }
        saved.set(lease, row)
        return [{ budget_id: key, period_start: part.start, gateway_id: this.#gateway, ...row, updated_at: now }]
      }),
    )
    if (!Arr.isReadonlyArrayNonEmpty(rows)) return Effect.succeed(saved)
    return Effect.as(
      sql`INSERT INTO budget_leases ${sql.insert(rows)}
        ON CONFLICT (budget_id, period_start, gateway_id) DO UPDATE SET
          granted = excluded.granted, spent = excluded.spent, reserved = excluded.reserved, updated_at = excluded.updated_at`,
      saved,
    )
  }

  /** Notes that these alerts are published, all or none. Succeeds with those that no gateway has published before. */
  announce(due: ReadonlyArray<DueAlert>, now: number): Effect.Effect<ReadonlyArray<DueAlert>, SqlError> {
    if (due.length === 0) return Effect.succeed([])
    const sql = this.#sql
    const noted = Effect.filter(due, ({ account, alert: { share } }) => {
      const row = { budget_id: account.key, period_start: account.alertPeriod, share, at: now }
      return Effect.map(
        sql`INSERT INTO budget_alerts ${sql.insert(row)} ON CONFLICT DO NOTHING RETURNING share`,
        (rows) => rows.length > 0,
      )
    })
    return sql.withTransaction(noted)
  }

  /** Puts the leases of gateways that are gone together, and deletes those of periods that are long over. */
  tidy(now: number): Effect.Effect<void, SqlError> {
    const sql = this.#sql
    const gone = sql`gateway_id <> '' AND gateway_id <> ${this.#gateway} AND updated_at < ${now - goneAfter}
      AND NOT EXISTS (SELECT 1 FROM gateways WHERE id = gateway_id AND seen_at >= ${now - goneAfter})`
    return this.transaction(
      Effect.gen(function* () {
        yield* sql`INSERT INTO budget_leases (budget_id, period_start, gateway_id, granted, spent, reserved, updated_at)
          SELECT budget_id, period_start, '', SUM(granted), SUM(granted), 0, ${now} FROM budget_leases
          WHERE ${gone} GROUP BY budget_id, period_start
          ON CONFLICT (budget_id, period_start, gateway_id) DO UPDATE SET
            granted = budget_leases.granted + excluded.granted, spent = budget_leases.spent + excluded.spent`
        yield* sql`DELETE FROM budget_leases WHERE ${gone}`
        yield* sql`DELETE FROM budget_leases WHERE period_start > 0 AND period_start < ${now - keptFor}`
        yield* sql`DELETE FROM gateways WHERE seen_at < ${now - goneAfter}`
      }),
    )
  }
}
