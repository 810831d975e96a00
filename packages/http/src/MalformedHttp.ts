/**
 * What Node cannot read as HTTP is answered like any other mistake: with a status, words, and an id. Node's own answer has
 * neither words nor an id.
 */
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Predicate from "effect/Predicate"
import type { Server } from "node:http"
import { STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import { newId } from "./api/Answer.ts"
import * as ApiError from "./api/ApiError.ts"

/** Answers on the bare socket, and closes it. */
export const answer = (server: Server): Server =>
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (!socket.writable || error.code === "ECONNRESET" || isAnswering(socket)) return void socket.destroy()
    const requestId = newId()
    const refusal = ApiError.invalid(...words(error.code))
    const body = JSON.stringify(ChatCompletions.Errors.encode({ ...refusal, requestId }))
    const head = [
      `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
      "content-type: application/json",
      `content-length: ${Buffer.byteLength(body)}`,
      `x-request-id: ${requestId}`,
      `request-id: ${requestId}`,
      ...(ApiError.isFinal(refusal) ? ["x-should-retry: false"] : []),
      "connection: close",
    ]
    socket.end(`${head.join("\r\n")}\r\n\r\n${body}`)
  })

const words = (code: string | undefined): Parameters<typeof ApiError.invalid> => {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return ["The headers are larger than this gateway takes.", { status: 431, code: "headers_too_large" }]
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return ["The request did not arrive in time.", { status: 408, code: "request_timeout" }]
    default:
      return ["This is not valid HTTP.", { code: "invalid_http" }]
  }
}

/** Whether an answer is being written there, which another would garble. Node looks at the same field. */
const isAnswering = (socket: Duplex): boolean => {
  const message: unknown = Reflect.get(socket, "_httpMessage")
  return Predicate.isObject(message) && Reflect.get(message, "headersSent") === true
}
