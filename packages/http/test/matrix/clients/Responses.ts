/** The `openai` SDK's Responses. */
import OpenAI from "openai"
import type { Response, ResponseCreateParamsNonStreaming } from "openai/resources/responses/responses"
import * as Feature from "../Feature.ts"
import type { Client } from "./Client.ts"
import { failed, parsed } from "./Client.ts"
import { responsesHaveNoStop } from "../Refusals.ts"

type Params = Omit<ResponseCreateParamsNonStreaming, "model" | "stream">
type Item = OpenAI.Responses.ResponseInputItem

const ask: Params = { instructions: Feature.system, input: Feature.question, store: false }

const tools: NonNullable<Params["tools"]> = [{ type: "function", ...Feature.tool, strict: true }]

const call = (index: number) => ({
  type: "function_call" as const,
  call_id: `call_of.the:client_${index}`,
  name: Feature.tool.name,
  arguments: JSON.stringify({ city: Feature.cities[index] }),
})

const result = (index: number, output: string): Item => ({
  type: "function_call_output",
  call_id: call(index).call_id,
  output,
})

const user = (part: OpenAI.Responses.ResponseInputContent): Params => ({
  ...ask,
  input: [{ role: "user", content: [{ type: "input_text", text: Feature.question }, part] }],
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
        input: [
          { role: "user", content: Feature.question },
          call(0),
          call(1),
          result(0, Feature.results[0]),
          result(1, `Error: ${Feature.results[1]}`),
        ],
      }
    case "image":
      return user({ type: "input_image", detail: "auto", image_url: `data:image/png;base64,${Feature.image}` })
    case "document":
      return user({
        type: "input_file",
        filename: `${Feature.documentName}.pdf`,
        file_data: `data:application/pdf;base64,${Feature.document}`,
      })
    case "JSON schema":
      return { ...ask, text: { format: { type: "json_schema", name: "city", schema: Feature.schema, strict: true } } }
    case "reasoning":
      return { ...ask, reasoning: { effort: "high", summary: "auto" }, include: ["reasoning.encrypted_content"] }
    case "max tokens":
      return { ...ask, max_output_tokens: Feature.maxTokens }
    default:
      return ask
  }
}

const heard = (response: Response): Feature.Heard => {
  const calls = response.output.flatMap((item) =>
    item.type === "function_call" ? [{ name: item.name, input: parsed(item.arguments) }] : [],
  )
  const contents = response.output.flatMap((item) => (item.type === "message" ? item.content : []))
  const refused = contents.some(({ type }) => type === "refusal")
  const reason = response.incomplete_details?.reason
  return {
    text: contents.map((part) => (part.type === "refusal" ? part.refusal : part.text)).join(""),
    reasoning: response.output
      .flatMap((item) => (item.type === "reasoning" ? item.summary.map(({ text }) => text) : []))
      .join(""),
    calls,
    finish:
      refused || reason === "content_filter"
        ? "refusal"
        : response.status === "incomplete"
          ? "length"
          : calls.length > 0
            ? "tool-calls"
            : response.status === "completed"
              ? "stop"
              : undefined,
    usage: response.usage && { input: response.usage.input_tokens, output: response.usage.output_tokens },
  }
}

export const responses: Client = {
  name: "Responses",
  cannotSay: { stop: responsesHaveNoStop },
  marksErrors: false,
  ask: (url, feature, stream) => {
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "anything", maxRetries: 0, logLevel: "off" })
    const request = { ...params(feature), model: "assistant" }
    const answer = stream ? client.responses.stream(request).finalResponse() : client.responses.create(request)
    return answer.then(heard, failed)
  },
}
