/** The Vercel AI SDK over each of its providers that speaks one of the gateway's protocols. It runs the tool itself. */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import type { LanguageModel } from "ai"
import { APICallError, generateText, isStepCount, jsonSchema, Output, streamText, tool } from "ai"
import * as Client from "./Client.ts"

const schema = jsonSchema<{ readonly city: string }>(Client.schema)

const client = (modelAt: (url: string) => LanguageModel): Client.Client => {
  const asking = (url: string, prompt: string) => ({
    model: modelAt(url),
    prompt,
    maxOutputTokens: 1024,
    maxRetries: 0,
  })
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

Client.plays(
  "@ai-sdk/openai",
  client((url) => createOpenAI(settings(url))(Client.model)),
  "responses",
)

Client.plays(
  "@ai-sdk/openai, chat",
  client((url) => createOpenAI(settings(url)).chat(Client.model)),
  "openai",
)

Client.plays(
  "@ai-sdk/openai-compatible",
  client((url) =>
    createOpenAICompatible({ ...settings(url), name: "understudy", supportsStructuredOutputs: true })(Client.model),
  ),
  "openai",
)

Client.plays(
  "@ai-sdk/anthropic",
  client((url) => createAnthropic(settings(url))(Client.model)),
  "anthropic",
)
