/**
 * The connections under a transport: those that are kept open for the next request, and fresh ones for a request that a
 * kept one lost.
 */
import * as Redacted from "effect/Redacted"
import { Agent, Client, Pool, ProxyAgent } from "undici"
import type { Dispatcher } from "undici"
import * as EventLoop from "./EventLoop.ts"
import type { Proxy } from "./Proxy.ts"

/** A connection that is kept open. `answered` is true once it has carried a byte of any answer. */
export interface Connection {
  answered: boolean
}

/** A request's handler that is told which connection the request takes. A request that takes a fresh one is told nothing. */
export interface Passenger {
  readonly takes: (connection: Connection) => void
}

/** One of undici's clients, which has one connection at a time. */
class Kept extends Client implements Connection {
  answered = false

  constructor(...options: ConstructorParameters<typeof Client>) {
    super(...options)
    const renew = () => {
      this.answered = false
    }
    this.on("connect", renew)
    this.on("disconnect", renew)
  }

  override dispatch(
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler & Partial<Passenger>,
  ): boolean {
    handler.takes?.(this)
    return super.dispatch(options, handler)
  }
}

/** Two of undici's agents, one for each kind of connection. */
export interface Agents {
  readonly kept: Dispatcher
  readonly fresh: Dispatcher
}

/** undici's own time limits are off: the engine keeps time. */
const limits = { headersTimeout: 0, bodyTimeout: 0 }

const pool = (origin: string | URL, options: object): Pool =>
  new Pool(origin, {
    ...limits,
    ...options,
    factory: (origin: URL, options: object) => new Kept(origin, options),
  })

/** Requests that share an HTTP/2 connection, or wait for one of HTTP/1.1, would not have a fresh one. */
const once = { allowH2: false, maxRequestsPerClient: 1 }

/** Connections to where requests go, or to a proxy in between. Each stands within the time given. */
export const make = (connectTimeoutMillis: number, proxy?: Proxy): Agents => {
  EventLoop.watch()
  if (proxy === undefined) {
    const options = { ...limits, connect: { timeout: connectTimeoutMillis } }
    return { kept: new Agent({ ...options, factory: pool }), fresh: new Agent({ ...options, ...once }) }
  }
  const options = {
    ...limits,
    uri: Redacted.value(proxy),
    connectTimeout: connectTimeoutMillis,
    // A tunnel that the proxy does not open in time is no connection either.
    clientFactory: (origin: URL, options: object) =>
      new Pool(origin, { ...options, headersTimeout: connectTimeoutMillis }),
  }
  return {
    kept: new ProxyAgent({ ...options, factory: pool }),
    fresh: new ProxyAgent({
      ...options,
      ...once,
      factory: (origin, options) => new Pool(origin, { ...limits, ...options, ...once }),
    }),
  }
}

export const close = ({ fresh, kept }: Agents): Promise<unknown> => Promise.all([kept.destroy(), fresh.destroy()])
