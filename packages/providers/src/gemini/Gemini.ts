/**
 * Google's Gemini API, over `@google/genai`, and with `baseUrl` any endpoint that speaks it.
 *
 * The SDK knows the addresses and signs in. What it would write and parse is written and read here: it leaves out what
 * it does not know, and takes a stream that was cut for one that has ended.
 */
import { Provider } from "@understudy/core/Provider"
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
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

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

export interface Options {
  /** Else `GEMINI_API_KEY`, else `GOOGLE_API_KEY`. May be left out with a `baseUrl`, whose server may not ask for one. */
  readonly apiKey?: Secret.Secret | undefined
  /** Where a compatible endpoint is, such as `http://127.0.0.1:8080`; else Google's own. */
  readonly baseUrl?: string | undefined
  /** `v1beta` if not said: `v1` knows less. */
  readonly apiVersion?: string | undefined
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /**
   * Whether its server is a local one, which may have to load its model first: it is given longer to answer. By the vendor
   * and the address if not said.
   */
  readonly local?: boolean | undefined
  /** The address of a proxy that its connections go through; else `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` names its host. */
  readonly proxy?: Secret.Secret | undefined
  /** How long a new connection may take to stand; 5 seconds if not said. */
  readonly connectTimeout?: Duration.Input | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Make
// ---------------------------------------------------------------------------------------------------------------------

/** The provider. Its connections are the transport's. */
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
  // Google's key is Google's: another server is only ever sent the key that was named for it.
  const key = yield* options.baseUrl === undefined || options.apiKey !== undefined
    ? Effect.filterOrElse(Secret.read(options.apiKey, "GEMINI_API_KEY"), Predicate.isNotUndefined, () =>
        Secret.read(undefined, "GOOGLE_API_KEY"),
      )
    : Effect.undefined
  if (key === undefined && options.baseUrl === undefined) return yield* noKey
  const redaction = Redaction.make(
    Secrets.make({ keys: [key], headers: options.headers, urls: [options.baseUrl, proxy] }),
  )

  /** Has the SDK ask for an answer, and keeps what it would have sent. */
  const builder: RequestTemplate.Builder = {
    buildRequest: () =>
      new Promise((resolve, reject) => {
        const client = new sdk.GoogleGenAI({
          vertexai: false,
          apiKey: key === undefined ? "none" : Redacted.value(key),
          apiVersion: options.apiVersion ?? "v1beta",
          httpOptions: {
            baseUrl,
            headers: { ...options.headers },
            fetch: (url, init) => {
              const headers = new Headers(init?.headers)
              if (key === undefined) headers.delete(keyHeader)
              resolve({ url: String(url), req: { headers } })
              return Promise.resolve(Response.json({}))
            },
          },
        })
        client.models.generateContent({ model: "x", contents: "x" }).catch(reject)
      }),
  }
  const asked = yield* RequestTemplate.build("gemini", builder, "", redaction)
  const models = asked.path.slice(0, asked.path.lastIndexOf("x:"))
  const template = (method: string): RequestTemplate.RequestTemplate => ({
    ...asked,
    path: `${models}${RequestTemplate.placeholder}:${method}`,
  })

  const host = isGoogle(asked.origin) ? undefined : EncryptedReasoning.hostAt(options.baseUrl ?? asked.origin)
  return yield* HttpProvider.make({
    vendor: "gemini",
    codec: Gemini,
    endpoint: {
      name: host ?? "google",
      host,
      ids: { lenient: true },
      limits: { names: { longest: 64, refused: /[^\w.:-]/g, startsWithLetter: true } },
      writeEncrypted: (sealed) => Gemini.Signatures.write(sealed) ?? "",
    },
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

const isGoogle = (origin: string): boolean => /^https:\/\/(?:[\w-]+\.)*googleapis\.com(?=:|$)/.test(origin)

const keyHeader = "x-goog-api-key"

const noKey = Effect.fail(
  new ProviderStartError({
    provider: "gemini",
    message:
      "no API key: set GEMINI_API_KEY or GOOGLE_API_KEY, or give the deployment an apiKey (or a baseUrl that asks for none)",
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
