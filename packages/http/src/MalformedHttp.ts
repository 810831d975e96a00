/**
 * What Node cannot read as HTTP, or answers by itself, is answered like any other mistake: with a status, words, and an
 * id. Node's own answer has neither words nor an id.
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

/** Answers on the bare socket, and closes it. Pages of origins that are allowed may read it. */
export const answer = (server: Server, isAllowed: (origin: string) => boolean): Server =>
  server
    .on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
      if (!socket.writable || error.code === "ECONNRESET" || isAnswering(socket)) return void socket.destroy()
      const { headers, url } = Json.fields(messageOf(socket)["req"])
      refuse(socket, String(url ?? ""), words(error.code), sharing(Json.fields(headers)["origin"], isAllowed))
    })
    .on("checkExpectation", ({ headers, socket, url = "" }: IncomingMessage) =>
      refuse(socket, url, expectation, sharing(headers.origin, isAllowed)),
    )
    .on("connect", (_: IncomingMessage, socket: Duplex) => {
      // Node listens to nothing of it any more.
      socket.on("error", () => socket.destroy())
      refuse(socket, "", tunnel)
    })

type Words = Parameters<typeof ApiError.invalid>

const expectation: Words = [
  "This gateway knows no Expect but 100-continue.",
  { status: 417, code: "expectation_failed" },
]

const tunnel: Words = ["This gateway is no proxy: it opens no tunnels.", { status: 405, code: "method_not_allowed" }]

/** The headers by which a page of this origin may read the answer, if it may. */
const sharing = (origin: unknown, isAllowed: (origin: string) => boolean): ReadonlyArray<string> =>
  Predicate.isString(origin) && isAllowed(origin)
    ? Object.entries({ ...Cors.shared(origin), vary: "origin" }).map(([name, value]) => `${name}: ${value}`)
    : []

const refuse = (socket: Duplex, url: string, words: Words, headers: ReadonlyArray<string> = []): void => {
  const requestId = newId()
  const refusal = ApiError.invalid(...words)
  const body = JSON.stringify(ClientProtocols.of(url).Errors.encode({ ...refusal, requestId }))
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    `request-id: ${requestId}`,
    ...(ApiError.isFinal(refusal) ? ["x-should-retry: false"] : []),
    ...headers,
    "connection: close",
  ]
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`)
  // Node leaves it open for as long as its client does.
  const linger = setTimeout(() => socket.destroy(), 500)
  socket.once("close", () => clearTimeout(linger))
}

const words = (code: string | undefined): Words => {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return ["The headers are larger than this gateway takes.", { status: 431, code: "headers_too_large" }]
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return ["The request did not arrive in time.", { status: 408, code: "request_timeout" }]
    default:
      return ["This is not valid HTTP.", { code: "invalid_http" }]
  }
}

/** Whether an answer is being written there, which another would garble. */
const isAnswering = (socket: Duplex): boolean => messageOf(socket)["headersSent"] === true

/** The answer that is due there, with its request; nothing where no head has arrived. Node looks at the same field. */
const messageOf = (socket: Duplex): Json.Fields => Json.fields(Reflect.get(socket, "_httpMessage"))
