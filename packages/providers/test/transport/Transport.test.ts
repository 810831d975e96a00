import { assert, describe, it } from "@effect/vitest"
import * as FaultServer from "@understudy/providers/testing/FaultServer"
import * as Transport from "@understudy/providers/transport/Transport"
import * as Effect from "effect/Effect"

const post = (fetch: Transport.Fetch, url: string, model: string, signal?: AbortSignal) =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: new Headers({ "content-type": "application/json" }),
    body: JSON.stringify({ model, messages: [] }),
    signal: signal ?? null,
  })

describe("fetch", () => {
  it.live("gives what SDKs look at", () =>
    Effect.gen(function* () {
      const { url } = yield* FaultServer.make()
      const fetch = (yield* Transport.Transport).fetch()
      const answer = yield* Effect.promise(() => post(fetch, url, "ok"))
      assert.isTrue(answer.ok)
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers.get("Content-Type"), "application/json")
      assert.isTrue(answer.headers.has("x-request-id"))
      assert.isNull(answer.headers.get("x-none"))
      assert.strictEqual(new Map(answer.headers.entries()).get("content-type"), "application/json")
      assert.propertyVal(yield* Effect.promise(() => answer.json()), "object", "chat.completion")
      const refused = yield* Effect.promise(() => post(fetch, url, "500"))
      assert.isFalse(refused.ok)
      assert.include(yield* Effect.promise(() => refused.text()), "server_error")
    }),
  )

  it.live("is aborted by its signal, before and after the headers", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const fetch = (yield* Transport.Transport).fetch()
      const before = new AbortController()
      const silent = post(fetch, server.url, "silent", before.signal)
      const request = yield* server.received("silent")
      before.abort()
      yield* Effect.flip(Effect.tryPromise(() => silent))
      assert.strictEqual(yield* server.closed(request), "left")

      const after = new AbortController()
      const stalled = yield* Effect.promise(() => post(fetch, server.url, "stall-1", after.signal))
      const text = stalled.text()
      after.abort()
      yield* Effect.flip(Effect.tryPromise(() => text))
      assert.strictEqual(yield* server.closed(yield* server.received("stall-1")), "left")
    }),
  )
})

describe("layer", () => {
  it.live("keeps connections for the next call, and closes them with its scope", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      yield* Effect.gen(function* () {
        const fetch = (yield* Transport.Transport).fetch({ connectTimeout: "1 second" })
        for (let call = 0; call < 3; call++) {
          yield* Effect.promise(() => post(fetch, server.url, "ok").then((answer) => answer.text()))
        }
        assert.isAtMost(yield* server.openSockets, 2)
      }).pipe(Effect.provide(Transport.layer))
      yield* server.drained
    }),
  )
})
