/**
 * undici's dispatchers, by their own files. The package's entry also loads fetch, WebSocket, caches and mocks: 86 more
 * modules, 5 MB of memory. The files are not part of undici's API, so its version is exact.
 */
import { createRequire } from "node:module"
import type * as Undici from "undici"

const load = createRequire(import.meta.url)

export const Agent: typeof Undici.Agent = load("undici/lib/dispatcher/agent.js")
export const Client: typeof Undici.Client = load("undici/lib/dispatcher/client.js")
export const Pool: typeof Undici.Pool = load("undici/lib/dispatcher/pool.js")
export const ProxyAgent: typeof Undici.ProxyAgent = load("undici/lib/dispatcher/proxy-agent.js")

// As the entry does: the tunnel of a `ProxyAgent` is opened by `connect`.
Object.assign(load("undici/lib/dispatcher/dispatcher.js").prototype, load("undici/lib/api/index.js"))
