/** OpenAI's WebSocket mode for Responses: calls as messages, conversations that a connection remembers, and how it ends. */
import { assert, describe, it } from "@effect/vitest"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { WebSocket } from "ws"
import * as Keyring from "../../src/auth/Keyring.ts"
import type { VirtualKey } from "../../src/auth/VirtualKey.ts"
import * as TestGateway from "../TestGateway.ts"

interface Event {
  readonly type: string
  readonly stream_id?: string
  readonly status?: number
  readonly error?: { readonly code: string; readonly message: string }
  readonly response?: { readonly id: string; readonly output: ReadonlyArray<unknown>; readonly store: boolean }
}

/** A client whose `ask` sends a message and waits for the last event of its call. */
const connect = (url: string, key = "any") =>
  Effect.acquireRelease(
    Effect.callback<Client, Refused>((resume) => {
      const socket = new WebSocket(`${url.replace(/^http/, "ws")}/v1/responses`, {
        headers: { authorization: `Bearer ${key}` },
      })
      const client = new Client(socket)
      socket.once("open", () => resume(Effect.succeed(client)))
      socket.once("unexpected-response", (_, { statusCode }) => resume(Effect.fail(new Refused(statusCode ?? 0))))
    }),
    ({ socket }) => Effect.sync(() => socket.terminate()),
  )

class Refused {
  readonly status: number
  constructor(status: number) {
    this.status = status
  }
}

class Client {
  readonly socket: WebSocket
  readonly events: Array<Event> = []
  readonly closed: Promise<number>
  #waiting: Array<(event: Event) => void> = []

  constructor(socket: WebSocket) {
    this.socket = socket
    this.closed = new Promise((resolve) => socket.once("close", resolve))
    socket.on("error", () => {})
    socket.on("message", (data: Buffer) => {
      const event: Event = JSON.parse(data.toString())
      this.events.push(event)
      if (["response.completed", "response.failed", "error"].includes(event.type)) this.#waiting.shift()?.(event)
    })
  }

  ask(message: object, type = "response.create"): Effect.Effect<Event> {
    return this.send(JSON.stringify({ type, model: "assistant", ...message }))
  }

  send(text: string): Effect.Effect<Event> {
    return Effect.callback((resume) => {
      this.#waiting.push((event) => resume(Effect.succeed(event)))
      this.socket.send(text)
    })
  }
}

type Gateway = Effect.Success<ReturnType<typeof TestGateway.make>>

const sent = ({ upstream }: Gateway) =>
  Effect.map(upstream.requests, (requests) => JSON.stringify(requests.at(-1)?.body))

describe("a WebSocket of Responses", () => {
  for (const vendor of ["responses", "anthropic"] as const) {
    it.live(`answers calls, and continues one that is not stored, answered by ${vendor}`, () =>
      Effect.gen(function* () {
        const gateway = yield* TestGateway.make({ vendor })
        const client = yield* connect(gateway.url)
        const first = yield* client.ask({ input: "one", store: false })
        assert.strictEqual(client.events[0]?.type, "response.created")
        assert.strictEqual(first.type, "response.completed")
        const id = first.response?.id
        const second = yield* client.ask({ input: "two", previous_response_id: id, stream_id: "lane" })
        assert.deepInclude(second, { type: "response.completed", stream_id: "lane" })
        assert.match(yield* sent(gateway), /one.*primary goes on instead.*two/)
        // Only the last response is remembered.
        const lost = yield* client.ask({ input: "three", previous_response_id: id })
        assert.strictEqual(lost.error?.code, "previous_response_not_found")
        assert.strictEqual((yield* client.ask({ input: "four" })).type, "response.completed")
      }),
    )
  }

  it.live("falls back, and tells of a call that fails, in an event", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make()
      const client = yield* connect(gateway.url)
      yield* gateway.upstream.script("primary", [Behavior.refuse("overloaded")])
      const answered = yield* client.ask({ input: "one" })
      assert.include(JSON.stringify(answered), "backup goes on instead")
      assert.deepInclude(yield* client.ask({ model: "unknown", input: "one" }), { type: "error", status: 404 })
      assert.strictEqual((yield* client.ask({ input: "one" }, "response.steer")).error?.code, "invalid_message")
      yield* gateway.upstream.script("primary", [Behavior.cut(2)])
      const broken = yield* client.ask({ model: "primary", input: "one" })
      assert.strictEqual(broken.type, "error")
    }),
  )

  it.live("rejects a message that is no JSON object, or is nested too deeply, and goes on", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make()
      const client = yield* connect(gateway.url)
      const deep = `{"type":"response.create","model":"assistant","input":"x","z":${"[".repeat(9000)}${"]".repeat(9000)}}`
      for (const text of ["{", "[]", '"a"', deep]) {
        assert.strictEqual((yield* client.send(text)).error?.code, "invalid_message")
      }
      assert.strictEqual((yield* client.ask({ input: { a: 1 } })).status, 400)
      assert.strictEqual((yield* client.ask({ input: "one" })).type, "response.completed")
    }),
  )

  it.live("remembers a conversation that is not generated", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make()
      const client = yield* connect(gateway.url)
      const warm = yield* client.ask({ input: "one", generate: false })
      assert.deepStrictEqual(warm.response?.output, [])
      assert.lengthOf(yield* gateway.upstream.requests, 0)
      yield* client.ask({ input: "two", previous_response_id: warm.response?.id })
      assert.match(yield* sent(gateway), /one.*two/)
    }),
  )

  it.live("continues a response that is stored, of any connection", () => {
    const folder = mkdtempSync(join(tmpdir(), "understudy-socket-"))
    return Effect.gen(function* () {
      const gateway = yield* TestGateway.make({ database: { type: "sqlite", file: join(folder, "a.db") } })
      const { id } = yield* Effect.promise(() => gateway.client.responses.create({ model: "assistant", input: "one" }))
      const client = yield* connect(gateway.url)
      const second = yield* client.ask({ input: "two", previous_response_id: id })
      assert.isTrue(second.response?.store)
      const other = yield* connect(gateway.url)
      yield* other.ask({ input: "three", previous_response_id: second.response?.id })
      assert.match(yield* sent(gateway), /one.*two.*three/)
    }).pipe(Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true, force: true }))))
  })

  it.live("ends the call of a client that disconnects", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make()
      yield* gateway.upstream.script("primary", [Behavior.silent])
      const client = yield* connect(gateway.url)
      client.socket.send(JSON.stringify({ type: "response.create", model: "assistant", input: "one" }))
      const request = yield* gateway.upstream.received("primary")
      client.socket.terminate()
      yield* gateway.upstream.closed(request)
    }),
  )

  it.live("closes the connection of a client that sends without waiting", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make()
      yield* gateway.upstream.script("primary", [Behavior.silent])
      const client = yield* connect(gateway.url)
      for (let message = 0; message < 20; message++) {
        client.socket.send(JSON.stringify({ type: "response.create", model: "assistant", input: "one" }))
      }
      assert.strictEqual(yield* Effect.promise(() => client.closed), 1008)
      yield* gateway.upstream.idle
    }),
  )

  it.live("is of a key, within its limits", () =>
    Effect.gen(function* () {
      const key = { id: "a", key: Redacted.make("sk-a-secret-of-this-test"), limits: { rpm: 1 } }
      const gateway = yield* TestGateway.make({ keys: [key] })
      const refused = yield* Effect.flip(connect(gateway.url, "sk-of-nowhere"))
      assert.strictEqual(refused.status, 401)
      const client = yield* connect(gateway.url, "sk-a-secret-of-this-test")
      assert.strictEqual((yield* client.ask({ input: "one" })).type, "response.completed")
      assert.deepInclude(yield* client.ask({ input: "two" }), { type: "error", status: 429 })
    }),
  )

  it.live("authenticates each call by its key as it is then", () =>
    Effect.gen(function* () {
      const text = "sk-a-secret-of-this-test"
      const operator = Keyring.operator(Redacted.make("sk-operator"))
      const key = (rest: Partial<VirtualKey> = {}) => Keyring.configured({ id: "a", key: Redacted.make(text), ...rest })
      const changes: ReadonlyArray<readonly [ReadonlyArray<Keyring.Key>, string]> = [
        [[operator, key({ disabled: true })], 'Key "a" is disabled.'],
        [[operator, key({ expiresAt: 0 })], 'Key "a" expired at 1970-01-01T00:00:00.000Z.'],
        [[operator], 'Key "a" was deleted.'],
        [
          [operator, Keyring.configured({ id: "a", key: Redacted.make("sk-other") })],
          'Key "a" was rotated: its former secret is not accepted any more.',
        ],
        // The text is another key's now.
        [[operator, key({ id: "b" })], 'Key "a" was deleted.'],
      ]
      for (const [keys, message] of changes) {
        const keyring = new Keyring.Keyring([operator, key()])
        const gateway = yield* TestGateway.make({ keyring })
        const client = yield* connect(gateway.url, text)
        assert.strictEqual((yield* client.ask({ input: "one" })).type, "response.completed")
        keyring.replaceConfigured([operator, key({ routes: ["other"] })])
        assert.deepInclude(yield* client.ask({ input: "two" }), { type: "error", status: 403 })
        keyring.replaceConfigured([operator, key({ tags: ["later"] })])
        assert.strictEqual((yield* client.ask({ input: "three" })).type, "response.completed")
        keyring.replaceConfigured(keys)
        const refused = yield* client.ask({ input: "four", stream_id: "lane" })
        assert.deepInclude(refused, { type: "error", status: 401, stream_id: "lane" })
        assert.deepInclude(refused.error, { code: "invalid_api_key", message })
        assert.strictEqual(yield* Effect.promise(() => client.closed), 1008)
        assert.strictEqual((yield* gateway.upstream.requests).length, 2)
      }
    }),
  )

  it.live("without a call does not keep the gateway from stopping", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make()
      const client = yield* connect(gateway.url)
      yield* client.ask({ input: "one" })
      yield* gateway.drain.run({ delay: Duration.zero, timeout: Duration.minutes(1) })
      assert.strictEqual(yield* Effect.promise(() => client.closed), 1001)
    }),
  )

  it.live("is refused with 426 if it is switched off", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make({ webSocket: false })
      assert.strictEqual((yield* Effect.flip(connect(gateway.url))).status, 426)
    }),
  )
})
