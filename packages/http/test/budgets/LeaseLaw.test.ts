/** The law of leased budgets: whatever gateways, calls and changes do, what was spent and reserved never exceeds a budget. */
import { assert, describe, it } from "@effect/vitest"
import type { Budget } from "@understudy/core/internal/spend/Budget"
import type { Reservation } from "@understudy/core/internal/spend/Budgets"
import { Budgets } from "@understudy/core/internal/spend/Budgets"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as LeasedBudgets from "../../src/budgets/LeasedBudgets.ts"
import * as Store from "../../src/store/Store.ts"
import * as StoreStatus from "../../src/store/StoreStatus.ts"
import { random } from "./MeteredUpstream.ts"

const amount = 1_000_000
const key = { type: "key", name: "a" } as const
const all = { type: "all" } as const

const budgets = (share: number): ReadonlyArray<Budget> => [
  { id: "key", scope: key, amount: (share * amount) / 1e9, window: "total", atLimit: "refuse" },
  { id: "all", scope: all, amount: (1.5 * amount) / 1e9, window: { unit: "day" }, atLimit: "refuse" },
]

const gateways = 3

/** What happens: a call begins, asks for more or ends, time passes, a budget changes, a gateway restarts or dies. */
type Step =
  | { readonly _tag: "Reserve"; readonly gateway: number; readonly nanos: number; readonly isKeyed: boolean }
  | { readonly _tag: "Grow"; readonly call: number; readonly nanos: number }
  | { readonly _tag: "Settle"; readonly call: number; readonly share: number }
  | { readonly _tag: "Pass"; readonly seconds: number }
  | { readonly _tag: "Change"; readonly share: number }
  | { readonly _tag: "Restart" | "Die"; readonly gateway: number }

/** Sixty steps that a seed determines. Most are calls. */
const story = (seed: number): ReadonlyArray<Step> => {
  const draw = random(seed)
  const below = (count: number) => Math.floor(draw() * count)
  const largest = draw() < 0.5 ? amount / 2 : amount / 20
  return Array.from({ length: 60 }, (): Step => {
    const gateway = below(gateways)
    const kind = below(100)
    if (kind < 50) return { _tag: "Reserve", gateway, nanos: below(largest), isKeyed: draw() < 0.7 }
    if (kind < 75) return { _tag: "Settle", call: below(8), share: below(101) }
    if (kind < 83) return { _tag: "Grow", call: below(8), nanos: below(largest) }
    if (kind < 93) return { _tag: "Pass", seconds: 1 + below(20) }
    if (kind < 95) return { _tag: "Change", share: 1 + below(3) }
    return { _tag: kind < 98 ? "Restart" : "Die", gateway }
  })
}

interface Gateway {
  readonly scope: Scope.Closeable
  readonly budgets: Budgets["Service"]
  readonly leased: LeasedBudgets.LeasedBudgets["Service"]
}

interface Call {
  readonly gateway: number
  readonly reservation: Reservation
  readonly isKeyed: boolean
  reserved: number
}

/** Gateways on one database, and a second set of books that knows what all of them did. */
const play = Effect.fnUntraced(function* (file: string, steps: ReadonlyArray<Step>) {
  const store = yield* Layer.build(Layer.merge(Store.layer({ type: "sqlite", file }), StoreStatus.layer))
  const sql = Context.get(store, SqlClient)
  let names = 0
  const start = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const settings = { budgets: budgets(1), lease: 0.05, leaseWait: Duration.hours(1), onStoreLoss: "refuse" } as const
    const layer = LeasedBudgets.layer(settings, `gateway-${++names}`)
    const context = yield* Layer.buildWithScope(layer, scope).pipe(Effect.provideContext(store))
    return {
      scope,
      budgets: Context.get(context, Budgets),
      leased: Context.get(context, LeasedBudgets.LeasedBudgets),
    } satisfies Gateway
  })
  const running: Array<Gateway> = []
  for (let index = 0; index < gateways; index++) running.push(yield* start)
  const abandoned: Array<Gateway> = []
  let calls: Array<Call> = []
  const spent = { key: 0, all: 0 }
  /** What died with its gateway: its calls may have cost all that they reserved. */
  const lost = { key: 0, all: 0 }

  const book = (books: { key: number; all: number }, isKeyed: boolean, nanos: number) => {
    if (isKeyed) books.key += nanos
    books.all += nanos
  }
  let highest = 1
  const check = () => {
    let [ofKey, ofAll] = [spent.key + lost.key, spent.all + lost.all]
    for (const { isKeyed, reserved } of calls) {
      if (isKeyed) ofKey += reserved
      ofAll += reserved
    }
    // A budget that is lowered takes back nothing that was spent or reserved.
    assert.isAtMost(ofKey, highest * amount)
    assert.isAtMost(ofAll, 1.5 * amount)
  }

  for (const step of steps) {
    const now = yield* Clock.currentTimeMillis
    switch (step._tag) {
      case "Reserve": {
        const scopes = step.isKeyed ? [key, all] : [all]
        const result = yield* Effect.result(running[step.gateway]!.budgets.matching(scopes).reserve(step.nanos, now))
        if (Result.isFailure(result)) break
        calls.push({
          gateway: step.gateway,
          reservation: result.success,
          isKeyed: step.isKeyed,
          reserved: step.nanos,
        })
        break
      }
      case "Grow": {
        const call = calls[step.call]
        if (call === undefined) break
        const grown = yield* Effect.result(call.reservation.grow(step.nanos, now))
        if (Result.isSuccess(grown)) call.reserved += step.nanos
        break
      }
      case "Settle": {
        const [call] = calls.splice(step.call, 1)
        if (call === undefined) break
        const nanos = Math.floor((call.reserved * step.share) / 100)
        yield* call.reservation.settle(nanos)
        yield* call.reservation.settle(nanos)
        book(spent, call.isKeyed, nanos)
        break
      }
      case "Pass":
        yield* TestClock.adjust(Duration.seconds(step.seconds))
        break
      case "Change":
        highest = Math.max(highest, step.share)
        for (const { leased } of running) yield* leased.set(budgets(step.share))
        break
      case "Restart": {
        // Its calls are cut off: they count with all that they reserved.
        for (const call of calls) if (call.gateway === step.gateway) book(spent, call.isKeyed, call.reserved)
        calls = calls.filter(({ gateway }) => gateway !== step.gateway)
        yield* Scope.close(running[step.gateway]!.scope, Exit.void)
        running[step.gateway] = yield* start
        break
      }
      case "Die": {
        for (const call of calls) if (call.gateway === step.gateway) book(lost, call.isKeyed, call.reserved)
        calls = calls.filter(({ gateway }) => gateway !== step.gateway)
        // Nothing of it is ever settled or given back, and its sign of life grows old.
        abandoned.push(running[step.gateway]!)
        running[step.gateway] = yield* start
        break
      }
    }
    check()
  }
  const [row] = yield* sql<{ readonly n: number | null }>`
    SELECT CAST(SUM(granted) AS BIGINT) AS n FROM budget_leases WHERE budget_id LIKE '["all",%'`
  assert.isAtMost(row?.n ?? 0, 1.5 * amount)
  for (const { scope } of [...running, ...abandoned]) yield* Scope.close(scope, Exit.void)
})

const seeds = { seed: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 })) }

describe("leased budgets", () => {
  it.effect.prop(
    "are never exceeded by what was spent and reserved",
    seeds,
    ({ seed }) => {
      const folder = mkdtempSync(join(tmpdir(), "understudy-law-"))
      return Effect.scoped(play(join(folder, "books.db"), story(seed))).pipe(
        Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true, force: true }))),
      )
    },
    { arbitrary: { runs: 20 }, timeout: 60_000 },
  )
})
