/**
 * The connections of a transport: pooled ones that are kept open for later requests, and fresh ones for retrying a
 * request that was lost on a pooled connection.
 */
import * as Redacted from "effect/Redacted"
import type { Dispatcher, Pool } from "undici"
import * as EventLoop from "./EventLoop.ts"
import type { Proxy } from "./Proxy.ts"
import * as Undici from "./Undici.ts"

/** A pooled connection. `answered` is true once it has carried a byte of any response. */
export interface Connection {
  answered: boolean
}

/** A request handler that is given the pooled connection its request uses. It is not called for a fresh connection. */
export interface ConnectionAware {
  readonly onConnection: (connection: Connection) => void
}

/** undici's client, which has one connection at a time. */
class PooledClient extends Undici.Client implements Connection {
  answered = false

  constructor(...options: ConstructorParameters<typeof Undici.Client>) {
    super(...options)
    const reset = () => {
      this.answered = false
    }
    this.on("connect", reset)
    this.on("disconnect", reset)
  }

  override dispatch(
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler & Partial<ConnectionAware>,
  ): boolean {
    handler.onConnection?.(this)
    return super.dispatch(options, handler)
  }
}

/** undici's agents: one for pooled connections, one for fresh ones. */
export interface Agents {
  readonly pooled: Dispatcher
  readonly fresh: Dispatcher
}

/** undici's own timeouts are off: the engine enforces timeouts. */
const limits = { headersTimeout: 0, bodyTimeout: 0 }

const pool = (origin: string | URL, options: object): Pool =>
  new Undici.Pool(origin, {
    ...limits,
    ...options,
    factory: (origin: URL, options: object) => new PooledClient(origin, options),
  })

/** Forces a new connection for each request: no multiplexing over HTTP/2, and no reuse. */
const singleUse = { allowH2: false, maxRequestsPerClient: 1 }

/** Agents for the origin itself, or through a proxy. `connectTimeoutMillis` bounds each connection attempt. */
export const make = (connectTimeoutMillis: number, proxy?: Proxy): Agents => {
  EventLoop.watch()
  if (proxy === undefined) {
    const options = { ...limits, connect: { timeout: connectTimeoutMillis } }
    return {
      pooled: new Undici.Agent({ ...options, factory: pool }),
      fresh: new Undici.Agent({ ...options, ...singleUse }),
    }
  }
  const options = {
    ...limits,
    uri: Redacted.value(proxy),
    connectTimeout: connectTimeoutMillis,
    // The timeout also covers the proxy's response to CONNECT.
    clientFactory: (origin: URL, options: object) =>
      new Undici.Pool(origin, { ...options, headersTimeout: connectTimeoutMillis }),
  }
  return {
    pooled: new Undici.ProxyAgent({ ...options, factory: pool }),
    fresh: new Undici.ProxyAgent({
      ...options,
      ...singleUse,
      factory: (origin, options) => new Undici.Pool(origin, { ...limits, ...options, ...singleUse }),
    }),
  }
}

export const close = ({ fresh, pooled }: Agents): Promise<unknown> => Promise.all([pooled.destroy(), fresh.destroy()])
