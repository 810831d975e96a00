/**
 * A file of lines, made where it is missing, which becomes another before it grows above its size. What a full disk tore
 * off is ended before the next line, so that every other line can still be read.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"

export interface Settings {
  readonly file: string
  /** How many bytes it grows to before another is begun. */
  readonly maxSize: number
  /** How many full ones are kept beside it. */
  readonly maxFiles: number
}

/** How many lines were lost, and why: with the errno, such as ENOSPC. */
export class Lost extends Data.TaggedError("Lost")<{ readonly lines: number; readonly cause: string }> {}

/** Who called, when and at what cost is for the gateway's own user to read, in files that are there before too. */
const ownersAlone = 0o600

/** Appends lines, each with its newline. Never two at once. */
export const open = Effect.fnUntraced(function* ({ file, maxFiles, maxSize }: Settings) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const write = (text: string) => files.writeFileString(file, text, { flag: "a", mode: ownersAlone })
  const folder = path.dirname(file)
  yield* files.makeDirectory(folder, { recursive: true })
  yield* write("")
  const beside = yield* Effect.orElseSucceed(files.readDirectory(folder), () => [])
  const base = path.basename(file)
  for (const name of beside) {
    const isOurs = name.startsWith(base) && /^(?:\.\d+)?$/.test(name.slice(base.length))
    if (isOurs) yield* Effect.ignore(close(files, path.join(folder, name)))
  }

  const measure = Effect.map(files.stat(file), ({ size }) => Number(size))
  /** Whether the file ends within a line. */
  const isTorn = (size: number) =>
    size === 0
      ? Effect.succeed(false)
      : Effect.scoped(
          Effect.gen(function* () {
            const handle = yield* files.open(file, { flag: "r" })
            yield* handle.seek(BigInt(size - 1), "start")
            const last = yield* handle.readAlloc(1)
            return Option.isSome(last) && last.value[0] !== newline
          }),
        )

  let size = yield* measure
  /** What the file holds is known. It is not after a write that failed, nor of one that was there before. */
  let known = false
  const look = Effect.gen(function* () {
    size = yield* Effect.catchIf(measure, isMissing, () => Effect.succeed(0))
    if (yield* isTorn(size)) {
      yield* write("\n")
      size += 1
    }
    known = true
  })

  /** A file that is not there yet needs no other name. */
  const rename = (from: string, to: string) => Effect.catchIf(files.rename(from, to), isMissing, () => Effect.void)
  const turn = Effect.gen(function* () {
    for (let age = maxFiles; age > 1; age--) yield* rename(`${file}.${age - 1}`, `${file}.${age}`)
    yield* maxFiles === 0 ? files.remove(file, { force: true }) : rename(file, `${file}.1`)
    size = 0
  })

  return Effect.fnUntraced(function* (lines: ReadonlyArray<string>): Effect.fn.Return<void, Lost> {
    let written = 0
    /** What the file held before the lines that are not written; unknown before it was looked at. */
    let before = Infinity
    const all = Effect.gen(function* () {
      if (!known) yield* look
      before = size
      let text = ""
      let count = 0
      for (const line of lines) {
        const more = Buffer.byteLength(line)
        if (size > 0 && size + more > maxSize) {
          yield* write(text)
          written += count
          before = Infinity
          yield* turn
          before = size
          text = ""
          count = 0
        }
        text += line
        count++
        size += more
      }
      yield* write(text)
    })
    return yield* Effect.catch(all, (error) =>
      Effect.flatMap(
        Effect.orElseSucceed(measure, () => 0),
        (now) => {
          known = false
          // A disk may have taken the first of them.
          for (let left = now - before; written < lines.length; written++) {
            left -= Buffer.byteLength(lines[written]!)
            if (!(left >= 0)) break
          }
          return Effect.fail(new Lost({ lines: lines.length - written, cause: reason(error) }))
        },
      ),
    )
  })
})

/** Takes a file from all but its owner: no device, which others use, and nothing that is another user's. */
const close = (files: FileSystem.FileSystem, name: string) =>
  Effect.flatMap(files.stat(name), ({ type }) => (type === "File" ? files.chmod(name, ownersAlone) : Effect.void))

const newline = 0x0a

const isMissing = ({ reason }: PlatformError): boolean => reason._tag === "NotFound"

/** The errno where there is one, and what was tried. */
const reason = ({ reason }: PlatformError): string => {
  const code = Predicate.isObject(reason.cause) ? reason.cause["code"] : undefined
  return Predicate.isString(code) ? `${code} (${reason.message})` : reason.message
}
