/**
 * OpenAI's Chat Completions and Embeddings API for the fault server: `POST …/chat/completions`, `…/embeddings`.
 *
 * The response (or the stream's first chunk) returns unknown fields of the request in `echo`, for tests.
 */
import type * as Behavior from "./Behavior.ts"
import type { WireRequest, Bytes, ErrorAnswer, Events, Exchange, Fields, Reply, Wire } from "./Wire.ts"
import { Buffer } from "node:buffer"
import { echo, fields, list, textOf, tokensOf, usage, vector, stringOf } from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

const known = new Set(
  (
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages " +
    "metadata modalities model n parallel_tool_calls prediction presence_penalty prompt_cache_key " +
    "prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store stream " +
    "stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options"
  ).split(" "),
)

const choiceOf = (choice: unknown): WireRequest["choice"] => {
  if (choice === "none" || choice === "required") return choice
  const name = stringOf(fields(fields(choice)["function"])["name"])
  return name === "" ? "auto" : { name }
}

/** A string, or an array: of strings, of tokens, or of such arrays. */
const inputsOf = (input: unknown): ReadonlyArray<string> => {
  const several = list(input)
  if (several.length === 0) return [stringOf(input)]
  return typeof several[0] === "number"
    ? [several.join(" ")]
    : several.map((each) => (Array.isArray(each) ? each.join(" ") : stringOf(each)))
}

const readEmbeddings = (body: Fields): WireRequest => ({
  model: stringOf(body["model"]),
  stream: false,
  body,
  tools: [],
  choice: "none",
  schema: {},
  last: { role: "other", text: "" },
  n: 1,
  embeds: inputsOf(body["input"]),
})

const read = (path: string, body: Fields): WireRequest | undefined => {
  if (path.endsWith("/embeddings")) return readEmbeddings(body)
  if (!path.endsWith("/chat/completions")) return undefined
  const last = fields(list(body["messages"]).at(-1))
  const role = last["role"]
  return {
    model: stringOf(body["model"]),
    stream: body["stream"] === true,
    body,
    tools: list(body["tools"]).map((tool) => {
      const declared = fields(fields(tool)["function"])
      return { name: stringOf(declared["name"]), schema: fields(declared["parameters"]) }
    }),
    choice: choiceOf(body["tool_choice"]),
    schema: fields(fields(fields(body["response_format"])["json_schema"])["schema"]),
    last: { role: role === "user" || role === "tool" ? role : "other", text: textOf(last["content"]) },
    n: Math.min(8, Math.max(1, Number(body["n"] ?? 1))),
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Answer
// ---------------------------------------------------------------------------------------------------------------------

const finishes = { stop: "stop", length: "length", "content-filter": "content_filter" } as const

const finishOf = (reply: Reply): string => (reply._tag === "Call" ? "tool_calls" : finishes[reply.finish])

const callId = ({ serial }: Exchange, choice: number): string => `call_${serial}_${choice}`

const usageOf = (request: WireRequest, reply: Reply): Fields => {
  const { input, output } = usage(request, reply)
  return {
    prompt_tokens: input,
    completion_tokens: output * request.n,
    total_tokens: input + output * request.n,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  }
}

const envelope = (object: string, request: WireRequest, { serial, now }: Exchange): Fields => ({
  id: `chatcmpl-${serial}`,
  object,
  created: Math.floor(now / 1_000),
  model: request.model,
  service_tier: "default",
  system_fingerprint: "fp_understudy",
})

const indexes = ({ n }: WireRequest): ReadonlyArray<number> => Array.from({ length: n }, (_, index) => index)

const knownToEmbeddings = new Set(["model", "input", "dimensions", "encoding_format", "user"])

/** Vectors as numbers, or as base64 of 32-bit little-endian floats if requested. */
const embeddings = ({ body, model }: WireRequest, texts: ReadonlyArray<string>): Fields => {
  const base64 = body["encoding_format"] === "base64"
  const tokens = tokensOf(texts)
  return {
    object: "list",
    data: texts.map((text, index) => {
      const numbers = vector(text, Number(body["dimensions"] ?? 8))
      return {
        object: "embedding",
        index,
        embedding: base64 ? Buffer.from(Float32Array.from(numbers).buffer).toString("base64") : numbers,
      }
    }),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    ...echo(body, knownToEmbeddings),
  }
}

const plain = (request: WireRequest, exchange: Exchange, reply: Reply): Fields => {
  if (request.embeds !== undefined) return embeddings(request, request.embeds)
  const text = reply.pieces.join("")
  const message = (choice: number): Fields =>
    reply._tag === "Text"
      ? { role: "assistant", content: text, refusal: null, annotations: [] }
      : {
          role: "assistant",
          content: null,
          tool_calls: [
            { id: callId(exchange, choice), type: "function", function: { name: reply.name, arguments: text } },
          ],
          refusal: null,
          annotations: [],
        }
  return {
    ...envelope("chat.completion", request, exchange),
    choices: indexes(request).map((index) => ({
      index,
      message: message(index),
      logprobs: null,
      finish_reason: finishOf(reply),
    })),
    usage: usageOf(request, reply),
    ...echo(request.body, known),
  }
}

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`

const stream = (request: WireRequest, exchange: Exchange, reply: Reply): Events => {
  const counted = fields(request.body["stream_options"])["include_usage"] === true
  const every = { ...envelope("chat.completion.chunk", request, exchange), ...(counted ? { usage: null } : {}) }
  const chunk = (index: number, delta: Fields, finish: string | null = null, more: Fields = {}): string =>
    data({ ...every, choices: [{ index, delta, logprobs: null, finish_reason: finish }], ...more })
  const piece = (text: string): Fields =>
    reply._tag === "Text" ? { content: text } : { tool_calls: [{ index: 0, function: { arguments: text } }] }
  const opening = (choice: number): ReadonlyArray<string> =>
    reply._tag === "Text"
      ? []
      : [
          chunk(choice, {
            tool_calls: [
              {
                index: 0,
                id: callId(exchange, choice),
                type: "function",
                function: { name: reply.name, arguments: "" },
              },
            ],
          }),
        ]
  const content = reply._tag === "Text" ? "" : null
  const choices = indexes(request)
  return {
    preamble: choices.map((index) =>
      chunk(index, { role: "assistant", content, refusal: null }, null, index === 0 ? echo(request.body, known) : {}),
    ),
    output: choices.flatMap((index) => [...opening(index), ...reply.pieces.map((text) => chunk(index, piece(text)))]),
    finish: [
      ...choices.map((index) => chunk(index, {}, finishOf(reply))),
      ...(counted ? [data({ ...every, choices: [], usage: usageOf(request, reply) })] : []),
    ],
    done: ["data: [DONE]\n\n"],
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

/** An error in the vendor's format. */
type ErrorFields = readonly [status: number, type: string, code: string | null, message: string, param?: string]

/** The error of each fault. */
const errors: Readonly<Record<Behavior.Fault, (request: WireRequest, exchange: Exchange) => ErrorFields>> = {
  "rate-limit": ({ model }) => [
    429,
    "requests",
    "rate_limit_exceeded",
    `Rate limit reached for ${model} in organization org-understudy on requests per min (RPM): Limit 3, Used 3, Requested 1.`,
  ],
  quota: () => [
    429,
    "insufficient_quota",
    "insufficient_quota",
    "You exceeded your current quota, please check your plan and billing details.",
  ],
  "bad-key": (_, { key }) => [
    401,
    "invalid_request_error",
    "invalid_api_key",
    `Incorrect API key provided: ${key}. You can find your API key at https://platform.openai.com/account/api-keys.`,
  ],
  forbidden: () => [
    403,
    "request_forbidden",
    "unsupported_country_region_territory",
    "Country, region, or territory not supported",
  ],
  "unknown-model": ({ model }) => [
    404,
    "invalid_request_error",
    "model_not_found",
    `The model \`${model}\` does not exist or you do not have access to it.`,
  ],
  "context-length": () => [
    400,
    "invalid_request_error",
    "context_length_exceeded",
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 10001 tokens. Please reduce the length of the messages.",
    "messages",
  ],
  "content-policy": () => [
    400,
    "invalid_request_error",
    "invalid_prompt",
    "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt.",
  ],
  "invalid-request": () => [
    400,
    "invalid_request_error",
    "decimal_above_max_value",
    "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
    "temperature",
  ],
  "unsupported-parameter": () => [
    400,
    "invalid_request_error",
    "unsupported_parameter",
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    "max_tokens",
  ],
  // Azure's error: OpenAI documents none.
  timeout: () => [408, "timeout", "Timeout", "The operation was timeout."],
  "server-error": () => [
    500,
    "server_error",
    null,
    "The server had an error while processing your request. Sorry about that!",
  ],
  overloaded: () => [
    503,
    "service_unavailable_error",
    "server_is_overloaded",
    "Our servers are currently overloaded. Please try again later.",
  ],
}

const error = (request: WireRequest, exchange: Exchange, fault: Behavior.Fault): ErrorAnswer => {
  const [status, type, code, message, param = null] = errors[fault](request, exchange)
  return { status, headers: {}, body: { error: { message, type, param, code } } }
}

const errorEvent = (request: WireRequest, exchange: Exchange, fault: Behavior.Fault): Bytes =>
  data(error(request, exchange, fault).body)

/** A duration in OpenAI's format: `"20ms"`, `"1.5s"`, `"6m0s"`. */
const duration = (millis: number): string => {
  if (millis < 1_000) return `${millis}ms`
  const minutes = Math.floor(millis / 60_000)
  const seconds = `${(millis % 60_000) / 1_000}s`
  return minutes === 0 ? seconds : `${minutes}m${seconds}`
}

/** The Chat Completions API, also of compatible vendors. */
export const openAi: Wire = {
  vendor: "openai",
  read,
  headers: ({ serial }) => ({
    "x-request-id": `req_${serial}`,
    "openai-version": "2020-10-01",
    "openai-processing-ms": "1",
  }),
  streamType: "text/event-stream; charset=utf-8",
  plain,
  stream,
  error,
  resetHeaders: (_, millis) => ({
    "x-ratelimit-limit-requests": "3",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": duration(millis),
  }),
  errorEvent,
  malformedEvent: 'data: {"id":"chatcmpl-\n\n',
  ping: ": keep-alive\n\n",
}
