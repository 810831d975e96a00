/** Requests that go out over a connection which AWS is about to close. */
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import type { Provider } from "@understudy/core/Provider"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Bedrock from "@understudy/providers/bedrock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as LosingServer from "../transport/LosingServer.ts"

const answer = JSON.stringify({
  output: { message: { role: "assistant", content: [{ text: "Hi" }] } },
  stopReason: "end_turn",
  usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
})

const request: Chat.Request = { model: "amazon.nova-lite-v1:0", messages: [Chat.user("Hello?")] }

const connected = (server: LosingServer.LosingServer) =>
  Effect.provide(
    Bedrock.make({
      region: "eu-west-1",
      endpoint: server.url,
      accessKeyId: Redacted.make("AKIDEXAMPLE"),
      secretAccessKey: Redacted.make("wJalrXUtnFEMI"),
    }),
    ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} })),
  )

/** What is asked when a connection is kept already. */
const ways: Readonly<Record<string, (provider: Provider["Service"]) => Effect.Effect<unknown, ProviderError>>> = {
  chat: ({ chat }) => chat(request),
  // The answer is no event stream: that it came is enough.
  stream: ({ stream }) => Effect.ignore(Stream.runDrain(stream(request))),
}

/** A connection is free again a moment after the end of the answer. */
const freed = Effect.sleep("10 millis")

for (const [name, ask] of Object.entries(ways)) {
  describe(`a kept connection that is lost before a byte of the answer, by ${name}`, () => {
    for (const loss of ["closed", "reset"] as const) {
      it.live(`has its request sent once more on a fresh one: ${loss}`, () =>
        Effect.gen(function* () {
          const server = yield* LosingServer.make(loss, () => 1, answer)
          const provider = yield* connected(server)
          yield* provider.chat(request)
          yield* freed
          yield* ask(provider)
          assert.deepStrictEqual(server.requests, [1, 1, 2])
        }),
      )

      it.live(`is not tried a third time: ${loss}`, () =>
        Effect.gen(function* () {
          const server = yield* LosingServer.make(loss, (connection) => (connection === 1 ? 1 : 0), answer)
          const provider = yield* connected(server)
          yield* provider.chat(request)
          yield* freed
          yield* Effect.exit(ask(provider))
          assert.deepStrictEqual(server.requests, [1, 1, 2])
        }),
      )

      it.live(`is not tried again when it was fresh: ${loss}`, () =>
        Effect.gen(function* () {
          const server = yield* LosingServer.make(loss, () => 0, answer)
          const provider = yield* connected(server)
          yield* Effect.exit(ask(provider))
          assert.deepStrictEqual(server.requests, [1])
        }),
      )
    }

    it.live("is not tried again after a byte of the answer", () =>
      Effect.gen(function* () {
        const server = yield* LosingServer.make("half a head", () => 1, answer)
        const provider = yield* connected(server)
        yield* provider.chat(request)
        yield* freed
        yield* Effect.exit(ask(provider))
        assert.deepStrictEqual(server.requests, [1, 1])
      }),
    )
  })
}

describe("a connection that is lost twice", () => {
  it.live("is a network's failure", () =>
    Effect.gen(function* () {
      const server = yield* LosingServer.make("reset", (connection) => (connection === 1 ? 1 : 0), answer)
      const provider = yield* connected(server)
      yield* provider.chat(request)
      yield* freed
      const { reason } = yield* Effect.flip(provider.chat(request))
      assert.strictEqual(reason._tag, "Network")
    }),
  )
})
