/** The `openai` SDK's Responses, which leaves running the tool to its user; `parse` reads an answer by a schema. */
import OpenAI, { APIError } from "openai"
import type { ResponseFunctionToolCall, ResponseInput } from "openai/resources/responses/responses"
import type { Told } from "./Client.ts"
import * as Client from "./Client.ts"

const responses = (url: string) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0, logLevel: "off" }).responses

const asking = (input: string | ResponseInput) => ({ model: Client.model, input, store: false })

const tools = [
  {
    type: "function" as const,
    name: Client.tool.name,
    description: Client.tool.description,
    parameters: Client.schema,
    strict: true,
  },
]

type Ask = (input: ResponseInput) => Promise<OpenAI.Responses.Response>

/** The model is asked, its calls are answered, the model is asked again with both. */
const turn = async (ask: Ask): Promise<Told> => {
  const question = { role: "user" as const, content: Client.toolQuestion }
  const { output } = await ask([question])
  const calls = output.filter((item): item is ResponseFunctionToolCall => item.type === "function_call")
  const results = calls.map(({ call_id }) => ({
    type: "function_call_output" as const,
    call_id,
    output: Client.weather,
  }))
  const { output_text } = await ask([question, ...calls, ...results])
  return { asked: calls.map((call) => JSON.parse(call.arguments)), text: output_text }
}

Client.plays(
  "openai, responses",
  {
    text: async (url) => (await responses(url).create(asking(Client.question))).output_text,
    stream: async function* (url) {
      for await (const event of responses(url).stream(asking(Client.question))) {
        if (event.type === "response.output_text.delta") yield event.delta
      }
    },
    tool: (url) => turn((input) => responses(url).create({ ...asking(input), tools })),
    streamedTool: (url) =>
      turn((input) =>
        responses(url)
          .stream({ ...asking(input), tools })
          .finalResponse(),
      ),
    object: async (url) => {
      const { output_parsed } = await responses(url).parse({
        ...asking(Client.question),
        text: { format: { type: "json_schema", name: "city", schema: Client.schema, strict: true } },
      })
      return output_parsed
    },
    status: (error) => (error instanceof APIError ? error.status : undefined),
  },
  "responses",
)
