/** A route as Effect's own `LanguageModel`: a tool called, an object by its schema, and a `LanguageModel` as the understudy. */
import { Deployment, Route, Router } from "@understudy/core"
import * as Understudy from "@understudy/core/LanguageModel"
import * as OpenAi from "@understudy/providers/openai"
import * as Simulated from "@understudy/providers/simulated"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { LanguageModel, Tool, Toolkit } from "effect/ai"

// Any layer of effect/ai's LanguageModel can be a deployment: here one with a fixed answer.
const prompter = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({
    generateText: () => Effect.succeed([{ type: "text", text: "Line, please!" }, ended]),
    streamText: () =>
      Stream.make(
        { type: "text-start", id: "0" },
        { type: "text-delta", id: "0", delta: "Line, please!" },
        { type: "text-end", id: "0" },
        ended,
      ),
  }),
)
const ended = {
  type: "finish",
  reason: "stop",
  usage: { inputTokens: { total: 3 }, outputTokens: { total: 3 } },
} as const

const RouterLive = Router.layer({
  deployments: {
    lead: Deployment.make({ model: "llama3", provider: OpenAi.layer({ baseUrl: "http://127.0.0.1:9/v1" }) }),
    understudy: Deployment.make({ model: "any", provider: Simulated.layer({ name: "understudy" }) }),
    prompter: Deployment.make({ model: "any", provider: Understudy.provider(prompter) }),
  },
  routes: {
    assistant: Route.fallback("lead", "understudy").pipe(Route.retry({ times: 0 })),
    whisper: Route.fallback("lead", "prompter").pipe(Route.retry({ times: 0 })),
  },
})

// From here on the code uses effect/ai alone, and no router.
const Weather = Tool.make("get_weather", {
  description: "The weather in a city",
  parameters: Schema.Struct({ city: Schema.String }),
  success: Schema.String,
})
const Tools = Toolkit.make(Weather)
const ToolsLive = Tools.toLayer({ get_weather: ({ city }) => Effect.succeed(`28 °C in ${city}`) })

const Review = Schema.Struct({ title: Schema.String, stars: Schema.Int })

const application = Effect.gen(function* () {
  const { toolResults } = yield* LanguageModel.generateText({ prompt: "What is the weather in Rome?", toolkit: Tools })
  yield* Console.log(`tool: ${toolResults.map(({ result }) => result).join()}`)
  const { value } = yield* LanguageModel.generateObject({ prompt: 'Review "Hamlet" with 5 stars', schema: Review })
  yield* Console.log(`object: ${value.title}, ${value.stars} stars`)
})

const whispered = LanguageModel.streamText({ prompt: "What comes next?" }).pipe(
  Stream.runFold(
    () => "",
    (text, part) => (part.type === "text-delta" ? text + part.delta : text),
  ),
  Effect.flatMap((text) => Console.log(`whisper: ${text}`)),
)

const program = Effect.andThen(
  Effect.provide(application, [Understudy.layer("assistant"), ToolsLive]),
  Effect.provide(whispered, Understudy.layer("whisper")),
)

Effect.runPromise(Effect.provide(program, RouterLive))
