/** A route as Effect's `DecisionModel`: a message is classified, rated and judged in one call, by the deployment that answers. */
import { Deployment, Route, Router } from "@understudy/core"
import * as Understudy from "@understudy/core/DecisionModel"
import * as Testing from "@understudy/core/Testing"
import * as OpenAi from "@understudy/providers/openai"
import { Console, Effect, Schema } from "effect"
import { Decision, DecisionModel } from "effect/ai"

// A model with a fixed answer, in the place of one that reads the message.
const fixed = Testing.script([
  Testing.reply(
    JSON.stringify({
      team: { billing: 80, support: 20 },
      anger: { calm: 0.1, annoyed: 0.7, furious: 0.2 },
      urgent: 0.9,
    }),
  ),
])

const RouterLive = Router.layer({
  deployments: {
    primary: Deployment.make({ model: "gpt-4o", provider: OpenAi.layer({ baseUrl: "http://127.0.0.1:9/v1" }) }),
    backup: Deployment.make({ model: "any", provider: fixed.layer }),
  },
  // A response without the schema of the decisions is answered by the next deployment.
  routes: {
    triage: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 }), Route.accept("schema")),
  },
})

const Triage = Decision.make({
  input: Schema.Struct({ subject: Schema.String, text: Schema.String }),
  decisions: {
    team: Decision.classify({
      instructions: "The team that should answer",
      criteria: { billing: "payments and invoices", support: "anything else" },
    }),
    anger: Decision.rate({
      instructions: "How angry the customer is",
      criteria: [
        { label: "calm", description: "no complaint" },
        { label: "annoyed", description: "a complaint" },
        { label: "furious", description: "a threat to leave" },
      ],
    }),
    urgent: Decision.probability({ instructions: "The message is time-sensitive" }),
  },
})

const program = Effect.gen(function* () {
  const { answers, metadata, usage } = yield* DecisionModel.decide(Triage, {
    input: { subject: "Invoice 1204", text: "It was charged twice. Please correct it before Friday." },
  })
  yield* Console.log(`team: ${answers.team.label}, ${answers.team.probabilities.billing}`)
  yield* Console.log(`anger: ${answers.anger.label}, ${answers.anger.rating.toFixed(1)} of 2`)
  yield* Console.log(`urgent: ${answers.urgent.probability}`)
  yield* Console.log(`${usage.outputTokens} output tokens; ${JSON.stringify(metadata["understudy"])}`)
})

Effect.runPromise(program.pipe(Effect.provide(Understudy.layer("triage")), Effect.provide(RouterLive)))
