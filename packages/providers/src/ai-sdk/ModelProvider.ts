/**
 * A model of the AI SDK as a provider: its calls as effects, its streams as frames, its errors classified.
 */
import type { EmbeddingModelV4, LanguageModelV4, LanguageModelV4CallOptions } from "@ai-sdk/provider"
import type * as Chat from "@understudy/core/Chat"
import type * as Embedding from "@understudy/core/Embedding"
import type { ProviderService } from "@understudy/core/Provider"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import * as CustomTools from "../protocols/CustomTools.ts"
import * as Endpoint from "../protocols/Endpoint.ts"
import * as Lowering from "../protocols/Lowering.ts"
import * as Answers from "./Answers.ts"
import * as Embeddings from "./Embeddings.ts"
import * as Failures from "./Failures.ts"
import * as Files from "./Files.ts"
import * as ModelCall from "./ModelCall.ts"
import * as Native from "./Native.ts"
import * as Requests from "./Requests.ts"
import * as Specification from "./Specification.ts"
import * as Streams from "./Streams.ts"

/** The options of a provider. */
export interface ProviderOptions {
  /**
   * A name of the account that the model uses. Give two models of one vendor different names if they use different accounts:
   * a vendor rejects ids and encrypted reasoning that it issued to another one. Default: the vendor's name.
   */
  readonly account?: string | undefined
}

/** The provider of the models of a source. */
export const make = Effect.fnUntraced(function* (
  source: Specification.Source,
  { account }: ProviderOptions,
): Effect.fn.Return<ProviderService> {
  const clock = yield* Clock.Clock
  const { embedding, language } = Specification.models(source)
  const failure =
    ({ provider }: Pick<LanguageModelV4 | EmbeddingModelV4, "provider">) =>
    (error: unknown): ProviderError =>
      Failures.classify(error, provider, clock.currentTimeMillisUnsafe())
  const prepare = preparing(account)
  /** The model of a request, which a vendor's package may not have. */
  const modelOf = (id: string): Effect.Effect<LanguageModelV4, ProviderError> =>
    language === undefined
      ? Effect.fromResult(Lowering.unsupported(Native.protocol, "chat"))
      : Effect.try({ try: () => language(id), catch: failure({ provider: "" }) })
  return {
    protocol: Native.protocol,
    account: account === undefined ? undefined : hashed(account),
    chat: (request) =>
      Effect.flatMap(modelOf(request.model), (model) =>
        Effect.flatMap(prepare(model, request), ({ asked, options }) =>
          Effect.flatMap(
            ModelCall.run(
              (abortSignal) => model.doGenerate({ ...options, abortSignal }),
              failure(model),
              () => {},
            ),
            (result) =>
              Effect.fromResult(
                Result.map(Answers.fromResult(result, asked), (response) => CustomTools.restore(request, response)),
              ),
          ),
        ),
      ),
    stream: (request) =>
      Stream.unwrap(
        Effect.flatMap(modelOf(request.model), (model) =>
          Effect.flatMap(prepare(model, request), ({ asked, options }) =>
            Effect.map(open(model, options, failure(model)), (parts) => {
              const decode = Streams.decoder(asked, failure(model))
              const frames = Stream.mapEffect(parts, (part) => Effect.fromResult(decode(part)))
              return CustomTools.restoring(request, withDropped(frames, asked))
            }),
          ),
        ),
      ),
    embed:
      embedding &&
      ((request: Embedding.Request) =>
        Effect.flatMap(Effect.try({ try: () => embedding(request.model), catch: failure({ provider: "" }) }), (model) =>
          Embeddings.run(model, request, failure(model)),
        )),
  }
})

/** A parameter dropped before the request was sent is reported even if the model reports nothing. */
const withDropped = (
  frames: Stream.Stream<Chat.Frame, ProviderError>,
  { droppedParams }: Answers.Asked,
): Stream.Stream<Chat.Frame, ProviderError> =>
  droppedParams === undefined ? frames : Stream.prepend(frames, [{ parts: [], droppedParams }])

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

/** The options of a call to a model, and how its answer is read. */
interface Prepared {
  readonly options: LanguageModelV4CallOptions
  readonly asked: Answers.Asked
}

const preparing = (account: string | undefined) => {
  /** One for each model, by name: a vendor's package makes a new object for each call. It logs a dropped parameter once. */
  const lowerings = new Map<string, ReturnType<typeof lowering>>()
  return Effect.fnUntraced(function* (
    model: LanguageModelV4,
    request: Chat.Request,
  ): Effect.fn.Return<Prepared, ProviderError> {
    const host = hashed(account ?? model.provider)
    const supported = yield* Effect.promise(() => Promise.resolve(model.supportedUrls))
    const name = `${model.provider} ${model.modelId}`
    const lower = lowerings.get(name) ?? lowering(model, host, Files.urls(supported))
    // A deployment with a wildcard has any number of models.
    if (lowerings.size >= maxModels) lowerings.clear()
    lowerings.set(name, lower)
    const { body, droppedParams, isNative = false } = yield* lower(request)
    const isReported = request.unsupportedParams !== "drop"
    return { options: body, asked: { isNative, host, droppedParams, isReported } }
  })
}

const maxModels = 100

const lowering = (model: LanguageModelV4, host: string, readsUrl: Files.ReadsUrl) =>
  Lowering.make(model.provider, Native.protocol, Requests.encoder(readsUrl, host), { ...Endpoint.unlimited, host })

/** A short hash: a host's name reaches clients. */
const hashed = (text: string): string => createHash("sha256").update(`ai-sdk ${text}`).digest("hex").slice(0, 8)

// ---------------------------------------------------------------------------------------------------------------------
// Call
// ---------------------------------------------------------------------------------------------------------------------

/** Opens a stream. When the scope closes, the call is aborted, whether or not the model cancels its request with its stream. */
const open = Effect.fnUntraced(function* (
  model: LanguageModelV4,
  options: LanguageModelV4CallOptions,
  failure: (error: unknown) => ProviderError,
) {
  const abortSignal = yield* Effect.abortSignal
  const { stream } = yield* ModelCall.run(
    () => model.doStream({ ...options, abortSignal }),
    failure,
    ({ stream }) => void stream.cancel().catch(Predicate.isUndefined),
  )
  return Stream.fromReadableStream({ evaluate: () => stream, onError: failure })
})
