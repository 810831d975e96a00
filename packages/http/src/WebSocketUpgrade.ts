/**
 * WebSockets of clients: which requests may become one, and how an endpoint accepts it.
 *
 * A request for a WebSocket passes through the middleware and the router as every other: keys, limits, overload and a shutdown
 * refuse it with a plain HTTP response. Only the endpoint that accepts it sends `101 Switching Protocols`, which may be after a
 * while. A client that disconnects before that interrupts the endpoint, and so does one that sends too much too early.
 *
 * The endpoint holds the connection: it is closed with the scope that it was accepted in.
 */
import { Closed, Connection, closeTimeout, options } from "@understudy/providers/internal/transport/WebSocket"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Scope from "effect/Scope"
import type { Server } from "node:http"
import { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { WebSocketServer } from "ws"
import * as KeySubprotocol from "./auth/KeySubprotocol.ts"

/** The paths of endpoints that accept WebSockets. On others, the request for one is ignored, as HTTP allows. */
const paths: ReadonlySet<string> = new Set(["/v1/realtime", "/v1/responses"])

/**
 * Whether Node takes a request for an upgrade: to a WebSocket, on one of the paths that accept them. Others are ignored, such as
 * h2c, which Java's client offers with its first call.
 */
export const shouldUpgrade = ({ headers, method, url = "" }: IncomingMessage): boolean =>
  method === "GET" && headers.upgrade?.toLowerCase() === "websocket" && paths.has(url.split("?", 1)[0]!)

/** Whether a request in the middleware or an endpoint is for a WebSocket. */
export const isRequested = ({ source }: Pick<HttpServerRequest, "source">): boolean => upgradeOf(source) !== undefined

// ---------------------------------------------------------------------------------------------------------------------
// Before a WebSocket is accepted
// ---------------------------------------------------------------------------------------------------------------------

/** The most bytes that a client may send before its WebSocket is accepted. It should send none (RFC 6455, 4.1). */
const maxEarly = 64 * 1024

/** The connection of a request that is not accepted or refused yet. Read so that the client's disconnect is noticed. */
class Pending {
  readonly socket: Duplex
  readonly #early: Array<Buffer>
  #size: number

  constructor(socket: Duplex, head: Buffer) {
    this.socket = socket
    this.#early = [head]
    this.#size = head.length
    socket.on("readable", this.#read)
    // The last bytes of either end may take a moment, and no longer.
    socket.once("finish", () => {
      const linger = setTimeout(() => socket.destroy(), closeTimeout)
      socket.once("close", () => clearTimeout(linger))
    })
    socket.on("error", () => socket.destroy())
    socket.on("end", this.#ended)
  }

  /** Gives the connection away, with what the client has sent. */
  release(): { readonly socket: Duplex; readonly head: Buffer } {
    this.socket.off("readable", this.#read)
    this.socket.off("end", this.#ended)
    return { socket: this.socket, head: Buffer.concat(this.#early) }
  }

  readonly #ended = (): void => void this.socket.destroy()

  readonly #read = (): void => {
    for (let chunk: unknown = this.socket.read(); chunk instanceof Buffer; chunk = this.socket.read()) {
      this.#early.push(chunk)
      this.#size += chunk.length
    }
    if (this.#size > maxEarly) this.socket.destroy()
  }
}

/** Where a request keeps what belongs to its upgrade. An entry of a WeakMap would cost each garbage collection. */
const upgrade = Symbol("upgrade")

interface Upgrade {
  readonly pending: Pending
  /** Headers of the response that accepts it. */
  headers?: Readonly<Record<string, string>>
  /** Ends it, because the gateway stops. */
  cut?: () => void
}

const upgradeOf = (source: object): Upgrade | undefined => Reflect.get(source, upgrade)

/** Prepares a server for WebSockets. Must run before the server has other listeners for upgrades. */
export const watch = (server: Server): Server =>
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const added: Upgrade = { pending: new Pending(socket, head) }
    Object.assign(request, { [upgrade]: added })
  })

/** A response that refuses a WebSocket: the connection ends with it. */
export const refusal = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setHeaders(response, {
    connection: "close",
    ...(response.status === 426 ? { upgrade: "websocket", "sec-websocket-version": "13" } : {}),
  })

// ---------------------------------------------------------------------------------------------------------------------
// Accepting
// ---------------------------------------------------------------------------------------------------------------------

/** How a WebSocket is accepted. */
export interface Acceptance {
  /** Headers of the response. */
  readonly headers: Readonly<Record<string, string>>
  /** The size of the largest message in bytes: a larger one closes the WebSocket with 1009. */
  readonly maxMessage: number
  /** Runs when a shutdown does not wait any longer. It should close the connection with 1001. */
  readonly cut: (connection: Connection) => void
}

/** The response that the middleware and logs see: the one on the wire is `ws`'s. */
const switching = HttpServerResponse.empty({ status: 101 })

/**
 * Accepts the WebSocket of a request that is valid (`WebSocketProblem`). The connection is cut off when the scope closes, if it is not
 * closed by then. Fails if the client has disconnected.
 */
export const accept = (
  request: HttpServerRequest,
  { cut, headers, maxMessage }: Acceptance,
  scope: Scope.Scope,
): Effect.Effect<Connection, Closed> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.tap(
      restore(
        Effect.callback<Connection, Closed>((resume) => {
          const { source } = request
          const found = upgradeOf(source)
          const disconnected = () => resume(Effect.fail(new Closed({ code: 1006, reason: "" })))
          if (found === undefined || !(source instanceof IncomingMessage)) return disconnected()
          const { head, socket } = found.pending.release()
          if (socket.destroyed) return disconnected()
          found.headers = headers
          socket.once("close", disconnected)
          server(maxMessage).handleUpgrade(source, socket, head, (ws) => {
            socket.off("close", disconnected)
            accepted(request)
            const connection = new Connection(ws)
            found.cut = () => cut(connection)
            resume(Effect.succeed(connection))
          })
        }),
      ),
      (connection) => Scope.addFinalizerExit(scope, (exit) => ended(connection, exit)),
    ),
  )

const ended = (connection: Connection, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.sync(() => {
    if (!connection.isClosing) connection.close(exit._tag === "Success" ? 1000 : 1011, "")
  })

/**
 * Tells Effect's server that the connection is no longer HTTP: otherwise it would write the endpoint's response into it. Reads a
 * private field, which Effect's own upgrade sets.
 */
const accepted = (request: HttpServerRequest): void => {
  const state: unknown = Reflect.get(request, "upgradeState")
  if (typeof state === "object" && state !== null) Object.assign(state, { response: switching })
}

/** Servers of `ws`, by the largest message. They listen nowhere. */
const servers = new Map<number, WebSocketServer>()

const server = (maxPayload: number): WebSocketServer => {
  const known = servers.get(maxPayload)
  if (known !== undefined) return known
  const made = new WebSocketServer({
    ...options,
    noServer: true,
    clientTracking: false,
    maxPayload,
    handleProtocols: (offered) => {
      for (const each of offered) if (!KeySubprotocol.isKey(each)) return each
      return false
    },
  })
  made.on("headers", (lines, request) => {
    for (const [name, value] of Object.entries(upgradeOf(request)?.headers ?? {})) lines.push(`${name}: ${value}`)
  })
  servers.set(maxPayload, made)
  return made
}

// ---------------------------------------------------------------------------------------------------------------------
// Shutdown
// ---------------------------------------------------------------------------------------------------------------------

/** The connection of a request for a WebSocket. `undefined` if it is none, or did not come through a Node server. */
export const socketOf = ({ source }: Pick<HttpServerRequest, "source">): Duplex | undefined =>
  upgradeOf(source)?.pending.socket

/** Ends an accepted WebSocket. False if it is not accepted. */
export const cut = ({ source }: Pick<HttpServerRequest, "source">): boolean => {
  const found = upgradeOf(source)?.cut
  found?.()
  return found !== undefined
}
