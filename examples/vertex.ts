/** Vertex AI: Claude in one region, then in another, then Gemini, each in its vendor's protocol. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as FaultServer from "@understudy/providers/testing"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Vertex from "@understudy/providers/vertex"
import { Console, Effect, Redacted } from "effect"

const program = Effect.gen(function* () {
  // Google's part. Against Vertex AI itself, leave out `baseUrl` and `accessToken`: the library finds credentials.
  const google = yield* FaultServer.make()
  yield* google.script("claude-sonnet-4-5@20250929", [
    Behavior.refuse("rate-limit"),
    Behavior.answer({ text: "Claude answers from the next region." }),
    Behavior.refuse("unknown-model"),
  ])
  yield* google.script("gemini-2.5-pro", [Behavior.answer({ text: "Gemini answers." })])
  const provider = (api: Vertex.Api, location: string) =>
    Vertex.layer({
      api,
      location,
      project: "search-prod-1",
      baseUrl: google.url,
      accessToken: Redacted.make("offline"),
    })

  const RouterLive = Router.layer({
    deployments: {
      "claude-us": Deployment.make({
        model: "claude-sonnet-4-5@20250929",
        provider: provider("anthropic", "us-east5"),
      }),
      "claude-eu": Deployment.make({
        model: "claude-sonnet-4-5@20250929",
        provider: provider("anthropic", "europe-west1"),
      }),
      gemini: Deployment.make({ model: "gemini-2.5-pro", provider: provider("gemini", "global") }),
    },
    routes: { assistant: Route.fallback("claude-us", "claude-eu", "gemini").pipe(Route.retry({ times: 0 })) },
  })

  yield* Effect.gen(function* () {
    const router = yield* Router.Router
    for (const question of ["Hello?", "And now?"]) {
      const { receipt, response } = yield* router.chat({ model: "assistant", messages: [Chat.user(question)] })
      const attempts = receipt.attempts.map(({ deployment, reason = "answered" }) => `${deployment} ${reason}`)
      yield* Console.log(`${Chat.text(response)} (${attempts.join(", then ")})`)
    }
  }).pipe(Effect.provide(RouterLive))
  for (const { path } of yield* google.requests) yield* Console.log(path)
})

await Effect.runPromise(Effect.scoped(program))
