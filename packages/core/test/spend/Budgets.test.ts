import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import * as Budget from "../../src/spend/Budget.ts"
import * as Budgets from "../../src/spend/Budgets.ts"

const dollars = Budget.toNanos

const team = { type: "team", name: "search" } as const
const all = { type: "all" } as const

const monthly: Budget.Budget = { id: "search", scope: team, amount: 10, window: { unit: "month" }, atLimit: "refuse" }

/** Reserves dollars at the time of the clock. */
const reserve = (budgets: Budgets.Budgets["Service"], amount: number, scopes: ReadonlyArray<Budget.Scope> = [team]) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => budgets.matching(scopes).reserve(dollars(amount), now))

const used = (budgets: Budgets.Budgets["Service"]) =>
  Effect.map(budgets.status, (list) => list.map(({ budget, reserved, spent }) => [budget.id, spent, reserved]))

describe("Budgets", () => {
  it.effect("holds what is reserved, then keeps what was spent", () =>
    Effect.gen(function* () {
      const { service } = yield* Budgets.makeMemory([monthly])
      const reservation = yield* reserve(service, 4)
      assert.deepStrictEqual(yield* used(service), [["search", 0, 4]])
      yield* reservation.settle(dollars(1.5))
      assert.deepStrictEqual(yield* used(service), [["search", 1.5, 0]])
      yield* reservation.settle(dollars(1.5))
      assert.deepStrictEqual(yield* used(service), [["search", 1.5, 0]], "only the first settlement counts")
    }),
  )

  it.effect("reserves from every budget of the scopes, or from none", () =>
    Effect.gen(function* () {
      const { service } = yield* Budgets.makeMemory([
        monthly,
        { id: "all", scope: all, amount: 3, window: { unit: "day" }, atLimit: "refuse" },
        { id: "other", scope: { type: "team", name: "other" }, amount: 1, window: "total", atLimit: "refuse" },
      ])
      const exceeded = yield* Effect.flip(reserve(service, 4, [team, all]))
      assert.strictEqual(exceeded.budget.id, "all")
      assert.deepStrictEqual(yield* used(service), [
        ["search", 0, 0],
        ["all", 0, 0],
        ["other", 0, 0],
      ])
      yield* reserve(service, 3, [team, all])
      assert.deepStrictEqual(yield* used(service), [
        ["search", 0, 3],
        ["all", 0, 3],
        ["other", 0, 0],
      ])
    }),
  )

  it.effect("says when a call would fit: at the reset, shortly if only calls in flight are in the way, or never", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(new Date("2026-03-31T12:00:00Z").getTime())
      const { service } = yield* Budgets.makeMemory([monthly])
      const first = yield* reserve(service, 8)
      const blocked = yield* Effect.flip(reserve(service, 3))
      assert.strictEqual(blocked.retryAfter, 1000)
      yield* first.settle(dollars(8))
      const spent = yield* Effect.flip(reserve(service, 3))
      assert.strictEqual(spent.resetAt, new Date("2026-04-01T00:00:00Z").getTime())
      assert.strictEqual(spent.retryAfter, 12 * 3_600_000)
      assert.strictEqual(
        spent.message,
        'Budget "search" of $10.00 a month does not cover this call: $8.00 is spent and $0.00 is reserved by calls in flight, and this call may cost $3.00. It resets at 2026-04-01T00:00:00.000Z.',
      )
      const never = yield* Effect.flip(reserve(service, 10.5))
      assert.strictEqual(never.retryAfter, Infinity)
      assert.strictEqual(never.message, 'Budget "search" allows $10.00 a month, and this call may cost $10.50.')
    }),
  )

  it.effect("starts a period with nothing spent, and keeps a call in the period in which it began", () =>
    Effect.gen(function* () {
      const { service } = yield* Budgets.makeMemory([{ ...monthly, window: { unit: "hour" } }])
      const late = yield* reserve(service, 6)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* used(service), [["search", 0, 0]])
      yield* reserve(service, 10)
      yield* late.settle(dollars(6))
      assert.deepStrictEqual(yield* used(service), [["search", 0, 10]])
    }),
  )

  it.effect("lets spending leave a rolling window hour by hour", () =>
    Effect.gen(function* () {
      const { service } = yield* Budgets.makeMemory([{ ...monthly, window: { days: 1 } }])
      const spend = (amount: number) =>
        Effect.flatMap(reserve(service, amount), (reservation) => reservation.settle(dollars(amount)))
      yield* spend(4)
      yield* TestClock.adjust("5 hours")
      yield* spend(5)
      const exceeded = yield* Effect.flip(reserve(service, 5))
      assert.strictEqual(exceeded.resetAt, 25 * 3_600_000)
      assert.strictEqual((yield* Effect.flip(reserve(service, 9))).resetAt, 30 * 3_600_000)
      yield* TestClock.adjust("1199 minutes")
      yield* Effect.flip(reserve(service, 5))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* used(service), [["search", 5, 0]])
      yield* spend(5)
    }),
  )

  it.effect("grows a reservation by what still fits, and books what was spent beyond it", () =>
    Effect.gen(function* () {
      const { service } = yield* Budgets.makeMemory([monthly])
      const reservation = yield* reserve(service, 6)
      yield* reservation.grow(dollars(3), 0)
      const exceeded = yield* Effect.flip(reservation.grow(dollars(2), 0))
      assert.strictEqual(exceeded.budget.id, "search")
      assert.deepStrictEqual(yield* used(service), [["search", 0, 9]])
      yield* reservation.settle(dollars(11))
      assert.deepStrictEqual(yield* used(service), [["search", 11, 0]])
      yield* Effect.flip(reserve(service, 0.01))
      yield* reserve(service, 0)
    }),
  )

  it.effect("does not count calls on the route that a budget uses instead", () =>
    Effect.gen(function* () {
      const { service } = yield* Budgets.makeMemory([{ ...monthly, atLimit: { use: "cheap" } }])
      yield* Effect.flip(reserve(service, 11, [team, { type: "route", name: "assistant" }]))
      yield* reserve(service, 11, [team, { type: "route", name: "cheap" }])
      assert.deepStrictEqual(yield* used(service), [["search", 0, 0]])
    }),
  )

  it.effect("is decided by the budget that refuses, and of those by the one with the longest wait", () =>
    Effect.gen(function* () {
      const { service } = yield* Budgets.makeMemory([
        { ...monthly, id: "uses", atLimit: { use: "cheap" } },
        { ...monthly, id: "hour", window: { unit: "hour" } },
        { ...monthly, id: "total", window: "total" },
        { ...monthly, id: "day", window: { unit: "day" } },
      ])
      yield* Effect.flatMap(reserve(service, 10), (reservation) => reservation.settle(dollars(10)))
      assert.strictEqual((yield* Effect.flip(reserve(service, 1))).budget.id, "total")
    }),
  )

  it.effect("publishes each share of a period once, and share 1 when it first refuses", () =>
    Effect.gen(function* () {
      const { service } = yield* Budgets.makeMemory([{ ...monthly, window: { unit: "hour" } }])
      const alerts: Array<readonly [number, number, number]> = []
      yield* service.subscribe(({ period, share, spent }) => void alerts.push([share, spent, period.start]))
      const spend = (amount: number) =>
        Effect.flatMap(reserve(service, amount), (reservation) => reservation.settle(dollars(amount)))
      yield* spend(4)
      assert.deepStrictEqual(alerts, [])
      yield* Effect.flip(reserve(service, 7))
      assert.deepStrictEqual(alerts.splice(0), [[1, 4, 0]], "share 1 alone")
      yield* TestClock.adjust("1 hour")
      yield* spend(4)
      yield* spend(5)
      yield* spend(0.5)
      yield* Effect.flip(reserve(service, 11))
      assert.deepStrictEqual(alerts, [
        [0.5, 9, 3_600_000],
        [0.8, 9, 3_600_000],
      ])
      yield* Effect.flip(reserve(service, 1))
      yield* Effect.flip(reserve(service, 1))
      assert.deepStrictEqual(alerts.slice(2), [[1, 9.5, 3_600_000]])
      yield* TestClock.adjust("1 hour")
      yield* spend(6)
      assert.deepStrictEqual(alerts.slice(3), [[0.5, 6, 7_200_000]])
    }).pipe(Effect.scoped),
  )

  it.effect("keeps what was spent when an amount changes, and starts a new budget with nothing spent", () =>
    Effect.gen(function* () {
      const { service, set } = yield* Budgets.makeMemory([monthly])
      const reservation = yield* reserve(service, 9)
      yield* set([{ ...monthly, amount: 5 }])
      yield* Effect.flip(reserve(service, 0.01))
      assert.deepStrictEqual(yield* used(service), [["search", 0, 9]])
      yield* reservation.settle(dollars(2))
      yield* reserve(service, 3)
      yield* set([{ ...monthly, window: "total" }])
      assert.deepStrictEqual(yield* used(service), [["search", 0, 0]])
    }),
  )

  it.effect("names every problem of its budgets", () =>
    Effect.gen(function* () {
      const { problems } = yield* Effect.flip(
        Budgets.makeMemory([
          { ...monthly, amount: -1 },
          { ...monthly, alerts: [1.5] },
          { ...monthly, id: "zone", window: { unit: "day", timeZone: "Mars/Olympus" } },
        ]),
      )
      assert.deepStrictEqual(
        problems.map(({ path }) => path),
        ["budgets[0].amount", "budgets[1].id", "budgets[1].alerts", "budgets[2].window"],
      )
    }),
  )

  const steps = Schema.Array(
    Schema.Struct({
      step: Schema.Literals(["reserve", "grow", "settle", "wait", "set"]),
      /** Which reservation, which scopes, how much. */
      choice: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 })),
      nanos: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4_000_000_000 })),
    }),
  )

  it.effect.prop(
    "never holds more than its amount, whatever is reserved, grown, settled or changed, and ends with nothing reserved",
    { steps },
    ({ steps }) =>
      Effect.gen(function* () {
        const scopes: ReadonlyArray<Budget.Scope> = [
          { type: "key", name: "a" },
          { type: "key", name: "b" },
          team,
          { type: "tag", name: "x" },
          all,
        ]
        const windows: ReadonlyArray<Budget.Budget["window"]> = [
          { unit: "hour" },
          { days: 1 },
          "total",
          { unit: "day" },
        ]
        const budgets = scopes.flatMap((scope, index) =>
          [0, 1].map((extra): Budget.Budget => {
            const window = windows[(index + extra) % windows.length]!
            return { id: `${index}/${extra}`, scope, amount: 5 + index, window, atLimit: "refuse" }
          }),
        )
        const { service, set } = yield* Budgets.makeMemory(budgets)
        /** The most that each budget has allowed so far. */
        const allowed = new Map(budgets.map(({ amount, id }) => [id, amount]))
        const open: Array<{ held: number; readonly reservation: Budgets.Reservation }> = []
        for (const { choice, nanos, step } of steps) {
          const now = yield* Clock.currentTimeMillis
          const one = open[choice % Math.max(1, open.length)]
          const before = yield* used(service)
          switch (step) {
            case "reserve": {
              const chosen = scopes.filter((_, index) => (choice >> index) % 2 === 1)
              const reservation = yield* Effect.orElseSucceed(
                service.matching(chosen).reserve(nanos, now),
                () => undefined,
              )
              if (reservation === undefined) assert.deepStrictEqual(yield* used(service), before)
              else open.push({ held: nanos, reservation })
              break
            }
            case "grow": {
              if (one === undefined) break
              const grown = yield* Effect.isSuccess(one.reservation.grow(nanos, now))
              if (grown) one.held += nanos
              else assert.deepStrictEqual(yield* used(service), before)
              break
            }
            case "settle":
              if (one === undefined) break
              yield* one.reservation.settle(Math.min(nanos, one.held))
              open.splice(open.indexOf(one), 1)
              break
            case "wait":
              yield* TestClock.adjust(`${choice} minutes`)
              break
            case "set": {
              const amount = 1 + (choice % 9)
              const id = budgets[choice % budgets.length]!.id
              budgets.splice(0, budgets.length, ...budgets.map((each) => (each.id === id ? { ...each, amount } : each)))
              allowed.set(id, Math.max(allowed.get(id) ?? 0, amount))
              yield* set(budgets)
              break
            }
          }
          for (const { budget, reserved, spent } of yield* service.status) {
            assert.isAtLeast(reserved, 0)
            assert.isAtMost(dollars(spent) + dollars(reserved), dollars(allowed.get(budget.id) ?? 0))
          }
        }
        for (const { reservation } of open) yield* reservation.settle(0)
        for (const { reserved } of yield* service.status) assert.strictEqual(reserved, 0)
      }),
    { arbitrary: { runs: 300 } },
  )
})
