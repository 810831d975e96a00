/**
 * What a server takes of those who send slowly, send much, or are not known: on bare sockets, and without their bodies.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { connect } from "node:net"
import type { Socket } from "node:net"
import * as Keyring from "../src/auth/Keyring.ts"
import * as TestGateway from "./TestGateway.ts"

/** A socket at the gateway, and what it has answered. */
interface Connection {
  readonly socket: Socket
  /** All that was answered until the gateway closed the connection. */
  readonly closed: Promise<string>
  /** All that was answered until this came. */
  readonly until: (text: string) => Promise<string>
}

const open = (url: string): Effect.Effect<Connection> =>
  Effect.promise(
    () =>
      new Promise((resolve, reject) => {
        const { hostname, port } = new URL(url)
        const socket = connect(Number(port), hostname)
        let told = ""
        let wanted: (() => void) | undefined
        socket.on("data", (bytes) => {
          told += bytes.toString()
          wanted?.()
        })
        const closed = new Promise<string>((done) => socket.on("close", () => done(told)))
        const until = (text: string) =>
          new Promise<string>((done) => {
            wanted = () => (told.includes(text) ? done(told) : undefined)
            wanted()
          })
        socket.on("error", reject)
        socket.on("connect", () => resolve({ socket, closed, until }))
      }),
  )

const head = (path: string, headers: Record<string, string | number>): string =>
  [
    `POST ${path} HTTP/1.1`,
    "host: 127.0.0.1",
    "content-type: application/json",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "\r\n",
  ].join("\r\n")

const chat = "/v1/chat/completions"

/** Nobody is known without this key. */
const auth = { keys: [Keyring.operator(Redacted.make("operator"))], sessions: Redacted.make("s".repeat(32)) }

describe("ServerLimits", () => {
  it.live("rejects a body by its content-length, before it is read", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ maxBody: 1000 })
      for (const path of [chat, "/v1/messages", "/v1beta/models/assistant:generateContent"]) {
        const { socket, until } = yield* open(url)
        socket.write(head(path, { "content-length": 1001 }))
        const told = yield* Effect.promise(() => until("server.maxBody"))
        assert.match(told, /^HTTP\/1\.1 413 /, path)
        socket.destroy()
      }
    }),
  )

  it.live("reads at most 4 kB of a login or logout", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ auth })
      for (const path of ["/login", "/logout"]) {
        const whole = yield* open(url)
        whole.socket.write(head(path, { "content-length": 5000 }))
        assert.match(yield* Effect.promise(() => whole.until("4096 bytes")), /^HTTP\/1\.1 413 /, path)
        whole.socket.destroy()
        const chunked = yield* open(url)
        chunked.socket.write(`${head(path, { "transfer-encoding": "chunked" })}1388\r\n{"key":"${"a".repeat(4990)}`)
        assert.match(yield* Effect.promise(() => chunked.until("4096 bytes")), /^HTTP\/1\.1 413 /, path)
        chunked.socket.destroy()
      }
      const known = yield* Effect.promise(() =>
        fetch(`${url}/login`, {
          method: "POST",
          body: `{"key":"operator"}`,
          headers: { "content-type": "application/json" },
        }),
      )
      assert.strictEqual(known.status, 204)
    }),
  )

  it.live("closes the connection of an unauthenticated client that sends more", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ auth })
      for (const headers of [{ "content-length": 900_000 }, { "transfer-encoding": "chunked" }]) {
        const { closed, socket } = yield* open(url)
        socket.write(head(chat, headers))
        const told = yield* Effect.promise(() => closed)
        assert.match(told, /^HTTP\/1\.1 401 /)
        assert.match(told, /connection: close/i)
      }
    }),
  )

  it.live("limits the bytes of incomplete bodies, and accepts more once there is room", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ limits: { unfinishedBodies: ByteSize.bytes(10_000) } })
      const body = JSON.stringify({ model: "assistant", messages: [{ role: "user", content: "a".repeat(6000) }] })
      const begin = Effect.fnUntraced(function* () {
        const connection = yield* open(url)
        connection.socket.write(`${head(chat, { "content-length": body.length })}${body.slice(0, -1)}`)
        return connection
      })
      const first = yield* begin()
      const second = yield* begin()
      // Whose bytes came last is not known.
      const told = yield* Effect.promise(() =>
        Promise.race([first.until("unfinishedBodies"), second.until("unfinishedBodies")]),
      )
      assert.match(told, /^HTTP\/1\.1 503 [^]*retry-after: 1\r\n[^]*"code":"overloaded"/)
      first.socket.destroy()
      second.socket.destroy()
      const answer = yield* Effect.promise(() => TestGateway.post(url, body))
      assert.strictEqual(answer.status, 200)
    }),
  )

  it.live("leaves room for small bodies while incomplete large ones hold most of the budget", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ limits: { unfinishedBodies: ByteSize.bytes(1_000_000) } })
      const large = JSON.stringify({ model: "assistant", messages: [{ role: "user", content: "a".repeat(900_000) }] })
      const sent: Array<Effect.Success<ReturnType<typeof open>>> = []
      // Together, all but a few bytes of what is held.
      for (const most of [600_000, 399_990]) {
        const connection = yield* open(url)
        sent.push(connection)
        connection.socket.write(head(chat, { "content-length": large.length }))
        for (let at = 0; at < most; at += 60_000) {
          connection.socket.write(large.slice(at, Math.min(most, at + 60_000)))
          // An answer on another connection comes after what was read before it.
          yield* Effect.promise(() => fetch(`${url}/health`).then((answer) => answer.text()))
        }
      }
      const answer = yield* Effect.promise(() =>
        TestGateway.post(url, JSON.stringify({ model: "assistant", messages: [{ role: "user", content: "hi" }] })),
      )
      assert.strictEqual(answer.status, 200)
      for (const { socket } of sent) socket.destroy()
    }),
  )

  it.live("times out a request that does not arrive, in its protocol", () =>
    Effect.gen(function* () {
      const requestTimeout = Duration.millis(60)
      const { url } = yield* TestGateway.make({ limits: { requestTimeout } })
      const chatting = yield* open(url)
      chatting.socket.write(`${head(chat, { "content-length": 100 })}{"model":`)
      assert.match(yield* Effect.promise(() => chatting.closed), /^HTTP\/1\.1 408 [^]*"code":"request_timeout"/)
      const messages = yield* open(url)
      messages.socket.write(`${head("/v1/messages", { "content-length": 100 })}{"model":`)
      assert.match(yield* Effect.promise(() => messages.closed), /^HTTP\/1\.1 408 [^]*"type":"error"/)
    }),
  )

  it.live("times out a request head that does not arrive", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ limits: { headTimeout: Duration.millis(60) } })
      const { closed, socket } = yield* open(url)
      socket.write("POST /login HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ")
      assert.match(yield* Effect.promise(() => closed), /^HTTP\/1\.1 408 /)
    }),
  )

  it.live("limits concurrent connections", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ limits: { connections: 2 } })
      const [first, second] = [yield* open(url), yield* open(url)]
      const third = yield* open(url)
      assert.strictEqual(yield* Effect.promise(() => third.closed), "")
      first.socket.destroy()
      second.socket.write("GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
      assert.match(yield* Effect.promise(() => second.until("200")), /^HTTP\/1\.1 200 /)
      second.socket.destroy()
    }),
  )
})
