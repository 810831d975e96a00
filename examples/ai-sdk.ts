/** A route as a model of the AI SDK (`ai`): text, a tool, an object, a stream; and models of the AI SDK as deployments. */
import { createOpenAI } from "@ai-sdk/openai"
import { APICallError } from "@ai-sdk/provider"
import { Deployment, Route } from "@understudy/core"
import * as AiSdk from "@understudy/providers/ai-sdk"
import * as Simulated from "@understudy/providers/simulated"
import { generateText, isStepCount, jsonSchema, Output, streamText, tool } from "ai"
import { MockLanguageModelV4, simulateReadableStream } from "ai/test"

// Any model of the AI SDK can be a deployment: here OpenAI's at an address where nothing listens, and one with a fixed answer.
const openai = createOpenAI({ apiKey: "none", baseURL: "http://127.0.0.1:9/v1" })
const usage = {
  inputTokens: { total: 3, noCache: 3, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 3, text: 3, reasoning: 0 },
}
const prompter = new MockLanguageModelV4({
  doStream: async () => ({
    stream: simulateReadableStream({
      chunks: [
        { type: "text-start", id: "0" },
        { type: "text-delta", id: "0", delta: "Line, please!" },
        { type: "text-end", id: "0" },
        { type: "finish", finishReason: { unified: "stop", raw: "stop" }, usage },
      ],
    }),
  }),
})

const understudy = AiSdk.createUnderstudy({
  deployments: {
    lead: Deployment.make({ model: "gpt-5", provider: AiSdk.layer(openai) }),
    understudy: Deployment.make({
      model: "any",
      provider: Simulated.layer({ name: "understudy", reply: "Rome, in 753 BC." }),
    }),
    actor: Deployment.make({ model: "any", provider: Simulated.layer({ name: "actor" }) }),
    prompter: Deployment.make({ model: "any", provider: AiSdk.layer(prompter) }),
  },
  routes: {
    assistant: Route.fallback("lead", "understudy").pipe(Route.retry({ times: 0 })),
    stage: Route.fallback("lead", "actor").pipe(Route.retry({ times: 0 })),
    whisper: Route.fallback("lead", "prompter").pipe(Route.retry({ times: 0 })),
    alone: Route.fallback("lead").pipe(Route.retry({ times: 0 })),
  },
})

const question = await generateText({ model: understudy("assistant"), prompt: "Which city was founded first?" })
const call = AiSdk.routeMetadata(question.finalStep)
const tried = call?.attempts.map(({ deployment, reason }) =>
  reason === undefined ? deployment : `${deployment} failed with ${reason}`,
)
console.log(`text: ${question.text} (${call?.deployment}: ${tried?.join(", then ")})`)

const { steps } = await generateText({
  model: understudy("stage"),
  prompt: "What is the weather in Rome?",
  tools: {
    get_weather: tool({
      inputSchema: jsonSchema<{ city: string }>({
        type: "object",
        properties: { city: { type: "string" } },
        required: ["city"],
        additionalProperties: false,
      }),
      execute: ({ city }) => `28 °C in ${city}`,
    }),
  },
  stopWhen: isStepCount(3),
})
console.log(`tool: ${steps.flatMap(({ toolResults }) => toolResults.map(({ output }) => output)).join()}`)

const { output } = await generateText({
  model: understudy("stage"),
  prompt: 'Review "Hamlet" with 5 stars',
  output: Output.object({
    schema: jsonSchema<{ title: string; stars: number }>({
      type: "object",
      properties: { title: { type: "string" }, stars: { type: "integer" } },
      required: ["title", "stars"],
      additionalProperties: false,
    }),
  }),
})
console.log(`object: ${output.title}, ${output.stars} stars`)

const whispered = streamText({ model: understudy("whisper"), prompt: "What comes next?" })
const text = await whispered.text
console.log(`stream: ${text} (${AiSdk.routeMetadata(await whispered.finalStep)?.deployment})`)

// `ai` retries nothing: the route has made its attempts.
await generateText({ model: understudy("alone"), prompt: "Anyone?", maxRetries: 5 }).catch((error: unknown) => {
  if (!APICallError.isInstance(error)) throw error
  const { attempts, kind } = error.data as { readonly attempts: ReadonlyArray<unknown>; readonly kind: string }
  console.log(`error: ${kind}, after ${attempts.length} attempt${attempts.length === 1 ? "" : "s"}`)
})

await understudy.close()
