/** OpenAI's Responses, as platform.openai.com's API reference shows its objects and streaming events. */
import * as Feature from "../Feature.ts"
import type { Said } from "../Feature.ts"
import type { Upstream } from "./Upstream.ts"
import { list, object, parsed, pieces, sse, text, textOf } from "./Upstream.ts"

const usage = {
  input_tokens: Feature.usage.input,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: Feature.usage.output,
  output_tokens_details: { reasoning_tokens: Feature.usage.reasoning },
  total_tokens: Feature.usage.input + Feature.usage.output,
}

const call = (index: number) => ({
  id: `fc_${index}`,
  type: "function_call",
  status: "completed",
  call_id: `call_${index}abc`,
  name: Feature.tool.name,
  arguments: JSON.stringify({ city: Feature.cities[index] }),
})

const message = (...content: ReadonlyArray<object>) => ({
  id: "msg_1",
  type: "message",
  status: "completed",
  role: "assistant",
  content,
})
const output = (text: string) => ({ type: "output_text", text, annotations: [] })

const reasoning = {
  id: "rs_1",
  type: "reasoning",
  summary: [{ type: "summary_text", text: Feature.thought }],
  encrypted_content: Feature.signature,
}

const items = (said: Said): ReadonlyArray<Record<string, unknown>> => {
  switch (said) {
    case "call":
      return [call(0)]
    case "calls":
      return [call(0), call(1)]
    case "json":
      return [message(output(Feature.json))]
    case "reasoning":
      return [reasoning, message(output(Feature.answer))]
    case "refusal":
      return [message({ type: "refusal", refusal: Feature.refused })]
    case "text":
    case "stop":
    case "length":
      return [message(output(Feature.answer))]
  }
}

const response = (said: Said, status: string, output: ReadonlyArray<unknown>) => ({
  id: "resp_1",
  object: "response",
  created_at: 1,
  status: status === "completed" && said === "length" ? "incomplete" : status,
  error: null,
  incomplete_details: status === "completed" && said === "length" ? { reason: "max_output_tokens" } : null,
  model: "gpt-5",
  output,
  parallel_tool_calls: true,
  tools: [],
  usage: status === "completed" ? usage : null,
})

export const responses: Upstream = {
  name: "Responses",
  paths: { plain: /\/responses$/, stream: /\/responses$/ },
  isStream: (_, body) => body["stream"] === true,
  contentType: "text/event-stream",
  plain: (said) => response(said, "completed", items(said)),
  stream: (said) => {
    let serial = 0
    const event = (type: string, fields: object): string => sse({ type, sequence_number: serial++, ...fields }, type)
    const written = items(said).flatMap((item, output_index): ReadonlyArray<string> => {
      const at = { output_index, item_id: item["id"] }
      const added = (fields: object) =>
        event("response.output_item.added", { output_index, item: { ...item, ...fields } })
      const done = event.bind(undefined, "response.output_item.done", { output_index, item })
      switch (item["type"]) {
        case "function_call": {
          const json = text(item["arguments"])
          return [
            added({ status: "in_progress", arguments: "" }),
            ...pieces(json).map((delta) => event("response.function_call_arguments.delta", { ...at, delta })),
            event("response.function_call_arguments.done", { ...at, arguments: json, name: item["name"] }),
            done(),
          ]
        }
        case "reasoning": {
          const part = { type: "summary_text", text: Feature.thought }
          const within = { ...at, summary_index: 0 }
          return [
            added({ summary: [] }),
            event("response.reasoning_summary_part.added", { ...within, part: { ...part, text: "" } }),
            ...pieces(Feature.thought).map((delta) =>
              event("response.reasoning_summary_text.delta", { ...within, delta }),
            ),
            event("response.reasoning_summary_text.done", { ...within, text: Feature.thought }),
            event("response.reasoning_summary_part.done", { ...within, part }),
            done(),
          ]
        }
        default: {
          const [part = {}] = list(item["content"])
          const within = { ...at, content_index: 0 }
          const kind = part["type"] === "refusal" ? "refusal" : "output_text"
          const field = kind === "refusal" ? "refusal" : "text"
          const whole = text(part[field])
          return [
            added({ status: "in_progress", content: [] }),
            event("response.content_part.added", { ...within, part: { ...part, [field]: "" } }),
            ...pieces(whole).map((delta) => event(`response.${kind}.delta`, { ...within, delta })),
            event(`response.${kind}.done`, { ...within, [field]: whole }),
            event("response.content_part.done", { ...within, part }),
            done(),
          ]
        }
      }
    })
    const last = response(said, "completed", items(said))
    return [
      event("response.created", { response: response(said, "in_progress", []) }),
      event("response.in_progress", { response: response(said, "in_progress", []) }),
      ...written,
      event(`response.${last.status}`, { response: last }),
    ]
  },
  broken: sse({ type: "error", code: "server_error", message: "The server had an error", param: null }, "error"),
  error: {
    status: 503,
    headers: {},
    body: { error: { message: "The engine is currently overloaded", type: "server_error", param: null, code: null } },
  },
  asked: (body) => {
    const input = typeof body["input"] === "string" ? [{ role: "user", content: body["input"] }] : list(body["input"])
    const parts = input.flatMap(({ content, output }: Record<string, unknown>) => [...list(content), ...list(output)])
    const of = (...types: ReadonlyArray<string>) =>
      input.filter((item: Record<string, unknown>) => types.includes(text(item["type"])))
    const by = (...roles: ReadonlyArray<string>) =>
      input.filter((item: Record<string, unknown>) => roles.includes(text(item["role"])))
    const format = object(object(body["text"])["format"])
    return {
      system: [text(body["instructions"]), ...by("system", "developer").map(({ content }) => textOf(content))].join(
        "\n",
      ),
      text: by("user")
        .map(({ content }) => textOf(content))
        .join("\n"),
      tools: list(body["tools"]).map(({ name, parameters }) => ({ name: text(name), parameters })),
      mustCall: body["tool_choice"] === "required",
      calls: of("function_call").map((item: Record<string, unknown>) => ({
        id: text(item["call_id"]),
        name: text(item["name"]),
        input: parsed(item["arguments"]),
      })),
      results: of("function_call_output").map((item: Record<string, unknown>) => ({
        id: text(item["call_id"]),
        text: textOf(item["output"]),
        isError: /error/i.test(textOf(item["output"])),
      })),
      images: parts.flatMap((part) => text(part["image_url"]).split("base64,")[1] ?? []),
      documents: parts.flatMap((part) => text(part["file_data"]).split("base64,")[1] ?? []),
      schema: format["schema"],
      reasons: object(body["reasoning"])["effort"] === "high",
      stop: [],
      maxTokens: typeof body["max_output_tokens"] === "number" ? body["max_output_tokens"] : undefined,
    }
  },
}
