import { assert, describe, it } from "@effect/vitest"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as FaultServer from "@understudy/providers/testing"
import type { RequestTemplate } from "@understudy/providers/internal/transport/RequestTemplate"
import * as Transport from "@understudy/providers/transport"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

const to = (url: string): RequestTemplate => ({
  origin: url,
  path: "/v1/chat/completions",
  headers: ["content-type", "application/json"],
})

const body = (model: string, options: object = {}) => JSON.stringify({ model, messages: [], ...options })

const sender = Effect.map(Transport.Transport, (pool) => pool.sender())

describe("send", () => {
  it.live("reads the complete response, whatever its status", () =>
    Effect.gen(function* () {
      const { url } = yield* FaultServer.make()
      const { send } = yield* sender
      const answer = yield* send(to(url), body("ok"))
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers["content-type"], "application/json")
      assert.propertyVal(JSON.parse(answer.text), "object", "chat.completion")
      const refused = yield* send(to(url), body("500"))
      assert.strictEqual(refused.status, 500)
      assert.include(refused.text, "server_error")
    }),
  )

  it.live("fails with the connection's error", () =>
    Effect.gen(function* () {
      const { url } = yield* FaultServer.make()
      const { send } = yield* sender
      const { cause } = yield* Effect.flip(send(to(url), body("reset")))
      assert.include(["ECONNRESET", "UND_ERR_SOCKET"], (cause as { readonly code?: string }).code)
    }),
  )

  it.live("closes the connection when it is interrupted", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const { send } = yield* sender
      const fiber = yield* Effect.forkChild(send(to(server.url), body("silent")))
      const request = yield* server.received("silent")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* server.closed(request), "left")
    }),
  )
})

describe("open", () => {
  it.live("emits bytes as they arrive, and their end", () =>
    Effect.gen(function* () {
      const { url } = yield* FaultServer.make()
      const { open } = yield* sender
      const opened = yield* open(to(url), body("ok", { stream: true }), yield* Effect.scope)
      assert.strictEqual(opened.status, 200)
      assert.match(yield* Transport.text(opened), /data: \[DONE\]\n\n$/)
    }),
  )

  it.live("emits what had arrived before it fails", () =>
    Effect.gen(function* () {
      const { url } = yield* FaultServer.make()
      const { open } = yield* sender
      const opened = yield* open(to(url), body("cut-2", { stream: true }), yield* Effect.scope)
      let read = ""
      const failure = yield* opened.bytes.pipe(
        Stream.runForEach((chunk) => Effect.sync(() => (read += Buffer.from(chunk).toString()))),
        Effect.flip,
      )
      assert.instanceOf(failure, Transport.TransportFailure)
      assert.isAbove(read.split("data: ").length, 2)
    }),
  )

  it.live("pauses a fast upstream for a slow reader, without loss", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const text = "0123456789".repeat(200_000)
      yield* server.script("large", [Behavior.answer({ text })])
      const { open } = yield* sender
      const opened = yield* open(to(server.url), body("large", { stream: true }), yield* Effect.scope)
      yield* Effect.sleep("30 millis")
      assert.include(yield* Transport.text(opened), text)
    }),
  )

  for (const [when, model] of [
    ["before the headers", "silent"],
    ["within the body", "stall-1"],
  ] as const) {
    it.live(`closes the connection with its scope, ${when}`, () =>
      Effect.gen(function* () {
        const server = yield* FaultServer.make()
        const { open } = yield* sender
        const scope = yield* Scope.make()
        const fiber = yield* Effect.forkChild(open(to(server.url), body(model, { stream: true }), scope))
        const request = yield* server.received(model)
        if (model === "stall-1") yield* Fiber.join(fiber)
        yield* Scope.close(scope, Exit.void)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(yield* server.closed(request), "left")
      }),
    )
  }
})

describe("layer", () => {
  it.live("keeps connections for the next call, and closes them with its scope", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      yield* Effect.gen(function* () {
        const { send } = (yield* Transport.Transport).sender({ connectTimeout: "1 second" })
        for (let call = 0; call < 3; call++) yield* send(to(server.url), body("ok"))
        assert.isAtMost(yield* server.openSockets, 2)
      }).pipe(Effect.provide(Transport.layer))
      yield* server.drained
    }),
  )
})
