import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import { Stream } from "@understudy/providers/protocols/messages"
import * as Result from "effect/Result"

type Body = { readonly type: string } & Record<string, unknown>

const decoder = () =>
  Stream.decoder(
    ({ message, type }) => new ProviderError({ reason: { _tag: "Overloaded" }, message: `${type}: ${message}` }),
  )

const decode = (...events: ReadonlyArray<Body>): ReadonlyArray<Chat.Part> => {
  const stream = decoder()
  return events.flatMap((body) => {
    const data = JSON.stringify(body)
    const result = stream.push({ event: body.type, data })
    if (result === undefined) return assert.fail("skipped")
    const frame = Result.getOrThrow(result)
    assert.deepStrictEqual(frame.native, { protocol: "messages", event: body.type, data })
    return frame.parts
  })
}

const start = (index: number, block: Record<string, unknown>) => ({
  type: "content_block_start",
  index,
  content_block: block,
})
const delta = (index: number, delta: Record<string, unknown>) => ({ type: "content_block_delta", index, delta })
const stop = (index: number) => ({ type: "content_block_stop", index })

describe("decoder", () => {
  it("reads a text from preamble to finish", () => {
    assert.deepStrictEqual(
      decode(
        {
          type: "message_start",
          message: {
            id: "msg_1",
            model: "claude-opus-5",
            usage: { input_tokens: 3, cache_read_input_tokens: 4, output_tokens: 1 },
          },
        },
        start(0, { type: "text", text: "" }),
        { type: "ping" },
        delta(0, { type: "text_delta", text: "Hel" }),
        delta(0, { type: "text_delta", text: "lo" }),
        delta(0, { type: "citations_delta", citation: {} }),
        stop(0),
        {
          type: "message_delta",
          delta: { stop_reason: "stop_sequence", stop_sequence: "END" },
          usage: { output_tokens: 9, input_tokens: null },
        },
        { type: "message_stop" },
        { type: "an_event_of_a_later_api" },
      ),
      [
        { type: "start", id: "msg_1", model: "claude-opus-5" },
        { type: "usage", usage: { inputTokens: 7, outputTokens: 1, cachedInputTokens: 4 } },
        { type: "text", text: "Hel" },
        { type: "text", text: "lo" },
        { type: "usage", usage: { inputTokens: 7, outputTokens: 9, cachedInputTokens: 4 } },
        { type: "finish", reason: "stop", stopSequence: "END" },
      ],
    )
  })

  it("lets message_delta override what message_start counted", () => {
    const parts = decode(
      { type: "message_start", message: { usage: { input_tokens: 3, output_tokens: 1 } } },
      { type: "message_delta", delta: {}, usage: { input_tokens: 30, output_tokens: 0 } },
    )
    assert.deepStrictEqual(parts[2], { type: "usage", usage: { inputTokens: 30, outputTokens: 0 } })
    assert.lengthOf(parts, 3)
  })

  it("reads reasoning, signatures and redacted reasoning", () => {
    assert.deepStrictEqual(
      decode(
        start(0, { type: "thinking", thinking: "", signature: "" }),
        delta(0, { type: "thinking_delta", thinking: "Hm" }),
        delta(0, { type: "signature_delta", signature: "sig" }),
        stop(0),
        start(1, { type: "redacted_thinking", data: "enc" }),
      ),
      [
        { type: "reasoning", text: "Hm" },
        { type: "reasoning", text: "", signature: { issuer: "anthropic", value: "sig" } },
        { type: "reasoning", text: "", redacted: { issuer: "anthropic", value: "enc" } },
      ],
    )
  })

  it("numbers tool calls and gives each its arguments", () => {
    assert.deepStrictEqual(
      decode(
        start(0, { type: "text", text: "Look" }),
        start(1, { type: "server_tool_use", id: "srv_1", name: "web_search", input: {} }),
        delta(1, { type: "input_json_delta", partial_json: '{"q":1}' }),
        stop(1),
        start(2, { type: "tool_use", id: "toolu_1", name: "look", input: {} }),
        delta(2, { type: "input_json_delta", partial_json: "" }),
        delta(2, { type: "input_json_delta", partial_json: '{"x"' }),
        start(3, { type: "tool_use", id: "toolu_2", name: "wait", input: {} }),
        delta(2, { type: "input_json_delta", partial_json: ":1}" }),
        stop(2),
        stop(3),
        start(4, { type: "tool_use", id: "toolu_3", name: "at once", input: { y: 2 } }),
        stop(4),
      ),
      [
        { type: "text", text: "Look" },
        { type: "tool-call", index: 0, id: "toolu_1", name: "look" },
        { type: "tool-call-delta", index: 0, arguments: '{"x"' },
        { type: "tool-call", index: 1, id: "toolu_2", name: "wait" },
        { type: "tool-call-delta", index: 0, arguments: ":1}" },
        { type: "tool-call-delta", index: 1, arguments: "{}" },
        { type: "tool-call", index: 2, id: "toolu_3", name: "at once" },
        { type: "tool-call-delta", index: 2, arguments: '{"y":2}' },
      ],
    )
  })

  it("reads a refusal's explanation, and corrects the stop reason of a stream with a call", () => {
    const stop_details = { type: "refusal", category: null, explanation: "No." }
    assert.deepStrictEqual(decode({ type: "message_delta", delta: { stop_reason: "refusal", stop_details } }), [
      { type: "refusal", text: "No." },
      { type: "finish", reason: "refusal", stopSequence: undefined },
    ])
    const call = { type: "tool_use", id: "toolu_1", name: "look", input: {} }
    const ended = { type: "message_delta", delta: { stop_reason: "end_turn" } }
    assert.deepStrictEqual(decode(start(0, call), stop(0), ended).at(-1), {
      type: "finish",
      reason: "tool-calls",
      stopSequence: undefined,
    })
  })

  it("classifies an error event by the vendor's table", () => {
    const data = JSON.stringify({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } })
    const result = decoder().push({ event: "error", data })
    if (result === undefined) return assert.fail("skipped")
    assert.strictEqual(Result.getOrThrow(Result.flip(result)).message, "overloaded_error: Overloaded")
  })

  it("skips malformed events", () => {
    for (const data of [
      "",
      "{",
      "[DONE]",
      "[]",
      "{}",
      '{"type":"content_block_delta","index":0}',
      '{"type":"message_start"}',
    ]) {
      assert.isUndefined(decoder().push({ data }))
    }
  })
})
