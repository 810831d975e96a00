/** How a client's WebSocket passes the middleware: refused with a plain response, or accepted by an endpoint, here an echo. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Redacted from "effect/Redacted"
import { createServer } from "node:http"
import { connect } from "node:net"
import { WebSocket } from "ws"
import * as HttpReply from "../src/api/HttpReply.ts"
import * as WebSocketProblem from "../src/api/WebSocketProblem.ts"
import * as ClientProtocols from "../src/api/ClientProtocols.ts"
import * as Auth from "../src/auth/Auth.ts"
import * as Keyring from "../src/auth/Keyring.ts"
import { Drain } from "../src/Drain.ts"
import * as Middleware from "../src/Middleware.ts"
import { Overload } from "../src/Overload.ts"
import * as WebSocketUpgrade from "../src/WebSocketUpgrade.ts"

const path = "/v1/realtime"
const maxMessage = 1000

interface Options {
  readonly keys?: ReadonlyArray<Keyring.Key>
  /** What happens before the endpoint accepts. */
  readonly before?: Effect.Effect<void>
}

const serve = Effect.fnUntraced(function* ({ before = Effect.void, keys = [] }: Options = {}) {
  const auth = Auth.make({ keys: new Keyring.Keyring(keys), hosts: [], origins: [] })
  const ended: Array<string> = []
  const echo = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const problem = WebSocketProblem.of(request)
    if (problem !== undefined) return WebSocketUpgrade.refusal(HttpReply.error(problem, ClientProtocols.of(path)))
    yield* before
    const acceptance: WebSocketUpgrade.Acceptance = {
      headers: { "x-request-id": "call-1" },
      maxMessage,
      cut: (connection) => connection.close(1001, "The gateway stops."),
    }
    const socket = yield* WebSocketUpgrade.accept(request, acceptance, yield* Effect.scope)
    return yield* Effect.forever(
      Effect.flatMap(socket.pull, (messages) => Effect.forEach(messages, (message) => socket.send(message))),
    )
  }).pipe(
    Effect.catch((closed) =>
      Effect.sync(() => {
        ended.push(`closed ${closed.code}`)
        return HttpServerResponse.empty()
      }),
    ),
    Effect.onInterrupt(() => Effect.sync(() => ended.push("interrupted"))),
  )
  const routes = Layer.mergeAll(HttpRouter.add("GET", path, echo), Middleware.layer(auth))
  const context = yield* Layer.build(
    HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(
        NodeHttpServer.layerServer(
          () => WebSocketUpgrade.watch(createServer({ shouldUpgradeCallback: WebSocketUpgrade.shouldUpgrade })),
          { host: "127.0.0.1", port: 0, gracefulShutdownTimeout: 100 },
        ),
      ),
      Layer.provide(Overload.layer(undefined)),
      Layer.provideMerge(Drain.layer),
    ),
  )
  const url = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  return { url, drain: Context.get(context, Drain), ended }
})

/** What a client saw: the refusal, or the subprotocol and headers with which it was accepted. */
const dial = (url: string, protocols: ReadonlyArray<string> = [], headers: Record<string, string> = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => new WebSocket(url.replace("http", "ws"), [...protocols], { headers })),
    (socket) => Effect.sync(() => socket.terminate()),
  )

const opened = (socket: WebSocket) =>
  Effect.callback<Record<string, unknown>>((resume) => {
    let accepted: Record<string, unknown> = {}
    socket.on("error", () => {})
    socket.once("upgrade", ({ headers }) => (accepted = { status: 101, id: headers["x-request-id"] }))
    socket.once("open", () => resume(Effect.succeed({ ...accepted, protocol: socket.protocol })))
    socket.once("unexpected-response", (_, response) => {
      let text = ""
      response.on("data", (chunk: Buffer) => (text += chunk.toString()))
      response.on("end", () => {
        const { headers, statusCode: status } = response
        resume(Effect.succeed({ status, connection: headers.connection, error: JSON.parse(text).error.code }))
      })
    })
  })

const closed = (socket: WebSocket) =>
  Effect.callback<readonly [number, string]>((resume) => {
    socket.once("close", (code, reason) => resume(Effect.succeed([code, reason.toString()])))
  })

const message = (socket: WebSocket) =>
  Effect.callback<readonly [string, boolean]>((resume) => {
    socket.once("message", (data, isBinary) => resume(Effect.succeed([String(data), isBinary])))
  })

const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.andThen(Effect.sleep(5), until(condition))))

const key = Keyring.operator(Redacted.make("sk-gateway-key"))

describe.concurrent("WebSocketUpgrade", () => {
  it.live("relays text and binary messages once the endpoint has accepted", () =>
    Effect.gen(function* () {
      const { ended, url } = yield* serve()
      const socket = yield* dial(`${url}${path}?model=x`)
      assert.deepStrictEqual(yield* opened(socket), { status: 101, id: "call-1", protocol: "" })
      socket.send("häh")
      assert.deepStrictEqual(yield* message(socket), ["häh", false])
      socket.send(Buffer.from("bytes"))
      assert.deepStrictEqual(yield* message(socket), ["bytes", true])
      socket.close(4000, "done")
      assert.deepStrictEqual(yield* closed(socket), [4000, "done"])
      yield* until(() => ended.length > 0)
      assert.deepStrictEqual(ended, ["closed 4000"])
    }),
  )

  it.live("takes the key of a browser from the subprotocols, and never repeats it", () =>
    Effect.gen(function* () {
      const { url } = yield* serve({ keys: [key] })
      const browser = yield* dial(`${url}${path}`, ["openai-insecure-api-key.sk-gateway-key", "realtime"])
      assert.deepStrictEqual(yield* opened(browser), { status: 101, id: "call-1", protocol: "realtime" })
      const server = yield* dial(`${url}${path}`, [], { authorization: "Bearer sk-gateway-key" })
      assert.strictEqual((yield* opened(server))["status"], 101)
    }),
  )

  it.live("refuses an unknown key, a foreign page and a draining gateway with a response of HTTP", () =>
    Effect.gen(function* () {
      const { drain, url } = yield* serve({ keys: [key] })
      const authorization = { authorization: "Bearer sk-gateway-key" }
      const refused = (protocols: ReadonlyArray<string>, headers: Record<string, string>) =>
        Effect.flatMap(dial(`${url}${path}`, protocols, headers), opened)
      const connection = "close"
      assert.deepStrictEqual(yield* refused(["realtime", "openai-insecure-api-key.wrong"], {}), {
        status: 401,
        connection,
        error: "invalid_api_key",
      })
      assert.deepStrictEqual(yield* refused([], { ...authorization, origin: "https://evil.example" }), {
        status: 403,
        connection,
        error: "origin_not_allowed",
      })
      yield* drain.begin
      assert.deepStrictEqual(yield* refused([], authorization), {
        status: 503,
        connection,
        error: "draining",
      })
    }),
  )

  it.live("answers requests that are no valid WebSocket with 426 and 400, and ignores it on other paths", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const plain = yield* Effect.promise(() => fetch(`${url}${path}`))
      assert.deepStrictEqual([plain.status, plain.headers.get("upgrade")], [426, "websocket"])
      const { hostname, port } = new URL(url)
      const raw = (target: string, headers: string) =>
        Effect.callback<string>((resume) => {
          const socket = connect(Number(port), hostname)
          let text = ""
          socket.on("data", (chunk) => (text += chunk.toString()))
          socket.on("close", () => resume(Effect.succeed(text)))
          socket.write(
            `GET ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n${headers}\r\n\r\n`,
          )
        })
      const version = yield* raw(path, "sec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==")
      assert.match(version, /^HTTP\/1\.1 426 [\s\S]*sec-websocket-version: 13/)
      assert.match(yield* raw(path, "sec-websocket-version: 13\r\nsec-websocket-key: short"), /^HTTP\/1\.1 400 /)
      assert.match(yield* raw("/v1/nothing", "connection: close"), /^HTTP\/1\.1 404 /)
    }),
  )

  it.live("closes with 1009 on a message over the limit", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const socket = yield* dial(`${url}${path}`)
      yield* opened(socket)
      socket.send("x".repeat(maxMessage + 1))
      assert.strictEqual((yield* closed(socket))[0], 1009)
    }),
  )

  it.live("interrupts an endpoint whose client disconnects before it is accepted", () =>
    Effect.gen(function* () {
      const waiting = yield* Deferred.make<void>()
      const before = Effect.andThen(Deferred.succeed(waiting, undefined), Effect.never)
      const { drain, ended, url } = yield* serve({ before })
      const socket = yield* dial(`${url}${path}`)
      socket.on("error", () => {})
      yield* Deferred.await(waiting)
      assert.strictEqual(drain.inFlight.size(), 1)
      socket.terminate()
      yield* until(() => ended.length > 0)
      assert.deepStrictEqual(ended, ["interrupted"])
      yield* drain.inFlight.none
    }),
  )

  it.live("ends with 1001 what a shutdown does not wait for, and refuses what is not accepted yet", () =>
    Effect.gen(function* () {
      const { drain, url } = yield* serve()
      const socket = yield* dial(`${url}${path}`)
      yield* opened(socket)
      assert.strictEqual(drain.inFlight.size(), 1)
      drain.inFlight.cut()
      assert.deepStrictEqual(yield* closed(socket), [1001, "The gateway stops."])
      yield* drain.inFlight.none
      const waiting = yield* Deferred.make<void>()
      const other = yield* serve({ before: Effect.andThen(Deferred.succeed(waiting, undefined), Effect.never) })
      const refused = yield* dial(`${other.url}${path}`)
      const answer = yield* Effect.forkChild(opened(refused))
      yield* Deferred.await(waiting)
      other.drain.inFlight.cut()
      const { status } = yield* Fiber.join(answer)
      assert.strictEqual(status, 503)
    }),
  )
})
