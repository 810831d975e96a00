/**
 * The spill file: calls that the database could not take, a JSON line each, until it can. It outlives the process, and is
 * deleted once all of its calls are written.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as LogFile from "../observe/LogFile.ts"
import type { Entry } from "./Rows.ts"

export interface Settings {
  /** The path, relative to the working directory. */
  readonly file: string
  /** The size in bytes that the file may have. */
  readonly maxSize: number
}

/** Calls that are lost, and why. */
export class Lost extends Data.TaggedError("Lost")<{ readonly calls: number; readonly cause: string }> {}

/** Bytes that are read at once. */
const chunkSize = 1 << 20

const newline = 0x0a

/** What was read of the file: calls in order, and how many lines and bytes it was. */
export interface Chunk {
  readonly entries: ReadonlyArray<Entry>
  /** Lines that could not be read, and those of them that a full disk cut off, whose calls were lost when they were added. */
  readonly unreadable: number
  readonly cutOff: number
  readonly lines: number
  readonly bytes: number
}

type Append = (lines: ReadonlyArray<string>) => Effect.Effect<void, LogFile.Lost>

/** The spill file of these settings, which does not exist until calls are added. */
export const make = Effect.fnUntraced(function* (settings: Settings) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  // The size is bounded here, so that nothing is rotated.
  const open = LogFile.open({ file: settings.file, maxSize: Number.POSITIVE_INFINITY, maxFiles: 0 }).pipe(
    Effect.provideService(FileSystem.FileSystem, files),
    Effect.provideService(Path.Path, path),
  )
  return new Spill(files, open, settings)
})

export class Spill {
  readonly #files: FileSystem.FileSystem
  readonly #settings: Settings
  readonly #open: Effect.Effect<Append, PlatformError>
  #append: Append | undefined = undefined
  #size = 0
  /** Bytes of the file whose calls are written. */
  #done = 0
  /** Lines that a full disk cut off, and whether the last one is. */
  #cutOff = 0
  #endsCutOff = false
  /** Calls in the file that are not written, lines that were cut off included. */
  calls = 0

  constructor(files: FileSystem.FileSystem, open: Effect.Effect<Append, PlatformError>, settings: Settings) {
    this.#files = files
    this.#open = open
    this.#settings = settings
  }

  /** Adds calls at the end. Fails with those that do not fit or cannot be written: the newest are lost. */
  append(entries: ReadonlyArray<Entry>): Effect.Effect<void, Lost> {
    return Effect.suspend(() => {
      const lines: Array<string> = []
      let bytes = 0
      for (const entry of entries) {
        const line = `${JSON.stringify(entry)}\n`
        const length = Buffer.byteLength(line)
        if (this.#size + bytes + length > this.#settings.maxSize) break
        lines.push(line)
        bytes += length
      }
      const left = entries.length - lines.length
      const cause = `${this.#settings.file} has reached its maximum size`
      if (lines.length === 0) return left === 0 ? Effect.void : Effect.fail(new Lost({ calls: left, cause }))
      const size = this.#size
      return Effect.flatMap(this.#write(lines), ({ lost, why }) => {
        this.calls += lines.length - lost + this.#noteCutOff(lines.slice(0, lines.length - lost), size)
        return lost + left === 0 ? Effect.void : Effect.fail(new Lost({ calls: lost + left, cause: why ?? cause }))
      })
    })
  }

  #write(lines: ReadonlyArray<string>): Effect.Effect<{ readonly lost: number; readonly why?: string }> {
    return Effect.suspend(() => (this.#append === undefined ? this.#opened : Effect.succeed(this.#append))).pipe(
      Effect.catch(({ message }) => Effect.fail(new LogFile.Lost({ lines: lines.length, cause: message }))),
      Effect.flatMap((append) => append(lines)),
      Effect.as({ lost: 0 }),
      Effect.catch(({ cause, lines }) => Effect.succeed({ lost: lines, why: cause })),
      Effect.tap(() => this.#measure),
    )
  }

  /** Finds out, after lines were added to a file of this size, whether one more was cut off. Returns their number. */
  #noteCutOff(saved: ReadonlyArray<string>, size: number): number {
    // A line that was cut off before is ended first.
    const ended = this.#endsCutOff && this.#size > size ? 1 : 0
    const rest = this.#size - size - ended - saved.reduce((sum, line) => sum + Buffer.byteLength(line), 0)
    if (this.#size > size) this.#endsCutOff = rest > 0
    if (rest <= 0) return 0
    this.#cutOff++
    return 1
  }

  get #opened(): Effect.Effect<Append, PlatformError> {
    return Effect.tap(this.#open, (append) =>
      Effect.sync(() => {
        this.#append = append
      }),
    )
  }

  get #measure(): Effect.Effect<void> {
    return Effect.map(
      Effect.orElseSucceed(
        Effect.map(this.#files.stat(this.#settings.file), ({ size }) => Number(size)),
        () => 0,
      ),
      (size) => {
        this.#size = size
      },
    )
  }

  /** Counts the calls that an earlier process left. */
  get recover(): Effect.Effect<void, PlatformError> {
    return Effect.gen({ self: this }, function* () {
      yield* this.#measure
      let position = 0
      while (position < this.#size) {
        const chunk = yield* this.#read(position)
        if (chunk.bytes === 0) return
        this.calls += chunk.lines
        position += chunk.bytes
      }
    })
  }

  /** The next calls that are not written, at most `most`. */
  next(most: number): Effect.Effect<Chunk, PlatformError> {
    return Effect.map(this.#read(this.#done, most), (chunk) => ({
      ...chunk,
      cutOff: Math.min(chunk.unreadable, this.#cutOff),
    }))
  }

  /** Those calls are written. Deletes the file after the last. */
  done(chunk: Chunk): Effect.Effect<void, PlatformError> {
    return Effect.suspend(() => {
      this.#done += chunk.bytes
      this.#cutOff -= chunk.cutOff
      this.calls = Math.max(0, this.calls - chunk.lines)
      return this.#done < this.#size && chunk.bytes > 0 ? Effect.void : this.#delete
    })
  }

  get #delete(): Effect.Effect<void, PlatformError> {
    return Effect.andThen(this.#files.remove(this.#settings.file, { force: true }), this.forget)
  }

  /** Leaves what is in the file, if it still exists. The next calls are added after it. */
  get forget(): Effect.Effect<void> {
    return Effect.map(this.#measure, () => {
      this.#done = this.#size
      this.calls = 0
      this.#cutOff = 0
      this.#endsCutOff = false
      this.#append = undefined
    })
  }

  #read(position: number, most = Number.POSITIVE_INFINITY): Effect.Effect<Chunk, PlatformError> {
    return Effect.scoped(
      Effect.gen({ self: this }, function* () {
        const handle = yield* this.#files.open(this.#settings.file, { flag: "r" })
        yield* handle.seek(BigInt(position), "start")
        const bytes = Option.getOrElse(yield* handle.readAlloc(chunkSize), () => new Uint8Array())
        return parse(bytes, most, position + bytes.length >= this.#size)
      }),
    )
  }
}

/** The whole lines of these bytes. The last line of a file may lack its end, if the process that wrote it was ended. */
const parse = (bytes: Uint8Array, most: number, isEnd: boolean): Chunk => {
  const entries: Array<Entry> = []
  let [at, lines, unreadable] = [0, 0, 0]
  while (at < bytes.length && lines < most) {
    const found = bytes.indexOf(newline, at)
    if (found < 0 && at > 0 && !isEnd) break
    const end = found < 0 ? bytes.length : found
    if (end > at) {
      const entry = decode(Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString())
      if (Option.isSome(entry)) entries.push(entry.value as unknown as Entry)
      else unreadable++
      lines++
    }
    at = end + 1
  }
  return { entries, unreadable, cutOff: 0, lines, bytes: Math.min(at, bytes.length) }
}

const Row = Schema.Record(Schema.String, Schema.NullOr(Schema.Union([Schema.String, Schema.Finite])))

const Line = Schema.fromJsonString(
  Schema.Struct({
    call: Row.pipe(Schema.check(Schema.makeFilter(({ id }) => Predicate.isString(id)))),
    attempts: Schema.Array(Row),
  }),
)

/** A line of another version may lack columns: they are written as nothing. */
const decode = Schema.decodeUnknownOption(Line)
