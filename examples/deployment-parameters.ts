/** Parameters of deployments: defaults, which the caller may replace, and forced ones, which replace the caller's. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Testing from "@understudy/core/Testing"
import { Console, Effect } from "effect"

const lead = Testing.script([Testing.reply("Rome."), Testing.reply("Rome."), Testing.fail({ _tag: "ServerError" })])
const backup = Testing.script([Testing.reply("Rome.")])

const RouterLive = Router.layer({
  deployments: {
    lead: Deployment.make({ model: "large", provider: lead.layer, params: { temperature: 0.2 } }),
    backup: Deployment.make({
      model: "small",
      provider: backup.layer,
      params: { temperature: 0 },
      force: { maxTokens: 100 },
    }),
  },
  routes: { assistant: Route.fallback("lead", "backup").pipe(Route.retry({ times: 0 })) },
})

const program = Effect.gen(function* () {
  const router = yield* Router.Router
  const ask = (sampling: Chat.Sampling) =>
    router.chat({ model: "assistant", messages: [Chat.user("Which city?")], sampling })
  for (const sampling of [{}, { temperature: 1 }, { maxTokens: 4000 }]) {
    const { receipt } = yield* ask(sampling)
    const script = receipt.deployment === "lead" ? lead : backup
    const sent = script.requests.at(-1)?.sampling
    yield* Console.log(`${JSON.stringify(sampling)}: ${receipt.deployment} gets ${JSON.stringify(sent)}`)
  }
})

await Effect.runPromise(Effect.provide(program, RouterLive))
