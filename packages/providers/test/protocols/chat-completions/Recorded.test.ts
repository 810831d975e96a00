/** Documented streams of servers that speak the protocol, and their decoded content. */
import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import type { Reason } from "@understudy/core/ProviderError"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Errors from "@understudy/providers/internal/openai/Errors"
import { Stream } from "@understudy/providers/protocols/chat-completions"
import * as Result from "effect/Result"
import * as Streamed from "../Streamed.ts"

/** The decoded events, and the reason of the error they end in, if any. */
const play = (...events: ReadonlyArray<string>): { readonly answer: Chat.Response; readonly failure?: Reason } => {
  const decoder = Stream.decoder(
    (wire) => new ProviderError({ reason: Errors.reason(wire, wire.status), message: wire.message ?? "" }),
  )
  const parts: Array<Chat.Part> = []
  for (const data of events) {
    const result = decoder.push({ data })
    if (result === undefined) continue
    if (Result.isFailure(result)) return { answer: Streamed.fold(parts), failure: result.failure.reason }
    parts.push(...result.success.parts)
  }
  return { answer: Streamed.fold(parts) }
}

const look = (more: Partial<Chat.ToolCall>): Chat.ToolCall => ({
  type: "tool-call",
  id: "call_1",
  name: "get_weather",
  arguments: '{"city":"Paris"}',
  ...more,
})

describe("a stream", () => {
  it("of OpenAI has parallel calls and its usage", () => {
    const head = '{"id":"chatcmpl-9","object":"chat.completion.chunk","created":1,"model":"gpt-4o-2024-08-06"'
    const call = (index: number, more: string) =>
      `${head},"choices":[{"index":0,"delta":{"tool_calls":[{"index":${index},${more}}]},"finish_reason":null}],"usage":null}`
    const { answer } = play(
      `${head},"choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}],"usage":null}`,
      call(0, '"id":"call_a","type":"function","function":{"name":"get_weather","arguments":""}'),
      call(0, '"function":{"arguments":"{\\"city\\":"}'),
      call(0, '"function":{"arguments":"\\"Paris\\"}"}'),
      call(1, '"id":"call_b","type":"function","function":{"name":"get_time","arguments":""}'),
      call(1, '"function":{"arguments":"{}"}'),
      `${head},"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":null}`,
      `${head},"choices":[],"usage":{"prompt_tokens":80,"completion_tokens":30,"total_tokens":110,"prompt_tokens_details":{"cached_tokens":64},"completion_tokens_details":{"reasoning_tokens":0}}}`,
      "[DONE]",
    )
    assert.deepStrictEqual(answer, {
      id: "chatcmpl-9",
      model: "gpt-4o-2024-08-06",
      content: [look({ id: "call_a" }), look({ id: "call_b", name: "get_time", arguments: "{}" })],
      finishReason: "tool-calls",
      usage: { inputTokens: 80, outputTokens: 30, cachedInputTokens: 64, reasoningTokens: 0 },
    })
  })

  it("of DeepSeek starts with reasoning", () => {
    const chunk = (delta: string, finish = "null", more = "") =>
      `{"id":"d1","model":"deepseek-reasoner","choices":[{"index":0,"delta":${delta},"finish_reason":${finish}}]${more}}`
    const usage =
      ',"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":5,"completion_tokens_details":{"reasoning_tokens":5}}'
    const { answer } = play(
      chunk('{"role":"assistant","content":null,"reasoning_content":""}'),
      chunk('{"content":null,"reasoning_content":"Let me "}'),
      chunk('{"content":null,"reasoning_content":"see."}'),
      chunk('{"content":"4","reasoning_content":null}'),
      chunk('{"content":"","reasoning_content":null}', '"stop"', usage),
      "[DONE]",
    )
    assert.deepStrictEqual(answer.content, [
      { type: "reasoning", text: "Let me see." },
      { type: "text", text: "4" },
    ])
    assert.deepStrictEqual(answer.usage, {
      inputTokens: 9,
      outputTokens: 7,
      cachedInputTokens: 4,
      reasoningTokens: 5,
    })
  })

  it("of Claude behind OpenRouter has signed reasoning, and comments in between", () => {
    const chunk = (delta: string, finish = "null") =>
      `{"id":"gen-1","provider":"Anthropic","model":"anthropic/claude-sonnet-4.5","choices":[{"index":0,"delta":${delta},"finish_reason":${finish},"native_finish_reason":${finish}}]}`
    const detail = (more: string) =>
      `"reasoning_details":[{"type":"reasoning.text","format":"anthropic-claude-v1","index":0,${more}}]`
    const { answer } = play(
      chunk(`{"role":"assistant","content":"","reasoning":"Let me ",${detail('"text":"Let me "')}}`),
      chunk(`{"role":"assistant","content":"","reasoning":"see.",${detail('"text":"see."')}}`),
      chunk(`{"role":"assistant","content":"","reasoning":null,${detail('"signature":"EqQB"')}}`),
      chunk('{"role":"assistant","content":"4"}'),
      chunk('{"role":"assistant","content":""}', '"stop"'),
      "[DONE]",
    )
    assert.deepStrictEqual(answer.content, [
      { type: "reasoning", text: "Let me see.", signature: { issuer: "anthropic", value: "EqQB" } },
      { type: "text", text: "4" },
    ])
  })

  it("of Gemini's compatible server has a signed call in one piece, and ends with stop", () => {
    const { answer } = play(
      '{"id":"g1","model":"gemini-3-flash","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{\\"city\\":\\"Paris\\"}"},"extra_content":{"google":{"thought_signature":"AVSo"}}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}',
      "[DONE]",
    )
    assert.deepStrictEqual(answer.content, [look({ signature: { issuer: "google", value: "AVSo" } })])
    assert.strictEqual(answer.finishReason, "tool-calls")
  })

  it("of Mistral has reasoning in content chunks", () => {
    const chunk = (content: string, finish = "null") =>
      `{"id":"m1","model":"magistral-medium-latest","choices":[{"index":0,"delta":{"content":${content}},"finish_reason":${finish}}]}`
    const { answer } = play(
      chunk('[{"type":"thinking","thinking":[{"type":"text","text":"Let me "}]}]'),
      chunk('[{"type":"thinking","thinking":[{"type":"text","text":"see."}]}]'),
      chunk('[{"type":"text","text":"4"}]'),
      chunk('""', '"stop"'),
    )
    assert.deepStrictEqual(answer.content, [
      { type: "reasoning", text: "Let me see." },
      { type: "text", text: "4" },
    ])
  })

  it("of Azure starts with the prompt's filter results", () => {
    const { answer } = play(
      '{"id":"","object":"","created":0,"model":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}],"choices":[]}',
      '{"id":"a1","model":"gpt-4o","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"content_filter_results":{},"finish_reason":null}]}',
      '{"id":"a1","model":"gpt-4o","choices":[{"index":0,"delta":{},"content_filter_results":{},"finish_reason":"content_filter"}]}',
      "[DONE]",
    )
    assert.deepStrictEqual(answer, {
      id: "a1",
      model: "gpt-4o",
      content: [{ type: "text", text: "Hi" }],
      finishReason: "content-filter",
    })
  })

  it("may contain an error, as OpenRouter, vLLM and OpenAI send it", () => {
    const begun = '{"id":"1","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}'
    for (const [event, reason] of [
      [
        '{"id":"1","error":{"code":502,"message":"Provider disconnected"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}',
        "ServerError",
      ],
      ['{"error":{"message":"EngineCore died","type":"InternalServerError","param":null,"code":500}}', "ServerError"],
      ['{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}', "RateLimited"],
    ] as const) {
      const { answer, failure } = play(begun, event)
      assert.strictEqual(failure?._tag, reason, event)
      assert.deepStrictEqual(answer.content, [{ type: "text", text: "Hi" }])
    }
  })
})
