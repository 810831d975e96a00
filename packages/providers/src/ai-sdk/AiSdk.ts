/**
 * The bridge to the AI SDK (the npm package `ai`), both ways: a route as a model of `ai`, and any model of its vendors'
 * packages as a provider.
 *
 * ```ts
 * import { anthropic } from "@ai-sdk/anthropic"
 * import { openai } from "@ai-sdk/openai"
 * import { Deployment, Route } from "@understudy/core"
 * import * as AiSdk from "@understudy/providers/ai-sdk"
 * import { generateText } from "ai"
 *
 * const understudy = AiSdk.createUnderstudy({
 *   deployments: {
 *     gpt: Deployment.make({ model: "gpt-5", provider: AiSdk.layer(openai) }),
 *     sonnet: Deployment.make({ model: "claude-sonnet-4-5", provider: AiSdk.layer(anthropic) }),
 *   },
 *   routes: { assistant: Route.fallback("gpt", "sonnet") },
 * })
 * const { text } = await generateText({ model: understudy("assistant"), prompt: "Hello" })
 * ```
 */
import type {
  EmbeddingModelV4,
  ImageModelV4,
  LanguageModelV4,
  ProviderV4,
  SharedV4ProviderMetadata,
} from "@ai-sdk/provider"
import { NoSuchModelError } from "@ai-sdk/provider"
import type * as Deployment from "@understudy/core/Deployment"
import { Provider } from "@understudy/core/Provider"
import * as Router from "@understudy/core/Router"
import type { Route } from "@understudy/core/Route"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Predicate from "effect/Predicate"
import type * as Answers from "./Answers.ts"
import * as Metadata from "./Metadata.ts"
import * as ModelProvider from "./ModelProvider.ts"
import * as RouteModel from "./RouteModel.ts"
import type * as Specification from "./Specification.ts"

export type { RouteMetadata } from "./Answers.ts"
export type { ProviderOptions } from "./ModelProvider.ts"
export type { RequestDefaults } from "./Requests.ts"
export type { ModelOptions } from "./RouteModel.ts"
export type { Settings } from "./Settings.ts"
export type { EmbeddingModel, LanguageModel, Source } from "./Specification.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Routes as models
// ---------------------------------------------------------------------------------------------------------------------

/** The routes and deployments of a router as models of `ai`. */
export interface Understudy extends ProviderV4 {
  /** As `languageModel`. */
  (model: string): LanguageModelV4
  /**
   * The route or deployment of that name. A call fails with `NoSuchModelError` if there is none, and with an `APICallError`
   * that `ai` does not retry if no deployment has answered.
   */
  readonly languageModel: (model: string) => LanguageModelV4
  /** As `languageModel`, for embeddings. */
  readonly embeddingModel: (model: string) => EmbeddingModelV4
  /** Throws `NoSuchModelError`: a route makes no images but those of language models. */
  readonly imageModel: (model: string) => ImageModelV4
  /** Cancels running calls and closes every provider. A `ManagedRuntime` that was given stays open. */
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * The models of a router, which starts with the first call and runs until `close`. It is given by the options of
 * `Router.layer`, by a layer, or by a `ManagedRuntime`.
 *
 * A result has its call in `providerMetadata.understudy`: see `routeMetadata`. A call may set `providerOptions.understudy`: see
 * `Settings`.
 */
export const createUnderstudy = <
  E,
  Deployments extends Record<string, Deployment.Deployment<unknown, never>>,
  Routes extends Readonly<Record<string, Route>> = Readonly<Record<string, Route>>,
>(
  router:
    | Router.Named<Deployments, Routes>
    | Layer.Layer<Router.Router, E>
    | ManagedRuntime.ManagedRuntime<Router.Router, E>,
  options: RouteModel.ModelOptions = {},
): Understudy => {
  const own = (layer: Layer.Layer<Router.Router, unknown>) => {
    const runtime = ManagedRuntime.make(layer)
    return { runtime, close: () => runtime.dispose() }
  }
  const { close, runtime } =
    "runPromiseExit" in router
      ? { runtime: router, close: () => Promise.resolve() }
      : own("deployments" in router ? layerOf(router) : router)
  const languageModel = (model: string) => RouteModel.languageModel(runtime, model, options)
  return Object.assign((model: string) => languageModel(model), {
    specificationVersion: "v4" as const,
    languageModel,
    embeddingModel: (model: string) => RouteModel.embeddingModel(runtime, model, options),
    imageModel: (modelId: string): never => {
      throw new NoSuchModelError({ modelId, modelType: "imageModel" })
    },
    close,
    [Symbol.asyncDispose]: close,
  })
}

/** The layer of options whose deployments require nothing. */
const layerOf = (
  options: Router.Options<Record<string, Deployment.Deployment<unknown, never>>>,
): Layer.Layer<Router.Router, unknown> => Router.layer(options)

/**
 * The call of a result or a step, with its attempts and its cost; `undefined` if no route gave it.
 *
 * ```ts
 * const { finalStep } = await generateText({ model: understudy("assistant"), prompt: "Hello" })
 * console.log(AiSdk.routeMetadata(finalStep)?.deployment)
 * ```
 */
export const routeMetadata = ({
  providerMetadata,
}: {
  readonly providerMetadata?: SharedV4ProviderMetadata | undefined
}): Answers.RouteMetadata | undefined => {
  const own: unknown = providerMetadata?.[Metadata.namespace]
  return isRouteMetadata(own) ? own : undefined
}

/** Only the outer shape is checked: `Answers.route` wrote the rest. */
const isRouteMetadata = (value: unknown): value is Answers.RouteMetadata =>
  Predicate.hasProperty(value, "call") && Predicate.hasProperty(value, "attempts")

// ---------------------------------------------------------------------------------------------------------------------
// Models as providers
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The provider of a model, or of all models of a vendor's package, for language and for embeddings. Specifications 3 and 4.
 *
 * ```ts
 * Deployment.make({ model: "mistral-large", provider: AiSdk.layer(mistral) })
 * Deployment.make({ model: "any name", provider: AiSdk.layer(mistral("mistral-large")) })
 * ```
 *
 * The model retries nothing: the route does. A call of `createUnderstudy` reaches it unchanged, with its provider options and
 * the vendor's own tools, and its result comes back unchanged. Other clients get what `Chat` has a field for; their
 * `vendor["ai-sdk"].providerOptions` are sent.
 */
export const layer = (
  source: Specification.Source,
  options: ModelProvider.ProviderOptions = {},
): Layer.Layer<Provider> => Layer.effect(Provider, ModelProvider.make(source, options))
