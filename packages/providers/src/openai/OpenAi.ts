/**
 * OpenAI by its Chat Completions API, over the `openai` SDK, and with `baseUrl` any endpoint that speaks it: Groq,
 * Together, Ollama, vLLM, Bedrock's own.
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
import * as Embeddings from "../protocols/embeddings/index.ts"
import * as HttpProvider from "../HttpProvider.ts"
import * as Start from "../ProviderStartError.ts"
import { ProviderStartError } from "../ProviderStartError.ts"
import * as Secret from "../Secret.ts"
import * as Prepared from "../transport/Prepared.ts"
import * as Transport from "../transport/Transport.ts"
import * as Errors from "./Errors.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

export interface Options {
  /** Else `OPENAI_API_KEY`. May be left out with a `baseUrl`, whose server may not ask for one. */
  readonly apiKey?: Secret.Secret | undefined
  /** Where a compatible endpoint's API begins, such as `http://127.0.0.1:11434/v1`; else OpenAI's own. */
  readonly baseUrl?: string | undefined
  readonly organization?: string | undefined
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
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
  const sdk = yield* Start.sdk("openai", "openai", () => import("openai"))
  const sender = (yield* Transport.Transport).sender({ connectTimeout: options.connectTimeout })
  // OpenAI's key is OpenAI's: another server is only ever sent the key that was named for it.
  const key = yield* options.baseUrl === undefined || options.apiKey !== undefined
    ? Secret.read(options.apiKey, "OPENAI_API_KEY")
    : Effect.undefined
  if (key === undefined && options.baseUrl === undefined) return yield* noKey
  const client = new sdk.OpenAI({
    apiKey: key === undefined ? "none" : Redacted.value(key),
    baseURL: options.baseUrl ?? "https://api.openai.com/v1",
    organization: options.organization ?? null,
    project: null,
    defaultHeaders: { ...(key === undefined ? { authorization: null } : undefined), ...options.headers },
    logLevel: "off",
  })

  const own = isOpenAi(client.baseURL)
  const dialect = own ? ChatCompletions.Request.openAi : ChatCompletions.Request.compatible
  const server = own ? "openai" : "compatible"
  return yield* HttpProvider.make({
    vendor: "openai",
    codec: {
      ...ChatCompletions,
      Request: {
        ...ChatCompletions.Request,
        encode: (request) => ChatCompletions.Request.encode(request, dialect),
      },
    },
    embedder: {
      ...Embeddings,
      Request: {
        native: (request) => Embeddings.Request.native(request, server),
        encode: (request) => Embeddings.Request.encode(request, server),
      },
      reason: Errors.embedding,
      prepared: yield* Prepared.build("openai", client, "/embeddings"),
    },
    reason: Errors.reason,
    key,
    sender,
    prepared: yield* Prepared.build("openai", client, "/chat/completions"),
  })
})

const noKey = Effect.fail(
  new ProviderStartError({
    provider: "openai",
    message: "no API key: set OPENAI_API_KEY, or give the deployment an apiKey (or a baseUrl that asks for none)",
  }),
)

/** OpenAI's own address, any region's, or Azure's. */
const isOpenAi = (baseUrl: string): boolean =>
  /^https?:\/\/(?:[\w-]+\.)*openai\.(?:azure\.)?com(?=[:/]|$)/.test(baseUrl)

// ---------------------------------------------------------------------------------------------------------------------
// Layer
// ---------------------------------------------------------------------------------------------------------------------

/**
 * ```ts
 * Deployment.make({ model: "gpt-4o", provider: OpenAi.layer() })
 * Deployment.make({ model: "llama3", provider: OpenAi.layer({ baseUrl: "http://127.0.0.1:11434/v1" }) })
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<Provider, ProviderStartError | Config.ConfigError> =>
  Layer.effect(Provider, make(options))
