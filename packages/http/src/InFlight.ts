/**
 * The HTTP requests in flight, for a graceful shutdown: their number, a signal when none is left, and a way to end those that
 * exceed the timeout.
 */
import { toServerResponse } from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import { ServerResponse } from "node:http"
import * as WebSocketUpgrade from "./WebSocketUpgrade.ts"

type Request = HttpServerRequest
type Handling = Fiber.Fiber<unknown, unknown>
type Fallback = (request: Request) => HttpServerResponse

/**
 * A request, its response, the fiber that handles it, the response to send if it is cut off, and its index in the list. A request
 * for a WebSocket has no response until it is refused.
 */
class Entry {
  readonly request: Request
  readonly response: ServerResponse | undefined
  readonly fiber: Handling
  readonly fallback: Fallback
  index: number

  constructor(
    request: Request,
    response: ServerResponse | undefined,
    fiber: Handling,
    fallback: Fallback,
    index: number,
  ) {
    this.request = request
    this.response = response
    this.fiber = fiber
    this.fallback = fallback
    this.index = index
  }
}

/** Where the source of a request keeps its stream's final chunk. An entry of a WeakMap would cost each garbage collection. */
const finalChunk = Symbol("final chunk")

/** Sets the final chunk that a streamed response is ended with if it is cut off: an error event of its protocol. */
export const setFinalChunk = ({ source }: HttpServerRequest, text: () => string): void =>
  void Object.assign(source, { [finalChunk]: text })

const finalChunkOf = (source: { readonly [finalChunk]?: () => string }): string | undefined => source[finalChunk]?.()

export interface InFlight {
  /** The number of requests in flight. */
  readonly size: () => number
  /**
   * Counts a request until its response is closed. `fallback` makes the response of a request that is cut off before its
   * head is sent.
   */
  readonly enter: (request: Request, fiber: Handling, fallback: Fallback) => void
  /** Counts a call that has no request, until the returned function runs. `end` ends it if it is cut off. */
  readonly hold: (end: () => void) => () => void
  /** Waits until no request is in flight. */
  readonly none: Effect.Effect<void>
  /** Sets `connection: close` on each response whose head is not sent. */
  readonly closeConnections: () => void
  /** Ends all requests: with the `fallback` response if no head is sent, else with the stream's final chunk. */
  readonly cut: () => void
}

export const make = (): InFlight => {
  // No Map and no object literals: V8 may keep their memory, and all it references, until a full collection.
  const entries: Array<Entry> = []
  let held: ReadonlyArray<() => void> = []
  let waiting: Array<() => void> = []
  const size = () => entries.length + held.length
  const wake = () => {
    if (size() > 0) return
    for (const done of waiting) done()
    waiting = []
  }
  const leave = ({ index }: Entry) => {
    const last = entries.pop()!
    if (index < entries.length) {
      entries[index] = last
      last.index = index
    }
    wake()
  }
  return {
    size,
    hold: (end) => {
      // A value of its own, although `end` may be held twice.
      const entry = () => end()
      held = [...held, entry]
      return () => {
        held = held.filter((each) => each !== entry)
        wake()
      }
    },
    enter: (request, fiber, fallback) => {
      const response = responseTo(request)
      const closing = response ?? WebSocketUpgrade.socketOf(request)
      if (closing === undefined) return
      const entry = new Entry(request, response, fiber, fallback, entries.length)
      entries.push(entry)
      closing.once("close", () => leave(entry))
    },
    none: Effect.callback((resume) => {
      const done = () => resume(Effect.void)
      if (size() === 0) return done()
      waiting.push(done)
      return Effect.sync(() => {
        waiting = waiting.filter((each) => each !== done)
      })
    }),
    closeConnections: () => {
      for (const { request } of entries) closeConnection(request)
    },
    cut: () => {
      for (const end of held) end()
      for (const { fiber, fallback, request, response } of entries) {
        if (response === undefined) {
          if (!WebSocketUpgrade.cut(request)) refuse(request, fallback(request))
        } else {
          if (response.writableEnded) continue
          if (response.headersSent) response.end(finalChunkOf(request.source))
          else answer(response, fallback(request))
        }
        fiber.interruptUnsafe()
      }
    },
  }
}

/** Closes the connection after the response to this request, unless the head is sent already. */
export const closeConnection = (request: HttpServerRequest): void => {
  const response = responseTo(request)
  if (response?.headersSent === false) response.setHeader("connection", "close")
}

/** Refuses a request for a WebSocket that is not accepted yet. */
const refuse = (request: Request, response: HttpServerResponse): void => {
  const refusal = toServerResponse(request)
  if (refusal instanceof ServerResponse && !refusal.writableEnded) answer(refusal, response)
}

/**
 * Node's response to a request; `undefined` unless it came through a Node server over HTTP/1.1, and for a WebSocket: its response
 * is made when it is refused.
 */
const responseTo = (request: HttpServerRequest): ServerResponse | undefined => {
  if (WebSocketUpgrade.isRequested(request)) return undefined
  const response = toServerResponse(request)
  return response instanceof ServerResponse ? response : undefined
}

const answer = (response: ServerResponse, { body, headers, status }: HttpServerResponse): void => {
  response.writeHead(status, { ...headers, connection: "close" })
  response.end(body._tag === "Uint8Array" ? body.body : undefined)
}
