/**
 * A route as a model of the AI SDK: its calls as promises, its streams as `ReadableStream`s. The seam to the AI SDK.
 */
import type { EmbeddingModelV4, LanguageModelV4, LanguageModelV4StreamPart } from "@ai-sdk/provider"
import * as Router from "@understudy/core/Router"
import { RouterError } from "@understudy/core/RouterError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CallOptions } from "@understudy/core/Call"
import * as Answers from "./Answers.ts"
import * as Embeddings from "./Embeddings.ts"
import * as Failures from "./Failures.ts"
import * as Metadata from "./Metadata.ts"
import * as Requests from "./Requests.ts"
import * as Streams from "./Streams.ts"

/** The options of every call. */
export interface ModelOptions extends CallOptions {
  /** The fields of every request that `ai` does not set. */
  readonly request?: Requests.RequestDefaults | undefined
  /**
   * The URLs that are passed on to the deployments, by media type, as in `LanguageModelV4`. `ai` downloads all others, so
   * that every deployment can read them. Default: none.
   */
  readonly supportedUrls?: Record<string, Array<RegExp>> | undefined
  /** The maximum of texts in one embedding request; `embedMany` sends several requests for more. Default: 96. */
  readonly maxEmbeddingsPerCall?: number | undefined
}

type Runtime<E> = ManagedRuntime.ManagedRuntime<Router.Router, E>

/** Cohere's maximum, the lowest among vendors with batches. */
const maxEmbeddings = 96

// ---------------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------------

export const languageModel = <E>(runtime: Runtime<E>, modelId: string, modelOptions: ModelOptions): LanguageModelV4 => {
  const { maxEmbeddingsPerCall: _, request: defaults, supportedUrls = {}, ...call } = modelOptions
  const failure = failureOf(modelId, "languageModel")
  return {
    specificationVersion: "v4",
    provider: Metadata.namespace,
    modelId,
    supportedUrls,
    doGenerate: (options) =>
      run(
        runtime,
        Effect.flatMap(Effect.fromResult(Requests.toChat(modelId, defaults, options)), ({ options, request }) =>
          Effect.map(
            Effect.flatMap(Router.Router, (router) => router.chat(request, { ...call, ...options })),
            ({ receipt, response }) => Answers.toResult(response, receipt),
          ),
        ),
        options.abortSignal,
        failure,
      ),
    doStream: (options) => {
      // Closed with the router, too.
      const scope = Scope.forkUnsafe(runtime.scope)
      const opened = Effect.flatMap(
        Effect.fromResult(Requests.toChat(modelId, defaults, options)),
        ({ options, request }) =>
          Effect.flatMap(
            Effect.flatMap(Router.Router, (router) => router.chatStream(request, { ...call, ...options })),
            ({ frames, receipt }) => Effect.map(Stream.toPull(frames), (pull) => ({ pull, receipt })),
          ),
      )
      return run(
        runtime,
        Effect.onError(Scope.provide(opened, scope), (cause) => Scope.close(scope, Exit.failCause(cause))),
        options.abortSignal,
        failure,
      ).then(({ pull, receipt }) => ({
        stream: readable({ pull, encoder: Streams.encoder(receipt), scope, signal: options.abortSignal, failure }),
      }))
    },
  }
}

export const embeddingModel = <E>(
  runtime: Runtime<E>,
  modelId: string,
  modelOptions: ModelOptions,
): EmbeddingModelV4 => {
  const { maxEmbeddingsPerCall = maxEmbeddings, request: _, supportedUrls: __, ...call } = modelOptions
  return {
    specificationVersion: "v4",
    provider: Metadata.namespace,
    modelId,
    maxEmbeddingsPerCall,
    supportsParallelCalls: true,
    doEmbed: (options) =>
      run(
        runtime,
        Effect.flatMap(Effect.fromResult(Embeddings.toRequest(modelId, options)), ({ options, request }) =>
          Effect.map(
            Effect.flatMap(Router.Router, (router) => router.embed(request, { ...call, ...options })),
            Embeddings.toResult,
          ),
        ),
        options.abortSignal,
        failureOf(modelId, "embeddingModel"),
      ),
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The seam
// ---------------------------------------------------------------------------------------------------------------------

/** The error that an application gets. Errors of the layer, such as `InvalidRoutes`, stay as they are. */
type Failure = (error: unknown) => unknown

const failureOf =
  (modelId: string, modelType: Failures.ModelType): Failure =>
  (error) =>
    error instanceof RouterError ? Failures.toAi(error, modelId, modelType) : error

/** Runs a call. An aborted one rejects with the reason of its signal, as `fetch` does. */
const run = <A, E, E2>(
  runtime: Runtime<E2>,
  effect: Effect.Effect<A, E, Router.Router>,
  signal: AbortSignal | undefined,
  failure: Failure,
): Promise<A> =>
  runtime.runPromiseExit(effect, { signal }).then((exit) => {
    if (Exit.isSuccess(exit)) return exit.value
    return Promise.reject(signal?.aborted === true ? signal.reason : failure(Cause.squash(exit.cause)))
  })

/** A stream that has begun. */
interface Opened {
  readonly pull: Effect.Effect<ReadonlyArray<Parameters<Streams.Encoder["push"]>[0]>, RouterError | Cause.Done>
  readonly encoder: Streams.Encoder
  readonly scope: Scope.Closeable
  readonly signal: AbortSignal | undefined
  readonly failure: Failure
}

/**
 * The parts as they are read. The upstream is closed when the stream has ended, when its reader cancels it, when the signal
 * is aborted, and when the router is closed.
 */
const readable = ({ encoder, failure, pull, scope, signal }: Opened): ReadableStream<LanguageModelV4StreamPart> => {
  const stopped = new AbortController()
  const close = (): Promise<void> => Effect.runPromise(Scope.close(scope, Exit.void))
  const abort = (): void => void close()
  let hasEnded = false
  /** Runs when the scope closes, whatever closes it. Parts that were not read yet are dropped, unless they are the last. */
  const stop = (controller: ReadableStreamDefaultController<LanguageModelV4StreamPart>): void => {
    signal?.removeEventListener("abort", abort)
    stopped.abort()
    if (!hasEnded) controller.error(signal?.aborted === true ? signal.reason : closed())
  }
  /** Some parts: a chunk of the upstream may have none for the application. */
  const next: Effect.Effect<ReadonlyArray<LanguageModelV4StreamPart>, RouterError | Cause.Done> = Effect.flatMap(
    pull,
    (frames) => {
      const parts = frames.flatMap(encoder.push)
      return parts.length === 0 ? next : Effect.succeed(parts)
    },
  )
  const last = (cause: Cause.Cause<RouterError | Cause.Done>): ReadonlyArray<LanguageModelV4StreamPart> => {
    const error = Cause.squash(cause)
    return Cause.isDone(error) ? encoder.end() : encoder.fail(failure(error))
  }
  return new ReadableStream<LanguageModelV4StreamPart>(
    {
      start: (controller) => {
        Effect.runSync(
          Scope.addFinalizer(
            scope,
            Effect.sync(() => stop(controller)),
          ),
        )
        signal?.addEventListener("abort", abort)
        if (signal?.aborted === true) abort()
      },
      pull: (controller) =>
        Effect.runPromiseExit(next, { signal: stopped.signal }).then((exit) => {
          if (stopped.signal.aborted) return undefined
          for (const part of Exit.isSuccess(exit) ? exit.value : last(exit.cause)) controller.enqueue(part)
          if (Exit.isSuccess(exit)) return undefined
          hasEnded = true
          controller.close()
          return close()
        }),
      cancel: close,
    },
    { highWaterMark: 0 },
  )
}

const closed = (): DOMException => new DOMException("The router was closed before the stream had ended", "AbortError")
