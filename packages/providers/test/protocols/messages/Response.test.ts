import { assert, describe, it } from "@effect/vitest"
import { Response } from "@understudy/providers/protocols/messages"
import * as Result from "effect/Result"

const message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-opus-5",
  content: [{ type: "text", text: "Hello" }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 3, output_tokens: 5 },
}

const decode = (more: Record<string, unknown>) => {
  const text = JSON.stringify({ ...message, ...more })
  const { native, ...rest } = Result.getOrThrow(Response.decode(text))
  assert.deepStrictEqual(native, { protocol: "messages", text, body: JSON.parse(text) })
  return rest
}

describe("decode", () => {
  it("reads an answer", () => {
    assert.deepStrictEqual(decode({}), {
      id: "msg_1",
      model: "claude-opus-5",
      content: [{ type: "text", text: "Hello" }],
      finish: "stop",
      usage: { inputTokens: 3, outputTokens: 5 },
    })
  })

  const citation = {
    type: "char_location",
    cited_text: "So",
    document_index: 0,
    document_title: "A",
    start_char_index: 0,
    end_char_index: 2,
  }

  it("reads every block, and leaves what the engine does not know to native", () => {
    assert.deepStrictEqual(
      decode({
        content: [
          { type: "thinking", thinking: "Hm", signature: "sig" },
          { type: "redacted_thinking", data: "enc" },
          { type: "text", text: "So", citations: [citation] },
          { type: "server_tool_use", id: "srv_1", name: "web_search", input: {} },
          { type: "tool_use", id: "toolu_1", name: "look", input: { x: 1 } },
        ],
        stop_reason: "tool_use",
      }).content,
      [
        { type: "reasoning", text: "Hm", signature: { issuer: "anthropic", value: "sig" } },
        { type: "reasoning", text: "", redacted: { issuer: "anthropic", value: "enc" } },
        {
          type: "text",
          text: "So",
          citations: [
            {
              source: { type: "document", index: 0, title: "A" },
              quote: "So",
              range: { unit: "character", start: 0, end: 2 },
              vendor: { messages: citation },
            },
          ],
        },
        { type: "tool-call", id: "toolu_1", name: "look", arguments: '{"x":1}' },
      ],
    )
  })

  it("takes an empty answer with a stop reason for an answer", () => {
    assert.deepStrictEqual(decode({ content: [] }).content, [])
  })

  it("keeps every stop reason what it is", () => {
    const finishes = {
      end_turn: "stop",
      stop_sequence: "stop",
      max_tokens: "length",
      model_context_window_exceeded: "length",
      tool_use: "tool-calls",
      refusal: "refusal",
      pause_turn: "pause",
      a_later_word: "other",
    }
    for (const [reason, finish] of Object.entries(finishes)) {
      assert.strictEqual(decode({ stop_reason: reason }).finish, finish)
    }
    assert.strictEqual(decode({ stop_reason: null }).finish, "other")
    assert.strictEqual(decode({ stop_reason: "stop_sequence", stop_sequence: "END" }).stopSequence, "END")
  })

  it("keeps the details of a refusal", () => {
    const details = { type: "refusal", category: "cyber", explanation: "No." }
    assert.deepStrictEqual(decode({ stop_reason: "refusal", stop_details: details }).vendor, {
      messages: { stop_details: details },
    })
  })

  it("counts cached tokens in the input, and zeros as zeros", () => {
    assert.deepStrictEqual(
      decode({
        usage: {
          input_tokens: 3,
          cache_read_input_tokens: 100,
          cache_creation_input_tokens: 0,
          output_tokens: 50,
          output_tokens_details: { thinking_tokens: 40 },
        },
      }).usage,
      { inputTokens: 103, outputTokens: 50, cachedInputTokens: 100, cacheWriteTokens: 0, reasoningTokens: 40 },
    )
  })

  it("calls what is not a message malformed", () => {
    for (const text of ["", "{", "null", "[]", "{}", '{"content":"Hello"}', "<html>"]) {
      const error = Result.getOrThrow(Result.flip(Response.decode(text)))
      assert.strictEqual(error.reason._tag, "Malformed")
    }
  })
})
