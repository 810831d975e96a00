/** Model names that would lead to another path, at every vendor that has the model in its path. */
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Bedrock from "@understudy/providers/bedrock"
import * as Gemini from "@understudy/providers/gemini"
import * as Azure from "@understudy/providers/internal/openai/Azure"
import * as FaultServer from "@understudy/providers/testing"
import * as ModelPath from "@understudy/providers/internal/transport/ModelPath"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"

const astray = [
  "",
  ".",
  "..",
  "/m",
  "m/",
  "a//b",
  "../m",
  "m/..",
  "a/../b",
  "a/./b",
  "..\\m",
  "a\\..\\b",
  "%2e%2e/m",
  "a/%2E./b",
  "..%2fm",
  "a%5c..%5cb",
  "%252e%252E/m",
  "a%25252f..",
  "m\ud800",
]

const sound = [
  "m",
  "a/b",
  "a.b..c",
  "...",
  "models/gemini-2.5-flash",
  "m:free",
  "arn:aws:bedrock:us-east-1:1:p/us.m-v1:0",
  "🎭",
  "..m",
]

describe("ModelPath", () => {
  it("a name fits into a path or does not", () => {
    assert.deepStrictEqual(astray.filter(ModelPath.fits), [])
    assert.deepStrictEqual(
      sound.filter((model) => !ModelPath.fits(model)),
      [],
    )
  })

  it.live("a name that does not fit is an invalid request and is not sent", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const apiKey = Redacted.make("key")
      const providers = [
        yield* Gemini.make({ baseUrl: server.url, apiKey }),
        yield* Azure.make({ endpoint: server.url, apiKey, apiVersion: "2024-10-21" }),
        yield* Bedrock.make({ endpoint: server.url, region: "us-east-1", bearerToken: apiKey }),
      ]
      for (const model of astray) {
        for (const provider of providers) {
          const request: Chat.Request = { model, messages: [Chat.user("Hello")] }
          const native = { ...request, native: { protocol: provider.protocol ?? "", body: { contents: [] } } }
          const errors = yield* Effect.all([
            Effect.flip(provider.chat(request)),
            Effect.flip(provider.chat(native)),
            Effect.flip(Stream.runDrain(provider.stream(request))),
            ...(provider.embed === undefined ? [] : [Effect.flip(provider.embed({ model, input: ["Hello"] }))]),
            ...(provider.countTokens === undefined ? [] : [Effect.flip(provider.countTokens(request))]),
          ])
          for (const { reason } of errors) assert.deepStrictEqual(reason, { _tag: "InvalidRequest", param: "model" })
        }
      }
      assert.deepStrictEqual(yield* server.requests, [])
    }).pipe(Effect.scoped),
  )
})
