/**
 * One request and its answer over undici, which can be stopped at any time: also while it waits for a connection.
 *
 * A vendor that closes an idle connection may do so while the next request is on its way over it. A request that a kept
 * connection lost so, before a byte of its answer, is sent once more on a fresh connection.
 */
import type { Dispatcher } from "undici"
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
export interface Send {
  (exchange: Exchange, over: "kept" | "fresh"): void
}

export class Exchange implements Dispatcher.DispatchHandler, Passenger {
  readonly #listener: Listener
  readonly #send: Send
  #head: Head = { status: 0, headers: {} }
  #controller: Dispatcher.DispatchController | undefined
  #connection: Connection | undefined
  #over = false
  #answering = false

  constructor(send: Send, listener: Listener) {
    this.#send = send
    this.#listener = listener
  }

  start(): void {
    this.#send(this, "kept")
  }

  stop(): void {
    if (this.#over) return
    this.#over = true
    this.#controller?.abort(stopped)
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
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
    this.#listener.started(this.#head)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#over) this.#listener.data(chunk)
  }

  onResponseEnd(): void {
    if (this.#over) return
    this.#over = true
    this.#listener.ended(this.#head)
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    if (this.#over) return
    if (!this.#answering && this.#connection?.answered === true && isLostConnection(cause)) {
      this.#connection = undefined
      this.#controller = undefined
      return this.#send(this, "fresh")
    }
    this.#over = true
    this.#listener.failed(cause)
  }
}
