/** LangChain's `ChatOpenAI`, over Chat Completions and over Responses. */
import type { AIMessageChunk, BaseMessage } from "@langchain/core/messages"
import { AIMessage, HumanMessage } from "@langchain/core/messages"
import { tool } from "@langchain/core/tools"
import { ChatOpenAI } from "@langchain/openai"
import { APIError } from "openai"
import * as Client from "./Client.ts"

type Model = ReturnType<ChatOpenAI["bindTools"]>

const streamed = async (model: Model, messages: Array<BaseMessage>): Promise<AIMessage> => {
  let whole: AIMessageChunk | undefined
  for await (const chunk of await model.stream(messages)) whole = whole?.concat(chunk) ?? chunk
  return whole ?? new AIMessage("")
}

const client = (useResponsesApi: boolean): Client.Client => {
  const model = (url: string) =>
    new ChatOpenAI({
      model: Client.model,
      apiKey: "any",
      configuration: { baseURL: `${url}/v1`, logLevel: "off" },
      maxRetries: 0,
      useResponsesApi,
    })

  /** The model is asked, the tool is run, the model is asked again with the result. */
  const turn = async (url: string, ask: (model: Model, messages: Array<BaseMessage>) => Promise<AIMessage>) => {
    const asked: Array<unknown> = []
    const weather = tool(
      (input) => {
        asked.push(input)
        return Client.weather
      },
      { name: Client.tool.name, description: Client.tool.description, schema: Client.schema },
    )
    const bound = model(url).bindTools([weather])
    const question = new HumanMessage(Client.toolQuestion)
    const call = await ask(bound, [question])
    const results = await Promise.all(
      (call.tool_calls ?? []).map((each) => weather.invoke({ ...each, type: "tool_call" as const })),
    )
    return { asked, text: (await ask(bound, [question, call, ...results])).text }
  }

  return {
    text: async (url) => (await model(url).invoke(Client.question)).text,
    stream: async function* (url) {
      for await (const { text } of await model(url).stream(Client.question)) if (text !== "") yield text
    },
    tool: (url) => turn(url, (model, messages) => model.invoke(messages)),
    streamedTool: (url) => turn(url, streamed),
    object: (url) =>
      model(url).withStructuredOutput(Client.schema, { name: "city", method: "jsonSchema" }).invoke(Client.question),
    status: (error) => (error instanceof APIError ? error.status : undefined),
  }
}

Client.plays("@langchain/openai, chat completions", client(false), "openai")

Client.plays("@langchain/openai, responses", client(true), "responses")
