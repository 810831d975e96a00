/**
 * The requests that are being answered, for a server that goes down: how many there are, when the last is over, and how one
 * is ended that can no longer be waited for.
 */
import { toServerResponse } from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import { ServerResponse } from "node:http"

/** A request, the fiber that answers it, and what answers it instead where nothing has been sent yet. */
interface Entry {
  readonly request: HttpServerRequest
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly instead: () => HttpServerResponse
}

/** How a stream that has begun is ended, by the message it came with. */
const lastWords = new WeakMap<object, () => string>()

/** Says how the response to this request, a stream, is ended in its protocol when it cannot go on. */
export const endsWith = ({ source }: HttpServerRequest, text: () => string): void => void lastWords.set(source, text)

export interface UnderWay {
  readonly size: () => number
  /** Counts a request until its response is over. */
  readonly enter: (entry: Entry) => void
  /** Waits until none is left. */
  readonly none: Effect.Effect<void>
  /** Has each response whose head is not sent yet close its connection. */
  readonly closeConnections: () => void
  /** Ends all that is left: by another answer where nothing has been sent, else by the stream's last words. */
  readonly cut: () => void
}

export const make = (): UnderWay => {
  const entries = new Map<ServerResponse, Entry>()
  let waiting: Array<() => void> = []
  const leave = (response: ServerResponse) => {
    entries.delete(response)
    if (entries.size > 0) return
    for (const done of waiting) done()
    waiting = []
  }
  return {
    size: () => entries.size,
    enter: (entry) => {
      const response = responseTo(entry.request)
      if (response === undefined) return
      entries.set(response, entry)
      response.once("close", () => leave(response))
    },
    none: Effect.callback((resume) => {
      const done = () => resume(Effect.void)
      if (entries.size === 0) return done()
      waiting.push(done)
      return Effect.sync(() => {
        waiting = waiting.filter((each) => each !== done)
      })
    }),
    closeConnections: () => {
      for (const { request } of entries.values()) closeConnection(request)
    },
    cut: () => {
      for (const [response, { fiber, instead, request }] of entries) {
        if (response.writableEnded) continue
        if (response.headersSent) response.end(lastWords.get(request.source)?.())
        else answer(response, instead())
        fiber.interruptUnsafe()
      }
    },
  }
}

/** Has the connection closed after the response to this request, if its head is not sent yet. */
export const closeConnection = (request: HttpServerRequest): void => {
  const response = responseTo(request)
  if (response?.headersSent === false) response.setHeader("connection", "close")
}

/** Node's end of a request; none where it came by another way than a Node server of HTTP/1.1. */
const responseTo = (request: HttpServerRequest): ServerResponse | undefined => {
  const response = toServerResponse(request)
  return response instanceof ServerResponse ? response : undefined
}

const answer = (response: ServerResponse, { body, headers, status }: HttpServerResponse): void => {
  response.writeHead(status, { ...headers, connection: "close" })
  response.end(body._tag === "Uint8Array" ? body.body : undefined)
}
