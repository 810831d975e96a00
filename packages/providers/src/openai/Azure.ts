/**
 * The provider of Azure OpenAI. A model's id is the name of its deployment in the Azure resource.
 *
 * Without `apiVersion` the v1 API is called, which has no versions. With `apiVersion` the API of that date is called, whose
 * path contains the deployment.
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
import * as Compatible from "./Compatible.ts"
import * as OpenAi from "./OpenAi.ts"

export interface Options {
  /** The API key. Default: `AZURE_OPENAI_API_KEY`. */
  readonly apiKey?: Secret.Secret | undefined
  /** The resource's address, such as `https://mine.openai.azure.com`. Default: `AZURE_OPENAI_ENDPOINT`. */
  readonly endpoint?: string | undefined
  /** The date of a versioned API, such as `2024-10-21`. Default: the v1 API. */
  readonly apiVersion?: string | undefined
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The address of a proxy. Default: `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` contains the host. */
  readonly proxy?: Secret.Secret | undefined
  /** The timeout for opening a connection. Default: 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
}

/** The provider. Its connections belong to the `Transport`. */
export const make = Effect.fnUntraced(function* (
  options: Options = {},
): Effect.fn.Return<Provider["Service"], ProviderStartError | Config.ConfigError> {
  const key = yield* Secret.read(options.apiKey, "AZURE_OPENAI_API_KEY")
  const endpoint = options.endpoint ?? (yield* variable("AZURE_OPENAI_ENDPOINT"))
  if (key === undefined)
    return yield* startError("no API key: set AZURE_OPENAI_API_KEY, or set apiKey on the deployment")
  if (endpoint === undefined) {
    return yield* startError("no address: set AZURE_OPENAI_ENDPOINT, or set endpoint on the deployment")
  }
  const { apiVersion, connectTimeout, headers, proxy } = options
  const resource = endpoint.replace(/\/+$/, "").replace(/\/openai(?:\/v1)?$/, "")
  return yield* OpenAi.connect({
    vendor: "azure",
    key,
    dialect: Compatibility.openAi,
    operations: Compatible.ofAzure,
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

const startError = (message: string) => Effect.fail(new ProviderStartError({ provider: "azure", message }))

/**
 * ```ts
 * Deployment.make({ model: "my-gpt-4o", provider: Azure.layer({ endpoint: "https://mine.openai.azure.com" }) })
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<Provider, ProviderStartError | Config.ConfigError> =>
  Layer.effect(Provider, make(options))
