/** The README's example: an unreachable provider, and the deployment that answers in its place. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as OpenAi from "@understudy/providers/openai"
import * as Simulated from "@understudy/providers/simulated"
import { Console, Effect } from "effect"

const RouterLive = Router.layer({
  deployments: {
    lead: Deployment.make({ model: "llama3", provider: OpenAi.layer({ baseUrl: "http://127.0.0.1:9/v1" }) }),
    understudy: Deployment.make({ model: "any", provider: Simulated.layer({ name: "understudy" }) }),
  },
  routes: { assistant: Route.fallback("lead", "understudy").pipe(Route.retry({ times: 0 })) },
  onFailover: ({ from, reason, to }) => Console.log(`${from} can't go on (${reason}): ${to} does`),
})

const program = Effect.gen(function* () {
  const router = yield* Router.Router
  const { receipt, response } = yield* router.chat({ model: "assistant", messages: [Chat.user("Who is on tonight?")] })
  yield* Console.log(`${receipt.deployment}: ${Chat.text(response)}`)
})

Effect.runPromise(Effect.provide(program, RouterLive))
