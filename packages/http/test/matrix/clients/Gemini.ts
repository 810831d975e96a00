/** The `@google/genai` SDK's content. */
import { FunctionCallingConfigMode, GoogleGenAI } from "@google/genai"
import type { Content, GenerateContentConfig, GenerateContentResponse, Part } from "@google/genai"
import * as Feature from "../Feature.ts"
import type { Client } from "./Client.ts"
import { failed } from "./Client.ts"

interface Params {
  readonly contents: Array<Content>
  readonly config: GenerateContentConfig
}

const question: Part = { text: Feature.question }

const ask: Params = {
  contents: [{ role: "user", parts: [question] }],
  config: { systemInstruction: Feature.system },
}

const { name, description } = Feature.tool

const tools: GenerateContentConfig = {
  ...ask.config,
  tools: [{ functionDeclarations: [{ name, description, parametersJsonSchema: Feature.schema }] }],
  toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } },
}

const configured = (config: GenerateContentConfig): Params => ({ ...ask, config: { ...ask.config, ...config } })

const user = (part: Part): Params => ({ ...ask, contents: [{ role: "user", parts: [question, part] }] })

/** Calls without ids, as older models made them: responses belong to them by their order. */
const params = (feature: Feature.Feature): Params => {
  switch (feature) {
    case "tools":
    case "parallel tools":
      return { ...ask, config: tools }
    case "tool results":
      return {
        config: { ...ask.config, tools: tools.tools ?? [] },
        contents: [
          ...ask.contents,
          { role: "model", parts: Feature.cities.map((city) => ({ functionCall: { name, args: { city } } })) },
          {
            role: "user",
            parts: [
              { functionResponse: { name, response: { output: Feature.results[0] } } },
              { functionResponse: { name, response: { error: `Error: ${Feature.results[1]}` } } },
            ],
          },
        ],
      }
    case "image":
      return user({ inlineData: { mimeType: "image/png", data: Feature.image } })
    case "document":
      return user({ inlineData: { mimeType: "application/pdf", data: Feature.document } })
    case "JSON schema":
      return configured({ responseMimeType: "application/json", responseJsonSchema: Feature.schema })
    case "reasoning":
      return configured({ thinkingConfig: { thinkingBudget: 16_000, includeThoughts: true } })
    case "stop":
      return configured({ stopSequences: [Feature.stopWord] })
    case "max tokens":
      return configured({ maxOutputTokens: Feature.maxTokens })
    default:
      return ask
  }
}

const finishes: Readonly<Record<string, Feature.Finish>> = { STOP: "stop", MAX_TOKENS: "length", SAFETY: "refusal" }

/** The SDK's chunks as the one answer they come to. */
const heard = (chunks: ReadonlyArray<GenerateContentResponse>): Feature.Heard => {
  const parts = chunks.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? [])
  const words = (thought: boolean) =>
    parts.map((part) => ((part.thought === true) === thought ? (part.text ?? "") : "")).join("")
  const calls = parts.flatMap(({ functionCall }) =>
    functionCall === undefined ? [] : [{ name: functionCall.name ?? "", input: functionCall.args }],
  )
  const reason = chunks.flatMap(({ candidates }) => candidates?.[0]?.finishReason ?? []).join()
  const usage = chunks.findLast(({ usageMetadata }) => usageMetadata !== undefined)?.usageMetadata
  return {
    text: words(false),
    reasoning: words(true),
    calls,
    finish: calls.length > 0 && reason === "STOP" ? "tool-calls" : finishes[reason],
    usage: usage && {
      input: usage.promptTokenCount ?? 0,
      output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
    },
  }
}

const collect = async (chunks: AsyncIterable<GenerateContentResponse>): Promise<Array<GenerateContentResponse>> => {
  const all: Array<GenerateContentResponse> = []
  for await (const chunk of chunks) all.push(chunk)
  return all
}

export const gemini: Client = {
  name: "Gemini",
  cannotSay: {},
  marksErrors: true,
  ask: (url, feature, stream) => {
    const { models } = new GoogleGenAI({ vertexai: false, apiKey: "anything", httpOptions: { baseUrl: url } })
    const request = { ...params(feature), model: "assistant" }
    const answer = stream
      ? models.generateContentStream(request).then(collect)
      : models.generateContent(request).then((whole) => [whole])
    return answer.then(heard, failed)
  },
}
