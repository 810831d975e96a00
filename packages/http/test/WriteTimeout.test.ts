/**
 * Clients that ask and do not read, on bare sockets, in front of an upstream that says more than any buffer holds.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import * as OpenAi from "@understudy/providers/openai"
import * as Transport from "@understudy/providers/transport"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { createServer } from "node:http"
import type { ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { connect } from "node:net"
import type { Socket } from "node:net"
import v8 from "node:v8"
import { runInNewContext } from "node:vm"
import { limit, watch } from "../src/WriteTimeout.ts"
import * as TestGateway from "./TestGateway.ts"

const said = (content: string, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: "a", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`

/** An upstream that answers as it is told, and when each of its answers was closed. */
const upstream = Effect.fnUntraced(function* (answer: (response: ServerResponse, isStream: boolean) => void) {
  const closed: Array<() => void> = []
  const seen: Array<Promise<void>> = []
  const server = createServer((request, response) => {
    seen.push(new Promise((resolve) => response.once("close", resolve)))
    let body = ""
    request.on("data", (bytes) => (body += bytes))
    request.on("end", () => {
      for (const wake of closed.splice(0)) wake()
      answer(response, JSON.parse(body).stream === true)
    })
  })
  yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      server.close()
      server.closeAllConnections()
    }),
  )
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  return {
    provider: () =>
      Layer.provide(
        OpenAi.layer({ baseUrl: url, apiKey: Redacted.make("x"), api: "chat-completions" }),
        Transport.layer,
      ),
    /** Waits until the first answer has been asked for, and then until it is closed. */
    firstClosed: async () => {
      if (seen.length === 0) await new Promise<void>((resolve) => closed.push(resolve))
      await seen[0]
    },
  }
})

/** Says more and more to whom it is first asked by; to others, one word. */
const floods = () => {
  let asked = 0
  return (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    if (asked++ > 0) return void response.end(`${said("yes")}${said("", "stop")}data: [DONE]\n\n`)
    const piece = said("a".repeat(65_536))
    const more = () => {
      while (!response.destroyed && response.write(piece));
    }
    response.on("drain", more)
    more()
  }
}

/** Answers whole, with so many characters. */
const whole = (response: ServerResponse, characters: number): void => {
  response.writeHead(200, { "content-type": "application/json" })
  response.end(
    JSON.stringify({
      id: "a",
      object: "chat.completion",
      created: 1,
      model: "m",
      choices: [{ index: 0, message: { role: "assistant", content: "a".repeat(characters) }, finish_reason: "stop" }],
    }),
  )
}

const ask = (url: string, stream: boolean, path = "/v1/chat/completions"): Effect.Effect<Socket> =>
  Effect.promise(
    () =>
      new Promise((resolve, reject) => {
        const { hostname, port } = new URL(url)
        const body = JSON.stringify({
          model: "primary",
          max_tokens: 9,
          messages: [{ role: "user", content: "Hello?" }],
          stream,
        })
        const socket = connect(Number(port), hostname, () => {
          socket.pause()
          socket.write(
            `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
          )
          resolve(socket)
        })
        socket.once("error", reject)
      }),
  )

/** A call that finds a permit, which there is one of. */
const another = (client: ReturnType<typeof TestGateway.clientOf>) =>
  Effect.promise(async () => {
    const stream = await client.chat.completions.create({
      model: "primary",
      messages: [{ role: "user", content: "Hello?" }],
      stream: true,
    })
    let text = ""
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? ""
    return text
  })

describe("WriteTimeout", () => {
  for (const path of ["/v1/chat/completions", "/v1/messages"]) {
    it.live(`ends an unread stream of ${path} and its upstream, and releases its permit`, () =>
      Effect.gen(function* () {
        const { firstClosed, provider } = yield* upstream(floods())
        const { client, url } = yield* TestGateway.make({
          provider,
          primary: { limits: { concurrency: 1 } },
          timeout: { write: "60 millis" },
        })
        const socket = yield* ask(url, true, path)
        yield* Effect.promise(firstClosed)
        assert.strictEqual(yield* another(client), "yes")
        socket.destroy()
      }),
    )
  }

  it.live("ends an unread stream at its deadline, with an error event for a late reader", () =>
    Effect.gen(function* () {
      const { firstClosed, provider } = yield* upstream(floods())
      const { client, url } = yield* TestGateway.make({
        provider,
        primary: { limits: { concurrency: 1 } },
        timeout: { total: "80 millis" },
      })
      const socket = yield* ask(url, true)
      yield* Effect.promise(firstClosed)
      assert.strictEqual(yield* another(client), "yes")
      const told = yield* Effect.promise(
        () =>
          new Promise<string>((resolve) => {
            let last = ""
            socket.on("data", (bytes) => {
              last = (last + bytes.toString()).slice(-2000)
              if (last.endsWith("0\r\n\r\n")) resolve(last)
            })
            socket.resume()
          }),
      )
      assert.include(told, `"code":"stream_broken"`)
      assert.notInclude(told, "[DONE]")
      socket.destroy()
    }),
  )

  it.live("closes the connection of a client that stops reading a complete response", () =>
    Effect.gen(function* () {
      const { provider } = yield* upstream((response) => whole(response, 16_000_000))
      const { url } = yield* TestGateway.make({ provider, timeout: { write: "60 millis" }, limits: { connections: 1 } })
      const socket = yield* ask(url, false)
      // There is room for one connection: another is served once this one is closed.
      const served = Effect.promise(() =>
        fetch(`${url}/health`, { headers: { connection: "close" } }).then(
          ({ ok }) => ok,
          () => false,
        ),
      )
      yield* Effect.repeat(Effect.andThen(Effect.sleep(10), served), { until: (ok) => ok })
      socket.destroy()
    }),
  )

  for (const [how, sends] of [
    ["empty lines", "\r\n"],
    ["more requests", "GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"],
  ] as const) {
    it.live(
      `closes the connection of a client that reads nothing of a complete response and keeps sending ${how}`,
      () =>
        Effect.gen(function* () {
          const { provider } = yield* upstream((response) => whole(response, 16_000_000))
          const { url } = yield* TestGateway.make({
            provider,
            write: Duration.millis(60),
            timeout: { write: "60 millis" },
          })
          const socket = yield* ask(url, false)
          const closed = Effect.callback<void>((resume) => void socket.on("error", () => resume(Effect.void)))
          const sending = setInterval(() => socket.write(sends), 10)
          yield* closed
          clearInterval(sending)
        }),
    )
  }

  it.live("ends a complete response that is read too slowly at its deadline", () =>
    Effect.gen(function* () {
      const { provider } = yield* upstream((response) => whole(response, 16_000_000))
      // The upstream's response has to be complete before the deadline, on a busy machine too.
      const { url } = yield* TestGateway.make({ provider, timeout: { total: "1 second", write: "300 millis" } })
      const socket = yield* ask(url, false)
      const reading = setInterval(() => socket.read(50_000), 10)
      yield* Effect.callback<void>((resume) => {
        // A client that reads a little at a time hears of the end only once it sends.
        socket.on("error", () => resume(Effect.void))
        const asking = setInterval(() => socket.write("\r\n"), 20)
        return Effect.sync(() => clearInterval(asking))
      })
      clearInterval(reading)
    }),
  )

  it.live("keeps the connection of a client that reads a large response slowly", () =>
    Effect.gen(function* () {
      const { provider } = yield* upstream((response) => whole(response, 16_000_000))
      const { url } = yield* TestGateway.make({
        provider,
        write: Duration.millis(500),
        timeout: { write: "500 millis" },
      })
      const socket = yield* ask(url, false)
      const read = yield* Effect.promise(
        () =>
          new Promise<number>((resolve) => {
            let size = 0
            const reading = setInterval(() => {
              const piece = socket.read(500_000) ?? socket.read()
              size += piece?.length ?? 0
              if (size > 16_000_000) {
                clearInterval(reading)
                resolve(size)
              }
            }, 25)
            socket.on("close", () => resolve(size))
          }),
      )
      assert.isAbove(read, 16_000_000)
      socket.destroy()
    }),
  )

  it.live("keeps the connection of a client that waits for the next chunk", () =>
    Effect.gen(function* () {
      const { provider } = yield* upstream((response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(said("slow"))
        setTimeout(() => response.end(`${said("ly")}${said("", "stop")}data: [DONE]\n\n`), 150)
      })
      const { client } = yield* TestGateway.make({
        provider,
        write: Duration.millis(40),
        timeout: { write: "40 millis" },
      })
      assert.strictEqual(yield* another(client), "slowly")
    }),
  )

  it.live("keeps nothing of a connection that its client closed before the response ended", () =>
    Effect.gen(function* () {
      const write = Duration.seconds(30)
      const handler = yield* NodeHttpServer.makeHandler(
        Effect.map(Effect.all([HttpServerRequest.HttpServerRequest, Clock.Clock]), ([request, clock]) => {
          limit(request, clock, { deadline: Infinity, write: Duration.toMillis(write) })
          return HttpServerResponse.stream(Stream.concat(Stream.make(new TextEncoder().encode("first")), Stream.never))
        }),
        { scope: yield* Effect.scope },
      )
      const connections: Array<WeakRef<Socket>> = []
      const closed: Array<Promise<unknown>> = []
      const server = watch(createServer(handler), write).on("connection", (socket: Socket) => {
        connections.push(new WeakRef(socket))
        closed.push(new Promise((resolve) => socket.once("close", () => resolve(undefined))))
      })
      yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      yield* Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            const socket = connect((server.address() as AddressInfo).port, "127.0.0.1", () =>
              socket.write("GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"),
            )
            socket.once("data", () => socket.destroy())
            socket.once("close", () => resolve())
          }),
      )
      yield* Effect.promise(() => Promise.all(closed))
      assert.strictEqual(connections.length, 1)
      for (let collection = 0; collection < 20 && connections[0]!.deref() !== undefined; collection++) {
        yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
        collectGarbage()
      }
      assert.isUndefined(connections[0]!.deref())
    }),
  )
})

v8.setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")
