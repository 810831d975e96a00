/**
 * Clients that do not read what they asked for: a write that makes no progress ends their connection, and with it all that
 * waits for them: the call, its upstream, its permits.
 *
 * Node's timer of a socket runs where nothing moves in either direction. Bytes that wait to be sent tell a client that does
 * not read from one that waits for us.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import { IncomingMessage } from "node:http"
import type { Server } from "node:http"
import type { Socket } from "node:net"

/** Ends connections of the server on which a write makes no progress for so long. */
export const watch = (server: Server, write: Duration.Duration): Server =>
  server.setTimeout(timer(Duration.toMillis(write)), (socket: Socket) => {
    if (socket.writableLength > 0 || !isAsked(socket)) socket.destroy()
  })

/** Whether an answer is due there; if not, the timer was that of an idle connection. Node looks at the same field. */
const isAsked = (socket: Socket): boolean => {
  const due: unknown = Reflect.get(socket, "_httpMessage")
  return due !== undefined && due !== null
}

/**
 * Holds the streamed answer to the request in context to the limits of its route: on a write without progress, in
 * milliseconds, and on the whole of it, which ends at a time of the clock. What was written by then may still be read for
 * as long as a write may take.
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
        response.setTimeout(timer(write), () => {
          if (socket.writableLength > 0) socket.destroy()
        })
        const left = deadline - clock.currentTimeMillisUnsafe()
        const last = setTimeout(() => socket.destroy(), timer(left + write))
        response.once("close", () => clearTimeout(last))
      }),
    ),
  )

/** Milliseconds as Node's timers take them: of more than 24 days they make one. */
const timer = (millis: number): number => Math.min(millis, 2 ** 31 - 1)
