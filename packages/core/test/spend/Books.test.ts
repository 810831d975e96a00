/**
 * The laws of budgets over whole calls: routes with fallbacks, races and retries, streams and complete responses, clients that
 * go away, and budgets that change meanwhile. The budgets answer at once, as in memory, or later, as where they are leased.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as BudgetedRouter from "../../src/BudgetedRouter.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Chat from "../../src/model/Chat.ts"
import type { Protect } from "../../src/policy/StreamPolicy.ts"
import { protects } from "../../src/policy/StreamPolicy.ts"
import type { Receipt } from "../../src/receipt/Receipt.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Budget from "../../src/spend/Budget.ts"
import * as Budgets from "../../src/spend/Budgets.ts"
import * as Testing from "../../src/Testing.ts"

const names = ["a", "b", "c"] as const
const vendorOf = { a: "acme", b: "acme", c: "other" } as const

/** Choices told by a seed, the same each time. */
const chooser = (seed: number) => {
  let state = seed >>> 0
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  return { below, one: <A>(items: ReadonlyArray<A>): A => items[below(items.length)]! }
}

type Chooser = ReturnType<typeof chooser>

/** Two input tokens by estimate, and at most eight output tokens. */
const request = (model: string): Chat.Request => ({
  model,
  messages: [Chat.user("12345678")],
  sampling: { maxTokens: 8 },
})

const withoutUsage = (outcome: Testing.Outcome): Testing.Outcome => ({
  ...outcome,
  frames: outcome.frames.filter(({ parts }) => parts[0]?.type !== "usage"),
})

const anyOutcome = ({ below, one }: Chooser): Testing.Outcome => {
  const timing = {
    after: one(["0 millis", "50 millis", "3 seconds"] as const),
    tokenDelay: one(["0 millis", "200 millis"] as const),
  }
  const output = ["One ", "two ", "three "].slice(0, below(4))
  const usage = { inputTokens: below(3), outputTokens: below(9) }
  switch (below(7)) {
    case 0:
      return withoutUsage(Testing.reply(["One ", "two"], timing))
    case 1:
      return Testing.hang({ ...timing, output })
    case 2:
      return Testing.cut(output, timing)
    case 3:
      return Testing.fail({ _tag: "Network" }, { ...timing, output })
    case 4:
      return Testing.fail({ _tag: one(["RateLimited", "ServerError"] as const) }, { ...timing, status: 500 })
    default:
      return Testing.reply(["One ", "two"], { ...timing, usage })
  }
}

const anyRoute = ({ below, one }: Chooser): Route.Route => {
  switch (below(4)) {
    case 0:
      return Route.hedge({ after: "100 millis", across: names })
    case 1:
      return Route.hedge({ after: one(["10 millis", "1 second"] as const), across: ["a", "b"] }).pipe(
        Route.onError(["QuotaExhausted", "Network"], Route.to("c")),
      )
    case 2:
      return Route.balance("shuffle", names)
    default:
      return Route.fallback(...names)
  }
}

const scopes: ReadonlyArray<Budget.Scope> = [
  { type: "all" },
  { type: "key", name: "alice" },
  { type: "team", name: "search" },
  { type: "tag", name: "beta" },
  { type: "route", name: "assistant" },
  { type: "route", name: "cheap" },
  { type: "deployment", name: "a" },
  { type: "deployment", name: "b" },
  { type: "vendor", name: "acme" },
]

/** In US dollars: a call reserves at most ten cents, or twenty. */
const anyAmount = ({ one }: Chooser) => one([0.05, 0.15, 0.35, 0.8, 100])

const anyBudgets = (choose: Chooser): ReadonlyArray<Budget.Budget> =>
  scopes
    .filter(() => choose.below(3) > 0)
    .map((scope): Budget.Budget => {
      const atLimit = choose.below(3) === 0 ? { use: "cheap" } : "refuse"
      return { id: Budget.scopeKey(scope), scope, amount: anyAmount(choose), window: "total", atLimit }
    })

/** What a budget counts of a call, in nanodollars. */
const counted = ({ atLimit, scope }: Budget.Budget, receipt: Receipt): number => {
  const cost = (of: (deployment: (typeof names)[number]) => boolean) =>
    receipt.attempts
      .filter(({ deployment }) => of(deployment as (typeof names)[number]))
      .reduce((sum, { cost = 0 }) => sum + Budget.toNanos(cost), 0)
  switch (scope.type) {
    case "deployment":
      return cost((name) => name === scope.name)
    case "vendor":
      return cost((name) => vendorOf[name] === scope.name)
    default: {
      const { caller, route, tags, team } = receipt
      if (atLimit !== "refuse" && atLimit.use === route) return 0
      const own = { all: true, key: caller, team, route }
      const holds =
        scope.type === "all" || (scope.type === "tag" ? tags.includes(scope.name) : own[scope.type] === scope.name)
      return cost(() => holds)
    }
  }
}

/** What is used of each budget, in nanodollars. */
const usedOf = (service: Budgets.Budgets["Service"]) =>
  Effect.map(
    service.status,
    (all) =>
      new Map(all.map(({ budget, reserved, spent }) => [budget, Budget.toNanos(spent) + Budget.toNanos(reserved)])),
  )

/** The budgets, which answer after `delay`, and add to `violations` each time that the law does not hold. */
const checked = (
  service: Budgets.Budgets["Service"],
  delay: number,
  violations: Array<string>,
): Budgets.Budgets["Service"] => {
  const check = <A, E>(change: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.gen(function* () {
      const before = yield* usedOf(service)
      const result = yield* Effect.exit(change)
      for (const [budget, used] of yield* usedOf(service)) {
        const { amount, id } = budget
        if (used > (before.get(budget) ?? 0) && used > Budget.toNanos(amount)) violations.push(`${id}: ${used}`)
      }
      return yield* result
    })
  const later = <A, E>(change: Effect.Effect<A, E>) => Effect.andThen(Effect.sleep(delay), check(change))
  const slow = <A, E>(change: Effect.Effect<A, E>) => (delay === 0 ? check(change) : later(change))
  return {
    ...service,
    matching: (scopes) => {
      const matching = service.matching(scopes)
      return {
        get isLimited() {
          return matching.isLimited
        },
        reserve: (nanos, now) =>
          Effect.map(slow(Effect.suspend(() => matching.reserve(nanos, now))), (reservation) => ({
            grow: (nanos, now) => slow(Effect.suspend(() => reservation.grow(nanos, now))),
            settle: (nanos) => check(Effect.suspend(() => reservation.settle(nanos))),
          })),
      }
    },
  }
}

const seeds = { seed: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 })) }

describe("calls within budgets", () => {
  it.effect.prop(
    "never spend and reserve more than a budget's amount, and are settled exactly once by what their attempts cost",
    seeds,
    ({ seed }) => {
      const choose = chooser(seed)
      const scripts = names.map(() => Testing.script([anyOutcome(choose), anyOutcome(choose), anyOutcome(choose)]))
      const router = Router.layer({
        deployments: Object.fromEntries(
          names.map((name, index) => [
            name,
            Deployment.make({
              model: name,
              provider: scripts[index]!.layer,
              vendor: vendorOf[name],
              price: choose.one([undefined, { input: 10_000, output: 10_000 }, { input: 20_000, output: 20_000 }]),
            }),
          ]),
        ),
        routes: {
          assistant: anyRoute(choose).pipe(Route.stream({ protect: choose.one<Protect>(protects) })),
          cheap: Route.to("c"),
        },
        defaults: { retry: { times: 1, budget: 1 } },
      })
      const budgets = anyBudgets(choose)
      const delay = choose.one([0, 0, 20])
      const violations: Array<string> = []
      return Effect.gen(function* () {
        const memory = yield* Budgets.makeMemory(budgets)
        const layer = BudgetedRouter.layer.pipe(
          Layer.provide([router, Layer.succeed(Budgets.Budgets, checked(memory.service, delay, violations))]),
        )
        yield* Effect.gen(function* () {
          const router = yield* Router.Router
          const receipts: Array<Receipt> = []
          yield* router.subscribe((event) => {
            if (event._tag === "CallEnded") receipts.push(event.receipt)
          })
          const call = () => {
            const options = {
              caller: choose.one(["alice", "bob"]),
              team: choose.one(["search", undefined]),
              tags: choose.one([[], ["beta"], ["beta", "beta"]]),
            }
            const model = choose.one(["assistant", "assistant", "cheap"])
            const frames = choose.one([1, 3, 100])
            return choose.below(2) === 0
              ? Effect.asVoid(router.chat(request(model), options))
              : Effect.scoped(
                  Effect.flatMap(router.chatStream(request(model), options), (stream) =>
                    Stream.runDrain(Stream.take(stream.frames, frames)),
                  ),
                )
          }
          const running: Array<Fiber.Fiber<void, unknown>> = []
          for (let step = 0; step < 12; step++) {
            switch (choose.below(6)) {
              case 0:
                yield* TestClock.adjust(choose.one(["10 millis", "100 millis", "1 second", "5 seconds"] as const))
                break
              case 1: {
                const fiber = running[choose.below(running.length)]
                // Not awaited: it may wait for budgets that answer later.
                if (fiber !== undefined) yield* Effect.forkChild(Fiber.interrupt(fiber))
                break
              }
              case 2:
                yield* memory.set(
                  budgets.map((budget) => (choose.below(3) === 0 ? { ...budget, amount: anyAmount(choose) } : budget)),
                )
                break
              default:
                running.push(yield* Effect.forkChild(call()))
            }
          }
          yield* TestClock.adjust("20 minutes")
          for (const fiber of running) yield* Fiber.await(fiber)
          assert.deepStrictEqual(violations, [])
          for (const { budget, reserved, spent } of yield* memory.service.status) {
            assert.strictEqual(reserved, 0, `${budget.id} holds nothing`)
            const expected = receipts.reduce((sum, receipt) => sum + counted(budget, receipt), 0)
            assert.strictEqual(Budget.toNanos(spent), expected, `${budget.id} was spent once`)
          }
          assert.deepStrictEqual(
            scripts.map((script) => script.inFlight()),
            names.map(() => 0),
          )
        }).pipe(Effect.scoped, Effect.provide(layer))
      })
    },
    { arbitrary: { runs: 300 } },
  )
})
