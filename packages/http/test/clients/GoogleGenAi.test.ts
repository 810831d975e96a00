/** Google's `@google/genai`, which calls the tool by itself, plain and streamed. */
import type { CallableTool, GenerateContentParameters, GenerateContentResponse } from "@google/genai"
import { ApiError, GoogleGenAI } from "@google/genai"
import * as Client from "./Client.ts"

const models = (url: string) => new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl: url } }).models

const asking = (contents: string): GenerateContentParameters => ({ model: Client.model, contents })

const { description, name } = Client.tool

const callable = (asked: Array<unknown>): CallableTool => ({
  tool: async () => ({ functionDeclarations: [{ name, description, parametersJsonSchema: Client.schema }] }),
  callTool: async (calls) => {
    asked.push(...calls.map(({ args }) => args))
    return calls.map(({ id = "", name = "" }) => ({
      functionResponse: { id, name, response: { output: Client.weather } },
    }))
  },
})

const withTool = (asked: Array<unknown>) => ({
  ...asking(Client.toolQuestion),
  config: { tools: [callable(asked)] },
})

/** The SDK's own `text` warns of calls beside it. */
const textOf = ({ candidates }: GenerateContentResponse): string =>
  candidates?.[0]?.content?.parts?.map(({ text = "" }) => text).join("") ?? ""

const pieces = async function* (url: string, parameters: GenerateContentParameters) {
  for await (const chunk of await models(url).generateContentStream(parameters)) {
    const text = textOf(chunk)
    if (text !== "") yield text
  }
}

Client.plays(
  "@google/genai",
  {
    text: async (url) => textOf(await models(url).generateContent(asking(Client.question))),
    stream: (url) => pieces(url, asking(Client.question)),
    tool: async (url) => {
      const asked: Array<unknown> = []
      return { text: textOf(await models(url).generateContent(withTool(asked))), asked }
    },
    streamedTool: async (url) => {
      const asked: Array<unknown> = []
      let text = ""
      for await (const piece of pieces(url, withTool(asked))) text += piece
      return { asked, text }
    },
    object: async (url) => {
      const config = { responseMimeType: "application/json", responseJsonSchema: Client.schema }
      return JSON.parse(textOf(await models(url).generateContent({ ...asking(Client.question), config })))
    },
    status: (error) => (error instanceof ApiError ? error.status : undefined),
  },
  "gemini",
)
