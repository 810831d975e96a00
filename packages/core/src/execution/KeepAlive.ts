/**
 * A stream that may be silent for only so long: its caller is given it then, though no deployment has produced output, so
 * that what goes between them can be kept open.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/** A stream that has begun, or one that has been waited for as long as may be, and that begins or fails by itself. */
export type Opened<A, E> =
  | { readonly _tag: "Begun"; readonly value: A }
  | { readonly _tag: "Silent"; readonly begun: Effect.Effect<A, E> }

/** Waits at most `millis` for a stream to begin. It goes on beginning in the scope, until that closes. */
export const open = <A, E>(
  begin: Effect.Effect<A, E>,
  millis: number,
  scope: Scope.Scope,
): Effect.Effect<Opened<A, E>, E> =>
  Effect.flatMap(Effect.forkIn(begin, scope, { startImmediately: true }), (fiber) =>
    Effect.raceFirst(
      Effect.map(Fiber.join(fiber), (value): Opened<A, E> => ({ _tag: "Begun", value })),
      Effect.as(Effect.sleep(millis), { _tag: "Silent", begun: Fiber.join(fiber) } as const),
    ),
  )
