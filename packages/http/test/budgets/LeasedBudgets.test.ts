/** Gateways that lease one budget from one database. */
import { assert, it } from "@effect/vitest"
import { identity } from "@understudy/core/internal/spend/Account"
import type { Budget } from "@understudy/core/internal/spend/Budget"
import { Budgets } from "@understudy/core/internal/spend/Budgets"
import * as Window from "@understudy/core/internal/spend/Window"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Result from "effect/Result"
import { SqlClient } from "effect/sql/SqlClient"
import type { Settings } from "../../src/budgets/LeasedBudgets.ts"
import * as LeasedBudgets from "../../src/budgets/LeasedBudgets.ts"
import * as LeaseRows from "../../src/budgets/LeaseRows.ts"
import * as Store from "../../src/store/Store.ts"
import * as StoreStatus from "../../src/store/StoreStatus.ts"
import { onEach } from "../store/Databases.ts"

const cents = (count: number) => count * 10_000_000

const dollar: Budget = {
  id: "dollar",
  scope: { type: "key", name: "a" },
  amount: 1,
  window: { unit: "month" },
  atLimit: "refuse",
}

const settings: Settings = {
  budgets: [dollar],
  lease: 0.02,
  leaseWait: Duration.seconds(5),
  onStoreLoss: "refuse",
}

/** A gateway's budgets, until its scope closes. */
const gateway = (database: Store.Database, name: string, overrides: Partial<Settings> = {}) =>
  Effect.map(
    Layer.build(
      LeasedBudgets.layer({ ...settings, ...overrides }, name).pipe(
        Layer.provideMerge(Layer.merge(Store.layer(database), StoreStatus.layer)),
      ),
    ),
    (context) => ({
      sql: Context.get(context, SqlClient),
      leased: Context.get(context, LeasedBudgets.LeasedBudgets),
      budgets: Context.get(context, Budgets),
      reserve: (nanos: number) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.result(Context.get(context, Budgets).matching([dollar.scope]).reserve(nanos, now)),
        ),
    }),
  )

type Gateway = Effect.Success<ReturnType<typeof gateway>>

/** Calls of so many cents until one is refused; what was spent. */
const spendAll = Effect.fnUntraced(function* ({ reserve }: Gateway, nanos: number) {
  let spent = 0
  for (;;) {
    const result = yield* reserve(nanos)
    if (Result.isFailure(result)) return spent
    yield* result.success.settle(nanos)
    spent += nanos
  }
})

/** What the database says that all gateways have leased. */
const granted = ({ sql }: Gateway) =>
  Effect.map(
    sql<{ readonly n: number | null }>`SELECT CAST(SUM(granted) AS BIGINT) AS n FROM budget_leases`,
    ([row]) => row?.n ?? 0,
  )

onEach("leased budgets", ({ database, postgres }) => {
  it.live("tell their status within a transaction, which may hold the only connection", () =>
    Effect.gen(function* () {
      const { budgets, sql } = yield* gateway(yield* Effect.promise(database), "one")
      // Told at once: a round would wait for the connection, and time out.
      const told = yield* sql.withTransaction(Effect.timeoutOption(budgets.status, "1 second"))
      assert.lengthOf(
        Option.getOrElse(told, () => []),
        1,
      )
    }),
  )

  it.live("let one gateway spend all of a budget, and not more", () =>
    Effect.gen(function* () {
      const one = yield* gateway(yield* Effect.promise(database), "one")
      assert.strictEqual(yield* spendAll(one, cents(3)), cents(99))
      const [status] = yield* one.budgets.status
      assert.strictEqual(status?.spent, 0.99)
      assert.strictEqual(status?.reserved, 0)
    }),
  )

  it.live("take a call that needs most of the budget, however little is leased at a time", () =>
    Effect.gen(function* () {
      const one = yield* gateway(yield* Effect.promise(database), "one")
      const large = yield* one.reserve(cents(90))
      assert.isTrue(Result.isSuccess(large))
      const refused = yield* one.reserve(cents(11))
      assert.isTrue(Result.isFailure(refused))
      if (Result.isSuccess(large)) yield* large.success.settle(cents(5))
      assert.isTrue(Result.isSuccess(yield* one.reserve(cents(11))))
    }),
  )

  it.live("take one large call after the other", () =>
    Effect.gen(function* () {
      const one = yield* gateway(yield* Effect.promise(database), "one")
      // Each may cost 20 cents and costs 10: the next one fits until more than 80 are spent.
      for (let call = 1; call <= 8; call++) {
        const held = yield* one.reserve(cents(20))
        assert.isTrue(Result.isSuccess(held), `call ${call}`)
        if (Result.isSuccess(held)) yield* held.success.settle(cents(10))
        yield* Effect.sleep("5 millis")
      }
      assert.isTrue(Result.isSuccess(yield* one.reserve(cents(20))))
      assert.isTrue(Result.isFailure(yield* one.reserve(cents(1))))
    }),
  )

  it.live("take the next call after one that spent more than it reserved", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const one = yield* gateway(place, "one")
      for (const spent of [cents(20), cents(40)]) {
        const held = yield* Effect.flatMap(one.reserve(cents(10)), Effect.fromResult)
        yield* held.settle(spent)
      }
      const last = yield* Effect.flatMap(one.reserve(cents(40)), Effect.fromResult)
      yield* last.settle(cents(40))
      assert.isTrue(Result.isFailure(yield* one.reserve(cents(1))))
      assert.strictEqual(yield* granted(one), cents(100))
    }),
  )

  it.live("let two gateways spend a budget together", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const both = yield* Effect.all([gateway(place, "one"), gateway(place, "two")])
      const spent = yield* Effect.all(
        both.flatMap((each) => Array.from({ length: 20 }, () => spendAll(each, cents(0.1)))),
        { concurrency: "unbounded" },
      )
      const total = spent.reduce((sum, each) => sum + each, 0)
      assert.isAtMost(total, cents(100))
      assert.isAtLeast(total, cents(95))
      assert.isAtMost(yield* granted(both[0]), cents(100))
    }),
  )

  it.live("go on from what a gateway that ended has spent", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const spent = yield* Effect.scoped(
        Effect.gen(function* () {
          const one = yield* gateway(place, "one")
          const held = yield* one.reserve(cents(30))
          if (Result.isSuccess(held)) yield* held.success.settle(cents(30))
          return Result.isSuccess(held)
        }),
      )
      assert.isTrue(spent)
      const two = yield* gateway(place, "two")
      assert.strictEqual(yield* granted(two), cents(32))
      assert.strictEqual(yield* spendAll(two, cents(10)), cents(70))
    }),
  )

  it.live("count all that a gateway that died had leased as spent", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const two = yield* gateway(place, "two")
      // What a killed process leaves behind: a lease, and a sign of life that grows old.
      yield* two.sql`INSERT INTO gateways ${two.sql.insert({ id: "dead", seen_at: 1 })}`
      yield* two.sql`INSERT INTO budget_leases ${two.sql.insert({
        budget_id: identity(dollar),
        period_start: Window.period(dollar.window, yield* Clock.currentTimeMillis).start,
        gateway_id: "dead",
        granted: cents(40),
        spent: cents(10),
        reserved: cents(1),
        updated_at: 1,
      })}`
      assert.strictEqual(yield* spendAll(two, cents(20)), cents(60))
    }),
  )

  it.live("start a budget with another window from nothing at every gateway, and remember the former one", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const days = (count: number) => [{ ...dollar, window: { days: count } }]
      const one = yield* gateway(place, "one", { budgets: days(2) })
      const held = yield* one.reserve(cents(40))
      yield* one.leased.set(days(3))
      const two = yield* gateway(place, "two", { budgets: days(3) })
      // At most a lease is out of reach.
      const spent = yield* spendAll(two, cents(1))
      assert.isAtLeast(spent, cents(96))
      // The call of the former window ends: its lease is not that of the new one.
      if (Result.isSuccess(held)) yield* held.success.settle(cents(40))
      assert.isTrue(Result.isFailure(yield* one.reserve(cents(5))))
      yield* one.leased.set(days(2))
      assert.strictEqual(yield* spendAll(one, cents(5)), cents(60))
      yield* one.leased.set(days(3))
      assert.isAtMost(yield* spendAll(one, cents(1)), cents(100) - spent)
    }),
  )

  it.live("put together what gateways had leased that are gone", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const { start } = Window.period(dollar.window, yield* Clock.currentTimeMillis)
      const lease = { budget_id: identity(dollar), granted: cents(20), spent: cents(10), reserved: 0, updated_at: 1 }
      yield* Effect.scoped(
        Effect.flatMap(
          Effect.map(Layer.build(Store.layer(place)), Context.get(SqlClient)),
          (sql) =>
            sql`INSERT INTO budget_leases ${sql.insert([
              { ...lease, period_start: start, gateway_id: "long ago" },
              { ...lease, period_start: start, gateway_id: "longer ago" },
              { ...lease, period_start: 1, gateway_id: "of another age" },
            ])}`,
        ),
      )
      const two = yield* gateway(place, "two")
      const rows = two.sql<{ readonly id: string; readonly granted: number }>`
        SELECT gateway_id AS id, granted FROM budget_leases WHERE gateway_id <> 'two'`
      while ((yield* rows).length !== 1) yield* Effect.sleep("20 millis")
      assert.deepStrictEqual({ ...(yield* rows)[0] }, { id: "", granted: cents(40) })
      assert.strictEqual(yield* spendAll(two, cents(20)), cents(60))
    }),
  )

  it.live("give back what a gateway does not need when another lacks it", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const idle = yield* gateway(place, "idle", { lease: 0.5 })
      const held = yield* idle.reserve(cents(1))
      if (Result.isSuccess(held)) yield* held.success.settle(cents(1))
      const busy = yield* gateway(place, "busy")
      const spent = yield* spendAll(busy, cents(1))
      assert.isBelow(spent, cents(99))
      let total = spent
      while (total < cents(99)) {
        yield* Effect.sleep("50 millis")
        total += yield* spendAll(busy, cents(1))
      }
      assert.strictEqual(total, cents(99))
    }),
  )

  it.live("keep a changed budget's spending, and refuse beyond a lower amount", () =>
    Effect.gen(function* () {
      const one = yield* gateway(yield* Effect.promise(database), "one")
      const held = yield* one.reserve(cents(50))
      if (Result.isSuccess(held)) yield* held.success.settle(cents(50))
      yield* one.leased.set([{ ...dollar, amount: 0.6 }])
      assert.strictEqual(yield* spendAll(one, cents(5)), cents(10))
      yield* one.leased.set([{ ...dollar, amount: 2 }])
      assert.strictEqual(yield* spendAll(one, cents(10)), cents(140))
    }),
  )

  it.live("publish an alert once, at one gateway", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const both = yield* Effect.all([gateway(place, "one"), gateway(place, "two")])
      const alerts: Array<number> = []
      for (const { budgets } of both) yield* budgets.subscribe(({ share }) => void alerts.push(share))
      yield* spendAll(both[0], cents(1))
      yield* spendAll(both[1], cents(1))
      while (alerts.length < 3) yield* Effect.sleep("20 millis")
      yield* Effect.sleep("50 millis")
      assert.deepStrictEqual(alerts.toSorted(), [0.5, 0.8, 1])
    }),
  )

  it.live("tell what other gateways have spent", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const [one, two] = yield* Effect.all([gateway(place, "one"), gateway(place, "two")])
      const held = yield* one.reserve(cents(30))
      if (Result.isSuccess(held)) yield* held.success.settle(cents(20))
      // Written with the next round of the one, read again by the other when it is asked.
      while ((yield* two.budgets.status)[0]?.spent !== 0.2) yield* Effect.sleep("50 millis")
    }),
  )

  it.live("write what is spent of a lease while another gateway has the lock", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      // SQLite has one lock for all that is written.
      if (postgres() === undefined) return
      const [one, { sql }] = yield* Effect.all([gateway(place, "one"), gateway(place, "two")])
      const locked = Effect.gen(function* () {
        yield* sql`SELECT pg_advisory_xact_lock(${LeaseRows.lock})`
        const held = yield* one.reserve(cents(0.1))
        if (Result.isSuccess(held)) yield* held.success.settle(cents(0.1))
        const written = sql<{ readonly n: number | null }>`SELECT CAST(SUM(spent) AS BIGINT) AS n FROM budget_leases`
        while ((yield* written)[0]?.n !== cents(0.1)) yield* Effect.sleep("20 millis")
      })
      yield* Effect.timeout(sql.withTransaction(locked), "5 seconds")
    }),
  )

  it.live("end although the database is lost", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const server = postgres()
      if (server === undefined) return
      // A transaction whose connection breaks dies in Effect: a gateway that ends must not.
      const exit = yield* Effect.exit(
        Effect.scoped(Effect.andThen(gateway(place, "one"), () => Effect.promise(server.kill))),
      )
      yield* Effect.promise(server.restart)
      assert.isTrue(Exit.isSuccess(exit))
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
  )

  it.live("allow what is leased while the database is lost, then refuse, and go on when it is back", () =>
    Effect.gen(function* () {
      const place = yield* Effect.promise(database)
      const server = postgres()
      if (server === undefined) return
      const [strict, lenient] = yield* Effect.all([
        gateway(place, "strict", { lease: 0.1 }),
        gateway(place, "lenient", { lease: 0.1, onStoreLoss: "allow" }),
      ])
      yield* Effect.promise(server.kill)
      const during = yield* spendAll(strict, cents(1))
      assert.isAtLeast(during, cents(5))
      assert.isAtMost(during, cents(20))
      const refused = yield* Effect.flip(Effect.flatMap(strict.reserve(cents(1)), Effect.fromResult))
      assert.include(refused.message, "what is left is not available to this gateway now")
      // More than is leased. That the database is lost is known with the first round that fails.
      while (Result.isFailure(yield* lenient.reserve(cents(40)))) yield* Effect.sleep("20 millis")
      yield* Effect.promise(server.restart)
      let total = during
      while (total < cents(50)) {
        yield* Effect.sleep("50 millis")
        total += yield* spendAll(strict, cents(1))
      }
      // What the other was allowed without a lease counts once it is written: until then the two may exceed the budget.
      assert.isAtMost(total, cents(100))
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
  )
})
