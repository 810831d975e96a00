/**
 * What a `FaultServer` has seen: requests and how their exchanges ended, counts, open connections; and waiting for any of
 * it to come true.
 */
import type { IncomingHttpHeaders } from "node:http"
import type { Socket } from "node:net"
import * as Effect from "effect/Effect"
import type * as Behavior from "./Behavior.ts"
import type { Wire } from "./Wire.ts"

/**
 * How an exchange ended: `"answered"` to the last byte the server meant to send, `"broken"` by the server as its script
 * says, or `"left"`: the client closed the connection first.
 */
export type ConnectionEnd = "answered" | "broken" | "left"

/** A request as it came. Times are milliseconds by Effect's clock. */
export interface Request {
  /** Its number among all, from 1. */
  readonly serial: number
  /** Its number among those for its model, from 1. */
  readonly attempt: number
  /** Whose wire it speaks; `undefined` for a path that is nobody's. */
  readonly vendor: Wire["vendor"] | undefined
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Parsed, or the text itself where that is not JSON. */
  readonly body: unknown
  readonly model: string
  readonly stream: boolean
  /** Whether its connection had carried another request before. */
  readonly kept: boolean
  /** What the server does with it. */
  readonly behaviour: Behavior.Behavior
  readonly arrived: number
  /** Not there while the exchange lasts. */
  readonly ended: { readonly at: number; readonly how: ConnectionEnd } | undefined
}

type Kept = { -readonly [K in keyof Request]: Request[K] }

export interface RequestLog {
  readonly requests: ReadonlyArray<Request>
  readonly inFlight: () => number
  readonly sockets: ReadonlySet<Socket>
  readonly attempts: (model: string) => number
  readonly opened: (socket: Socket) => void
  /** Notes that a socket carries a request, and tells whether it has carried one before. */
  readonly carries: (socket: Socket) => boolean
  /** Notes a request, and gives what is to be called, once, when its exchange is over. */
  readonly begin: (request: Omit<Request, "serial" | "attempt" | "ended">) => {
    readonly request: Request
    readonly end: (how: ConnectionEnd, at: number) => void
  }
  /** Waits until `look` finds something. */
  readonly until: <A>(look: () => A | undefined) => Effect.Effect<A>
}

/** `history` is how many of the newest requests are kept. */
export const make = (history: number): RequestLog => {
  const requests: Array<Request> = []
  const attempts = new Map<string, number>()
  const sockets = new Set<Socket>()
  const carriers = new WeakSet<Socket>()
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
    carries: (socket) => {
      const kept = carriers.has(socket)
      carriers.add(socket)
      return kept
    },
    begin: (seen) => {
      const attempt = (attempts.get(seen.model) ?? 0) + 1
      const request: Kept = { ...seen, serial: ++serial, attempt, ended: undefined }
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
    until: (look) =>
      Effect.callback((resume) => {
        const watch = (): void => {
          const found = look()
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
