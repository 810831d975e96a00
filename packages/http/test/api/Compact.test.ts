/** Compaction of conversations, by `POST /v1/responses/compact` and by the trigger that Codex sends, with vendors of every protocol. */
import { assert, describe, it } from "@effect/vitest"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type OpenAI from "openai"
import * as TestGateway from "../TestGateway.ts"

const vendors: ReadonlyArray<TestGateway.Vendor> = ["openai", "responses", "anthropic", "bedrock", "gemini"]

const weather: OpenAI.Responses.FunctionTool = {
  type: "function",
  name: "weather",
  parameters: { type: "object", properties: { city: { type: "string" } } },
  strict: false,
}

const conversation = [
  { role: "user" as const, content: "What is the weather in Rome?" },
  { type: "function_call" as const, call_id: "call_1", name: "weather", arguments: '{"city":"Rome"}' },
  { type: "function_call_output" as const, call_id: "call_1", output: "21 °C" },
  { role: "assistant" as const, content: "21 °C." },
  { role: "user" as const, content: "Thank you." },
]

const trigger = { type: "compaction_trigger" } as const

type Gateway = Effect.Success<ReturnType<typeof TestGateway.make>>

const sent = ({ upstream }: Gateway) =>
  Effect.map(upstream.requests, (requests) => JSON.stringify(requests.at(-1)?.body))

for (const vendor of vendors) {
  describe(`compaction, answered by ${vendor}`, () => {
    it.live("gives the user's messages and a summary, which every vendor can read", () =>
      Effect.gen(function* () {
        const gateway = yield* TestGateway.make({ vendor })
        yield* gateway.upstream.script("primary", [Behavior.answer({ text: "Rome has 21 °C." })])
        const compacted = yield* Effect.promise(() =>
          gateway.client.responses.compact({ model: "assistant" as never, input: conversation }),
        )
        assert.strictEqual(compacted.object, "response.compaction")
        assert.deepStrictEqual(
          compacted.output.map(({ type }) => type),
          ["message", "message", "compaction"],
        )
        assert.isAbove(compacted.usage.output_tokens, 0)
        assert.include(yield* sent(gateway), "Summarize the conversation so far")
        for (const next of vendors) {
          const other = yield* TestGateway.make({ vendor: next })
          const input = [...compacted.output, { role: "user", content: "And in Oslo?" }]
          yield* Effect.promise(() =>
            other.client.responses.create({ model: "assistant", input: input as never, store: false }),
          )
          const body = yield* sent(other)
          assert.match(body, /Thank you\..*Summary of the conversation so far.*Rome has 21 °C\..*And in Oslo\?/)
          assert.notInclude(body, "understudy.summary")
        }
      }),
    )

    it.live("gives Codex exactly one item, complete and streamed, and calls no tool", () =>
      Effect.gen(function* () {
        const gateway = yield* TestGateway.make({ vendor })
        yield* gateway.upstream.script("primary", [Behavior.answer({ text: "Rome has 21 °C." })])
        const request = {
          model: "assistant",
          input: [...conversation, trigger] as never,
          tools: [weather],
          store: false,
        }
        const whole = yield* Effect.promise(() => gateway.client.responses.create(request))
        const streamed = yield* Effect.promise(() => gateway.client.responses.stream(request).finalResponse())
        for (const { output, status } of [whole, streamed]) {
          assert.strictEqual(status, "completed")
          assert.deepStrictEqual(
            output.map(({ type }) => type),
            ["compaction"],
          )
        }
        assert.notInclude(yield* sent(gateway), "compaction_trigger")
      }),
    )
  })
}

describe("compaction items", () => {
  const decode = (input: ReadonlyArray<unknown>) =>
    Result.getOrThrow(Responses.Request.decode({ model: "gpt-5", input, tools: [weather] }))

  it("of OpenAI are sent to OpenAI unchanged, and so is the trigger", () => {
    const input = [...conversation, { type: "compaction", encrypted_content: "gAAAA" }, trigger]
    assert.deepStrictEqual(Responses.Request.native(decode(input))?.["input"], input)
  })

  it("of OpenAI are named where another vendor cannot read them, which is told so", () => {
    const request = decode([{ type: "compaction", encrypted_content: "gAAAA" }, ...conversation])
    assert.deepStrictEqual(request.droppedParams, ["compaction items of another provider"])
    assert.include(JSON.stringify(request.messages[0]), "only that provider can read it")
  })

  it("of the gateway are messages for OpenAI", () => {
    const item = Responses.Compaction.item("a", "All is well: ü.")
    const [first] = (Responses.Request.native(decode([item, ...conversation]))?.["input"] ??
      []) as ReadonlyArray<unknown>
    assert.deepStrictEqual(first, {
      type: "message",
      role: "user",
      content: "Summary of the conversation so far, which it replaces:\n\nAll is well: ü.",
    })
  })
})
