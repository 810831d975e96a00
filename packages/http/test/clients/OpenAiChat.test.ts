/** The `openai` SDK's Chat Completions: `runTools` runs the tool, `parse` reads an answer by a schema. */
import OpenAI, { APIError } from "openai"
import type { Told } from "./Client.ts"
import * as Client from "./Client.ts"

const completions = (url: string) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0, logLevel: "off" }).chat.completions

const asking = (content: string) => ({ model: Client.model, messages: [{ role: "user" as const, content }] })

const withTool = (asked: Array<unknown>) => ({
  ...asking(Client.toolQuestion),
  tools: [
    {
      type: "function" as const,
      function: {
        ...Client.tool,
        parse: JSON.parse,
        function: (input: object) => {
          asked.push(input)
          return Client.weather
        },
      },
    },
  ],
})

const told = async (asked: ReadonlyArray<unknown>, text: Promise<string | null>): Promise<Told> => {
  return { text: (await text) ?? "", asked }
}

Client.plays(
  "openai, chat completions",
  {
    text: async (url) => (await completions(url).create(asking(Client.question))).choices[0]?.message.content ?? "",
    stream: async function* (url) {
      const chunks = await completions(url).create({ ...asking(Client.question), stream: true })
      for await (const { choices } of chunks) {
        const piece = choices[0]?.delta.content ?? ""
        if (piece !== "") yield piece
      }
    },
    tool: (url) => {
      const asked: Array<unknown> = []
      return told(asked, completions(url).runTools(withTool(asked)).finalContent())
    },
    streamedTool: (url) => {
      const asked: Array<unknown> = []
      return told(
        asked,
        completions(url)
          .runTools({ ...withTool(asked), stream: true })
          .finalContent(),
      )
    },
    object: async (url) => {
      const answer = await completions(url).parse({
        ...asking(Client.question),
        response_format: { type: "json_schema", json_schema: { name: "city", schema: Client.schema, strict: true } },
      })
      return JSON.parse(answer.choices[0]?.message.content ?? "")
    },
    status: (error) => (error instanceof APIError ? error.status : undefined),
  },
  "openai",
)
