/**
 * The connections under a transport: those that are kept open for the next request, and fresh ones for a request that a
 * kept one lost.
 */
import { Agent, Client, Pool } from "undici"
import type { Dispatcher } from "undici"

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
  readonly kept: Agent
  readonly fresh: Agent
}

/** undici's own time limits on headers and bodies are off: the engine keeps time. */
export const make = (connectTimeoutMillis: number): Agents => {
  const options = { connect: { timeout: connectTimeoutMillis }, headersTimeout: 0, bodyTimeout: 0 }
  return {
    kept: new Agent({
      ...options,
      factory: (origin, options) =>
        new Pool(origin, { ...options, factory: (origin: URL, options: object) => new Kept(origin, options) }),
    }),
    // Requests that share an HTTP/2 connection, or wait for one of HTTP/1.1, would not have a fresh one.
    fresh: new Agent({ ...options, allowH2: false, maxRequestsPerClient: 1 }),
  }
}

export const close = ({ fresh, kept }: Agents): Promise<unknown> => Promise.all([kept.destroy(), fresh.destroy()])
