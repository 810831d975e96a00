/**
 * Anthropic's API for the fault server: `POST …/messages` and `…/messages/count_tokens`.
 *
 * The message returns unknown fields of the request in `echo`, for tests.
 */
import type * as Behavior from "./Behavior.ts"
import type { WireRequest, Bytes, ErrorAnswer, Events, Exchange, Fields, Reply, Wire } from "./Wire.ts"
import { echo, fields, json, list, textOf, usage, stringOf } from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

const known = new Set(
  (
    "cache_control container context_management inference_geo max_tokens mcp_servers messages metadata model " +
    "output_config output_format service_tier stop_sequences stream system temperature thinking tool_choice tools " +
    "top_k top_p"
  ).split(" "),
)

const choiceOf = (choice: Fields): WireRequest["choice"] => {
  switch (choice["type"]) {
    case "none":
      return "none"
    case "any":
      return "required"
    case "tool":
      return { name: stringOf(choice["name"]) }
    default:
      return "auto"
  }
}

const lastOf = (message: Fields): WireRequest["last"] => {
  const result = list(message["content"]).findLast((block) => fields(block)["type"] === "tool_result")
  return result === undefined
    ? { role: message["role"] === "user" ? "user" : "other", text: textOf(message["content"]) }
    : { role: "tool", text: textOf(fields(result)["content"]) }
}

const read = (path: string, body: Fields): WireRequest | undefined => {
  const counts = path.endsWith("/messages/count_tokens")
  if (!counts && !path.endsWith("/messages")) return undefined
  return {
    model: stringOf(body["model"]),
    stream: body["stream"] === true,
    body,
    tools: list(body["tools"]).map((tool) => ({
      name: stringOf(fields(tool)["name"]),
      schema: fields(fields(tool)["input_schema"]),
    })),
    choice: choiceOf(fields(body["tool_choice"])),
    schema: fields(fields(fields(body["output_config"])["format"])["schema"]),
    last: lastOf(fields(list(body["messages"]).at(-1))),
    n: 1,
    counts,
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Answer
// ---------------------------------------------------------------------------------------------------------------------

const finishes = { stop: "end_turn", length: "max_tokens", "content-filter": "refusal" } as const

const finishOf = (reply: Reply): string => (reply._tag === "Call" ? "tool_use" : finishes[reply.finish])

const callId = ({ serial }: Exchange): string => `toolu_${serial}`

const usageOf = (request: WireRequest, reply: Reply): Fields => {
  const { input, output } = usage(request, reply)
  return {
    input_tokens: input,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: output,
    service_tier: "standard",
  }
}

const message = (request: WireRequest, { serial }: Exchange, rest: Fields): Fields => ({
  id: `msg_${serial}`,
  type: "message",
  role: "assistant",
  model: request.model,
  ...rest,
  ...echo(request.body, known),
})

const plain = (request: WireRequest, exchange: Exchange, reply: Reply): Fields => {
  if (request.counts === true) return { input_tokens: usage(request, reply).input }
  const text = reply.pieces.join("")
  return message(request, exchange, {
    content:
      reply._tag === "Text"
        ? [{ type: "text", text }]
        : [{ type: "tool_use", id: callId(exchange), name: reply.name, input: json(text) ?? { unparsed: text } }],
    stop_reason: finishOf(reply),
    stop_sequence: null,
    usage: usageOf(request, reply),
  })
}

const event = (value: { readonly type: string } & Fields): string =>
  `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`

const stream = (request: WireRequest, exchange: Exchange, reply: Reply): Events => {
  const counted = usageOf(request, reply)
  const start = event({
    type: "message_start",
    message: message(request, exchange, {
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { ...counted, output_tokens: 1 },
    }),
  })
  const block = (content: Fields): string => event({ type: "content_block_start", index: 0, content_block: content })
  const piece = (text: string): string =>
    event({
      type: "content_block_delta",
      index: 0,
      delta: reply._tag === "Text" ? { type: "text_delta", text } : { type: "input_json_delta", partial_json: text },
    })
  const pieces = reply.pieces.map(piece)
  return {
    preamble:
      reply._tag === "Text"
        ? [start, block({ type: "text", text: "" }), event({ type: "ping" })]
        : [start, event({ type: "ping" })],
    output:
      reply._tag === "Text"
        ? pieces
        : [block({ type: "tool_use", id: callId(exchange), name: reply.name, input: {} }), ...pieces],
    finish: [
      event({ type: "content_block_stop", index: 0 }),
      event({
        type: "message_delta",
        delta: { stop_reason: finishOf(reply), stop_sequence: null },
        usage: counted,
      }),
    ],
    done: [event({ type: "message_stop" })],
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

/** An error in the vendor's format. */
type ErrorFields = readonly [status: number, type: string, message: string]

/** The error of each fault. */
const errors: Readonly<Record<Behavior.Fault, (request: WireRequest, exchange: Exchange) => ErrorFields>> = {
  "rate-limit": () => [
    429,
    "rate_limit_error",
    "This request would exceed your organization's rate limit of 3 requests per minute.",
  ],
  quota: () => [
    400,
    "invalid_request_error",
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
  ],
  "bad-key": (_, { key }) => [401, "authentication_error", `invalid x-api-key: ${key}`],
  forbidden: () => [403, "permission_error", "Your API key does not have permission to use the specified resource."],
  "unknown-model": ({ model }) => [404, "not_found_error", `model: ${model}`],
  "context-length": () => [400, "invalid_request_error", "prompt is too long: 210001 tokens > 200000 maximum"],
  "content-policy": () => [400, "invalid_request_error", "Output blocked by content filtering policy"],
  "invalid-request": () => [400, "invalid_request_error", "temperature: Input should be less than or equal to 1"],
  "unsupported-parameter": () => [400, "invalid_request_error", "This model does not support the effort parameter."],
  timeout: () => [504, "timeout_error", "Request timed out"],
  "server-error": () => [500, "api_error", "Internal server error"],
  overloaded: () => [529, "overloaded_error", "Overloaded"],
}

const error = (request: WireRequest, exchange: Exchange, fault: Behavior.Fault) => {
  const [status, type, message] = errors[fault](request, exchange)
  return {
    status,
    headers: {},
    body: { type: "error", error: { type, message }, request_id: `req_${exchange.serial}` },
  } satisfies ErrorAnswer
}

const errorEvent = (request: WireRequest, exchange: Exchange, fault: Behavior.Fault): Bytes =>
  event(error(request, exchange, fault).body)

/** The Messages API, with SSE streams of named events. */
export const anthropic: Wire = {
  vendor: "anthropic",
  read,
  headers: ({ serial }) => ({ "request-id": `req_${serial}`, "anthropic-organization-id": "understudy" }),
  streamType: "text/event-stream; charset=utf-8",
  plain,
  stream,
  error,
  resetHeaders: ({ now }, millis) => ({
    "anthropic-ratelimit-requests-limit": "3",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": new Date(now + millis).toISOString(),
  }),
  errorEvent,
  malformedEvent: 'event: content_block_delta\ndata: {"type":"content_block_delta","index":\n\n',
  ping: event({ type: "ping" }),
}
