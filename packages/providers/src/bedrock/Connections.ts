/**
 * The connections of the AWS SDK: HTTP/1.1, kept alive in a pool for each layer. If a reused connection is lost before the
 * first byte of a response, the request is sent once more on a new connection.
 */
import type { NodeHttpHandler, NodeHttpHandlerOptions } from "@smithy/node-http-handler"
import * as Http from "node:http"
import * as Https from "node:https"
import type { Duplex } from "node:stream"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as EventLoop from "../transport/EventLoop.ts"
import type { Proxy } from "../transport/Proxy.ts"
import { isLostConnection } from "../transport/NetworkError.ts"

/** Errors of requests that were sent on a reused connection and got no byte of a response. */
const lost = new WeakSet<Error>()

/** Whether the request that failed with this error may be sent once more. */
export const isLost = (error: unknown): boolean => Predicate.isError(error) && lost.has(error)

const watch = (socket: Duplex, request: Http.ClientRequest): void => {
  const before = read(socket)
  // After the first byte, errors belong to the response.
  request.once("error", (error) => {
    if (isLostConnection(error) && read(socket) === before) lost.add(error)
  })
}

/** The bytes read from a socket; 0 for TLS, whose own bytes count too. */
const read = (socket: Duplex): number =>
  "bytesRead" in socket && Predicate.isNumber(socket.bytesRead) && !("encrypted" in socket) ? socket.bytesRead : 0

class HttpAgent extends Http.Agent {
  override reuseSocket(socket: Duplex, request: Http.ClientRequest): void {
    watch(socket, request)
    super.reuseSocket(socket, request)
  }
}

class HttpsAgent extends Https.Agent {
  override reuseSocket(socket: Duplex, request: Http.ClientRequest): void {
    watch(socket, request)
    super.reuseSocket(socket, request)
  }
}

/** The SDK's handlers: `kept` reuses connections, `fresh` opens a new one for each request. */
export interface Handlers {
  readonly kept: NodeHttpHandler
  readonly fresh: NodeHttpHandler
}

/** Makes the handlers. Only connecting has a timeout, in milliseconds: the router limits the rest. */
export const make = (Handler: typeof NodeHttpHandler, connectionTimeout: number, proxy?: Proxy): Handlers => {
  EventLoop.watch()
  const limits: NodeHttpHandlerOptions = { connectionTimeout, requestTimeout: 0, socketTimeout: 0 }
  const proxyEnv = proxy && { HTTP_PROXY: Redacted.value(proxy), HTTPS_PROXY: Redacted.value(proxy) }
  const common = { maxSockets: Infinity, ...(proxyEnv === undefined ? undefined : { proxyEnv }) }
  const keep = { ...common, keepAlive: true }
  const close = { ...common, keepAlive: false }
  return {
    kept: new Handler({ ...limits, httpAgent: new HttpAgent(keep), httpsAgent: new HttpsAgent(keep) }),
    fresh: new Handler({ ...limits, httpAgent: new Http.Agent(close), httpsAgent: new Https.Agent(close) }),
  }
}
