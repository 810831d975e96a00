/**
 * A defect of a provider, ours or a user's, is a failed attempt: the next candidate is asked, the circuit counts it, and
 * its cause stands in the log alone.
 *
 * A defect is an exception, a die, or an interruption that did not come from the engine.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { ProviderError } from "./ProviderError.ts"

/**
 * Runs what a provider was asked for, and fails with a `ServerError` in place of any defect. The message holds no word of
 * the defect, which may hold a key: a caller sees it.
 */
export const contain = <A, E, R>(
  deployment: string,
  self: () => Effect.Effect<A, E, R>,
): Effect.Effect<A, E | ProviderError, R> => guard(deployment, Effect.suspend(self))

/** Contains the defects of an effect that is already made, such as one pull of a stream. */
export const guard = <A, E, R>(
  deployment: string,
  self: Effect.Effect<A, E, R>,
): Effect.Effect<A, E | ProviderError, R> =>
  // An interruption of this fibre, which is the engine's own, never reaches a handler.
  Effect.catchCause(self, (cause): Effect.Effect<never, E | ProviderError> =>
    Cause.findErrorOption(cause)._tag === "Some"
      ? Effect.failCause(cause)
      : Effect.andThen(log(deployment, cause), Effect.fail(failure(cause))),
  )

/** Runs a provider's clean-up, whose defects change nothing about an answer that has been given. */
export const cleanUp = (deployment: string, self: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.catchCause(self, (cause) => log(deployment, cause))

const log = (deployment: string, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Effect.logError(`The provider of "${deployment}" has a defect`, cause)

const failure = (cause: Cause.Cause<unknown>): ProviderError =>
  new ProviderError({
    reason: { _tag: "ServerError" },
    message: "the provider failed unexpectedly",
    cause: Cause.squash(cause),
  })
