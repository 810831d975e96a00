import { assert, describe, it } from "@effect/vitest"
import * as RequestTemplate from "@understudy/providers/internal/transport/RequestTemplate"
import * as Effect from "effect/Effect"
import OpenAI from "openai"

const prepared: RequestTemplate.RequestTemplate = {
  origin: "https://api.example.com",
  path: "/v1/chat/completions",
  headers: ["authorization", "Bearer key", "x-team", "search"],
}

describe("build", () => {
  it.effect("keeps the SDK's URL, authorisation and headers, and nothing of one request", () =>
    Effect.gen(function* () {
      const client = new OpenAI({
        apiKey: "key",
        baseURL: "https://api.example.com/v1",
        defaultHeaders: { "x-team": "search", "idempotency-key": "once" },
      })
      const { headers, origin, path } = yield* RequestTemplate.build("openai", client, "/chat/completions", {
        text: (text) => text,
      })
      assert.deepStrictEqual([origin, path], ["https://api.example.com", "/v1/chat/completions"])
      const named = Object.fromEntries(headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1]]] : [])))
      assert.deepInclude(named, {
        authorization: "Bearer key",
        "content-type": "application/json",
        "x-team": "search",
      })
      assert.notProperty(named, "idempotency-key")
      assert.notProperty(named, "content-length")
    }),
  )
})

describe("withNative", () => {
  it("the client's headers take precedence, and its query is added", () => {
    assert.deepStrictEqual(
      RequestTemplate.withNative(prepared, { headers: { "x-team": "mine", "x-beta": "1" }, query: { beta: "true" } }),
      {
        origin: "https://api.example.com",
        path: "/v1/chat/completions?beta=true",
        headers: ["authorization", "Bearer key", "x-team", "mine", "x-beta", "1"],
      },
    )
    assert.deepStrictEqual(RequestTemplate.withNative(prepared, {}), prepared)
  })
})
