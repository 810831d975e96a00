/** Anthropic's SDK: its tool runner runs the tool, `parse` reads an answer by a schema. */
import Anthropic, { APIError } from "@anthropic-ai/sdk"
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema"
import { jsonSchemaOutputFormat } from "@anthropic-ai/sdk/helpers/json-schema"
import * as Client from "./Client.ts"

const client = (url: string) => new Anthropic({ baseURL: url, apiKey: "any", maxRetries: 0, logLevel: "off" })

const asking = (content: string) => ({
  model: Client.model,
  max_tokens: 1024,
  messages: [{ role: "user" as const, content }],
})

const textOf = (message: { readonly content: ReadonlyArray<{ readonly type: string; readonly text?: string }> }) =>
  message.content.map(({ text = "" }) => text).join("")

const withTool = (asked: Array<unknown>) => ({
  ...asking(Client.toolQuestion),
  tools: [
    betaTool({
      name: Client.tool.name,
      description: Client.tool.description,
      inputSchema: Client.schema,
      run: (input) => {
        asked.push(input)
        return Client.weather
      },
    }),
  ],
})

Client.plays(
  "@anthropic-ai/sdk",
  {
    text: async (url) => textOf(await client(url).messages.create(asking(Client.question))),
    stream: async function* (url) {
      for await (const event of client(url).messages.stream(asking(Client.question))) {
        if (event.type === "content_block_delta" && event.delta.type === "text_delta") yield event.delta.text
      }
    },
    tool: async (url) => {
      const asked: Array<unknown> = []
      return { text: textOf(await client(url).beta.messages.toolRunner(withTool(asked))), asked }
    },
    streamedTool: async (url) => {
      const asked: Array<unknown> = []
      const runner = client(url).beta.messages.toolRunner({ ...withTool(asked), stream: true })
      return { text: textOf(await runner.runUntilDone()), asked }
    },
    object: async (url) => {
      const format = jsonSchemaOutputFormat(Client.schema)
      const message = await client(url).messages.parse({ ...asking(Client.question), output_config: { format } })
      return message.parsed_output
    },
    status: (error) => (error instanceof APIError ? error.status : undefined),
  },
  "anthropic",
)
