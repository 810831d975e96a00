import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Deployment from "@understudy/core/Deployment"
import * as GuardedRouter from "@understudy/core/GuardedRouter"
import * as Guardrails from "@understudy/core/Guardrails"
import type { Receipt } from "@understudy/core/Receipt"
import * as Route from "@understudy/core/Route"
import * as Router from "@understudy/core/Router"
import * as Testing from "@understudy/core/Testing"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Batch } from "../../src/ledger/Batch.ts"
import * as Rows from "../../src/ledger/Rows.ts"

const script = Testing.script([Testing.reply("Hi")])

const layer = (guardrail: Guardrails.Guardrail) =>
  GuardedRouter.layer.pipe(
    Layer.provide([
      Router.layer({
        deployments: {
          a: Deployment.make({ model: "a", provider: script.layer, price: { input: 1_000_000, output: 1_000_000 } }),
        },
        routes: { assistant: Route.to("a") },
      }),
      Guardrails.layer([guardrail]),
    ]),
  )

/** The row of a call that fails. */
const rowOf = (guardrail: Guardrails.Guardrail) =>
  Effect.gen(function* () {
    const { chat, subscribe } = yield* Router.Router
    const ended: Array<Receipt> = []
    yield* subscribe((event) => {
      if (event._tag === "CallEnded") ended.push(event.receipt)
    })
    yield* Effect.flip(chat({ model: "assistant", messages: [Chat.user("Hello")] }))
    const [receipt] = ended
    return receipt === undefined ? assert.fail("no receipt") : Rows.fromReceipt(receipt, {})
  }).pipe(Effect.scoped, Effect.provide(layer(guardrail)))

const refuse = () => Effect.succeed(Guardrails.refuse("No."))

describe("the row of a call with guardrails", () => {
  it.effect("has the outcome refused, and no cost where no deployment was asked", () =>
    Effect.gen(function* () {
      const { attempts, call } = yield* rowOf({ name: "pii", before: refuse })
      assert.deepInclude(call, { outcome: "refused", reason: "guardrail_refused", attempts: 0, cost: 0 })
      assert.lengthOf(attempts, 0)
      assert.deepInclude(Batch.of([{ attempts, call }]).hours[0], { calls: 1, failed_calls: 0, cost: 0 })
    }),
  )

  it.effect("has the cost of an answer that was refused afterwards", () =>
    Effect.gen(function* () {
      const { attempts, call } = yield* rowOf({ name: "tone", after: refuse })
      assert.deepInclude(call, { outcome: "refused", reason: "guardrail_refused", deployment: "a", attempts: 1 })
      assert.isAbove(call.cost ?? 0, 0)
      assert.deepInclude(attempts[0], { outcome: "success", reason: null })
    }),
  )

  it.effect("has the reason of a call that is blocked", () =>
    Effect.gen(function* () {
      const { call } = yield* rowOf({ name: "down", before: () => Effect.fail({ message: "unreachable" }) })
      assert.deepInclude(call, { outcome: "failure", reason: "guardrail_failed" })
    }),
  )
})
