/**
 * Carries out a behavior on the socket. `steps` is pure: it lists what is sent, waited for and broken. `play` applies the
 * steps to a `node:http` response.
 */
import { Buffer } from "node:buffer"
import type { ServerResponse } from "node:http"
import type * as Behavior from "./Behavior.ts"
import type { WireRequest, Bytes, Events, Exchange, Headers, Wire } from "./Wire.ts"
import { reply } from "./Wire.ts"

/** Delays, in milliseconds of real time. */
export interface Pace {
  /** Between two events of a stream. At 0 events are written one by one, but may arrive together. */
  readonly gap: number
  /** Before a connection breaks, so that the client has read the bytes before it. */
  readonly settle: number
  /** Between two keep-alives of a stalled stream. */
  readonly ping: number
}

/** A step on a response. `Hang`, `Pings`, `End`, `Close` and `Reset` are last steps. */
export type Step =
  | { readonly _tag: "Head"; readonly status: number; readonly headers: Headers }
  | { readonly _tag: "Write"; readonly bytes: Bytes }
  | { readonly _tag: "Wait"; readonly millis: number }
  | { readonly _tag: "Pings"; readonly bytes: Bytes; readonly every: number }
  | { readonly _tag: "Hang" }
  | { readonly _tag: "End" }
  | { readonly _tag: "Close" }
  | { readonly _tag: "Reset" }

// ---------------------------------------------------------------------------------------------------------------------
// Steps
// ---------------------------------------------------------------------------------------------------------------------

const head = (status: number, headers: Headers): Step => ({ _tag: "Head", status, headers })
const write = (bytes: Bytes): Step => ({ _tag: "Write", bytes })
const wait = (millis: number): Step => ({ _tag: "Wait", millis })
const end: Step = { _tag: "End" }

const completeBody = (status: number, headers: Headers, body: string): ReadonlyArray<Step> => [
  head(status, { ...headers, "content-length": String(Buffer.byteLength(body)) }),
  write(body),
  end,
]

const jsonType: Headers = { "content-type": "application/json" }

const half = (bytes: Bytes): Bytes =>
  typeof bytes === "string" ? bytes.slice(0, bytes.length / 2) : bytes.subarray(0, bytes.length / 2)

const retryHeaders = (wire: Wire, exchange: Exchange, { form, millis }: Behavior.RetryAfter): Headers => {
  switch (form) {
    case "seconds":
      return { "retry-after": String(millis / 1_000) }
    case "date":
      return { "retry-after": new Date(Math.ceil((exchange.now + millis) / 1_000) * 1_000).toUTCString() }
    case "millis":
      return { "retry-after-ms": String(millis) }
    case "reset":
      return wire.resetHeaders(exchange, millis)
  }
}

const page = (status: number): string =>
  `<html>\r\n<head><title>${status}</title></head>\r\n<body>\r\n<center><h1>${status}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`

type WithContent = Exclude<Behavior.Behavior, { readonly _tag: "Refuse" | "Reset" | "Silent" | "Html" | "Empty" }>

const plainSteps = (behavior: WithContent, headers: Headers, body: string, pace: Pace): ReadonlyArray<Step> => {
  const start = [
    head(200, { ...headers, "content-length": String(Buffer.byteLength(body)) }),
    write(half(body)),
    wait(pace.settle),
  ]
  switch (behavior._tag) {
    case "Cut":
      return [...start, { _tag: behavior.how === "close" ? "Close" : "Reset" }]
    case "Stall":
      return [...start, { _tag: "Hang" }]
    case "HalfJson":
      return completeBody(200, headers, body.slice(0, body.length / 2))
    case "Answer":
      return behavior.delay === undefined
        ? completeBody(200, headers, body)
        : [wait(behavior.delay), ...completeBody(200, headers, body)]
    case "MalformedEvent":
    case "NoDone":
    case "NoFinish":
    case "ErrorEvent":
      return completeBody(200, headers, body)
  }
}

const streamSteps = (
  behavior: WithContent,
  wire: Wire,
  headers: Headers,
  { preamble, output, finish, done }: Events,
  errorEvent: (fault: Behavior.Fault) => Bytes,
  pace: Pace,
): ReadonlyArray<Step> => {
  const send = (events: ReadonlyArray<Bytes>): ReadonlyArray<Step> =>
    events.flatMap((event) => [write(event), wait(pace.gap)])
  const start = [head(200, { ...headers, "cache-control": "no-cache" })]
  const until = (after: number) => [...start, ...send(preamble), ...send(output.slice(0, after))]
  switch (behavior._tag) {
    case "Answer":
      return [
        ...start,
        ...send(preamble),
        wait(behavior.delay ?? 0),
        ...send(output),
        ...send(finish),
        ...send(done),
        end,
      ]
    case "Cut":
      return [...until(behavior.after), wait(pace.settle), { _tag: behavior.how === "close" ? "Close" : "Reset" }]
    case "Stall":
      return behavior.pings && wire.ping !== undefined
        ? [...until(behavior.after), { _tag: "Pings", bytes: wire.ping, every: pace.ping }]
        : [...until(behavior.after), { _tag: "Hang" }]
    case "MalformedEvent":
      return [
        ...until(behavior.after),
        ...send([wire.malformedEvent, ...output.slice(behavior.after), ...finish, ...done]),
        end,
      ]
    case "NoDone":
      return [...until(output.length), ...send(finish), end]
    case "NoFinish":
      return [...until(output.length), end]
    case "ErrorEvent":
      return [...(behavior.after === "first" ? start : until(behavior.after)), write(errorEvent(behavior.fault)), end]
    case "HalfJson":
      return [...until(1), ...[...output.slice(1), ...finish].slice(0, 1).map((event) => write(half(event))), end]
  }
}

/** The steps of a behavior for a request. */
export const steps = (
  behavior: Behavior.Behavior,
  wire: Wire,
  request: WireRequest,
  exchange: Exchange,
  pace: Pace,
): ReadonlyArray<Step> => {
  const own = wire.headers(exchange, request)
  const streaming: Headers = { ...own, "content-type": wire.streamTypeOf?.(request) ?? wire.streamType }
  switch (behavior._tag) {
    case "Reset":
      return [{ _tag: "Reset" }]
    case "Silent":
      return [{ _tag: "Hang" }]
    case "Html":
      return completeBody(behavior.status, { "content-type": "text/html", server: "nginx" }, page(behavior.status))
    case "Empty":
      return completeBody(200, request.stream ? streaming : { ...own, ...jsonType }, "")
    case "Refuse": {
      const { fault, retryAfter } = behavior
      const reset = retryAfter?.form === "reset" ? retryAfter.millis : undefined
      const { status, headers, body } = wire.error(request, exchange, fault, reset)
      const later = retryAfter === undefined ? {} : retryHeaders(wire, exchange, retryAfter)
      return completeBody(status, { ...own, ...headers, ...later, ...jsonType }, JSON.stringify(body))
    }
    default: {
      const content = reply(request, behavior)
      return request.stream
        ? streamSteps(
            behavior,
            wire,
            streaming,
            wire.stream(request, exchange, content),
            (fault) => wire.errorEvent(request, exchange, fault),
            pace,
          )
        : plainSteps(behavior, { ...own, ...jsonType }, JSON.stringify(wire.plain(request, exchange, content)), pace)
    }
  }
}

/** The response to a path of no vendor. */
export const notFound = (method: string, path: string): ReadonlyArray<Step> => {
  const message = `Unknown request URL: ${method} ${path}.`
  const error = { message, type: "invalid_request_error", param: null, code: "unknown_url" }
  return completeBody(404, jsonType, JSON.stringify({ error }))
}

// ---------------------------------------------------------------------------------------------------------------------
// Playing
// ---------------------------------------------------------------------------------------------------------------------

/** Sends the written head without waiting for a body. */
const flush = (response: ServerResponse): void => {
  if (response.headersSent) response.flushHeaders()
}

/** Plays the steps in turn until the response is closed. `breaking` is called before a step breaks the connection. */
export const play = (steps: ReadonlyArray<Step>, response: ServerResponse, breaking: () => void): void => {
  let at = 0
  let stop: (() => void) | undefined
  const next = (): void => {
    for (let step = steps[at++]; step !== undefined && !response.destroyed; step = steps[at++]) {
      switch (step._tag) {
        case "Head":
          response.writeHead(step.status, step.headers)
          break
        case "Write":
          response.write(step.bytes)
          break
        case "Wait": {
          flush(response)
          if (step.millis === 0) {
            const immediate = setImmediate(next)
            stop = () => clearImmediate(immediate)
          } else {
            const timer = setTimeout(next, step.millis)
            stop = () => clearTimeout(timer)
          }
          return
        }
        case "Pings": {
          const { bytes, every } = step
          flush(response)
          const timer = setInterval(() => response.write(bytes), every)
          stop = () => clearInterval(timer)
          return
        }
        case "Hang":
          flush(response)
          return
        case "End":
          response.end()
          return
        case "Close":
          breaking()
          response.destroy()
          return
        case "Reset":
          breaking()
          response.socket?.resetAndDestroy()
          return
      }
    }
  }
  response.on("close", () => stop?.())
  next()
}
