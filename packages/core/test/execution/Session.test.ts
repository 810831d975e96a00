/** Sessions in the engine: calls whose two ends talk until one of them has had enough. */
import { assert, describe, it } from "@effect/vitest"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as BudgetedRouter from "../../src/BudgetedRouter.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import type * as Chat from "../../src/model/Chat.ts"
import type * as Operation from "../../src/model/Operation.ts"
import { Provider } from "../../src/model/Provider.ts"
import { ProviderError } from "../../src/model/ProviderError.ts"
import { total } from "../../src/receipt/Receipt.ts"
import { Router } from "../../src/Router.ts"
import * as RouterModule from "../../src/Router.ts"
import * as Route from "../../src/route/Route.ts"
import * as Budgets from "../../src/spend/Budgets.ts"
import * as Testing from "../../src/Testing.ts"

const request: Operation.Request = {
  operation: "realtime",
  model: "route",
  streaming: true,
  body: { type: "session", messages: Effect.never },
}

/** A provider whose session sends what is put into its queue. */
const scripted = () => {
  const frames = Effect.runSync(Queue.bounded<Operation.Frame, Cause.Done | ProviderError>(1))
  const counts = { open: 0, opened: 0 }
  const { layer } = Testing.script([Testing.fail({ _tag: "ServerError" })])
  return {
    frames,
    counts,
    layer: Layer.effect(
      Provider,
      Effect.map(Provider, (provider) => ({
        ...provider,
        operations: {
          names: new Set(["realtime"] as const),
          send: () =>
            Stream.unwrap(
              Effect.acquireRelease(
                Effect.sync(() => {
                  counts.open++
                  counts.opened++
                  return Stream.fromQueue(frames)
                }),
                () => Effect.sync(() => counts.open--),
              ),
            ),
        },
      })),
    ).pipe(Layer.provide(layer)),
  }
}

const down = Testing.script([Testing.fail({ _tag: "Overloaded" })])

const router = (session: ReturnType<typeof scripted>, options: Partial<Deployment.Options> = {}) =>
  RouterModule.layer({
    deployments: {
      down: Deployment.make({ model: "down", provider: down.layer, retry: { times: 0 } }),
      up: Deployment.make({ model: "up", provider: session.layer, ...options }),
    },
    routes: { route: Route.fallback("down", "up").pipe(Route.timeout({ total: "1 minute", idle: "10 seconds" })) },
  })

const response = (outputTokens: number): Operation.Frame => ({
  data: "response",
  usage: { inputTokens: 0, outputTokens },
})

const closed: Operation.Frame = { data: "", isLast: true, end: { type: "closed", code: 1000, reason: "" } }

/** The frames of a session until it has ended, and its receipt. */
const run = Effect.scoped(
  Effect.gen(function* () {
    const { frames, receipt } = yield* (yield* Router).operate(request)
    const all: Array<Operation.Frame> = []
    yield* Stream.runForEachWhile(frames, (frame) =>
      Effect.sync(() => {
        all.push(frame)
        return frame.isLast !== true
      }),
    )
    return { all, receipt }
  }),
)

describe("a session", () => {
  it.effect("begins at the first deployment that gives one, and outlasts the timeouts of the route", () => {
    const session = scripted()
    return Effect.gen(function* () {
      const running = yield* Effect.forkChild(run)
      yield* Queue.offer(session.frames, { data: "created" })
      yield* TestClock.adjust("30 minutes")
      yield* Queue.offer(session.frames, response(5))
      yield* TestClock.adjust("30 minutes")
      yield* Queue.offer(session.frames, closed)
      const { all, receipt } = yield* Fiber.join(running)
      assert.deepStrictEqual(
        all.map(({ data }) => data),
        ["created", "response", ""],
      )
      assert.deepStrictEqual(
        receipt.attempts.map(({ deployment, outcome }) => [deployment, outcome]),
        [
          ["down", "failure"],
          ["up", "success"],
        ],
      )
      assert.strictEqual(receipt.millis, 3_600_000)
      assert.strictEqual(total(receipt).outputTokens, 5)
      assert.strictEqual(session.counts.open, 0)
    }).pipe(Effect.provide(router(session)))
  })

  it.effect("is awaited for timeout.firstToken", () => {
    const session = scripted()
    return Effect.gen(function* () {
      const running = yield* Effect.forkChild(Effect.flip(run))
      yield* TestClock.adjust("20 seconds")
      const { receipt } = yield* Fiber.join(running)
      assert.deepStrictEqual(
        receipt?.attempts.map(({ reason }) => reason),
        ["Overloaded", "Timeout"],
      )
      assert.deepStrictEqual(session.counts, { open: 0, opened: 1 })
    }).pipe(Effect.provide(router(session, { timeout: { firstToken: "20 seconds" } })))
  })

  it.effect("is a failure when its provider breaks it", () => {
    const session = scripted()
    return Effect.gen(function* () {
      const broken = yield* Effect.forkChild(Effect.flip(run))
      yield* Queue.offer(session.frames, { data: "created" })
      yield* TestClock.adjust("1 second")
      yield* Queue.fail(session.frames, new ProviderError({ reason: { _tag: "Network" }, message: "cut" }))
      const { kind, receipt } = yield* Fiber.join(broken)
      assert.deepStrictEqual([kind, receipt?.outcome], ["StreamInterrupted", "failure"])
      assert.strictEqual(session.counts.open, 0)
    }).pipe(Effect.provide(router(session)))
  })

  it.effect("counts its tokens in the limit of its deployment as they are reported", () => {
    const session = scripted()
    return Effect.gen(function* () {
      const running = yield* Effect.forkChild(run)
      yield* Queue.offer(session.frames, { data: "created" })
      yield* Queue.offer(session.frames, response(90))
      yield* TestClock.adjust("1 second")
      const chat: Chat.Request = {
        model: "up",
        messages: [{ role: "user", content: [{ type: "text", text: "x".repeat(80) }] }],
      }
      const { kind } = yield* Effect.flip((yield* Router).chat(chat))
      assert.strictEqual(kind, "RateLimited")
      yield* Queue.offer(session.frames, closed)
      yield* Fiber.join(running)
    }).pipe(Effect.provide(router(session, { limits: { tpm: 100 } })))
  })

  it.effect.prop(
    "never spends more than its budget, if no response costs more than the most of one",
    {
      outputs: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10 }))),
      amount: Schema.Int.check(Schema.isBetween({ minimum: 10, maximum: 60 })),
    },
    ({ amount, outputs }) => {
      const session = scripted()
      // A dollar a token.
      const price = { input: 0, output: 1_000_000 }
      const budget = { id: "all", scope: { type: "all" }, amount, window: { unit: "day" }, atLimit: "refuse" } as const
      const live = Layer.provide(BudgetedRouter.layer, [
        router(session, { price, capabilities: { maxOutput: 10 } }),
        Budgets.layerMemory([budget]),
      ])
      return Effect.gen(function* () {
        const sending = yield* Effect.forkChild(
          Effect.forEach([{ data: "created" }, ...outputs.map(response), closed], (frame) =>
            Queue.offer(session.frames, frame),
          ),
        )
        const { all, receipt } = yield* run
        yield* Fiber.interrupt(sending)
        const spent = total(receipt).cost ?? 0
        assert.isAtMost(spent, amount)
        // It ends at the first response after which another one does not fit.
        const last = all.at(-1)!.end
        const fits = outputs.map(
          (_, index) => outputs.slice(0, index + 1).reduce((sum, each) => sum + each, 0) + 10 <= amount,
        )
        assert.strictEqual(last?.type, fits.every((fit) => fit) ? "closed" : "over-budget")
        assert.strictEqual(receipt.outcome, "success")
      }).pipe(Effect.provide(live))
    },
  )
})
