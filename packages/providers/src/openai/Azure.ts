/**
 * OpenAI's models on Azure: its protocol under a resource's own address, with a key in a header of its own. A model is
 * called by the name of its deployment there.
 *
 * Without an `apiVersion` it is asked by the v1 API, which has none; with one, by the API of that date, which has the
 * deployment in its address.
 */
import { Provider } from "@understudy/core/Provider"
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Compatibility from "../protocols/chat-completions/Compatibility.ts"
import { ProviderStartError } from "../ProviderStartError.ts"
import * as Secret from "../Secret.ts"
import { placeholder } from "../transport/RequestTemplate.ts"
import * as OpenAi from "./OpenAi.ts"

export interface Options {
  /** Else `AZURE_OPENAI_API_KEY`. */
  readonly apiKey?: Secret.Secret | undefined
  /** The resource's address, such as `https://mine.openai.azure.com`; else `AZURE_OPENAI_ENDPOINT`. */
  readonly endpoint?: string | undefined
  /** Such as `2024-10-21`. */
  readonly apiVersion?: string | undefined
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The address of a proxy that its connections go through; else `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` names its host. */
  readonly proxy?: Secret.Secret | undefined
  /** How long a new connection may take to stand; 5 seconds if not said. */
  readonly connectTimeout?: Duration.Input | undefined
}

/** The provider. Its connections are the transport's. */
export const make = Effect.fnUntraced(function* (
  options: Options = {},
): Effect.fn.Return<Provider["Service"], ProviderStartError | Config.ConfigError> {
  const key = yield* Secret.read(options.apiKey, "AZURE_OPENAI_API_KEY")
  const endpoint = options.endpoint ?? (yield* variable("AZURE_OPENAI_ENDPOINT"))
  if (key === undefined) return yield* lacking("no API key: set AZURE_OPENAI_API_KEY, or give the deployment an apiKey")
  if (endpoint === undefined) {
    return yield* lacking("no address: set AZURE_OPENAI_ENDPOINT, or give the deployment an endpoint")
  }
  const { apiVersion, connectTimeout, headers, proxy } = options
  const resource = endpoint.replace(/\/+$/, "").replace(/\/openai(?:\/v1)?$/, "")
  return yield* OpenAi.connect({
    vendor: "azure",
    key,
    dialect: Compatibility.openAi,
    headers: { authorization: null, "api-key": Redacted.value(key), ...headers },
    proxy,
    connectTimeout,
    ...(apiVersion === undefined
      ? { baseUrl: `${resource}/openai/v1` }
      : { baseUrl: `${resource}/openai/deployments/${placeholder}`, query: { "api-version": apiVersion } }),
  })
})

const variable = (name: string): Config.Config<string | undefined> =>
  Config.withDefault(Config.NonEmptyString(name), undefined)

const lacking = (message: string) => Effect.fail(new ProviderStartError({ provider: "azure", message }))

/**
 * ```ts
 * Deployment.make({ model: "my-gpt-4o", provider: Azure.layer({ endpoint: "https://mine.openai.azure.com" }) })
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<Provider, ProviderStartError | Config.ConfigError> =>
  Layer.effect(Provider, make(options))
