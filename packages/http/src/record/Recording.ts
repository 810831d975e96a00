/**
 * Recording of calls to a tape, from their receipts: whether it is on, by the configuration or for a time by the operator, and
 * the tape that is written while it is.
 *
 * Calls never wait for it. They are encoded when they end, and written once a second. What cannot be written is lost, counted,
 * and logged once a minute.
 */
import { Router } from "@understudy/core/Router"
import * as Tape from "@understudy/core/Tape"
import type * as ByteSize from "effect/ByteSize"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { randomUUID } from "node:crypto"
import * as LogFile from "../observe/LogFile.ts"
import * as LossReport from "../observe/LossReport.ts"
import { MainProcess } from "../workers/MainProcess.ts"
import { TapeFile } from "./TapeFile.ts"

/** The tape, and whether it is recorded while the operator says nothing else. */
export interface Settings {
  /** The path, relative to the working directory. */
  readonly file: string
  readonly enabled: boolean
  /** The share of calls that is recorded, from 0 to 1. */
  readonly sample: number
  /** The size and the age at which the file is rotated. */
  readonly maxSize: ByteSize.ByteSize
  readonly interval: Duration.Duration
  /** The number of rotated files that are kept. */
  readonly maxFiles: number
}

/** What the operator says for a time, in place of the configuration. */
export interface Change {
  readonly enabled: boolean
  /** The share of calls; `undefined` for that of the configuration. */
  readonly sample: number | undefined
  /** In clock milliseconds. */
  readonly until: number
}

export interface Status {
  readonly enabled: boolean
  readonly file: string
  readonly sample: number
  /** When the operator's change ends, in clock milliseconds, if there is one. */
  readonly until: number | undefined
  /** Calls since the process started: written to the tape, and lost. */
  readonly recorded: number
  readonly lost: number
}

/** The configuration names no file. */
export class NoFile extends Data.TaggedError("NoFile")<object> {}

export class Recording extends Context.Service<
  Recording,
  {
    readonly status: Effect.Effect<Status, NoFile>
    /** Switches recording on or off for a time, in every worker. */
    readonly change: (change: Change) => Effect.Effect<Status, NoFile>
    /** Puts the section of another configuration in force. */
    readonly configure: (settings: Settings | undefined) => Effect.Effect<void>
  }
>()("@understudy/http/Recording") {}

const recordedCalls = Metric.counter("understudy_recorded_calls_total", {
  description: "Calls that were written to the tape",
  incremental: true,
})
const lostCalls = Metric.counter("understudy_record_lost_calls_total", {
  description: "Calls that are not on the tape because its file could not be written",
  incremental: true,
})
const recording = Metric.gauge("understudy_recording", { description: "Whether calls are recorded: 1 or 0" })

/** How long a call may wait until it is written. */
const flushInterval = Duration.seconds(1)

/** Bytes in memory at which calls are lost: the file cannot be written. */
const maxPending = 8_000_000

export interface Options {
  readonly configured: Settings | undefined
  /** The file of this process, if there are several. */
  readonly fileOf: (file: string) => string
  /** The version of the gateway. */
  readonly version: string
}

export const layer = ({
  configured,
  fileOf,
  version,
}: Options): Layer.Layer<Recording, never, Router | FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    Recording,
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const oneAtATime = yield* Semaphore.make(1)
      const main = Option.getOrUndefined(yield* Effect.serviceOption(MainProcess))
      const startedAt = yield* Clock.currentTimeMillis
      const tapes: Tapes = {
        router: yield* Router,
        files: yield* FileSystem.FileSystem,
        path: yield* Path.Path,
        recorder: { version, instance: randomUUID(), startedAt },
        counts: { recorded: 0, lost: 0 },
      }
      let settings: Settings | undefined
      let change: Change | undefined
      let session: { readonly settings: Settings; readonly scope: Scope.Closeable } | undefined

      const desired = (): Settings | undefined => {
        if (settings === undefined) return undefined
        const { enabled, sample = settings.sample } = change ?? settings
        return { ...settings, enabled, sample, file: fileOf(settings.file) }
      }

      const close = Effect.suspend(() => {
        const closing = session
        session = undefined
        return closing === undefined ? Effect.void : Scope.close(closing.scope, Exit.void)
      })

      /** Ends the session unless it is as it should be, and begins another one if calls are to be recorded. */
      const apply = Effect.gen(function* () {
        const wanted = desired()
        const isOn = wanted?.enabled === true
        if (session !== undefined && (!isOn || !Equal.equals(session.settings, wanted))) yield* close
        if (isOn && session === undefined) {
          const own = Scope.makeUnsafe()
          session = { settings: wanted, scope: own }
          yield* Effect.provideService(record(tapes, wanted), Scope.Scope, own)
        }
        yield* Metric.update(recording, isOn ? 1 : 0)
      }).pipe(Effect.uninterruptible, oneAtATime.withPermits(1))

      const configure = (next: Settings | undefined) =>
        Effect.suspend(() => {
          settings = next
          return apply
        })

      const override = (next: Change) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          change = next.until > now ? next : undefined
          yield* apply
          const end = Effect.suspend(() => {
            if (change !== next) return Effect.void
            change = undefined
            return Effect.andThen(Effect.logInfo("The recording of calls is as it is configured again."), apply)
          })
          yield* Effect.forkIn(Effect.andThen(Effect.sleep(Math.max(0, next.until - now)), end), scope)
          const state = next.enabled ? "on" : "off"
          yield* Effect.logInfo(`The recording of calls is ${state} until ${new Date(next.until).toISOString()}.`)
        })

      const status = Effect.suspend(() => {
        const wanted = desired()
        if (wanted === undefined) return Effect.fail(new NoFile())
        const { enabled, file, sample } = wanted
        return Effect.succeed<Status>({ enabled, file, sample, until: change?.until, ...tapes.counts })
      })

      yield* Metric.update(recordedCalls, 0)
      yield* Metric.update(lostCalls, 0)
      yield* configure(configured)
      yield* Effect.addFinalizer(() => close)
      if (main !== undefined) {
        yield* main.answer("record", (text) => {
          const { by, enabled, sample, until }: Asked = JSON.parse(text)
          return by === main.worker ? Effect.succeed("") : Effect.as(override({ enabled, sample, until }), "")
        })
      }
      return {
        status,
        configure,
        change: (next) =>
          Effect.gen(function* () {
            yield* status
            yield* override(next)
            if (main !== undefined) {
              const asked: Asked = { ...next, by: main.worker }
              yield* main.ask("everyone", { topic: "record", text: JSON.stringify(asked) })
            }
            return yield* status
          }),
      }
    }),
  )

/** A change that the worker `by` has made, for the others. */
interface Asked extends Change {
  readonly by: number
}

/** What the sessions of a process share. */
interface Tapes {
  readonly router: Router["Service"]
  readonly files: FileSystem.FileSystem
  readonly path: Path.Path
  readonly recorder: Omit<Tape.Recorder, "sample">
  readonly counts: { recorded: number; lost: number }
}

/** Records until the scope closes, and writes then what is left. */
const record = Effect.fnUntraced(function* (
  { counts, files, path, recorder, router }: Tapes,
  { file, interval, maxFiles, maxSize, sample }: Settings,
): Effect.fn.Return<void, never, Scope.Scope> {
  const writer = new Tape.Writer({ ...recorder, sample })
  const tape = new TapeFile(files, path, { file, interval, maxFiles, maxSize: Number(maxSize) })
  const report = yield* LossReport.make(
    (calls) => `${calls === 1 ? "1 call is" : `${calls} calls are`} not on the tape ${file}`,
  )
  /** Calls that there was no memory for, and lost calls that no segment on the tape has. */
  let dropped = 0
  let unwritten = 0
  const lose = (calls: number, cause: string) => {
    counts.lost += calls
    return Effect.andThen(Metric.update(lostCalls, calls), report(calls, cause))
  }
  const append = (bytes: Uint8Array, calls: number, missing: number, now: number) =>
    Effect.matchEffect(tape.append(bytes, now), {
      onSuccess: () => {
        unwritten = missing
        counts.recorded += calls
        return Metric.update(recordedCalls, calls)
      },
      onFailure: (error) => {
        // Calls that were added since refer to names in those that are lost.
        const lost = calls + writer.calls
        writer.take()
        writer.restart((unwritten += missing + lost))
        return lose(lost, error._tag === "Changed" ? "another program has changed it" : LogFile.reason(error))
      },
    })
  const write = Effect.gen(function* () {
    const { calls } = writer
    const missing = dropped
    dropped = 0
    if (missing > 0) yield* lose(missing, "the file is written more slowly than calls end")
    const now = yield* Clock.currentTimeMillis
    const bytes = writer.take()
    if (calls === 0) {
      if (missing > 0) writer.restart((unwritten += missing))
      return
    }
    const isLast = tape.isFullAfter(bytes.length, now)
    // Before another call is added: what follows in another file, or after a loss, is a segment of its own.
    if (isLast || missing > 0) writer.restart(missing)
    yield* append(bytes, calls, missing, now)
    if (isLast) yield* Effect.catch(tape.rotate, (error) => report(0, LogFile.reason(error)))
  }).pipe(Effect.uninterruptible)
  // Runs after the last call is added, and after the loop below has ended.
  yield* Effect.addFinalizer(() => write)
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(flushInterval), write)))
  const isRecorded = (call: string) => Tape.isSampled(call, sample)
  yield* router.subscribe((event) => {
    if (event._tag !== "CallEnded" || !isRecorded(event.call)) return
    if (writer.size < maxPending) writer.add(event.receipt)
    else dropped++
  }, isRecorded)
})
