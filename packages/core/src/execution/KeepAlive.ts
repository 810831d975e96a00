/**
 * Keep-alive: a stream is given to its caller when a first keep-alive is due, although no deployment has brought output
 * yet, so that the connection can be kept open.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/** A stream that has begun; or, after the wait, one that is `Silent` so far, whose `begun` waits for it to begin or fail. */
export type Opened<A, E> =
  | { readonly _tag: "Begun"; readonly value: A }
  | { readonly _tag: "Silent"; readonly begun: Effect.Effect<A, E> }

/** Waits at most `millis` for a stream to begin. `begin` runs on in `scope`. */
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
