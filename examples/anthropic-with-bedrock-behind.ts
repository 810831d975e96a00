/** Anthropic, then the same model on Bedrock. */
import { Console, Effect } from "effect"
import * as Assistant from "./collection/Assistant.ts"
import * as Models from "./collection/Models.ts"
import * as Stage from "./stage/Stage.ts"

const program = Effect.gen(function* () {
  const stage = yield* Stage.make
  yield* stage.plays("claude-3-7-sonnet-latest", [Stage.says("Hello from Anthropic."), Stage.refuses("overloaded")])
  yield* stage.plays("us.anthropic.claude-3-7-sonnet-20250219-v1:0", [Stage.says("Hello from Bedrock.")])
  const ask = Effect.gen(function* () {
    const [provider, text] = yield* Assistant.ask(Models.anthropicToBedrock, {
      question: "Hello?",
      primaryModel: "claude",
      maxTokens: 100,
    })
    yield* Console.log(`Provider: ${provider}\nResponse: ${text}`)
  })
  yield* Effect.provide(
    Effect.andThen(ask, ask),
    Assistant.layer(stage, Models.anthropicToBedrock, Models.anthropicToBedrockFallbacks),
  )
})

await Effect.runPromise(Effect.scoped(program))
