/** Bedrock's Converse, as docs.aws.amazon.com shows its output and its stream's events. The model is a Claude. */
import * as EventStream from "@understudy/providers/internal/testing/EventStream"
import * as Feature from "../Feature.ts"
import type { Said } from "../Feature.ts"
import type { Upstream } from "./Upstream.ts"
import { list, object, parsed, pieces, strings, text, textOf } from "./Upstream.ts"

const call = (index: number) => ({
  toolUse: { toolUseId: `tooluse_${index}abc`, name: Feature.tool.name, input: { city: Feature.cities[index] } },
})

const blocks = (said: Said): ReadonlyArray<Record<string, unknown>> => {
  switch (said) {
    case "call":
      return [call(0)]
    case "calls":
      return [call(0), call(1)]
    case "json":
      return [{ text: Feature.json }]
    case "reasoning":
      return [
        { reasoningContent: { reasoningText: { text: Feature.thought, signature: Feature.signature } } },
        { text: Feature.answer },
      ]
    case "refusal":
      return [{ text: Feature.refused }]
    case "text":
    case "stop":
    case "length":
      return [{ text: Feature.answer }]
  }
}

const reason = (said: Said) => {
  if (said === "call" || said === "calls") return "tool_use"
  if (said === "stop") return "stop_sequence"
  if (said === "length") return "max_tokens"
  return said === "refusal" ? "content_filtered" : "end_turn"
}

const usage = {
  inputTokens: Feature.usage.input,
  outputTokens: Feature.usage.output,
  totalTokens: Feature.usage.input + Feature.usage.output,
}

const written = (block: Record<string, unknown>, contentBlockIndex: number): ReadonlyArray<Uint8Array> => {
  const delta = (delta: object) => EventStream.event("contentBlockDelta", { contentBlockIndex, delta })
  const { input, ...toolUse } = object(block["toolUse"])
  const { signature, text: thought } = object(object(block["reasoningContent"])["reasoningText"])
  return [
    ...(input === undefined
      ? []
      : [
          EventStream.event("contentBlockStart", { contentBlockIndex, start: { toolUse } }),
          ...pieces(JSON.stringify(input)).map((input) => delta({ toolUse: { input } })),
        ]),
    ...pieces(text(thought)).map((text) => delta({ reasoningContent: { text } })),
    ...(signature === undefined ? [] : [delta({ reasoningContent: { signature } })]),
    ...pieces(text(block["text"])).map((text) => delta({ text })),
    EventStream.event("contentBlockStop", { contentBlockIndex }),
  ]
}

export const converse: Upstream = {
  name: "Converse",
  paths: { plain: /\/converse$/, stream: /\/converse-stream$/ },
  isStream: (path) => path.endsWith("/converse-stream"),
  contentType: "application/vnd.amazon.eventstream",
  plain: (said) => ({
    output: { message: { role: "assistant", content: blocks(said) } },
    stopReason: reason(said),
    usage,
    metrics: { latencyMs: 1 },
  }),
  stream: (said) => [
    EventStream.event("messageStart", { role: "assistant" }),
    ...blocks(said).flatMap(written),
    EventStream.event("messageStop", { stopReason: reason(said) }),
    EventStream.event("metadata", { usage, metrics: { latencyMs: 1 } }),
  ],
  broken: EventStream.exception("serviceUnavailableException", "Bedrock is unable to process your request."),
  error: {
    status: 503,
    headers: { "x-amzn-errortype": "ServiceUnavailableException" },
    body: { message: "Bedrock is unable to process your request." },
  },
  asked: (body) => {
    const turns = list(body["messages"])
    const parts = turns.flatMap(({ content }) => list(content))
    const inner = parts.flatMap((part) => [part, ...list(object(part["toolResult"])["content"])])
    const config = object(body["toolConfig"])
    const inference = object(body["inferenceConfig"])
    const additional = object(body["additionalModelRequestFields"])
    const thinking = object(additional["thinking"])["type"]
    const format = object(object(object(body["outputConfig"])["textFormat"])["structure"])
    return {
      system: textOf(body["system"]),
      text: turns
        .filter(({ role }) => role === "user")
        .map(({ content }) => textOf(content))
        .join("\n"),
      tools: list(config["tools"]).map((tool) => {
        const { inputSchema, name } = object(tool["toolSpec"])
        return { name: text(name), parameters: object(inputSchema)["json"] }
      }),
      mustCall: object(config["toolChoice"])["any"] !== undefined,
      calls: parts.flatMap((part) => {
        const { input, name, toolUseId } = object(part["toolUse"])
        return toolUseId === undefined ? [] : [{ id: text(toolUseId), name: text(name), input }]
      }),
      results: parts.flatMap((part) => {
        const { content, status, toolUseId } = object(part["toolResult"])
        return toolUseId === undefined
          ? []
          : [{ id: text(toolUseId), text: textOf(content), isError: status === "error" }]
      }),
      images: inner.flatMap((part) => strings(object(object(part["image"])["source"])["bytes"])),
      documents: inner.flatMap((part) => strings(object(object(part["document"])["source"])["bytes"])),
      schema: parsed(object(format["jsonSchema"])["schema"]),
      reasons: thinking === "enabled" || thinking === "adaptive",
      stop: strings(inference["stopSequences"]),
      maxTokens: typeof inference["maxTokens"] === "number" ? inference["maxTokens"] : undefined,
    }
  },
}
