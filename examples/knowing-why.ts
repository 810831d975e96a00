/** Why a call takes its path: the route explained before the call, drawn as a diagram, and linted. */
import { Chat, Deployment, Explain, Lint, Mermaid, Route, Router } from "@understudy/core"
import * as Simulated from "@understudy/providers/simulated"
import { Console, Effect, Result } from "effect"

const deployments = {
  lead: Deployment.make({
    model: "large",
    provider: Simulated.layer({ name: "lead", status: 401 }),
    price: { input: 3, output: 15 },
  }),
  east: Deployment.make({ model: "small", provider: Simulated.layer({ name: "east" }), limits: { rpm: 1 } }),
  west: Deployment.make({
    model: "small",
    provider: Simulated.layer({ name: "west" }),
    capabilities: { vision: false },
  }),
}
const routes = { assistant: Route.fallback("lead", Route.balance("round-robin", ["east", "west"])) }

const request: Chat.Request = { model: "assistant", messages: [Chat.user("Who is on tonight?")] }

const program = Effect.gen(function* () {
  const router = yield* Router.Router
  const show = (title: string) =>
    Effect.flatMap(router.explain(request), (explanation) =>
      Console.log([title, ...Explain.lines(explanation), ""].join("\n")),
    )
  yield* show("Before the first call:")
  yield* router.chat(request)
  yield* show("After a call, which the lead's dead key sent east:")
  yield* Console.log(Mermaid.flowchart("assistant", routes))
  for (const { message, path } of Result.getOrThrow(Lint.lint(routes, deployments, {})).warnings) {
    yield* Console.log(`${path}: ${message}`)
  }
})

Effect.runPromise(Effect.provide(program, Router.layer({ deployments, routes })))
