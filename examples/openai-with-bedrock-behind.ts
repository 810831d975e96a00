/** OpenAI, then Bedrock's OpenAI-compatible endpoint; `--fallback` forces the second. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as OpenAi from "@understudy/providers/openai"
import { Console, Effect } from "effect"
import * as Redacted from "effect/Redacted"
import * as Stage from "./stage/Stage.ts"

const openAiModel = "gpt-4o"
const bedrockModel = "openai.gpt-oss-120b-1:0"

const program = Effect.gen(function* () {
  const stage = yield* Stage.make
  yield* stage.plays(openAiModel, [Stage.says("Hello from OpenAI."), Stage.refuses("server-error")])
  yield* stage.plays(bedrockModel, [Stage.says("Hello from Bedrock.")])

  // One takes max_completion_tokens, the other max_tokens: each is sent its own parameter.
  const { BEDROCK_OPENAI_API_KEY: key, BEDROCK_OPENAI_BASE_URL: baseUrl } = process.env
  const bedrock =
    key === undefined || baseUrl === undefined
      ? { apiKey: "offline", baseUrl: `${stage.server.url}/bedrock/v1` }
      : { apiKey: key, baseUrl }
  const RouterLive = Router.layer({
    deployments: {
      openai: Deployment.make({
        model: stage.model("openai", openAiModel),
        provider: OpenAi.layer(Stage.redacted(stage.openai)),
      }),
      bedrock: Deployment.make({
        model: bedrockModel,
        provider: OpenAi.layer({ baseUrl: bedrock.baseUrl, apiKey: Redacted.make(bedrock.apiKey) }),
      }),
    },
    routes: { assistant: Route.fallback("openai", "bedrock").pipe(Route.fallbackOn("any"), Route.retry({ times: 0 })) },
  })

  const ask = (useFallback: boolean) =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      const { receipt, response } = yield* router.chat({
        model: useFallback ? "bedrock" : "assistant",
        messages: [Chat.user("Hello world")],
        sampling: { maxTokens: 100 },
      })
      const label = receipt.deployment === "openai" ? `OpenAI:${openAiModel}` : `BedrockOpenAI:${bedrockModel}`
      yield* Console.log(`Provider: ${label}\nResponse: ${Chat.text(response)}`)
    })
  yield* Effect.provide(
    process.argv.includes("--fallback") ? ask(true) : Effect.forEach([false, false, true], ask),
    RouterLive,
  )
})

await Effect.runPromise(Effect.scoped(program))
