/** The `openai` SDK's Chat Completions. */
import OpenAI from "openai"
import type { ChatCompletion, ChatCompletionCreateParamsNonStreaming } from "openai/resources/chat/completions"
import * as Feature from "../Feature.ts"
import type { Client } from "./Client.ts"
import { failed, parsed } from "./Client.ts"

type Params = Omit<ChatCompletionCreateParamsNonStreaming, "model" | "stream">

const ask: Params = {
  messages: [
    { role: "system", content: Feature.system },
    { role: "user", content: Feature.question },
  ],
}

const tools: Params["tools"] = [{ type: "function", function: Feature.tool }]

const call = (index: number) => ({
  id: `call_of.the:client_${index}`,
  type: "function" as const,
  function: { name: Feature.tool.name, arguments: JSON.stringify({ city: Feature.cities[index] }) },
})

const user = (part: OpenAI.ChatCompletionContentPart): Params => ({
  messages: [{ role: "user", content: [{ type: "text", text: Feature.question }, part] }],
})

const params = (feature: Feature.Feature): Params => {
  switch (feature) {
    case "tools":
    case "parallel tools":
      return { ...ask, tools, tool_choice: "required" }
    case "tool results":
      return {
        ...ask,
        tools,
        messages: [
          ...ask.messages,
          { role: "assistant", content: null, tool_calls: [call(0), call(1)] },
          { role: "tool", tool_call_id: call(0).id, content: Feature.results[0] },
          { role: "tool", tool_call_id: call(1).id, content: `Error: ${Feature.results[1]}` },
        ],
      }
    case "image":
      return user({ type: "image_url", image_url: { url: `data:image/png;base64,${Feature.image}` } })
    case "document":
      return user({
        type: "file",
        file: {
          filename: `${Feature.documentName}.pdf`,
          file_data: `data:application/pdf;base64,${Feature.document}`,
        },
      })
    case "JSON schema":
      return {
        ...ask,
        response_format: { type: "json_schema", json_schema: { name: "city", schema: Feature.schema, strict: true } },
      }
    case "reasoning":
      return { ...ask, reasoning_effort: "high" }
    case "stop":
      return { ...ask, stop: [Feature.stopWord] }
    case "max tokens":
      return { ...ask, max_completion_tokens: Feature.maxTokens }
    default:
      return ask
  }
}

const finishes: Readonly<Record<string, Feature.Finish>> = {
  stop: "stop",
  length: "length",
  tool_calls: "tool-calls",
  content_filter: "refusal",
}

const heard = ({ choices, usage }: Pick<ChatCompletion, "choices" | "usage">): Feature.Heard => {
  const message = choices[0]?.message
  const thought = message !== undefined && "reasoning_content" in message ? message.reasoning_content : ""
  return {
    text: `${message?.content ?? ""}${message?.refusal ?? ""}`,
    reasoning: typeof thought === "string" ? thought : "",
    calls: (message?.tool_calls ?? []).flatMap((call) =>
      call.type === "function" ? [{ name: call.function.name, input: parsed(call.function.arguments) }] : [],
    ),
    finish: finishes[choices[0]?.finish_reason ?? ""],
    usage: usage && { input: usage.prompt_tokens, output: usage.completion_tokens },
  }
}

export const chatCompletions: Client = {
  name: "Chat Completions",
  cannotSay: {},
  marksErrors: false,
  ask: (url, feature, stream) => {
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "anything", maxRetries: 0, logLevel: "off" })
    const request = { ...params(feature), model: "assistant" }
    if (!stream) return client.chat.completions.create(request).then(heard, failed)
    let thought = ""
    const streaming = client.chat.completions
      .stream({ ...request, stream_options: { include_usage: true } })
      .on("chunk", ({ choices }) => {
        const delta: object = choices[0]?.delta ?? {}
        if ("reasoning_content" in delta && typeof delta.reasoning_content === "string") {
          thought += delta.reasoning_content
        }
      })
    return Promise.all([streaming.finalChatCompletion(), streaming.totalUsage()]).then(
      ([whole, usage]) => ({ ...heard({ ...whole, usage }), reasoning: thought }),
      failed,
    )
  },
}
