/**
 * OpenAI's Responses API for the fault server: `POST …/responses`. Errors are those of Chat Completions, except inside a
 * stream: there an `error` event precedes `response.failed`.
 *
 * The response returns unknown fields of the request in `echo`, for tests.
 */
import type * as Behavior from "./Behavior.ts"
import { openAi } from "./OpenAi.ts"
import type { WireRequest, Bytes, Events, Exchange, Fields, Reply, Tool, Wire } from "./Wire.ts"
import { echo, fields, list, textOf, usage, stringOf } from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

const known = new Set(
  (
    "background conversation include input instructions max_output_tokens max_tool_calls metadata model " +
    "parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention " +
    "reasoning safety_identifier service_tier store stream stream_options temperature text tool_choice tools " +
    "top_logprobs top_p truncation user"
  ).split(" "),
)

const choiceOf = (choice: unknown): WireRequest["choice"] => {
  if (choice === "none" || choice === "required") return choice
  const name = stringOf(fields(choice)["name"])
  return name === "" ? "auto" : { name }
}

const lastOf = (input: unknown): WireRequest["last"] => {
  if (typeof input === "string") return { role: "user", text: input }
  const { content, output, role, type } = fields(list(input).at(-1))
  if (type === "function_call_output" || type === "custom_tool_call_output")
    return { role: "tool", text: textOf(output) }
  return { role: role === "user" ? "user" : "other", text: textOf(content) }
}

const toolsOf = (offered: unknown): ReadonlyArray<Tool> =>
  list(offered).flatMap((tool) => {
    const { name, parameters, tools, type } = fields(tool)
    if (type === "namespace") return toolsOf(tools)
    return type === "function" ? [{ name: stringOf(name), schema: fields(parameters) }] : []
  })

const read = (path: string, body: Fields): WireRequest | undefined => {
  if (!path.endsWith("/responses")) return undefined
  return {
    model: stringOf(body["model"]),
    stream: body["stream"] === true,
    body,
    tools: toolsOf(body["tools"]),
    choice: choiceOf(body["tool_choice"]),
    schema: fields(fields(fields(body["text"])["format"])["schema"]),
    last: lastOf(body["input"]),
    n: 1,
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Answer
// ---------------------------------------------------------------------------------------------------------------------

const reasons = { stop: undefined, length: "max_output_tokens", "content-filter": "content_filter" } as const

const reasonOf = (reply: Reply): string | undefined => (reply._tag === "Call" ? undefined : reasons[reply.finish])

const usageOf = (request: WireRequest, reply: Reply): Fields => {
  const { input, output } = usage(request, reply)
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input + output,
  }
}

/** The output item, with the text `written` so far. */
const itemOf = (reply: Reply, { serial }: Exchange, status: string, written: string): Fields =>
  reply._tag === "Text"
    ? {
        id: `msg_${serial}`,
        type: "message",
        status,
        role: "assistant",
        content: status === "in_progress" ? [] : [partOf(written)],
      }
    : {
        id: `fc_${serial}`,
        type: "function_call",
        status,
        call_id: `call_${serial}`,
        name: reply.name,
        arguments: written,
      }

const partOf = (text: string): Fields => ({ type: "output_text", text, annotations: [], logprobs: [] })

const toolOf = (tool: unknown): unknown => {
  const offered = fields(tool)
  return offered["type"] === "function" ? { description: null, parameters: null, strict: true, ...offered } : tool
}

const response = (request: WireRequest, { now, serial }: Exchange, rest: Fields): Fields => ({
  id: `resp_${serial}`,
  object: "response",
  created_at: Math.floor(now / 1_000),
  background: false,
  completed_at: rest["status"] === "completed" ? Math.floor(now / 1_000) : null,
  error: null,
  frequency_penalty: 0,
  incomplete_details: null,
  instructions: request.body["instructions"] ?? null,
  max_output_tokens: request.body["max_output_tokens"] ?? null,
  max_tool_calls: request.body["max_tool_calls"] ?? null,
  metadata: {},
  model: request.model,
  parallel_tool_calls: true,
  presence_penalty: 0,
  previous_response_id: null,
  prompt_cache_key: request.body["prompt_cache_key"] ?? null,
  reasoning: { effort: null, summary: null },
  safety_identifier: request.body["safety_identifier"] ?? null,
  service_tier: "default",
  store: request.body["store"] ?? true,
  temperature: 1,
  text: { format: { type: "text" } },
  tool_choice: request.body["tool_choice"] ?? "auto",
  tools: list(request.body["tools"]).map(toolOf),
  top_logprobs: 0,
  top_p: 1,
  truncation: "disabled",
  user: null,
  ...rest,
  ...echo(request.body, known),
})

const plain = (request: WireRequest, exchange: Exchange, reply: Reply): Fields => {
  const reason = reasonOf(reply)
  const status = reason === undefined ? "completed" : "incomplete"
  return response(request, exchange, {
    status,
    incomplete_details: reason === undefined ? null : { reason },
    output: [itemOf(reply, exchange, status, reply.pieces.join(""))],
    usage: usageOf(request, reply),
  })
}

/** Writes events with their sequence numbers. */
const numbered = (): ((type: string, more: Fields) => string) => {
  let sequence = 0
  return (type, more) => `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence++, ...more })}\n\n`
}

const stream = (request: WireRequest, exchange: Exchange, reply: Reply): Events => {
  const event = numbered()
  const begun = { response: response(request, exchange, { status: "in_progress", output: [], usage: null }) }
  const complete = plain(request, exchange, reply)
  const text = reply.pieces.join("")
  const at = { item_id: itemOf(reply, exchange, "", "")["id"], output_index: 0 }
  const added = { output_index: 0, item: itemOf(reply, exchange, "in_progress", "") }
  const done = { output_index: 0, item: list(complete["output"])[0] }
  const preamble = [event("response.created", begun), event("response.in_progress", begun)]
  const terminal = () => event(`response.${stringOf(complete["status"])}`, { response: complete })
  if (reply._tag === "Call") {
    return {
      preamble,
      output: [
        event("response.output_item.added", added),
        ...reply.pieces.map((delta) => event("response.function_call_arguments.delta", { ...at, delta })),
      ],
      finish: [
        event("response.function_call_arguments.done", { ...at, name: reply.name, arguments: text }),
        event("response.output_item.done", done),
        terminal(),
      ],
      done: [],
    }
  }
  const within = { ...at, content_index: 0 }
  return {
    preamble: [
      ...preamble,
      event("response.output_item.added", added),
      event("response.content_part.added", { ...within, part: partOf("") }),
    ],
    output: reply.pieces.map((delta) => event("response.output_text.delta", { ...within, delta, logprobs: [] })),
    finish: [
      event("response.output_text.done", { ...within, text, logprobs: [] }),
      event("response.content_part.done", { ...within, part: partOf(text) }),
      event("response.output_item.done", done),
      terminal(),
    ],
    done: [],
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

const errorEvent = (request: WireRequest, exchange: Exchange, fault: Behavior.Fault): Bytes => {
  const event = numbered()
  const error = fields(fields(openAi.error(request, exchange, fault).body)["error"])
  const { code, message } = error
  const failed = response(request, exchange, { status: "failed", error: { code, message }, output: [], usage: null })
  return event("error", { error }) + event("response.failed", { response: failed })
}

/** The Responses API, also of compatible vendors. */
export const responses: Wire = {
  ...openAi,
  vendor: "responses",
  read,
  plain,
  stream,
  errorEvent,
  malformedEvent: 'event: response.output_text.delta\ndata: {"type":"response.output_\n\n',
}
