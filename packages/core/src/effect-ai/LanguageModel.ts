/**
 * The bridge to `effect/ai`, both ways: a route as the `LanguageModel` of an application that speaks to that interface
 * already, and any `LanguageModel` as the provider of a deployment.
 *
 * ```ts
 * const answer = LanguageModel.generateText({ prompt: "Who is on tonight?" }).pipe(
 *   Effect.provide(Understudy.layer("assistant")),
 *   Effect.provide(RouterLive)
 * )
 * ```
 *
 * It carries what that interface can say. Seals of thoughts travel in the metadata of parts and are back in the next turn;
 * who answered stands in the `finish` part's.
 */
import type * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
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

/** What `effect/ai` has no words for, said of every call. */
export interface Options extends CallOptions {
  readonly request?: Requests.RequestDefaults
}

/**
 * The route or deployment of that name, as a `LanguageModel`. Fails to start with an `ModelNotFound` where there is none.
 */
export const layer = (
  route: string,
  options: Options = {},
): Layer.Layer<LanguageModel.LanguageModel, RouterError, Router> =>
  Layer.effect(LanguageModel.LanguageModel, make(route, options))

export const make = (
  route: string,
  { request: said, ...call }: Options = {},
): Effect.Effect<LanguageModel.LanguageModel, RouterError, Router> =>
  Effect.flatMap(
    Effect.tap(Router, (router) => named(router, route)),
    (router) =>
      LanguageModel.make({
        codecTransformer: Requests.codecTransformer,
        generateText: (options) =>
          Effect.flatMap(toEffect("generateText", Requests.toChat(route, said, options)), (request) =>
            Effect.matchEffect(router.chat(request, call), {
              onFailure: (error) => Effect.fail(Failures.toAi("generateText", error)),
              onSuccess: ({ receipt, response }) => toEffect("generateText", Answers.toParts(response, receipt)),
            }),
          ),
        streamText: (options) =>
          Stream.unwrap(
            Effect.map(
              Effect.flatMap(toEffect("streamText", Requests.toChat(route, said, options)), (request) =>
                Effect.mapError(router.chatStream(request, call), (error) => Failures.toAi("streamText", error)),
              ),
              ({ frames, receipt }) => {
                const teller = Streams.encoder()
                return frames.pipe(
                  Stream.mapError((error) => Failures.toAi("streamText", error)),
                  Stream.map(teller.push),
                  Stream.concat(Stream.fromEffect(Effect.suspend(() => toEffect("streamText", teller.end(receipt))))),
                  Stream.flattenIterable,
                )
              },
            ),
          ),
      }),
  )

const toEffect = <A>(
  method: Failures.Method,
  result: Result.Result<A, AiError.AiErrorReason>,
): Effect.Effect<A, AiError.AiError> =>
  Effect.fromResult(Result.mapError(result, (reason) => Failures.make(method, reason)))

// ---------------------------------------------------------------------------------------------------------------------
// A LanguageModel as a provider
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The provider of a deployment whose model is this one, whatever its deployment calls it:
 *
 * ```ts
 * Deployment.make({ model: "local", provider: Understudy.provider(OllamaModel) })
 * ```
 *
 * What a prompt cannot say is passed on to another; sampling is the model's own to configure, and reported as droppedParams. An
 * answer by a schema comes whole, for `effect/ai` streams none.
 */
export const provider = <E, R>(layer: Layer.Layer<LanguageModel.LanguageModel, E, R>): Layer.Layer<Provider, E, R> =>
  Layer.provide(Layer.effect(Provider, Effect.map(LanguageModel.LanguageModel, toProvider)), layer)

const toProvider = (model: LanguageModel.LanguageModel): Provider["Service"] => {
  const object = (
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
    asked,
    formed,
    custom,
    prompt,
  }: Requests.ConvertedPrompt): Effect.Effect<Chat.Response, ProviderError> =>
    formed === undefined
      ? Effect.flatMap(Effect.mapError(model.generateText(asked), Failures.fromAi), ({ content }) =>
          Effect.fromResult(Answers.fromParts(content, custom)),
        )
      : object(prompt, formed)
  return {
    protocol: "effect-ai",
    chat: (request) =>
      Effect.flatMap(Effect.fromResult(Requests.fromChat(request)), (put) =>
        Effect.map(chat(put), (response) =>
          put.droppedParams === undefined ? response : { ...response, droppedParams: put.droppedParams },
        ),
      ),
    stream: (request) =>
      Stream.unwrap(
        Effect.map(Effect.fromResult(Requests.fromChat(request)), (put) => {
          const read = Streams.reader(put.custom)
          const frames =
            put.formed === undefined
              ? Stream.mapEffect(Stream.mapError(model.streamText(put.asked), Failures.fromAi), (part) =>
                  Effect.fromResult(read(part)),
                )
              : Stream.fromEffect(Effect.map(chat(put), asSingleFrame))
          return put.droppedParams === undefined
            ? frames
            : Stream.prepend(frames, [{ parts: [], droppedParams: put.droppedParams }])
        }),
      ),
  }
}

const none: ReadonlySet<string> = new Set()

/** An answer that came at once, as a stream of one frame. */
const asSingleFrame = ({ content, finishReason, id, model, usage }: Chat.Response): Chat.Frame => ({
  parts: [
    { type: "start", id, model },
    { type: "text", text: Chat.text({ content }) },
    { type: "finish", reason: finishReason },
    ...(usage === undefined ? [] : [{ type: "usage" as const, usage }]),
  ],
})
