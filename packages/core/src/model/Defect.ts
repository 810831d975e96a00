/**
 * Defects of providers. A defect is an exception, a die, or an interruption that did not come from the engine. It is a
 * failed attempt: the next deployment is tried, the circuit counts it, and only the log has its cause.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { ProviderError } from "./ProviderError.ts"

/**
 * Runs a call to a provider, and fails with a `ServerError` instead of a defect. Clients see the error's message, so it
 * contains nothing of the defect, which may contain a key.
 */
export const contain = <A, E, R>(
  deployment: string,
  self: () => Effect.Effect<A, E, R>,
): Effect.Effect<A, E | ProviderError, R> => guard(deployment, Effect.suspend(self))

/** `contain` for an effect that is already constructed, such as one pull of a stream. */
export const guard = <A, E, R>(
  deployment: string,
  self: Effect.Effect<A, E, R>,
): Effect.Effect<A, E | ProviderError, R> =>
  // An interruption by the engine interrupts this fibre, and never reaches the handler.
  Effect.catchCause(self, (cause): Effect.Effect<never, E | ProviderError> =>
    Cause.findErrorOption(cause)._tag === "Some"
      ? Effect.failCause(cause)
      : Effect.andThen(log(deployment, cause), Effect.fail(failure(cause))),
  )

/** Runs a provider's finalizer. A defect in it is logged, and does not fail a response that is complete. */
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
