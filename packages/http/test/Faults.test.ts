/** A name that there is not, and a provider with a defect, as callers of every dialect see them. */
import { assert, describe, it } from "@effect/vitest"
import * as Layer from "effect/Layer"
import * as Effect from "effect/Effect"
import { Provider } from "@understudy/core/Provider"
import * as Route from "@understudy/core/Route"
import * as Stream from "effect/Stream"
import * as TestGateway from "./TestGateway.ts"

interface Dialect {
  readonly path: (model: string, stream: boolean) => string
  readonly body: (model: string, stream: boolean) => object
}

const dialects: Readonly<Record<string, Dialect>> = {
  "chat completions": {
    path: () => "/v1/chat/completions",
    body: (model, stream) => ({ model, stream, messages: [{ role: "user", content: "Hello?" }] }),
  },
  responses: { path: () => "/v1/responses", body: (model, stream) => ({ model, stream, input: "Hello?" }) },
  messages: {
    path: () => "/v1/messages",
    body: (model, stream) => ({ model, stream, max_tokens: 10, messages: [{ role: "user", content: "Hello?" }] }),
  },
  gemini: {
    path: (model, stream) => `/v1beta/models/${model}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: () => ({ contents: [{ role: "user", parts: [{ text: "Hello?" }] }] }),
  },
}

const post = (url: string, { body, path }: Dialect, model: string, stream: boolean) =>
  Effect.promise(() =>
    fetch(url + path(model, stream), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body(model, stream)),
    }).then(async (answer) => ({ status: answer.status, text: await answer.text() })),
  )

const secret = "sk-secret"

/** Breaks as no provider should: before its first output, or after it. */
const broken = (said: boolean) => () =>
  Layer.succeed(Provider, {
    protocol: "mine",
    chat: () => {
      throw new TypeError(secret)
    },
    stream: () =>
      Stream.concat(
        said ? Stream.succeed({ parts: [{ type: "text" as const, text: "Once" }] }) : Stream.empty,
        Stream.fromEffect(Effect.die(new TypeError(secret))),
      ),
  })

for (const [name, dialect] of Object.entries(dialects)) {
  describe(name, () => {
    for (const stream of [false, true]) {
      const how = stream ? "streamed" : "whole"

      it.live(`says which model was meant, ${how}`, () =>
        Effect.gen(function* () {
          const { url } = yield* TestGateway.make()
          const { status, text } = yield* post(url, dialect, "asistant", stream)
          assert.strictEqual(status, 404)
          assert.include(JSON.stringify(JSON.parse(text)), String.raw`did you mean \"assistant\"?`)
        }),
      )

      it.live(`goes on from a provider with a defect, ${how}`, () =>
        Effect.gen(function* () {
          const { url } = yield* TestGateway.make({ provider: broken(false), backup: "anthropic" })
          const { status, text } = yield* post(url, dialect, "assistant", stream)
          assert.strictEqual(status, 200)
          assert.include(text, "The")
        }),
      )

      it.live(`shows nothing of the defect where nobody else can answer, ${how}`, () =>
        Effect.gen(function* () {
          const { url } = yield* TestGateway.make({
            provider: broken(true),
            route: Route.to("primary").pipe(Route.retry({ times: 0 })),
          })
          const { status, text } = yield* post(url, dialect, "assistant", stream)
          assert.strictEqual(status, stream ? 200 : 502)
          assert.include(text, "the provider failed unexpectedly")
          assert.notInclude(text, secret)
          assert.notMatch(text, /TypeError|\.ts:\d/)
        }),
      )
    }
  })
}
