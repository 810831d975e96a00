/**
 * The provider of Anthropic, over the Messages API and `@anthropic-ai/sdk`. `baseUrl` selects any compatible endpoint.
 *
 * The SDK builds addresses and headers once. Its retries and timeouts are not used, and responses are read here: the SDK
 * takes an interrupted stream for a complete one.
 */
import { Provider } from "@understudy/core/Provider"
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Messages from "../protocols/messages/index.ts"
import { isLocal } from "../Local.ts"
import * as HttpProvider from "../HttpProvider.ts"
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
import * as Errors from "./Errors.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

export interface Options {
  /** The API key. Default: `ANTHROPIC_API_KEY`; with a `baseUrl`, no key. */
  readonly apiKey?: Secret.Secret | undefined
  /** The address of a compatible endpoint, such as `http://127.0.0.1:8080`, with or without `/v1`. Default: Anthropic's. */
  readonly baseUrl?: string | undefined
  /** Headers of every request, such as `anthropic-beta`. Those of a native call take precedence. */
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
  const sdk = yield* Start.sdk("anthropic", "@anthropic-ai/sdk", () => import("@anthropic-ai/sdk"))
  // The key of the environment is only sent to Anthropic: another server gets a configured key.
  const key = yield* options.baseUrl === undefined || options.apiKey !== undefined
    ? Secret.read(options.apiKey, "ANTHROPIC_API_KEY")
    : Effect.undefined
  if (key === undefined && options.baseUrl === undefined) return yield* noKey
  const client = new sdk.Anthropic({
    // Without a key the SDK searches the user's files for credentials.
    apiKey: key === undefined ? "none" : Redacted.value(key),
    baseURL: (options.baseUrl ?? "https://api.anthropic.com").replace(/\/+$/, "").replace(/\/v1$/, ""),
    defaultHeaders: { ...(key === undefined ? { authorization: null } : undefined), ...options.headers },
    logLevel: "off",
    openTelemetry: false,
  })

  const { baseUrl, connectTimeout, headers } = options
  const proxy = yield* Proxy.resolve("anthropic", options.proxy, client.baseURL)
  const sender = (yield* Transport.Transport).sender({ connectTimeout, proxy, limits: yield* AnswerLimits })
  const secrets = Secrets.make({ keys: [key], headers, urls: [baseUrl, proxy] })
  const redaction = Redaction.make(secrets)
  const template = yield* RequestTemplate.build("anthropic", client, "/v1/messages", redaction)
  secrets.note(Secrets.inHeaders(template.headers))
  const host = isAnthropic(client.baseURL) ? undefined : EncryptedReasoning.hostAt(client.baseURL)
  return yield* HttpProvider.make({
    vendor: "anthropic",
    codec: Messages,
    endpoint: {
      name: host ?? "anthropic",
      host,
      ids: { plain: true },
      limits: {
        user: 256,
        names: { ...ToolNames.common, longest: 128 },
        hour: (model) => host === undefined || Messages.Model.versionOf(model) !== undefined,
      },
    },
    counter: {
      ...Messages.Count,
      template: yield* RequestTemplate.build("anthropic", client, "/v1/messages/count_tokens", redaction),
    },
    reason: Errors.reason,
    local: options.local ?? isLocal("anthropic", options.baseUrl),
    key,
    redaction,
    sender,
    template,
  })
})

const isAnthropic = (baseUrl: string): boolean => /^https:\/\/(?:[\w-]+\.)*anthropic\.com(?=[:/]|$)/.test(baseUrl)

const noKey = Effect.fail(
  new ProviderStartError({
    provider: "anthropic",
    message: "no API key: set ANTHROPIC_API_KEY, or set apiKey on the deployment (or a baseUrl that needs no key)",
  }),
)

// ---------------------------------------------------------------------------------------------------------------------
// Layer
// ---------------------------------------------------------------------------------------------------------------------

/**
 * ```ts
 * Deployment.make({ model: "claude-sonnet-4-5", provider: Anthropic.layer() })
 * Deployment.make({ model: "claude-opus-5", provider: Anthropic.layer({ apiKey: Config.Redacted("OTHER_KEY") }) })
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<Provider, ProviderStartError | Config.ConfigError> =>
  Layer.effect(Provider, make(options))
