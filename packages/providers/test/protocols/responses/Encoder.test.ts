import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import { Stream } from "@understudy/providers/protocols/responses"
import * as Result from "effect/Result"
import * as Returned from "../Returned.ts"
import * as Streamed from "../Streamed.ts"
import * as Conversation from "./Conversation.ts"
import * as OpenResponses from "./OpenResponses.ts"

type Event = { readonly type: string; readonly sequence_number: number } & Record<string, unknown>

const encoder = (body: Record<string, unknown> = {}) =>
  Stream.encoder({
    id: "1",
    created: 17,
    request: { model: "assistant", messages: [], native: { protocol: "responses", body } },
  })

/** The client's events: complete, named by type, numbered from 0. */
const read = (text: string): ReadonlyArray<Event> => {
  assert.match(text, /^(?:event: [^\n]*\ndata: [^\n]*\n\n)*$/)
  return text
    .split("\n\n")
    .slice(0, -1)
    .map((event, index) => {
      const [name, data] = event.split("\n")
      const parsed = JSON.parse(String(data).slice("data: ".length)) as Event
      assert.strictEqual(name, `event: ${parsed.type}`)
      assert.strictEqual(parsed.sequence_number, index)
      return parsed
    })
}

const raw = (frames: ReadonlyArray<Chat.Frame>, stream = encoder()) => frames.map(stream.push).join("") + stream.end()

const written = (frames: ReadonlyArray<Chat.Frame>, stream = encoder()) => read(raw(frames, stream))

const parts = (...parts: ReadonlyArray<Chat.Part>): ReadonlyArray<Chat.Frame> =>
  parts.map((part) => ({ parts: [part] }))

/** An event's type, and its fields other than its position. */
const told = ({ type, ...event }: Event): string => {
  const { annotation, arguments: written, delta, input, item, output_index: at, part, refusal, text } = event
  const what = delta ?? text ?? refusal ?? written ?? input ?? annotation ?? part ?? item
  return `${type.slice("response.".length)}${at === undefined ? "" : ` ${String(at)}`}${typeof what === "string" ? ` ${what}` : ""}`
}

type Fields = Record<string, unknown>

/** The response in an event. */
const responseOf = (event: Event | undefined) => (event ?? assert.fail("no event"))["response"] as Fields

const outputOf = (event: Event | undefined) => responseOf(event)["output"] as ReadonlyArray<Fields>

const usage: Chat.Usage = { inputTokens: 9, outputTokens: 5 }
const error = { status: 502, message: "Cut\nshort", type: "server_error", code: "stream_broken", requestId: "r" }

/** Frames as decoded from an upstream's events. */
const native = (...events: ReadonlyArray<Record<string, unknown>>): ReadonlyArray<Chat.Frame> => {
  const decoder = Stream.decoder(() => new ProviderError({ reason: { _tag: "ServerError" }, message: "No" }))
  return events.flatMap((event) => {
    const result = decoder.push({ event: String(event["type"]), data: JSON.stringify(event) })
    return result === undefined ? [] : [Result.getOrThrow(result)]
  })
}

const sse = (...events: ReadonlyArray<Record<string, unknown>>) =>
  events.map((event) => `event: ${String(event["type"])}\ndata: ${JSON.stringify(event)}\n\n`).join("")

describe("a round trip", () => {
  it.prop("preserves everything the protocol supports", [Conversation.response], ([response]) => {
    const frames = Streamed.frames(response)
    const events = written(frames)
    assert.deepStrictEqual(
      Streamed.fold(native(...events).flatMap(({ parts }) => parts.map(Returned.part).map(Conversation.brought))),
      Streamed.fold(frames.flatMap(({ parts }) => parts)),
    )
  })
})

describe("another protocol's frames", () => {
  it("become response.created, items added, extended and done, and response.completed", () => {
    const events = written(
      parts(
        { type: "usage", usage: { inputTokens: 9, outputTokens: 1 } },
        { type: "reasoning", text: "Hm" },
        { type: "reasoning", text: "", signature: { issuer: "anthropic", value: "sig" } },
        { type: "text", text: 'He"l' },
        { type: "text", text: "lo" },
        { type: "citation", citation: { source: { type: "url", url: "https://a.example" } } },
        { type: "refusal", text: "No" },
        { type: "tool-call", index: 0, id: "a", name: "look" },
        { type: "tool-call", index: 1, id: "b", name: "patch", custom: true },
        { type: "tool-call-delta", index: 0, arguments: '{"x":1}' },
        { type: "tool-call-delta", index: 1, arguments: "*** Begin" },
        { type: "usage", usage },
        { type: "finish", reason: "tool-calls" },
      ),
    )
    assert.deepStrictEqual(events.map(told), [
      "created",
      "in_progress",
      "output_item.added 0",
      "reasoning_summary_part.added 0",
      "reasoning_summary_text.delta 0 Hm",
      "reasoning_summary_text.done 0 Hm",
      "reasoning_summary_part.done 0",
      "output_item.done 0",
      "output_item.added 1",
      "content_part.added 1",
      'output_text.delta 1 He"l',
      "output_text.delta 1 lo",
      "output_text.annotation.added 1",
      'output_text.done 1 He"llo',
      "content_part.done 1",
      "content_part.added 1",
      "refusal.delta 1 No",
      "refusal.done 1 No",
      "content_part.done 1",
      "output_item.done 1",
      "output_item.added 2",
      "output_item.added 3",
      'function_call_arguments.delta 2 {"x":1}',
      "custom_tool_call_input.delta 3 *** Begin",
      'function_call_arguments.done 2 {"x":1}',
      "output_item.done 2",
      "custom_tool_call_input.done 3 *** Begin",
      "output_item.done 3",
      "completed",
    ])
    assert.deepStrictEqual(
      outputOf(events.at(-1)),
      events.filter(({ type }) => type === "response.output_item.done").map((event) => event["item"]) as never,
    )
    assert.deepStrictEqual(outputOf(events.at(-1))[1], {
      id: "msg_understudy_1_1",
      type: "message",
      status: "completed",
      role: "assistant",
      content: [
        {
          type: "output_text",
          text: 'He"llo',
          annotations: [
            {
              type: "url_citation",
              start_index: 0,
              end_index: 6,
              url: "https://a.example",
              title: "https://a.example",
            },
          ],
          logprobs: [],
        },
        { type: "refusal", refusal: "No" },
      ],
    })
    assert.deepInclude(responseOf(events.at(-1)), {
      id: "resp_1",
      created_at: 17,
      status: "completed",
      store: false,
    })
    assert.deepInclude(responseOf(events.at(-1))["usage"] as Fields, {
      input_tokens: 9,
      output_tokens: 5,
      total_tokens: 14,
    })
  })

  it("have the index of each delta", () => {
    const events = written(parts({ type: "text", text: "Hi" }, { type: "finish", reason: "stop" }))
    const at = { item_id: "msg_understudy_1_0", output_index: 0, content_index: 0 }
    for (const event of events.filter(({ type }) => /output_text|content_part/.test(type)))
      assert.deepInclude(event, at)
    assert.deepStrictEqual(events[4], {
      type: "response.output_text.delta",
      sequence_number: 4,
      ...at,
      delta: "Hi",
      logprobs: [],
    })
  })

  it("have the response's model, and repeat the request's settings", () => {
    const stream = encoder({ instructions: "Be brief.", tools: [{ type: "web_search" }] })
    const [created] = written(
      parts({ type: "start", id: "msg_1", model: "claude" }, { type: "text", text: "Hi" }),
      stream,
    )
    assert.deepInclude(responseOf(created), {
      id: "resp_1",
      model: "claude",
      status: "in_progress",
      instructions: "Be brief.",
      tools: [{ type: "web_search" }],
      output: [],
      usage: null,
    })
  })

  it("keep the finish reason, and mark a truncated item", () => {
    const last = (reason: Chat.FinishReason) => {
      const event = written(parts({ type: "text", text: "Hi" }, { type: "finish", reason })).at(-1)
      return [event?.type, responseOf(event)["incomplete_details"], outputOf(event)[0]?.["status"]]
    }
    const cut = { reason: "max_output_tokens" }
    assert.deepStrictEqual(last("stop"), ["response.completed", null, "completed"])
    assert.deepStrictEqual(last("length"), ["response.incomplete", cut, "incomplete"])
    assert.deepStrictEqual(last("pause"), ["response.incomplete", cut, "incomplete"])
    assert.deepStrictEqual(last("other"), ["response.completed", null, "completed"])
    for (const reason of ["content-filter", "refusal"] as const) {
      assert.deepStrictEqual(last(reason), ["response.incomplete", { reason: "content_filter" }, "incomplete"])
    }
  })

  it("may be empty", () => {
    const events = written(parts({ type: "finish", reason: "stop" }))
    assert.deepStrictEqual(events.map(told), ["created", "in_progress", "completed"])
    assert.deepStrictEqual(outputOf(events.at(-1)), [])
  })

  it("give calls the client's own names, in their namespaces", () => {
    const stream = encoder({ tools: [{ type: "namespace", name: "crm", tools: [{ type: "function", name: "look" }] }] })
    const events = written(
      parts(
        { type: "tool-call", index: 0, id: "a", name: "crm__look", signature: { issuer: "google", value: "s" } },
        { type: "finish", reason: "tool-calls" },
      ),
      stream,
    )
    const [item] = outputOf(events.at(-1))
    assert.deepInclude(item, { name: "look", namespace: "crm" })
    assert.match(String(item?.["call_id"]), /^a__seal__/)
  })
})

describe("fail", () => {
  it("writes an error, at which SDKs throw, and response.failed, for which Codex waits", () => {
    const stream = encoder()
    const begun = stream.push({ parts: [{ type: "text", text: "Hi" }] })
    const events = read(begun + stream.fail(error)).slice(-2)
    assert.deepStrictEqual(events[0], {
      type: "error",
      sequence_number: 5,
      code: "stream_broken",
      message: "Cut\nshort",
      param: null,
      error: { message: "Cut\nshort", type: "server_error", param: null, code: "stream_broken", request_id: "r" },
    })
    assert.strictEqual(events[1]?.type, "response.failed")
    assert.deepInclude(responseOf(events[1]), {
      id: "resp_1",
      status: "failed",
      error: { code: "stream_broken", message: "Cut\nshort" },
      output: [],
    })
  })

  it("starts the response if nothing was written", () => {
    assert.deepStrictEqual(
      read(encoder().fail(error)).map(({ type }) => type),
      ["response.created", "response.in_progress", "error", "response.failed"],
    )
  })
})

describe("this protocol's frames", () => {
  const item = { id: "msg_9", type: "message", status: "in_progress", role: "assistant", content: [] }
  const part = { type: "output_text", text: "", annotations: [], logprobs: [] }
  const within = { item_id: "msg_9", output_index: 1, content_index: 0 }
  const response = { id: "resp_9", object: "response", created_at: 3, model: "gpt-5", tools: [], new_field: [1.5] }
  const thought = { id: "rs_9", type: "reasoning", summary: [], encrypted_content: "gAAA" }
  const begun: ReadonlyArray<Record<string, unknown>> = [
    { type: "response.created", sequence_number: 0, response: { ...response, status: "in_progress", output: [] } },
    { type: "response.output_item.added", sequence_number: 1, output_index: 0, item: thought },
    { type: "response.output_item.done", sequence_number: 2, output_index: 0, item: thought },
    { type: "response.output_item.added", sequence_number: 3, output_index: 1, item },
    { type: "response.content_part.added", sequence_number: 4, ...within, part },
    { type: "response.output_text.delta", sequence_number: 5, ...within, delta: "Hel", logprobs: [], obfuscation: "x" },
  ]
  const done: ReadonlyArray<Record<string, unknown>> = [
    { type: "response.output_text.done", sequence_number: 6, ...within, text: "Hel" },
    { type: "response.content_part.done", sequence_number: 7, ...within, part: { ...part, text: "Hel" } },
    { type: "response.output_item.done", sequence_number: 8, output_index: 1, item: { ...item, content: [part] } },
    { type: "response.completed", sequence_number: 9, response: { ...response, status: "completed", output: [] } },
  ]

  it("are passed on unchanged, with nothing added at the end", () => {
    const later = { type: "response.event_of_a_later_api", sequence_number: 6, field: 1 }
    assert.strictEqual(raw(native(...begun, later, ...done)), sse(...begun, later, ...done))
  })

  it("end once, whatever the upstream sends afterwards", () => {
    const stream = encoder()
    const text = native(...begun, ...done, ...done)
      .map(stream.push)
      .join("")
    assert.strictEqual(text + stream.end() + stream.fail(error), sse(...begun, ...done))
  })

  it("may be continued by another protocol's: one response, one message, continued numbers", () => {
    const events = written([
      ...native(...begun),
      ...parts({ type: "text", text: "lo" }, { type: "finish", reason: "stop" }, { type: "usage", usage }),
    ])
    assert.deepStrictEqual(events.slice(begun.length).map(told), [
      "output_text.delta 1 lo",
      "output_text.done 1 Hello",
      "content_part.done 1",
      "output_item.done 1",
      "completed",
    ])
    assert.deepInclude(events[begun.length], within)
    const last = events.at(-1)
    assert.deepInclude(responseOf(last), {
      id: "resp_9",
      created_at: 3,
      model: "gpt-5",
      status: "completed",
      new_field: [1.5],
    })
    const [first, second] = outputOf(last)
    assert.deepStrictEqual(first, thought)
    assert.deepStrictEqual(second, { ...item, status: "completed", content: [{ ...part, text: "Hello" }] })
  })

  it("that break fail as the started response, with its ended items", () => {
    const stream = encoder()
    const events = read(
      native(...begun)
        .map(stream.push)
        .join("") + stream.fail(error),
    )
    assert.deepStrictEqual(
      events.slice(begun.length).map(({ type }) => type),
      ["error", "response.failed"],
    )
    assert.deepInclude(responseOf(events.at(-1)), { id: "resp_9", status: "failed", output: [thought] })
  })

  describe("with missing events or fields", () => {
    const created = (response: Record<string, unknown>) => ({
      type: "response.created",
      sequence_number: 0,
      response: { id: "resp_9", object: "response", status: "in_progress", ...response },
    })
    const delta = {
      type: "response.output_text.delta",
      sequence_number: 1,
      output_index: 0,
      item_id: "msg_9",
      delta: "Hel",
    }
    const subsets: ReadonlyArray<Record<string, unknown>> = [
      {},
      { model: "gpt-5" },
      { tools: null, tool_choice: 1, temperature: null, text: "no", created_at: "yesterday" },
      { metadata: { a: "b" }, output: [{}], usage: {}, completed_at: 3, error: {}, incomplete_details: {} },
    ]

    it("are ended with complete events", () => {
      for (const response of subsets) {
        const begin = () => {
          const stream = encoder()
          native(created(response), delta).map(stream.push)
          return stream
        }
        const broken = begin().fail(error)
        const goneOn = begin()
        const continued = raw(parts({ type: "text", text: "lo" }, { type: "finish", reason: "stop" }), goneOn)
        for (const text of [broken, continued]) {
          for (const event of text.split("\n\n").slice(0, -1)) {
            const parsed = JSON.parse(event.slice(event.indexOf("data: ") + 6)) as Event
            assert.isUndefined(OpenResponses.eventFaults(parsed), event)
          }
        }
      }
    })

    it("are continued, and the output has the text of both", () => {
      const stream = encoder()
      const theirs = native(created({}), delta).map(stream.push).join("")
      const events = read(theirs + raw(parts({ type: "text", text: "lo" }, { type: "finish", reason: "stop" }), stream))
      assert.deepStrictEqual(outputOf(events.at(-1)), [
        {
          id: "msg_9",
          type: "message",
          status: "completed",
          role: "assistant",
          content: [{ ...part, text: "Hello" }],
        },
      ])
    })

    it("keep the text of items without an end, and end them", () => {
      const search = { id: "ws_1", type: "web_search_call", status: "in_progress" }
      const second = { ...item, id: "msg_10", phase: "final_answer" }
      const stream = encoder()
      const theirs = native(
        created({}),
        { type: "response.output_item.added", sequence_number: 1, output_index: 0, item },
        { type: "response.content_part.added", sequence_number: 2, ...within, output_index: 0, part },
        { ...delta, sequence_number: 3 },
        { type: "response.output_item.added", sequence_number: 4, output_index: 1, item: search },
        { type: "response.output_item.added", sequence_number: 5, output_index: 2, item: second },
        { ...delta, sequence_number: 6, output_index: 2, item_id: "msg_10", delta: "Wor" },
      )
      const goesOn = parts({ type: "text", text: "ld" }, { type: "finish", reason: "stop" })
      const events = read(theirs.map(stream.push).join("") + raw(goesOn, stream))
      const message = { type: "message", status: "completed", role: "assistant" }
      assert.deepStrictEqual(outputOf(events.at(-1)), [
        { ...message, id: "msg_9", content: [{ ...part, text: "Hel" }] },
        { ...search, status: "incomplete" },
        { ...message, id: "msg_10", phase: "final_answer", content: [{ ...part, text: "World" }] },
      ])
      assert.include(events.slice(theirs.length).map(told), "output_item.done 1")
    })

    it("ignore invalid indexes and numbers", () => {
      const odd =
        '{"type":"response.output_item.added","sequence_number":1e999,"output_index":4294967295,"item":{"type":"a"}}'
      const stream = encoder()
      native(created({}))
        .concat({ parts: [], native: { protocol: "responses", event: "response.output_item.added", data: odd } })
        .map(stream.push)
      const events = stream.fail(error).split("\n\n").slice(0, -1)
      assert.lengthOf(events, 2)
      for (const event of events) JSON.parse(event.slice(event.indexOf("data: ") + 6))
    })
  })
})
