/** Guardrails: a request with an API key is refused, a phone number is masked in the answer, a long question goes to another route. */
import { Chat, Deployment, GuardedRouter, Guardrails, Route, Router } from "@understudy/core"
import * as Simulated from "@understudy/providers/simulated"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const noSecrets: Guardrails.Guardrail = {
  name: "no-secrets",
  before: ({ request }) =>
    Effect.succeed(
      JSON.stringify(request).includes("sk-live-")
        ? Guardrails.refuse("The request contains an API key.", { code: "secret_found" })
        : Guardrails.pass,
    ),
}

const longQuestions: Guardrails.Guardrail = {
  name: "long-questions",
  before: ({ request }) =>
    Effect.succeed(JSON.stringify(request).length > 500 ? Guardrails.reroute("thorough") : Guardrails.pass),
}

const masked: Guardrails.Guardrail = {
  name: "masked",
  after: (_, response) => {
    const text = Chat.text(response).replaceAll(/\d{3}-\d{4}/g, "[PHONE]")
    return Effect.succeed(Guardrails.rewriteResponse({ ...response, content: [{ type: "text", text }] }))
  },
}

const simulated = (name: string, reply: string) =>
  Deployment.make({ model: "any", provider: Simulated.layer({ name, reply }) })

const RouterLive = GuardedRouter.layer.pipe(
  Layer.provide([
    Router.layer({
      deployments: {
        quick: simulated("quick", "Call the museum: 555-0199."),
        thorough: simulated("thorough", "The museum, at 555-0199, opens at ten."),
      },
      routes: { assistant: Route.to("quick") },
    }),
    Guardrails.layer([noSecrets, longQuestions, masked]),
  ]),
)

const program = Effect.gen(function* () {
  const { chat } = yield* Router.Router
  for (const question of [
    "When does it open?",
    "My key is sk-live-123",
    `Tell me all of it. ${"And more. ".repeat(50)}`,
  ]) {
    const result = yield* Effect.result(chat({ model: "assistant", messages: [Chat.user(question)] }))
    if (result._tag === "Failure") console.log(`${result.failure.kind}: ${result.failure.message}`)
    else {
      const { receipt, response } = result.success
      const runs = (receipt.guardrails ?? []).map(({ action, guardrail }) => `${guardrail} ${action}`)
      console.log(`${receipt.deployment}: ${Chat.text(response)} (${runs.join(", ")})`)
    }
  }
})

await Effect.runPromise(Effect.provide(program, RouterLive))
