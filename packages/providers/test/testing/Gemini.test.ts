import { GoogleGenAI } from "@google/genai"
import type { ApiError, Content, GenerateContentConfig } from "@google/genai"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FaultServer from "../../src/testing/FaultServer.ts"
import { collected, rejection } from "./raw.ts"

const connected = Effect.map(
  FaultServer.make(),
  ({ url }) => new GoogleGenAI({ vertexai: false, apiKey: "secret", httpOptions: { baseUrl: url } }),
)

const config: GenerateContentConfig = {
  tools: [
    {
      functionDeclarations: [
        {
          name: "get_weather",
          parametersJsonSchema: { type: "object", properties: { city: { type: "string" } } },
        },
      ],
    },
  ],
}
const question: Content = { role: "user", parts: [{ text: "What is the weather in Paris?" }] }

describe("Gemini's wire, by its SDK", () => {
  it.live("content, and as a stream", () =>
    Effect.gen(function* () {
      const { models } = yield* connected
      const answer = yield* Effect.promise(() => models.generateContent({ model: "gemini", contents: "Hi" }))
      assert.strictEqual(answer.text, FaultServer.line("gemini"))
      assert.strictEqual(answer.candidates?.[0]?.finishReason, "STOP")
      assert.isAbove(answer.usageMetadata?.candidatesTokenCount ?? 0, 0)
      const chunks = yield* Effect.promise(async () =>
        collected(await models.generateContentStream({ model: "gemini", contents: "Hi" })),
      )
      assert.strictEqual(chunks.map(({ text }) => text ?? "").join(""), FaultServer.line("gemini"))
      assert.strictEqual(chunks.at(-1)?.candidates?.[0]?.finishReason, "STOP")
    }),
  )

  it.live("a function call, plain and streamed, then the answer to its response", () =>
    Effect.gen(function* () {
      const { models } = yield* connected
      const asked = { model: "gemini", contents: [question], config }
      const plain = yield* Effect.promise(() => models.generateContent(asked))
      const streamed = yield* Effect.promise(async () => collected(await models.generateContentStream(asked)))
      for (const answer of [plain, streamed[0]]) {
        assert.deepStrictEqual(answer?.functionCalls, [{ name: "get_weather", args: { city: "Paris" } }])
      }
      const told = yield* Effect.promise(() =>
        models.generateContent({
          ...asked,
          contents: [
            question,
            plain.candidates?.[0]?.content ?? {},
            {
              role: "user",
              parts: [{ functionResponse: { name: "get_weather", response: { output: "21 °C" } } }],
            },
          ],
        }),
      )
      assert.include(told.text ?? "", "21 °C")
    }),
  )

  it.live("errors and error events", () =>
    Effect.gen(function* () {
      const { models } = yield* connected
      const ask = (model: string, stream: boolean) =>
        rejection<ApiError>(async () => {
          if (stream) await collected(await models.generateContentStream({ model, contents: "Hi" }))
          else await models.generateContent({ model, contents: "Hi" })
        })
      assert.strictEqual((yield* ask("503", false)).status, 503)
      assert.strictEqual((yield* ask("429", true)).status, 429)
      const midway = yield* ask("error-event-after-2", true)
      assert.strictEqual(midway.status, 503)
      assert.include(midway.message, "overloaded")
    }),
  )
})
