/**
 * From a behaviour to what happens on the socket, in two halves: `steps` is pure and says what is sent, waited for and
 * broken; `play` does it to a `node:http` response.
 */
import { Buffer } from "node:buffer"
import type { ServerResponse } from "node:http"
import type * as Behavior from "./Behavior.ts"
import type { Asked, Bytes, Events, Exchange, Headers, Wire } from "./Wire.ts"
import { reply } from "./Wire.ts"

/** How long things take, in milliseconds of real time. */
export interface Pace {
  /** Between two events of a stream. At 0 they are still written apart, but may arrive together. */
  readonly gap: number
  /** Before a connection breaks, so that what was sent has been read. */
  readonly settle: number
  /** Between two pings of a stream that is silent otherwise. */
  readonly ping: number
}

/** One thing done to a response. `Hang`, `Pings`, `End`, `Close` and `Reset` come last. */
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
// What is done
// ---------------------------------------------------------------------------------------------------------------------

const head = (status: number, headers: Headers): Step => ({ _tag: "Head", status, headers })
const write = (bytes: Bytes): Step => ({ _tag: "Write", bytes })
const wait = (millis: number): Step => ({ _tag: "Wait", millis })
const end: Step = { _tag: "End" }

const wholeBody = (status: number, headers: Headers, body: string): ReadonlyArray<Step> => [
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

type Speaking = Exclude<Behavior.Behavior, { readonly _tag: "Refuse" | "Reset" | "Silent" | "Html" | "Empty" }>

const plainSteps = (behaviour: Speaking, headers: Headers, body: string, pace: Pace): ReadonlyArray<Step> => {
  const begun = [
    head(200, { ...headers, "content-length": String(Buffer.byteLength(body)) }),
    write(half(body)),
    wait(pace.settle),
  ]
  switch (behaviour._tag) {
    case "Cut":
      return [...begun, { _tag: behaviour.how === "close" ? "Close" : "Reset" }]
    case "Stall":
      return [...begun, { _tag: "Hang" }]
    case "HalfJson":
      return wholeBody(200, headers, body.slice(0, body.length / 2))
    case "Answer":
      return behaviour.delay === undefined
        ? wholeBody(200, headers, body)
        : [wait(behaviour.delay), ...wholeBody(200, headers, body)]
    case "MalformedEvent":
    case "NoDone":
    case "NoFinish":
    case "ErrorEvent":
      return wholeBody(200, headers, body)
  }
}

const streamSteps = (
  behaviour: Speaking,
  wire: Wire,
  headers: Headers,
  { preamble, output, finish, done }: Events,
  errorEvent: (fault: Behavior.Fault) => Bytes,
  pace: Pace,
): ReadonlyArray<Step> => {
  const send = (events: ReadonlyArray<Bytes>): ReadonlyArray<Step> =>
    events.flatMap((event) => [write(event), wait(pace.gap)])
  const begun = [head(200, { ...headers, "cache-control": "no-cache" })]
  const until = (after: number) => [...begun, ...send(preamble), ...send(output.slice(0, after))]
  switch (behaviour._tag) {
    case "Answer":
      return [
        ...begun,
        ...send(preamble),
        wait(behaviour.delay ?? 0),
        ...send(output),
        ...send(finish),
        ...send(done),
        end,
      ]
    case "Cut":
      return [...until(behaviour.after), wait(pace.settle), { _tag: behaviour.how === "close" ? "Close" : "Reset" }]
    case "Stall":
      return behaviour.pings && wire.ping !== undefined
        ? [...until(behaviour.after), { _tag: "Pings", bytes: wire.ping, every: pace.ping }]
        : [...until(behaviour.after), { _tag: "Hang" }]
    case "MalformedEvent":
      return [
        ...until(behaviour.after),
        ...send([wire.malformedEvent, ...output.slice(behaviour.after), ...finish, ...done]),
        end,
      ]
    case "NoDone":
      return [...until(output.length), ...send(finish), end]
    case "NoFinish":
      return [...until(output.length), end]
    case "ErrorEvent":
      return [
        ...(behaviour.after === "first" ? begun : until(behaviour.after)),
        write(errorEvent(behaviour.fault)),
        end,
      ]
    case "HalfJson":
      return [...until(1), ...[...output.slice(1), ...finish].slice(0, 1).map((event) => write(half(event))), end]
  }
}

/** What a behaviour does to an answer of this vendor's to this request. */
export const steps = (
  behaviour: Behavior.Behavior,
  wire: Wire,
  asked: Asked,
  exchange: Exchange,
  pace: Pace,
): ReadonlyArray<Step> => {
  const own = wire.headers(exchange, asked)
  const streaming: Headers = { ...own, "content-type": wire.streamType }
  switch (behaviour._tag) {
    case "Reset":
      return [{ _tag: "Reset" }]
    case "Silent":
      return [{ _tag: "Hang" }]
    case "Html":
      return wholeBody(behaviour.status, { "content-type": "text/html", server: "nginx" }, page(behaviour.status))
    case "Empty":
      return wholeBody(200, asked.stream ? streaming : { ...own, ...jsonType }, "")
    case "Refuse": {
      const { fault, retryAfter } = behaviour
      const reset = retryAfter?.form === "reset" ? retryAfter.millis : undefined
      const { status, headers, body } = wire.error(asked, exchange, fault, reset)
      const later = retryAfter === undefined ? {} : retryHeaders(wire, exchange, retryAfter)
      return wholeBody(status, { ...own, ...headers, ...later, ...jsonType }, JSON.stringify(body))
    }
    default: {
      const said = reply(asked, behaviour)
      return asked.stream
        ? streamSteps(
            behaviour,
            wire,
            streaming,
            wire.stream(asked, exchange, said),
            (fault) => wire.errorEvent(asked, exchange, fault),
            pace,
          )
        : plainSteps(behaviour, { ...own, ...jsonType }, JSON.stringify(wire.plain(asked, exchange, said)), pace)
    }
  }
}

/** The answer to a request that is in no vendor's API. */
export const notFound = (method: string, path: string): ReadonlyArray<Step> => {
  const message = `Unknown request URL: ${method} ${path}.`
  const error = { message, type: "invalid_request_error", param: null, code: "unknown_url" }
  return wholeBody(404, jsonType, JSON.stringify({ error }))
}

// ---------------------------------------------------------------------------------------------------------------------
// Doing it
// ---------------------------------------------------------------------------------------------------------------------

/** Sends the head, if it is written, without waiting for a body. */
const flush = (response: ServerResponse): void => {
  if (response.headersSent) response.flushHeaders()
}

/** Does the steps in turn, until they are done or the response is closed. `breaking` is called before it breaks it itself. */
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
