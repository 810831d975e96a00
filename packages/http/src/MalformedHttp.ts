/**
 * Error responses for requests that Node rejects before they reach the router: malformed HTTP, `Expect`, `CONNECT`. Node's
 * own responses have neither an error body nor a request id.
 */
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as Predicate from "effect/Predicate"
import type { IncomingMessage, Server } from "node:http"
import { STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import { newId } from "./api/HttpReply.ts"
import * as ApiError from "./api/ApiError.ts"
import * as ClientProtocols from "./api/ClientProtocols.ts"
import * as Cors from "./auth/Cors.ts"

/** Replies on the socket and closes it. Pages of allowed origins may read the response. */
export const handle = (server: Server, isAllowed: (origin: string) => boolean): Server =>
  server
    .on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
      if (!socket.writable || error.code === "ECONNRESET" || isReplying(socket)) return void socket.destroy()
      const { headers, url } = Json.fields(messageOf(socket)["req"])
      reject(socket, String(url ?? ""), errorOf(error.code), corsHeaders(Json.fields(headers)["origin"], isAllowed))
    })
    .on("checkExpectation", ({ headers, socket, url = "" }: IncomingMessage) =>
      reject(socket, url, expectation, corsHeaders(headers.origin, isAllowed)),
    )
    .on("connect", (_: IncomingMessage, socket: Duplex) => {
      // Node has removed its own listeners.
      socket.on("error", () => socket.destroy())
      reject(socket, "", tunnel)
    })

type InvalidArguments = Parameters<typeof ApiError.invalid>

const expectation: InvalidArguments = [
  "Unsupported Expect header. Only 100-continue is supported.",
  { status: 417, code: "expectation_failed" },
]

const tunnel: InvalidArguments = [
  "CONNECT is not supported: this gateway is not a proxy.",
  { status: 405, code: "method_not_allowed" },
]

/** The header lines that let a page of this origin read the response; none if it is not allowed. */
const corsHeaders = (origin: unknown, isAllowed: (origin: string) => boolean): ReadonlyArray<string> =>
  Predicate.isString(origin) && isAllowed(origin)
    ? Object.entries({ ...Cors.shared(origin), vary: "origin" }).map(([name, value]) => `${name}: ${value}`)
    : []

const reject = (socket: Duplex, url: string, invalid: InvalidArguments, headers: ReadonlyArray<string> = []): void => {
  const requestId = newId()
  const error = ApiError.invalid(...invalid)
  const body = JSON.stringify(ClientProtocols.of(url).Errors.encode({ ...error, requestId }))
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    `request-id: ${requestId}`,
    ...(ApiError.isFinal(error) ? ["x-should-retry: false"] : []),
    ...headers,
    "connection: close",
  ]
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`)
  // Node keeps the socket open until its client closes it.
  const linger = setTimeout(() => socket.destroy(), 500)
  socket.once("close", () => clearTimeout(linger))
}

const errorOf = (code: string | undefined): InvalidArguments => {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return ["The request headers are too large.", { status: 431, code: "headers_too_large" }]
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return ["The request did not arrive in time.", { status: 408, code: "request_timeout" }]
    default:
      return ["This is not valid HTTP.", { code: "invalid_http" }]
  }
}

/** Whether a response is being written to the socket: a second one would corrupt it. */
const isReplying = (socket: Duplex): boolean => messageOf(socket)["headersSent"] === true

/** Node's pending response of a socket, with its request; no fields before a request head has arrived. */
const messageOf = (socket: Duplex): Json.Fields => Json.fields(Reflect.get(socket, "_httpMessage"))
