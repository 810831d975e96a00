/**
 * One HTTP exchange over undici: a request and its response. It can be stopped at any time, also while it waits for a
 * connection.
 *
 * A server may close an idle connection while the next request is being sent over it. A request that is lost on a
 * pooled connection before the first byte of a response is retried once on a fresh connection.
 *
 * The response is decoded (`content-encoding`) and bounded in size.
 */
import type { Dispatcher } from "undici"
import type { Limits } from "./AnswerLimits.ts"
import { limitOf, tooLarge, UnreadableAnswer } from "./AnswerLimits.ts"
import * as ContentDecoder from "./ContentDecoder.ts"
import type { Connection, ConnectionAware } from "./Connections.ts"
import { isLostConnection } from "./NetworkError.ts"

export type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

export interface Head {
  readonly status: number
  readonly headers: Headers
}

/**
 * Receives the response: `started`, `data`, `ended`, in this order. `failed` may come at any point and is called last.
 */
export interface Listener {
  readonly started: (head: Head) => void
  readonly data: (chunk: Buffer) => void
  readonly ended: (head: Head) => void
  readonly failed: (cause: unknown) => void
}

/** The reason given to undici when an exchange is stopped. It is never shown. */
const stopped = new Error("stopped")

/** Sends the request over a pooled or a fresh connection. */
export interface Dispatch {
  (exchange: Exchange, via: "pooled" | "fresh"): void
}

export class Exchange implements Dispatcher.DispatchHandler, ConnectionAware {
  readonly #listener: Listener
  /** Until the response starts: it holds the request's body. */
  #send: Dispatch | undefined
  readonly #limits: Limits
  #head: Head = { status: 0, headers: {} }
  #controller: Dispatcher.DispatchController | undefined
  #connection: Connection | undefined
  #finished = false
  #responseStarted = false
  /** How many bytes of the body are still allowed. */
  #remaining = 0
  #paused = false
  #decoder: ContentDecoder.Decoder | undefined

  constructor(send: Dispatch, limits: Limits, listener: Listener) {
    this.#send = send
    this.#limits = limits
    this.#listener = listener
  }

  start(): void {
    this.#send?.(this, "pooled")
  }

  stop(): void {
    if (this.#finished) return
    this.#finished = true
    this.#close()
  }

  pause(): void {
    this.#paused = true
    this.#controller?.pause()
    this.#decoder?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#controller?.resume()
    this.#decoder?.resume()
  }

  #close(): void {
    this.#decoder?.stop()
    this.#controller?.abort(stopped)
  }

  #fail(cause: unknown): void {
    if (this.#finished) return
    this.#finished = true
    this.#close()
    this.#listener.failed(cause)
  }

  #take(chunk: Buffer): void {
    this.#remaining -= chunk.length
    if (this.#remaining < 0) return this.#fail(tooLarge(this.#limits, this.#head.status))
    this.#listener.data(chunk)
  }

  #end(): void {
    if (this.#finished) return
    this.#finished = true
    this.#listener.ended(this.#head)
  }

  /** Sets the limit and the decoder. A response whose `content-length` is over the limit fails at once. */
  #begin(encoding: Headers[string], length: Headers[string]): void {
    this.#remaining = limitOf(this.#limits, this.#head.status)
    if (Number(length) > this.#remaining) return this.#fail(tooLarge(this.#limits, this.#head.status))
    if (encoding === undefined) return
    const decoder = ContentDecoder.make(encoding, {
      data: (chunk) => {
        if (!this.#finished) this.#take(chunk)
      },
      ended: () => this.#end(),
      failed: (cause) => this.#fail(cause),
      ready: () => {
        if (!this.#paused) this.#controller?.resume()
      },
    })
    if (decoder instanceof UnreadableAnswer) this.#fail(decoder)
    else this.#decoder = decoder
  }

  onConnection(connection: Connection): void {
    this.#connection = connection
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#finished) controller.abort(stopped)
  }

  onResponseStarted(): void {
    this.#responseStarted = true
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (this.#connection !== undefined) this.#connection.answered = true
    if (status < 200 || this.#finished) return
    // For as long as the body lasts they would hold the bytes of the read that they came with.
    controller.rawHeaders = null
    this.#send = undefined
    this.#head = { status, headers }
    this.#begin(headers["content-encoding"], headers["content-length"])
    if (!this.#finished) this.#listener.started(this.#head)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#finished) return
    if (this.#decoder === undefined) this.#take(chunk)
    else if (!this.#decoder.push(chunk)) this.#controller?.pause()
  }

  onResponseEnd(): void {
    this.#controller = undefined
    if (this.#decoder === undefined) this.#end()
    else if (!this.#finished) this.#decoder.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    if (this.#finished) return
    if (!this.#responseStarted && this.#connection?.answered === true && isLostConnection(cause)) {
      this.#connection = undefined
      this.#controller = undefined
      return this.#send?.(this, "fresh")
    }
    this.#fail(cause)
  }
}
