/** Statements on stored responses, which may take a bounded time. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import * as Bounded from "../store/Bounded.ts"
import { StoreLost } from "./StoreLost.ts"

/** How long the database may take. */
const timeout = Duration.seconds(5)

export const inTime = <A>(statements: Effect.Effect<A, SqlError>): Effect.Effect<A, StoreLost> =>
  Effect.mapError(Bounded.run(statements, timeout), ({ message }) => new StoreLost({ message }))
