/** A call is complete or an error, from every server to every client. */
import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Converse from "@understudy/providers/protocols/converse"
import type { Decoder } from "@understudy/providers/internal/protocols/Frames"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Result from "effect/Result"

// oxlint-disable-next-line typescript/no-explicit-any
type Body = Record<string, any>

// ---------------------------------------------------------------------------------------------------------------------
// What a server says
// ---------------------------------------------------------------------------------------------------------------------

const judged = ({ message = "" }: { readonly message?: string | undefined }) =>
  new ProviderError({ reason: { _tag: "ServerError" }, message })

/** The frames of a stream, and its error if it failed. */
const frames = <Event>(decoder: Decoder<Event>, events: ReadonlyArray<Event>) => {
  const frames: Array<Chat.Frame> = []
  for (const event of events) {
    const result = decoder.push(event)
    if (result === undefined) continue
    if (Result.isFailure(result)) return { frames, failure: result.failure }
    frames.push(result.success)
  }
  return { frames, failure: undefined }
}

const chat = (...chunks: ReadonlyArray<Body | "[DONE]">) =>
  frames(
    ChatCompletions.Stream.decoder(judged),
    chunks.map((chunk) => ({ data: chunk === "[DONE]" ? chunk : JSON.stringify({ id: "c1", ...chunk }) })),
  )

const messages = (...events: ReadonlyArray<Body>) =>
  frames(
    Messages.Stream.decoder(judged),
    events.map((body) => ({ event: body["type"], data: JSON.stringify(body) })),
  )

const gemini = (...chunks: ReadonlyArray<Body>) =>
  frames(
    Gemini.Stream.decoder(judged),
    chunks.map((chunk) => ({ data: JSON.stringify({ responseId: "g1", ...chunk }) })),
  )

const converse = (...events: ReadonlyArray<readonly [string, Body]>) =>
  frames(
    Converse.Stream.decoder(judged),
    events.map(([event, body]) => ({ kind: "event" as const, event, data: JSON.stringify(body) })),
  )

const delta = (delta: Body, finish_reason: string | null = null, more: Body = {}): Body => ({
  choices: [{ index: 0, delta, finish_reason, ...more }],
})
const call = (index: number | undefined, id: string | undefined, name: string | undefined, written: string) =>
  delta({ tool_calls: [{ index, id, type: "function", function: { name, arguments: written } }] })
const ended = (word: string | null = "tool_calls") => delta({}, word)

// ---------------------------------------------------------------------------------------------------------------------
// What a client reads
// ---------------------------------------------------------------------------------------------------------------------

interface Read {
  readonly calls: ReadonlyArray<{ readonly id: string; readonly name: string; readonly written: string }>
  readonly text: string
  readonly finish: string | undefined
}

const events = (text: string): ReadonlyArray<Body> =>
  text
    .split("\n\n")
    .map((event) => event.slice(event.indexOf("data: ") + "data: ".length))
    .filter((data) => data.startsWith("{"))
    .map((data) => JSON.parse(data))

const answering = {
  id: "1",
  created: 1,
  request: { model: "m", messages: [], native: { protocol: "none", body: {} } },
}

/** As its SDK does: by the indexes of calls, blocks or items, or complete. */
const readers: Record<string, (frames: ReadonlyArray<Chat.Frame>) => Read> = {
  "chat completions": (frames) => {
    const encoder = ChatCompletions.Stream.encoder(answering)
    const calls: Array<{ id: string; name: string; written: string }> = []
    let [text, finish] = ["", undefined as string | undefined]
    for (const { choices } of events(frames.map(encoder.push).join("") + encoder.end())) {
      for (const { delta, finish_reason } of choices as ReadonlyArray<Body>) {
        text += delta.content ?? ""
        finish = finish_reason ?? finish
        for (const { function: called, id, index } of (delta.tool_calls ?? []) as ReadonlyArray<Body>) {
          const open = (calls[index] ??= { id: "", name: "", written: "" })
          if (id) open.id = id
          open.name += called.name ?? ""
          open.written += called.arguments ?? ""
        }
      }
    }
    return { calls, text, finish }
  },
  messages: (frames) => {
    const encoder = Messages.Stream.encoder(answering)
    const blocks: Array<Body> = []
    let finish: string | undefined
    for (const { content_block, delta, index, type } of events(frames.map(encoder.push).join("") + encoder.end())) {
      if (type === "content_block_start") blocks.push({ ...content_block, json: "" })
      if (type === "message_delta") finish = delta.stop_reason
      if (type !== "content_block_delta") continue
      const block = blocks[index] ?? assert.fail("no block")
      block["json"] += delta.partial_json ?? ""
      block["text"] += delta.text ?? ""
    }
    const calls = blocks.filter(({ type }) => type === "tool_use")
    const texts = blocks.filter(({ type }) => type === "text")
    return {
      calls: calls.map(({ id, input, json, name }) => ({ id, name, written: json || JSON.stringify(input) })),
      text: texts.map(({ text }) => text).join(""),
      finish: finish === "tool_use" ? "tool_calls" : finish === "end_turn" ? "stop" : finish,
    }
  },
  responses: (frames) => {
    const encoder = Responses.Stream.encoder(answering)
    const { response } = events(frames.map(encoder.push).join("") + encoder.end()).at(-1) ?? {}
    const output = response.output as ReadonlyArray<Body>
    const calls = output.filter(({ type }) => type === "function_call")
    const texts = output.filter(({ type }) => type === "message").flatMap(({ content }) => content)
    return {
      calls: calls.map(({ arguments: written, call_id: id, name }) => ({ id, name, written })),
      text: texts.map(({ text }) => text).join(""),
      finish: response.status === "completed" ? (calls.length > 0 ? "tool_calls" : "stop") : response.status,
    }
  },
  gemini: (frames) => {
    const encoder = Gemini.Stream.encoder(answering)
    const chunks = events(frames.map(encoder.push).join("") + encoder.end()).flatMap(
      ({ candidates = [] }) => candidates,
    )
    const parts = chunks.flatMap(({ content }) => content?.parts ?? [])
    const calls = parts.filter(({ functionCall }) => functionCall !== undefined)
    const finish = chunks.find(({ finishReason }) => finishReason !== undefined)?.finishReason
    return {
      calls: calls.map(({ functionCall: { args = {}, id, name } }) => ({ id, name, written: JSON.stringify(args) })),
      text: parts.map(({ text = "" }) => text).join(""),
      finish: finish === "STOP" ? (calls.length > 0 ? "tool_calls" : "stop") : finish,
    }
  },
}

type Streamed = ReturnType<typeof chat>

const clients = Object.entries(readers)

/** Every client gets those calls as `name(arguments)`, each with a unique id, and a finish reason for calls. */
const calls = ({ failure, frames }: Streamed, ...expected: ReadonlyArray<string>) => {
  if (failure !== undefined) return assert.fail(failure.message)
  for (const [client, read] of clients) {
    const { calls, finish } = read(frames)
    assert.deepStrictEqual(
      calls.map(({ name, written }) => `${name}(${written})`),
      expected,
      client,
    )
    if (client !== "gemini") assert.strictEqual(new Set(calls.map(({ id }) => id || "none")).size, calls.length, client)
    assert.notInclude(
      calls.map(({ id }) => id),
      "",
    )
    assert.strictEqual(finish, expected.length > 0 ? "tool_calls" : "stop", client)
  }
}

const malformed = ({ failure }: Streamed) => assert.strictEqual(failure?.reason._tag, "Malformed")

const rome = '{"city":"Rome"}'
const oslo = '{"city":"Oslo"}'

describe("tool calls of a Chat Completions stream", () => {
  it("are separate under one index, whatever their ids", () => {
    for (const [a, b] of [
      ["a", "b"],
      ["a", "a"],
      ["a", ""],
      ["", ""],
      ["", "b"],
      [undefined, undefined],
      ["a", undefined],
    ]) {
      calls(chat(call(0, a, "look", rome), call(0, b, "wait", oslo), ended()), `look(${rome})`, `wait(${oslo})`)
      calls(chat(call(0, a, "look", rome), call(0, b, "look", oslo), ended()), `look(${rome})`, `look(${oslo})`)
      // In deltas; the first of each has no arguments.
      const pieces = (id: string | undefined, name: string, written: string) => [
        call(0, id, name, ""),
        call(0, undefined, undefined, written.slice(0, 5)),
        call(0, undefined, undefined, written.slice(5)),
      ]
      calls(chat(...pieces(a, "look", rome), ...pieces(b, "look", oslo), ended()), `look(${rome})`, `look(${oslo})`)
      calls(chat(...pieces(a, "now", ""), ...pieces(b, "look", oslo), ended()), "now({})", `look(${oslo})`)
      // Both together.
      const both = [call(0, a, "look", rome), call(0, b, "wait", oslo)].map(
        ({ choices }) => choices[0].delta.tool_calls[0],
      )
      calls(chat(delta({ tool_calls: both }), ended()), `look(${rome})`, `wait(${oslo})`)
    }
  })

  it("may have no index, one id, or be counted from one", () => {
    calls(
      chat(call(undefined, "a", "look", rome), call(undefined, "b", "look", oslo), ended()),
      `look(${rome})`,
      `look(${oslo})`,
    )
    calls(
      chat(call(undefined, "", "look", rome), call(undefined, "", "look", oslo), ended()),
      `look(${rome})`,
      `look(${oslo})`,
    )
    calls(chat(call(0, "a", "look", rome), call(1, "a", "look", oslo), ended()), `look(${rome})`, `look(${oslo})`)
    calls(chat(call(1, "a", "look", rome), call(2, "b", "look", oslo), ended()), `look(${rome})`, `look(${oslo})`)
    calls(chat(call(0, "a", "look", '{"city"'), call(1, "a", undefined, ':"Rome"}'), ended()), `look(${rome})`)
  })

  it("are one call if the server repeats parts of it", () => {
    calls(chat(call(0, "a", "look", '{"city"'), call(0, "a", "look", ':"Rome"}'), ended()), `look(${rome})`)
    calls(chat(call(0, "a", "look", rome), call(0, "a", "look", ""), ended()), `look(${rome})`)
    calls(chat(call(0, "a", "look", rome), call(0, "a", "look", rome), ended()), `look(${rome})`)
  })

  it("open with a name, and are invalid without one", () => {
    calls(chat(call(0, "a", undefined, '{"city"'), call(0, undefined, "look", ':"Rome"}'), ended()), `look(${rome})`)
    malformed(chat(call(0, "a", undefined, rome), ended()))
    malformed(chat(call(0, "a", "", rome), ended("stop")))
    malformed(chat(call(0, "a", undefined, rome), "[DONE]"))
  })

  it("are invalid with arguments that are not an object", () => {
    for (const written of ['{"city":', `${rome}${oslo}`, "no JSON", "[]", "7", "null", JSON.stringify(rome)]) {
      malformed(chat(call(0, "a", "look", written), ended()))
      malformed(chat(call(0, "a", "look", ""), call(0, undefined, undefined, written), ended("stop")))
      malformed(chat(call(0, "a", "look", written), "[DONE]"))
    }
    malformed(chat(call(0, "a", "look", rome), call(0, undefined, undefined, oslo), ended()))
    for (const written of ["", "{}"]) calls(chat(call(0, "a", "look", written), ended()), "look({})")
  })

  it("may be truncated if the finish reason says so", () => {
    const { failure, frames } = chat(call(0, "a", "look", rome), call(1, "b", "look", '{"ci'), ended("length"))
    assert.isUndefined(failure)
    for (const [client, read] of clients)
      assert.include(["length", "max_tokens", "incomplete", "MAX_TOKENS"], read(frames).finish, client)
    assert.deepStrictEqual(
      readers["gemini"]?.(frames).calls.map(({ written }) => written),
      [rome],
    )
  })

  it("decide the finish reason, whatever the server reports", () => {
    for (const word of ["tool_calls", "function_call", "stop", "eos", "FUNCTION_CALL", "of_a_later_api"]) {
      calls(chat(call(0, "a", "look", rome), ended(word), "[DONE]"), `look(${rome})`)
    }
    for (const word of ["", null]) calls(chat(call(0, "a", "look", rome), ended(word), "[DONE]"), `look(${rome})`)
  })

  it("are not implied by a finish reason, and an unknown reason is no truncation", () => {
    for (const word of ["tool_calls", "function_call", "of_a_later_api"]) {
      const { failure, frames } = chat(delta({ content: "Hi" }), ended(word), "[DONE]")
      assert.isUndefined(failure)
      for (const [client, read] of clients) {
        // Gemini has a finish reason for it, which a Gemini client gets unchanged.
        const expected = word === "of_a_later_api" ? { gemini: "OTHER", "chat completions": word }[client] : undefined
        assert.deepStrictEqual(read(frames), { calls: [], text: "Hi", finish: expected ?? "stop" }, client)
      }
    }
  })

  it("are complete for every client with text between their deltas", () => {
    const between = [{ content: "So" }, { reasoning_content: "Hm" }, { refusal: "No" }]
    for (const words of between) {
      calls(
        chat(
          call(0, "a", "look", '{"city":'),
          delta(words),
          call(1, "b", "wait", '{"city":"O'),
          call(0, undefined, undefined, '"Rome"}'),
          delta(words),
          call(1, undefined, undefined, 'slo"}'),
          ended(),
        ),
        `look(${rome})`,
        `wait(${oslo})`,
      )
    }
  })
})

describe("tool calls of a Messages stream", () => {
  const start = (index: number | undefined, id: string | undefined, name: string | undefined) => ({
    type: "content_block_start",
    index,
    content_block: { type: "tool_use", id, name, input: {} },
  })
  const piece = (index: number | undefined, partial_json: string) => ({
    type: "content_block_delta",
    index,
    delta: { type: "input_json_delta", partial_json },
  })
  const stop = (index: number | undefined) => ({ type: "content_block_stop", index })
  const last = (stop_reason: string | null = "tool_use") => ({
    type: "message_delta",
    delta: { stop_reason },
    usage: {},
  })

  it("are separate under one index, one id or none", () => {
    for (const [a, b] of [
      ["a", "b"],
      ["a", "a"],
      ["", ""],
      [undefined, undefined],
    ]) {
      const block = (index: number | undefined, id: string | undefined, written: string) => [
        start(index, id, "look"),
        piece(index, written),
        stop(index),
      ]
      for (const [first, second] of [
        [0, 1],
        [0, 0],
        [1, 2],
        [undefined, undefined],
      ]) {
        calls(messages(...block(first, a, rome), ...block(second, b, oslo), last()), `look(${rome})`, `look(${oslo})`)
      }
    }
  })

  it("are complete or invalid", () => {
    malformed(messages(start(0, "a", undefined), piece(0, rome), stop(0), last()))
    malformed(messages(start(0, "a", "look"), piece(0, '{"ci'), stop(0), last()))
    malformed(messages(start(0, "a", "look"), piece(0, rome), piece(0, oslo), stop(0), last("end_turn")))
    calls(messages(start(0, "a", "look"), stop(0), last()), "look({})")
    calls(messages(start(0, "a", "look"), last()), "look({})")
  })

  it("decide the finish reason, whatever the server reports", () => {
    for (const word of ["tool_use", "end_turn", "stop", "of_a_later_api"]) {
      calls(
        messages(start(0, "a", "look"), piece(0, rome), stop(0), last(word), { type: "message_stop" }),
        `look(${rome})`,
      )
    }
    for (const word of ["", null]) {
      calls(
        messages(start(0, "a", "look"), piece(0, rome), stop(0), last(word), { type: "message_stop" }),
        `look(${rome})`,
      )
    }
  })
})

describe("tool calls of a Gemini stream", () => {
  const chunk = (parts: ReadonlyArray<Body>, finishReason?: string): Body => ({
    candidates: [{ content: { parts }, finishReason }],
  })

  it("are complete or invalid, whatever the finish reason", () => {
    const look = { functionCall: { name: "look", args: { city: "Rome" } } }
    for (const word of ["STOP", "FUNCTION_CALL", "OTHER", "OF_A_LATER_API"]) {
      const { failure, frames } = gemini(chunk([look]), chunk([], word))
      assert.isUndefined(failure)
      for (const [client, read] of clients) {
        if (client !== "gemini") assert.strictEqual(read(frames).finish, "tool_calls", client)
      }
    }
    malformed(gemini(chunk([{ functionCall: { args: {} } }], "STOP")))
    malformed(gemini(chunk([{ functionCall: { name: "look", args: rome } }], "STOP")))
    malformed(gemini(chunk([{ functionCall: { name: "look", args: [] } }], "STOP")))
    calls(gemini(chunk([{ functionCall: { name: "now" } }], "STOP")), "now({})")
  })
})

describe("tool calls of a Converse stream", () => {
  const block = (index: number, toolUseId: string, ...written: ReadonlyArray<string>) => [
    ["contentBlockStart", { contentBlockIndex: index, start: { toolUse: { toolUseId, name: "look" } } }] as const,
    ...written.map(
      (input) => ["contentBlockDelta", { contentBlockIndex: index, delta: { toolUse: { input } } }] as const,
    ),
    ["contentBlockStop", { contentBlockIndex: index }] as const,
  ]
  const stop = (stopReason: string) => ["messageStop", { stopReason }] as const

  it("are complete or invalid, whatever the finish reason", () => {
    for (const word of ["tool_use", "end_turn", "stop_sequence", "of_a_later_api"]) {
      calls(converse(...block(0, "a", rome), ...block(1, "a", oslo), stop(word)), `look(${rome})`, `look(${oslo})`)
    }
    malformed(converse(...block(0, "a", '{"ci'), stop("tool_use")))
    malformed(converse(...block(0, "a", rome), stop("malformed_tool_use")))
  })
})

describe("tool calls of a Responses stream", () => {
  const call = (
    output_index: number | undefined,
    call_id: string | undefined,
    name: string,
    ...pieces: Array<string>
  ) => {
    const item = { type: "function_call", call_id, name, arguments: "" }
    return [
      { type: "response.output_item.added", output_index, item },
      ...pieces.map((delta) => ({ type: "response.function_call_arguments.delta", output_index, delta })),
      { type: "response.output_item.done", output_index, item: { ...item, arguments: pieces.join("") } },
    ]
  }
  const completed = { type: "response.completed", response: { status: "completed", output: [] } }
  const responses = (...events: ReadonlyArray<Body>) =>
    frames(
      Responses.Stream.decoder(judged),
      events.map((body) => ({ event: body["type"], data: JSON.stringify(body) })),
    )
  /** The result of every client of another protocol. */
  const translated = ({ failure, frames }: Streamed, ...expected: ReadonlyArray<string>) =>
    calls({ failure, frames: frames.map(({ parts }) => ({ parts })) }, ...expected)

  it("are complete or invalid", () => {
    for (const [a, b] of [
      ["a", "b"],
      ["a", "a"],
      ["", ""],
    ]) {
      for (const [first, second] of [
        [0, 1],
        [0, 0],
        [undefined, undefined],
      ]) {
        const both = [...call(first, a, "look", ...rome), ...call(second, b, "look", oslo)]
        translated(responses(...both, completed), `look(${rome})`, `look(${oslo})`)
      }
    }
    malformed(responses(...call(0, "a", "look", '{"ci'), completed))
    malformed(responses(...call(0, "a", "look", rome, oslo), completed))
    malformed(responses(...call(0, "a", "", rome), completed))
    translated(responses(...call(0, "a", "look"), completed), "look({})")
  })
})

describe("tool calls of a complete response", () => {
  const decode = {
    chat: (written: unknown, name: unknown = "look") =>
      ChatCompletions.Response.decode(
        JSON.stringify({
          choices: [
            { message: { tool_calls: [{ id: "a", function: { name, arguments: written } }] }, finish_reason: "stop" },
          ],
        }),
      ),
    messages: (input: unknown, name: unknown = "look") =>
      Messages.Response.decode(
        JSON.stringify({ content: [{ type: "tool_use", id: "a", name, input }], stop_reason: null }),
      ),
    converse: (input: unknown, name: unknown = "look") =>
      Converse.Response.decode(
        JSON.stringify({
          output: { message: { content: [{ toolUse: { toolUseId: "a", name, input } }] } },
          stopReason: "end_turn",
        }),
      ),
    responses: (written: unknown, name: unknown = "look") =>
      Responses.Response.decode(
        JSON.stringify({
          output: [{ type: "function_call", call_id: "a", name, arguments: written }],
          status: "completed",
        }),
        judged,
      ),
    gemini: (args: unknown, name: unknown = "look") =>
      Gemini.Response.decode(
        JSON.stringify({
          candidates: [{ content: { parts: [{ functionCall: { name, args } }] }, finishReason: "FUNCTION_CALL" }],
        }),
      ),
  }

  it("are complete or invalid", () => {
    for (const [protocol, answer] of Object.entries(decode)) {
      const reason = (result: ReturnType<typeof answer>) =>
        Result.isFailure(result) ? result.failure.reason._tag : undefined
      for (const written of ['{"ci', [], 7, JSON.stringify(rome)])
        assert.strictEqual(reason(answer(written)), "Malformed", protocol)
      assert.strictEqual(reason(answer({}, "")), "Malformed", protocol)
      for (const written of [undefined, {}]) {
        const { content, finishReason } = Result.getOrThrow(answer(written))
        assert.deepInclude(content[0], { name: "look", arguments: "{}" }, protocol)
        assert.strictEqual(finishReason, "tool-calls", protocol)
      }
    }
  })

  it("reach a client of their protocol corrected, and everything else as written", () => {
    const text =
      '{"id":"c1","later":1e400,"choices":[{"index":0,"finish_reason":"stop","message":{"content":null,"tool_calls":[{"function":{"name":"look","arguments":""}},{"id":"x","function":{"name":"look","arguments":"{}"}},{"id":"x","function":{"name":"look","arguments":"{}"}}]}}]}'
    const { native } = Result.getOrThrow(ChatCompletions.Response.decode(text))
    assert.include(native?.text, '"later":1e400')
    const [choice] = (JSON.parse(native?.text.replace("1e400", "0") ?? "") as Body)["choices"]
    assert.strictEqual(choice.finish_reason, "tool_calls")
    assert.deepStrictEqual(
      choice.message.tool_calls.map((call: Body) => [call["id"], call["function"].arguments]),
      [
        ["call_0_c1", "{}"],
        ["x", "{}"],
        ["x_2", "{}"],
      ],
    )
  })
})
