/**
 * One request and its answer over undici, which can be stopped at any time: also while it waits for a connection.
 *
 * A vendor that closes an idle connection may do so while the next request is on its way over it. A request that a kept
 * connection lost so, before a byte of its answer, is sent once more on a fresh connection.
 *
 * An answer is read up to a limit, and with its `content-encoding` undone.
 */
import type { Dispatcher } from "undici"
import type { Limits } from "./AnswerLimits.ts"
import { limitOf, tooLarge, UnreadableAnswer } from "./AnswerLimits.ts"
import * as ContentDecoder from "./ContentDecoder.ts"
import type { Connection, Passenger } from "./Connections.ts"
import { isLostConnection } from "./NetworkError.ts"

export type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

export interface Head {
  readonly status: number
  readonly headers: Headers
}

/** What an exchange tells, in this order; `failed` may come at any point, and is the last. */
export interface Listener {
  readonly started: (head: Head) => void
  readonly data: (chunk: Buffer) => void
  readonly ended: (head: Head) => void
  readonly failed: (cause: unknown) => void
}

/** Why an exchange was stopped: nobody reads this, for whoever could has gone. */
const stopped = new Error("stopped")

/** Sends an exchange's request: over a connection that is kept open, or over a fresh one. */
export interface Dispatch {
  (exchange: Exchange, over: "kept" | "fresh"): void
}

export class Exchange implements Dispatcher.DispatchHandler, Passenger {
  readonly #listener: Listener
  readonly #send: Dispatch
  readonly #limits: Limits
  #head: Head = { status: 0, headers: {} }
  #controller: Dispatcher.DispatchController | undefined
  #connection: Connection | undefined
  #over = false
  #answering = false
  #left = 0
  #paused = false
  #decoder: ContentDecoder.Decoder | undefined

  constructor(send: Dispatch, limits: Limits, listener: Listener) {
    this.#send = send
    this.#limits = limits
    this.#listener = listener
  }

  start(): void {
    this.#send(this, "kept")
  }

  stop(): void {
    if (this.#over) return
    this.#over = true
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
    if (this.#over) return
    this.#over = true
    this.#close()
    this.#listener.failed(cause)
  }

  #take(chunk: Buffer): void {
    this.#left -= chunk.length
    if (this.#left < 0) return this.#fail(tooLarge(this.#limits, this.#head.status))
    this.#listener.data(chunk)
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#listener.ended(this.#head)
  }

  /** A server that says so at once that its answer is too large is not read any further. */
  #begin(encoding: Headers[string], length: Headers[string]): void {
    this.#left = limitOf(this.#limits, this.#head.status)
    if (Number(length) > this.#left) return this.#fail(tooLarge(this.#limits, this.#head.status))
    if (encoding === undefined) return
    const decoder = ContentDecoder.make(encoding, {
      data: (chunk) => {
        if (!this.#over) this.#take(chunk)
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

  takes(connection: Connection): void {
    this.#connection = connection
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over) controller.abort(stopped)
  }

  onResponseStarted(): void {
    this.#answering = true
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (this.#connection !== undefined) this.#connection.answered = true
    if (status < 200 || this.#over) return
    this.#head = { status, headers }
    this.#begin(headers["content-encoding"], headers["content-length"])
    if (!this.#over) this.#listener.started(this.#head)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return
    if (this.#decoder === undefined) this.#take(chunk)
    else if (!this.#decoder.push(chunk)) this.#controller?.pause()
  }

  onResponseEnd(): void {
    this.#controller = undefined
    if (this.#decoder === undefined) this.#end()
    else if (!this.#over) this.#decoder.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    if (this.#over) return
    if (!this.#answering && this.#connection?.answered === true && isLostConnection(cause)) {
      this.#connection = undefined
      this.#controller = undefined
      return this.#send(this, "fresh")
    }
    this.#fail(cause)
  }
}
