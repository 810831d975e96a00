/** The `@anthropic-ai/sdk` SDK's Messages. */
import Anthropic from "@anthropic-ai/sdk"
import type { Message, MessageCreateParamsNonStreaming } from "@anthropic-ai/sdk/resources/messages"
import * as Feature from "../Feature.ts"
import type { Client } from "./Client.ts"
import { failed } from "./Client.ts"

type Params = Omit<MessageCreateParamsNonStreaming, "model" | "stream">

const ask: Params = {
  max_tokens: 1024,
  system: Feature.system,
  messages: [{ role: "user", content: Feature.question }],
}

const tools: NonNullable<Params["tools"]> = [
  {
    name: Feature.tool.name,
    description: Feature.tool.description,
    input_schema: { ...Feature.schema, type: "object" as const },
  },
]

const call = (index: number) => ({
  type: "tool_use" as const,
  id: `toolu_of_the_client_${index}`,
  name: Feature.tool.name,
  input: { city: Feature.cities[index] },
})

const user = (part: Anthropic.ContentBlockParam): Params => ({
  ...ask,
  messages: [{ role: "user", content: [{ type: "text", text: Feature.question }, part] }],
})

const params = (feature: Feature.Feature): Params => {
  switch (feature) {
    case "tools":
    case "parallel tools":
      return { ...ask, tools, tool_choice: { type: "any" } }
    case "tool results":
      return {
        ...ask,
        tools,
        messages: [
          ...ask.messages,
          { role: "assistant", content: [call(0), call(1)] },
          {
            role: "user",
            content: [
              { type: "tool_result", tool_use_id: call(0).id, content: Feature.results[0] },
              { type: "tool_result", tool_use_id: call(1).id, content: `Error: ${Feature.results[1]}`, is_error: true },
            ],
          },
        ],
      }
    case "image":
      return user({ type: "image", source: { type: "base64", media_type: "image/png", data: Feature.image } })
    case "document":
      return user({
        type: "document",
        title: Feature.documentName,
        source: { type: "base64", media_type: "application/pdf", data: Feature.document },
      })
    case "JSON schema":
      return { ...ask, output_config: { format: { type: "json_schema", schema: Feature.schema } } }
    case "reasoning":
      return { ...ask, max_tokens: 32_000, thinking: { type: "enabled", budget_tokens: 16_000 } }
    case "stop":
      return { ...ask, stop_sequences: [Feature.stopWord] }
    case "max tokens":
      return { ...ask, max_tokens: Feature.maxTokens }
    default:
      return ask
  }
}

const finishes: Readonly<Record<string, Feature.Finish>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  tool_use: "tool-calls",
  refusal: "refusal",
}

const heard = ({ content, stop_reason: reason, usage }: Message): Feature.Heard => ({
  text: content.map((block) => (block.type === "text" ? block.text : "")).join(""),
  reasoning: content.map((block) => (block.type === "thinking" ? block.thinking : "")).join(""),
  calls: content.flatMap((block) => (block.type === "tool_use" ? [{ name: block.name, input: block.input }] : [])),
  finish: finishes[reason ?? ""],
  usage: { input: usage.input_tokens, output: usage.output_tokens },
})

export const messages: Client = {
  name: "Messages",
  cannotSay: {},
  marksErrors: true,
  ask: (url, feature, stream) => {
    // Without a timeout, the SDK refuses to ask for so many tokens at once.
    const client = new Anthropic({ baseURL: url, apiKey: "anything", maxRetries: 0, timeout: 60_000, logLevel: "off" })
    const request = { ...params(feature), model: "assistant" }
    const answer = stream ? client.messages.stream(request).finalMessage() : client.messages.create(request)
    return answer.then(heard, failed)
  },
}
