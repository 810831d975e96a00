/**
 * The usage log: a file with a line of JSON for every call, by its receipt. What was asked and answered is never in it, nor
 * what a provider said about it, nor a key.
 *
 * A file that is full becomes `usage.log.1`, the one before it `usage.log.2`, and so on. A gateway has a file of its own.
 */
import type { Attempt, PassedOver, Receipt } from "@understudy/core/Receipt"
import { total } from "@understudy/core/Receipt"
import { handle } from "@understudy/core/RouteEvent"
import { Router } from "@understudy/core/Router"
import { passedOver } from "@understudy/core/RouterError"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type { UsageLogSettings } from "../config/UsageLogSection.ts"

/** The file cannot be written where it was said to be. */
export class CannotLog extends Data.TaggedError("CannotLog")<{ readonly message: string }> {}

/**
 * Writes a line when a call has ended, without the call waiting for it; those that are still to be written when the layer
 * closes are written then. A disk that fails later costs lines, and is warned of.
 */
export const layer = (
  settings: UsageLogSettings,
): Layer.Layer<never, CannotLog, Router | FileSystem.FileSystem | Path.Path> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const router = yield* Router
      const append = yield* Effect.mapError(
        open(settings),
        ({ reason }) =>
          new CannotLog({ message: `The usage log ${settings.file} cannot be written: ${reason.message}` }),
      )
      let pending: Array<string> = []
      const write = Effect.suspend(() => {
        const lines = pending
        pending = []
        return Effect.catch(append(lines), ({ message }) =>
          Effect.logWarning(`${lines.length} lines of the usage log could not be written: ${message}`),
        )
      })
      yield* handle(router.listen, (event) => {
        if (event._tag !== "Ended") return undefined
        // One write takes all that has come while the one before it was under way.
        return pending.push(`${JSON.stringify(entry(event.receipt))}\n`) === 1 ? write : undefined
      })
    }),
  )

// ---------------------------------------------------------------------------------------------------------------------
// The file
// ---------------------------------------------------------------------------------------------------------------------

/** Appends lines to a file that is made where it is missing, and turned over before it grows above its size. */
const open = Effect.fnUntraced(function* ({ file, keep, max }: UsageLogSettings) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const write = (text: string) => files.writeFileString(file, text, { flag: "a", mode: ownersAlone })
  yield* files.makeDirectory(path.dirname(file), { recursive: true })
  yield* write("")
  let size = Number((yield* files.stat(file)).size)

  /** A file that is not there yet needs no other name. */
  const rename = (from: string, to: string) => Effect.catchIf(files.rename(from, to), isMissing, () => Effect.void)
  const turn = Effect.gen(function* () {
    for (let age = keep; age > 1; age--) yield* rename(`${file}.${age - 1}`, `${file}.${age}`)
    yield* keep === 0 ? files.remove(file, { force: true }) : rename(file, `${file}.1`)
    size = 0
  })

  return Effect.fnUntraced(function* (lines: ReadonlyArray<string>) {
    let text = ""
    for (const line of lines) {
      const more = Buffer.byteLength(line)
      if (size > 0 && size + more > Number(max)) {
        yield* write(text)
        yield* turn
        text = ""
      }
      text += line
      size += more
    }
    yield* write(text)
  })
})

/** Who called, when and at what cost is for the gateway's own user to read. A file that is there keeps its mode. */
const ownersAlone = 0o600

const isMissing = ({ reason }: PlatformError): boolean => reason._tag === "NotFound"

// ---------------------------------------------------------------------------------------------------------------------
// A line
// ---------------------------------------------------------------------------------------------------------------------

/** A call as the log has it. Times are milliseconds, `usd` US dollars where the price is known. */
export const entry = (receipt: Receipt): object => ({
  time: DateTime.formatIso(DateTime.makeUnsafe(receipt.startedAt)),
  id: receipt.id,
  route: receipt.route,
  caller: receipt.caller,
  stream: receipt.streaming,
  outcome: receipt.outcome,
  deployment: receipt.deployment,
  cache: receipt.cache,
  attempts: receipt.attempts.map(attempt),
  passed_over: receipt.passedOver.map(other),
  ...counted(total(receipt)),
  first_token_ms: receipt.firstTokenMillis,
  ms: receipt.millis,
})

const attempt = ({ cost, deployment, millis, outcome, reason, status, usage }: Attempt): object => ({
  deployment,
  outcome,
  reason,
  status,
  ...(usage === undefined ? undefined : counted({ ...usage, cost })),
  ms: millis,
})

const other = ({ deployment, verdict }: PassedOver): object => ({ deployment, reason: passedOver(verdict) })

const counted = ({ cost, inputTokens, outputTokens }: ReturnType<typeof total>): object => ({
  input_tokens: inputTokens,
  output_tokens: outputTokens,
  usd: cost === undefined ? undefined : Number(cost.toFixed(6)),
})
