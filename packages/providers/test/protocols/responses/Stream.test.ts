import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import { Stream } from "@understudy/providers/protocols/responses"
import * as Result from "effect/Result"

type Body = Record<string, unknown>

const decoder = () =>
  Stream.decoder(
    ({ code, message, type }) =>
      new ProviderError({ reason: { _tag: "Overloaded" }, message: `${type}, ${code}: ${message}` }),
  )

const decode = (...events: ReadonlyArray<Body>): ReadonlyArray<Chat.Part> => {
  const stream = decoder()
  return events.flatMap((body) => {
    const data = JSON.stringify(body)
    const result = stream.push({ event: "message", data })
    if (result === undefined) return assert.fail("skipped")
    const frame = Result.getOrThrow(result)
    assert.deepStrictEqual(frame.native, { protocol: "responses", event: String(body["type"]), data })
    return frame.parts
  })
}

const event = (type: string, more: Body = {}): Body => ({ type: `response.${type}`, output_index: 0, ...more })

const created = event("created", { response: { id: "resp_1", model: "gpt-5", status: "in_progress", output: [] } })
const ended = (status = "completed", more: Body = {}) => event(status, { response: { status, ...more } })

const failure = (body: Body) => {
  const result = decoder().push({ data: JSON.stringify(body) })
  if (result === undefined) return assert.fail("skipped")
  return Result.getOrThrow(Result.flip(result)).message
}

describe("decoder", () => {
  it("reads a text from preamble to usage, as documented", () => {
    const item = { id: "msg_1", type: "message", status: "in_progress", role: "assistant", content: [] }
    const part = { type: "output_text", text: "", annotations: [] }
    const whole = { ...item, status: "completed", content: [{ ...part, text: "Hello" }] }
    const url = { type: "url_citation", url: "https://a.example", title: "A", start_index: 0, end_index: 5 }
    const logprobs = [{ token: "lo", logprob: -1 }]
    assert.deepStrictEqual(
      decode(
        created,
        event("in_progress", { response: { id: "resp_1" } }),
        event("output_item.added", { item }),
        event("content_part.added", { item_id: "msg_1", content_index: 0, part }),
        event("output_text.delta", {
          item_id: "msg_1",
          content_index: 0,
          delta: "Hel",
          logprobs: [],
          obfuscation: "x",
        }),
        event("output_text.delta", { item_id: "msg_1", content_index: 0, delta: "lo", logprobs }),
        event("output_text.annotation.added", { annotation: url, annotation_index: 0 }),
        event("output_text.done", { item_id: "msg_1", content_index: 0, text: "Hello" }),
        event("content_part.done", { item_id: "msg_1", content_index: 0, part: { ...part, text: "Hello" } }),
        event("output_item.done", { item: whole }),
        ended("completed", { output: [whole], usage: { input_tokens: 9, output_tokens: 5 } }),
      ),
      [
        { type: "start", id: "resp_1", model: "gpt-5" },
        { type: "text", text: "Hel" },
        { type: "text", text: "lo", logprobs: { content: logprobs } },
        {
          type: "citation",
          citation: { source: { type: "url", url: "https://a.example", title: "A" }, supports: { start: 0, end: 5 } },
        },
        { type: "usage", usage: { inputTokens: 9, outputTokens: 5 } },
        { type: "finish", reason: "stop" },
      ],
    )
  })

  it("reads parallel calls, complete and in deltas, with names in namespaces", () => {
    const call = (id: string, more: Body = {}) => ({
      type: "function_call",
      call_id: id,
      name: "look",
      arguments: "",
      ...more,
    })
    assert.deepStrictEqual(
      decode(
        event("output_item.added", { output_index: 1, item: call("a", { namespace: "crm" }) }),
        event("output_item.added", { output_index: 2, item: call("b") }),
        event("function_call_arguments.delta", { output_index: 1, delta: '{"x"' }),
        event("function_call_arguments.delta", { output_index: 1, delta: ":1}" }),
        event("output_item.done", { output_index: 1, item: call("a", { arguments: '{"x":1}' }) }),
        event("output_item.done", { output_index: 2, item: call("b") }),
        event("output_item.done", { output_index: 3, item: call("c", { arguments: '{"y":2}' }) }),
        ended(),
      ),
      [
        { type: "tool-call", index: 0, id: "a", name: "crm__look" },
        { type: "tool-call", index: 1, id: "b", name: "look" },
        { type: "tool-call-delta", index: 0, arguments: '{"x"' },
        { type: "tool-call-delta", index: 0, arguments: ":1}" },
        { type: "tool-call-delta", index: 1, arguments: "{}" },
        { type: "tool-call", index: 2, id: "c", name: "look" },
        { type: "tool-call-delta", index: 2, arguments: '{"y":2}' },
        { type: "finish", reason: "tool-calls" },
      ],
    )
  })

  it("reads the text of a custom tool", () => {
    const item = { type: "custom_tool_call", call_id: "a", name: "patch", input: "" }
    assert.deepStrictEqual(
      decode(
        event("output_item.added", { item }),
        event("custom_tool_call_input.delta", { delta: "*** Begin" }),
        event("custom_tool_call_input.done", { input: "*** Begin" }),
        event("output_item.done", { item: { ...item, input: "*** Begin" } }),
      ),
      [
        { type: "tool-call", index: 0, id: "a", name: "patch", custom: true },
        { type: "tool-call-delta", index: 0, arguments: "*** Begin" },
      ],
    )
  })

  it("reads reasoning by part, and its encrypted value at the end", () => {
    const item = { id: "rs_1", type: "reasoning", summary: [], encrypted_content: "gAAA" }
    const seal = { issuer: "openai", value: "gAAA" }
    const summary = [{ type: "summary_text", text: "First" }]
    assert.deepStrictEqual(
      decode(
        event("output_item.added", { item }),
        event("reasoning_summary_part.added", { summary_index: 0 }),
        event("reasoning_summary_text.delta", { summary_index: 0, delta: "First" }),
        event("reasoning_summary_part.added", { summary_index: 1 }),
        event("reasoning_summary_text.delta", { summary_index: 1, delta: "Then" }),
        event("output_item.done", { item: { ...item, summary } }),
        event("output_item.done", { output_index: 1, item }),
        event("output_item.done", { output_index: 2, item: { ...item, summary } }),
      ),
      [
        { type: "reasoning", text: "First" },
        { type: "reasoning", text: "\n\n" },
        { type: "reasoning", text: "Then" },
        { type: "reasoning", text: "", signature: seal },
        { type: "reasoning", text: "", redacted: seal },
        { type: "reasoning", text: "First", signature: seal },
      ],
    )
  })

  it("reads a message that had no deltas", () => {
    const content = [{ type: "output_text", text: "Hi" }]
    assert.deepStrictEqual(decode(event("output_item.done", { item: { type: "message", content } }), ended()), [
      { type: "text", text: "Hi" },
      { type: "finish", reason: "stop" },
    ])
  })

  it("keeps every finish reason", () => {
    const finish = (status: string, reason?: string) => decode(ended(status, { incomplete_details: { reason } })).at(-1)
    assert.deepInclude(finish("incomplete", "max_output_tokens"), { reason: "length" })
    assert.deepInclude(finish("incomplete", "content_filter"), { reason: "content-filter" })
    assert.deepInclude(finish("incomplete", "a reason of a later API"), { reason: "other" })
    assert.deepInclude(decode(event("refusal.delta", { delta: "No" }), ended()).at(-1), { reason: "refusal" })
  })

  it("is Malformed if the response has not ended", () => {
    const ends: ReadonlyArray<Record<string, unknown>> = [
      ...["queued", "in_progress", "cancelled", "failed", "a status of a later API", 1].map((status) => ({ status })),
      { status: "incomplete" },
      { status: "incomplete", incomplete_details: null },
      { status: "incomplete", incomplete_details: {} },
    ]
    for (const response of ends) {
      for (const type of ["response.completed", "response.incomplete"]) {
        const result = decoder().push({ data: JSON.stringify({ type, response }) })
        assert.isTrue(result !== undefined && Result.isFailure(result), JSON.stringify(response))
      }
    }
    assert.notStrictEqual(failure(event("cancelled", { response: { status: "cancelled" } })), "")
    // The event contains it.
    assert.deepInclude(decode(event("completed", { response: {} })).at(-1), { reason: "stop" })
  })

  it("reads from the terminal event what earlier events lack", () => {
    const output = [
      { type: "reasoning", summary: [{ type: "summary_text", text: "Hm" }] },
      { type: "message", content: [{ type: "output_text", text: "Hi" }] },
      { type: "function_call", call_id: "a", name: "look", arguments: "{}" },
    ]
    assert.deepStrictEqual(decode(ended("completed", { output })), [
      { type: "reasoning", text: "Hm" },
      { type: "text", text: "Hi" },
      { type: "tool-call", id: "a", name: "look", index: 0 },
      { type: "tool-call-delta", index: 0, arguments: "{}" },
      { type: "finish", reason: "tool-calls" },
    ])
  })

  it("reads from a done event, or the terminal event, what deltas lack", () => {
    const item = { type: "function_call", id: "fc_1", call_id: "a", name: "look" }
    const call: ReadonlyArray<Chat.Part> = [
      { type: "tool-call", id: "a", name: "look", index: 0 },
      { type: "tool-call-delta", index: 0, arguments: '{"at":1}' },
      { type: "finish", reason: "tool-calls" },
    ]
    const added = event("output_item.added", { item: { ...item, arguments: "" } })
    const whole = { ...item, arguments: '{"at":1}' }
    const argumentsDone = event("function_call_arguments.done", { item_id: "fc_1", arguments: '{"at":1}' })
    const itemDone = event("output_item.done", { item: whole })
    const piece = event("function_call_arguments.delta", { delta: '{"at":1}' })
    const end = ended("completed", { output: [whole] })
    const bare = ended("completed", { output: [] })
    for (const events of [
      [added, argumentsDone, bare],
      [added, argumentsDone, itemDone, end],
      [added, itemDone, end],
      [added, end],
      [added, piece, argumentsDone, itemDone, end],
      // The call of these is unknown so far.
      [piece, added, end],
    ]) {
      assert.deepStrictEqual(decode(...events), call)
    }
    // Two calls under one index: each has its own arguments.
    const other = { ...item, call_id: "b" }
    const two = decode(
      added,
      piece,
      event("output_item.added", { item: { ...other, arguments: "" } }),
      ended("completed", { output: [whole, { ...other, arguments: '{"at":2}' }] }),
    )
    assert.deepStrictEqual(
      two.flatMap((part) => (part.type === "tool-call-delta" ? [part.arguments] : [])),
      ['{"at":1}', '{"at":2}'],
    )
    const text = event("output_text.done", { text: "Hi" })
    assert.deepStrictEqual(decode(text, bare), [
      { type: "text", text: "Hi" },
      { type: "finish", reason: "stop" },
    ])
    assert.strictEqual(decode(event("output_text.delta", { delta: "Hi" }), text, bare).length, 2)
  })

  it("ignores unknown events", () => {
    assert.deepStrictEqual(decode(event("web_search_call.searching"), { type: "keepalive" }), [])
  })

  it("skips invalid events", () => {
    for (const data of ["[DONE]", '{"type":"response.', "[]", "{}"]) assert.isUndefined(decoder().push({ data }))
  })

  it("classifies errors, nested and flat, and failed responses", () => {
    const error = { type: "insufficient_quota", code: "insufficient_quota", message: "Pay", param: null }
    assert.strictEqual(
      failure({ type: "error", sequence_number: 2, error }),
      "insufficient_quota, insufficient_quota: Pay",
    )
    const bare = { type: "error", code: "server_error", message: "Sorry", param: null, sequence_number: 3 }
    assert.strictEqual(failure(bare), "undefined, server_error: Sorry")
    const response = { status: "failed", error: { code: "server_error", message: "Sorry" } }
    assert.strictEqual(failure(event("failed", { response })), "undefined, server_error: Sorry")
    assert.strictEqual(failure(event("failed", { response: {} })), "undefined, undefined: The response failed")
  })
})
