/** Several API keys of one deployment: calls rotate over them, and leave one that is rate limited or revoked at once. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Testing from "@understudy/core/Testing"
import { Console, Duration, Effect } from "effect"

// With a vendor: `provider: keys.map((apiKey) => OpenAi.layer({ apiKey }))`, or `apiKeys` in YAML.
const keys = [
  Testing.script([Testing.reply("Rome."), Testing.fail({ _tag: "RateLimited", retryAfter: Duration.seconds(30) })]),
  Testing.script([Testing.fail({ _tag: "Authentication" }, { status: 401 })]),
  Testing.script([Testing.reply("Rome.")]),
]

const RouterLive = Router.layer({
  deployments: {
    "gpt-4o": Deployment.make({
      model: "gpt-4o",
      provider: keys.map(({ layer }) => layer),
      limits: { rpm: 500 },
    }),
    backup: Deployment.make({ model: "backup", provider: Testing.script([Testing.reply("Rome.")]).layer }),
  },
  routes: { assistant: Route.fallback("gpt-4o", "backup") },
})

const program = Effect.gen(function* () {
  const router = yield* Router.Router
  for (let call = 1; call <= 4; call++) {
    const { receipt } = yield* router.chat({ model: "assistant", messages: [Chat.user("Which city?")] })
    const attempts = receipt.attempts.map(({ account, reason = "answered" }) => `key ${account} ${reason}`)
    yield* Console.log(`call ${call}: ${attempts.join(", then ")}`)
  }
  const [deployment] = yield* router.status
  for (const { account, circuit, cooldown } of deployment?.accounts ?? []) {
    const state = circuit === "open" ? "not tried: rejected" : cooldown > 0 ? "cooling down" : "available"
    yield* Console.log(`key ${account}: ${state}`)
  }
})

await Effect.runPromise(Effect.provide(program, RouterLive))
