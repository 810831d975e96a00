/** Answers that are not accepted, for their JSON schema or for a check of the application: the next deployment answers. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Simulated from "@understudy/providers/simulated"
import * as Effect from "effect/Effect"

const RouterLive = Router.layer({
  deployments: {
    careless: Deployment.make({
      model: "any",
      provider: Simulated.layer({ name: "careless", reply: "It opens at nine, I think." }),
    }),
    careful: Deployment.make({ model: "any", provider: Simulated.layer({ name: "careful" }) }),
  },
  routes: {
    extract: Route.fallback("careless", "careful").pipe(Route.accept("schema")),
    essay: Route.fallback("careless", "careful").pipe(
      Route.accept({
        length: { max: 2000 },
        refusal: { startsWith: ["I cannot", "I'm sorry, but"] },
        predicate: { name: "is sure", test: (response) => !Chat.text(response).includes("I think") },
      }),
    ),
  },
})

const schema = {
  type: "object",
  properties: { opens: { type: "integer" }, closed: { type: "boolean" } },
  required: ["opens", "closed"],
  additionalProperties: false,
}

const program = Effect.gen(function* () {
  const { chat } = yield* Router.Router
  const { receipt, response } = yield* chat({
    model: "extract",
    messages: [Chat.user("When does the museum open?")],
    format: { type: "json-schema", name: "hours", schema, strict: true },
  })
  for (const { deployment, message, outcome } of receipt.attempts) {
    console.log(`${deployment}: ${message ?? outcome}`)
  }
  console.log(Chat.text(response))

  const essay = yield* chat({ model: "essay", messages: [Chat.user("When does the museum open?")] })
  for (const { deployment, message, outcome } of essay.receipt.attempts) {
    console.log(`${deployment}: ${message ?? outcome}`)
  }
})

await Effect.runPromise(Effect.provide(program, RouterLive))
