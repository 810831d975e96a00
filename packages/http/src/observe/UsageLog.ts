/**
 * The usage log: a file with a line of JSON for every call, by its receipt. What was asked and answered is never in it, nor
 * what a provider said about it, nor a key.
 *
 * A file that is full becomes `usage.log.1`, the one before it `usage.log.2`, and so on. A gateway has a file of its own.
 */
import type { Attempt, Skipped, Receipt } from "@understudy/core/Receipt"
import { total } from "@understudy/core/Receipt"
import { runHandlers } from "@understudy/core/RouteEvent"
import { Router } from "@understudy/core/Router"
import { snakeCase } from "@understudy/core/internal/model/SnakeCase"
import type * as ByteSize from "effect/ByteSize"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as LogFile from "./LogFile.ts"
import { skipReason } from "./ReasonJson.ts"

/** The file of the usage log, and how it is rotated. */
export interface UsageLogSettings {
  /** The path, relative to the working directory. */
  readonly file: string
  /** The size at which the file is rotated. */
  readonly maxSize: ByteSize.ByteSize
  /** The number of rotated files that are kept. */
  readonly maxFiles: number
}

/** The file cannot be written where it was said to be. */
export class CannotLog extends Data.TaggedError("CannotLog")<{ readonly message: string }> {}

/**
 * Writes a line when a call has ended, without the call waiting for it; those that are still to be written when the layer
 * closes are written then. A disk that fails later costs lines, which are counted and told of once a minute.
 */
export const layer = (
  settings: UsageLogSettings,
): Layer.Layer<never, CannotLog, Router | FileSystem.FileSystem | Path.Path> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const router = yield* Router
      const append = yield* Effect.mapError(
        LogFile.open({ ...settings, maxSize: Number(settings.maxSize) }),
        ({ reason }) =>
          new CannotLog({ message: `The usage log ${settings.file} cannot be written: ${reason.message}` }),
      )
      const lost = yield* losses(settings.file)
      let pending: Array<string> = []
      const write = Effect.suspend(() => {
        const lines = pending
        pending = []
        return Effect.catch(append(lines), lost)
      })
      yield* runHandlers(router.subscribe, (event) => {
        if (event._tag !== "CallEnded") return undefined
        // One write takes all that has come while the one before it was under way.
        return pending.push(`${JSON.stringify(toEntry(event.receipt))}\n`) === 1 ? write : undefined
      })
    }),
  )

/** Tells of lost lines: of the first at once, of those after it once a minute, of the last when the scope closes. */
const losses = Effect.fnUntraced(function* (file: string) {
  let count = 0
  let why = ""
  const tell = Effect.suspend(() => {
    if (count === 0) return Effect.succeed(false)
    const lines = count === 1 ? "1 line" : `${count} lines`
    count = 0
    return Effect.as(Effect.logError(`${lines} of the usage log ${file} could not be written: ${why}`), true)
  })
  yield* Effect.addFinalizer(() => tell)
  const scope = yield* Effect.scope
  let telling = false
  const again: Effect.Effect<void> = Effect.flatMap(tell, (told) => {
    if (told) return Effect.andThen(Effect.sleep("1 minute"), again)
    telling = false
    return Effect.void
  })
  return ({ cause, lines }: LogFile.Lost): Effect.Effect<void> => {
    count += lines
    why = cause
    if (telling) return Effect.void
    telling = true
    return Effect.asVoid(Effect.forkIn(again, scope, { startImmediately: true }))
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// A line
// ---------------------------------------------------------------------------------------------------------------------

/** A call as the log has it. Times are milliseconds, `cost_usd` US dollars where the price is known. */
export const toEntry = (receipt: Receipt): object => ({
  time: DateTime.formatIso(DateTime.makeUnsafe(receipt.startedAt)),
  id: receipt.id,
  route: receipt.route,
  caller: receipt.caller,
  stream: receipt.streaming,
  outcome: receipt.outcome,
  deployment: receipt.deployment,
  cache: receipt.cache,
  attempts: receipt.attempts.map(attempt),
  skipped: receipt.skipped.map(toSkipped),
  ...counted(total(receipt)),
  first_token_ms: receipt.firstTokenMillis,
  ms: receipt.millis,
})

const attempt = ({ cost, deployment, millis, outcome, reason, status, usage }: Attempt): object => ({
  deployment,
  outcome,
  reason: reason && snakeCase(reason),
  status,
  ...(usage === undefined ? undefined : counted({ ...usage, cost })),
  ms: millis,
})

const toSkipped = ({ deployment, reason }: Skipped): object => ({ deployment, ...skipReason(reason) })

const counted = ({ cost, inputTokens, outputTokens }: ReturnType<typeof total>): object => ({
  input_tokens: inputTokens,
  output_tokens: outputTokens,
  cost_usd: cost === undefined ? undefined : Number(cost.toFixed(6)),
})
