/**
 * OpenAI's wire, as its chat completions and embeddings endpoints speak it: `POST …/chat/completions`, `…/embeddings`.
 *
 * Fields of a request that OpenAI does not know are given back in the answer's (or the stream's first chunk's) `echo`, so
 * that a test can see what came through.
 */
import type * as Behavior from "./Behavior.ts"
import type { Asked, Bytes, ErrorAnswer, Events, Exchange, Fields, Reply, Wire } from "./Wire.ts"
import { Buffer } from "node:buffer"
import { echo, fields, list, textOf, tokensOf, usage, vector, words } from "./Wire.ts"

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

const choiceOf = (choice: unknown): Asked["choice"] => {
  if (choice === "none" || choice === "required") return choice
  const name = words(fields(fields(choice)["function"])["name"])
  return name === "" ? "auto" : { name }
}

/** A string, or an array: of strings, of tokens, or of such arrays. */
const inputsOf = (input: unknown): ReadonlyArray<string> => {
  const several = list(input)
  if (several.length === 0) return [words(input)]
  return typeof several[0] === "number"
    ? [several.join(" ")]
    : several.map((each) => (Array.isArray(each) ? each.join(" ") : words(each)))
}

const readEmbeddings = (body: Fields): Asked => ({
  model: words(body["model"]),
  stream: false,
  body,
  tools: [],
  choice: "none",
  schema: {},
  last: { role: "other", text: "" },
  n: 1,
  embeds: inputsOf(body["input"]),
})

const read = (path: string, body: Fields): Asked | undefined => {
  if (path.endsWith("/embeddings")) return readEmbeddings(body)
  if (!path.endsWith("/chat/completions")) return undefined
  const last = fields(list(body["messages"]).at(-1))
  const role = last["role"]
  return {
    model: words(body["model"]),
    stream: body["stream"] === true,
    body,
    tools: list(body["tools"]).map((tool) => {
      const declared = fields(fields(tool)["function"])
      return { name: words(declared["name"]), schema: fields(declared["parameters"]) }
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

const usageOf = (asked: Asked, reply: Reply): Fields => {
  const { input, output } = usage(asked, reply)
  return {
    prompt_tokens: input,
    completion_tokens: output * asked.n,
    total_tokens: input + output * asked.n,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  }
}

const envelope = (object: string, asked: Asked, { serial, now }: Exchange): Fields => ({
  id: `chatcmpl-${serial}`,
  object,
  created: Math.floor(now / 1_000),
  model: asked.model,
  service_tier: "default",
  system_fingerprint: "fp_understudy",
})

const indexes = ({ n }: Asked): ReadonlyArray<number> => Array.from({ length: n }, (_, index) => index)

const knownToEmbeddings = new Set(["model", "input", "dimensions", "encoding_format", "user"])

/** In base64 where that is asked for: 32-bit floats, the lowest byte first. */
const embeddings = ({ body, model }: Asked, texts: ReadonlyArray<string>): Fields => {
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

const plain = (asked: Asked, exchange: Exchange, reply: Reply): Fields => {
  if (asked.embeds !== undefined) return embeddings(asked, asked.embeds)
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
    ...envelope("chat.completion", asked, exchange),
    choices: indexes(asked).map((index) => ({
      index,
      message: message(index),
      logprobs: null,
      finish_reason: finishOf(reply),
    })),
    usage: usageOf(asked, reply),
    ...echo(asked.body, known),
  }
}

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`

const stream = (asked: Asked, exchange: Exchange, reply: Reply): Events => {
  const counted = fields(asked.body["stream_options"])["include_usage"] === true
  const every = { ...envelope("chat.completion.chunk", asked, exchange), ...(counted ? { usage: null } : {}) }
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
  const spoken = reply._tag === "Text" ? "" : null
  const choices = indexes(asked)
  return {
    preamble: choices.map((index) =>
      chunk(
        index,
        { role: "assistant", content: spoken, refusal: null },
        null,
        index === 0 ? echo(asked.body, known) : {},
      ),
    ),
    output: choices.flatMap((index) => [...opening(index), ...reply.pieces.map((text) => chunk(index, piece(text)))]),
    finish: [
      ...choices.map((index) => chunk(index, {}, finishOf(reply))),
      ...(counted ? [data({ ...every, choices: [], usage: usageOf(asked, reply) })] : []),
    ],
    done: ["data: [DONE]\n\n"],
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

type Worded = readonly [status: number, type: string, code: string | null, message: string, param?: string]

const worded = (fault: Behavior.Fault, { model }: Asked, { key }: Exchange): Worded => {
  switch (fault) {
    case "rate-limit":
      return [
        429,
        "requests",
        "rate_limit_exceeded",
        `Rate limit reached for ${model} in organization org-understudy on requests per min (RPM): Limit 3, Used 3, Requested 1.`,
      ]
    case "quota":
      return [
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
      ]
    case "bad-key":
      return [
        401,
        "invalid_request_error",
        "invalid_api_key",
        `Incorrect API key provided: ${key}. You can find your API key at https://platform.openai.com/account/api-keys.`,
      ]
    case "forbidden":
      return [
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
      ]
    case "unknown-model":
      return [
        404,
        "invalid_request_error",
        "model_not_found",
        `The model \`${model}\` does not exist or you do not have access to it.`,
      ]
    case "context-length":
      return [
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 10001 tokens. Please reduce the length of the messages.",
        "messages",
      ]
    case "content-policy":
      return [
        400,
        "invalid_request_error",
        "invalid_prompt",
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt.",
      ]
    case "invalid-request":
      return [
        400,
        "invalid_request_error",
        "decimal_above_max_value",
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
        "temperature",
      ]
    case "unsupported-parameter":
      return [
        400,
        "invalid_request_error",
        "unsupported_parameter",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "max_tokens",
      ]
    case "timeout":
      // As Azure's front says it: OpenAI itself documents none.
      return [408, "timeout", "Timeout", "The operation was timeout."]
    case "server-error":
      return [500, "server_error", null, "The server had an error while processing your request. Sorry about that!"]
    case "overloaded":
      return [
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        "Our servers are currently overloaded. Please try again later.",
      ]
  }
}

const error = (asked: Asked, exchange: Exchange, fault: Behavior.Fault): ErrorAnswer => {
  const [status, type, code, message, param = null] = worded(fault, asked, exchange)
  return { status, headers: {}, body: { error: { message, type, param, code } } }
}

const errorEvent = (asked: Asked, exchange: Exchange, fault: Behavior.Fault): Bytes =>
  data(error(asked, exchange, fault).body)

/** `"20ms"`, `"1.5s"`, `"6m0s"`: how OpenAI writes when a limit is free again. */
const duration = (millis: number): string => {
  if (millis < 1_000) return `${millis}ms`
  const minutes = Math.floor(millis / 60_000)
  const seconds = `${(millis % 60_000) / 1_000}s`
  return minutes === 0 ? seconds : `${minutes}m${seconds}`
}

/** Also the wire of any endpoint that is compatible with OpenAI's. */
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
