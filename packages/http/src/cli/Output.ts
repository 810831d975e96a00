/**
 * Standard output and standard error of a process that lives on when they cannot be written: a disk that is full costs
 * lines of the log, and no calls. Node's own streams end the process, and after a failed write write no more.
 */
import * as Console from "effect/Console"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { Console as NodeConsole } from "node:console"
import { fstatSync, writeSync } from "node:fs"
import { Writable } from "node:stream"

/** Writes to a file, each line whole; says how many were lost, and why, once it can write again. */
export class FileOutput extends Writable {
  readonly #write: (bytes: Uint8Array) => number
  #lost = 0
  #why = ""
  #torn = false

  /** `write` writes some of the bytes and tells how many, as `fs.writeSync` does. */
  constructor(write: (bytes: Uint8Array) => number) {
    super()
    this.#write = write
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const told = this.#lost === 0 ? "" : `${this.#lost} lines of this log could not be written: ${this.#why}\n`
    const before = `${this.#torn ? "\n" : ""}${told}`
    if ((before === "" || this.#all(Buffer.from(before), false)) && this.#all(chunk, true)) {
      this.#lost = 0
    } else {
      this.#lost++
    }
    done()
  }

  #all(bytes: Buffer, tears: boolean): boolean {
    let at = 0
    while (at < bytes.length) {
      const written = Result.try({ try: () => this.#write(bytes.subarray(at)), catch: (error) => error })
      if (Result.isFailure(written)) {
        const error = written.failure
        this.#why = String(Predicate.isObject(error) ? (error["code"] ?? error["message"]) : error)
        this.#torn ||= at > 0
        return false
      }
      at += written.success
    }
    if (tears) this.#torn = false
    return true
  }
}

/** What stands behind a descriptor: its stream, which is told that its errors are known, or for a file one that does not fail. */
const output = (descriptor: number, stream: NodeJS.WriteStream): Writable => {
  stream.on("error", () => {})
  const stat = Result.try(() => fstatSync(descriptor))
  const isFile = Result.isSuccess(stat) && !stream.isTTY && (stat.success.isFile() || stat.success.isCharacterDevice())
  return isFile ? new FileOutput((bytes) => writeSync(descriptor, bytes)) : stream
}

/** The console of a process that serves. */
export const layer: Layer.Layer<never> = Layer.sync(
  Console.Console,
  () => new NodeConsole({ stdout: output(1, process.stdout), stderr: output(2, process.stderr) }),
)
