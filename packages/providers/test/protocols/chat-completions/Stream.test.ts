import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import { Stream } from "@understudy/providers/protocols/chat-completions"
import * as Result from "effect/Result"

type Body = Record<string, unknown>

const decoder = () =>
  Stream.decoder(
    ({ code, message, type }) =>
      new ProviderError({ reason: { _tag: "Overloaded" }, message: `${type}, ${code}: ${message}` }),
  )

const decode = (...chunks: ReadonlyArray<Body>): ReadonlyArray<Chat.Part> => {
  const stream = decoder()
  return chunks.flatMap((body) => {
    const data = JSON.stringify(body)
    const result = stream.push({ event: "message", data })
    if (result === undefined) return assert.fail("skipped")
    const frame = Result.getOrThrow(result)
    if (frame.native !== undefined) assert.deepStrictEqual(frame.native, { protocol: "chat-completions", data })
    return frame.parts
  })
}

const chunk = (delta: Body, more: Body = {}) => ({
  choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...more }],
  usage: null,
})

const call = (index: number | undefined, id: string | undefined, name: string | undefined, args: string) =>
  chunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: args } }] })

/** `0=a` opens call 0, `0:{` continues its arguments. */
const opened = (...chunks: ReadonlyArray<Body>) =>
  decode(...chunks).map((part) =>
    part.type === "tool-call"
      ? `${part.index}=${part.id}`
      : part.type === "tool-call-delta"
        ? `${part.index}:${part.arguments}`
        : part.type,
  )

const failure = (data: string, event = "message") => {
  const result = decoder().push({ event, data })
  if (result === undefined) return assert.fail("skipped")
  return Result.getOrThrow(Result.flip(result)).message
}

describe("decoder", () => {
  it("corrects the finish reason of a stream with calls, and completes their ids", () => {
    assert.deepStrictEqual(
      decode(
        { ...chunk({ tool_calls: [{ function: { name: "look", arguments: {} } }] }), id: "c1" },
        chunk({}, { finish_reason: "stop" }),
      ),
      [
        { type: "start", id: "c1", model: undefined },
        { type: "tool-call", index: 0, id: "call_0_c1", name: "look" },
        { type: "tool-call-delta", index: 0, arguments: "{}" },
        { type: "finish", reason: "tool-calls" },
      ],
    )
  })

  it("reads encrypted reasoning, citations, and custom tools' text", () => {
    const url_citation = { url: "https://a.example", title: "A", start_index: 0, end_index: 2 }
    assert.deepStrictEqual(
      decode(
        chunk({ reasoning: "H", reasoning_details: [{ type: "reasoning.text", text: "H", index: 0 }] }),
        chunk({
          reasoning_details: [{ type: "reasoning.text", signature: "sig", format: "anthropic-claude-v1", index: 0 }],
        }),
        chunk({
          content: [
            { type: "thinking", thinking: [{ type: "text", text: "Hm" }] },
            { type: "text", text: "So" },
          ],
        }),
        chunk({ annotations: [{ type: "url_citation", url_citation }] }),
        chunk({ tool_calls: [{ index: 0, id: "1", type: "custom", custom: { name: "run", input: "" } }] }),
        chunk({ tool_calls: [{ index: 0, custom: { input: "ls" } }] }),
        chunk({
          tool_calls: [
            {
              index: 1,
              id: "2",
              function: { name: "look", arguments: "{}" },
              extra_content: { google: { thought_signature: "g" } },
            },
          ],
        }),
      ),
      [
        { type: "reasoning", text: "H" },
        { type: "reasoning", text: "", signature: { issuer: "anthropic", value: "sig" } },
        { type: "reasoning", text: "Hm" },
        { type: "text", text: "So" },
        {
          type: "citation",
          citation: { source: { type: "url", url: "https://a.example", title: "A" }, supports: { start: 0, end: 2 } },
        },
        { type: "tool-call", index: 0, id: "1", name: "run", custom: true },
        { type: "tool-call-delta", index: 0, arguments: "ls" },
        { type: "tool-call", index: 1, id: "2", name: "look", signature: { issuer: "google", value: "g" } },
        { type: "tool-call-delta", index: 1, arguments: "{}" },
      ],
    )
  })

  it("reads a text from preamble to usage", () => {
    const logprobs = { content: [] }
    assert.deepStrictEqual(
      decode(
        { ...chunk({ role: "assistant", content: "", refusal: null }), id: "chatcmpl-1", model: "gpt-4o" },
        { ...chunk({ content: "Hel" }), id: "chatcmpl-1", model: "gpt-4o" },
        chunk({ content: "lo" }, { logprobs }),
        chunk({ a_field_of_a_later_api: 1 }),
        chunk({}, { finish_reason: "stop" }),
        { choices: [], usage: { prompt_tokens: 9, completion_tokens: 5 } },
      ),
      [
        { type: "start", id: "chatcmpl-1", model: "gpt-4o" },
        { type: "text", text: "Hel" },
        { type: "text", text: "lo", logprobs },
        { type: "finish", reason: "stop" },
        { type: "usage", usage: { inputTokens: 9, outputTokens: 5 } },
      ],
    )
  })

  it("reads reasoning, refusals and transcripts", () => {
    assert.deepStrictEqual(
      decode(
        chunk({ reasoning_content: "Hm" }),
        chunk({ reasoning: "Hm" }),
        chunk({ refusal: "No" }),
        chunk({ audio: { transcript: "Hi" } }),
        chunk({ audio: { data: "AAAA" } }),
      ),
      [
        { type: "reasoning", text: "Hm" },
        { type: "reasoning", text: "Hm" },
        { type: "refusal", text: "No" },
        { type: "text", text: "Hi" },
      ],
    )
  })

  it("keeps interleaved calls apart", () => {
    assert.deepStrictEqual(
      decode(
        call(0, "call_a", "look", ""),
        call(1, "call_b", "wait", ""),
        call(0, undefined, undefined, '{"x"'),
        call(1, undefined, undefined, "{"),
        call(0, undefined, undefined, ':"[DONE]"}'),
        call(1, undefined, undefined, "}"),
        chunk({}, { finish_reason: "tool_calls" }),
      ),
      [
        { type: "tool-call", index: 0, id: "call_a", name: "look" },
        { type: "tool-call", index: 1, id: "call_b", name: "wait" },
        { type: "tool-call-delta", index: 0, arguments: '{"x"' },
        { type: "tool-call-delta", index: 1, arguments: "{" },
        { type: "tool-call-delta", index: 0, arguments: ':"[DONE]"}' },
        { type: "tool-call-delta", index: 1, arguments: "}" },
        { type: "finish", reason: "tool-calls" },
      ],
    )
  })

  it("numbers calls itself, whatever the server's indexes", () => {
    // Counted from one, interleaved.
    assert.deepStrictEqual(
      opened(call(1, "a", "look", ""), call(2, "b", "look", ""), call(1, undefined, undefined, "1")),
      ["0=a", "1=b", "0:1"],
    )
    // One index for every call.
    assert.deepStrictEqual(opened(call(0, "a", "look", "1"), call(0, "b", "look", "2")), ["0=a", "0:1", "1=b", "1:2"])
    // None, with the id in each piece or only in the first.
    assert.deepStrictEqual(
      opened(
        call(undefined, "a", "look", "1"),
        call(undefined, "b", "look", "2"),
        call(undefined, "a", undefined, "3"),
        call(undefined, undefined, undefined, "4"),
      ),
      ["0=a", "0:1", "1=b", "1:2", "0:3", "1:4"],
    )
    // Id and name in every piece, or an id made up for each.
    assert.deepStrictEqual(opened(call(0, "a", "look", "1"), call(0, "a", "look", "2")), ["0=a", "0:1", "0:2"])
    assert.deepStrictEqual(opened(call(0, "a", "look", "1"), call(0, "b", undefined, "2")), ["0=a", "0:1", "0:2"])
    // No ids at all.
    assert.deepStrictEqual(opened(call(0, "", "look", "1"), call(1, undefined, "look", "2")), [
      "0=call_0",
      "0:1",
      "1=call_1",
      "1:2",
    ])
  })

  it("gives a call without arguments an empty object", () => {
    assert.deepStrictEqual(decode(call(0, "call_a", "look", ""), chunk({}, { finish_reason: "tool_calls" })), [
      { type: "tool-call", index: 0, id: "call_a", name: "look" },
      { type: "tool-call-delta", index: 0, arguments: "{}" },
      { type: "finish", reason: "tool-calls" },
    ])
  })

  it("separates choices", () => {
    assert.deepStrictEqual(
      decode(
        chunk({ content: "One" }),
        chunk({ content: "Two" }, { index: 1 }),
        chunk({ tool_calls: [{ index: 0, id: "a", function: { name: "look", arguments: "{}" } }] }, { index: 1 }),
        chunk({}, { index: 1, finish_reason: "length" }),
        chunk({}, { finish_reason: "stop" }),
      ),
      [
        { type: "text", text: "One" },
        { type: "text", text: "Two", choice: 1 },
        { type: "tool-call", index: 0, id: "a", name: "look", choice: 1 },
        { type: "tool-call-delta", index: 0, arguments: "{}", choice: 1 },
        { type: "finish", reason: "length", choice: 1 },
        { type: "finish", reason: "stop" },
      ],
    )
  })

  it("reads the stop sequence if the server reports it", () => {
    const told = (more: Body) => decode(chunk({}, { finish_reason: "stop", ...more })).at(-1)
    const finish = { type: "finish", reason: "stop" } as const
    assert.deepStrictEqual(told({ stop_reason: "END" }), { ...finish, stopSequence: "END" })
    assert.deepStrictEqual(told({ matched_stop: "END" }), { ...finish, stopSequence: "END" })
    for (const more of [{ stop_reason: null }, { stop_reason: 128009 }, { matched_stop: 2 }, {}]) {
      assert.deepStrictEqual(told(more), finish)
    }
  })

  it("ignores an empty finish reason", () => {
    assert.deepStrictEqual(decode(chunk({ content: "Hi" }, { finish_reason: "" })), [{ type: "text", text: "Hi" }])
  })

  it("classifies an error by the vendor's table, in every form", () => {
    assert.strictEqual(
      failure('{"error":{"message":"Busy","type":"server_error","code":"server_is_overloaded"}}'),
      "server_error, server_is_overloaded: Busy",
    )
    assert.strictEqual(failure('{"error":"Busy"}'), "undefined, undefined: Busy")
    assert.strictEqual(failure('{"object":"error","message":"Busy","type":"Internal"}'), "Internal, undefined: Busy")
    assert.strictEqual(failure('{"message":"Busy"}', "error"), "undefined, undefined: Busy")
    // OpenRouter sends a usage next to choices.
    assert.strictEqual(
      failure('{"error":{"message":"Busy"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}'),
      "undefined, undefined: Busy",
    )
  })

  it("skips [DONE] and malformed events", () => {
    for (const data of ["[DONE]", "", "{", '{"id":"chatcmpl-', "[]", "null", "{}", '{"choices":{}}']) {
      assert.isUndefined(decoder().push({ data }))
    }
    assert.deepStrictEqual(decode({ choices: [null, {}, { delta: null }, { delta: { tool_calls: [null] } }] }), [])
  })
})
