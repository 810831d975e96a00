/**
 * The load generator: keep-alive sockets, one request in flight on each, request bytes built once. It is forked, told over
 * IPC what to ask, and answers with what it saw.
 */
import { connect } from "node:net"
import { type Request, requestBytes } from "./request.ts"
import { ResponseReader } from "./response.ts"

export interface Load extends Request {
  readonly connections: number
  /** After that time no further request is sent. */
  readonly seconds: number
}

export interface Seen {
  readonly requestsPerSecond: number
  readonly eventsPerSecond: number
  /** What CPU time is divided by. */
  readonly requests: number
  readonly events: number
  /** Milliseconds from request to complete response. */
  readonly p50: number
  readonly p99: number
  /** Milliseconds from request to the second event of a stream: the first with content, after the one with the role. 0 for whole answers. */
  readonly firstToken: number
}

export type Report = { readonly seen: Seen } | { readonly failed: string }

const percentile = (sorted: Float64Array, share: number) =>
  sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!

const run = (load: Load): Promise<Seen> =>
  new Promise((resolve, reject) => {
    const request = requestBytes(load)
    const whole: Array<number> = []
    const first: Array<number> = []
    let events = 0
    let open = load.connections
    const began = performance.now()
    const deadline = began + load.seconds * 1000

    const closed = () => {
      open -= 1
      if (open > 0) return
      const seconds = (performance.now() - began) / 1000
      const latencies = Float64Array.from(whole).sort()
      resolve({
        requestsPerSecond: whole.length / seconds,
        eventsPerSecond: events / seconds,
        requests: whole.length,
        events,
        p50: percentile(latencies, 0.5),
        p99: percentile(latencies, 0.99),
        firstToken: percentile(Float64Array.from(first).sort(), 0.5),
      })
    }

    for (let index = 0; index < load.connections; index++) {
      const reader = new ResponseReader()
      const socket = connect({ port: load.port, host: "127.0.0.1", noDelay: true })
      let sent = 0
      let waiting = false
      const ask = () => {
        sent = performance.now()
        waiting = true
        socket.write(request)
      }
      socket.on("connect", ask)
      socket.on("error", reject)
      socket.on("close", closed)
      socket.on("end", () => {
        if (waiting) reject(new Error("the connection was closed before the response was complete"))
      })
      socket.on("data", (bytes: Buffer) => {
        const before = reader.events
        const complete = reader.push(bytes)
        const now = performance.now()
        events += reader.events - before
        if (before < 2 && reader.events >= 2) first.push(now - sent)
        if (!complete) return
        waiting = false
        if (reader.status !== 200) return reject(new Error(`status ${reader.status}: ${reader.failure}`))
        reader.reset()
        whole.push(now - sent)
        if (now > deadline) return socket.destroy()
        ask()
      })
    }
  })

process.once("disconnect", () => process.exit())
process.on("message", (load: Load) => {
  run(load).then(
    (seen) => process.send!({ seen } satisfies Report),
    (error: unknown) => process.send!({ failed: String(error) } satisfies Report),
  )
})
