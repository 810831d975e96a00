/**
 * Vertex AI's API for the fault server, under `…/projects/{project}/locations/{location}/`: Gemini, with embeddings by
 * `:predict` and `:embedContent`; Claude and Mistral by `:rawPredict` and `:streamRawPredict`; and the OpenAI-compatible
 * endpoint.
 *
 * Responses are those of the models' protocols. Errors of the account, the model and the server are Google's.
 */
import { anthropic } from "./Anthropic.ts"
import type * as Behavior from "./Behavior.ts"
import { gemini } from "./Gemini.ts"
import { openAi } from "./OpenAi.ts"
import type { ErrorAnswer, Exchange, Fields, Reply, Wire, WireRequest } from "./Wire.ts"
import { fields, list, stringOf, textOf, tokensOf, vector } from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Requests
// ---------------------------------------------------------------------------------------------------------------------

/** What follows the location in a path. */
const below = (path: string): string | undefined =>
  /\/v1(?:beta1)?\/projects\/[^/]+\/locations\/[^/]+\/(.+)$/.exec(path)?.[1]

/** The model and the method of a publisher's path. */
const method = (path: string, publisher: string): readonly [model: string, method: string] | undefined => {
  const [, own, model, name] = /^(?:publishers\/(\w+)\/models|endpoints)\/([^:]+):(\w+)$/.exec(below(path) ?? "") ?? []
  return model === undefined || name === undefined || (own ?? "google") !== publisher
    ? undefined
    : [decodeURIComponent(model), name]
}

const instances = (body: Fields): ReadonlyArray<string> =>
  list(body["instances"]).map((instance) => stringOf(fields(instance)["content"]))

const readGemini = (path: string, body: Fields): WireRequest | undefined => {
  const [model, name] = method(path, "google") ?? []
  if (model === undefined) return undefined
  const read = gemini.read(`/v1/models/${encodeURIComponent(model)}:generateContent`, body)
  switch (name) {
    case "generateContent":
      return read
    case "streamGenerateContent":
      return read && { ...read, stream: true }
    case "countTokens":
      return read && { ...read, counts: true }
    case "predict":
      return read && { ...read, embeds: instances(body) }
    case "embedContent":
      return read && { ...read, embeds: [textOf(fields(body["content"])["parts"])] }
    default:
      return undefined
  }
}

/** The body must have the version, and no model, except to count tokens. */
const readClaude = (path: string, body: Fields): WireRequest | undefined => {
  const [model, name] = method(path, "anthropic") ?? []
  if (model === undefined || body["anthropic_version"] !== "vertex-2023-10-16") return undefined
  const { anthropic_version: _, ...rest } = body
  if (model === "count-tokens") return anthropic.read("/v1/messages/count_tokens", rest)
  if (body["model"] !== undefined || (name === "streamRawPredict") !== (body["stream"] === true)) return undefined
  const read = anthropic.read("/v1/messages", rest)
  return read && { ...read, model }
}

const readOpen = (path: string, body: Fields): WireRequest | undefined => {
  const [model, name] = method(path, "mistralai") ?? []
  if (model !== undefined && (name === "streamRawPredict") !== (body["stream"] === true)) return undefined
  return model !== undefined || below(path) === "endpoints/openapi/chat/completions"
    ? openAi.read("/v1/chat/completions", body)
    : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Responses
// ---------------------------------------------------------------------------------------------------------------------

/** The response of the method: that of `:embedContent` if the body has one content. */
const embeddings = ({ body }: WireRequest, texts: ReadonlyArray<string>): Fields => {
  const settings = fields(body["parameters"] ?? body["embedContentConfig"])
  const values = (text: string) => vector(text, Number(settings["outputDimensionality"] ?? 8))
  const [only = ""] = texts
  return "content" in body
    ? { embedding: { values: values(only) }, usageMetadata: { promptTokenCount: tokensOf([only]) } }
    : {
        predictions: texts.map((text) => ({
          embeddings: { values: values(text), statistics: { token_count: tokensOf([text]), truncated: false } },
        })),
      }
}

const plainGemini = (request: WireRequest, exchange: Exchange, reply: Reply): unknown =>
  request.embeds === undefined ? gemini.plain(request, exchange, reply) : embeddings(request, request.embeds)

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

type ErrorFields = readonly [code: number, status: string, message: string, ...details: ReadonlyArray<Fields>]

/** Google's errors, whatever the model. */
const errors: Partial<Record<Behavior.Fault, (request: WireRequest, exchange: Exchange) => ErrorFields>> = {
  "rate-limit": () => [
    429,
    "RESOURCE_EXHAUSTED",
    "Resource exhausted. Please try again later. Please refer to https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.",
  ],
  quota: () => [
    403,
    "PERMISSION_DENIED",
    "This API method requires billing to be enabled. Please enable billing on project #1.",
    {
      "@type": "type.googleapis.com/google.rpc.ErrorInfo",
      reason: "BILLING_DISABLED",
      domain: "googleapis.com",
    },
  ],
  "bad-key": (_, { key }) => [
    401,
    "UNAUTHENTICATED",
    `Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. (${key})`,
  ],
  forbidden: ({ model }) => [
    403,
    "PERMISSION_DENIED",
    `Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/p/locations/l/publishers/x/models/${model}' (or it may not exist).`,
  ],
  "unknown-model": ({ model }) => [
    404,
    "NOT_FOUND",
    `Publisher Model \`projects/p/locations/l/publishers/x/models/${model}\` was not found or your project does not have access to it. Please ensure you are using a valid model version.`,
  ],
  timeout: () => [504, "DEADLINE_EXCEEDED", "The request timed out. Please try again."],
  "server-error": () => [500, "INTERNAL", "Internal error encountered."],
  overloaded: () => [503, "UNAVAILABLE", "The service is currently unavailable."],
}

const errorBy =
  (own: Wire): Wire["error"] =>
  (request, exchange, fault, reset): ErrorAnswer => {
    const of = errors[fault]
    if (of === undefined) return own.error(request, exchange, fault, reset)
    const [code, status, message, ...details] = of(request, exchange)
    const retry =
      reset === undefined
        ? []
        : [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${reset / 1000}s` }]
    const all = [...details, ...retry]
    return {
      status: code,
      headers: {},
      body: { error: { code, message, status, ...(all.length === 0 ? {} : { details: all }) } },
    }
  }

const over = (own: Wire, read: Wire["read"], plain: Wire["plain"] = own.plain): Wire => ({
  ...own,
  vendor: "vertex",
  read,
  plain,
  headers: gemini.headers,
  error: errorBy(own),
  resetHeaders: gemini.resetHeaders,
})

/** The APIs of Vertex AI. */
export const vertex: ReadonlyArray<Wire> = [
  over(gemini, readGemini, plainGemini),
  over(anthropic, readClaude),
  over(openAi, readOpen),
]
