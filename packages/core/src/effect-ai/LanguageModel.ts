/**
 * The bridge to `effect/ai`, both ways: a route as a `LanguageModel`, and any `LanguageModel` as a provider.
 *
 * ```ts
 * import * as Understudy from "@understudy/core/LanguageModel"
 * import * as LanguageModel from "effect/ai/LanguageModel"
 *
 * const answer = LanguageModel.generateText({ prompt: "Hello" }).pipe(
 *   Effect.provide(Understudy.layer("assistant")),
 *   Effect.provide(RouterLive),
 * )
 * ```
 *
 * Encrypted reasoning is in the metadata of parts, and is sent back in the next turn. The `finish` part's metadata has the
 * deployment that answered.
 */
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { CallOptions } from "../model/Call.ts"
import * as Chat from "../model/Chat.ts"
import * as Answers from "./language-model/Answers.ts"
import * as Failures from "./language-model/Failures.ts"
import * as Requests from "./language-model/Requests.ts"
import * as Streams from "./language-model/Streams.ts"
import { Provider } from "../model/Provider.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import { named, Router } from "../Router.ts"
import type { RouterError } from "../execution/RouterError.ts"

export type { RequestDefaults } from "./language-model/Requests.ts"

// ---------------------------------------------------------------------------------------------------------------------
// A route as a LanguageModel
// ---------------------------------------------------------------------------------------------------------------------

/** The options of every call that `effect/ai` does not set. */
export interface Options extends CallOptions {
  readonly request?: Requests.RequestDefaults
}

/**
 * The route or deployment of that name, as a `LanguageModel`. Fails with the kind `ModelNotFound` if there is none.
 */
export const layer = (
  route: string,
  options: Options = {},
): Layer.Layer<LanguageModel.LanguageModel, RouterError, Router> =>
  Layer.effect(LanguageModel.LanguageModel, make(route, options))

/** As `layer`, but as an effect. */
export const make = (
  route: string,
  { request: defaults, ...call }: Options = {},
): Effect.Effect<LanguageModel.LanguageModel, RouterError, Router> =>
  Effect.flatMap(
    Effect.tap(Router, (router) => named(router, route)),
    (router) =>
      LanguageModel.make({
        codecTransformer: Requests.codecTransformer,
        generateText: (options) =>
          Effect.flatMap(Failures.fromResult("generateText", Requests.toChat(route, defaults, options)), (request) =>
            Effect.matchEffect(router.chat(request, call), {
              onFailure: (error) => Effect.fail(Failures.toAi("generateText", error)),
              onSuccess: ({ receipt, response }) =>
                Failures.fromResult("generateText", Answers.toParts(response, receipt)),
            }),
          ),
        streamText: (options) =>
          Stream.unwrap(
            Effect.map(
              Effect.flatMap(Failures.fromResult("streamText", Requests.toChat(route, defaults, options)), (request) =>
                Effect.mapError(router.chatStream(request, call), (error) => Failures.toAi("streamText", error)),
              ),
              ({ frames, receipt }) => {
                const encoder = Streams.encoder()
                return frames.pipe(
                  Stream.mapError((error) => Failures.toAi("streamText", error)),
                  Stream.map(encoder.push),
                  Stream.concat(
                    Stream.fromEffect(Effect.suspend(() => Failures.fromResult("streamText", encoder.end(receipt)))),
                  ),
                  Stream.flattenIterable,
                )
              },
            ),
          ),
      }),
  )

// ---------------------------------------------------------------------------------------------------------------------
// A LanguageModel as a provider
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The provider that calls a `LanguageModel`. The `model` of its deployment is only a name.
 *
 * ```ts
 * Deployment.make({ model: "local", provider: Understudy.provider(OllamaModel) })
 * ```
 *
 * A request that a `Prompt` does not support fails with `Unsupported`, and another deployment is tried. Sampling parameters
 * belong to the configuration of the `LanguageModel`, and are reported as dropped. A structured response is not streamed,
 * since `effect/ai` does not stream it.
 */
export const provider = <E, R>(layer: Layer.Layer<LanguageModel.LanguageModel, E, R>): Layer.Layer<Provider, E, R> =>
  Layer.provide(Layer.effect(Provider, Effect.map(LanguageModel.LanguageModel, toProvider)), layer)

const toProvider = (model: LanguageModel.LanguageModel): Provider["Service"] => {
  const chatObject = (
    prompt: Prompt.Prompt,
    { name, schema }: Requests.StructuredFormat,
  ): Effect.Effect<Chat.Response, ProviderError> =>
    Effect.flatMap(
      Effect.mapError(model.generateObject({ prompt, schema, objectName: name }), Failures.fromAi),
      ({ content, value }) =>
        Effect.map(Effect.fromResult(Answers.fromParts(content, none)), (response) => ({
          ...response,
          content: [{ type: "text", text: JSON.stringify(value) }],
        })),
    )
  const chat = ({
    options,
    format,
    custom,
    prompt,
  }: Requests.ConvertedPrompt): Effect.Effect<Chat.Response, ProviderError> =>
    format === undefined
      ? Effect.flatMap(Effect.mapError(model.generateText(options), Failures.fromAi), ({ content }) =>
          Effect.fromResult(Answers.fromParts(content, custom)),
        )
      : chatObject(prompt, format)
  return {
    protocol: "effect-ai",
    chat: (request) =>
      Effect.flatMap(Effect.fromResult(Requests.fromChat(request)), (converted) =>
        Effect.map(chat(converted), (response) =>
          converted.droppedParams === undefined ? response : { ...response, droppedParams: converted.droppedParams },
        ),
      ),
    stream: (request) =>
      Stream.unwrap(
        Effect.map(Effect.fromResult(Requests.fromChat(request)), (converted) => {
          const decode = Streams.decoder(converted.custom)
          const frames =
            converted.format === undefined
              ? Stream.mapEffect(Stream.mapError(model.streamText(converted.options), Failures.fromAi), (part) =>
                  Effect.fromResult(decode(part)),
                )
              : Stream.fromEffect(Effect.map(chat(converted), asSingleFrame))
          return converted.droppedParams === undefined
            ? frames
            : Stream.prepend(frames, [{ parts: [], droppedParams: converted.droppedParams }])
        }),
      ),
  }
}

const none: ReadonlySet<string> = new Set()

/** A complete response, as a single frame. */
const asSingleFrame = ({ content, finishReason, id, model, usage }: Chat.Response): Chat.Frame => ({
  parts: [
    { type: "start", id, model },
    { type: "text", text: Chat.text({ content }) },
    { type: "finish", reason: finishReason },
    ...(usage === undefined ? [] : [{ type: "usage" as const, usage }]),
  ],
})
