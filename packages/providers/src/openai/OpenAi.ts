/**
 * OpenAI by its Chat Completions or its Responses API, over the `openai` SDK; with `vendor` another that speaks the former
 * (see `Compatible`), and with `baseUrl` any endpoint that speaks either.
 *
 * The SDK knows the addresses and signs in; its retries and deadlines are off, and what it would parse is read here, for
 * it takes a stream that was cut for one that has ended.
 */
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
import * as Compatible from "./Compatible.ts"
import * as Errors from "./Errors.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

export const apis = ["chat-completions", "responses"] as const
export type Api = (typeof apis)[number]

export interface Options {
  /** Whose endpoint it is, if not OpenAI's: that vendor's address, key and dialect then hold. */
  readonly vendor?: Compatible.Name | undefined
  /** Else the vendor's environment variable, `OPENAI_API_KEY`. May be left out with a `baseUrl`, which may ask for none. */
  readonly apiKey?: Secret.Secret | undefined
  /** Where a compatible endpoint's API begins, such as `http://127.0.0.1:11434/v1`; else the vendor's own. */
  readonly baseUrl?: string | undefined
  readonly organization?: string | undefined
  /**
   * Which of OpenAI's APIs is spoken; `chat-completions`, which nearly every endpoint has, if not said. Some models, and
   * OpenAI's own tools, are to be had by `responses` alone; clients of the same API are understood best.
   */
  readonly api?: Api | undefined
  /**
   * Whether plain answers of `chat-completions` are asked for by stream, and put together here: for servers that otherwise
   * go on answering when nobody waits any more, as some do that one runs oneself. Of `ollama` and `vllm` if not said; a
   * configuration says it of every local address.
   */
  readonly plainByStream?: boolean | undefined
  /**
   * Whether its server is a local one, which may have to load its model first: it is given longer to answer. By the vendor
   * and the address if not said.
   */
  readonly local?: boolean | undefined
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The address of a proxy that its connections go through; else `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` names its host. */
  readonly proxy?: Secret.Secret | undefined
  /** How long a new connection may take to stand; 5 seconds if not said. */
  readonly connectTimeout?: Duration.Input | undefined
}

const openAi: Omit<Compatible.Vendor, "models"> = {
  baseUrl: "https://api.openai.com/v1",
  variable: "OPENAI_API_KEY",
  dialect: ChatCompletions.Compatibility.openAi,
}

// ---------------------------------------------------------------------------------------------------------------------
// Make
// ---------------------------------------------------------------------------------------------------------------------

/** The provider. Its connections are the transport's. */
export const make = Effect.fnUntraced(function* (
  options: Options = {},
): Effect.fn.Return<Provider["Service"], ProviderStartError | Config.ConfigError> {
  const { connectTimeout, headers, organization, proxy, vendor } = options
  const { baseUrl: own, dialect, variable } = vendor === undefined ? openAi : Compatible.vendors[vendor]
  const name = vendor ?? "openai"
  const baseUrl = options.baseUrl ?? own
  // A vendor's key is that vendor's: another server is only ever sent the key that was named for it.
  const key = yield* options.apiKey !== undefined || (options.baseUrl === undefined && variable !== undefined)
    ? Secret.read(options.apiKey, variable ?? "")
    : Effect.undefined
  if (key === undefined && options.baseUrl === undefined && variable !== undefined) return yield* noKey(name, variable)
  return yield* connect({
    vendor: name,
    key,
    baseUrl,
    dialect: vendor === undefined && !isOpenAi(baseUrl) ? Compatible.dialectAt(baseUrl) : dialect,
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
      message: `no API key: set ${variable}, or give the deployment an apiKey (or a baseUrl that asks for none)`,
    }),
  )

/** OpenAI's own address, any region's, or Azure's. */
const isOpenAi = (baseUrl: string): boolean =>
  /^https?:\/\/(?:[\w-]+\.)*openai\.(?:azure\.)?com(?=[:/]|$)/.test(baseUrl)

/** An endpoint of the protocol: where it is, how one signs in, and how it speaks. */
export interface Endpoint {
  readonly vendor: string
  readonly key: Redacted.Redacted | undefined
  readonly baseUrl: string
  readonly dialect: ChatCompletions.Compatibility.Compatibility
  /** Sent with every request; null takes away one of the SDK's own. */
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
  const sender = (yield* Transport.Transport).sender({
    connectTimeout: endpoint.connectTimeout,
    proxy,
    limits: yield* AnswerLimits,
  })
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
  const own = dialect === ChatCompletions.Compatibility.openAi
  const host = hasOwnSeals(baseUrl) ? undefined : EncryptedReasoning.hostAt(baseUrl)
  const limits: Limits = {
    user: dialect.user,
    names: ToolNames.common,
    tools: dialect.tools,
    hour: dialect.cache === undefined ? undefined : (model) => Claude.versionOf(model) !== undefined,
  }
  const server = own ? "openai" : "compatible"
  const template = yield* RequestTemplate.build(vendor, client, path, redaction)
  secrets.note(Secrets.inHeaders(template.headers))
  return yield* HttpProvider.make({
    vendor,
    codec,
    endpoint:
      endpoint.api === "responses"
        ? {
            name: host ?? vendor,
            host,
            limits,
            ids: own ? Responses.ids : { lenient: true },
            writeEncrypted: Responses.writeEncrypted,
          }
        : { name: host ?? vendor, host, limits, ids: dialect.toolIds },
    embedder: {
      ...Embeddings,
      Request: {
        native: (request) => Embeddings.Request.native(request, server),
        encode: (request) => Embeddings.Request.encode(request, server),
      },
      reason: Errors.embedding,
      template: yield* RequestTemplate.build("openai", client, "/embeddings", redaction),
    },
    reason: Errors.reason,
    local: endpoint.local === true,
    toComplete:
      endpoint.plainByStream === true && endpoint.api !== "responses" ? ChatCompletions.toComplete : undefined,
    key,
    redaction,
    sender,
    template,
  })
})

/** OpenAI itself, and those that hand through the seals of the vendors behind them as these gave them. */
const hasOwnSeals = (baseUrl: string): boolean =>
  /^https:\/\/(?:(?:[\w-]+\.)*openai\.com|generativelanguage\.googleapis\.com|openrouter\.ai)(?=[:/]|$)/.test(baseUrl)

interface Spoken {
  readonly codec: HttpProvider.ProtocolCodec<WireError>
  readonly path: string
}

const responses: Spoken = { codec: Responses, path: "/responses" }

const chatCompletions = (dialect: ChatCompletions.Compatibility.Compatibility): Spoken => ({
  codec: {
    ...ChatCompletions,
    Request: {
      native: (request, endpoint, _change, warn) => ChatCompletions.Request.native(request, dialect, endpoint, warn),
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
