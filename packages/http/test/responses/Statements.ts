/** The statements that run on a database, in order. */
import * as Effect from "effect/Effect"
import * as Statement from "effect/sql/Statement"

/** A statement with its values. */
export type Ran = readonly [text: string, values: ReadonlyArray<unknown>]

/** Succeeds with what an effect does, and with the statements that it ran. */
export const recorded = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [A, Array<Ran>], E, R> => {
  const ran: Array<Ran> = []
  return Effect.map(
    Effect.provideService(effect, Statement.CurrentTransformer, (statement) =>
      Effect.sync(() => {
        ran.push(statement.compile())
        return statement
      }),
    ),
    (value) => [value, ran] as const,
  )
}
