/**
 * The usage log: a file with one JSON line per call, from its receipt. It never contains prompts, answers, provider
 * messages or keys.
 *
 * The file is rotated to `usage.log.1`, `usage.log.2` and so on. Each gateway needs a file of its own.
 */
import type { Receipt } from "@understudy/core/Receipt"
import { runHandlers } from "@understudy/core/RouteEvent"
import { Router } from "@understudy/core/Router"
import type * as ByteSize from "effect/ByteSize"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as CallFields from "./CallFields.ts"
import * as LogFile from "./LogFile.ts"
import * as LossReport from "./LossReport.ts"

/** The file of the usage log, and how it is rotated. */
export interface UsageLogSettings {
  /** The path, relative to the working directory. */
  readonly file: string
  /** The size at which the file is rotated. */
  readonly maxSize: ByteSize.ByteSize
  /** The number of rotated files that are kept. */
  readonly maxFiles: number
}

/** The usage log cannot be opened. */
export class CannotLog extends Data.TaggedError("CannotLog")<{ readonly message: string }> {}

/**
 * Writes a line when a call ends. Calls do not wait for it, and pending lines are written when the layer closes. Lines that
 * cannot be written are counted, and logged once a minute.
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
      const reportLoss = yield* LossReport.make(
        (lines) =>
          `${lines === 1 ? "1 line" : `${lines} lines`} of the usage log ${settings.file} could not be written`,
      )
      let pending: Array<string> = []
      const write = Effect.suspend(() => {
        const lines = pending
        pending = []
        return Effect.catch(append(lines), ({ cause, lines }) => reportLoss(lines, cause))
      })
      yield* runHandlers(router.subscribe, (event) => {
        if (event._tag !== "CallEnded") return undefined
        // Each write takes all lines that arrived during the previous write.
        return pending.push(`${JSON.stringify(entry(event.receipt))}\n`) === 1 ? write : undefined
      })
    }),
  )

/** The entry of a call: its fields, and when it began. */
const entry = (receipt: Receipt): object => ({
  time: DateTime.formatIso(DateTime.makeUnsafe(receipt.startedAt)),
  ...CallFields.of(receipt),
})
