/**
 * Reports of what was lost to the log: the first at once, later ones once a minute.
 */
import * as Effect from "effect/Effect"

/**
 * A function that counts what is lost, with the last cause. `describe` says what a count of them is. What was not reported yet
 * is when the scope closes.
 */
export const make = Effect.fnUntraced(function* (describe: (count: number) => string) {
  let count = 0
  let lastCause = ""
  const report = Effect.suspend(() => {
    if (count === 0) return Effect.succeed(false)
    const lost = describe(count)
    count = 0
    return Effect.as(Effect.logError(`${lost}: ${lastCause}`), true)
  })
  yield* Effect.addFinalizer(() => report)
  const scope = yield* Effect.scope
  let isReporting = false
  const reportRepeatedly: Effect.Effect<void> = Effect.flatMap(report, (hasReported) => {
    if (hasReported) return Effect.andThen(Effect.sleep("1 minute"), reportRepeatedly)
    isReporting = false
    return Effect.void
  })
  return (lost: number, cause: string): Effect.Effect<void> => {
    count += lost
    lastCause = cause
    if (isReporting) return Effect.void
    isReporting = true
    return Effect.asVoid(Effect.forkIn(reportRepeatedly, scope, { startImmediately: true }))
  }
})
