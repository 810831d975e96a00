/**
 * A caller on a bare socket, that may send what no client's library lets through: any path, any header, any bytes. It
 * keeps its connection as long as the gateway does.
 */
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import * as Stalls from "./Stalls.ts"

/** `end`: whether the answer came whole, the connection closed before, or nothing came in time. */
export interface Received {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  readonly end: "whole" | "cut" | "stuck"
}

export class Caller {
  readonly #port: number
  readonly #limit: number
  #socket: Net.Socket | undefined

  /** `limit` is the longest wait for a whole answer, in milliseconds. */
  constructor(port: number, limit: number) {
    this.#port = port
    this.#limit = limit
  }

  /** Sends a whole request. One that meets a connection the gateway has just closed is sent again on another. */
  ask(request: Buffer): Effect.Effect<Received> {
    return Effect.suspend(() => {
      const kept = this.#socket !== undefined
      return Effect.flatMap(this.#send(request), (received) =>
        kept && received.end === "cut" && received.status === 0 ? this.#send(request) : Effect.succeed(received),
      )
    })
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #send(request: Buffer): Effect.Effect<Received> {
    return Effect.callback((resume) => {
      const socket = (this.#socket ??= Net.connect({ port: this.#port, host: "127.0.0.1", noDelay: true }))
      const chunks: Array<Buffer> = []
      let over = false
      const finish = (received: Received): void => {
        if (over) return
        over = true
        clearTimeout(timer)
        socket.removeAllListeners()
        // What goes wrong with a connection that nobody uses is of no interest.
        socket.on("error", () => socket.destroy())
        if (received.end !== "whole" || received.headers.get("connection") === "close") this.close()
        else socket.once("close", () => (this.#socket === socket ? this.close() : undefined))
        resume(Effect.succeed(received))
      }
      const timer = setTimeout(() => finish({ ...read(Buffer.concat(chunks), false), end: "stuck" }), this.#limit)
      socket.on("data", (chunk: Buffer) => {
        chunks.push(chunk)
        const received = Stalls.aside(() => read(Buffer.concat(chunks), false))
        if (received.end === "whole") finish(received)
      })
      socket.on("error", () => finish(read(Buffer.concat(chunks), true)))
      socket.on("close", () => finish(read(Buffer.concat(chunks), true)))
      socket.write(request)
    })
  }
}

const nothing: Received = { status: 0, headers: new Map(), body: Buffer.alloc(0), end: "cut" }

/** The answer that these bytes are, as far as they are one. */
const read = (bytes: Buffer, closed: boolean): Received => {
  const end = bytes.indexOf("\r\n\r\n")
  if (end === -1) return nothing
  const [line = "", ...rest] = bytes.toString("latin1", 0, end).split("\r\n")
  const status = Number(line.split(" ")[1])
  if (status < 200) return read(bytes.subarray(end + 4), closed)
  const headers = new Map(
    rest.map((header): [string, string] => {
      const colon = header.indexOf(":")
      return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()]
    }),
  )
  const body = bytes.subarray(end + 4)
  if (status === 204 || status === 304) return { status, headers, body: Buffer.alloc(0), end: "whole" }
  if (headers.get("transfer-encoding") === "chunked") return { status, headers, ...unchunked(body) }
  const length = headers.get("content-length")
  if (length === undefined) return { status, headers, body, end: closed ? "whole" : "cut" }
  return { status, headers, body, end: body.length >= Number(length) ? "whole" : "cut" }
}

const unchunked = (bytes: Buffer): Pick<Received, "body" | "end"> => {
  const chunks: Array<Buffer> = []
  let at = 0
  for (;;) {
    const line = bytes.indexOf("\r\n", at)
    const size = line === -1 ? Number.NaN : Number.parseInt(bytes.toString("latin1", at, line), 16)
    if (size === 0) return { body: Buffer.concat(chunks), end: "whole" }
    if (Number.isNaN(size) || bytes.length < line + 2 + size) return { body: Buffer.concat(chunks), end: "cut" }
    chunks.push(bytes.subarray(line + 2, line + 2 + size))
    at = line + 2 + size + 2
  }
}
