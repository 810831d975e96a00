/**
 * The `Budgets` of gateways that share a database. The sum of what all gateways have leased of a budget is never more than its
 * amount, and none spends more than it has leased: so what is spent and reserved never exceeds the budget, however many
 * gateways there are and however they end.
 *
 * Leases are written in rounds by one fibre: at once when a call lacks something, else every second. A call waits for a round
 * only if what is leased does not cover it, for a bounded time.
 */
import type { Budget } from "@understudy/core/internal/spend/Budget"
import * as Account from "@understudy/core/internal/spend/Account"
import type { BudgetAlert } from "@understudy/core/internal/spend/Account"
import * as Budgets from "@understudy/core/internal/spend/Budgets"
import * as Reservations from "@understudy/core/internal/spend/Reservation"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { BudgetSettings } from "../config/BudgetsSection.ts"
import * as Bounded from "../store/Bounded.ts"
import { StoreStatus } from "../store/StoreStatus.ts"
import type { Plan } from "./LeasedAccount.ts"
import { LeasedAccount, nothing } from "./LeasedAccount.ts"
import { LeaseRows } from "./LeaseRows.ts"

/** The gateway's budgets, which may be replaced while it runs. */
export class LeasedBudgets extends Context.Service<
  LeasedBudgets,
  {
    /**
     * Replaces the budgets. One that keeps its id, scope and window keeps its lease; what was leased of others is given back
     * when their calls have ended.
     */
    readonly set: (budgets: ReadonlyArray<Budget>) => Effect.Effect<void>
  }
>()("@understudy/http/LeasedBudgets") {}

export type Settings = Pick<BudgetSettings, "budgets" | "lease" | "leaseWait" | "onStoreLoss">

/** The time between rounds in which no call lacks anything. */
const interval = Duration.seconds(1)

/** How often a gateway shows that it lives, in milliseconds. */
const signInterval = 5000

/** How long a round may take before the database counts as lost. */
const roundTimeout = Duration.seconds(3)

/** How often leases of gateways that are gone, and of past periods, are put together or deleted. */
const tidyInterval = Duration.hours(1)

/** How long the status of all budgets counts as known, in milliseconds. */
const freshFor = 250

/** Budgets that are written in one statement. */
const perRound = 200

export const layer = (
  settings: Settings,
  gateway: string,
): Layer.Layer<Budgets.Budgets | LeasedBudgets, never, SqlClient | StoreStatus> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const clock = yield* Clock.Clock
      const status = yield* StoreStatus
      const pool = new Pool(settings, new LeaseRows(sql, gateway), status, clock)
      // Runs last, when no round can lease anything again.
      yield* Effect.addFinalizer(() => pool.close)
      yield* Effect.forkScoped(pool.run)
      yield* Effect.forkScoped(Effect.repeat(pool.tidy, Schedule.spaced(tidyInterval)))
      yield* pool.set(settings.budgets)
      // Leased before the first call, so that it need not wait.
      yield* pool.renewal
      return Context.make(Budgets.Budgets, pool.service).pipe(Context.add(LeasedBudgets, { set: pool.set }))
    }),
  )

class Pool {
  readonly #settings: Settings
  readonly #rows: LeaseRows
  readonly #status: StoreStatus["Service"]
  readonly #clock: Clock.Clock
  readonly #wake = Latch.makeUnsafe()
  readonly #listeners = new Set<(alert: BudgetAlert) => void>()
  /** The accounts that the next round writes. */
  #dirty = new Set<LeasedAccount>()
  index = new Account.Index<LeasedAccount>([])
  /** Accounts of budgets that are no more, as long as what they spent counts: the budgets may come back. */
  #leaving = new Set<LeasedAccount>()
  #refreshedAt = Number.NEGATIVE_INFINITY
  /** When the database was last told that this gateway lives. */
  #signedAt = Number.NEGATIVE_INFINITY
  /** Completes with the next round. */
  #round: Deferred.Deferred<void> | undefined

  constructor(settings: Settings, rows: LeaseRows, status: StoreStatus["Service"], clock: Clock.Clock) {
    this.#settings = settings
    this.#rows = rows
    this.#status = status
    this.#clock = clock
  }

  readonly service: Budgets.Budgets["Service"] = {
    matching: (scopes) => new Reservations.Matching(this, scopes),
    status: Effect.andThen(
      Effect.suspend(() => this.#refreshed),
      Effect.map(Clock.currentTimeMillis, (now) => this.index.all.map((account) => Account.statusOf(account, now))),
    ),
    subscribe: (listener) =>
      Effect.acquireRelease(
        Effect.sync(() => void this.#listeners.add(listener)),
        () => Effect.sync(() => void this.#listeners.delete(listener)),
      ),
  }

  readonly set: LeasedBudgets["Service"]["set"] = (budgets) =>
    Effect.sync(() => {
      const now = this.#clock.currentTimeMillisUnsafe()
      const kept = new Map([...this.#leaving, ...this.index.all].map((account) => [account.key, account]))
      const accounts = budgets.map((budget) => {
        const account = kept.get(Account.identity(budget))
        if (account === undefined) return new LeasedAccount(budget, this.#settings.lease, now, this.#urgent)
        kept.delete(Account.identity(budget))
        account.budget = budget
        return account
      })
      this.#leaving = new Set(kept.values())
      this.index = new Account.Index(accounts)
      for (const account of [...accounts, ...this.#leaving]) this.#urgent(account)
    })

  /** Completes when the leases have been written once more, or the database is lost. */
  readonly renewal: Effect.Effect<void> = Effect.suspend(() => {
    this.#wake.openUnsafe()
    return Deferred.await((this.#round ??= Deferred.makeUnsafe()))
  })

  /** Writes leases for as long as the gateway runs. */
  readonly run: Effect.Effect<never> = Effect.suspend(() => {
    this.#wake.closeUnsafe()
    return this.#renew
  }).pipe(Effect.andThen(Effect.timeoutOption(this.#wake.await, interval)), Effect.forever)

  /** Puts the leases of gateways that are gone together, and deletes those of periods that are long over. */
  readonly tidy: Effect.Effect<void> = Effect.suspend(() =>
    Effect.ignore(Bounded.run(this.#rows.tidy(this.#clock.currentTimeMillisUnsafe()), roundTimeout)),
  )

  /** Gives back all that is not used. What calls in flight reserved counts as spent: those calls are no longer settled. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const accounts = [...this.index.all, ...this.#leaving]
    for (const { leases } of accounts)
      for (const { allowance } of leases) allowance.settle(allowance.reserved, allowance.reserved)
    const written = Effect.andThen(this.#write(accounts, false), this.#rows.retire)
    return Effect.ignore(Bounded.run(written, roundTimeout))
  })

  /** At once where leases cover the amount; where they do not, when they were renewed. */
  readonly take: Reservations.Take<LeasedAccount> = (accounts, nanos, now) => {
    const allowances = Reservations.takeNow(accounts, nanos, now)
    if (allowances !== undefined) return Effect.succeed(allowances)
    const refuse = () => Reservations.refuse(accounts, nanos, now)
    const short = accounts.filter((account) => !account.at(now).fits(nanos))
    const again = Effect.suspend(() => {
      const allowances = Reservations.takeNow(accounts, nanos, now)
      return allowances === undefined ? refuse() : Effect.succeed(allowances)
    })
    if (!this.#status.isUp()) {
      if (this.#settings.onStoreLoss === "refuse") return refuse()
      for (const account of short) account.overdraw(nanos)
      return again
    }
    // Every short account must be able to get a lease, or the call is refused anyway.
    if (!short.every((account) => account.canWant(nanos, now))) return refuse()
    return Effect.suspend(() => {
      // Before the round that is under way could take back what another one gives.
      for (const account of accounts) account.at(now).tried(nanos)
      for (const account of short) account.want(nanos)
      return Effect.ensuring(
        Effect.andThen(Effect.timeoutOption(this.renewal, this.#settings.leaseWait), again),
        Effect.sync(() => {
          for (const account of short) account.stopWanting(nanos)
        }),
      )
    })
  }

  readonly #urgent = (account: LeasedAccount): void => {
    this.#dirty.add(account)
    this.#wake.openUnsafe()
  }

  /**
   * What other gateways have spent is read again, for those who want to know it: at most once in a while. Not within a
   * transaction: the round would wait for its connection, and it for the round.
   */
  get #refreshed(): Effect.Effect<void> {
    return Effect.flatMap(this.#rows.isInTransaction, (isInTransaction) => {
      const now = this.#clock.currentTimeMillisUnsafe()
      if (isInTransaction || !this.#status.isUp() || now - this.#refreshedAt < freshFor) return Effect.void
      this.#refreshedAt = now
      for (const account of this.index.all) this.#dirty.add(account)
      return Effect.asVoid(Effect.timeoutOption(this.renewal, roundTimeout))
    })
  }

  readonly #renew: Effect.Effect<void> = Effect.suspend(() => {
    const round = this.#round
    this.#round = undefined
    const now = this.#clock.currentTimeMillisUnsafe()
    for (const account of [...this.index.all, ...this.#leaving]) {
      account.observe(now)
      if (account.isDue) this.#dirty.add(account)
    }
    const dirty = [...this.#dirty]
    this.#dirty = new Set()
    // A database that is lost is tried each time.
    const isSignDue = now - this.#signedAt >= signInterval || !this.#status.isUp()
    const written = isSignDue || dirty.length > 0 ? this.#writeRound(dirty, isSignDue ? now : undefined) : Effect.void
    return Effect.ensuring(
      written,
      Effect.sync(() => {
        for (const account of this.#leaving) if (account.isEmpty) this.#leaving.delete(account)
        if (round !== undefined) Deferred.doneUnsafe(round, Effect.void)
      }),
    )
  })

  /** Writes accounts in a bounded time, and a sign of life at `now`, if one is due. Tells whether the database could be used. */
  #writeRound(accounts: ReadonlyArray<LeasedAccount>, now: number | undefined): Effect.Effect<void> {
    const signed =
      now === undefined
        ? Effect.void
        : Effect.map(this.#rows.signOfLife(now), () => {
            this.#signedAt = now
          })
    const written = Effect.forEach(chunked(accounts, perRound), (some) => this.#write(some, true), { discard: true })
    return Effect.matchEffect(Bounded.run(Effect.andThen(signed, written), roundTimeout), {
      onSuccess: () => this.#status.back,
      onFailure: ({ message }) => {
        for (const account of accounts) this.#dirty.add(account)
        return this.#status.lost(message)
      },
    })
  }

  /**
   * Writes what these accounts have leased, spent and reserved, and reads what other gateways have. `ahead`: more is leased for
   * later calls.
   *
   * What is leased changes in a transaction that has the lock. What was spent and reserved of it is this gateway's own, and needs
   * none: that is all that most rounds write.
   */
  #write(accounts: ReadonlyArray<LeasedAccount>, ahead: boolean): Effect.Effect<void, SqlError> {
    return Effect.suspend(() => {
      const now = this.#clock.currentTimeMillisUnsafe()
      for (const account of accounts) account.observe(now)
      const plan = (account: LeasedAccount): Plan => {
        const isLeaving = this.#leaving.has(account)
        const left = isLeaving ? 0 : account.amount - account.elsewhere.granted - account.granted
        return account.plan(left, ahead && !isLeaving ? account.chunk : 0)
      }
      const isSteady = new Set(accounts.filter((account) => account.isSteady(plan(account))))
      const changing = accounts.filter((account) => !isSteady.has(account))
      return Effect.andThen(
        this.#exchange([...isSteady], now, () => unchanged, identity),
        this.#exchange(changing, now, plan, (exchange) => this.#rows.transaction(exchange)),
      )
    })
  }

  /** Reads and writes accounts whose leases change as planned, by statements that run within something. */
  #exchange(
    accounts: ReadonlyArray<LeasedAccount>,
    now: number,
    plan: (account: LeasedAccount) => Plan,
    within: <A>(statements: Effect.Effect<A, SqlError>) => Effect.Effect<A, SqlError>,
  ): Effect.Effect<void, SqlError> {
    if (accounts.length === 0) return Effect.void
    const statements = Effect.gen({ self: this }, function* () {
      const elsewhere = yield* this.#rows.elsewhere(accounts, now)
      for (const account of accounts) account.elsewhere = elsewhere.get(account.key) ?? nothing
      const additions = new Map(
        accounts.flatMap((account) => account.begin(plan(account))).map(({ delta, lease }) => [lease, delta]),
      )
      const written = yield* this.#rows.save(accounts, additions, now)
      const due = accounts.flatMap((account) => account.alertsDue(now))
      return { additions, written, due, published: yield* this.#rows.announce(due, now) }
    })
    // What is in memory follows what is committed.
    return Effect.map(within(statements), ({ additions, due, published, written }) => {
      for (const [lease, nanos] of additions) lease.allowance.granted += nanos
      for (const [lease, row] of written) lease.written = row
      for (const { account, alert } of due) account.announced.add(alert.share)
      for (const account of accounts) account.forget()
      for (const { alert } of published) for (const listener of this.#listeners) listener(alert)
    })
  }
}

/** The plan of leases that stay as they are. */
const unchanged: Plan = { changes: [], shortage: undefined }

const chunked = <A>(all: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size))
