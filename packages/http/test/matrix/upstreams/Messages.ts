/** Anthropic's Messages, as docs.claude.com shows its messages and streaming events. */
import * as Feature from "../Feature.ts"
import type { Said } from "../Feature.ts"
import type { Upstream } from "./Upstream.ts"
import { list, object, pieces, sse, strings, text, textOf } from "./Upstream.ts"

const call = (index: number) => ({
  type: "tool_use",
  id: `toolu_${index}abc`,
  name: Feature.tool.name,
  input: { city: Feature.cities[index] },
})

const blocks = (said: Said): ReadonlyArray<Record<string, unknown>> => {
  switch (said) {
    case "call":
      return [call(0)]
    case "calls":
      return [call(0), call(1)]
    case "json":
      return [{ type: "text", text: Feature.json }]
    case "reasoning":
      return [
        { type: "thinking", thinking: Feature.thought, signature: Feature.signature },
        { type: "text", text: Feature.answer },
      ]
    case "refusal":
      return [{ type: "text", text: Feature.refused }]
    case "text":
    case "stop":
    case "length":
      return [{ type: "text", text: Feature.answer }]
  }
}

const reason = (said: Said) => {
  if (said === "call" || said === "calls") return "tool_use"
  if (said === "stop") return "stop_sequence"
  if (said === "length") return "max_tokens"
  return said === "refusal" ? "refusal" : "end_turn"
}

const ending = (said: Said) => ({
  stop_reason: reason(said),
  stop_sequence: said === "stop" ? Feature.stopWord : null,
})

const message = { id: "msg_01", type: "message", role: "assistant", model: "claude-sonnet-4-5" }
const usage = { input_tokens: Feature.usage.input, output_tokens: Feature.usage.output }

const event = (data: Record<string, unknown>): string => sse(data, text(data["type"]))

const deltas = (block: Record<string, unknown>): ReadonlyArray<object> => {
  switch (block["type"]) {
    case "tool_use":
      return pieces(JSON.stringify(block["input"])).map((partial_json) => ({ type: "input_json_delta", partial_json }))
    case "thinking":
      return [
        ...pieces(text(block["thinking"])).map((thinking) => ({ type: "thinking_delta", thinking })),
        { type: "signature_delta", signature: block["signature"] },
      ]
    default:
      return pieces(text(block["text"])).map((text) => ({ type: "text_delta", text }))
  }
}

const empty = { tool_use: { input: {} }, thinking: { thinking: "", signature: "" }, text: { text: "" } }

export const messages: Upstream = {
  name: "Messages",
  paths: { plain: /\/v1\/messages$/, stream: /\/v1\/messages$/ },
  isStream: (_, body) => body["stream"] === true,
  contentType: "text/event-stream",
  plain: (said) => ({ ...message, content: blocks(said), ...ending(said), usage }),
  stream: (said) => [
    event({
      type: "message_start",
      message: {
        ...message,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { ...usage, output_tokens: 1 },
      },
    }),
    event({ type: "ping" }),
    ...blocks(said).flatMap((block, index) => [
      event({
        type: "content_block_start",
        index,
        content_block: { ...block, ...empty[block["type"] as keyof typeof empty] },
      }),
      ...deltas(block).map((delta) => event({ type: "content_block_delta", index, delta })),
      event({ type: "content_block_stop", index }),
    ]),
    event({ type: "message_delta", delta: ending(said), usage: { output_tokens: Feature.usage.output } }),
    event({ type: "message_stop" }),
  ],
  broken: event({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }),
  error: {
    status: 529,
    headers: {},
    body: { type: "error", error: { type: "overloaded_error", message: "Overloaded" } },
  },
  asked: (body) => {
    const turns = list(body["messages"])
    const parts = turns.flatMap(({ content }) => list(content))
    const inner = parts.flatMap((part) => [part, ...list(part["content"])])
    const of = (type: string) => inner.filter((part) => part["type"] === type)
    const thinking = object(body["thinking"])["type"]
    return {
      system: textOf(body["system"]),
      text: turns
        .filter(({ role }) => role === "user")
        .map(({ content }) => textOf(content))
        .join("\n"),
      tools: list(body["tools"]).map((tool) => ({ name: text(tool["name"]), parameters: tool["input_schema"] })),
      mustCall: object(body["tool_choice"])["type"] === "any",
      calls: of("tool_use").map((part) => ({ id: text(part["id"]), name: text(part["name"]), input: part["input"] })),
      results: of("tool_result").map((part) => ({
        id: text(part["tool_use_id"]),
        text: textOf(part["content"]),
        isError: part["is_error"] === true,
      })),
      images: of("image").map((part) => text(object(part["source"])["data"])),
      documents: of("document").map((part) => text(object(part["source"])["data"])),
      schema: object(object(body["output_config"])["format"])["schema"],
      reasons: thinking === "enabled" || thinking === "adaptive",
      stop: strings(body["stop_sequences"]),
      maxTokens: typeof body["max_tokens"] === "number" ? body["max_tokens"] : undefined,
    }
  },
}

/** Claude on Vertex AI. Its model is in the path; tokens are counted by a model of that name. */
export const claudeOnVertex: Upstream = {
  ...messages,
  name: "Messages on Vertex AI",
  paths: {
    plain: /\/publishers\/anthropic\/models\/(?!count-tokens:).+:rawPredict$/,
    stream: /\/publishers\/anthropic\/models\/.+:streamRawPredict$/,
  },
}
