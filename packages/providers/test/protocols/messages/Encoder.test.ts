import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import { Stream } from "@understudy/providers/protocols/messages"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Conversation from "./Conversation.ts"

interface Event {
  readonly type: string
  readonly index?: number
  readonly [x: string]: unknown
}

const encoder = () => Stream.encoder({ id: "1", created: 17, request: { model: "assistant", messages: [] } })

/** The client's events: complete, each named by its data's type. */
const read = (text: string): ReadonlyArray<Event> => {
  assert.match(text, /^(?:event: [^\n]+\ndata: [^\n]*\n\n)*$/)
  return text
    .split("\n\n")
    .slice(0, -1)
    .map((written) => {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(written) ?? assert.fail(written)
      const body = JSON.parse(data ?? "") as Event
      assert.strictEqual(body.type, name)
      return body
    })
}

/** One start, blocks one after another numbered from 0, one delta, one stop. */
const wellFormed = (events: ReadonlyArray<Event>): ReadonlyArray<Event> => {
  const told = events.filter(({ type }) => type !== "ping")
  assert.deepStrictEqual(
    [told[0]?.type, told.at(-2)?.type, told.at(-1)?.type],
    ["message_start", "message_delta", "message_stop"],
  )
  let blocks = 0
  let open = false
  for (const { index, type } of told.slice(1, -2)) {
    if (type === "content_block_start") {
      assert.isFalse(open)
      open = true
    } else assert.isTrue(open)
    assert.strictEqual(index, blocks)
    if (type !== "content_block_stop") continue
    open = false
    blocks++
  }
  assert.isFalse(open)
  return events
}

const raw = (frames: ReadonlyArray<Chat.Frame>) => {
  const stream = encoder()
  return frames.map(stream.push).join("") + stream.end()
}

const written = (frames: ReadonlyArray<Chat.Frame>) => wellFormed(read(raw(frames)))

const parts = (...parts: ReadonlyArray<Chat.Part>): ReadonlyArray<Chat.Frame> =>
  parts.map((part) => ({ parts: [part] }))

const decoder = () => Stream.decoder(() => new ProviderError({ reason: { _tag: "ServerError" }, message: "No" }))

/** Frames as decoded from an upstream's events. */
const native = (...events: ReadonlyArray<{ readonly event?: string; readonly data: string }>) => {
  const { push } = decoder()
  return events.flatMap((event) => {
    const result = push(event)
    return result === undefined ? [] : [Result.getOrThrow(result)]
  })
}

const named = (body: Event) => ({ event: body.type, data: JSON.stringify(body) })

const start = (usage: unknown = { input_tokens: 0, output_tokens: 0 }, model = "assistant") => ({
  type: "message_start",
  message: {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage,
  },
})
const opened = (index: number, content_block: unknown) => ({ type: "content_block_start", index, content_block })
const delta = (index: number, delta: unknown) => ({ type: "content_block_delta", index, delta })
const closed = (index: number) => ({ type: "content_block_stop", index })
const ended = (reason: string, usage: unknown = { input_tokens: 0, output_tokens: 0 }, more = {}) => ({
  type: "message_delta",
  delta: { stop_reason: reason, stop_sequence: null, ...more },
  usage,
})
const stopped = { type: "message_stop" }
const text = { type: "text", text: "" }
const finish: Chat.Part = { type: "finish", reason: "stop" }

// ---------------------------------------------------------------------------------------------------------------------
// The law
// ---------------------------------------------------------------------------------------------------------------------

type Piece = Extract<Chat.AssistantContent, { readonly type: "text" | "reasoning" | "tool-call" }>

/** A response's content as a provider would stream it. */
const pieces = (part: Chat.AssistantContent, index: number): ReadonlyArray<Chat.Part> => {
  const halves = (text: string) => [text.slice(0, 3), text.slice(3)]
  switch (part.type) {
    case "text":
      return [
        ...halves(part.text).map((text): Chat.Part => ({ type: "text", text })),
        ...(part.citations ?? []).map((citation): Chat.Part => ({ type: "citation", citation })),
      ]
    case "reasoning":
      return part.redacted === undefined
        ? [
            ...halves(part.text).map((text): Chat.Part => ({ type: "reasoning", text })),
            { type: "reasoning", text: "", signature: part.signature },
          ]
        : [part]
    case "tool-call":
      return [
        { type: "tool-call", index, id: part.id, name: part.name },
        ...halves(part.arguments).map((json): Chat.Part => ({ type: "tool-call-delta", index, arguments: json })),
      ]
    default:
      return []
  }
}

const streamed = ({ content, finishReason, stopSequence, usage }: Chat.Response): ReadonlyArray<Chat.Part> => {
  let calls = 0
  return [
    ...content.flatMap((part) => pieces(part, part.type === "tool-call" ? calls++ : 0)),
    { type: "finish", reason: finishReason, stopSequence },
    ...(usage === undefined ? [] : [{ type: "usage" as const, usage }]),
  ]
}

/** The response that a stream's parts amount to. */
const folded = (parts: ReadonlyArray<Chat.Part>) => {
  const content: Array<Piece> = []
  const calls: Array<number> = []
  let usage: Chat.Usage | undefined
  let end: unknown
  for (const part of parts) {
    const last = content.at(-1)
    switch (part.type) {
      case "text":
        if (last?.type === "text") content[content.length - 1] = { ...last, text: last.text + part.text }
        else if (part.text !== "") content.push({ type: "text", text: part.text })
        break
      case "citation":
        if (last?.type === "text") {
          content[content.length - 1] = { ...last, citations: [...(last.citations ?? []), part.citation] }
        }
        break
      case "reasoning": {
        if (last?.type === "reasoning" && last.signature === undefined && last.redacted === undefined) content.pop()
        const before = last?.type === "reasoning" && content.at(-1) !== last ? last.text : ""
        const { redacted, signature } = part
        if (before + part.text !== "" || signature !== undefined || redacted !== undefined) {
          content.push({ type: "reasoning", text: before + part.text, signature, redacted })
        }
        break
      }
      case "tool-call":
        calls[part.index] = content.length
        content.push({ type: "tool-call", id: part.id, name: part.name, arguments: "" })
        break
      case "tool-call-delta": {
        const at = calls[part.index] ?? assert.fail("arguments of no call")
        const call = content[at]
        if (call?.type === "tool-call") content[at] = { ...call, arguments: call.arguments + part.arguments }
        break
      }
      case "usage":
        usage = part.usage
        break
      case "finish":
        end = [part.reason, part.stopSequence]
        break
    }
  }
  return { content, usage, end }
}

/** The response decoded from these events as if an upstream had sent them. */
const understood = (events: ReadonlyArray<Event>) => folded(native(...events.map(named)).flatMap(({ parts }) => parts))

/** Other vendors' values are tagged: for the law, all are Anthropic's. */
const own = (response: Chat.Response): Chat.Response => ({
  ...response,
  content: response.content.map((part) => {
    if (part.type !== "reasoning") return part
    const seal = part.signature ?? part.redacted
    if (seal === undefined) return part
    const sealed = { issuer: "anthropic", value: seal.value }
    return part.redacted === undefined ? { ...part, signature: sealed } : { ...part, redacted: sealed }
  }),
})

describe("a round trip", () => {
  it.prop("preserves everything the protocol supports", [Conversation.response], ([response]) => {
    const told = streamed(own(response))
    assert.deepStrictEqual(understood(written(parts(...told))), folded(told))
  })

  const Calls = Schema.NonEmptyArray(Schema.Struct({ json: Schema.Literals(["{}", '{"a":"}"}', '{"a":{"b":1}}']) }))

  it.prop("preserves interleaved calls", [Calls, Schema.Array(Schema.Int)], ([calls, turns]) => {
    const left = calls.map(({ json }, index): Array<Chat.Part> => [
      { type: "tool-call", index, id: `call_${index}`, name: "look" },
      ...Array.from(json, (char): Chat.Part => ({ type: "tool-call-delta", index, arguments: char })),
    ])
    const told: Array<Chat.Part> = []
    // Calls open in order; after that, their arguments are interleaved at random.
    for (const turn of [...turns, ...calls.flatMap((_, index) => Array.from({ length: 20 }, () => index))]) {
      const open = left.slice(0, told.filter(({ type }) => type === "tool-call").length + 1)
      const part = open[Math.abs(turn) % open.length]?.shift()
      if (part !== undefined) told.push(part)
    }
    const whole = [...told, { type: "finish" as const, reason: "tool-calls" as const }]
    const answer = understood(written(parts(...whole)))
    assert.deepStrictEqual(answer.content, folded(whole).content)
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Event by event
// ---------------------------------------------------------------------------------------------------------------------

describe("another protocol's frames", () => {
  it("become blocks, each closed by the next", () => {
    assert.deepStrictEqual(
      written(
        parts(
          { type: "start", id: "chatcmpl-1", model: "gpt" },
          { type: "usage", usage: { inputTokens: 9, outputTokens: 1, cachedInputTokens: 4 } },
          { type: "reasoning", text: "Hm" },
          { type: "reasoning", text: "", signature: { issuer: "google", value: "sig" } },
          { type: "reasoning", text: "", redacted: { issuer: "anthropic", value: "enc" } },
          { type: "text", text: 'He"l' },
          { type: "text", text: "lo" },
          { type: "citation", citation: { source: { type: "url", url: "https://a.example" } } },
          { type: "tool-call", index: 0, id: "functions.look:0", name: "look" },
          { type: "tool-call-delta", index: 0, arguments: '{"x":1}' },
          { type: "finish", reason: "stop" },
          { type: "usage", usage: { inputTokens: 9, outputTokens: 5, cachedInputTokens: 4 } },
        ),
      ),
      [
        start({ input_tokens: 5, cache_read_input_tokens: 4, output_tokens: 1 }, "gpt"),
        opened(0, { type: "thinking", thinking: "", signature: "" }),
        delta(0, { type: "thinking_delta", thinking: "Hm" }),
        delta(0, { type: "signature_delta", signature: "understudy.google.sig" }),
        closed(0),
        opened(1, { type: "redacted_thinking", data: "enc" }),
        closed(1),
        opened(2, text),
        delta(2, { type: "text_delta", text: 'He"l' }),
        delta(2, { type: "text_delta", text: "lo" }),
        delta(2, {
          type: "citations_delta",
          citation: {
            type: "web_search_result_location",
            cited_text: "",
            url: "https://a.example",
            title: null,
            encrypted_index: "",
          },
        }),
        closed(2),
        opened(3, {
          type: "tool_use",
          id: "functions_2e_look_3a_0__id__ZnVuY3Rpb25zLmxvb2s6MA",
          name: "look",
          input: {},
        }),
        delta(3, { type: "input_json_delta", partial_json: '{"x":1}' }),
        closed(3),
        ended("tool_use", { input_tokens: 5, cache_read_input_tokens: 4, output_tokens: 5 }),
        stopped,
      ],
    )
  })

  it("delay a call until the one before is complete", () => {
    const look = (index: number) => ({ type: "tool-call" as const, index, id: `${index}`, name: "look" })
    const json = (index: number, text: string) => ({ type: "tool-call-delta" as const, index, arguments: text })
    const stream = encoder()
    const push = (...told: ReadonlyArray<Chat.Part>) =>
      read(stream.push({ parts: told })).map(({ index, type }) => `${type.slice("content_block_".length)} ${index}`)
    assert.deepStrictEqual(push({ type: "text", text: "" }, look(0)).slice(1), ["start 0"])
    assert.deepStrictEqual(push(json(0, '{"a"'), look(1), json(1, "{"), { type: "text", text: "So" }), ["delta 0"])
    assert.deepStrictEqual(push(json(0, ":1}")), ["delta 0", "stop 0", "start 1", "delta 1"])
    assert.deepStrictEqual(push(json(1, "}")), ["delta 1", "stop 1", "start 2", "delta 2"])
    assert.deepStrictEqual(push(json(0, "\n")), [])
  })

  it("delay no call beyond the end", () => {
    const events = written(
      parts(
        { type: "tool-call", index: 0, id: "0", name: "run" },
        { type: "tool-call-delta", index: 0, arguments: "no JSON" },
        { type: "tool-call", index: 1, id: "1", name: "wait" },
        { type: "tool-call", index: 2, id: "2", name: "look" },
        { type: "tool-call-delta", index: 2, arguments: "{}" },
        { type: "finish", reason: "tool-calls" },
      ),
    )
    assert.deepStrictEqual(
      events.flatMap(({ content_block }) => (content_block === undefined ? [] : [(content_block as Event)["id"]])),
      ["0", "1", "2"],
    )
  })

  it("keep every stop reason", () => {
    const reason = (...told: ReadonlyArray<Chat.Part>) =>
      (written(parts({ type: "text", text: "Hi" }, ...told)).at(-2)?.["delta"] as Event | undefined)?.["stop_reason"]
    const finished = (reason: Chat.FinishReason, more = {}): Chat.Part => ({ type: "finish", reason, ...more })
    assert.deepStrictEqual(
      (["stop", "length", "tool-calls", "content-filter", "refusal", "pause", "other"] as const).map((word) =>
        reason(finished(word)),
      ),
      ["end_turn", "max_tokens", "tool_use", "refusal", "refusal", "pause_turn", "end_turn"],
    )
    assert.strictEqual(reason(finished("stop", { stopSequence: "END" })), "stop_sequence")
    assert.strictEqual(reason({ type: "refusal", text: "No" }, finished("stop")), "refusal")
  })

  it("may be empty", () => {
    assert.deepStrictEqual(written(parts(finish)), [start(), ended("end_turn"), stopped])
  })

  it("contain one choice", () => {
    assert.deepStrictEqual(written(parts({ type: "text", text: "Two", choice: 1 }, finish)), [
      start(),
      ended("end_turn"),
      stopped,
    ])
  })
})

const preamble = [
  { ...start({ input_tokens: 3, output_tokens: 1 }, "claude"), new: [1] },
  opened(0, text),
  { type: "ping" },
]
const words = delta(0, { type: "text_delta", text: "Hel" })
const rest = [closed(0), ended("end_turn", { output_tokens: 9 }), stopped]

describe("this protocol's frames", () => {
  it("are passed on unchanged, known or not", () => {
    const events = [
      ...preamble,
      words,
      closed(0),
      opened(1, { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: {} }),
      closed(1),
      { type: "an_event_of_a_later_api", deep: { x: null } },
      ended("end_turn", { output_tokens: 9 }),
      stopped,
    ].map(named)
    const spaced = events.map(({ data, event }) => ({ event, data: data.replace('":', '" : ') }))
    assert.strictEqual(
      raw(native(...spaced)),
      spaced.map(({ data, event }) => `event: ${event}\ndata: ${data}\n\n`).join(""),
    )
  })

  it("get missing event names, and a missing end", () => {
    const events = [...preamble, words, closed(0), ended("end_turn")]
    for (const event of [{}, { event: "message" }]) {
      const nameless = events.map((body) => ({ ...event, data: JSON.stringify(body) }))
      assert.deepStrictEqual(written(native(...nameless)), [...events, stopped])
    }
  })

  it("get a missing message_start", () => {
    assert.deepStrictEqual(written(native(...[opened(0, text), words, ...rest].map(named)))[0], start())
  })
})

const broken = { message: "Cut", type: "server_error", code: "stream_broken", status: 502, requestId: "r" }

describe("a field that SDKs rely on", () => {
  const opening = opened(0, text)
  const told = { input_tokens: 3, output_tokens: 1 }

  it("is completed: the usage of message_start and message_delta", () => {
    const { message, type } = start()
    const { usage: _usage, ...uncounted } = message
    const { usage: _none, ...unended } = ended("end_turn")
    const events = [{ type, message: uncounted, later: 1 }, opening, words, closed(0), unended, stopped]
    const written = read(raw(native(...events.map(named))))
    assert.deepStrictEqual(written[0], { ...start(), later: 1 })
    assert.deepStrictEqual(written.slice(1, 4), events.slice(1, 4))
    assert.deepStrictEqual(written[4], ended("end_turn"))
    // The first input count is kept, and the last output count.
    const half = [start(told), opening, words, closed(0), unended, stopped]
    assert.deepStrictEqual(read(raw(native(...half.map(named))))[4], ended("end_turn", told))
    const late = [start(null), opening, words, closed(0), ended("end_turn", told), stopped]
    assert.deepStrictEqual(read(raw(native(...late.map(named)))).map(({ usage }) => usage)[4], told)
  })

  it("is accepted by the SDK's helper", async () => {
    const { usage: _usage, ...uncounted } = start().message
    const { usage: _none, ...unended } = ended("end_turn")
    const events = [{ type: "message_start", message: uncounted }, opening, words, closed(0), unended, stopped]
    const client = new Anthropic({
      apiKey: "any",
      maxRetries: 0,
      fetch: async () =>
        new Response(raw(native(...events.map(named))), { headers: { "content-type": "text/event-stream" } }),
    })
    const stream = client.messages.stream({ model: "m", max_tokens: 9, messages: [{ role: "user", content: "Hi" }] })
    assert.deepInclude(await stream.finalMessage(), { stop_reason: "end_turn" })
  })

  it("is one message_delta: a missing one is added before message_stop", () => {
    const call = { type: "tool_use", id: "toolu_1", name: "look", input: {} }
    const events = [start(told), opened(0, call), closed(0), { type: "message_delta", delta: {} }, stopped]
    const written = read(raw(native(...events.map(named))))
    assert.deepStrictEqual(
      written.flatMap(({ delta, type }) => (type === "message_delta" ? [(delta as Event)["stop_reason"]] : [])),
      [undefined, "tool_use"],
    )
    assert.deepStrictEqual(written.at(-1), stopped)
  })

  it("is one end: later events and errors are dropped", () => {
    const events = [...preamble, words, closed(0), ended("end_turn"), stopped]
    const stream = encoder()
    const frames = native(...[...events, words, closed(0), stopped].map(named))
    const text = frames.map(stream.push).join("") + stream.end()
    assert.deepStrictEqual(read(text), events)
    assert.strictEqual(stream.fail(broken), "")
  })

  it("is no message_stop before the stop reason: the response may be incomplete", () => {
    const stream = encoder()
    const frames = native(...[...preamble, words, stopped].map(named))
    assert.deepStrictEqual(read(frames.map(stream.push).join("") + stream.fail(broken)).at(-1)?.type, "error")
    const late = native(...[...preamble, words, stopped, closed(0), ended("end_turn"), stopped].map(named))
    assert.deepStrictEqual(read(raw(late)), [...preamble, words, closed(0), ended("end_turn"), stopped])
  })

  it("is an event name equal to its type", () => {
    const odd = native(...[...preamble, words, closed(0), ended("end_turn")].map(named), {
      event: "message_stop",
      data: '{"type":"odd"}',
    })
    assert.deepStrictEqual(written(odd).at(-1), stopped)
  })

  it("is the stop sequence that ended the response", () => {
    const sequence = (stopSequence: string, stop?: ReadonlyArray<string>) => {
      const request = { model: "assistant", messages: [], sampling: { stop } }
      const stream = Stream.encoder({ id: "1", created: 17, request })
      const frames = parts({ type: "text", text: "Hi" }, { type: "finish", reason: "stop", stopSequence })
      return read(frames.map(stream.push).join("") + stream.end()).find(({ type }) => type === "message_delta")?.[
        "delta"
      ]
    }
    const met = (stop_sequence: string | null) => ({ stop_reason: "stop_sequence", stop_sequence })
    assert.deepStrictEqual(sequence("END", ["END", "."]), met("END"))
    // An unnamed stop sequence is the request's only one.
    assert.deepStrictEqual(sequence("", ["END"]), met("END"))
    assert.deepStrictEqual(sequence("", ["END", "."]), met(null))
  })
})

describe("this protocol's frames, then another protocol's", () => {
  const begun = native(...[...preamble, words].map(named))

  it("are one response: the text continues in its block", () => {
    const usage: Chat.Usage = { inputTokens: 9, outputTokens: 5 }
    assert.deepStrictEqual(
      written([
        ...begun,
        ...parts({ type: "start", id: "x" }, { type: "text", text: "lo" }, finish, { type: "usage", usage }),
      ]),
      [
        ...preamble,
        words,
        delta(0, { type: "text_delta", text: "lo" }),
        closed(0),
        ended("end_turn", { input_tokens: 9, output_tokens: 5 }),
        stopped,
      ],
    )
  })

  it("continue the numbering of blocks", () => {
    const events = written([
      ...begun,
      ...native(named(closed(0))),
      ...parts({ type: "text", text: "lo" }, { type: "reasoning", text: "Hm" }, finish),
    ])
    assert.deepStrictEqual(
      events.flatMap(({ index, type }) => (type === "content_block_start" ? [index] : [])),
      [0, 1, 2],
    )
  })

  it("stay encoded, as the first protocol's events no longer fit", () => {
    const events = written([
      ...begun,
      ...parts({ type: "text", text: "lo" }),
      ...native(...[...preamble, words, ...rest].map(named)),
    ])
    assert.strictEqual(events.filter(({ type }) => type === "message_start").length, 1)
  })
})

describe("fail", () => {
  it("writes the error, and no end", () => {
    const stream = encoder()
    stream.push({ parts: [{ type: "text", text: "Hi" }] })
    const error = { message: "Cut\nshort", type: "server_error", code: "stream_broken", status: 502, requestId: "r" }
    assert.deepStrictEqual(read(stream.fail(error)), [
      {
        type: "error",
        error: { type: "api_error", message: "Cut\nshort", details: { error_code: "stream_broken" } },
        request_id: "r",
      },
    ])
  })
})
