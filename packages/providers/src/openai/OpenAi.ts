/**
 * The provider of OpenAI, over the Chat Completions or the Responses API and the `openai` SDK. `vendor` selects a compatible
 * vendor (see `Compatible`), `baseUrl` any compatible endpoint.
 *
 * The SDK builds addresses and headers once. Its retries and timeouts are not used, and responses are read here: the SDK
 * takes an interrupted stream for a complete one.
 */
import type { Name } from "@understudy/core/Operation"
import { Provider } from "@understudy/core/Provider"
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as ChatCompletions from "../protocols/chat-completions/index.ts"
import type { WireError } from "../protocols/chat-completions/Errors.ts"
import * as Embeddings from "../protocols/embeddings/index.ts"
import * as Responses from "../protocols/responses/index.ts"
import * as Claude from "../protocols/messages/Model.ts"
import { isLocal, isServer } from "../Local.ts"
import * as HttpProvider from "../HttpProvider.ts"
import type { Limits } from "../protocols/Endpoint.ts"
import * as EncryptedReasoning from "../protocols/EncryptedReasoning.ts"
import * as ToolNames from "../protocols/ToolNames.ts"
import * as Start from "../ProviderStartError.ts"
import { ProviderStartError } from "../ProviderStartError.ts"
import * as Secret from "../Secret.ts"
import { AnswerLimits } from "../transport/AnswerLimits.ts"
import * as RequestTemplate from "../transport/RequestTemplate.ts"
import * as Proxy from "../transport/Proxy.ts"
import * as Redaction from "../transport/Redaction.ts"
import * as Secrets from "../transport/Secrets.ts"
import * as Transport from "../transport/Transport.ts"
import type { Api } from "./Api.ts"
import * as Compatible from "./Compatible.ts"
import * as Errors from "./Errors.ts"
import * as Operations from "./Operations.ts"

export { apis } from "./Api.ts"
export type { Api } from "./Api.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

export interface Options {
  /** A compatible vendor, with its address, key and dialect. Default: OpenAI. */
  readonly vendor?: Compatible.Name | undefined
  /** The API key. Default: the vendor's environment variable, such as `OPENAI_API_KEY`; with a `baseUrl`, no key. */
  readonly apiKey?: Secret.Secret | undefined
  /** The base address of a compatible endpoint, such as `http://127.0.0.1:11434/v1`. Default: the vendor's. */
  readonly baseUrl?: string | undefined
  readonly organization?: string | undefined
  /**
   * The API for chat. Default: `chat-completions`, which nearly every endpoint has. Some models, and OpenAI's built-in tools,
   * need `responses`. The fewest conversions happen if clients use the same API.
   */
  readonly api?: Api | undefined
  /**
   * Whether complete responses of `chat-completions` are requested as streams and put together here. Some self-hosted servers
   * only stop generating when a stream's connection closes. Default: true for `ollama` and `vllm`; in a configuration, for
   * every local address.
   */
  readonly plainByStream?: boolean | undefined
  /**
   * Whether the server is local. A local server gets more time to answer, because it may have to load its model. Default: by
   * vendor and address.
   */
  readonly local?: boolean | undefined
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The address of a proxy. Default: `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` contains the host. */
  readonly proxy?: Secret.Secret | undefined
  /** The timeout for opening a connection. Default: 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
}

const openAi: Omit<Compatible.Vendor, "models"> = {
  baseUrl: "https://api.openai.com/v1",
  variable: "OPENAI_API_KEY",
  dialect: ChatCompletions.Compatibility.openAi,
  operations: Compatible.ofOpenAi,
}

// ---------------------------------------------------------------------------------------------------------------------
// Make
// ---------------------------------------------------------------------------------------------------------------------

/** The provider. Its connections belong to the `Transport`. */
export const make = Effect.fnUntraced(function* (
  options: Options = {},
): Effect.fn.Return<Provider["Service"], ProviderStartError | Config.ConfigError> {
  const { connectTimeout, headers, organization, proxy, vendor } = options
  const {
    baseUrl: defaultBaseUrl,
    dialect,
    operations,
    variable,
  } = vendor === undefined ? openAi : Compatible.vendors[vendor]
  const name = vendor ?? "openai"
  const baseUrl = options.baseUrl ?? defaultBaseUrl
  // The key of the environment is only sent to its vendor's address: another server gets a configured key.
  const key = yield* options.apiKey !== undefined || (options.baseUrl === undefined && variable !== undefined)
    ? Secret.read(options.apiKey, variable ?? "")
    : Effect.undefined
  if (key === undefined && options.baseUrl === undefined && variable !== undefined) return yield* noKey(name, variable)
  return yield* connect({
    vendor: name,
    key,
    baseUrl,
    ...(vendor === undefined && !isOpenAi(baseUrl) ? Compatible.at(baseUrl) : { dialect, operations }),
    headers: { ...(key === undefined ? { authorization: null } : undefined), ...headers },
    organization,
    api: options.api,
    local: options.local ?? isLocal(name, baseUrl),
    plainByStream: options.plainByStream ?? isServer(name),
    proxy,
    connectTimeout,
  })
})

const noKey = (provider: string, variable: string) =>
  Effect.fail(
    new ProviderStartError({
      provider,
      message: `no API key: set ${variable}, or set apiKey on the deployment (or a baseUrl that needs no key)`,
    }),
  )

/** Whether the address is OpenAI's, of any region, or Azure's. */
const isOpenAi = (baseUrl: string): boolean =>
  /^https?:\/\/(?:[\w-]+\.)*openai\.(?:azure\.)?com(?=[:/]|$)/.test(baseUrl)

/** An OpenAI-compatible endpoint: its address, credentials and dialect. */
export interface Endpoint {
  readonly vendor: string
  readonly key: Redacted.Redacted | undefined
  readonly baseUrl: string
  readonly dialect: ChatCompletions.Compatibility.Compatibility
  /** The operations besides chat and embeddings that it has. */
  readonly operations: ReadonlySet<Name>
  /** Headers of every request. `null` removes a header that the SDK sets. */
  readonly headers: Readonly<Record<string, string | null>>
  readonly query?: Readonly<Record<string, string>> | undefined
  readonly organization?: string | undefined
  readonly api?: Api | undefined
  readonly local?: boolean | undefined
  readonly plainByStream?: boolean | undefined
  readonly proxy: Secret.Secret | undefined
  readonly connectTimeout: Duration.Input | undefined
}

/** A provider for the endpoint. */
export const connect = Effect.fnUntraced(function* (
  endpoint: Endpoint,
): Effect.fn.Return<Provider["Service"], ProviderStartError | Config.ConfigError> {
  const { dialect, key, vendor } = endpoint
  const sdk = yield* Start.sdk("openai", "openai", () => import("openai"))
  const { baseUrl, headers } = endpoint
  const proxy = yield* Proxy.resolve(vendor, endpoint.proxy, baseUrl)
  const pool = yield* Transport.Transport
  const answers = yield* AnswerLimits
  const options = { connectTimeout: endpoint.connectTimeout, proxy }
  const sender = pool.sender({ ...options, limits: answers })
  const secrets = Secrets.make({ keys: [key], headers, urls: [baseUrl, proxy] })
  const redaction = Redaction.make(secrets)
  const client = new sdk.OpenAI({
    apiKey: key === undefined ? "none" : Redacted.value(key),
    baseURL: baseUrl,
    organization: endpoint.organization ?? null,
    project: null,
    defaultHeaders: headers,
    defaultQuery: endpoint.query,
    logLevel: "off",
  })
  const { codec, path } = endpoint.api === "responses" ? responses : chatCompletions(dialect)
  const isOwn = dialect === ChatCompletions.Compatibility.openAi
  const host = hasPortableSignatures(baseUrl) ? undefined : EncryptedReasoning.hostAt(baseUrl)
  const limits: Limits = {
    user: dialect.user,
    names: ToolNames.common,
    tools: dialect.tools,
    hour: dialect.cache === undefined ? undefined : (model) => Claude.versionOf(model) !== undefined,
  }
  const server = isOwn ? "openai" : "compatible"
  const template = yield* RequestTemplate.build(vendor, client, path, redaction)
  secrets.note(Secrets.inHeaders(template.headers))
  const embeddings = yield* RequestTemplate.build("openai", client, "/embeddings", redaction)
  return yield* HttpProvider.make({
    vendor,
    codec,
    endpoint:
      endpoint.api === "responses"
        ? {
            name: host ?? vendor,
            host,
            limits,
            ids: isOwn ? Responses.ids : { lenient: true },
            writeEncrypted: Responses.writeEncrypted,
          }
        : { name: host ?? vendor, host, limits, ids: dialect.toolIds },
    embedder: {
      ...Embeddings,
      Request: {
        native: (request) => Embeddings.Request.native(request, server),
        encode: (request) => Embeddings.Request.encode(request, server),
      },
      reason: Errors.operation("embeddings"),
      template: embeddings,
    },
    operations: {
      names: endpoint.operations,
      endpoints: Operations.endpoints(embeddings, { streamOptions: dialect.streamOptions }),
    },
    operationReason: ({ operation, path }) => (path === undefined ? Errors.operation : Errors.stored)(operation),
    reason: Errors.reason,
    local: endpoint.local === true,
    toComplete:
      endpoint.plainByStream === true && endpoint.api !== "responses" ? ChatCompletions.toComplete : undefined,
    key,
    redaction,
    sender,
    unbounded: pool.sender({ ...options, limits: { ...answers, answer: Number.POSITIVE_INFINITY } }),
    dialling: { ...options, limits: answers },
    template,
  })
})

/** Whether the host's signatures are valid with their vendor: OpenAI, and hosts that pass on their upstreams' signatures unchanged. */
const hasPortableSignatures = (baseUrl: string): boolean =>
  /^https:\/\/(?:(?:[\w-]+\.)*openai\.com|generativelanguage\.googleapis\.com|openrouter\.ai)(?=[:/]|$)/.test(baseUrl)

/** An API: its codec and its path. */
export interface ApiCodec {
  readonly codec: HttpProvider.ProtocolCodec<WireError>
  readonly path: string
}

const responses: ApiCodec = { codec: Responses, path: "/responses" }

/** Chat Completions in a dialect. */
export const chatCompletions = (dialect: ChatCompletions.Compatibility.Compatibility): ApiCodec => ({
  codec: {
    ...ChatCompletions,
    Request: {
      native: (request, endpoint, _change, warn) => ChatCompletions.Request.native(request, dialect, endpoint, warn),
      override: (body, request, overrides, change, warn) =>
        ChatCompletions.Request.override(body, request, overrides, change, warn, dialect),
      missingFeature: (request) => ChatCompletions.Request.missingFeature(request, dialect),
      encode: (request) => ChatCompletions.Request.encode(request, dialect),
      sharedFields: ChatCompletions.Request.sharedFields(dialect),
      streamed: (body, request) => ChatCompletions.Request.streamed(body, request, dialect),
    },
  },
  path: "/chat/completions",
})

// ---------------------------------------------------------------------------------------------------------------------
// Layer
// ---------------------------------------------------------------------------------------------------------------------

/**
 * ```ts
 * Deployment.make({ model: "gpt-4o", provider: OpenAi.layer() })
 * Deployment.make({ model: "gpt-5.6", provider: OpenAi.layer({ api: "responses" }) })
 * Deployment.make({ model: "llama-3.3-70b-versatile", provider: OpenAi.layer({ vendor: "groq" }) })
 * Deployment.make({ model: "llama3", provider: OpenAi.layer({ baseUrl: "http://127.0.0.1:11434/v1" }) })
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<Provider, ProviderStartError | Config.ConfigError> =>
  Layer.effect(Provider, make(options))
