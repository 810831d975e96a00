/**
 * The file of a tape, and its rotation. Bytes are only ever appended, so that a file that lost its end is readable up to it.
 */
import * as Tape from "@understudy/core/Tape"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as LogFile from "../observe/LogFile.ts"

export interface Settings {
  /** The path. Its directory is created if it is missing. */
  readonly file: string
  /** The size in bytes, and the age, at which the file is rotated. */
  readonly maxSize: number
  readonly interval: Duration.Duration
  /** The number of rotated files that are kept: `file.1`, the newest, to `file.<maxFiles>`. */
  readonly maxFiles: number
}

/** The file was changed by another program: what is appended would not follow what was. */
export class Changed extends Data.TaggedError("Changed")<object> {}

export class TapeFile {
  readonly #files: FileSystem.FileSystem
  readonly #path: Path.Path
  readonly #settings: Settings
  /** The size of the file in bytes; `undefined` before it is opened, and after a failure. */
  #size: number | undefined
  /** When the first call in it ended, in clock milliseconds; `undefined` while it has none. */
  #since: number | undefined

  constructor(files: FileSystem.FileSystem, path: Path.Path, settings: Settings) {
    this.#files = files
    this.#path = path
    this.#settings = settings
  }

  /** Whether the file is to be rotated after so many more bytes. */
  isFullAfter(bytes: number, now: number): boolean {
    const { interval, maxSize } = this.#settings
    const age = now - (this.#since ?? now)
    return (this.#size ?? 0) + bytes >= maxSize || age >= Duration.toMillis(interval)
  }

  append(bytes: Uint8Array, now: number): Effect.Effect<void, PlatformError | Changed> {
    return Effect.gen({ self: this }, function* () {
      const known = this.#size
      const size = yield* known === undefined ? this.#open(now) : this.#measure
      this.#size = undefined
      if (known !== undefined && known !== size) return yield* new Changed()
      yield* this.#write(bytes)
      this.#size = size + bytes.length
      this.#since ??= now
    })
  }

  get rotate(): Effect.Effect<void, PlatformError> {
    return Effect.map(LogFile.rotate(this.#files, this.#settings), () => {
      this.#size = undefined
      this.#since = undefined
    })
  }

  #write(bytes: Uint8Array): Effect.Effect<void, PlatformError> {
    return this.#files.writeFile(this.#settings.file, bytes, { flag: "a", mode: LogFile.ownerOnly })
  }

  /** Opens the file, which may be there from before, and rotates it if it is full or old. Gives its size. */
  #open(now: number): Effect.Effect<number, PlatformError> {
    return Effect.gen({ self: this }, function* () {
      const { file } = this.#settings
      yield* this.#files.makeDirectory(this.#path.dirname(file), { recursive: true })
      yield* this.#write(new Uint8Array())
      yield* LogFile.restrictAccess(this.#files, this.#path, file)
      const size = (this.#size = yield* this.#measure)
      this.#since = size === 0 ? undefined : yield* this.#begunAt
      if (size === 0 || !this.isFullAfter(0, now)) return size
      yield* this.rotate
      return 0
    })
  }

  /** When the tape that is in the file begins; 0 if it is none, so that it is rotated. */
  get #begunAt(): Effect.Effect<number, PlatformError> {
    return Effect.scoped(
      Effect.gen({ self: this }, function* () {
        const handle = yield* this.#files.open(this.#settings.file, { flag: "r" })
        const head = Option.getOrElse(yield* handle.readAlloc(1024), () => new Uint8Array())
        const items = Result.getOrElse(new Tape.Decoder().push(head), () => [])
        const [first] = items
        return first?._tag === "Segment" ? first.at : 0
      }),
    )
  }

  get #measure(): Effect.Effect<number, PlatformError> {
    return Effect.catchIf(
      Effect.map(this.#files.stat(this.#settings.file), ({ size }) => Number(size)),
      LogFile.isMissing,
      () => Effect.succeed(0),
    )
  }
}
