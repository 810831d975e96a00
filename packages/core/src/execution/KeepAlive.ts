/**
 * Keep-alive: a stream is given to its caller when a first keep-alive is due, although no deployment has brought output
 * yet, so that the connection can be kept open.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/** A stream that has started, or one that was `Pending` after the wait: `started` waits until it starts or fails. */
export type Opened<A, E> =
  | { readonly _tag: "Started"; readonly value: A }
  | { readonly _tag: "Pending"; readonly started: Effect.Effect<A, E> }

/** Waits at most `millis` for a stream to start. `start` runs on in `scope`. */
export const open = <A, E>(
  start: Effect.Effect<A, E>,
  millis: number,
  scope: Scope.Scope,
): Effect.Effect<Opened<A, E>, E> =>
  Effect.flatMap(Effect.forkIn(start, scope, { startImmediately: true }), (fiber) =>
    Effect.raceFirst(
      Effect.map(Fiber.join(fiber), (value): Opened<A, E> => ({ _tag: "Started", value })),
      Effect.as(Effect.sleep(millis), { _tag: "Pending", started: Fiber.join(fiber) } as const),
    ),
  )
