/** One assistant over OpenAI, Anthropic and Bedrock: its chains, then a question to several primaries, one of them down. */
import { Console, Effect } from "effect"
import * as Assistant from "./collection/Assistant.ts"
import * as Models from "./collection/Models.ts"
import * as Stage from "./stage/Stage.ts"

const primaries = ["anthropic-claude-4", "anthropic-claude-haiku-37", "bedrock-claude-4", "openai-gpt4o"]

const program = Effect.gen(function* () {
  const stage = yield* Stage.make
  // Offline, Anthropic is down and OpenAI's key is refused.
  yield* stage.plays("claude-4-20250115", [Stage.refuses("overloaded")])
  yield* stage.plays("gpt-4o", [Stage.refuses("bad-key")])

  yield* Console.log("Fallback chains:")
  yield* Assistant.printChains(Models.multiProviderFallbacks)

  const ask = (models: Models.Models) => (primaryModel: string) =>
    Effect.gen(function* () {
      yield* Console.log(`\n${primaryModel}`)
      const [provider, text] = yield* Assistant.ask(models, {
        question: "What is machine learning?",
        systemPrompt: "You are a helpful assistant.",
        primaryModel,
        temperature: 0.7,
        maxTokens: 500,
      })
      yield* Console.log(`Provider: ${provider}\nResponse: ${text}`)
    })
  yield* Effect.provide(
    Effect.forEach(primaries, ask(Models.multiProvider)),
    Assistant.layer(stage, Models.multiProvider, Models.multiProviderFallbacks),
  )

  yield* Console.log("\nThe second document's chain:")
  yield* Assistant.printChains(Models.threeVendorsFallbacks)
  yield* Effect.provide(
    ask(Models.threeVendors)("openai-gpt4o"),
    Assistant.layer(stage, Models.threeVendors, Models.threeVendorsFallbacks),
  )
})

await Effect.runPromise(Effect.scoped(program))
