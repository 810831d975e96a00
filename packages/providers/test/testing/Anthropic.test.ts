import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FaultServer from "../../src/testing/FaultServer.ts"
import { collected, rejection } from "./raw.ts"

const connected = Effect.map(
  FaultServer.make(),
  ({ url }) => new Anthropic({ baseURL: url, apiKey: "sk-ant-secret", maxRetries: 0 }),
)

const weather: Anthropic.Tool = {
  name: "get_weather",
  input_schema: { type: "object", properties: { city: { type: "string" } } },
}
const question: Anthropic.MessageParam = { role: "user", content: "What is the weather in Paris?" }
const basis = { model: "claude", max_tokens: 100 }

describe("Anthropic's wire, by its SDK", () => {
  it.live("messages", () =>
    Effect.gen(function* () {
      const client = yield* connected
      const answer = yield* Effect.promise(() =>
        client.messages.create({ ...basis, messages: [{ role: "user", content: "Hi" }] }),
      )
      assert.deepStrictEqual(answer.content, [{ type: "text", text: FaultServer.line("claude") }] as never)
      assert.deepStrictEqual([answer.role, answer.stop_reason], ["assistant", "end_turn"])
      assert.isAbove(answer.usage.output_tokens, 0)
      assert.match(answer._request_id ?? "", /^req_/)
    }),
  )

  it.live("stream", () =>
    Effect.gen(function* () {
      const client = yield* connected
      const stream = client.messages.stream({ ...basis, messages: [{ role: "user", content: "Hi" }] })
      const answer = yield* Effect.promise(() => stream.finalMessage())
      assert.deepStrictEqual(
        answer.content.map((block) => block.type === "text" && block.text),
        [FaultServer.line("claude")],
      )
      assert.deepStrictEqual([answer.stop_reason, answer.usage.output_tokens], ["end_turn", 25])
    }),
  )

  it.live("a tool call, plain and in pieces, then the answer to its result", () =>
    Effect.gen(function* () {
      const client = yield* connected
      const asked = { ...basis, messages: [question], tools: [weather] }
      const plain = yield* Effect.promise(() => client.messages.create(asked))
      const streamed = yield* Effect.promise(() => client.messages.stream(asked).finalMessage())
      for (const { content, stop_reason } of [plain, streamed]) {
        const [call] = content
        assert.strictEqual(stop_reason, "tool_use")
        assert(call?.type === "tool_use")
        assert.deepStrictEqual([call.name, call.input], ["get_weather", { city: "Paris" }])
      }
      const [call] = plain.content
      assert(call?.type === "tool_use")
      const told = yield* Effect.promise(() =>
        client.messages.create({
          ...asked,
          messages: [
            question,
            { role: "assistant", content: plain.content },
            { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "21 °C" }] },
          ],
        }),
      )
      const [block] = told.content
      assert(block?.type === "text")
      assert.include(block.text, "21 °C")
    }),
  )

  it.live("errors and error events", () =>
    Effect.gen(function* () {
      const client = yield* connected
      const ask = (model: string, stream: boolean) =>
        rejection<InstanceType<typeof Anthropic.APIError>>(async () => {
          const answer = await client.messages.create({ ...basis, model, messages: [question], stream })
          if (Symbol.asyncIterator in answer) await collected(answer)
        })
      const overloaded = yield* ask("503", false)
      assert.deepStrictEqual([overloaded.status, overloaded.type], [529, "overloaded_error"])
      assert.match(overloaded.requestID ?? "", /^req_/)
      const limited = yield* ask("429-retry-after-ms-50", true)
      assert.deepStrictEqual([limited.status, limited.headers?.get("retry-after-ms")], [429, "50"])
      const midway = yield* ask("error-event-after-2", true)
      assert.deepStrictEqual([midway.status, midway.type], [undefined, "overloaded_error"])
    }),
  )
})
