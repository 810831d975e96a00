/** OpenAI's Chat Completions, as platform.openai.com's API reference shows its objects and chunks. */
import * as Feature from "../Feature.ts"
import type { Said } from "../Feature.ts"
import type { Upstream } from "./Upstream.ts"
import { list, object, parsed, pieces, sse, strings, text, textOf } from "./Upstream.ts"

const usage = {
  prompt_tokens: Feature.usage.input,
  completion_tokens: Feature.usage.output,
  total_tokens: Feature.usage.input + Feature.usage.output,
  completion_tokens_details: { reasoning_tokens: Feature.usage.reasoning },
}

const call = (index: number) => ({
  id: `call_${index}abc`,
  type: "function",
  function: { name: Feature.tool.name, arguments: JSON.stringify({ city: Feature.cities[index] }) },
})

const message = (said: Said): Record<string, unknown> => {
  switch (said) {
    case "call":
      return { role: "assistant", content: null, tool_calls: [call(0)] }
    case "calls":
      return { role: "assistant", content: null, tool_calls: [call(0), call(1)] }
    case "json":
      return { role: "assistant", content: Feature.json }
    case "reasoning":
      return { role: "assistant", content: Feature.answer, reasoning_content: Feature.thought }
    case "refusal":
      return { role: "assistant", content: null, refusal: Feature.refused }
    case "text":
    case "stop":
    case "length":
      return { role: "assistant", content: Feature.answer }
  }
}

const finish = (said: Said): string => {
  if (said === "call" || said === "calls") return "tool_calls"
  if (said === "refusal") return "content_filter"
  return said === "length" ? "length" : "stop"
}

const chunk = (delta: object, finish: string | null = null) =>
  sse({
    id: "chatcmpl-abc",
    object: "chat.completion.chunk",
    created: 1,
    model: "gpt-4o",
    choices: [{ index: 0, delta, finish_reason: finish }],
  })

export const chatCompletions: Upstream = {
  name: "Chat Completions",
  paths: { plain: /\/chat\/completions$/, stream: /\/chat\/completions$/ },
  isStream: (_, body) => body["stream"] === true,
  contentType: "text/event-stream",
  plain: (said) => ({
    id: "chatcmpl-abc",
    object: "chat.completion",
    created: 1,
    model: "gpt-4o",
    choices: [{ index: 0, message: message(said), finish_reason: finish(said) }],
    usage,
  }),
  stream: (said) => {
    const { content, reasoning_content: thought, refusal, tool_calls: calls } = message(said)
    return [
      chunk({ role: "assistant", content: "" }),
      ...pieces(text(thought)).map((piece) => chunk({ reasoning_content: piece })),
      ...pieces(text(content)).map((piece) => chunk({ content: piece })),
      ...pieces(text(refusal)).map((piece) => chunk({ refusal: piece })),
      ...list(calls).flatMap((call, index) => {
        const { arguments: json, name } = object(call["function"])
        return [
          chunk({ tool_calls: [{ index, id: call["id"], type: "function", function: { name, arguments: "" } }] }),
          ...pieces(text(json)).map((piece) => chunk({ tool_calls: [{ index, function: { arguments: piece } }] })),
        ]
      }),
      chunk({}, finish(said)),
      sse({ id: "chatcmpl-abc", object: "chat.completion.chunk", created: 1, model: "gpt-4o", choices: [], usage }),
      sse("[DONE]"),
    ]
  },
  broken: sse({ error: { message: "The server had an error", type: "server_error", param: null, code: null } }),
  error: {
    status: 503,
    headers: {},
    body: { error: { message: "The engine is currently overloaded", type: "server_error", param: null, code: null } },
  },
  asked: (body) => {
    const messages = list(body["messages"])
    const parts = messages.flatMap(({ content }) => list(content))
    const of = (role: string) => messages.filter((message) => message["role"] === role)
    const format = object(object(body["response_format"])["json_schema"])
    return {
      system: [...of("system"), ...of("developer")].map(({ content }) => textOf(content)).join("\n"),
      text: of("user")
        .map(({ content }) => textOf(content))
        .join("\n"),
      tools: list(body["tools"]).map((tool) => {
        const { name, parameters } = object(tool["function"])
        return { name: text(name), parameters }
      }),
      mustCall: body["tool_choice"] === "required",
      calls: messages
        .flatMap((message) => list(message["tool_calls"]))
        .map((call) => {
          const { arguments: json, name } = object(call["function"])
          return { id: text(call["id"]), name: text(name), input: parsed(json) }
        }),
      results: of("tool").map(({ content, tool_call_id: id }) => ({
        id: text(id),
        text: textOf(content),
        isError: /error/i.test(textOf(content)),
      })),
      images: parts.flatMap((part) => text(object(part["image_url"])["url"]).split("base64,")[1] ?? []),
      documents: parts.flatMap((part) => text(object(part["file"])["file_data"]).split("base64,")[1] ?? []),
      schema: format["schema"],
      reasons: body["reasoning_effort"] === "high",
      stop: strings(body["stop"]),
      maxTokens: [body["max_completion_tokens"], body["max_tokens"]].find((most) => typeof most === "number"),
    }
  },
}
