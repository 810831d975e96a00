/**
 * The provider of Google's Gemini API, over `@google/genai`. `baseUrl` selects any compatible endpoint.
 *
 * The SDK builds addresses and headers once. Requests and responses are written and read here: the SDK drops fields that it
 * does not know, and takes an interrupted stream for a complete one.
 */
import { Provider } from "@understudy/core/Provider"
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import * as Gemini from "../protocols/gemini/index.ts"
import * as Embeddings from "../protocols/gemini-embeddings/index.ts"
import { isLocal } from "../Local.ts"
import * as HttpProvider from "../HttpProvider.ts"
import * as EncryptedReasoning from "../protocols/EncryptedReasoning.ts"
import * as Start from "../ProviderStartError.ts"
import { ProviderStartError } from "../ProviderStartError.ts"
import * as Secret from "../Secret.ts"
import { AnswerLimits } from "../transport/AnswerLimits.ts"
import * as RequestTemplate from "../transport/RequestTemplate.ts"
import * as Proxy from "../transport/Proxy.ts"
import * as Redaction from "../transport/Redaction.ts"
import * as Secrets from "../transport/Secrets.ts"
import * as Transport from "../transport/Transport.ts"
import * as Errors from "./Errors.ts"
import { endpointAt, sdkRequest, templateModel } from "./GoogleApi.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

export interface Options {
  /** The API key. Default: `GEMINI_API_KEY`, else `GOOGLE_API_KEY`; with a `baseUrl`, no key. */
  readonly apiKey?: Secret.Secret | undefined
  /** The address of a compatible endpoint, such as `http://127.0.0.1:8080`. Default: Google's. */
  readonly baseUrl?: string | undefined
  /** The version of the API. Default: `v1beta`, which has more features than `v1`. */
  readonly apiVersion?: string | undefined
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /**
   * Whether the server is local. A local server gets more time to answer, because it may have to load its model. Default: by
   * vendor and address.
   */
  readonly local?: boolean | undefined
  /** The address of a proxy. Default: `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` contains the host. */
  readonly proxy?: Secret.Secret | undefined
  /** The timeout for opening a connection. Default: 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Make
// ---------------------------------------------------------------------------------------------------------------------

/** The provider. Its connections belong to the `Transport`. */
export const make = Effect.fnUntraced(function* (
  options: Options = {},
): Effect.fn.Return<Provider["Service"], ProviderStartError | Config.ConfigError> {
  const { baseUrl = "https://generativelanguage.googleapis.com" } = options
  const sdk = yield* Start.sdk("gemini", "@google/genai", () => import("@google/genai"))
  const proxy = yield* Proxy.resolve("gemini", options.proxy, baseUrl)
  const sender = (yield* Transport.Transport).sender({
    connectTimeout: options.connectTimeout,
    proxy,
    limits: yield* AnswerLimits,
  })
  const key = yield* readKey(options)
  if (key === undefined && options.baseUrl === undefined) return yield* noKey
  const redaction = Redaction.make(
    Secrets.make({ keys: [key], headers: options.headers, urls: [options.baseUrl, proxy] }),
  )
  const base = yield* RequestTemplate.build("gemini", sdkRequest(sdk, baseUrl, key, options), "", redaction)
  const template = methodTemplates(base)

  const host = isGoogle(base.origin) ? undefined : EncryptedReasoning.hostAt(options.baseUrl ?? base.origin)
  return yield* HttpProvider.make({
    vendor: "gemini",
    codec: Gemini,
    endpoint: endpointAt(host),
    reason: Errors.reason,
    local: options.local ?? isLocal("gemini", options.baseUrl),
    key,
    redaction,
    sender,
    embedder: { ...Embeddings, template: template("batchEmbedContents") },
    counter: { ...Gemini.Count, template: template("countTokens") },
    template: template("generateContent"),
    streaming: template("streamGenerateContent?alt=sse"),
  })
})

/** The configured key, else that of the environment. The latter is only sent to Google. */
const readKey = ({ apiKey, baseUrl }: Options): Effect.Effect<Redacted.Redacted | undefined, Config.ConfigError> =>
  baseUrl === undefined || apiKey !== undefined
    ? Effect.filterOrElse(Secret.read(apiKey, "GEMINI_API_KEY"), Predicate.isNotUndefined, () =>
        Secret.read(undefined, "GOOGLE_API_KEY"),
      )
    : Effect.undefined

/** The templates of other methods, from that of `generateContent` with `templateModel`. */
const methodTemplates = (template: RequestTemplate.RequestTemplate) => {
  const models = template.path.slice(0, template.path.lastIndexOf(`${templateModel}:`))
  return (method: string): RequestTemplate.RequestTemplate => ({
    ...template,
    path: `${models}${RequestTemplate.placeholder}:${method}`,
  })
}

const isGoogle = (origin: string): boolean => /^https:\/\/(?:[\w-]+\.)*googleapis\.com(?=:|$)/.test(origin)

const noKey = Effect.fail(
  new ProviderStartError({
    provider: "gemini",
    message:
      "no API key: set GEMINI_API_KEY or GOOGLE_API_KEY, or set apiKey on the deployment (or a baseUrl that needs no key)",
  }),
)

// ---------------------------------------------------------------------------------------------------------------------
// Layer
// ---------------------------------------------------------------------------------------------------------------------

/**
 * ```ts
 * Deployment.make({ model: "gemini-3-pro-preview", provider: Gemini.layer() })
 * Deployment.make({ model: "gemini-2.5-flash", provider: Gemini.layer({ apiKey: Config.Redacted("OTHER_KEY") }) })
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<Provider, ProviderStartError | Config.ConfigError> =>
  Layer.effect(Provider, make(options))
