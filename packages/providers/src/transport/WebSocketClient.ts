/**
 * Opens WebSockets to vendors, over TLS and through a proxy's tunnel. A vendor that refuses has its whole response read, so that
 * it can be classified as one to any request.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Tls from "node:tls"
import type { WebSocket } from "ws"
import type { Limits } from "./AnswerLimits.ts"
import * as AnswerLimits from "./AnswerLimits.ts"
import type { Proxy } from "./Proxy.ts"
import type { RequestTemplate } from "./RequestTemplate.ts"
import * as TraceHeaders from "./TraceHeaders.ts"
import { type HttpResponse, type SenderOptions, TransportFailure } from "./Transport.ts"
import { Connection, options as socketOptions } from "./WebSocket.ts"

/** The server answered with another status than 101. */
export class Refused extends Data.TaggedError("Refused")<{ readonly response: HttpResponse }> {}

/** Milliseconds for opening a connection. */
const defaultConnectTimeout = 5000

/** Headers that `ws` sets, or that belong to a body. */
const omitted = new Set([
  "accept",
  "accept-encoding",
  "connection",
  "content-length",
  "content-type",
  "host",
  "sec-websocket-extensions",
  "sec-websocket-key",
  "sec-websocket-protocol",
  "sec-websocket-version",
  "upgrade",
])

/** A connection that lives in `scope`: it is cut off, if it is still open when the scope closes. */
export const open = (
  template: RequestTemplate,
  { connectTimeout, limits = AnswerLimits.defaults, proxy }: SenderOptions = {},
  scope: Scope.Scope,
): Effect.Effect<Connection, Refused | TransportFailure> => {
  const millis =
    connectTimeout === undefined ? defaultConnectTimeout : Duration.toMillis(Duration.fromInputUnsafe(connectTimeout))
  const url = new URL(template.origin + template.path)
  return Effect.uninterruptibleMask((restore) =>
    restore(
      Effect.flatMap(Effect.all([library, dial(url, proxy, millis)]), ([{ WebSocket }, socket]) =>
        Effect.withFiber(({ context }) => {
          const { headers } = TraceHeaders.add(template, context)
          const ws = new WebSocket(url, {
            ...socketOptions,
            headers: headersOf(headers),
            maxPayload: AnswerLimits.longestEvent,
            createConnection: () => socket,
          })
          return opened(ws, limits)
        }),
      ),
    ).pipe(
      Effect.tap((connection) =>
        Scope.addFinalizer(
          scope,
          Effect.sync(() => connection.terminate()),
        ),
      ),
    ),
  )
}

// Loaded with the first session: most processes have none.
const library = Effect.promise(() => import("ws"))

const headersOf = (template: ReadonlyArray<string>): Record<string, string> => {
  const headers: Record<string, string> = {}
  for (let at = 0; at < template.length; at += 2) {
    const name = template[at]!
    if (!omitted.has(name.toLowerCase())) headers[name] = template[at + 1]!
  }
  return headers
}

/** The connection, once its handshake is complete. */
const opened = (ws: WebSocket, limits: Limits): Effect.Effect<Connection, Refused | TransportFailure> =>
  Effect.callback((resume) => {
    const fail = (cause: unknown) => resume(Effect.fail(new TransportFailure({ cause })))
    ws.on("error", fail)
    ws.once("open", () => {
      ws.off("error", fail)
      // Before any message: those that came with the handshake are emitted after this listener.
      resume(Effect.succeed(new Connection(ws)))
    })
    ws.once("unexpected-response", (_, response) => {
      const chunks: Array<Buffer> = []
      let size = 0
      response.on("data", (chunk: Buffer) => {
        size += chunk.length
        if (size > limits.error) return void response.destroy(new Error("the response of the refusal is too large"))
        chunks.push(chunk)
      })
      response.once("error", fail)
      response.once("end", () => {
        const { headers, statusCode: status = 0 } = response
        resume(Effect.fail(new Refused({ response: { status, headers, text: Buffer.concat(chunks).toString() } })))
        ws.terminate()
      })
    })
    return Effect.sync(() => ws.terminate())
  })

// ---------------------------------------------------------------------------------------------------------------------
// Dialling
// ---------------------------------------------------------------------------------------------------------------------

/** A connection to the server of a URL, with TLS if its scheme asks for it. */
const dial = (url: URL, proxy: Proxy | undefined, millis: number): Effect.Effect<Net.Socket, TransportFailure> => {
  const isSecure = url.protocol === "https:" || url.protocol === "wss:"
  const host = hostOf(url)
  const port = portOf(url, isSecure)
  const reached =
    proxy === undefined ? connected(() => Net.connect({ host, port }), "connect") : tunnel(proxy, host, port)
  const secured = isSecure
    ? Effect.flatMap(reached, (socket) =>
        connected(
          () => Tls.connect({ socket, ...(Net.isIP(host) === 0 ? { servername: host } : {}) }),
          "secureConnect",
        ),
      )
    : reached
  return Effect.timeoutOrElse(secured, {
    duration: millis,
    orElse: () => Effect.fail(new TransportFailure({ cause: { code: "UND_ERR_CONNECT_TIMEOUT" } })),
  })
}

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, "$1")

const portOf = ({ port }: URL, isSecure: boolean): number => (port === "" ? (isSecure ? 443 : 80) : Number(port))

/** The socket, once it has emitted `event`. It is destroyed if that is no longer wanted. */
const connected = <S extends Net.Socket>(
  make: () => S,
  event: "connect" | "secureConnect",
): Effect.Effect<Net.Socket, TransportFailure> =>
  Effect.callback((resume) => {
    const socket = make()
    socket.on("error", (cause) => resume(Effect.fail(new TransportFailure({ cause }))))
    socket.once(event, () => {
      socket.setNoDelay(true)
      resume(Effect.succeed(socket))
    })
    return Effect.sync(() => socket.destroy())
  })

/** A tunnel through a proxy. */
const tunnel = (proxy: Proxy, host: string, port: number): Effect.Effect<Net.Socket, TransportFailure> => {
  const url = new URL(Redacted.value(proxy))
  const isSecure = url.protocol === "https:"
  const reached = connected(() => Net.connect({ host: hostOf(url), port: portOf(url, isSecure) }), "connect")
  const secured = isSecure
    ? Effect.flatMap(reached, (socket) =>
        connected(() => Tls.connect({ socket, servername: hostOf(url) }), "secureConnect"),
      )
    : reached
  return Effect.flatMap(secured, (socket) =>
    Effect.callback((resume) => {
      const authority = `${Net.isIPv6(host) ? `[${host}]` : host}:${port}`
      const request = Http.request({
        method: "CONNECT",
        path: authority,
        headers: { host: authority, ...authorization(url) },
        createConnection: () => socket,
      })
      const fail = (cause: unknown) => {
        socket.destroy()
        resume(Effect.fail(new TransportFailure({ cause })))
      }
      request.once("error", fail)
      request.once("connect", ({ statusCode }) =>
        statusCode === 200
          ? resume(Effect.succeed(socket))
          : fail({ code: "UND_ERR_PRX_CONN", message: `Proxy response (${statusCode}) !== 200 when HTTP Tunneling` }),
      )
      request.end()
      return Effect.sync(() => socket.destroy())
    }),
  )
}

const authorization = ({ password, username }: URL): Readonly<Record<string, string>> | undefined =>
  username === "" && password === ""
    ? undefined
    : {
        "proxy-authorization": `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}`,
      }
