/** Three chains: the cheapest first, the fastest first, one region after another. */
import { Console, Effect } from "effect"
import * as Assistant from "./collection/Assistant.ts"
import * as Models from "./collection/Models.ts"
import * as Stage from "./stage/Stage.ts"

const strategies = {
  "Cost-optimised": Models.costOptimised,
  "Performance-optimised": Models.performanceOptimised,
  "Multi-region Bedrock": Models.multiRegion,
}

const program = Effect.gen(function* () {
  const stage = yield* Stage.make
  yield* Effect.forEach(Object.entries(strategies), ([title, models]) =>
    Effect.gen(function* () {
      const fallbacks = Models.inOrder(models)
      const [primaryModel = ""] = Object.keys(fallbacks)
      yield* Console.log(`\n${title}`)
      yield* Assistant.printChains(fallbacks)
      for (const [name, { model, region, rpm }] of Object.entries(models)) {
        yield* Console.log(`  ${name}: ${model}${region === undefined ? "" : ` in ${region}`}, ${rpm} a minute`)
      }
      const [provider, text] = yield* Effect.provide(
        Assistant.ask(models, { question: "What is the capital of France?", primaryModel }),
        Assistant.layer(stage, models, fallbacks),
      )
      yield* Console.log(`Provider: ${provider}\nResponse: ${text}`)
    }),
  )
})

await Effect.runPromise(Effect.scoped(program))
