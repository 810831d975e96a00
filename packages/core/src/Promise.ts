/**
 * The router for code without Effect: its calls as promises and async iterables.
 *
 * ```ts
 * import * as PromiseRouter from "@understudy/core/Promise"
 *
 * await using router = PromiseRouter.make(RouterLive)
 * const { response } = await router.chat({ model: "assistant", messages: [Chat.user("Hello")] })
 * for await (const part of router.stream({ model: "assistant", messages: [Chat.user("Hello")] })) {
 *   if (part.type === "text") process.stdout.write(part.text)
 * }
 * ```
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CallOptions } from "./model/Call.ts"
import type * as Chat from "./model/Chat.ts"
import type * as Embedding from "./model/Embedding.ts"
import type * as Operation from "./model/Operation.ts"
import type { Receipt } from "./receipt/Receipt.ts"
import * as Router from "./Router.ts"
import type { Status } from "./admission/Status.ts"

/** The options of a call. Aborting `signal` cancels it, and the request to the provider. */
export interface Options extends CallOptions {
  readonly signal?: AbortSignal | undefined
}

/** The response to an operation besides chat and embeddings: its bytes, and the receipt of its call. */
export interface Operated {
  readonly contentType: string
  readonly data: Uint8Array
  readonly receipt: Receipt
}

/** A running router. A call rejects with a `RouterError`, or with the layer's error if the router cannot start. */
export interface PromiseRouter {
  /** One complete response, with its receipt. */
  readonly chat: (request: Chat.Request, options?: Options) => Promise<Router.Answer>
  /** A streamed response, part by part. Leaving the loop cancels the request to the provider. */
  readonly stream: (request: Chat.Request, options?: Omit<Options, "signal">) => AsyncIterable<Chat.Part>
  /** Embeddings, one vector for each input. */
  readonly embed: (request: Embedding.Request, options?: Options) => Promise<Router.Answer<Embedding.Response>>
  /** The whole response to another operation, such as a moderation or speech. */
  readonly operate: (request: Operation.Request, options?: Options) => Promise<Operated>
  /** The circuit and the health of each deployment. */
  readonly status: () => Promise<ReadonlyArray<Status>>
  /** Cancels running calls and closes every provider. */
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** The router of a layer. It starts with the first call, and runs until `close`. */
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
      return Stream.toAsyncIterable(untilClosed(parts, runtime.scope))
    },
    embed: (request, options) =>
      runtime.runPromise(
        Effect.flatMap(Router.Router, (router) => router.embed(request, options)),
        options,
      ),
    operate: (request, options) =>
      runtime.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            const { contentType, frames, receipt } = yield* (yield* Router.Router).operate(request, options)
            return { contentType, data: joined(yield* Stream.runCollect(frames)), receipt }
          }),
        ),
        options,
      ),
    status: () => runtime.runPromise(Effect.flatMap(Router.Router, (router) => router.status)),
    close,
    [Symbol.asyncDispose]: close,
  }
}

const encoder = new TextEncoder()

/** The bytes of all frames. */
const joined = (frames: ReadonlyArray<Operation.Frame>): Uint8Array => {
  const chunks = frames.map(({ data }) => (Predicate.isString(data) ? encoder.encode(data) : data))
  const whole = new Uint8Array(chunks.reduce((size, { length }) => size + length, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

/** The stream, whose resources close with `owner`, also between two reads. A read is interrupted then. */
const untilClosed = <A, E>(stream: Stream.Stream<A, E>, owner: Scope.Scope): Stream.Stream<A, E> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const closed = yield* Deferred.make<never>()
      const scope = yield* Effect.acquireRelease(Scope.fork(owner), Scope.close)
      const pull = yield* Scope.provide(Stream.toPull(stream), scope)
      yield* Scope.addFinalizer(scope, Deferred.interrupt(closed))
      return Stream.fromPull(Effect.succeed(Effect.raceFirst(pull, Deferred.await(closed))))
    }),
  )
