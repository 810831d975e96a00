/**
 * Clients that do not read what they asked for: a write that makes no progress ends their connection, and with it all that
 * waits for them: the call, its upstream, its permits.
 *
 * Node's own timer of a socket starts again with whatever the client sends, and a client that reads nothing may go on
 * sending. So what is looked at is what leaves.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import { IncomingMessage } from "node:http"
import type { Server } from "node:http"
import type { Socket } from "node:net"

/** Ends connections of the server on which a write makes no progress for so long, and those that ask nothing. */
export const watch = (server: Server, write: Duration.Duration): Server =>
  server
    .on("connection", (socket: Socket) => {
      const watch = new Watch(socket, Duration.toMillis(write))
      watches.set(socket, watch)
      socket.once("close", () => watch.stop())
    })
    .setTimeout(timer(Duration.toMillis(write)), (socket: Socket) => {
      if (!isAsked(socket)) socket.destroy()
    })

/** Whether an answer is due there; if not, the timer was that of an idle connection. Node looks at the same field. */
const isAsked = (socket: Socket): boolean => {
  const due: unknown = Reflect.get(socket, "_httpMessage")
  return due !== undefined && due !== null
}

/** Looks at a connection twice in the time that a write may take. */
class Watch {
  readonly #socket: Socket
  readonly #usual: number
  #timer: NodeJS.Timeout
  #gone = 0
  #queued = 0
  /** Looks in a row that saw the same bytes waiting. */
  #same = 0

  /** `usual`: milliseconds without progress. */
  constructor(socket: Socket, usual: number) {
    this.#socket = socket
    this.#usual = usual
    this.#timer = this.#every(usual)
  }

  /** Bears so many milliseconds without progress from now on; the usual if not said. */
  allow(millis = this.#usual): void {
    this.stop()
    this.#same = 0
    this.#timer = this.#every(millis)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #every(millis: number): NodeJS.Timeout {
    return setInterval(() => this.#look(), timer(millis / 2)).unref()
  }

  #look(): void {
    const { bytesWritten, writableLength } = this.#socket
    const [gone, queued] = [bytesWritten - writableLength, queueOf(this.#socket)]
    const isSame = writableLength > 0 && gone === this.#gone && queued === this.#queued
    this.#same = isSame ? this.#same + 1 : 0
    this.#gone = gone
    this.#queued = queued
    if (this.#same >= 2) this.#socket.destroy()
  }
}

/** Bytes of the write under way that have not left. Node looks at the same field. */
const queueOf = (socket: Socket): number => Number(Json.fields(Reflect.get(socket, "_handle"))["writeQueueSize"] ?? 0)

/** One for each connection of a watched server. */
const watches = new WeakMap<Socket, Watch>()

/**
 * Holds the answer to the request in context to the limits of its route: on a write without progress, in milliseconds, and
 * on the whole of it, which ends at a time of the clock. What was written by then may still be read for as long as a write
 * may take.
 */
export const within = ({
  deadline,
  write,
}: {
  readonly deadline: number
  readonly write: number
}): Effect.Effect<void, never, HttpServerRequest.HttpServerRequest> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    Effect.clockWith((clock) =>
      Effect.sync(() => {
        if (!(request.source instanceof IncomingMessage)) return
        const { socket } = request.source
        const response = NodeHttpServerRequest.toServerResponse(request)
        // In an application's own server, none is there yet.
        const watch = watches.get(socket) ?? new Watch(socket, write)
        watch.allow(write)
        const left = deadline - clock.currentTimeMillisUnsafe()
        const last = setTimeout(() => socket.destroy(), timer(left + write))
        response.once("close", () => {
          clearTimeout(last)
          if (watches.has(socket)) watch.allow()
          else watch.stop()
        })
      }),
    ),
  )

/** The same for an answer that is sent at once, where it is more than the system takes from us without its reader. */
export const whole = (text: string, limits: Parameters<typeof within>[0]): ReturnType<typeof within> =>
  text.length > large ? within(limits) : Effect.void

/** Characters: what a socket of Linux buffers at least. */
const large = 16_384

/** Milliseconds as Node's timers take them: of more than 24 days they make one. */
const timer = (millis: number): number => Math.min(Math.max(1, millis), 2 ** 31 - 1)
