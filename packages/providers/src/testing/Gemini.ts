/**
 * Gemini's wire, as its content endpoints speak it: `POST …/models/{model}:generateContent` and
 * `:streamGenerateContent?alt=sse`, `:countTokens` and `:batchEmbedContents`, under `/v1beta` and `/v1`.
 *
 * Fields of a request that Gemini does not know are given back in the answer's (or the stream's first chunk's) `echo`, so
 * that a test can see what came through.
 */
import type * as Behavior from "./Behavior.ts"
import type { Asked, Bytes, ErrorAnswer, Events, Exchange, Fields, Reply, Wire } from "./Wire.ts"
import { echo, fields, json, list, textOf, tokensOf, usage, vector, words } from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

const known = new Set(
  (
    "cachedContent contents generationConfig labels model safetySettings serviceTier store systemInstruction " +
    "toolConfig tools"
  ).split(" "),
)

const choiceOf = (config: Fields): Asked["choice"] => {
  switch (config["mode"]) {
    case "NONE":
      return "none"
    case "ANY": {
      const [only, ...others] = list(config["allowedFunctionNames"])
      return only !== undefined && others.length === 0 ? { name: words(only) } : "required"
    }
    default:
      return "auto"
  }
}

const lastOf = ({ parts, role }: Fields): Asked["last"] => {
  const response = list(parts).findLast((part) => fields(part)["functionResponse"] !== undefined)
  if (response === undefined) return { role: role === "model" ? "other" : "user", text: textOf(parts) }
  const told = fields(fields(fields(response)["functionResponse"])["response"])
  return { role: "tool", text: words(told["output"] ?? told["error"]) || JSON.stringify(told) }
}

const schemaOf = (config: Fields): Fields => fields(config["responseJsonSchema"] ?? config["responseSchema"])

const address = /\/v1(?:beta)?\/models\/([^:]+):(generateContent|streamGenerateContent|countTokens|batchEmbedContents)$/

const embedsOf = (body: Fields): ReadonlyArray<string> =>
  list(body["requests"]).map((request) => textOf(fields(fields(request)["content"])["parts"]))

const read = (path: string, body: Fields): Asked | undefined => {
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
        return { name: words(name), schema: fields(parametersJsonSchema ?? parameters) }
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

const usageOf = (asked: Asked, reply: Reply): Fields => {
  const { input, output } = usage(asked, reply)
  return {
    promptTokenCount: input,
    candidatesTokenCount: output * asked.n,
    totalTokenCount: input + output * asked.n,
    promptTokensDetails: [{ modality: "TEXT", tokenCount: input }],
  }
}

/** A call bears a signature, as those of models that think do. */
const partOf = (reply: Reply, text: string, { serial }: Exchange): Fields =>
  reply._tag === "Text"
    ? { text }
    : {
        functionCall: { name: reply.name, args: json(text) ?? { unparsed: text } },
        thoughtSignature: Buffer.from(`thought ${serial}`).toString("base64"),
      }

const indexes = ({ n }: Asked): ReadonlyArray<number> => Array.from({ length: n }, (_, index) => index)

const envelope = (asked: Asked, { serial }: Exchange, reply: Reply): Fields => ({
  usageMetadata: usageOf(asked, reply),
  modelVersion: asked.model,
  responseId: `response-${serial}`,
})

const candidate = (index: number, parts: ReadonlyArray<Fields>, finish?: string): Fields => ({
  content: { parts, role: "model" },
  ...(finish === undefined ? {} : { finishReason: finish }),
  index,
})

const embeddings = (asked: Asked, texts: ReadonlyArray<string>): Fields => ({
  embeddings: texts.map((text, index) => {
    const { outputDimensionality } = fields(list(asked.body["requests"])[index])
    return { values: vector(text, Number(outputDimensionality ?? 8)) }
  }),
  usageMetadata: { promptTokenCount: tokensOf(texts) },
})

const plain = (asked: Asked, exchange: Exchange, reply: Reply): Fields => {
  if (asked.embeds !== undefined) return embeddings(asked, asked.embeds)
  if (asked.counts === true) return { totalTokens: usage(asked, reply).input }
  return answer(asked, exchange, reply)
}

const answer = (asked: Asked, exchange: Exchange, reply: Reply): Fields => ({
  candidates: indexes(asked).map((index) =>
    candidate(index, [partOf(reply, reply.pieces.join(""), exchange)], finishOf(reply)),
  ),
  ...envelope(asked, exchange, reply),
  ...echo(asked.body, known),
})

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`

/** Calls come whole, and no event is a preamble, or follows the finish. */
const stream = (asked: Asked, exchange: Exchange, reply: Reply): Events => {
  const every = envelope(asked, exchange, reply)
  const echoed = echo(asked.body, known)
  const pieces = reply._tag === "Text" ? reply.pieces : [reply.pieces.join("")]
  const chunk = (index: number, parts: ReadonlyArray<Fields>, finish?: string, more: Fields = {}): string =>
    data({ candidates: [candidate(index, parts, finish)], ...every, ...more })
  return {
    preamble: [],
    output: indexes(asked).flatMap((index) =>
      pieces.map((text, at) =>
        chunk(index, [partOf(reply, text, exchange)], undefined, index + at === 0 ? echoed : {}),
      ),
    ),
    finish: indexes(asked).map((index) => chunk(index, [{ text: "" }], finishOf(reply))),
    done: [],
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

type Worded = readonly [code: number, status: string, message: string, ...details: ReadonlyArray<Fields>]

const detail = (type: string, rest: Fields): Fields => ({ "@type": `type.googleapis.com/google.rpc.${type}`, ...rest })

const exceeded = (quotaId: string, { model }: Asked): Fields =>
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

const worded = (fault: Behavior.Fault, asked: Asked, { key }: Exchange): Worded => {
  switch (fault) {
    case "rate-limit":
      return [
        429,
        "RESOURCE_EXHAUSTED",
        overQuota,
        exceeded("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", asked),
      ]
    case "quota":
      return [
        429,
        "RESOURCE_EXHAUSTED",
        overQuota,
        exceeded("GenerateRequestsPerDayPerProjectPerModel-FreeTier", asked),
      ]
    case "bad-key":
      return [
        400,
        "INVALID_ARGUMENT",
        `API key not valid. Please pass a valid API key. (${key})`,
        detail("ErrorInfo", { reason: "API_KEY_INVALID", domain: "googleapis.com" }),
      ]
    case "forbidden":
      return [403, "PERMISSION_DENIED", "Your project has been denied access. Please contact support."]
    case "unknown-model":
      return [
        404,
        "NOT_FOUND",
        `models/${asked.model} is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods.`,
      ]
    case "context-length":
      return [
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
      ]
    case "content-policy":
      return [
        400,
        "INVALID_ARGUMENT",
        "The prompt could not be submitted. It contains sensitive words that violate Google's Responsible AI practices.",
      ]
    case "invalid-request":
      return [
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
      ]
    case "unsupported-parameter":
      return [400, "INVALID_ARGUMENT", `Penalty is not enabled for models/${asked.model}`]
    case "timeout":
      return [504, "DEADLINE_EXCEEDED", "The request timed out. Please try again."]
    case "server-error":
      return [
        500,
        "INTERNAL",
        "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
      ]
    case "overloaded":
      return [503, "UNAVAILABLE", "The model is overloaded. Please try again later."]
  }
}

/** Gemini says in the body when to come back. */
const error = (asked: Asked, exchange: Exchange, fault: Behavior.Fault, reset?: number): ErrorAnswer => {
  const [code, status, message, ...details] = worded(fault, asked, exchange)
  const said = reset === undefined ? details : [...details, detail("RetryInfo", { retryDelay: `${reset / 1_000}s` })]
  return {
    status: code,
    headers: {},
    body: { error: { code, message, status, ...(said.length === 0 ? {} : { details: said }) } },
  }
}

const errorEvent = (asked: Asked, exchange: Exchange, fault: Behavior.Fault): Bytes =>
  data(error(asked, exchange, fault).body)

/** Google's API for developers, streams as SSE. */
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
