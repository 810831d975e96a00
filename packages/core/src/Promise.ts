/**
 * The router for those who do not write Effect: the same calls as promises and async iterables.
 *
 * ```ts
 * const router = Promises.make(RouterLive)
 * const { response } = await router.chat({ model: "assistant", messages: [Chat.user("Who is on tonight?")] })
 * await router.close()
 * ```
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import type { CallOptions } from "./model/Call.ts"
import type * as Chat from "./model/Chat.ts"
import type * as Embedding from "./model/Embedding.ts"
import * as Router from "./Router.ts"
import type { Status } from "./admission/Status.ts"

/** What a caller says beside the request; aborting `signal` closes the upstream. */
export interface Options extends CallOptions {
  readonly signal?: AbortSignal | undefined
}

/** A running router. Calls reject with a `RouterError`; those it cannot start for, with the error of its layer. */
export interface PromiseRouter {
  /** One whole answer. */
  readonly chat: (request: Chat.Request, options?: Options) => Promise<Router.Answer>
  /** A streamed answer, part by part. Leaving the loop closes the upstream. */
  readonly stream: (request: Chat.Request, options?: Omit<Options, "signal">) => AsyncIterable<Chat.Part>
  /** The vectors of texts. */
  readonly embed: (request: Embedding.Request, options?: Options) => Promise<Router.Answer<Embedding.Response>>
  /** How each deployment stands just now. */
  readonly status: () => Promise<ReadonlyArray<Status>>
  /** Ends what is running and closes every provider. */
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** The router of this layer. It starts with its first call, and stands until it is closed. */
export const make = <E>(layer: Layer.Layer<Router.Router, E>): PromiseRouter => {
  const runtime = ManagedRuntime.make(layer)
  const close = () => runtime.dispose()
  return {
    chat: (request, options) =>
      runtime.runPromise(
        Effect.flatMap(Router.Router, (router) => router.chat(request, options)),
        options,
      ),
    stream: (request, options) => {
      const parts = Stream.unwrap(
        Effect.map(runtime.contextEffect, (context) => Stream.provideContext(Router.stream(request, options), context)),
      )
      return Stream.toAsyncIterable(parts)
    },
    embed: (request, options) =>
      runtime.runPromise(
        Effect.flatMap(Router.Router, (router) => router.embed(request, options)),
        options,
      ),
    status: () => runtime.runPromise(Effect.flatMap(Router.Router, (router) => router.status)),
    close,
    [Symbol.asyncDispose]: close,
  }
}
