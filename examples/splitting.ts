/** A canary that keeps each user on one model, and a shadow that compares a third model without any caller noticing. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import type { Receipt } from "@understudy/core/Receipt"
import { total } from "@understudy/core/Receipt"
import * as Simulated from "@understudy/providers/simulated"
import * as Console from "effect/Console"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

const RouterLive = Router.layer({
  deployments: {
    control: Deployment.make({
      model: "large",
      provider: Simulated.layer({ name: "control", reply: "At ten.", latency: "10 millis" }),
      price: { input: 2, output: 8 },
    }),
    candidate: Deployment.make({
      model: "small",
      provider: Simulated.layer({ name: "candidate", reply: "At ten, I think.", latency: "5 millis" }),
      price: { input: 1, output: 4 },
    }),
    slow: Deployment.make({
      model: "reasoning",
      provider: Simulated.layer({ name: "slow", reply: "At ten o'clock.", latency: "300 millis" }),
      price: { input: 5, output: 20 },
    }),
  },
  routes: {
    canary: Route.split(
      [
        { use: "control", share: 75 },
        { use: "candidate", share: 25 },
      ],
      { by: "user" },
    ),
    guide: Route.to("control").pipe(Route.shadow({ to: "slow", share: 1 })),
  },
})

const ask = (model: string, user: string): Chat.Request => ({
  model,
  user,
  messages: [Chat.user("When do you open?")],
})

const program = Effect.gen(function* () {
  const router = yield* Router.Router

  for (const user of ["ada", "ben", "cleo", "dan", "ada", "cleo"]) {
    const { receipt } = yield* router.chat(ask("canary", user))
    yield* Console.log(`${user} is answered by ${receipt.split}`)
  }

  const shadow = yield* Deferred.make<Receipt>()
  yield* router.subscribe((event) => {
    if (event._tag === "CallEnded" && event.shadowOf !== undefined) {
      Deferred.doneUnsafe(shadow, Effect.succeed(event.receipt))
    }
  })
  const { receipt, response } = yield* router.chat(ask("guide", "ada"))
  yield* Console.log(`\nthe caller: "${Chat.text(response)}"`)
  for (const each of [receipt, yield* Deferred.await(shadow)]) {
    const { cost = 0, outputTokens } = total(each)
    yield* Console.log(
      `${each.shadowOf === receipt.id ? "its shadow" : "the call"}: ${each.deployment}, ${each.outcome}, ${outputTokens} tokens, $${cost.toFixed(6)}`,
    )
  }
})

await Effect.runPromise(Effect.scoped(Effect.provide(program, RouterLive)))
