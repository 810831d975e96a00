/**
 * The log of a `FaultServer`: its requests and how each ended, attempts, open connections; and waiting for changes.
 */
import type { IncomingHttpHeaders } from "node:http"
import type { Socket } from "node:net"
import * as Effect from "effect/Effect"
import type * as Behavior from "./Behavior.ts"
import type { Wire } from "./Wire.ts"

/**
 * How a request ended: `"answered"`: the server sent all bytes, `"broken"`: the server broke it by its script, `"left"`: the
 * client closed the connection first.
 */
export type ConnectionEnd = "answered" | "broken" | "left"

/** A received request. Times are milliseconds of Effect's clock. */
export interface Request {
  /** Its number among all requests, from 1. */
  readonly serial: number
  /** Its number among the requests for its model, from 1. */
  readonly attempt: number
  /** The vendor; `undefined` for an unknown path. */
  readonly vendor: Wire["vendor"] | undefined
  readonly method: string
  /** The path with its query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** The parsed body, or its text if it is not JSON. */
  readonly body: unknown
  readonly model: string
  readonly stream: boolean
  /** Whether its connection was reused. */
  readonly kept: boolean
  /** What the server does with the request. */
  readonly behavior: Behavior.Behavior
  readonly arrived: number
  /** `undefined` until the request has ended. */
  readonly ended: { readonly at: number; readonly how: ConnectionEnd } | undefined
}

type MutableRequest = { -readonly [K in keyof Request]: Request[K] }

/** The log. */
export interface RequestLog {
  readonly requests: ReadonlyArray<Request>
  readonly inFlight: () => number
  readonly sockets: ReadonlySet<Socket>
  readonly attempts: (model: string) => number
  readonly opened: (socket: Socket) => void
  /** Records a request on a socket. Returns whether the socket had one before. */
  readonly isReused: (socket: Socket) => boolean
  /** Records a request. `end` must be called once, when it has ended. */
  readonly begin: (request: Omit<Request, "serial" | "attempt" | "ended">) => {
    readonly request: Request
    readonly end: (how: ConnectionEnd, at: number) => void
  }
  /** Waits until `find` returns a value. */
  readonly until: <A>(find: () => A | undefined) => Effect.Effect<A>
}

/** A log of the newest `history` requests. */
export const make = (history: number): RequestLog => {
  const requests: Array<Request> = []
  const attempts = new Map<string, number>()
  const sockets = new Set<Socket>()
  const used = new WeakSet<Socket>()
  const watchers = new Set<() => void>()
  let serial = 0
  let inFlight = 0

  const changed = (): void => {
    for (const watch of watchers) watch()
  }

  return {
    requests,
    inFlight: () => inFlight,
    sockets,
    attempts: (model) => attempts.get(model) ?? 0,
    opened: (socket) => {
      sockets.add(socket)
      socket.on("close", () => {
        sockets.delete(socket)
        changed()
      })
    },
    isReused: (socket) => {
      const isReused = used.has(socket)
      used.add(socket)
      return isReused
    },
    begin: (seen) => {
      const attempt = (attempts.get(seen.model) ?? 0) + 1
      const request: MutableRequest = { ...seen, serial: ++serial, attempt, ended: undefined }
      attempts.set(seen.model, attempt)
      requests.push(request)
      if (requests.length > history) requests.shift()
      inFlight++
      changed()
      const end = (how: ConnectionEnd, at: number): void => {
        request.ended = { at, how }
        inFlight--
        changed()
      }
      return { request, end }
    },
    until: (find) =>
      Effect.callback((resume) => {
        const watch = (): void => {
          const found = find()
          if (found === undefined) return
          watchers.delete(watch)
          resume(Effect.succeed(found))
        }
        watchers.add(watch)
        watch()
        return Effect.sync(() => watchers.delete(watch))
      }),
  }
}
