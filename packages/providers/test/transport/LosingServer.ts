/**
 * A server that loses pooled connections: each serves a number of requests, and is closed in some way when the next
 * request has arrived completely.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"

export type Loss = "closed" | "reset" | "half a head"

export interface LosingServer {
  readonly url: string
  /** The connection of every request, counted from 1. */
  readonly requests: ReadonlyArray<number>
  readonly connections: () => number
}

const loses: Readonly<Record<Loss, (socket: Net.Socket) => void>> = {
  closed: (socket) => void socket.end(),
  reset: (socket) => void socket.resetAndDestroy(),
  "half a head": (socket) => void socket.end("HTTP/1.1 200 OK\r\ncontent-le"),
}

/** `answers`: how many requests the connection with that number serves. `answer` is the body of each response. */
export const make = (
  loss: Loss,
  answers: (connection: number) => number,
  answer = "{}",
): Effect.Effect<LosingServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const requests: Array<number> = []
    const sockets = new Set<Net.Socket>()
    let connections = 0
    const server = Net.createServer((socket) => {
      const connection = ++connections
      let left = answers(connection)
      let received = ""
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("close", () => sockets.delete(socket))
      socket.on("data", (chunk) => {
        received += chunk.toString()
        const length = /content-length: (\d+)/i.exec(received)?.[1]
        const head = received.indexOf("\r\n\r\n")
        if (length === undefined || head < 0 || received.length < head + 4 + Number(length)) return
        received = ""
        requests.push(connection)
        if (left-- <= 0) return loses[loss](socket)
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${answer.length}\r\n\r\n${answer}`,
        )
      })
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.callback<void>((resume) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => resume(Effect.void))
        }),
    )
    const { port } = server.address() as Net.AddressInfo
    return { url: `http://127.0.0.1:${port}`, requests, connections: () => connections }
  })
