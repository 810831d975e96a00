/** A call to a model of the AI SDK as an effect. */
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Effect from "effect/Effect"

/** Calls a model. An interruption aborts the call; `late` disposes of a result that a model gives in spite of that. */
export const run = <A>(
  call: (signal: AbortSignal) => PromiseLike<A>,
  failure: (error: unknown) => ProviderError,
  late: (result: A) => void,
): Effect.Effect<A, ProviderError> =>
  Effect.callback<A, ProviderError>((resume, signal) => {
    const settle = (result: A): void => (signal.aborted ? late(result) : resume(Effect.succeed(result)))
    const fail = (error: unknown): void => resume(Effect.fail(failure(error)))
    // A model may throw before it returns a promise.
    Promise.resolve()
      .then(() => call(signal))
      .then(settle, fail)
  })
