/**
 * The connections under the AWS SDK: HTTP/1.1, kept open in a pool of the layer's own. A request that a kept connection
 * lost before a byte of its answer is sent once more on a fresh one, as over `transport/Exchange`.
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

/** Errors of requests that went out over a kept connection and had no byte of an answer. */
const lost = new WeakSet<Error>()

/** Whether a request that failed with this error may be sent once more. */
export const isLost = (error: unknown): boolean => Predicate.isError(error) && lost.has(error)

const watch = (socket: Duplex, request: Http.ClientRequest): void => {
  const before = read(socket)
  // Once there is an answer, errors are the answer's.
  request.once("error", (error) => {
    if (isLostConnection(error) && read(socket) === before) lost.add(error)
  })
}

/** The bytes read from a socket. Those of TLS include its own, which say nothing of an answer. */
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

/** Two of the SDK's handlers, one for each kind of connection. */
export interface Handlers {
  readonly kept: NodeHttpHandler
  readonly fresh: NodeHttpHandler
}

/** The engine keeps time: only connecting has a limit here. With a proxy, Node's agents go through it. */
export const make = (Handler: typeof NodeHttpHandler, connectionTimeout: number, proxy?: Proxy): Handlers => {
  EventLoop.watch()
  const limits: NodeHttpHandlerOptions = { connectionTimeout, requestTimeout: 0, socketTimeout: 0 }
  const through = proxy && { HTTP_PROXY: Redacted.value(proxy), HTTPS_PROXY: Redacted.value(proxy) }
  const common = { maxSockets: Infinity, ...(through === undefined ? undefined : { proxyEnv: through }) }
  const keep = { ...common, keepAlive: true }
  const close = { ...common, keepAlive: false }
  return {
    kept: new Handler({ ...limits, httpAgent: new HttpAgent(keep), httpsAgent: new HttpsAgent(keep) }),
    fresh: new Handler({ ...limits, httpAgent: new Http.Agent(close), httpsAgent: new Https.Agent(close) }),
  }
}
