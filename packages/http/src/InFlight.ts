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

type Request = HttpServerRequest
type Answering = Fiber.Fiber<unknown, unknown>
type Instead = (request: Request) => HttpServerResponse

/** A request, its response, the fiber that makes it, what answers it instead, and its place in the list. */
class Entry {
  readonly request: Request
  readonly response: ServerResponse
  readonly fiber: Answering
  readonly instead: Instead
  place: number

  constructor(request: Request, response: ServerResponse, fiber: Answering, instead: Instead, place: number) {
    this.request = request
    this.response = response
    this.fiber = fiber
    this.instead = instead
    this.place = place
  }
}

/** How a stream that has begun is ended, by the message it came with. */
const lastWords = new WeakMap<object, () => string>()

/** Says how the response to this request, a stream, is ended in its protocol when it cannot go on. */
export const endsWith = ({ source }: HttpServerRequest, text: () => string): void => void lastWords.set(source, text)

export interface UnderWay {
  readonly size: () => number
  /** Counts a request until its response is over: the fiber answers it, or `instead` where it is cut before anything is sent. */
  readonly enter: (request: Request, fiber: Answering, instead: Instead) => void
  /** Waits until none is left. */
  readonly none: Effect.Effect<void>
  /** Has each response whose head is not sent yet close its connection. */
  readonly closeConnections: () => void
  /** Ends all that is left: by another answer where nothing has been sent, else by the stream's last words. */
  readonly cut: () => void
}

export const make = (): UnderWay => {
  // No map, and no object literals: V8 may keep their memory, and all that they hold, until a full collection.
  const entries: Array<Entry> = []
  let waiting: Array<() => void> = []
  const leave = ({ place }: Entry) => {
    const last = entries.pop()!
    if (place < entries.length) {
      entries[place] = last
      last.place = place
    }
    if (entries.length > 0) return
    for (const done of waiting) done()
    waiting = []
  }
  return {
    size: () => entries.length,
    enter: (request, fiber, instead) => {
      const response = responseTo(request)
      if (response === undefined) return
      const entry = new Entry(request, response, fiber, instead, entries.length)
      entries.push(entry)
      response.once("close", () => leave(entry))
    },
    none: Effect.callback((resume) => {
      const done = () => resume(Effect.void)
      if (entries.length === 0) return done()
      waiting.push(done)
      return Effect.sync(() => {
        waiting = waiting.filter((each) => each !== done)
      })
    }),
    closeConnections: () => {
      for (const { request } of entries) closeConnection(request)
    },
    cut: () => {
      for (const { fiber, instead, request, response } of entries) {
        if (response.writableEnded) continue
        if (response.headersSent) response.end(lastWords.get(request.source)?.())
        else answer(response, instead(request))
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
