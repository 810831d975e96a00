/**
 * Statements that may take a bounded time. They are not waited for when it is over, because ending a transaction of a server
 * that does not respond takes as long as the server. A transaction whose connection breaks fails here: in Effect it dies of
 * its rollback.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { SqlError } from "effect/sql/SqlError"
import { isSqlError } from "effect/sql/SqlError"
import { reasonOf } from "./Store.ts"

/** Statements that failed, or were not answered in time. */
export class StatementFailed extends Data.TaggedError("StatementFailed")<{
  readonly message: string
  /** Why the database refused them, if it did. */
  readonly error?: SqlError | undefined
}> {}

export const run = <A, R>(
  statements: Effect.Effect<A, SqlError, R>,
  timeout: Duration.Duration,
): Effect.Effect<A, StatementFailed, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(Effect.interruptible(statements)), (fiber) => {
      const late = Effect.suspend(() => {
        fiber.interruptUnsafe()
        return Effect.fail(new StatementFailed({ message: `no response in ${Duration.format(timeout)}` }))
      })
      const ended = Effect.flatMap(Fiber.await(fiber), (exit) =>
        Exit.isSuccess(exit) ? Effect.succeed(exit.value) : Effect.fail(failed(exit.cause)),
      )
      return Effect.onInterrupt(restore(Effect.raceFirst(ended, Effect.andThen(Effect.sleep(timeout), late))), () =>
        Effect.sync(() => fiber.interruptUnsafe()),
      )
    }),
  )

const failed = (cause: Cause.Cause<SqlError>): StatementFailed => {
  const error = Cause.squash(cause)
  if (isSqlError(error)) return new StatementFailed({ message: reasonOf(error), error })
  return new StatementFailed({ message: error instanceof Error ? error.message : String(error) })
}
