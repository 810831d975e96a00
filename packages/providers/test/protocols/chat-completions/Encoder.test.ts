import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import { Stream } from "@understudy/providers/protocols/chat-completions"
import * as ToolIds from "@understudy/providers/internal/protocols/ToolIds"
import * as Result from "effect/Result"
import * as Returned from "../Returned.ts"
import * as Streamed from "../Streamed.ts"
import * as Conversation from "./Conversation.ts"

const encoder = (includeUsage = false) => {
  const body = { stream_options: { include_usage: includeUsage } }
  const native = { protocol: "chat-completions", body }
  return Stream.encoder({ id: "1", created: 17, request: { model: "assistant", messages: [], native } })
}

/** The client's events: complete, each with its data. */
const read = (text: string): ReadonlyArray<unknown> => {
  assert.match(text, /^(?:data: [^\n]*\n\n)*$/)
  return text
    .split("\n\n")
    .slice(0, -1)
    .map((event) => (event === "data: [DONE]" ? "[DONE]" : JSON.parse(event.slice("data: ".length))))
}

const written = (frames: ReadonlyArray<Chat.Frame>, includeUsage = false) => {
  const stream = encoder(includeUsage)
  return read(frames.map(stream.push).join("") + stream.end())
}

const parts = (...parts: ReadonlyArray<Chat.Part>): ReadonlyArray<Chat.Frame> =>
  parts.map((part) => ({ parts: [part] }))

const chunk = (delta: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 17,
  model: "assistant",
  choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...more }],
})

const role = chunk({ role: "assistant", content: "" })

const usage: Chat.Usage = { inputTokens: 9, outputTokens: 5 }

/** Frames as decoded from an upstream's data. */
const native = (...data: ReadonlyArray<string>): ReadonlyArray<Chat.Frame> => {
  const decoder = Stream.decoder(() => new ProviderError({ reason: { _tag: "ServerError" }, message: "No" }))
  return data.flatMap((data) => {
    const result = decoder.push({ data })
    return result === undefined ? [] : [Result.getOrThrow(result)]
  })
}

const raw = (frames: ReadonlyArray<Chat.Frame>, includeUsage = false) => {
  const stream = encoder(includeUsage)
  return frames.map(stream.push).join("") + stream.end()
}

const sse = (...data: ReadonlyArray<string>) => data.map((data) => `data: ${data}\n\n`).join("")

describe("a round trip", () => {
  it.prop("preserves everything the protocol supports", [Conversation.response], ([response]) => {
    const frames = Streamed.frames(response)
    const stream = encoder(true)
    const text = frames.map(stream.push).join("") + stream.end()
    const data = text
      .split("\n\n")
      .slice(0, -1)
      .map((event) => event.slice("data: ".length))
    assert.deepStrictEqual(
      Streamed.fold(native(...data).flatMap(({ parts }) => parts.map(Returned.part))),
      Streamed.fold(frames.flatMap(({ parts }) => parts)),
    )
  })
})

describe("another protocol's frames", () => {
  it("become a role, deltas, a finish reason and [DONE]", () => {
    assert.deepStrictEqual(
      written(
        parts(
          { type: "usage", usage: { inputTokens: 9, outputTokens: 1 } },
          { type: "reasoning", text: "Hm" },
          { type: "reasoning", text: "", signature: { issuer: "anthropic", value: "sig" } },
          { type: "text", text: 'He"l' },
          { type: "text", text: "lo", logprobs: { content: [] } },
          { type: "refusal", text: "No" },
          { type: "tool-call", index: 0, id: "call_a", name: "look" },
          { type: "tool-call-delta", index: 0, arguments: '{"x":1}' },
          { type: "usage", usage },
          { type: "finish", reason: "tool-calls" },
        ),
      ),
      [
        role,
        chunk({ reasoning_content: "Hm", reasoning_details: [{ type: "reasoning.text", text: "Hm", index: 0 }] }),
        chunk({
          reasoning_details: [
            { type: "reasoning.text", text: "", signature: "sig", format: "anthropic-claude-v1", index: 0 },
          ],
        }),
        chunk({ content: 'He"l' }),
        chunk({ content: "lo" }, { logprobs: { content: [] } }),
        chunk({ refusal: "No" }),
        chunk({
          tool_calls: [{ index: 0, id: "call_a", type: "function", function: { name: "look", arguments: "" } }],
        }),
        chunk({ tool_calls: [{ index: 0, function: { arguments: '{"x":1}' } }] }),
        chunk({}, { finish_reason: "tool_calls" }),
        "[DONE]",
      ],
    )
  })

  it("have the call's id, and the response's model", () => {
    const [first] = written(
      parts({ type: "start", id: "msg_1", model: "claude" }, { type: "text", text: "Hi" }, { type: "start", id: "no" }),
    )
    assert.deepStrictEqual(first, { ...role, model: "claude" })
  })

  it("end with the usage if requested", () => {
    const answer = parts(
      { type: "text", text: "Hi" },
      { type: "finish", reason: "stop" },
      { type: "usage", usage: { inputTokens: 9, outputTokens: 1 } },
      { type: "usage", usage },
    )
    assert.deepStrictEqual(written(answer, true), [
      { ...role, usage: null },
      { ...chunk({ content: "Hi" }), usage: null },
      { ...chunk({}, { finish_reason: "stop" }), usage: null },
      { ...role, choices: [], usage: { prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 } },
      "[DONE]",
    ])
  })

  it("give each choice its role and its finish reason", () => {
    assert.deepStrictEqual(
      written(
        parts(
          { type: "text", text: "One" },
          { type: "text", text: "Two", choice: 1 },
          { type: "finish", reason: "length", choice: 1 },
          { type: "finish", reason: "stop" },
        ),
      ),
      [
        role,
        chunk({ content: "One" }),
        chunk({ role: "assistant", content: "" }, { index: 1 }),
        chunk({ content: "Two" }, { index: 1 }),
        chunk({}, { index: 1, finish_reason: "length" }),
        chunk({}, { finish_reason: "stop" }),
        "[DONE]",
      ],
    )
  })

  it("contain custom tools' text, and signatures in call ids", () => {
    const signature = { issuer: "google", value: "g" }
    const [, opened, text, other] = written(
      parts(
        { type: "tool-call", index: 0, id: "call_a", name: "run", custom: true },
        { type: "tool-call-delta", index: 0, arguments: "ls" },
        { type: "tool-call", index: 1, id: "call_b", name: "look", signature },
      ),
    )
    assert.deepStrictEqual(
      opened,
      chunk({ tool_calls: [{ index: 0, id: "call_a", type: "custom", custom: { name: "run", input: "" } }] }),
    )
    assert.deepStrictEqual(text, chunk({ tool_calls: [{ index: 0, custom: { input: "ls" } }] }))
    const id = ToolIds.write("call_b", signature)
    assert.deepStrictEqual(
      other,
      chunk({ tool_calls: [{ index: 1, id, type: "function", function: { name: "look", arguments: "" } }] }),
    )
  })

  it("have citations with positions in the complete text", () => {
    const source = { type: "url" as const, url: "https://a.example", title: "A" }
    const cited = (supports?: { readonly start: number; readonly end: number }): Chat.Part => ({
      type: "citation",
      citation: supports === undefined ? { source } : { source, supports },
    })
    const said = written(
      parts(
        { type: "text", text: "On" },
        { type: "text", text: "e." },
        cited(),
        { type: "text", text: "Two." },
        cited({ start: 1, end: 3 }),
        cited(),
      ),
    )
    const annotation = (start_index: number, end_index: number) =>
      chunk({
        annotations: [
          { type: "url_citation", url_citation: { url: "https://a.example", title: "A", start_index, end_index } },
        ],
      })
    assert.deepStrictEqual(said[3], annotation(0, 4))
    assert.deepStrictEqual(said.slice(5, 7), [annotation(5, 7), annotation(4, 8)])
  })

  it("have function_call for older clients", () => {
    const native = { protocol: "chat-completions", body: { functions: [] } }
    const stream = Stream.encoder({ id: "1", created: 17, request: { model: "assistant", messages: [], native } })
    const frames = parts(
      { type: "tool-call", index: 0, id: "a", name: "look" },
      { type: "tool-call-delta", index: 0, arguments: "{}" },
      { type: "tool-call", index: 1, id: "b", name: "look" },
      { type: "tool-call-delta", index: 1, arguments: "{}" },
      { type: "finish", reason: "tool-calls" },
    )
    assert.deepStrictEqual(read(frames.map(stream.push).join("") + stream.end()), [
      role,
      chunk({ function_call: { name: "look", arguments: "" } }),
      chunk({ function_call: { arguments: "{}" } }),
      chunk({}, { finish_reason: "function_call" }),
      "[DONE]",
    ])
  })

  it("may be empty", () => {
    assert.deepStrictEqual(written(parts({ type: "finish", reason: "stop" })), [
      role,
      chunk({}, { finish_reason: "stop" }),
      "[DONE]",
    ])
  })
})

describe("this protocol's frames", () => {
  const first = '{ "id":"x", "new":[1.0], "choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}'
  const text = '{"id":"x","choices":[{"index":0,"delta":{"content":"\\"role\\""}}],"usage":null}'
  const finish = '{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
  const count = '{"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}'

  it("are passed on unchanged", () => {
    assert.strictEqual(
      raw(native(first, text, finish, count, "[DONE]"), true),
      sse(first, text, finish, count, "[DONE]"),
    )
  })

  it("have no usage unless requested", () => {
    assert.strictEqual(raw(native(first, text, finish, count, "[DONE]")), sse(first, text, finish, "[DONE]"))
  })

  it("have the usage once, also from the last delta", () => {
    const both =
      '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}'
    assert.strictEqual(raw(native(first, text, both, "[DONE]"), true), sse(first, text, both, "[DONE]"))
  })

  it("get a missing [DONE]", () => {
    assert.strictEqual(raw(native(first, text, finish)), sse(first, text, finish, "[DONE]"))
  })

  it("get a missing role", () => {
    const [opening, ...rest] = read(raw(native(text, finish)))
    assert.deepStrictEqual(opening, { ...role, id: "x" })
    assert.deepStrictEqual(rest, [JSON.parse(text), JSON.parse(finish), "[DONE]"])
  })

  it("are recorded, so that another protocol's can follow", () => {
    const [, , more] = read(raw([...native(first, text), ...parts({ type: "text", text: "more" })]))
    assert.deepStrictEqual(more, { ...chunk({ content: "more" }), id: "x" })
  })
})

describe("fail", () => {
  it("writes the error, and no [DONE]", () => {
    const stream = encoder()
    stream.push({ parts: [{ type: "text", text: "Hi" }] })
    const error = { message: "Cut\nshort", type: "server_error", code: "stream_broken" }
    assert.deepStrictEqual(read(stream.fail({ ...error, status: 502, requestId: "r" })), [
      { error: { ...error, param: null, request_id: "r" } },
    ])
  })
})

describe("this protocol's frames, then another protocol's", () => {
  const head = (choices: string, usage = "") =>
    `{"id":"chatcmpl-9","object":"chat.completion.chunk","created":17,"model":"gpt-4o","choices":${choices}${usage}}`
  const begun = [
    head('[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]'),
    head('[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]'),
  ]
  const rest = parts({ type: "text", text: "lo" }, { type: "finish", reason: "stop" }, { type: "usage", usage })

  it("are one response: one id, one role, one finish reason, [DONE]", () => {
    const events = read(raw([...native(...begun), ...rest]))
    assert.strictEqual(events.at(-1), "[DONE]")
    const chunks = events.slice(0, -1) as ReadonlyArray<ReturnType<typeof chunk>>
    assert.deepStrictEqual([...new Set(chunks.map(({ id, model }) => `${id} ${model}`))], ["chatcmpl-9 gpt-4o"])
    const choices = chunks.map(({ choices }) => choices[0])
    assert.strictEqual(choices.filter((choice) => choice?.delta["role"] !== undefined).length, 1)
    assert.strictEqual(choices.map((choice) => choice?.delta["content"] ?? "").join(""), "Hello")
    assert.strictEqual(choices.map((choice) => String(choice?.finish_reason)).join(), "null,null,null,stop")
  })

  it("have the last usage", () => {
    const counting = head(
      '[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]',
      ',"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}',
    )
    const events = read(raw([...native(begun[0]!, counting), ...rest], true))
    assert.deepInclude(events.at(-2) as object, { choices: [] })
    assert.deepInclude((events.at(-2) as { readonly usage: object }).usage, { prompt_tokens: 9, completion_tokens: 5 })
  })
})
