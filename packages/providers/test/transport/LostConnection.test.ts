/** Requests sent over a connection that the vendor is closing. */
import { assert, describe, it } from "@effect/vitest"
import type { RequestTemplate } from "@understudy/providers/internal/transport/RequestTemplate"
import type { HttpSender, TransportFailure } from "@understudy/providers/transport"
import * as Transport from "@understudy/providers/transport"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as LosingServer from "./LosingServer.ts"

const to = (url: string): RequestTemplate => ({ origin: url, path: "/", headers: ["content-type", "application/json"] })

type Way = (sender: HttpSender, url: string) => Effect.Effect<string, TransportFailure, Scope.Scope>

/** A connection is free shortly after the end of the response. */
const freed = Effect.sleep("10 millis")

const ways: Readonly<Record<string, Way>> = {
  send: (sender, url) =>
    Effect.tap(
      Effect.map(sender.send(to(url), "{}"), ({ text }) => text),
      () => freed,
    ),
  open: (sender, url) =>
    Effect.tap(
      Effect.flatMap(
        Effect.flatMap(Effect.scope, (scope) => sender.open(to(url), "{}", scope)),
        Transport.text,
      ),
      () => freed,
    ),
}

const sender = Effect.map(Transport.Transport, (pool) => pool.sender({ connectTimeout: "1 second" }))

const code = ({ cause }: TransportFailure): unknown => (cause as { readonly code?: unknown }).code

for (const [name, ask] of Object.entries(ways)) {
  describe(`a pooled connection lost before the first byte of a response, ${name}`, () => {
    for (const loss of ["closed", "reset"] as const) {
      it.live(`its request is retried on a fresh connection: ${loss}`, () =>
        Effect.gen(function* () {
          const server = yield* LosingServer.make(loss, () => 1)
          const over = yield* sender
          for (const _ of [1, 2, 3]) assert.strictEqual(yield* ask(over, server.url), "{}")
          assert.deepStrictEqual(server.requests, [1, 1, 2, 3])
        }).pipe(Effect.provide(Transport.layer)),
      )

      it.live(`its request is not retried a second time: ${loss}`, () =>
        Effect.gen(function* () {
          const server = yield* LosingServer.make(loss, (connection) => (connection === 1 ? 1 : 0))
          const over = yield* sender
          yield* ask(over, server.url)
          const failure = yield* Effect.flip(Effect.scoped(ask(over, server.url)))
          assert.include(["ECONNRESET", "UND_ERR_SOCKET"], code(failure))
          assert.deepStrictEqual(server.requests, [1, 1, 2])
        }).pipe(Effect.provide(Transport.layer)),
      )

      it.live(`a request on a fresh connection is not retried: ${loss}`, () =>
        Effect.gen(function* () {
          const server = yield* LosingServer.make(loss, () => 0)
          const over = yield* sender
          const failure = yield* Effect.flip(Effect.scoped(ask(over, server.url)))
          assert.include(["ECONNRESET", "UND_ERR_SOCKET"], code(failure))
          assert.deepStrictEqual(server.requests, [1])
        }).pipe(Effect.provide(Transport.layer)),
      )
    }

    it.live(
      "has each of several sent once more, each on a connection of its own, though all that are kept are stale",
      () =>
        Effect.gen(function* () {
          const server = yield* LosingServer.make("closed", (connection) => (connection <= 4 ? 1 : 5))
          const over = yield* sender
          const all = Effect.forEach([1, 2, 3, 4], () => ask(over, server.url), { concurrency: "unbounded" })
          yield* all
          assert.strictEqual(server.connections(), 4)
          assert.deepStrictEqual(yield* all, ["{}", "{}", "{}", "{}"])
          assert.strictEqual(server.connections(), 8)
        }).pipe(Effect.provide(Transport.layer)),
    )

    it.live("a request is not retried after the first byte of a response", () =>
      Effect.gen(function* () {
        const server = yield* LosingServer.make("half a head", () => 1)
        const over = yield* sender
        yield* ask(over, server.url)
        yield* Effect.flip(Effect.scoped(ask(over, server.url)))
        assert.deepStrictEqual(server.requests, [1, 1])
      }).pipe(Effect.provide(Transport.layer)),
    )
  })
}
