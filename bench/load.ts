/**
 * The load generator: keep-alive sockets, one request in flight on each, request bytes built once. It is forked, told over
 * IPC what to ask, and answers with what it saw.
 */
import { connect } from "node:net"
import { ResponseReader } from "./response.ts"

export interface Load {
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: object
  readonly connections: number
  readonly seconds: number
}

export interface Seen {
  readonly requestsPerSecond: number
  readonly eventsPerSecond: number
  /** All requests and events, those after the end of the time included: what CPU time is divided by. */
  readonly requests: number
  readonly events: number
  /** Milliseconds from request to complete response. */
  readonly p50: number
  readonly p99: number
  /** Milliseconds from request to the second event of a stream: the first with content, after the one with the role. 0 for whole answers. */
  readonly firstToken: number
}

export type Report = { readonly seen: Seen } | { readonly failed: string }

const requestBytes = (load: Load) => {
  const body = JSON.stringify(load.body)
  const headers = {
    host: `127.0.0.1:${load.port}`,
    "content-type": "application/json",
    accept: "*/*",
    "user-agent": "understudy-bench",
    authorization: "Bearer x",
    ...load.headers,
    "content-length": Buffer.byteLength(body),
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`POST /v1/chat/completions HTTP/1.1\r\n${lines.join("")}\r\n${body}`)
}

const percentile = (sorted: Float64Array, share: number) =>
  sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!

const run = (load: Load): Promise<Seen> =>
  new Promise((resolve, reject) => {
    const request = requestBytes(load)
    const whole: Array<number> = []
    const first: Array<number> = []
    let events = 0
    const late = { requests: 0, events: 0 }
    let open = load.connections
    const began = performance.now()
    const deadline = began + load.seconds * 1000

    const closed = () => {
      open -= 1
      if (open > 0) return
      if (whole.length === 0) return reject(new Error(`no answer was complete within ${load.seconds} s`))
      const latencies = Float64Array.from(whole).sort()
      resolve({
        requestsPerSecond: whole.length / load.seconds,
        eventsPerSecond: events / load.seconds,
        requests: whole.length + late.requests,
        events: events + late.events,
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
        const inTime = now <= deadline
        if (inTime) {
          events += reader.events - before
          if (before < 2 && reader.events >= 2) first.push(now - sent)
        } else late.events += reader.events - before
        if (!complete) return
        waiting = false
        if (reader.status !== 200) return reject(new Error(`status ${reader.status}: ${reader.failure}`))
        reader.reset()
        if (!inTime) {
          late.requests += 1
          return socket.destroy()
        }
        whole.push(now - sent)
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
