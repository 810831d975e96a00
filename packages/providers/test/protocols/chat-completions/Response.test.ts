import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { Response } from "@understudy/providers/protocols/chat-completions"
import * as Result from "effect/Result"
import * as Returned from "../Returned.ts"
import * as Conversation from "./Conversation.ts"

const identity = { id: "1", created: 1, request: { model: "gpt-5.6", messages: [] } }

const decode = (body: unknown) => Result.getOrThrow(Response.decode(JSON.stringify(body)))

const message = (message: Record<string, unknown>, finish: string | null = "stop") => {
  const { native: _native, ...response } = decode({ choices: [{ index: 0, message, finish_reason: finish }] })
  return response
}

/** The encoded finish reason. */
const finish = (reason: string | null) => message({ content: "Hi" }, reason).finishReason

/** The encoded content of these parts. */
const content = (...content: ReadonlyArray<Chat.AssistantContent>) => {
  const [choice] = Response.encode({ content, finishReason: "stop" }, identity)["choices"] as ReadonlyArray<{
    readonly message: Record<string, unknown>
  }>
  return choice?.message["content"]
}

describe("a round trip", () => {
  it.prop("preserves everything the protocol supports", [Conversation.response], ([response]) => {
    const { native, ...decoded } = decode(Response.encode(response, identity))
    assert.strictEqual(native?.protocol, "chat-completions")
    assert.deepStrictEqual(Returned.response(decoded), response)
  })
})

describe("decode", () => {
  it("reads a response, and keeps it as native", () => {
    const body = {
      id: "chatcmpl-1",
      model: "gpt-4o-2024-08-06",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Hi", refusal: null, annotations: [], tool_calls: [] },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: {
        prompt_tokens: 9,
        completion_tokens: 3,
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
      of_a_later_api: true,
    }
    const text = JSON.stringify(body, null, 2)
    assert.deepStrictEqual(Result.getOrThrow(Response.decode(text)), {
      id: "chatcmpl-1",
      model: "gpt-4o-2024-08-06",
      content: [{ type: "text", text: "Hi" }],
      finishReason: "stop",
      usage: { inputTokens: 9, outputTokens: 3, cachedInputTokens: 0, reasoningTokens: 2 },
      native: { protocol: "chat-completions", text, body },
    })
  })

  it("reads the stop sequence if the server reports it", () => {
    const told = (more: object) => decode({ choices: [{ message: { content: "Hi" }, finish_reason: "stop", ...more }] })
    assert.strictEqual(told({ stop_reason: "END" }).stopSequence, "END")
    assert.strictEqual(told({ matched_stop: "END" }).stopSequence, "END")
    assert.notProperty(told({ stop_reason: 128009 }), "stopSequence")
  })

  it("accepts an empty text with a finish reason", () => {
    assert.deepStrictEqual(message({ content: "" }), { content: [], finishReason: "stop" })
    assert.deepStrictEqual(message({ content: null }, "length"), { content: [], finishReason: "length" })
  })

  it("reads reasoning, and calls as compatible servers write them", () => {
    assert.deepStrictEqual(
      message(
        {
          content: null,
          reasoning: "Hm",
          tool_calls: [
            { id: "", function: { name: "look", arguments: { up: true } } },
            { id: "2", type: "function", function: { name: "wait", arguments: "" } },
            { id: "3", type: "custom", custom: { name: "run", input: "ls" } },
          ],
        },
        "tool_calls",
      ),
      {
        content: [
          { type: "reasoning", text: "Hm" },
          { type: "tool-call", id: "call_0", name: "look", arguments: '{"up":true}' },
          { type: "tool-call", id: "2", name: "wait", arguments: "{}" },
          { type: "tool-call", id: "3", name: "run", arguments: "ls", custom: true },
        ],
        finishReason: "tool-calls",
      },
    )
  })

  it("corrects the finish reason of a response with calls", () => {
    const tool_calls = [{ id: "1", type: "function", function: { name: "look", arguments: "{}" } }]
    assert.strictEqual(message({ tool_calls }, "stop").finishReason, "tool-calls")
    assert.strictEqual(message({ tool_calls }, "length").finishReason, "length")
    const call = { type: "tool-call", id: "call_0_c1", name: "look", arguments: "{}" }
    const choice = { message: { function_call: { name: "look", arguments: "{}" } }, finish_reason: "function_call" }
    const { content, finishReason } = decode({ id: "c1", choices: [choice] })
    assert.deepStrictEqual({ content, finish: finishReason }, { content: [call], finish: "tool-calls" })
  })

  it("reads encrypted reasoning, and signatures of calls", () => {
    const { content } = message({
      content: "So",
      reasoning: "Hm",
      reasoning_details: [
        { type: "reasoning.text", text: "Hm", signature: "sig", format: "anthropic-claude-v1", index: 0 },
        { type: "of_a_later_api" },
      ],
      tool_calls: [
        {
          id: "1",
          function: { name: "look", arguments: "{}" },
          extra_content: { google: { thought_signature: "g" } },
        },
      ],
    })
    assert.deepStrictEqual(content, [
      { type: "reasoning", text: "Hm", signature: { issuer: "anthropic", value: "sig" } },
      { type: "text", text: "So" },
      { type: "tool-call", id: "1", name: "look", arguments: "{}", signature: { issuer: "google", value: "g" } },
    ])
  })

  it("reads Mistral's chunks, and skips unknown ones", () => {
    const thinking = [{ type: "text", text: "Hm" }]
    const content = [{ type: "thinking", thinking }, { type: "text", text: "So" }, { type: "reference" }]
    assert.deepStrictEqual(message({ content }).content, [
      { type: "reasoning", text: "Hm" },
      { type: "text", text: "So" },
    ])
  })

  it("reads every server's usage", () => {
    const usage = (usage: unknown) => decode({ choices: [{ message: { content: "Hi" } }], usage }).usage
    const counted = { prompt_tokens: 9, completion_tokens: 3, completion_tokens_details: { reasoning_tokens: 2 } }
    assert.deepStrictEqual(usage({ ...counted, total_tokens: 12 }), {
      inputTokens: 9,
      outputTokens: 3,
      reasoningTokens: 2,
    })
    // xAI's count: in addition to the completion.
    assert.deepStrictEqual(usage({ ...counted, total_tokens: 14 })?.outputTokens, 5)
    assert.deepStrictEqual(usage({ ...counted, prompt_cache_hit_tokens: 4 })?.cachedInputTokens, 4)
  })

  it("reads a transcript, and its audio's id", () => {
    assert.deepStrictEqual(message({ content: null, audio: { id: "audio_1", data: "AAAA", transcript: "Hi" } }), {
      content: [
        { type: "text", text: "Hi" },
        { type: "audio", source: { type: "id", id: "audio_1" } },
      ],
      finishReason: "stop",
    })
  })

  it("keeps every finish reason", () => {
    assert.deepStrictEqual(["stop", "length", "content_filter", "new", null].map(finish), [
      "stop",
      "length",
      "content-filter",
      "other",
      "other",
    ])
  })

  it("is Malformed without choices", () => {
    for (const [text, words] of [
      ["", "not a JSON object"],
      ["<html>", "not a JSON object"],
      ['{"id":', "not a JSON object"],
      ["[]", "not a JSON object"],
      ["{}", "no choices"],
      ['{"choices":[]}', "no choices"],
      ['{"choices":[{"finish_reason":"stop"}]}', "no choices"],
      ['{"choices":[{"message":{"content":null},"finish_reason":null}]}', "no choices"],
      ['{"error":{"message":"Try later"}}', "Try later"],
    ] as const) {
      const error = Result.getOrThrow(Result.flip(Response.decode(text)))
      assert.strictEqual(error.reason._tag, "Malformed")
      assert.include(error.message, words)
    }
  })
})

describe("encode", () => {
  it("is a chat.completion", () => {
    assert.deepStrictEqual(
      Response.encode(
        {
          content: [
            { type: "text", text: "So" },
            { type: "text", text: "!", citations: [{ source: { type: "document", index: 0 } }] },
          ],
          finishReason: "stop",
          usage: { inputTokens: 2, outputTokens: 3 },
        },
        identity,
      ),
      {
        id: "chatcmpl-1",
        object: "chat.completion",
        created: 1,
        model: "gpt-5.6",
        choices: [
          {
            index: 0,
            message: { role: "assistant", content: "So!", refusal: null },
            logprobs: null,
            finish_reason: "stop",
          },
        ],
        usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
      },
    )
  })

  it("writes citations with positions in the complete text", () => {
    const cited = (text: string, citation: Partial<Chat.Citation>): Chat.Text => ({
      type: "text",
      text,
      citations: [{ source: { type: "url", url: "https://a.example" }, ...citation }],
    })
    const { choices } = Response.encode(
      { content: [cited("One.", {}), cited("Two.", { supports: { start: 1, end: 3 } })], finishReason: "stop" },
      identity,
    ) as { readonly choices: ReadonlyArray<{ readonly message: { readonly annotations: unknown } }> }
    const annotation = (start_index: number, end_index: number) => ({
      type: "url_citation",
      url_citation: { url: "https://a.example", title: "https://a.example", start_index, end_index },
    })
    assert.deepStrictEqual(choices[0]?.message.annotations, [annotation(0, 4), annotation(5, 7)])
  })

  it("uses function_call for older clients", () => {
    const native = { protocol: "chat-completions", body: { functions: [{ name: "look" }] } }
    const { choices } = Response.encode(
      { content: [{ type: "tool-call", id: "1", name: "look", arguments: "{}" }], finishReason: "tool-calls" },
      { ...identity, request: { ...identity.request, native } },
    )
    assert.deepStrictEqual(choices, [
      {
        index: 0,
        message: {
          role: "assistant",
          content: null,
          refusal: null,
          function_call: { name: "look", arguments: "{}" },
        },
        logprobs: null,
        finish_reason: "function_call",
      },
    ])
  })

  it("writes a string or null as content", () => {
    assert.strictEqual(content(), "")
    assert.isNull(content({ type: "tool-call", id: "1", name: "look", arguments: "{}" }))
    assert.isNull(content({ type: "refusal", text: "No" }))
  })

  it("writes the protocol's four finish reasons", () => {
    assert.deepStrictEqual(
      (["stop", "length", "tool-calls", "content-filter", "refusal", "pause", "other"] as const).map((reason) =>
        Response.encodeFinish(reason, false),
      ),
      ["stop", "length", "tool_calls", "content_filter", "content_filter", "length", "stop"],
    )
  })
})
