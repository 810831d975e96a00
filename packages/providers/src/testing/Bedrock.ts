/**
 * Bedrock's wire, as its Converse operations speak it: `POST …/model/{id}/converse` and `…/converse-stream`, the model's id
 * URL-encoded, a stream in binary frames. At `…/count-tokens` it counts; at `…/invoke` it embeds, as Titan where it is
 * sent `inputText`, as Cohere where it is sent `texts`.
 */
import * as Result from "effect/Result"
import type * as Behavior from "./Behavior.ts"
import * as EventStream from "./EventStream.ts"
import type { Asked, Bytes, ErrorAnswer, Events, Exchange, Fields, Reply, Wire } from "./Wire.ts"
import { fields, json, list, textOf, tokensOf, usage, vector, words } from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

const choiceOf = (choice: Fields): Asked["choice"] => {
  if (choice["any"] !== undefined) return "required"
  const name = words(fields(choice["tool"])["name"])
  return name === "" ? "auto" : { name }
}

const lastOf = (message: Fields): Asked["last"] => {
  const blocks = list(message["content"])
  const result = blocks.findLast((block) => fields(block)["toolResult"] !== undefined)
  return result === undefined
    ? { role: message["role"] === "user" ? "user" : "other", text: textOf(blocks) }
    : { role: "tool", text: textOf(fields(fields(result)["toolResult"])["content"]) }
}

const schemaOf = (format: Fields): Fields =>
  fields(json(words(fields(fields(format["structure"])["jsonSchema"])["schema"])))

const decoded = (id: string): string =>
  Result.getOrElse(
    Result.try(() => decodeURIComponent(id)),
    () => id,
  )

const read = (path: string, body: Fields): Asked | undefined => {
  const match = /\/model\/([^/]+)\/(converse|converse-stream|invoke|count-tokens)$/.exec(path)
  if (match === null) return undefined
  const texts = [...(body["inputText"] === undefined ? [] : [body["inputText"]]), ...list(body["texts"])].map(words)
  const toolConfig = fields(body["toolConfig"])
  return {
    model: decoded(words(match[1])),
    stream: match[2] === "converse-stream",
    body,
    tools: list(toolConfig["tools"]).map((tool) => {
      const spec = fields(fields(tool)["toolSpec"])
      return { name: words(spec["name"]), schema: fields(fields(spec["inputSchema"])["json"]) }
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

const accounts = (asked: Asked, reply: Reply): Fields => {
  const { input, output } = usage(asked, reply)
  return {
    usage: { inputTokens: input, outputTokens: output, totalTokens: input + output },
    metrics: { latencyMs: 1 },
  }
}

/** Cohere's tokens stand in a header alone. */
const embeddings = ({ body }: Asked, texts: ReadonlyArray<string>): Fields => {
  const dimensions = Number(body["dimensions"] ?? body["output_dimension"] ?? 8)
  const vectors = texts.map((text) => vector(text, dimensions))
  if (body["texts"] === undefined) {
    return { embedding: vectors[0], embeddingsByType: { float: vectors[0] }, inputTextTokenCount: tokensOf(texts) }
  }
  return body["embedding_types"] === undefined
    ? { id: "e", texts, embeddings: vectors, response_type: "embeddings_floats" }
    : { id: "e", texts, embeddings: { float: vectors }, response_type: "embeddings_by_type" }
}

const plain = (asked: Asked, exchange: Exchange, reply: Reply): Fields => {
  if (asked.embeds !== undefined) return embeddings(asked, asked.embeds)
  if (asked.counts === true) return { inputTokens: usage(asked, reply).input }
  const text = reply.pieces.join("")
  const block =
    reply._tag === "Text"
      ? { text }
      : { toolUse: { toolUseId: callId(exchange), name: reply.name, input: json(text) ?? { unparsed: text } } }
  return {
    output: { message: { role: "assistant", content: [block] } },
    stopReason: finishOf(reply),
    ...accounts(asked, reply),
  }
}

/** Bedrock pads its events so that their length does not tell their text. */
const padding = "abcdefghijkl"

const event = (type: string, payload: Fields): Uint8Array => EventStream.event(type, { ...payload, p: padding })

const stream = (asked: Asked, exchange: Exchange, reply: Reply): Events => {
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
    done: [event("metadata", accounts(asked, reply))],
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

type Worded = readonly [status: number, name: string, message: string]

const worded = (fault: Behavior.Fault, { key }: Exchange): Worded => {
  switch (fault) {
    case "rate-limit":
      return [429, "ThrottlingException", "Too many requests, please wait before trying again."]
    case "quota":
      return [429, "ThrottlingException", "Too many tokens per day, please wait before trying again."]
    case "bad-key":
      return [403, "UnrecognizedClientException", `The security token included in the request is invalid: ${key}`]
    case "forbidden":
      return [403, "AccessDeniedException", "You don't have access to the model with the specified model ID."]
    case "unknown-model":
      return [400, "ValidationException", "The provided model identifier is invalid."]
    case "context-length":
      return [400, "ValidationException", "Input is too long for requested model."]
    case "content-policy":
      return [
        400,
        "ValidationException",
        "The model returned the following errors: Output blocked by content filtering policy",
      ]
    case "invalid-request":
      return [
        400,
        "ValidationException",
        "1 validation error detected: Value '3.0' at 'inferenceConfig.temperature' failed to satisfy constraint: Member must have value less than or equal to 1",
      ]
    case "unsupported-parameter":
      return [
        400,
        "ValidationException",
        "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
      ]
    case "timeout":
      return [408, "ModelTimeoutException", "Model has timed out in processing the request. Try your request again."]
    case "server-error":
      return [
        500,
        "InternalServerException",
        "The system encountered an unexpected error during processing. Try your request again.",
      ]
    case "overloaded":
      return [503, "ServiceUnavailableException", "Bedrock is unable to process your request."]
  }
}

const error = (_: Asked, exchange: Exchange, fault: Behavior.Fault): ErrorAnswer => {
  const [status, name, message] = worded(fault, exchange)
  return {
    status,
    headers: { "x-amzn-errortype": `${name}:http://internal.amazon.com/coral/com.amazon.bedrock/` },
    body: { message },
  }
}

/** The exceptions that a Converse stream can carry: fewer than a status can. */
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

const errorEvent = (_: Asked, exchange: Exchange, fault: Behavior.Fault): Bytes =>
  EventStream.exception(exceptionOf(fault), worded(fault, exchange)[2])

/** The Converse API, errors named by `x-amzn-errortype`. */
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
