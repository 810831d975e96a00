import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import { Response } from "@understudy/providers/protocols/responses"
import * as Result from "effect/Result"
import * as Returned from "../Returned.ts"
import * as Conversation from "./Conversation.ts"

const identity = { id: "1", created: 17, request: { model: "assistant", messages: [] } as Chat.Request }

const classify = ({ code, message }: { readonly code: string | undefined; readonly message: string | undefined }) =>
  new ProviderError({ reason: { _tag: "Overloaded" }, message: `${code}: ${message}` })

const decode = (body: unknown) => Result.getOrThrow(Response.decode(JSON.stringify(body), classify))

const failure = (text: string) => Result.getOrThrow(Result.flip(Response.decode(text, classify)))

const answer = (content: Chat.Response["content"], finish: Chat.FinishReason = "stop", request = identity.request) =>
  Response.encode({ content, finishReason: finish }, { ...identity, request })

/** A documented response of a reasoning model. */
const documented = {
  id: "resp_68af4030592c81938ec0a5fbab4a3e9f05438e46b5f69a3b",
  object: "response",
  created_at: 1756315696,
  status: "completed",
  error: null,
  incomplete_details: null,
  model: "gpt-5-2025-08-07",
  output: [
    {
      id: "rs_68af4030baa48193b0b43b4c2a176a1a05438e46b5f69a3b",
      type: "reasoning",
      content: [],
      summary: [
        { type: "summary_text", text: "First." },
        { type: "summary_text", text: "Then." },
      ],
      encrypted_content: "gAAAAABo",
    },
    { id: "ws_1", type: "web_search_call", status: "completed", action: { type: "search", query: "theatre" } },
    {
      id: "msg_68af40337e58819392e935fb404414d005438e46b5f69a3b",
      type: "message",
      status: "completed",
      content: [
        {
          type: "output_text",
          text: "Under a quilt of moonlight",
          logprobs: [{ token: "Under", logprob: -1, bytes: [], top_logprobs: [] }],
          annotations: [
            { type: "url_citation", start_index: 0, end_index: 5, url: "https://a.example", title: "A" },
            { type: "file_citation", file_id: "file-1", filename: "b.pdf", index: 3 },
          ],
        },
      ],
      role: "assistant",
    },
    {
      id: "fc_1",
      type: "function_call",
      status: "completed",
      call_id: "call_1",
      name: "look",
      namespace: "crm",
      arguments: "{}",
    },
    { id: "ctc_1", type: "custom_tool_call", call_id: "call_2", name: "patch", input: "*** Begin Patch" },
  ],
  usage: {
    input_tokens: 36,
    input_tokens_details: { cached_tokens: 12 },
    output_tokens: 87,
    output_tokens_details: { reasoning_tokens: 64 },
    total_tokens: 123,
  },
}

/** Other vendors' values are tagged. */
const brought = (response: Chat.Response): Chat.Response => {
  const returned = Returned.response(response)
  return { ...returned, content: returned.content.map(Conversation.brought) }
}

describe("a round trip", () => {
  it.prop("preserves everything the protocol supports", [Conversation.response], ([response]) => {
    const { native, ...decoded } = decode(Response.encode(response, identity))
    assert.strictEqual(native?.protocol, "responses")
    assert.deepStrictEqual(brought(decoded), response)
  })
})

describe("decode", () => {
  it("completes calls that clients rely on, and keeps the rest as written", () => {
    const call = (call_id: string | undefined, json: string | null) => ({
      type: "function_call",
      id: "fc_1",
      name: "look",
      ...(call_id === undefined ? undefined : { call_id }),
      arguments: json,
    })
    const body = { id: "resp_1", output: [call("a", ""), call("a", '{"at":1}'), call(undefined, null)], big: 0 }
    const text = JSON.stringify(body).replace('"big":0', '"big":12345678901234567890')
    const { content, native } = Result.getOrThrow(Response.decode(text, classify))
    const sent = native?.text ?? assert.fail("none")
    assert.include(sent, '"big":12345678901234567890')
    const output: ReadonlyArray<Record<string, unknown>> = JSON.parse(sent).output
    assert.deepStrictEqual(
      output.map((item) => [item["call_id"], item["arguments"]]),
      [
        ["a", "{}"],
        ["a_1", '{"at":1}'],
        ["fc_1", "{}"],
      ],
    )
    assert.deepStrictEqual(
      content.map((part) => (part.type === "tool-call" ? [part.id, part.arguments] : [])),
      output.map((item) => [item["call_id"], item["arguments"]]),
    )
  })

  it("reads a response, and keeps it as native", () => {
    assert.deepStrictEqual(decode(documented), {
      id: documented.id,
      model: documented.model,
      content: [
        { type: "reasoning", text: "First.\n\nThen.", signature: { issuer: "openai", value: "gAAAAABo" } },
        {
          type: "text",
          text: "Under a quilt of moonlight",
          citations: [
            { source: { type: "url", url: "https://a.example", title: "A" }, supports: { start: 0, end: 5 } },
          ],
        },
        { type: "tool-call", id: "call_1", name: "crm__look", arguments: "{}" },
        { type: "tool-call", id: "call_2", name: "patch", arguments: "*** Begin Patch", custom: true },
      ],
      finishReason: "tool-calls",
      logprobs: { content: [{ token: "Under", logprob: -1, bytes: [], top_logprobs: [] }] },
      usage: { inputTokens: 36, outputTokens: 87, cachedInputTokens: 12, reasoningTokens: 64 },
      native: { protocol: "responses", text: JSON.stringify(documented), body: documented },
    })
  })

  it("keeps every finish reason", () => {
    const finish = (status: string, reason?: string) =>
      decode({ status, incomplete_details: reason === undefined ? null : { reason }, output: [] }).finishReason
    assert.strictEqual(finish("completed"), "stop")
    assert.strictEqual(finish("incomplete", "max_output_tokens"), "length")
    assert.strictEqual(finish("incomplete", "content_filter"), "content-filter")
    assert.strictEqual(finish("incomplete", "a reason of a later API"), "other")
    assert.strictEqual(decode({ output: [] }).finishReason, "stop")
    const refused = { type: "message", content: [{ type: "refusal", refusal: "No" }] }
    assert.strictEqual(decode({ status: "completed", output: [refused] }).finishReason, "refusal")
  })

  it("is Malformed if the response has not ended", () => {
    for (const status of ["queued", "in_progress", "incomplete", "a status of a later API", 1]) {
      const { message, reason } = failure(JSON.stringify({ status, incomplete_details: null, output: [] }))
      assert.strictEqual(reason._tag, "Malformed")
      assert.match(message, /status is|without a reason/)
    }
    assert.strictEqual(failure('{"status":"cancelled","output":[]}').reason._tag, "Overloaded")
  })

  it("classifies a failed response", () => {
    const failed = { status: "failed", error: { code: "server_error", message: "Sorry" }, output: [] }
    assert.deepInclude(failure(JSON.stringify(failed)), {
      reason: { _tag: "Overloaded" },
      message: "server_error: Sorry",
    })
  })

  it("is Malformed without an output", () => {
    for (const text of ["", "[]", "{}", '{"output":"none"}']) assert.strictEqual(failure(text).reason._tag, "Malformed")
  })
})

describe("encode", () => {
  it("writes every field that clients rely on", () => {
    assert.deepStrictEqual(
      Response.encode(
        {
          content: [{ type: "text", text: "Hi" }],
          finishReason: "stop",
          model: "claude",
          usage: { inputTokens: 9, outputTokens: 5 },
        },
        identity,
      ),
      {
        id: "resp_1",
        object: "response",
        created_at: 17,
        completed_at: 17,
        status: "completed",
        incomplete_details: null,
        error: null,
        model: "claude",
        output: [
          {
            id: "msg_understudy_1_0",
            type: "message",
            status: "completed",
            role: "assistant",
            content: [{ type: "output_text", text: "Hi", annotations: [], logprobs: [] }],
          },
        ],
        usage: {
          input_tokens: 9,
          input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
          output_tokens: 5,
          output_tokens_details: { reasoning_tokens: 0 },
          total_tokens: 14,
        },
        background: false,
        frequency_penalty: 0,
        instructions: null,
        max_output_tokens: null,
        max_tool_calls: null,
        metadata: {},
        parallel_tool_calls: true,
        presence_penalty: 0,
        previous_response_id: null,
        prompt_cache_key: null,
        reasoning: { effort: null, summary: null },
        safety_identifier: null,
        service_tier: "default",
        store: false,
        temperature: 1,
        text: { format: { type: "text" } },
        tool_choice: "auto",
        tools: [],
        top_logprobs: 0,
        top_p: 1,
        truncation: "disabled",
        user: null,
      },
    )
  })

  it("repeats the request's settings, except store", () => {
    const tools = [
      { type: "function", name: "look", description: "Looks.", parameters: { type: "object" }, strict: true },
      { type: "web_search" },
    ]
    const body = {
      model: "assistant",
      instructions: "Be brief.",
      tools,
      temperature: 0,
      text: { verbosity: "low" },
      store: true,
    }
    const request = { ...identity.request, native: { protocol: "responses", body } }
    assert.deepInclude(answer([], "stop", request), {
      instructions: "Be brief.",
      tools,
      temperature: 0,
      text: { format: { type: "text" }, verbosity: "low" },
      store: false,
    })
  })

  it("writes defaults for missing and null settings", () => {
    const nothing = { temperature: null, text: { format: null, verbosity: null }, reasoning: null, tool_choice: null }
    const more = { metadata: null, parallel_tool_calls: null, presence_penalty: null, top_logprobs: null }
    const tools = [{ type: "function", name: "look", strict: null }]
    const format = { type: "json_schema", name: "city", schema: { type: "object" } }
    const of = (body: Record<string, unknown>) => {
      return answer([], "stop", { ...identity.request, native: { protocol: "responses", body } })
    }
    assert.deepStrictEqual(of({ ...nothing, ...more }), of({}))
    assert.deepInclude(of({ tools, text: { format }, frequency_penalty: 0.5 }), {
      tools: [{ ...tools[0], description: null, parameters: null, strict: false }],
      text: { format: { ...format, description: null, strict: false } },
      frequency_penalty: 0.5,
    })
  })

  it("gives calls the client's own names, in their namespaces", () => {
    const tools = [{ type: "namespace", name: "crm", tools: [{ type: "function", name: "look" }] }]
    const request = { ...identity.request, native: { protocol: "responses", body: { tools } } }
    const { output } = answer(
      [{ type: "tool-call", id: "call_1", name: "crm__look", arguments: "{}" }],
      "tool-calls",
      request,
    )
    assert.deepStrictEqual(output, [
      {
        id: "fc_understudy_1_0",
        type: "function_call",
        status: "completed",
        call_id: "call_1",
        name: "look",
        namespace: "crm",
        arguments: "{}",
      },
    ])
  })

  it("keeps the finish reason", () => {
    const status = (finish: Chat.FinishReason, content: Chat.Response["content"] = [{ type: "text", text: "Hi" }]) => {
      const { incomplete_details: details, status } = answer(content, finish)
      return details === null ? status : [status, details]
    }
    assert.strictEqual(status("stop"), "completed")
    assert.strictEqual(status("tool-calls"), "completed")
    assert.strictEqual(status("other"), "completed")
    assert.strictEqual(status("refusal", [{ type: "refusal", text: "No" }]), "completed")
    for (const finish of ["refusal", "content-filter"] as const) {
      assert.deepStrictEqual(status(finish), ["incomplete", { reason: "content_filter" }])
    }
    assert.strictEqual(status("other"), "completed")
    for (const finish of ["length", "pause"] as const) {
      assert.deepStrictEqual(status(finish), ["incomplete", { reason: "max_output_tokens" }])
    }
  })

  it("marks a truncated item", () => {
    const { output } = answer(
      [
        { type: "text", text: "Whole" },
        { type: "tool-call", id: "a", name: "look", arguments: '{"ci' },
      ],
      "length",
    )
    assert.deepStrictEqual(
      (output as ReadonlyArray<{ readonly status: string }>).map(({ status }) => status),
      ["completed", "incomplete"],
    )
  })
})
