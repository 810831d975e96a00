/**
 * The load generator: keep-alive sockets, one request in flight on each, request bytes built once. It is forked, told over
 * IPC what to ask, and answers with what it saw.
 */
import { connect } from "node:net"
import { type Request, requestBytes } from "./request.ts"
import { ResponseReader } from "./response.ts"

export interface Load extends Request {
  readonly connections: number
  /**
   * The seconds of each lap, one after the other on the same connections: new ones have the target's runtime discard compiled
   * code, and compile it again.
   */
  readonly laps: ReadonlyArray<number>
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

/** Told after each lap; after the last one, when all connections are closed. */
export type Report = { readonly seen: Seen } | { readonly failed: string }

const percentile = (sorted: Float64Array, share: number) =>
  sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!

const run = (load: Load, onLap: (seen: Seen) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const request = requestBytes(load)
    const whole: Array<number> = []
    const first: Array<number> = []
    let events = 0
    let open = load.connections
    let isLast = false
    let hasFailed = false
    let began = performance.now()

    const fail = (error: unknown) => {
      hasFailed = true
      isLast = true
      reject(error)
    }

    const endLap = () => {
      // The generator may be at its next load.
      if (hasFailed) return
      const now = performance.now()
      const seconds = (now - began) / 1000
      const latencies = Float64Array.from(whole).sort()
      onLap({
        requestsPerSecond: whole.length / seconds,
        eventsPerSecond: events / seconds,
        requests: whole.length,
        events,
        p50: percentile(latencies, 0.5),
        p99: percentile(latencies, 0.99),
        firstToken: percentile(Float64Array.from(first).sort(), 0.5),
      })
      began = now
      whole.length = 0
      first.length = 0
      events = 0
    }

    const startLap = ([seconds = 0, ...later]: ReadonlyArray<number>) => {
      setTimeout(() => {
        isLast ||= later.length === 0
        if (isLast) return
        endLap()
        startLap(later)
      }, seconds * 1000)
    }
    startLap(load.laps)

    const closed = () => {
      open -= 1
      if (open > 0) return
      endLap()
      resolve()
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
      socket.on("error", fail)
      socket.on("close", closed)
      socket.on("end", () => {
        if (waiting) fail(new Error("the connection was closed before the response was complete"))
      })
      socket.on("data", (bytes: Buffer) => {
        const before = reader.events
        const complete = reader.push(bytes)
        const now = performance.now()
        events += reader.events - before
        if (before < 2 && reader.events >= 2) first.push(now - sent)
        if (!complete) return
        waiting = false
        if (reader.status !== 200) return fail(new Error(`status ${reader.status}: ${reader.failure}`))
        reader.reset()
        whole.push(now - sent)
        if (isLast) return socket.destroy()
        ask()
      })
    }
  })

process.once("disconnect", () => process.exit())
process.on("message", (load: Load) => {
  run(load, (seen) => process.send!({ seen } satisfies Report)).catch((error: unknown) =>
    process.send!({ failed: String(error) } satisfies Report),
  )
})
