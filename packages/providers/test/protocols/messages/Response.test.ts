import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { Response } from "@understudy/providers/protocols/messages"
import * as Result from "effect/Result"
import * as Conversation from "./Conversation.ts"

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

const answering = { id: "1", created: 17, request: { model: "assistant", messages: [] } }

const encode = (response: Partial<Chat.Response>) =>
  Response.encode({ content: [{ type: "text", text: "Hi" }], finishReason: "stop", ...response }, answering)

/** Other vendors' values are tagged; upstreams have none. */
const unsealed = ({ content, ...rest }: Chat.Response): Chat.Response => ({
  ...rest,
  content: content.filter(
    (part) => part.type !== "reasoning" || (part.signature ?? part.redacted)?.issuer === "anthropic",
  ),
})

describe("a round trip", () => {
  it.prop("preserves everything the protocol supports", [Conversation.response], ([response]) => {
    const told = unsealed(response)
    const {
      native,
      vendor: _,
      ...decoded
    } = Result.getOrThrow(Response.decode(JSON.stringify(Response.encode(told, answering))))
    assert.strictEqual(native?.protocol, "messages")
    assert.deepStrictEqual(decoded, told)
  })
})

describe("encode", () => {
  it("writes a minimal body", () => {
    assert.deepStrictEqual(encode({}), {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "assistant",
      content: [{ type: "text", text: "Hi" }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: { input_tokens: 0, output_tokens: 0 },
    })
  })

  it("tags encrypted reasoning, and writes call ids that every vendor accepts", () => {
    const { content } = encode({
      content: [
        { type: "text", text: "" },
        { type: "reasoning", text: "Hm", signature: { issuer: "google", value: "sig" } },
        { type: "reasoning", text: "Unsealed" },
        {
          type: "tool-call",
          id: "call:1",
          name: "look",
          arguments: "no JSON",
          signature: { issuer: "google", value: "s" },
        },
      ],
    })
    const [sealed, unsealed, call] = content as ReadonlyArray<Record<string, unknown>>
    assert.deepStrictEqual(sealed, { type: "thinking", thinking: "Hm", signature: "understudy.google.sig" })
    assert.deepStrictEqual(unsealed, { type: "thinking", thinking: "Unsealed", signature: "" })
    assert.match(String(call?.["id"]), /^[\w-]+$/)
    assert.deepStrictEqual(call?.["input"], { INVALID_JSON: "no JSON" })
  })

  it("keeps every stop reason", () => {
    const reason = (response: Partial<Chat.Response>) => encode(response)["stop_reason"]
    const call: Chat.ToolCall = { type: "tool-call", id: "1", name: "look", arguments: "{}" }
    assert.deepStrictEqual(
      (["stop", "length", "tool-calls", "content-filter", "refusal", "pause", "other"] as const).map((finish) =>
        reason({ finishReason: finish }),
      ),
      ["end_turn", "max_tokens", "tool_use", "refusal", "refusal", "pause_turn", "end_turn"],
    )
    assert.strictEqual(reason({ content: [call] }), "tool_use")
    assert.strictEqual(reason({ content: [{ type: "refusal", text: "No" }] }), "refusal")
    assert.deepStrictEqual(encode({ stopSequence: "END" })["stop_sequence"], "END")
  })
})

describe("decode", () => {
  it("reads a response", () => {
    assert.deepStrictEqual(decode({}), {
      id: "msg_1",
      model: "claude-opus-5",
      content: [{ type: "text", text: "Hello" }],
      finishReason: "stop",
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

  it("reads every block, and leaves unknown ones to native", () => {
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

  it("accepts an empty response with a stop reason", () => {
    assert.deepStrictEqual(decode({ content: [] }).content, [])
  })

  it("keeps each stop reason", () => {
    const finishes = {
      end_turn: "stop",
      stop_sequence: "stop",
      max_tokens: "length",
      model_context_window_exceeded: "length",
      refusal: "refusal",
      pause_turn: "pause",
      a_later_word: "other",
    }
    for (const [reason, finish] of Object.entries(finishes)) {
      assert.strictEqual(decode({ stop_reason: reason }).finishReason, finish)
    }
    assert.strictEqual(decode({ stop_reason: null }).finishReason, "other")
    assert.strictEqual(decode({ stop_reason: "stop_sequence", stop_sequence: "END" }).stopSequence, "END")
  })

  it("corrects the stop reason of a response with a call", () => {
    const call = { type: "tool_use", id: "toolu_1", name: "look", input: {} }
    assert.strictEqual(decode({ content: [call], stop_reason: "max_tokens" }).finishReason, "length")
    const text = JSON.stringify({ ...message, content: [call], later: 1 })
    const { finishReason, native } = Result.getOrThrow(Response.decode(text))
    assert.strictEqual(finishReason, "tool-calls")
    assert.strictEqual(native?.text, text.replace('"end_turn"', '"tool_use"'))
  })

  it("completes the usage that SDKs rely on, and leaves the rest as written", () => {
    const { usage: _usage, ...rest } = message
    for (const usage of ["", ',"usage":null', ',"usage":{}', ',"usage":{"output_tokens":5}']) {
      const text = `${JSON.stringify(rest).slice(0, -1)},"later":1e400${usage}}`
      const { native } = Result.getOrThrow(Response.decode(text))
      assert.include(native?.text, '"later":1e400')
      const told = JSON.parse(native?.text.replace("1e400", "0") ?? "")
      assert.deepStrictEqual(told.usage, { input_tokens: 0, output_tokens: usage.includes("5") ? 5 : 0 })
    }
  })

  it("keeps the explanation and the details of a refusal", () => {
    const details = { type: "refusal", category: "cyber", explanation: "No." }
    const { content, vendor } = decode({ content: [], stop_reason: "refusal", stop_details: details })
    assert.deepStrictEqual(content, [{ type: "refusal", text: "No." }])
    assert.deepStrictEqual(vendor, { messages: { stop_details: details } })
  })

  it("counts cached tokens as input, and zeros as zeros", () => {
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

  it("is Malformed if it is not a message", () => {
    for (const text of ["", "{", "null", "[]", "{}", '{"content":"Hello"}', "<html>"]) {
      const error = Result.getOrThrow(Result.flip(Response.decode(text)))
      assert.strictEqual(error.reason._tag, "Malformed")
    }
  })
})
