import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as BudgetedRouter from "../../src/BudgetedRouter.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as GuardedRouter from "../../src/GuardedRouter.ts"
import * as Guardrails from "../../src/Guardrails.ts"
import * as Operation from "../../src/model/Operation.ts"
import { Provider } from "../../src/model/Provider.ts"
import type { Receipt } from "../../src/receipt/Receipt.ts"
import type { RouterError } from "../../src/execution/RouterError.ts"
import { Router } from "../../src/Router.ts"
import * as RouterModule from "../../src/Router.ts"
import * as Route from "../../src/route/Route.ts"
import * as Budgets from "../../src/spend/Budgets.ts"
import * as Testing from "../../src/Testing.ts"

const request = (
  operation: Operation.Name,
  fields: Readonly<Record<string, unknown>> = {},
  streaming = false,
): Operation.Request => ({
  operation,
  model: "route",
  streaming,
  body: { type: "json", fields: { ...fields, model: "route" } },
})

/** The whole response to a request, and the receipt of its call. */
const respond = (
  request: Operation.Request,
): Effect.Effect<{ readonly text: string; readonly receipt: Receipt }, RouterError, Router> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { frames, receipt } = yield* (yield* Router).operate(request)
      const all = yield* Stream.runCollect(frames)
      return { text: all.map(({ data }) => String(data)).join(""), receipt }
    }),
  )

interface Setting {
  readonly primary: Testing.Scripted
  readonly backup: Testing.Scripted
  readonly options?: Partial<Deployment.Options>
  readonly route?: Route.Route
}

const router = ({ backup, options, primary, route = Route.fallback("primary", "backup") }: Setting) =>
  RouterModule.layer({
    deployments: {
      primary: Deployment.make({ model: "first", provider: primary.layer, retry: { times: 0 }, ...options }),
      backup: Deployment.make({ model: "second", provider: backup.layer, retry: { times: 0 }, ...options }),
    },
    routes: { route },
  })

const down = () => Testing.script([Testing.fail({ _tag: "Overloaded" })])
const up = (text: string | ReadonlyArray<string> = "done") => Testing.script([Testing.reply(text)])

describe("an operation", () => {
  it.effect("is answered by the next deployment when the first fails, with the vendor's model id", () => {
    const [primary, backup] = [down(), up()]
    return Effect.gen(function* () {
      const { receipt, text } = yield* respond(request("moderations", { input: "a text" }))
      assert.deepStrictEqual(
        [text, receipt.operation, receipt.outcome, receipt.deployment],
        ["done", "moderations", "success", "backup"],
      )
      assert.deepStrictEqual(
        receipt.attempts.map(({ deployment, outcome }) => [deployment, outcome]),
        [
          ["primary", "failure"],
          ["backup", "success"],
        ],
      )
      assert.strictEqual(backup.operations[0]?.model, "second")
    }).pipe(Effect.provide(router({ primary, backup })))
  })

  it.effect("skips deployments that do not have it, and names it when none has", () => {
    const primary = Testing.script([Testing.reply("never")], { operations: ["rerank"] })
    return Effect.gen(function* () {
      const { receipt } = yield* respond(request("moderations"))
      assert.deepStrictEqual(
        receipt.skipped.map(({ deployment, reason }) => [deployment, reason]),
        [["primary", { _tag: "MissingOperation", operation: "moderations" }]],
      )
    }).pipe(
      Effect.provide(router({ primary, backup: up() })),
      Effect.andThen(
        Effect.flip(respond(request("moderations"))).pipe(
          Effect.map(({ kind, message }) => {
            assert.strictEqual(kind, "InvalidRequest")
            assert.include(message, "primary: does not have the operation moderations")
            assert.include(message, "`operations`")
          }),
          Effect.provide(router({ primary, backup: primary })),
        ),
      ),
    )
  })

  it.effect("is one that a deployment's own list names, whatever its vendor has", () => {
    const primary = Testing.script([Testing.reply("listed")], { operations: [] })
    return Effect.gen(function* () {
      assert.strictEqual((yield* respond(request("rerank"))).text, "listed")
      assert.strictEqual((yield* Effect.flip(respond(request("moderations")))).kind, "InvalidRequest")
    }).pipe(Effect.provide(router({ primary, backup: primary, options: { operations: ["rerank"] } })))
  })

  it.effect("has a circuit of its own", () => {
    const primary = Testing.script([
      Testing.fail({ _tag: "ModelNotFound" }),
      Testing.reply("a moderation"),
      Testing.reply("an image"),
    ])
    return Effect.gen(function* () {
      assert.strictEqual((yield* respond(request("images.generations"))).receipt.deployment, "backup")
      assert.strictEqual((yield* respond(request("moderations"))).text, "a moderation")
      const { receipt } = yield* respond(request("images.generations"))
      assert.deepStrictEqual(
        receipt.skipped.map(({ reason }) => reason._tag),
        ["CircuitOpen"],
      )
      const [status] = yield* (yield* Router).status
      assert.deepStrictEqual(
        [status?.operations["images.generations"]?.circuit, status?.operations.moderations?.circuit],
        ["open", "closed"],
      )
    }).pipe(Effect.provide(router({ primary, backup: up() })))
  })

  it.effect("falls back when a complete response takes longer than the attempt's timeout", () => {
    const primary = Testing.script([Testing.hang({ output: "half" })])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(respond(request("rerank")))
      yield* TestClock.adjust("5 seconds")
      const { receipt } = yield* Fiber.join(fiber)
      assert.deepStrictEqual([receipt.deployment, receipt.attempts[0]?.reason], ["backup", "Timeout"])
      assert.strictEqual(primary.inFlight(), 0)
    }).pipe(Effect.provide(router({ primary, backup: up(), options: { timeout: { attempt: "5 seconds" } } })))
  })

  it.effect("is not complete without its last frame", () => {
    const primary = Testing.script([Testing.cut("half")])
    return Effect.gen(function* () {
      assert.strictEqual((yield* respond(request("completions"))).receipt.deployment, "backup")
    }).pipe(Effect.provide(router({ primary, backup: up() })))
  })
})

describe("a streamed operation", () => {
  it.effect("falls back before its first bytes, and never after them", () => {
    const primary = Testing.script([
      Testing.fail({ _tag: "Network" }),
      Testing.fail({ _tag: "Network" }, { output: ["first ", "second"] }),
    ])
    return Effect.gen(function* () {
      assert.strictEqual((yield* respond(request("audio.speech", {}, true))).receipt.deployment, "backup")
      const received: Array<string> = []
      const broken = Effect.scoped(
        Effect.flatMap((yield* Router).operate(request("audio.speech", {}, true)), ({ frames, receipt }) =>
          Effect.map(
            Effect.flip(Stream.runForEach(frames, ({ data }) => Effect.sync(() => received.push(String(data))))),
            (error) => ({ error, receipt }),
          ),
        ),
      )
      const { error, receipt } = yield* broken
      assert.strictEqual(error.kind, "StreamInterrupted")
      assert.strictEqual(received.join(""), "first second")
      assert.deepStrictEqual([receipt.outcome, receipt.attempts.length], ["failure", 1])
    }).pipe(Effect.provide(router({ primary, backup: up() })))
  })

  it.effect("that ends without its last frame has failed", () => {
    const primary = Testing.script([Testing.cut("half")])
    return Effect.gen(function* () {
      assert.strictEqual(
        (yield* Effect.flip(respond(request("images.generations", {}, true)))).kind,
        "StreamInterrupted",
      )
    }).pipe(Effect.provide(router({ primary, backup: up() })))
  })

  it.effect("is cancelled when it is no longer read, and its upstream with it", () => {
    const primary = Testing.script([Testing.hang({ output: "first" })])
    return Effect.gen(function* () {
      const receipt = yield* Effect.scoped(
        Effect.map((yield* Router).operate(request("audio.speech", {}, true)), ({ receipt }) => receipt),
      )
      assert.deepStrictEqual([receipt.outcome, receipt.attempts[0]?.outcome], ["cancelled", "cancelled"])
      assert.strictEqual(primary.inFlight(), 0)
    }).pipe(Effect.provide(router({ primary, backup: up() })))
  })
})

describe("a hedge", () => {
  const hedged = (operation: Operation.Name) => {
    const primary = Testing.script([Testing.reply("slow", { after: "10 seconds" })])
    const backup = up("fast")
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(respond(request(operation)))
      yield* TestClock.adjust("10 seconds")
      return (yield* Fiber.join(fiber)).text
    }).pipe(
      Effect.provide(
        router({ primary, backup, route: Route.hedge({ after: "1 second", across: ["primary", "backup"] }) }),
      ),
    )
  }

  it.effect("races moderations, and no images, which cost twice then", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* hedged("moderations"), "fast")
      assert.strictEqual(yield* hedged("images.generations"), "slow")
    }),
  )
})

describe("the cost of an operation", () => {
  const units = (usage: Testing.Outcome) => Testing.script([usage])
  const costOf = (price: Deployment.Price, usage: { readonly seconds?: number; readonly characters?: number }) =>
    Effect.map(respond(request("audio.transcriptions")), ({ receipt }) => receipt.attempts[0]?.cost).pipe(
      Effect.provide(
        router({
          primary: units(Testing.reply("text", { usage: { inputTokens: 0, outputTokens: 0, units: usage } })),
          backup: up(),
          options: { price },
        }),
      ),
    )

  it.effect(
    "is of the units that are priced and reported, and unknown where tokens are priced and only seconds known",
    () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* costOf({ input: 0, output: 0, units: { second: 0.0001 } }, { seconds: 20 }), 0.002)
        assert.isUndefined(yield* costOf({ input: 6, output: 12 }, { seconds: 20 }))
        assert.isUndefined(yield* costOf({ input: 0, output: 0, units: { second: 0.0001 } }, { characters: 20 }))
        assert.strictEqual(yield* costOf({ input: 0, output: 0 }, { seconds: 20 }), 0)
        assert.strictEqual(yield* costOf({ input: 0, output: 0, request: 0.002 }, {}), 0.002)
      }),
  )

  it.effect("never exceeds a budget that covers what the request may cost", () => {
    const primary = up()
    const price = { input: 0, output: 0, units: { image: 0.04 } }
    const budgeted = BudgetedRouter.layer.pipe(
      Layer.provide([
        router({ primary, backup: primary, options: { price } }),
        Budgets.layerMemory([
          { id: "all", scope: { type: "all" }, amount: 0.1, window: { unit: "day" }, atLimit: "refuse" },
        ]),
      ]),
    )
    return Effect.gen(function* () {
      const { kind } = yield* Effect.flip(respond(request("images.generations", { n: 3 })))
      assert.strictEqual(kind, "BudgetExceeded")
      assert.strictEqual(primary.operations.length, 0)
      assert.strictEqual((yield* respond(request("images.generations", { n: 2 }))).text, "done")
    }).pipe(Effect.provide(budgeted))
  })

  it.effect("of a batch is known too late for a budget, which does not cover it", () => {
    const primary = up()
    const budgeted = BudgetedRouter.layer.pipe(
      Layer.provide([
        router({ primary, backup: primary }),
        Budgets.layerMemory([
          { id: "all", scope: { type: "all" }, amount: 1000, window: { unit: "day" }, atLimit: "refuse" },
        ]),
      ]),
    )
    return Effect.gen(function* () {
      const { kind, message } = yield* Effect.flip(respond(request("batches", { input_file_id: "file-1" })))
      assert.deepStrictEqual([kind, message.includes("all")], ["BudgetExceeded", true])
      assert.strictEqual((yield* respond(request("files"))).text, "done")
    }).pipe(Effect.provide(budgeted))
  })
})

describe("a batch that is created", () => {
  it.effect("is not retried: it may run although its response is lost", () => {
    const primary = Testing.script([Testing.fail({ _tag: "ServerError" })])
    const live = RouterModule.layer({
      deployments: {
        primary: Deployment.make({ model: "m", provider: primary.layer, retry: { times: 2, base: "1 millis" } }),
      },
      routes: { route: Route.fallback("primary") },
    })
    return Effect.gen(function* () {
      const attempts = (operation: Operation.Name) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(Effect.flip(respond(request(operation))))
          yield* TestClock.adjust("1 minute")
          return (yield* Fiber.join(fiber)).receipt?.attempts.length
        })
      assert.strictEqual(yield* attempts("batches"), 1)
      assert.strictEqual(yield* attempts("rerank"), 3)
    }).pipe(Effect.provide(live))
  })
})

describe("an operation about what a deployment holds", () => {
  const held = (account?: string): Operation.Request => ({
    operation: "files",
    model: "route",
    method: "GET",
    path: ["file-1"],
    body: { type: "none" },
    holder: { deployment: "primary", account },
  })

  it.effect("goes to no other deployment, and says who holds it", () => {
    const backup = up()
    return Effect.gen(function* () {
      const { kind, message, receipt } = yield* Effect.flip(respond(held()))
      assert.strictEqual(kind, "Unavailable")
      assert.include(message, 'backup: does not hold it: "primary" does')
      assert.deepStrictEqual([receipt?.attempts.length, backup.operations.length], [1, 0])
    }).pipe(Effect.provide(router({ primary: down(), backup })))
  })

  it.effect("goes to the one of a deployment's accounts that holds it, every time", () => {
    const [one, two] = [up("one"), up("two")]
    const account = (scripted: Testing.Scripted, account: string) =>
      Layer.effect(
        Provider,
        Effect.map(Effect.provide(Provider, scripted.layer), (provider) => ({ ...provider, account })),
      )
    const pool = RouterModule.layer({
      deployments: {
        primary: Deployment.make({ model: "first", provider: [account(one, "first"), account(two, "second")] }),
      },
      routes: { route: Route.fallback("primary") },
    })
    return Effect.gen(function* () {
      for (let call = 0; call < 3; call++) assert.strictEqual((yield* respond(held("second"))).text, "two")
      assert.strictEqual((yield* Router).accountOf("primary", 2), "second")
      assert.strictEqual((yield* Effect.flip(respond(held("third")))).kind, "InvalidRequest")
    }).pipe(Effect.provide(pool))
  })
})

describe("a guardrail before an operation", () => {
  const guarded = (decide: (call: Guardrails.GuardedCall) => Guardrails.BeforeDecision, primary: Testing.Scripted) =>
    GuardedRouter.layer.pipe(
      Layer.provide([
        router({ primary, backup: primary }),
        Guardrails.layer([{ name: "words", before: (call) => Effect.succeed(decide(call)) }]),
      ]),
    )

  it.effect("sees its fields, and may rewrite those that it has", () => {
    const primary = up()
    const seen: Array<unknown> = []
    return Effect.gen(function* () {
      const { receipt } = yield* respond(request("images.generations", { prompt: "a cat" }))
      assert.deepStrictEqual(seen, ["images.generations", { prompt: "a cat" }])
      assert.deepStrictEqual(primary.operations[0]?.body, {
        type: "json",
        fields: { prompt: "a dog", model: "route" },
      })
      assert.deepStrictEqual(
        receipt.guardrails?.map(({ action }) => action),
        ["rewrite"],
      )
    }).pipe(
      Effect.provide(
        guarded(({ operation, request }) => {
          if (!("operation" in request)) return Guardrails.pass
          seen.push(operation, Operation.fieldsOf(request))
          return Guardrails.rewriteRequest(Operation.withFields(request, { prompt: "a dog", other: 1 }))
        }, primary),
      ),
    )
  })

  it.effect("refuses it before any deployment is called", () => {
    const primary = up()
    return Effect.gen(function* () {
      const { kind } = yield* Effect.flip(respond(request("audio.speech", { input: "a word" }, true)))
      assert.deepStrictEqual([kind, primary.operations.length], ["GuardrailRefused", 0])
    }).pipe(Effect.provide(guarded(() => Guardrails.refuse("no"), primary)))
  })
})

describe("a shadow", () => {
  it.effect("copies operations with a JSON body, and none with files", () => {
    const [primary, other] = [up(), up()]
    const route = Route.fallback("primary").pipe(Route.shadow({ to: "backup", share: 1 }))
    return Effect.gen(function* () {
      yield* respond(request("moderations", { input: "a" }))
      yield* Effect.yieldNow
      assert.strictEqual(other.operations.length, 1)
      const form: Operation.Request = {
        ...request("audio.transcriptions"),
        body: { type: "multipart", parts: [{ name: "model", value: "route" }] },
      }
      yield* respond(form)
      yield* Effect.yieldNow
      assert.deepStrictEqual([primary.operations.length, other.operations.length], [2, 1])
    }).pipe(Effect.provide(router({ primary, backup: other, route })))
  })
})
