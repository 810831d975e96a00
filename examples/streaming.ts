/** A streamed answer whose first candidate fails before its first output. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Simulated from "@understudy/providers/simulated"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const RouterLive = Router.layer({
  deployments: {
    primary: Deployment.make({
      model: "any",
      provider: Simulated.layer({ name: "primary", failureRate: 1, status: 503 }),
    }),
    backup: Deployment.make({ model: "any", provider: Simulated.layer({ name: "backup", tokenDelay: "10 millis" }) }),
  },
  routes: { assistant: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
})

const program = Router.stream({ model: "assistant", messages: [Chat.user("Tell me a short story.")] }).pipe(
  Stream.runForEach((part) =>
    Effect.sync(() => {
      if (part.type === "text") process.stdout.write(part.text)
      if (part.type === "finish") process.stdout.write(`\n(${part.reason})\n`)
    }),
  ),
)

await Effect.runPromise(Effect.provide(program, RouterLive))
