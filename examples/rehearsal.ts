/** A night in which the first vendor is out for an hour, rehearsed in a second: who answers, how slowly, at what cost. */
import { Deployment, Provider, Route } from "@understudy/core"
import * as Rehearsal from "@understudy/core/Rehearsal"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** A rehearsal starts none of the providers of an application. */
const provider = Layer.effect(Provider, Effect.die(new Error("This provider is not for rehearsals")))

const deployments = {
  "gpt-4o": Deployment.make({ model: "gpt-4o", vendor: "openai", provider, price: { input: 2.5, output: 10 } }),
  sonnet: Deployment.make({ model: "sonnet", vendor: "anthropic", provider, price: { input: 3, output: 15 } }),
}

const rehearse = (route: Route.Route<keyof typeof deployments>) =>
  Rehearsal.run({ deployments, routes: { assistant: route }, scenario: "vendor-outage", rate: 0.5, for: "3 hours" })

const show = (title: string, { availability, cost, latency, rescued }: Rehearsal.Report) =>
  Console.log(
    `${title.padEnd(22)} ${(availability * 100).toFixed(1)} % answered, ${rescued} rescued, p95 ${Math.round(latency.p95 ?? 0)} ms, $${cost.toFixed(2)}`,
  )

const program = Effect.gen(function* () {
  yield* show("gpt-4o alone", yield* rehearse(Route.to("gpt-4o")))
  yield* show("then sonnet", yield* rehearse(Route.fallback("gpt-4o", "sonnet")))
  yield* show(
    "hedged after 2 seconds",
    yield* rehearse(Route.hedge({ after: "2 seconds", across: ["gpt-4o", "sonnet"] })),
  )
})

await Effect.runPromise(program)
