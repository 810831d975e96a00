/** Whatever an upstream sends, its client gets complete events with valid JSON. */
import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Converse from "@understudy/providers/protocols/converse"
import type { ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Result from "effect/Result"
import * as Garbage from "./Garbage.ts"
import * as OpenResponses from "./responses/OpenResponses.ts"

const classify = () => new ProviderError({ reason: { _tag: "ServerError" }, message: "No" })

// ---------------------------------------------------------------------------------------------------------------------
// Upstreams
// ---------------------------------------------------------------------------------------------------------------------

interface Upstream {
  readonly events: ReadonlyArray<Garbage.Event>
  readonly decoder: () => (event: Garbage.Event, data: string) => Result.Result<Chat.Frame, ProviderError> | undefined
}

const chunk = (delta: object, more: object = {}) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 17,
  model: "gpt",
  choices: [{ index: 0, delta, finish_reason: null, ...more }],
})

const called = (index: number, fields: object) => chunk({ tool_calls: [{ index, ...fields }] })

const chatCompletions: Upstream = {
  events: [
    chunk({ role: "assistant", content: "" }),
    chunk({ reasoning_content: "Hm" }),
    chunk({ content: "Hi" }, { logprobs: { content: [{ token: "Hi", logprob: -1, bytes: null, top_logprobs: [] }] } }),
    chunk({ refusal: "No" }),
    called(0, { id: "a", type: "function", function: { name: "look", arguments: "" } }),
    called(0, { function: { arguments: '{"x":1}' } }),
    chunk({}, { finish_reason: "tool_calls" }),
    { id: "chatcmpl-1", choices: [], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } },
  ],
  decoder: () => {
    const decoder = ChatCompletions.Stream.decoder(classify)
    return (_, data) => decoder.push({ data })
  },
}

const messages: Upstream = {
  events: [
    { type: "message_start", message: { id: "msg_1", model: "claude", usage: { input_tokens: 1, output_tokens: 1 } } },
    { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "Hm" } },
    { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: "sig" } },
    { type: "content_block_stop", index: 0 },
    { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 1, delta: { type: "text_delta", text: "Hi" } },
    {
      type: "content_block_delta",
      index: 1,
      delta: {
        type: "citations_delta",
        citation: { type: "web_search_result_location", url: "https://a.example", title: "A", cited_text: "a" },
      },
    },
    { type: "content_block_stop", index: 1 },
    { type: "content_block_start", index: 2, content_block: { type: "tool_use", id: "a", name: "look", input: {} } },
    { type: "content_block_delta", index: 2, delta: { type: "input_json_delta", partial_json: '{"x":1}' } },
    { type: "content_block_stop", index: 2 },
    { type: "message_delta", delta: { stop_reason: "tool_use", stop_sequence: null }, usage: { output_tokens: 9 } },
    { type: "message_stop" },
  ],
  decoder: () => {
    const decoder = Messages.Stream.decoder(classify)
    return ({ type }, data) => decoder.push({ event: String(type).replaceAll(/[\r\n]/g, ""), data })
  },
}

const at = { item_id: "msg_1", output_index: 1, content_index: 0 }
const part = { type: "output_text", text: "", annotations: [], logprobs: [] }
const thought = { id: "rs_1", type: "reasoning", summary: [{ type: "summary_text", text: "Hm" }] }
const message = { id: "msg_1", type: "message", status: "in_progress", role: "assistant", content: [] }
const call = { id: "fc_1", type: "function_call", call_id: "a", name: "look", arguments: "", status: "in_progress" }
const citation = { type: "url_citation", start_index: 0, end_index: 2, url: "https://a.example", title: "A" }

const responses: Upstream = {
  events: [
    { type: "response.created", response: { id: "resp_1", object: "response", status: "in_progress", tools: [] } },
    { type: "response.output_item.added", output_index: 0, item: thought },
    { type: "response.reasoning_summary_text.delta", item_id: "rs_1", output_index: 0, summary_index: 0, delta: "Hm" },
    { type: "response.output_item.done", output_index: 0, item: { ...thought, encrypted_content: "gAAA" } },
    { type: "response.output_item.added", output_index: 1, item: message },
    { type: "response.content_part.added", ...at, part },
    { type: "response.output_text.delta", ...at, delta: "Hi", logprobs: [] },
    { type: "response.output_text.annotation.added", ...at, annotation_index: 0, annotation: citation },
    { type: "response.output_text.done", ...at, text: "Hi" },
    { type: "response.content_part.done", ...at, part: { ...part, text: "Hi" } },
    { type: "response.output_item.done", output_index: 1, item: { ...message, content: [{ ...part, text: "Hi" }] } },
    { type: "response.output_item.added", output_index: 2, item: call },
    { type: "response.function_call_arguments.delta", item_id: "fc_1", output_index: 2, delta: '{"x":1}' },
    { type: "response.output_item.done", output_index: 2, item: { ...call, arguments: '{"x":1}' } },
    {
      type: "response.completed",
      response: { id: "resp_1", status: "completed", output: [], usage: { input_tokens: 1, output_tokens: 2 } },
    },
  ].map((event, sequence_number) => ({ sequence_number, ...event })),
  decoder: () => {
    const decoder = Responses.Stream.decoder(classify)
    return (_, data) => decoder.push({ data })
  },
}

const candidate = (parts: ReadonlyArray<object>, more: object = {}) => ({
  responseId: "r",
  modelVersion: "gemini",
  candidates: [{ index: 0, content: { role: "model", parts }, ...more }],
})

const gemini: Upstream = {
  events: [
    candidate([{ thought: true, text: "Hm" }]),
    candidate([{ text: "Hi", thoughtSignature: "sig" }]),
    candidate([{ functionCall: { name: "look", id: "a", args: { x: 1 } }, thoughtSignature: "sig" }]),
    {
      ...candidate([{ text: "" }], { finishReason: "STOP", citationMetadata: { citationSources: [{ uri: "b" }] } }),
      usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 2 },
    },
  ],
  decoder: () => {
    const decoder = Gemini.Stream.decoder(classify)
    return (_, data) => decoder.push({ data })
  },
}

const converse: Upstream = {
  events: [
    { messageStart: { role: "assistant" } },
    { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { text: "Hm" } } } },
    { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { signature: "sig" } } } },
    { contentBlockDelta: { contentBlockIndex: 1, delta: { text: "Hi" } } },
    { contentBlockStart: { contentBlockIndex: 2, start: { toolUse: { toolUseId: "a", name: "look" } } } },
    { contentBlockDelta: { contentBlockIndex: 2, delta: { toolUse: { input: '{"x":1}' } } } },
    { contentBlockStop: { contentBlockIndex: 2 } },
    { messageStop: { stopReason: "tool_use" } },
    { metadata: { usage: { inputTokens: 1, outputTokens: 2, totalTokens: 3 } } },
  ],
  decoder: () => {
    const decoder = Converse.Stream.decoder(classify)
    return (event) => {
      const [[name, body] = ["", {}]] = Object.entries(event)
      return decoder.push({ kind: "event", event: name, data: JSON.stringify(body) })
    }
  },
}

const upstreams = { chatCompletions, messages, responses, gemini, converse }

// ---------------------------------------------------------------------------------------------------------------------
// Clients
// ---------------------------------------------------------------------------------------------------------------------

/** A client's reading of a stream's text, by dialect. */
const clients: Readonly<Record<string, { readonly dialect: ClientProtocol; readonly read: (text: string) => void }>> = {
  chatCompletions: { dialect: ChatCompletions, read: (text) => events(text, /^data: ([^\r\n]*)$/, "[DONE]") },
  messages: { dialect: Messages, read: (text) => events(text, /^event: [^\r\n]*\ndata: ([^\r\n]*)$/) },
  responses: { dialect: Responses, read: (text) => events(text, /^(?:event: [^\r\n]*\n)?data: ([^\r\n]*)$/) },
  gemini: {
    dialect: Gemini,
    read: (text) => {
      // Its error is bare JSON, too.
      const [, said = "", bare = "{}"] = /^((?:.*\n\n)*)(.+)?$/.exec(text) ?? []
      events(said, /^data: ([^\r\n]*)$/)
      JSON.parse(bare)
    },
  },
  geminiArray: {
    dialect: { ...Gemini, Stream: { ...Gemini.Stream, ...Gemini.Stream.array } },
    read: (text) => assert.isArray(JSON.parse(text)),
  },
}

const events = (text: string, shape: RegExp, end?: string): void => {
  assert.isTrue(text === "" || text.endsWith("\n\n"))
  for (const event of text.split("\n\n").slice(0, -1)) {
    const [, data] = shape.exec(event) ?? assert.fail(`no event: ${event}`)
    if (data !== end) JSON.parse(data!)
  }
}

const answering = { id: "1", created: 17, request: { model: "assistant", messages: [] } }
const error = { status: 502, message: 'Cut\r\n"short"', type: "server_error", code: "stream_broken", requestId: "r" }

/** All that the client gets: of the upstream's frames, of another deployment that continues, and the end. */
const written = (
  { Stream }: ClientProtocol,
  upstream: Upstream,
  texts: ReadonlyArray<string>,
  ends: "breaks" | "goes on" | "ends",
): { readonly theirs: string; readonly ours: string } => {
  const push = upstream.decoder()
  const encoder = Stream.encoder(answering)
  let theirs = ""
  for (const text of texts) {
    const frame = push(JSON.parse(text), text)
    if (frame === undefined) continue
    if (Result.isFailure(frame)) return { theirs, ours: encoder.fail(error) }
    theirs += encoder.push(frame.success)
  }
  if (ends === "breaks") return { theirs, ours: encoder.fail(error) }
  const more: ReadonlyArray<Chat.Part> = [
    { type: "text", text: "more" },
    { type: "usage", usage: { inputTokens: 1, outputTokens: 2 } },
    { type: "finish", reason: "stop" },
  ]
  const ours = ends === "ends" ? "" : more.map((part) => encoder.push({ parts: [part] })).join("")
  return { theirs, ours: ours + encoder.end() }
}

const endings = ["breaks", "goes on", "ends"] as const

for (const [from, upstream] of Object.entries(upstreams)) {
  for (const [to, { dialect, read }] of Object.entries(clients)) {
    describe(`${from} to ${to}`, () => {
      it("content is preserved", () => {
        const texts = upstream.events.map((event) => JSON.stringify(event))
        const { ours, theirs } = written(dialect, upstream, texts, "ends")
        read(theirs + ours)
        for (const piece of ["Hi", "look"]) assert.include(theirs + ours, piece)
      })

      it.prop("every written frame can be parsed", [Garbage.texts(upstream.events)], ([texts]) => {
        for (const ending of endings) {
          const { ours, theirs } = written(dialect, upstream, texts, ending)
          read(theirs + ours)
        }
      })
    })
  }
}

/** The events within a text. */
const parsed = (text: string) =>
  text
    .split("\n\n")
    .slice(0, -1)
    .map((event) => JSON.parse(event.slice(event.indexOf("data: ") + 6)) as { readonly type: string })

describe("written events of Responses have every field that Open Responses requires", () => {
  for (const [from, upstream] of Object.entries(upstreams)) {
    it.prop(from, [Garbage.texts(upstream.events)], ([texts]) => {
      for (const ending of endings) {
        const { ours, theirs } = written(Responses, upstream, texts, ending)
        // An upstream's events are passed on unchanged, and its items are in our last event.
        const checked = parsed(from === "responses" ? ours : theirs + ours)
        for (const event of checked) {
          if (from === "responses" && event.type === "response.output_item.done") continue
          if (from === "responses" && "response" in event) Object.assign(event.response as object, { output: [] })
          assert.isUndefined(OpenResponses.eventFaults(event), JSON.stringify(event))
        }
      }
    })
  }
})
