/** The Vercel AI SDK over each of its providers that speaks one of the gateway's protocols. It runs the tool itself. */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import { assert, it } from "@effect/vitest"
import type { LanguageModel, ModelMessage } from "ai"
import { APICallError, generateText, isStepCount, jsonSchema, Output, streamText, tool } from "ai"
import * as Effect from "effect/Effect"
import * as TestGateway from "../TestGateway.ts"
import * as Client from "./Client.ts"

const schema = jsonSchema<{ readonly city: string }>(Client.schema)

type ModelAt = (url: string) => LanguageModel

const settled = {
  maxOutputTokens: 1024,
  maxRetries: 0,
  // Else `@ai-sdk/openai` names what was said before by its id alone, and nobody here keeps it.
  providerOptions: { openai: { store: false } },
}

const client = (modelAt: ModelAt): Client.Client => {
  const asking = (url: string, prompt: string) => ({ ...settled, model: modelAt(url), prompt })
  const withTool = (url: string, asked: Array<unknown>) => ({
    ...asking(url, Client.toolQuestion),
    tools: {
      [Client.tool.name]: tool({
        description: Client.tool.description,
        inputSchema: schema,
        execute: (input) => {
          asked.push(input)
          return Client.weather
        },
      }),
    },
    stopWhen: isStepCount(3),
  })
  return {
    text: async (url) => (await generateText(asking(url, Client.question))).text,
    stream: async function* (url) {
      for await (const part of streamText({ ...asking(url, Client.question), onError: () => {} }).fullStream) {
        if (part.type === "text-delta") yield part.text
        if (part.type === "error") throw part.error
      }
    },
    tool: async (url) => {
      const asked: Array<unknown> = []
      const { text } = await generateText(withTool(url, asked))
      return { asked, text }
    },
    streamedTool: async (url) => {
      const asked: Array<unknown> = []
      const text = await streamText(withTool(url, asked)).text
      return { asked, text }
    },
    object: async (url) =>
      (await generateText({ ...asking(url, Client.question), output: Output.object({ schema }) })).output,
    status: (error) => (APICallError.isInstance(error) ? error.statusCode : undefined),
  }
}

const settings = (url: string) => ({ baseURL: `${url}/v1`, apiKey: "any" })

const models: ReadonlyArray<readonly [name: string, vendor: TestGateway.Vendor, model: ModelAt]> = [
  ["@ai-sdk/openai", "responses", (url) => createOpenAI(settings(url))(Client.model)],
  ["@ai-sdk/openai, chat", "openai", (url) => createOpenAI(settings(url)).chat(Client.model)],
  [
    "@ai-sdk/openai-compatible",
    "openai",
    (url) =>
      createOpenAICompatible({ ...settings(url), name: "understudy", supportsStructuredOutputs: true })(Client.model),
  ],
  ["@ai-sdk/anthropic", "anthropic", (url) => createAnthropic(settings(url))(Client.model)],
]

for (const [name, vendor, modelAt] of models) {
  Client.plays(name, client(modelAt), vendor)

  it.live(`${name} goes on with another in a conversation that its primary began`, () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({ vendor, backup: "bedrock" })
      const model = modelAt(url)
      const asked: ModelMessage = { role: "user", content: Client.question }
      const { responseMessages, text } = yield* Effect.promise(() =>
        generateText({ ...settled, model, messages: [asked] }),
      )
      yield* upstream.script("primary", "503")
      const next: ModelMessage = { role: "user", content: "And tomorrow?" }
      yield* Effect.promise(() => generateText({ ...settled, model, messages: [asked, ...responseMessages, next] }))
      const { body } = yield* upstream.received("backup")
      for (const said of [Client.question, text, "And tomorrow?"]) assert.include(JSON.stringify(body), said)
    }),
  )
}
