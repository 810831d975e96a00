/** A fallback chain from an array of providers, with circuit, retries and callbacks; or the fastest first. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Anthropic from "@understudy/providers/anthropic"
import * as ProviderChain from "@understudy/providers/ProviderChain"
import * as OpenAi from "@understudy/providers/openai"
import { Console, Effect } from "effect"
import * as Stage from "./stage/Stage.ts"

const question = "What is the capital of France?"

/** The chain in an Effect program. */
const inEffect = (stage: Effect.Success<typeof Stage.make>) =>
  Effect.gen(function* () {
    const router = yield* Router.Router
    const { receipt, response } = yield* router.chat({ model: "chain", messages: [Chat.user(question)] })
    yield* Console.log(`${Chat.text(response)} (${receipt.deployment}, ${receipt.millis} ms)`)
  }).pipe(
    Effect.provide(
      Router.layer({
        deployments: {
          openai: Deployment.make({
            model: stage.model("openai", "gpt-4o"),
            provider: OpenAi.layer(Stage.redacted(stage.openai)),
          }),
          anthropic: Deployment.make({
            model: stage.model("anthropic", "claude-3-5-sonnet-20241022"),
            provider: Anthropic.layer(Stage.redacted(stage.anthropic)),
          }),
        },
        routes: { chain: Route.fallback("openai", "anthropic").pipe(Route.fallbackOn("any")) },
      }),
    ),
  )

/** The chain in promises. */
const inPromises = async (stage: Effect.Success<typeof Stage.make>) => {
  await using chain = ProviderChain.make(
    [
      { provider: "openai", model: stage.model("openai", "gpt-4o"), ...stage.openai, timeout: "30s" },
      {
        provider: "anthropic",
        model: stage.model("anthropic", "claude-3-5-sonnet-20241022"),
        ...stage.anthropic,
        weight: 1,
      },
      { provider: "openai", name: "cheaper", model: stage.model("openai", "gpt-3.5-turbo"), ...stage.openai },
    ],
    {
      strategy: "ordered", // or "latency": the quickest first
      retry: { times: 1, base: "100ms" },
      circuit: { failures: 3, open: "60s" },
      onFailover: (from, to, reason) => console.log(`Failing over from ${from} to ${to}: ${reason}`),
      onSuccess: ({ latency, provider }) => console.log(`${provider} answered after ${latency} ms`),
    },
  )
  const answer = await chain.chat(question)
  console.log(answer.content)
  console.log(`${answer.provider}, ${answer.model}`)

  const { content } = await chain.chat({
    messages: [Chat.system("You are helpful."), Chat.user("Explain quantum computing")],
    sampling: { temperature: 0.7, maxTokens: 500 },
  })
  console.log(content)
}

const program = Effect.gen(function* () {
  const stage = yield* Stage.make
  yield* stage.plays("gpt-4o", [Stage.refuses("overloaded")])
  yield* stage.plays("claude-3-5-sonnet-20241022", [Stage.says("The capital of France is Paris.")])
  yield* inEffect(stage)
  yield* Effect.promise(() => inPromises(stage))
})

await Effect.runPromise(Effect.scoped(program))
