/**
 * A real HTTP proxy on a free loopback port: it opens tunnels, forwards plain HTTP, and requires a password if it has
 * one.
 */
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { connect } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** A tunnel to a host, or a forwarded request. */
export interface Passed {
  readonly how: "tunnel" | "forward"
  readonly to: string
}

export interface ProxyServer {
  /** Without the password. */
  readonly url: string
  readonly passed: ReadonlyArray<Passed>
}

/** Serves until the scope closes. `password` is the user `user`'s. */
export const make = (password?: string): Effect.Effect<ProxyServer, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ server: Http.Server; passed: Array<Passed>; sockets: Set<Socket> }>((resume) => {
        const passed: Array<Passed> = []
        const sockets = new Set<Socket>()
        const expected = password && `Basic ${Buffer.from(`user:${password}`).toString("base64")}`
        const isWelcome = ({ headers }: Http.IncomingMessage) =>
          expected === undefined || headers["proxy-authorization"] === expected
        const server = Http.createServer((request, response) => {
          if (!isWelcome(request)) return void response.writeHead(407).end()
          passed.push({ how: "forward", to: new URL(request.url ?? "").host })
          const { "proxy-authorization": _, "proxy-connection": __, ...headers } = request.headers
          const sent = Http.request(request.url ?? "", { method: request.method ?? "GET", headers }, (answer) => {
            response.writeHead(answer.statusCode ?? 502, answer.headers)
            answer.pipe(response)
          })
          sent.on("error", () => response.destroy())
          request.pipe(sent)
        })
        server.on("connection", (socket) => sockets.add(socket))
        server.on("connect", (request, socket) => {
          if (!isWelcome(request)) return void socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
          passed.push({ how: "tunnel", to: request.url ?? "" })
          const [host = "", port] = (request.url ?? "").split(":")
          const upstream = connect(Number(port), host, () => {
            socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
            socket.pipe(upstream)
            upstream.pipe(socket)
          })
          upstream.on("error", () => socket.destroy())
          socket.on("error", () => upstream.destroy())
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, passed, sockets })))
      }),
      ({ server, sockets }) =>
        Effect.sync(() => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }),
    ),
    ({ passed, server }) => ({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, passed }),
  )
