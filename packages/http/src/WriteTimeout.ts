/**
 * A timeout for writes to clients that do not read. A write without progress ends the connection, and with it the call, its
 * upstream request and its permits.
 *
 * Node's socket timer restarts when the client sends, so a client that sends but does not read never triggers it. This module
 * measures outgoing bytes instead.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as Duration from "effect/Duration"
import type * as Clock from "effect/Clock"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { IncomingMessage } from "node:http"
import type { Server } from "node:http"
import type { Socket } from "node:net"

/** Ends connections of a server on which a write makes no progress for `write`, and connections idle for as long. */
export const watch = (server: Server, write: Duration.Duration): Server =>
  server
    .on("connection", (socket: Socket) => {
      const watch = new Watch(socket, Duration.toMillis(write))
      watches.set(socket, watch)
      socket.once("close", () => watch.stop())
    })
    .setTimeout(timer(Duration.toMillis(write)), (socket: Socket) => {
      if (!hasPendingResponse(socket)) socket.destroy()
    })

/** Whether a response is pending on the socket; if not, the connection is idle. Reads a private field of Node's. */
const hasPendingResponse = (socket: Socket): boolean => {
  const due: unknown = Reflect.get(socket, "_httpMessage")
  return due !== undefined && due !== null
}

/** Checks a connection twice per timeout. */
class Watch {
  readonly #socket: Socket
  readonly #defaultTimeout: number
  #timer: NodeJS.Timeout
  #sent = 0
  #queued = 0
  /** Consecutive checks without progress. */
  #stalled = 0

  /** `defaultTimeout`: milliseconds without progress. */
  constructor(socket: Socket, defaultTimeout: number) {
    this.#socket = socket
    this.#defaultTimeout = defaultTimeout
    this.#timer = this.#every(defaultTimeout)
  }

  /** Sets the timeout from now on, in milliseconds. Default: the server's. */
  allow(millis = this.#defaultTimeout): void {
    this.stop()
    this.#stalled = 0
    this.#timer = this.#every(millis)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #every(millis: number): NodeJS.Timeout {
    return setInterval(() => this.#check(), timer(millis / 2)).unref()
  }

  #check(): void {
    const { bytesWritten, writableLength } = this.#socket
    const [sent, queued] = [bytesWritten - writableLength, queueOf(this.#socket)]
    const isStalled = writableLength > 0 && sent === this.#sent && queued === this.#queued
    this.#stalled = isStalled ? this.#stalled + 1 : 0
    this.#sent = sent
    this.#queued = queued
    if (this.#stalled >= 2) this.#socket.destroy()
  }
}

/** Bytes of the current write that have not been sent. Reads a private field of Node's. */
const queueOf = (socket: Socket): number => Number(Json.fields(Reflect.get(socket, "_handle"))["writeQueueSize"] ?? 0)

/** The watch of each connection of a watched server. */
const watches = new WeakMap<Socket, Watch>()

/**
 * Applies the limits of a route to the response of `request`: `write` is the timeout of a write without progress, in
 * milliseconds; `deadline` is when the call ends, in clock milliseconds. What is written by then may be read for `write`
 * more.
 */
export const limit = (
  request: HttpServerRequest,
  clock: Clock.Clock,
  { deadline, write }: { readonly deadline: number; readonly write: number },
): void => {
  if (!(request.source instanceof IncomingMessage)) return
  const { socket } = request.source
  const response = NodeHttpServerRequest.toServerResponse(request)
  // An application's own server has no watch yet.
  const watch = watches.get(socket) ?? new Watch(socket, write)
  watch.allow(write)
  const left = deadline - clock.currentTimeMillisUnsafe()
  const last = setTimeout(() => socket.destroy(), timer(left + write))
  response.once("close", () => {
    clearTimeout(last)
    // The socket may have closed before, which stopped its watch.
    if (watches.has(socket) && !socket.destroyed) watch.allow()
    else watch.stop()
  })
}

/** Applies the timeout of a route's writes, in milliseconds, to a WebSocket on a watched server. */
export const limitWebSocket = ({ source }: Pick<HttpServerRequest, "source">, write: number): void => {
  if (source instanceof IncomingMessage) watches.get(source.socket)?.allow(write)
}

/** Whether a response that is written at once may be larger than the socket buffer, so that its write has to be limited. */
export const isLarge = (text: string): boolean => text.length > large

/** Characters. A Linux socket buffers at least this much. */
const large = 16_384

/** Milliseconds in the range of Node's timers, which replace more than 24 days by 1 ms. */
const timer = (millis: number): number => Math.min(Math.max(1, millis), 2 ** 31 - 1)
