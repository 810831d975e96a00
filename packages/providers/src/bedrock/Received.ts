/**
 * The body of an AWS response: decoded by its `content-encoding` and limited in size. Its connection is closed if it is not
 * read to the end.
 */
import { pipeline, Transform } from "node:stream"
import type { Readable, TransformCallback } from "node:stream"
import type { Limits } from "../transport/AnswerLimits.ts"
import { limitOf, tooLarge, UnreadableAnswer } from "../transport/AnswerLimits.ts"
import * as ContentDecoder from "../transport/ContentDecoder.ts"

/** A response of the SDK's handler. */
export interface Response {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Readable
}

class Received extends Transform {
  readonly #limits: Limits
  readonly #status: number
  readonly #unreadable: UnreadableAnswer | undefined
  readonly #decoder: ContentDecoder.Decoder | undefined
  #left: number
  #ready: (() => void) | undefined
  #ended: (() => void) | undefined

  constructor({ headers, statusCode }: Response, limits: Limits) {
    super()
    this.#limits = limits
    this.#status = statusCode
    this.#left = limitOf(limits, statusCode)
    const decoder = ContentDecoder.make(headers["content-encoding"], {
      data: (chunk) => this.#take(chunk),
      ended: () => this.#ended?.(),
      failed: (cause) => void this.destroy(cause),
      ready: () => {
        const ready = this.#ready
        this.#ready = undefined
        ready?.()
      },
    })
    if (decoder instanceof UnreadableAnswer) this.#unreadable = decoder
    else this.#decoder = decoder
    // An error event without a listener ends the process.
    this.on("error", () => {})
  }

  override _construct(done: (error?: Error | null) => void): void {
    done(this.#unreadable)
  }

  #take(chunk: Buffer): void {
    this.#left -= chunk.length
    if (this.#left < 0) this.destroy(tooLarge(this.#limits, this.#status))
    else this.push(chunk)
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#decoder === undefined) this.#take(chunk)
    else if (!this.#decoder.push(chunk)) {
      this.#ready = done
      return
    }
    done()
  }

  override _flush(done: TransformCallback): void {
    if (this.#decoder === undefined) return done()
    this.#ended = done
    this.#decoder.end()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#decoder?.stop()
    done(error)
  }
}

/** The decoded, limited body. */
export const body = (response: Response, limits: Limits): Readable =>
  // The reader gets the error from the returned stream.
  pipeline(response.body, new Received(response, limits), () => {})
