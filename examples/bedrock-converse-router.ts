/** Bedrock alone, through Converse, from model to model over two regions: Claude 4, 3.7, 3.5, Haiku, Llama. */
import { Console, Effect } from "effect"
import * as Assistant from "./collection/Assistant.ts"
import * as Models from "./collection/Models.ts"
import * as Stage from "./stage/Stage.ts"

const program = Effect.gen(function* () {
  const stage = yield* Stage.make
  // Offline, the newest is throttled for the day, and the next is not ready.
  yield* stage.plays("us.anthropic.claude-sonnet-4-20250514-v1:0", [Stage.refuses("quota")])
  yield* stage.plays("us.anthropic.claude-3-7-sonnet-20250219-v1:0", [Stage.refuses("unknown-model")])
  yield* Assistant.printChains(Models.converseFallbacks)
  yield* Effect.provide(
    Effect.forEach(["bedrock-claude-4", "bedrock-claude-haiku"], (primaryModel) =>
      Effect.gen(function* () {
        yield* Console.log(`\n${primaryModel}`)
        const [provider, text] = yield* Assistant.ask(Models.converse, { question: "What is AI?", primaryModel })
        yield* Console.log(`Provider: ${provider}\nResponse: ${text}`)
      }),
    ),
    Assistant.layer(stage, Models.converse, Models.converseFallbacks),
  )
})

await Effect.runPromise(Effect.scoped(program))
