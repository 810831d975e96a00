import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { Response } from "@understudy/providers/protocols/converse"
import * as Result from "effect/Result"

const decode = (body: unknown) => Result.getOrThrow(Response.decode(JSON.stringify(body)))
const answer = (content: ReadonlyArray<unknown>, rest: Readonly<Record<string, unknown>> = {}) => ({
  output: { message: { role: "assistant", content } },
  stopReason: "end_turn",
  ...rest,
})

const citation = {
  title: "A",
  sourceContent: [{ text: "It " }, { text: "is." }],
  location: { documentPage: { documentIndex: 1, start: 2, end: 3 } },
}

const cited = {
  source: { type: "document", index: 1, title: "A" },
  range: { unit: "page", start: 2, end: 3 },
  quote: "It is.",
  vendor: { converse: citation },
} as const

describe("a response", () => {
  it("is decoded, and kept as native", () => {
    const body = answer(
      [
        { reasoningContent: { reasoningText: { text: "Hm.", signature: "sig" } } },
        { reasoningContent: { redactedContent: "c2VjcmV0" } },
        { text: "Let me look." },
        { citationsContent: { content: [{ text: "It is " }, { text: "so." }], citations: [citation] } },
        { toolUse: { toolUseId: "t1", name: "look", input: { where: "there" } } },
        { toolUse: { toolUseId: "t2", name: "wait", input: {} } },
        { toolUse: { toolUseId: "s1", name: "search", input: {}, type: "server_tool_use" } },
        { somethingNew: {} },
      ],
      {
        stopReason: "tool_use",
        usage: {
          inputTokens: 10,
          outputTokens: 5,
          totalTokens: 1115,
          cacheReadInputTokens: 1000,
          cacheWriteInputTokens: 100,
        },
        metrics: { latencyMs: 3 },
      },
    )
    const text = JSON.stringify(body)
    assert.deepStrictEqual(Result.getOrThrow(Response.decode(text)), {
      content: [
        { type: "reasoning", text: "Hm.", signature: { issuer: "anthropic", value: "sig" } },
        { type: "reasoning", text: "", redacted: { issuer: "anthropic", value: "c2VjcmV0" } },
        { type: "text", text: "Let me look." },
        { type: "text", text: "It is so.", citations: [cited] },
        { type: "tool-call", id: "t1", name: "look", arguments: '{"where":"there"}' },
        { type: "tool-call", id: "t2", name: "wait", arguments: "{}" },
      ],
      finishReason: "tool-calls",
      usage: { inputTokens: 1110, outputTokens: 5, cachedInputTokens: 1000, cacheWriteTokens: 100 },
      native: { protocol: "converse", text, body },
    })
  })

  it("has tool calls whatever its stop reason, and a guardrail's trace", () => {
    const trace = { guardrail: { actionReason: "Guardrail blocked." } }
    assert.strictEqual(decode(answer([{ toolUse: { toolUseId: "t1", name: "look" } }])).finishReason, "tool-calls")
    const { finishReason, vendor } = decode(answer([{ text: "Sorry" }], { stopReason: "guardrail_intervened", trace }))
    assert.deepStrictEqual(
      { finish: finishReason, vendor },
      { finish: "content-filter", vendor: { converse: { trace } } },
    )
  })

  it("may be empty, and without usage", () => {
    const { content, finishReason: finish, usage } = decode(answer([]))
    assert.deepStrictEqual({ content, finish, usage }, { content: [], finish: "stop", usage: undefined })
    assert.deepStrictEqual(decode(answer([{ text: "" }])).content, [{ type: "text", text: "" }])
  })

  it("has a finish reason", () => {
    const reasons: ReadonlyArray<readonly [string | undefined, Chat.FinishReason]> = [
      ["end_turn", "stop"],
      ["stop_sequence", "stop"],
      ["max_tokens", "length"],
      ["model_context_window_exceeded", "length"],
      ["guardrail_intervened", "content-filter"],
      ["content_filtered", "content-filter"],
      ["a_later_word", "other"],
      [undefined, "other"],
    ]
    for (const [stopReason, finish] of reasons)
      assert.strictEqual(decode(answer([], { stopReason })).finishReason, finish)
    assert.strictEqual(
      decode(answer([], { stopReason: "stop_sequence", additionalModelResponseFields: { stop_sequence: "END" } }))
        .stopSequence,
      "END",
    )
    // Other models do not report it.
    assert.strictEqual(decode(answer([], { stopReason: "stop_sequence" })).stopSequence, "")
  })

  it("is Malformed without content", () => {
    for (const text of ["", "<html>", "null", "{}", '{"output":{}}', '{"output":{"message":{"content":"Hi"}}}']) {
      assert.strictEqual(Result.getOrThrow(Result.flip(Response.decode(text))).reason._tag, "Malformed", text)
    }
  })
})
