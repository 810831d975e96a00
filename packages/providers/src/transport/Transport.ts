/**
 * One pooled HTTP transport under every SDK that takes a `fetch`: a lean one over undici, which gives back only what the
 * SDKs touch. A global `fetch` under the same SDK answers a third of the calls (docs/performance.md).
 *
 * undici's own time limits on headers and bodies are off: the engine keeps time.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Readable } from "node:stream"
import { Agent } from "undici"
import type { Dispatcher } from "undici"

/** A `fetch` for SDKs. What it resolves to is a `Response` as far as they look, and a `Lean` underneath. */
export type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>

/** Connections, kept open and shared by origin. */
export interface Pool {
  /** A fetch whose connections must stand within `connectTimeout`. */
  readonly fetch: (options?: { readonly connectTimeout?: Duration.Input | undefined }) => Fetch
}

/**
 * The pool that providers take when their layers are built: one for the process unless another is provided. Its idle
 * connections keep no process alive.
 */
export const Transport: Context.Reference<Pool> = Context.Reference<Pool>("@understudy/providers/Transport", {
  defaultValue: () => make().pool,
})

/** A pool of its own, whose connections are closed with the layer. */
export const layer: Layer.Layer<never> = Layer.effect(
  Transport,
  Effect.map(
    Effect.acquireRelease(Effect.sync(make), ({ close }) => Effect.promise(close)),
    ({ pool }) => pool,
  ),
)

const defaultConnectTimeout = Duration.seconds(5)

function make(): { readonly pool: Pool; readonly close: () => Promise<void> } {
  const agents = new Map<number, Agent>()
  const agent = (connectTimeout: Duration.Input): Agent => {
    const timeout = Duration.toMillis(Duration.fromInputUnsafe(connectTimeout))
    let found = agents.get(timeout)
    if (found === undefined) {
      found = new Agent({ connect: { timeout }, headersTimeout: 0, bodyTimeout: 0 })
      agents.set(timeout, found)
    }
    return found
  }
  return {
    pool: { fetch: (options) => fetchOver(agent(options?.connectTimeout ?? defaultConnectTimeout)) },
    close: () => Promise.all([...agents.values()].map((agent) => agent.destroy())).then(() => undefined),
  }
}

const fetchOver =
  (agent: Agent): Fetch =>
  (url, init = {}) => {
    const address = typeof url === "string" ? url : url instanceof URL ? url.href : url.url
    const slash = address.indexOf("/", address.indexOf("//") + 2)
    return agent
      .request({
        origin: slash < 0 ? address : address.slice(0, slash),
        path: slash < 0 ? "/" : address.slice(slash),
        method: (init.method ?? "GET") as Dispatcher.HttpMethod,
        headers: plain(init.headers),
        body: (init.body ?? null) as string | null,
        signal: init.signal ?? null,
      })
      .then((answer) => new Lean(address, answer) as unknown as Response)
  }

const plain = (headers: RequestInit["headers"]): Record<string, string> => {
  if (headers === undefined) return {}
  const entries = Array.isArray(headers) ? headers : Symbol.iterator in headers ? headers : Object.entries(headers)
  return Object.fromEntries(entries as Iterable<readonly [string, string]>)
}

/** The part of a `Response` that SDKs touch, and the Node stream its bytes come from. */
export class Lean {
  readonly url: string
  readonly status: number
  readonly headers: LeanHeaders
  readonly readable: Dispatcher.ResponseData["body"]

  constructor(url: string, answer: Dispatcher.ResponseData) {
    this.url = url
    this.status = answer.statusCode
    this.headers = new LeanHeaders(answer.headers)
    this.readable = answer.body
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300
  }

  get statusText(): string {
    return ""
  }

  /** SDKs only ever cancel it. */
  get body(): Readable {
    return this.readable
  }

  text(): Promise<string> {
    return this.readable.text()
  }

  json(): Promise<unknown> {
    return this.readable.json()
  }
}

/** Response headers by their lower-case names, as undici gives them: nothing is rebuilt. */
export class LeanHeaders implements Iterable<[string, string]> {
  readonly #headers: Dispatcher.ResponseData["headers"]

  constructor(headers: Dispatcher.ResponseData["headers"]) {
    this.#headers = headers
  }

  get(name: string): string | null {
    const value = this.#headers[name.toLowerCase()]
    return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value
  }

  has(name: string): boolean {
    return this.#headers[name.toLowerCase()] !== undefined
  }

  *entries(): IterableIterator<[string, string]> {
    for (const name of Object.keys(this.#headers)) yield [name, this.get(name) ?? ""]
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries()
  }
}

/** What an SDK resolved to, seen as what our `fetch` gave it. */
export const lean = (response: Response): Lean => response as unknown as Lean
