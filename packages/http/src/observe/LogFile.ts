/**
 * A log file of lines with size-based rotation. It repairs a line that a full disk cut off, so that all other lines stay
 * readable.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"

export interface Settings {
  /** The path. Its directory is created if it is missing. */
  readonly file: string
  /** The size in bytes at which the file is rotated. */
  readonly maxSize: number
  /** The number of rotated files that are kept: `file.1`, the newest, to `file.<maxFiles>`. */
  readonly maxFiles: number
}

/** Lines that could not be written. `cause` has the errno, such as ENOSPC. */
export class Lost extends Data.TaggedError("Lost")<{ readonly lines: number; readonly cause: string }> {}

/** Only the user of the process may read who called, when and at what cost. */
export const ownerOnly = 0o600

/** Opens the file. Returns a function that appends lines, each with its newline; it must not run concurrently. */
export const open = Effect.fnUntraced(function* (settings: Settings) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { file } = settings
  const folder = path.dirname(file)
  yield* files.makeDirectory(folder, { recursive: true })
  const log = new LogFile(files, settings, 0)
  yield* log.write("")
  yield* restrictAccess(files, path, file)
  log.size = yield* log.measure
  return (lines: ReadonlyArray<string>): Effect.Effect<void, Lost> => append(log, lines)
})

/** Restricts the file and its rotated files, which may exist from before, to their owner. */
export const restrictAccess = Effect.fnUntraced(function* (
  files: FileSystem.FileSystem,
  path: Path.Path,
  file: string,
) {
  const folder = path.dirname(file)
  const base = path.basename(file)
  for (const name of yield* Effect.orElseSucceed(files.readDirectory(folder), () => [])) {
    const isLog = name.startsWith(base) && /^(?:\.\d+)?$/.test(name.slice(base.length))
    if (isLog) yield* Effect.ignore(restrict(files, path.join(folder, name)))
  }
})

/** Skips devices, which other processes use. Fails for files of another user. */
const restrict = (files: FileSystem.FileSystem, name: string) =>
  Effect.flatMap(files.stat(name), ({ type }) => (type === "File" ? files.chmod(name, ownerOnly) : Effect.void))

/** The state of an open log file. */
class LogFile {
  readonly files: FileSystem.FileSystem
  readonly settings: Settings
  /** The size of the file in bytes, with the lines of the current write. */
  size: number
  /** Whether `size` is exact and the file ends in a newline: not before the first write, nor after a failed one. */
  isVerified = false

  constructor(files: FileSystem.FileSystem, settings: Settings, size: number) {
    this.files = files
    this.settings = settings
    this.size = size
  }

  write(text: string): Effect.Effect<void, PlatformError> {
    return this.files.writeFileString(this.settings.file, text, { flag: "a", mode: ownerOnly })
  }

  get measure(): Effect.Effect<number, PlatformError> {
    return Effect.map(this.files.stat(this.settings.file), ({ size }) => Number(size))
  }
}

/** Reads the size of the file, and ends a line that was cut off. */
const verify = Effect.fnUntraced(function* (log: LogFile) {
  log.size = yield* Effect.catchIf(log.measure, isMissing, () => Effect.succeed(0))
  if (yield* endsInPartialLine(log)) {
    yield* log.write("\n")
    log.size += 1
  }
  log.isVerified = true
})

const endsInPartialLine = ({ files, settings, size }: LogFile): Effect.Effect<boolean, PlatformError> =>
  size === 0
    ? Effect.succeed(false)
    : Effect.scoped(
        Effect.gen(function* () {
          const handle = yield* files.open(settings.file, { flag: "r" })
          yield* handle.seek(BigInt(size - 1), "start")
          const last = yield* handle.readAlloc(1)
          return Option.isSome(last) && last.value[0] !== newline
        }),
      )

const newline = 0x0a

/** Renames `file` to `file.1`, `file.1` to `file.2` and so on. Removes the file instead if none is kept. */
export const rotate = Effect.fnUntraced(function* (
  files: FileSystem.FileSystem,
  { file, maxFiles }: Pick<Settings, "file" | "maxFiles">,
) {
  const rename = (from: string, to: string) => Effect.catchIf(files.rename(from, to), isMissing, () => Effect.void)
  for (let age = maxFiles; age > 1; age--) yield* rename(`${file}.${age - 1}`, `${file}.${age}`)
  yield* maxFiles === 0 ? files.remove(file, { force: true }) : rename(file, `${file}.1`)
})

export const isMissing = ({ reason }: PlatformError): boolean => reason._tag === "NotFound"

/** The progress of one append: lines known to be written, and the size of the file before the others. */
interface Progress {
  written: number
  /** `Infinity` while it is unknown. */
  sizeBefore: number
}

const append = (log: LogFile, lines: ReadonlyArray<string>): Effect.Effect<void, Lost> =>
  Effect.suspend(() => {
    const progress: Progress = { written: 0, sizeBefore: Infinity }
    return Effect.catch(writeLines(log, lines, progress), (error) => failure(log, lines, progress, error))
  })

/** Writes the lines, in one write for each file that they fill. */
const writeLines = Effect.fnUntraced(function* (log: LogFile, lines: ReadonlyArray<string>, progress: Progress) {
  if (!log.isVerified) yield* verify(log)
  progress.sizeBefore = log.size
  let text = ""
  let count = 0
  for (const line of lines) {
    const bytes = Buffer.byteLength(line)
    if (log.size > 0 && log.size + bytes > log.settings.maxSize) {
      yield* log.write(text)
      progress.written += count
      progress.sizeBefore = Infinity
      yield* rotate(log.files, log.settings)
      log.size = 0
      progress.sizeBefore = log.size
      text = ""
      count = 0
    }
    text += line
    count++
    log.size += bytes
  }
  yield* log.write(text)
})

/** Fails with the number of lost lines: a full disk may have taken the first lines of a write. */
const failure = (
  log: LogFile,
  lines: ReadonlyArray<string>,
  { sizeBefore, written }: Progress,
  error: PlatformError,
): Effect.Effect<never, Lost> =>
  Effect.flatMap(
    Effect.orElseSucceed(log.measure, () => 0),
    (size) => {
      log.isVerified = false
      let saved = written
      for (let left = size - sizeBefore; saved < lines.length; saved++) {
        left -= Buffer.byteLength(lines[saved]!)
        if (!(left >= 0)) break
      }
      return Effect.fail(new Lost({ lines: lines.length - saved, cause: reason(error) }))
    },
  )

/** The errno, if any, and the message. */
export const reason = ({ reason }: PlatformError): string => {
  const code = Predicate.isObject(reason.cause) ? reason.cause["code"] : undefined
  return Predicate.isString(code) ? `${code} (${reason.message})` : reason.message
}
