/**
 * The providers of Vertex AI's APIs, each over its protocol: Gemini, Messages, and Chat Completions.
 *
 * The vendors' SDKs build the headers. The paths are Vertex AI's: the SDKs' own clients for it read other variables of the
 * environment, and write to the console.
 */
import type * as Chat from "@understudy/core/Chat"
import type * as Embedding from "@understudy/core/Embedding"
import type { Provider } from "@understudy/core/Provider"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as AnthropicErrors from "../anthropic/Errors.ts"
import { sdkRequest } from "../gemini/Gemini.ts"
import * as HttpProvider from "../HttpProvider.ts"
import * as OpenAiErrors from "../openai/Errors.ts"
import * as OpenAi from "../openai/OpenAi.ts"
import * as Compatible from "../openai/Compatible.ts"
import type { Host } from "../protocols/EncryptedReasoning.ts"
import * as Gemini from "../protocols/gemini/index.ts"
import type { Compatibility } from "../protocols/chat-completions/Compatibility.ts"
import { compatible, lacking } from "../protocols/chat-completions/Compatibility.ts"
import * as Messages from "../protocols/messages/index.ts"
import * as ToolNames from "../protocols/ToolNames.ts"
import * as Start from "../ProviderStartError.ts"
import type { ProviderStartError } from "../ProviderStartError.ts"
import type { Redaction } from "../transport/Redaction.ts"
import * as RequestTemplate from "../transport/RequestTemplate.ts"
import type { Api } from "./Api.ts"
import { resourceOf } from "./Api.ts"
import * as Embeddings from "./Embeddings.ts"
import * as Errors from "./Errors.ts"

/** What the providers have in common. */
export interface Connection {
  readonly origin: string
  /** The path of the project's resources in the location, by the default version of the API. */
  readonly parent: (version: string) => string
  /** Headers of every request. */
  readonly headers: Readonly<Record<string, string>> | undefined
  /** The host of encrypted reasoning: see `EncryptedReasoning`. */
  readonly host: Host
  readonly common: Pick<HttpProvider.Options<HttpProvider.WireError>, "key" | "redaction" | "sender" | "local">
}

const vendor = "vertex"

type Made = Effect.Effect<Provider["Service"], ProviderStartError>

/** Headers that the SDKs' clients of the vendors' own APIs send, and Vertex AI does not take. */
const ownHeaders = new Set(["anthropic-version", "authorization", "x-api-key", "x-goog-api-key"])

/** The headers of an SDK's request. */
const headersOf = (client: RequestTemplate.Builder, path: string, redaction: Redaction) =>
  Effect.map(RequestTemplate.build(vendor, client, path, redaction), ({ headers }) =>
    headers.flatMap((name, at) =>
      at % 2 === 1 || ownHeaders.has(name.toLowerCase()) ? [] : [name, headers[at + 1] ?? ""],
    ),
  )

/** The template of a method of a publisher's models. */
const methods =
  (origin: string, models: string, publisher: string, headers: ReadonlyArray<string>) =>
  (method: string): RequestTemplate.RequestTemplate => ({
    origin,
    path: `${models}/${RequestTemplate.placeholder}:${method}`,
    headers,
    modelPath: resourceOf(publisher),
  })

// ---------------------------------------------------------------------------------------------------------------------
// Gemini
// ---------------------------------------------------------------------------------------------------------------------

/** Google's models. */
const gemini = Effect.fnUntraced(function* ({
  common,
  headers,
  host,
  origin,
  parent,
}: Connection): Effect.fn.Return<Provider["Service"], ProviderStartError> {
  const sdk = yield* Start.sdk(vendor, "@google/genai", () => import("@google/genai"))
  const client = sdkRequest(sdk, origin, undefined, { headers })
  const template = methods(origin, parent("v1beta1"), "google", yield* headersOf(client, "", common.redaction))
  const options: HttpProvider.Options<Errors.VertexError<ReturnType<typeof Gemini.Errors.parse>>> = {
    ...common,
    vendor,
    codec: Gemini,
    endpoint: {
      name: host ?? "google",
      host,
      ids: { lenient: true },
      limits: { names: { longest: 64, refused: /[^\w.:-]/g, startsWithLetter: true } },
      writeEncrypted: (sealed) => Gemini.Signatures.write(sealed) ?? "",
    },
    reason: Errors.reason,
    counter: { body: countBody, decode: Gemini.Count.decode, template: template("countTokens") },
    template: template("generateContent"),
    streaming: template("streamGenerateContent?alt=sse"),
  }
  const provider = yield* HttpProvider.make({
    ...options,
    embedder: { ...Embeddings.predict, template: template("predict") },
  })
  const newer = yield* HttpProvider.make({
    ...options,
    embedder: { ...Embeddings.embedContent, template: template("embedContent") },
  })
  return { ...provider, embed: embedBy(provider.embed!, newer.embed!) }
})

/** The fields of a request that are counted, in either spelling. Others are rejected. */
const counted = new Set([
  "contents",
  "systemInstruction",
  "system_instruction",
  "tools",
  "generationConfig",
  "generation_config",
])

const countBody = (body: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(body).filter(([name]) => counted.has(name)))

type Embed = (request: Embedding.Request) => Effect.Effect<Embedding.Response, ProviderError>

/** Embeds with the method of the model, in requests of as many texts as it takes. */
const embedBy =
  (predict: Embed, embedContent: Embed): Embed =>
  (request) => {
    const embed = Embeddings.hasEmbedContent(request.model) ? embedContent : predict
    const batch = Embeddings.batchOf(request.model)
    if (request.input.length <= batch) return embed(request)
    const requests = Arr.chunksOf(request.input, batch).map((input) => ({ ...request, input }))
    return Effect.map(Effect.forEach(requests, embed, { concurrency: maxRequests }), Embeddings.merge)
  }

/** The maximum of concurrent requests for one call. */
const maxRequests = 8

// ---------------------------------------------------------------------------------------------------------------------
// Claude
// ---------------------------------------------------------------------------------------------------------------------

/** The version of Claude's API on Vertex AI. The model is in the URL. */
const version = { anthropic_version: "vertex-2023-10-16" }

const versioned = ({ model: _model, ...body }: Record<string, unknown>): Record<string, unknown> => ({
  ...version,
  ...body,
})

/** Messages, with the version in the body and the model in the URL. */
const claude: HttpProvider.ProtocolCodec<Errors.VertexError<ReturnType<typeof Messages.Errors.parse>>> = {
  ...Messages,
  Request: {
    ...Messages.Request,
    native: (chat, endpoint, change) => {
      const body = Messages.Request.native(chat, endpoint, change)
      return body && versioned(body)
    },
    encode: (chat) =>
      Result.map(Messages.Request.encode(chat), (encoded) => ({ ...encoded, body: versioned(encoded.body) })),
  },
  Errors: { parse: Errors.parsing(Messages.Errors.parse) },
}

/** Of what a client sends to Anthropic. Its version is in the body, and an unknown query parameter is an error. */
const accept: RequestTemplate.RequestTemplate["accept"] = ({ headers }) => {
  const beta = headers?.["anthropic-beta"]
  return beta === undefined ? {} : { headers: { "anthropic-beta": beta } }
}

/** Anthropic's models. */
const anthropic = Effect.fnUntraced(function* ({
  common,
  headers,
  host,
  origin,
  parent,
}: Connection): Effect.fn.Return<Provider["Service"], ProviderStartError> {
  const sdk = yield* Start.sdk(vendor, "@anthropic-ai/sdk", () => import("@anthropic-ai/sdk"))
  const client = new sdk.Anthropic({
    apiKey: "none",
    baseURL: origin,
    defaultHeaders: { authorization: null, ...headers },
    logLevel: "off",
    openTelemetry: false,
  })
  const models = parent("v1")
  const method = methods(origin, models, "anthropic", yield* headersOf(client, "/v1/messages", common.redaction))
  const template = { ...method("rawPredict"), accept }
  return yield* HttpProvider.make({
    ...common,
    vendor,
    codec: claude,
    endpoint: {
      name: host ?? "anthropic",
      host,
      ids: { plain: true },
      limits: { user: 256, names: { ...ToolNames.common, longest: 128 } },
    },
    reason: Errors.table(AnthropicErrors.reason),
    counter: {
      body: (body, { model }) => ({ ...version, ...Messages.Count.body({ ...body, model: claudeOf(model) }) }),
      decode: Messages.Count.decode,
      template: { ...template, path: `${models}/publishers/anthropic/models/count-tokens:rawPredict` },
    },
    template,
    streaming: { ...method("streamRawPredict"), accept },
  })
})

/** The id of a model without its publisher. */
const claudeOf = (model: string): string => resourceOf("anthropic")(model).replace(/^.*\//, "")

// ---------------------------------------------------------------------------------------------------------------------
// Open models, and Mistral's
// ---------------------------------------------------------------------------------------------------------------------

/** The open models that Google serves. */
const open: Compatibility = {
  ...compatible,
  documents: "text",
  reasoning: "reasoning_content",
  lacks: lacking("cache keys", "custom tools", "refusals", "top_k"),
}

/** A provider of Chat Completions at these templates, given the headers. */
const chatCompletions = Effect.fnUntraced(function* (
  { common, headers, host, origin }: Connection,
  dialect: Compatibility,
  templates: (
    headers: ReadonlyArray<string>,
  ) => Pick<HttpProvider.Options<HttpProvider.WireError>, "template" | "streaming">,
  body: (body: Record<string, unknown>) => Record<string, unknown> = (body) => body,
): Effect.fn.Return<Provider["Service"], ProviderStartError> {
  const sdk = yield* Start.sdk(vendor, "openai", () => import("openai"))
  const client = new sdk.OpenAI({
    apiKey: "none",
    baseURL: origin,
    organization: null,
    project: null,
    defaultHeaders: { authorization: null, ...headers },
    logLevel: "off",
  })
  const { codec } = OpenAi.chatCompletions(dialect)
  const { Request } = codec
  return yield* HttpProvider.make({
    ...common,
    ...templates(yield* headersOf(client, "/chat/completions", common.redaction)),
    vendor,
    codec: {
      ...codec,
      Request: {
        ...Request,
        native: (...args: Parameters<typeof Request.native>) => {
          const own = Request.native(...args)
          return own && body(own)
        },
        encode: (chat: Chat.Request) =>
          Result.map(Request.encode(chat), (encoded) => ({ ...encoded, body: body(encoded.body) })),
      },
      Errors: { parse: Errors.parsing(codec.Errors.parse) },
    },
    endpoint: {
      name: host ?? vendor,
      host,
      limits: { user: dialect.user, names: ToolNames.common, tools: dialect.tools },
      ids: dialect.toolIds,
    },
    reason: Errors.table(OpenAiErrors.reason),
  })
})

/** The models behind the OpenAI-compatible endpoint. The model is in the body. */
const openai = (connection: Connection): Made =>
  chatCompletions(connection, open, (headers) => ({
    template: {
      origin: connection.origin,
      path: `${connection.parent("v1")}/endpoints/openapi/chat/completions`,
      headers,
    },
  }))

/** Mistral's models: its own protocol, with the model in the URL and in the body. */
const mistral = (connection: Connection): Made =>
  chatCompletions(
    connection,
    Compatible.vendors.mistral.dialect,
    (headers) => {
      const template = methods(connection.origin, connection.parent("v1"), "mistralai", headers)
      return { template: template("rawPredict"), streaming: template("streamRawPredict") }
    },
    ({ model, ...body }) => ({ ...body, model: bare(String(model)) }),
  )

/** The id of a model without its publisher and its version. */
const bare = (model: string): string => model.replace(/^.*\//, "").replace(/@.*$/, "")

/** The provider of each API. */
export const connect: Readonly<Record<Api, (connection: Connection) => Made>> = { gemini, anthropic, mistral, openai }
