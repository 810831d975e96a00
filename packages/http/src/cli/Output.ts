/**
 * Standard output and standard error for a server process. A full disk costs log lines, but neither calls nor the process.
 * Node's own streams end the process on such an error, and write nothing after it.
 */
import * as Console from "effect/Console"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { Console as NodeConsole } from "node:console"
import { fstatSync, writeSync } from "node:fs"
import { Writable } from "node:stream"
import type * as LogFormat from "../observe/LogFormat.ts"

/** Writes to a file without partial lines. After an error, it reports the number of lost lines once it can write again. */
export class FileOutput extends Writable {
  readonly #write: (bytes: Uint8Array) => number
  readonly #format: LogFormat.Format
  #lost = 0
  #lastError = ""
  #hasPartialLine = false

  /** `write` writes some of the bytes and returns their number, as `fs.writeSync` does. */
  constructor(write: (bytes: Uint8Array) => number, format: LogFormat.Format = "pretty") {
    super()
    this.#write = write
    this.#format = format
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const report = this.#lost === 0 ? "" : `${this.#report()}\n`
    const prefix = `${this.#hasPartialLine ? "\n" : ""}${report}`
    if ((prefix === "" || this.#writeAll(Buffer.from(prefix), false)) && this.#writeAll(chunk, true)) {
      this.#lost = 0
    } else {
      this.#lost++
    }
    done()
  }

  #report(): string {
    const message = `${this.#lost} lines of this log could not be written: ${this.#lastError}`
    return this.#format === "json" ? JSON.stringify({ level: "ERROR", message, lines: this.#lost }) : message
  }

  #writeAll(bytes: Buffer, endsLine: boolean): boolean {
    let offset = 0
    while (offset < bytes.length) {
      const written = Result.try({ try: () => this.#write(bytes.subarray(offset)), catch: (error) => error })
      if (Result.isFailure(written)) {
        const error = written.failure
        this.#lastError = String(Predicate.isObject(error) ? (error["code"] ?? error["message"]) : error)
        this.#hasPartialLine ||= offset > 0
        return false
      }
      offset += written.success
    }
    if (endsLine) this.#hasPartialLine = false
    return true
  }
}

/** The stream of a descriptor, with its errors ignored; for files a `FileOutput`. */
const output = (descriptor: number, stream: NodeJS.WriteStream, format: LogFormat.Format): Writable => {
  stream.on("error", () => {})
  const stat = Result.try(() => fstatSync(descriptor))
  const isFile = Result.isSuccess(stat) && !stream.isTTY && (stat.success.isFile() || stat.success.isCharacterDevice())
  return isFile ? new FileOutput((bytes) => writeSync(descriptor, bytes), format) : stream
}

/** The console of a process that serves, with its log in a format. */
export const layer = (format: LogFormat.Format): Layer.Layer<never> =>
  Layer.sync(
    Console.Console,
    () => new NodeConsole({ stdout: output(1, process.stdout, format), stderr: output(2, process.stderr, format) }),
  )
