/**
 * Bedrock's API for the fault server: `POST …/model/{id}/converse`, `…/converse-stream` with binary frames, `…/count-tokens`,
 * and `…/invoke` for embeddings, as Titan for bodies with `inputText`, as Cohere for bodies with `texts`. The model's id is
 * URL-encoded.
 */
import * as Result from "effect/Result"
import type * as Behavior from "./Behavior.ts"
import * as EventStream from "./EventStream.ts"
import type { WireRequest, Bytes, ErrorAnswer, Events, Exchange, Fields, Reply, Wire } from "./Wire.ts"
import { fields, json, list, textOf, tokensOf, usage, vector, stringOf } from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

const choiceOf = (choice: Fields): WireRequest["choice"] => {
  if (choice["any"] !== undefined) return "required"
  const name = stringOf(fields(choice["tool"])["name"])
  return name === "" ? "auto" : { name }
}

const lastOf = (message: Fields): WireRequest["last"] => {
  const blocks = list(message["content"])
  const result = blocks.findLast((block) => fields(block)["toolResult"] !== undefined)
  return result === undefined
    ? { role: message["role"] === "user" ? "user" : "other", text: textOf(blocks) }
    : { role: "tool", text: textOf(fields(fields(result)["toolResult"])["content"]) }
}

const schemaOf = (format: Fields): Fields =>
  fields(json(stringOf(fields(fields(format["structure"])["jsonSchema"])["schema"])))

const decoded = (id: string): string =>
  Result.getOrElse(
    Result.try(() => decodeURIComponent(id)),
    () => id,
  )

const read = (path: string, body: Fields): WireRequest | undefined => {
  const match = /\/model\/([^/]+)\/(converse|converse-stream|invoke|count-tokens)$/.exec(path)
  if (match === null) return undefined
  const texts = [...(body["inputText"] === undefined ? [] : [body["inputText"]]), ...list(body["texts"])].map(stringOf)
  const toolConfig = fields(body["toolConfig"])
  return {
    model: decoded(stringOf(match[1])),
    stream: match[2] === "converse-stream",
    body,
    tools: list(toolConfig["tools"]).map((tool) => {
      const spec = fields(fields(tool)["toolSpec"])
      return { name: stringOf(spec["name"]), schema: fields(fields(spec["inputSchema"])["json"]) }
    }),
    choice: choiceOf(fields(toolConfig["toolChoice"])),
    schema: schemaOf(fields(fields(body["outputConfig"])["textFormat"])),
    last: lastOf(fields(list(body["messages"]).at(-1))),
    n: 1,
    ...(match[2] === "invoke" ? { embeds: texts } : undefined),
    ...(match[2] === "count-tokens" ? { counts: true } : undefined),
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Answer
// ---------------------------------------------------------------------------------------------------------------------

const finishes = { stop: "end_turn", length: "max_tokens", "content-filter": "content_filtered" } as const

const finishOf = (reply: Reply): string => (reply._tag === "Call" ? "tool_use" : finishes[reply.finish])

const callId = ({ serial }: Exchange): string => `tooluse_${serial}`

const accounts = (request: WireRequest, reply: Reply): Fields => {
  const { input, output } = usage(request, reply)
  return {
    usage: { inputTokens: input, outputTokens: output, totalTokens: input + output },
    metrics: { latencyMs: 1 },
  }
}

/** The last document first. */
const reranked = (documents: ReadonlyArray<unknown>): Fields => ({
  results: documents.map((_, index) => ({ index, relevance_score: (index + 1) / documents.length })).toReversed(),
})

/** Cohere's tokens are only in a header. */
const embeddings = ({ body }: WireRequest, texts: ReadonlyArray<string>): Fields => {
  if (body["query"] !== undefined) return reranked(list(body["documents"]))
  const dimensions = Number(body["dimensions"] ?? body["output_dimension"] ?? 8)
  const vectors = texts.map((text) => vector(text, dimensions))
  if (body["texts"] === undefined) {
    return { embedding: vectors[0], embeddingsByType: { float: vectors[0] }, inputTextTokenCount: tokensOf(texts) }
  }
  return body["embedding_types"] === undefined
    ? { id: "e", texts, embeddings: vectors, response_type: "embeddings_floats" }
    : { id: "e", texts, embeddings: { float: vectors }, response_type: "embeddings_by_type" }
}

const plain = (request: WireRequest, exchange: Exchange, reply: Reply): Fields => {
  if (request.embeds !== undefined) return embeddings(request, request.embeds)
  if (request.counts === true) return { inputTokens: usage(request, reply).input }
  const text = reply.pieces.join("")
  const block =
    reply._tag === "Text"
      ? { text }
      : { toolUse: { toolUseId: callId(exchange), name: reply.name, input: json(text) ?? { unparsed: text } } }
  return {
    output: { message: { role: "assistant", content: [block] } },
    stopReason: finishOf(reply),
    ...accounts(request, reply),
  }
}

/** Bedrock pads its events to hide the length of their text. */
const padding = "abcdefghijkl"

const event = (type: string, payload: Fields): Uint8Array => EventStream.event(type, { ...payload, p: padding })

const stream = (request: WireRequest, exchange: Exchange, reply: Reply): Events => {
  const opening =
    reply._tag === "Text"
      ? []
      : [
          event("contentBlockStart", {
            contentBlockIndex: 0,
            start: { toolUse: { toolUseId: callId(exchange), name: reply.name } },
          }),
        ]
  return {
    preamble: [event("messageStart", { role: "assistant" })],
    output: [
      ...opening,
      ...reply.pieces.map((text) =>
        event("contentBlockDelta", {
          contentBlockIndex: 0,
          delta: reply._tag === "Text" ? { text } : { toolUse: { input: text } },
        }),
      ),
    ],
    finish: [
      event("contentBlockStop", { contentBlockIndex: 0 }),
      event("messageStop", { stopReason: finishOf(reply) }),
    ],
    done: [event("metadata", accounts(request, reply))],
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

/** An error in the vendor's format. */
type ErrorFields = readonly [status: number, name: string, message: string]

/** The error of each fault. */
const errors: Readonly<Record<Behavior.Fault, (request: WireRequest, exchange: Exchange) => ErrorFields>> = {
  "rate-limit": () => [429, "ThrottlingException", "Too many requests, please wait before trying again."],
  quota: () => [429, "ThrottlingException", "Too many tokens per day, please wait before trying again."],
  "bad-key": (_, { key }) => [
    403,
    "UnrecognizedClientException",
    `The security token included in the request is invalid: ${key}`,
  ],
  forbidden: () => [403, "AccessDeniedException", "You don't have access to the model with the specified model ID."],
  "unknown-model": () => [400, "ValidationException", "The provided model identifier is invalid."],
  "context-length": () => [400, "ValidationException", "Input is too long for requested model."],
  "content-policy": () => [
    400,
    "ValidationException",
    "The model returned the following errors: Output blocked by content filtering policy",
  ],
  "invalid-request": () => [
    400,
    "ValidationException",
    "1 validation error detected: Value '3.0' at 'inferenceConfig.temperature' failed to satisfy constraint: Member must have value less than or equal to 1",
  ],
  "unsupported-parameter": () => [
    400,
    "ValidationException",
    "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
  ],
  timeout: () => [
    408,
    "ModelTimeoutException",
    "Model has timed out in processing the request. Try your request again.",
  ],
  "server-error": () => [
    500,
    "InternalServerException",
    "The system encountered an unexpected error during processing. Try your request again.",
  ],
  overloaded: () => [503, "ServiceUnavailableException", "Bedrock is unable to process your request."],
}

const error = (request: WireRequest, exchange: Exchange, fault: Behavior.Fault): ErrorAnswer => {
  const [status, name, message] = errors[fault](request, exchange)
  return {
    status,
    headers: { "x-amzn-errortype": `${name}:http://internal.amazon.com/coral/com.amazon.bedrock/` },
    body: { message },
  }
}

/** The exceptions of a Converse stream: fewer than the error statuses. */
const exceptionOf = (fault: Behavior.Fault): string => {
  switch (fault) {
    case "rate-limit":
    case "quota":
      return "throttlingException"
    case "overloaded":
      return "serviceUnavailableException"
    case "server-error":
      return "internalServerException"
    case "timeout":
      return "modelStreamErrorException"
    case "bad-key":
    case "forbidden":
    case "unknown-model":
    case "context-length":
    case "content-policy":
    case "invalid-request":
    case "unsupported-parameter":
      return "validationException"
  }
}

const errorEvent = (request: WireRequest, exchange: Exchange, fault: Behavior.Fault): Bytes =>
  EventStream.exception(exceptionOf(fault), errors[fault](request, exchange)[2])

/** The Converse API. The header `x-amzn-errortype` has the name of an error. */
export const bedrock: Wire = {
  vendor: "bedrock",
  read,
  headers: ({ serial }, { embeds }) => ({
    "x-amzn-requestid": `00000000-0000-4000-8000-${String(serial).padStart(12, "0")}`,
    ...(embeds === undefined ? undefined : { "x-amzn-bedrock-input-token-count": String(tokensOf(embeds)) }),
  }),
  streamType: "application/vnd.amazon.eventstream",
  plain,
  stream,
  error,
  resetHeaders: () => ({}),
  errorEvent,
  malformedEvent: EventStream.rawEvent("contentBlockDelta", '{"contentBlockIndex":'),
  ping: undefined,
}
