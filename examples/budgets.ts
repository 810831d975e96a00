/** A budget without a gateway: what a team may spend, an alert on the way, and a cheaper route once it is used up. */
import { BudgetedRouter, Budgets, Chat, Deployment, Route, Router } from "@understudy/core"
import * as Simulated from "@understudy/providers/simulated"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const RouterLive = Router.layer({
  deployments: {
    grand: Deployment.make({
      model: "any",
      provider: Simulated.layer({ name: "grand", reply: "It opens at nine." }),
      price: { input: 5_000, output: 25_000 },
    }),
    modest: Deployment.make({
      model: "any",
      provider: Simulated.layer({ name: "modest", reply: "Nine." }),
      price: { input: 100, output: 400 },
    }),
  },
  routes: { answers: Route.to("grand"), cheap: Route.to("modest") },
})

const BudgetsLive = Budgets.layerMemory([
  {
    id: "museum",
    scope: { type: "team", name: "museum" },
    amount: 0.5,
    window: { unit: "day", timeZone: "Europe/Rome" },
    atLimit: { use: "cheap" },
  },
  { id: "all", scope: { type: "all" }, amount: 1, window: { unit: "month" }, atLimit: "refuse" },
])

const program = Effect.gen(function* () {
  const { chat } = yield* Router.Router
  const budgets = yield* Budgets.Budgets
  yield* budgets.subscribe(({ budget, share, spent }) =>
    console.log(`alert: ${budget.id} at ${100 * share} %, $${spent.toFixed(2)} spent`),
  )
  const ask = (team: string) =>
    chat(
      { model: "answers", messages: [Chat.user("When does the museum open?")], sampling: { maxTokens: 8 } },
      { team },
    )
  for (let call = 1; call <= 4; call++) {
    const { receipt, response } = yield* ask("museum")
    console.log(`${receipt.route}: ${Chat.text(response)}`)
  }
  for (const { budget, reserved, spent } of yield* budgets.status) {
    console.log(`${budget.id}: $${spent.toFixed(2)} of $${budget.amount.toFixed(2)}, $${reserved} reserved`)
  }
  const error = yield* Effect.flip(Effect.forever(ask("shop")))
  console.log(`${error.kind}: ${error.message}`)
})

const BudgetedLive = BudgetedRouter.layer.pipe(Layer.provideMerge(BudgetsLive), Layer.provide(RouterLive))

await Effect.runPromise(Effect.scoped(Effect.provide(program, BudgetedLive)))
