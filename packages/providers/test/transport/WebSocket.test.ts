/** WebSockets to vendors: over TLS, through proxies, and what is left of them. */
import { assert, describe, it } from "@effect/vitest"
import * as RealtimeServer from "@understudy/providers/testing/RealtimeServer"
import { truncated } from "@understudy/providers/internal/transport/WebSocket"
import * as WebSocketClient from "@understudy/providers/internal/transport/WebSocketClient"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import * as ProxyServer from "./ProxyServer.ts"
import * as TestTls from "./TestTls.ts"

const template = (url: string) => ({
  origin: url,
  path: "/v1/realtime?model=m",
  headers: ["authorization", "Bearer sk", "content-type", "application/json", "x-own", "1"],
})

const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.andThen(Effect.sleep(5), until(condition))))

const first = (url: string, options = {}) =>
  Effect.gen(function* () {
    const connection = yield* WebSocketClient.open(template(url), options, yield* Effect.scope)
    const [message] = yield* connection.pull
    return JSON.parse(Buffer.from(message.data).toString()).type
  })

describe("WebSocketClient", () => {
  it.live("sends the headers of the template, but those of a body", () =>
    Effect.gen(function* () {
      const server = yield* RealtimeServer.make
      assert.strictEqual(yield* first(server.url), "session.created")
      const { headers } = server.connections[0]!
      assert.deepStrictEqual([headers["authorization"], headers["x-own"]], ["Bearer sk", "1"])
      assert.notProperty(headers, "content-type")
    }),
  )

  it.live("connects over TLS, and through the tunnel of a proxy with a password", () =>
    Effect.gen(function* () {
      const server = yield* RealtimeServer.make
      const url = yield* TestTls.before(server.url)
      const proxy = yield* ProxyServer.make("p@ss word")
      const address = proxy.url.replace("//", `//user:${encodeURIComponent("p@ss word")}@`)
      assert.strictEqual(yield* first(url), "session.created")
      assert.strictEqual(yield* first(url, { proxy: Redacted.make(address) }), "session.created")
      assert.deepStrictEqual(proxy.passed, [{ how: "tunnel", to: new URL(url).host }])
      const refused = yield* Effect.exit(first(url, { proxy: Redacted.make(proxy.url) }))
      assert.include(JSON.stringify(refused), "Proxy response (407)")
      for (const { headers } of server.connections) assert.notProperty(headers, "proxy-authorization")
    }),
  )

  it.live("has the whole response of a refusal, and leaves no connection behind", () =>
    Effect.gen(function* () {
      const server = yield* RealtimeServer.make
      server.script("m", [{ type: "refuse", status: 429, error: { message: "slow" }, headers: { "retry-after": "7" } }])
      const failure = yield* Effect.flip(first(server.url))
      assert.strictEqual(failure._tag, "Refused")
      if (failure._tag === "Refused") {
        const { headers, status, text } = failure.response
        assert.deepStrictEqual([status, headers["retry-after"], text], [429, "7", '{"error":{"message":"slow"}}'])
      }
      yield* until(() => server.open() === 0)
    }),
  )

  it.live("cuts its connection when its scope closes, and while it is being opened", () =>
    Effect.gen(function* () {
      const server = yield* RealtimeServer.make
      const scope = yield* Scope.make()
      yield* WebSocketClient.open(template(server.url), {}, scope)
      assert.strictEqual(server.open(), 1)
      yield* Scope.close(scope, Exit.void)
      yield* until(() => server.open() === 0)
      // One that accepts connections and says nothing.
      let connected = 0
      const silent = createServer((socket) => {
        connected++
        socket
          .on("close", () => connected--)
          .on("error", () => {})
          .resume()
      })
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void silent.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => silent.close()),
      )
      const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
      yield* Effect.timeoutOption(first(url), 100)
      yield* until(() => connected === 0)
    }),
  )

  it.live("fails when nothing listens, and when the server speaks no HTTP", () =>
    Effect.gen(function* () {
      const nothing = yield* Effect.flip(first("http://127.0.0.1:1"))
      assert.strictEqual(nothing._tag, "TransportFailure")
      const noise = createServer((socket) => void socket.on("error", () => {}).end("220 mail\r\n"))
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void noise.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => noise.close()),
      )
      const url = `http://127.0.0.1:${(noise.address() as AddressInfo).port}`
      assert.strictEqual((yield* Effect.flip(first(url)))._tag, "TransportFailure")
    }),
  )
})

describe("truncated", () => {
  it("keeps a reason within 123 bytes, and its characters whole", () => {
    assert.strictEqual(truncated("short"), "short")
    for (const reason of ["x".repeat(200), "ü".repeat(100), "😀".repeat(50)]) {
      const cut = truncated(reason)
      assert.isAtMost(Buffer.byteLength(cut), 123)
      assert.isTrue(reason.startsWith(cut))
      assert.isAtLeast(Buffer.byteLength(cut), 120)
    }
  })
})
