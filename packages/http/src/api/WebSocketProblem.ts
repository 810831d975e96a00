/** What is wrong with a request to an endpoint that is a WebSocket. */
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as WebSocketUpgrade from "../WebSocketUpgrade.ts"
import * as ApiError from "./ApiError.ts"

/** Why a request cannot become a WebSocket, if it cannot. */
export const of = (request: HttpServerRequest): ApiError.ApiError | undefined => {
  if (!WebSocketUpgrade.isRequested(request)) return required
  const { headers } = request
  if (headers["sec-websocket-version"] !== "13") return unsupportedVersion
  return /^[+/\da-z]{22}==$/i.test(headers["sec-websocket-key"] ?? "") ? undefined : invalidKey
}

const required = ApiError.invalid(
  "This endpoint is a WebSocket. Connect with a WebSocket client, by ws:// or wss://.",
  {
    status: 426,
    code: "upgrade_required",
  },
)

const unsupportedVersion = ApiError.invalid("Only version 13 of WebSockets is supported.", {
  status: 426,
  code: "unsupported_websocket_version",
})

const invalidKey = ApiError.invalid("The header Sec-WebSocket-Key is missing or invalid.", {
  code: "invalid_websocket_request",
})
