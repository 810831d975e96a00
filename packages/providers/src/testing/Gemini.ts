/**
 * Gemini's API for the fault server: `POST …/models/{model}:generateContent`, `:streamGenerateContent?alt=sse`,
 * `:countTokens` and `:batchEmbedContents`, under `/v1beta` and `/v1`.
 *
 * The response (or the stream's first chunk) returns unknown fields of the request in `echo`, for tests.
 */
import type * as Behavior from "./Behavior.ts"
import type { WireRequest, Bytes, ErrorAnswer, Events, Exchange, Fields, Reply, Wire } from "./Wire.ts"
import { echo, fields, json, list, textOf, tokensOf, usage, vector, stringOf } from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

const known = new Set(
  (
    "cachedContent contents generationConfig labels model safetySettings serviceTier store systemInstruction " +
    "toolConfig tools"
  ).split(" "),
)

const choiceOf = (config: Fields): WireRequest["choice"] => {
  switch (config["mode"]) {
    case "NONE":
      return "none"
    case "ANY": {
      const [only, ...others] = list(config["allowedFunctionNames"])
      return only !== undefined && others.length === 0 ? { name: stringOf(only) } : "required"
    }
    default:
      return "auto"
  }
}

const lastOf = ({ parts, role }: Fields): WireRequest["last"] => {
  const response = list(parts).findLast((part) => fields(part)["functionResponse"] !== undefined)
  if (response === undefined) return { role: role === "model" ? "other" : "user", text: textOf(parts) }
  const result = fields(fields(fields(response)["functionResponse"])["response"])
  return { role: "tool", text: stringOf(result["output"] ?? result["error"]) || JSON.stringify(result) }
}

const schemaOf = (config: Fields): Fields => fields(config["responseJsonSchema"] ?? config["responseSchema"])

const address = /\/v1(?:beta)?\/models\/([^:]+):(generateContent|streamGenerateContent|countTokens|batchEmbedContents)$/

const embedsOf = (body: Fields): ReadonlyArray<string> =>
  list(body["requests"]).map((request) => textOf(fields(fields(request)["content"])["parts"]))

const read = (path: string, body: Fields): WireRequest | undefined => {
  const [, model, method] = address.exec(path) ?? []
  if (model === undefined) return undefined
  return {
    model: decodeURIComponent(model),
    stream: method === "streamGenerateContent",
    body,
    tools: list(body["tools"])
      .flatMap((tool) => list(fields(tool)["functionDeclarations"]))
      .map((declaration) => {
        const { name, parameters, parametersJsonSchema } = fields(declaration)
        return { name: stringOf(name), schema: fields(parametersJsonSchema ?? parameters) }
      }),
    choice: choiceOf(fields(fields(body["toolConfig"])["functionCallingConfig"])),
    schema: schemaOf(fields(body["generationConfig"])),
    last: lastOf(fields(list(body["contents"]).at(-1))),
    n: Math.min(8, Math.max(1, Number(fields(body["generationConfig"])["candidateCount"] ?? 1))),
    embeds: method === "batchEmbedContents" ? embedsOf(body) : undefined,
    counts: method === "countTokens",
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Answer
// ---------------------------------------------------------------------------------------------------------------------

const finishes = { stop: "STOP", length: "MAX_TOKENS", "content-filter": "SAFETY" } as const

const finishOf = (reply: Reply): string => (reply._tag === "Call" ? "STOP" : finishes[reply.finish])

const usageOf = (request: WireRequest, reply: Reply): Fields => {
  const { input, output } = usage(request, reply)
  return {
    promptTokenCount: input,
    candidatesTokenCount: output * request.n,
    totalTokenCount: input + output * request.n,
    promptTokensDetails: [{ modality: "TEXT", tokenCount: input }],
  }
}

/** Tool calls have a signature, like those of reasoning models. */
const partOf = (reply: Reply, text: string, { serial }: Exchange): Fields =>
  reply._tag === "Text"
    ? { text }
    : {
        functionCall: { name: reply.name, args: json(text) ?? { unparsed: text } },
        thoughtSignature: Buffer.from(`thought ${serial}`).toString("base64"),
      }

const indexes = ({ n }: WireRequest): ReadonlyArray<number> => Array.from({ length: n }, (_, index) => index)

const envelope = (request: WireRequest, { serial }: Exchange, reply: Reply): Fields => ({
  usageMetadata: usageOf(request, reply),
  modelVersion: request.model,
  responseId: `response-${serial}`,
})

const candidate = (index: number, parts: ReadonlyArray<Fields>, finish?: string): Fields => ({
  content: { parts, role: "model" },
  ...(finish === undefined ? {} : { finishReason: finish }),
  index,
})

const embeddings = (request: WireRequest, texts: ReadonlyArray<string>): Fields => ({
  embeddings: texts.map((text, index) => {
    const { outputDimensionality } = fields(list(request.body["requests"])[index])
    return { values: vector(text, Number(outputDimensionality ?? 8)) }
  }),
  usageMetadata: { promptTokenCount: tokensOf(texts) },
})

const plain = (request: WireRequest, exchange: Exchange, reply: Reply): Fields => {
  if (request.embeds !== undefined) return embeddings(request, request.embeds)
  if (request.counts === true) return { totalTokens: usage(request, reply).input }
  return answer(request, exchange, reply)
}

const answer = (request: WireRequest, exchange: Exchange, reply: Reply): Fields => ({
  candidates: indexes(request).map((index) =>
    candidate(index, [partOf(reply, reply.pieces.join(""), exchange)], finishOf(reply)),
  ),
  ...envelope(request, exchange, reply),
  ...echo(request.body, known),
})

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`

/** Tool calls are sent in one event. There is no preamble and no event after the finish. */
const stream = (request: WireRequest, exchange: Exchange, reply: Reply): Events => {
  const every = envelope(request, exchange, reply)
  const echoed = echo(request.body, known)
  const pieces = reply._tag === "Text" ? reply.pieces : [reply.pieces.join("")]
  const chunk = (index: number, parts: ReadonlyArray<Fields>, finish?: string, more: Fields = {}): string =>
    data({ candidates: [candidate(index, parts, finish)], ...every, ...more })
  return {
    preamble: [],
    output: indexes(request).flatMap((index) =>
      pieces.map((text, at) =>
        chunk(index, [partOf(reply, text, exchange)], undefined, index + at === 0 ? echoed : {}),
      ),
    ),
    finish: indexes(request).map((index) => chunk(index, [{ text: "" }], finishOf(reply))),
    done: [],
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

/** An error in the vendor's format. */
type ErrorFields = readonly [code: number, status: string, message: string, ...details: ReadonlyArray<Fields>]

const detail = (type: string, rest: Fields): Fields => ({ "@type": `type.googleapis.com/google.rpc.${type}`, ...rest })

const exceeded = (quotaId: string, { model }: WireRequest): Fields =>
  detail("QuotaFailure", {
    violations: [
      {
        quotaMetric: "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        quotaId,
        quotaDimensions: { location: "global", model },
        quotaValue: "3",
      },
    ],
  })

const overQuota =
  "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits."

/** The error of each fault. */
const errors: Readonly<Record<Behavior.Fault, (request: WireRequest, exchange: Exchange) => ErrorFields>> = {
  "rate-limit": (request) => [
    429,
    "RESOURCE_EXHAUSTED",
    overQuota,
    exceeded("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", request),
  ],
  quota: (request) => [
    429,
    "RESOURCE_EXHAUSTED",
    overQuota,
    exceeded("GenerateRequestsPerDayPerProjectPerModel-FreeTier", request),
  ],
  "bad-key": (_, { key }) => [
    400,
    "INVALID_ARGUMENT",
    `API key not valid. Please pass a valid API key. (${key})`,
    detail("ErrorInfo", { reason: "API_KEY_INVALID", domain: "googleapis.com" }),
  ],
  forbidden: () => [403, "PERMISSION_DENIED", "Your project has been denied access. Please contact support."],
  "unknown-model": (request) => [
    404,
    "NOT_FOUND",
    `models/${request.model} is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods.`,
  ],
  "context-length": () => [
    400,
    "INVALID_ARGUMENT",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
  ],
  "content-policy": () => [
    400,
    "INVALID_ARGUMENT",
    "The prompt could not be submitted. It contains sensitive words that violate Google's Responsible AI practices.",
  ],
  "invalid-request": () => [
    400,
    "INVALID_ARGUMENT",
    "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"warm\"",
    detail("BadRequest", {
      fieldViolations: [
        {
          field: "generation_config.temperature",
          description: "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"warm\"",
        },
      ],
    }),
  ],
  "unsupported-parameter": (request) => [400, "INVALID_ARGUMENT", `Penalty is not enabled for models/${request.model}`],
  timeout: () => [504, "DEADLINE_EXCEEDED", "The request timed out. Please try again."],
  "server-error": () => [
    500,
    "INTERNAL",
    "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
  ],
  overloaded: () => [503, "UNAVAILABLE", "The model is overloaded. Please try again later."],
}

/** Gemini sends the wait before a retry in the body. */
const error = (request: WireRequest, exchange: Exchange, fault: Behavior.Fault, reset?: number): ErrorAnswer => {
  const [code, status, message, ...details] = errors[fault](request, exchange)
  const all = reset === undefined ? details : [...details, detail("RetryInfo", { retryDelay: `${reset / 1_000}s` })]
  return {
    status: code,
    headers: {},
    body: { error: { code, message, status, ...(all.length === 0 ? {} : { details: all }) } },
  }
}

const errorEvent = (request: WireRequest, exchange: Exchange, fault: Behavior.Fault): Bytes =>
  data(error(request, exchange, fault).body)

/** The Gemini API, with SSE streams. */
export const gemini: Wire = {
  vendor: "gemini",
  read,
  headers: () => ({ "server-timing": "gfet4t7; dur=1", "x-content-type-options": "nosniff" }),
  streamType: "text/event-stream",
  plain,
  stream,
  error,
  resetHeaders: () => ({}),
  errorEvent,
  malformedEvent: 'data: {"candidates":[{"content":\n\n',
  ping: undefined,
}
