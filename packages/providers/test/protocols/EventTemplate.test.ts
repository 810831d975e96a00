/** Decoding by template: what a decoder makes of an event does not depend on whether it recognizes it. */
import { assert, describe, it } from "@effect/vitest"
import { ProviderError } from "@understudy/core/ProviderError"
import * as ChatCompletions from "@understudy/providers/internal/protocols/chat-completions/Stream"
import { EventTemplate } from "@understudy/providers/internal/protocols/EventTemplate"
import type { Decoder, SseEvent } from "@understudy/providers/internal/protocols/Frames"
import * as Messages from "@understudy/providers/internal/protocols/messages/Stream"
import * as Responses from "@understudy/providers/internal/protocols/responses/Stream"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** Pieces of text, and strings that also occur elsewhere in an event. */
const Text = Schema.Union([
  Schema.Literals([
    "Hello",
    " world",
    "a",
    "",
    " ",
    ":",
    ",",
    "},{",
    "assistant",
    "content",
    "text",
    "\n",
    '"',
    "\\",
    "🎭",
    "ü\u0007",
  ]),
  Schema.String,
])

const Kind = Schema.Literals(["text", "reasoning", "call", "open", "close", "repeat", "finish", "usage", "extra"])

/** One event: whether it is of a run's first kind or its second, its text, a number, and how its JSON is damaged. */
const Event = Schema.Struct({
  isFirst: Schema.Boolean,
  text: Text,
  index: Schema.Literals([0, 0, 0, 1]),
  number: Schema.Literals([0, 7, 7, 12, 1_760_000_000]),
  damage: Schema.Union([
    Schema.Literals(["none", "none", "none", "none", "none", "none", "unicode"]),
    Schema.Struct({
      at: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
      by: Schema.Literals(['"', "\\", "{", "\n", "", "0", "end"]),
    }),
  ]),
})
type Event = typeof Event.Type & { readonly kind: typeof Kind.Type }

/** An event's JSON, damaged as it says. */
const print = (body: object, { damage }: Event): string => {
  const json = JSON.stringify(body)
  if (damage === "none") return json
  if (damage === "unicode") return json.replaceAll("o", "\\u006f")
  const at = Math.floor(damage.at * json.length)
  return json.slice(0, at) + (damage.by === "end" ? "" : damage.by + json.slice(at + 1))
}

const chatCompletions = (event: Event): SseEvent => {
  const { index, kind, number, text } = event
  const chunk = (choice: object, more: object = {}) => ({
    data: print(
      { id: "c-1", created: number, choices: [{ index, finish_reason: null, ...choice }], obfuscation: text, ...more },
      event,
    ),
  })
  switch (kind) {
    case "text":
      return chunk({ delta: { content: text } }, { obfuscation: "x".repeat(number % 5) })
    case "reasoning":
      return chunk({ delta: { reasoning_content: text } }, { obfuscation: undefined })
    case "open":
      return chunk({ delta: { role: "assistant", content: text } })
    case "call":
      return chunk({
        delta: { content: text, tool_calls: [{ index: 0, id: "call-1", function: { arguments: "1" } }] },
      })
    case "close":
      return chunk({ delta: { tool_calls: [{ index: 0, function: { name: "f", arguments: "{}" } }] } })
    case "repeat":
      return chunk({ delta: { content: text }, logprobs: { content: [] } })
    case "finish":
      return chunk({ delta: {}, finish_reason: text })
    case "usage":
      return chunk({ delta: { content: text } }, { usage: { prompt_tokens: number, completion_tokens: 1 } })
    case "extra":
      return chunk({ delta: { content: [{ type: "text", text }] } })
  }
}

const messages = (event: Event): SseEvent => {
  const { index, kind, number, text } = event
  const named = (type: string, body: object) => ({ event: type, data: print({ type, index, ...body }, event) })
  switch (kind) {
    case "text":
      return named("content_block_delta", { delta: { type: "text_delta", text } })
    case "reasoning":
      return named("content_block_delta", { delta: { type: "thinking_delta", thinking: text } })
    case "open":
      return named("content_block_start", { content_block: { type: "text", text } })
    case "call":
      return named("content_block_start", { content_block: { type: "tool_use", id: "call-1", name: "f", input: {} } })
    case "close":
      return named("content_block_stop", {})
    case "repeat":
      return { ...named("content_block_delta", { delta: { type: "text_delta", text } }), event: "message" }
    case "finish":
      return named("message_delta", { delta: { stop_reason: text }, usage: { output_tokens: number } })
    case "usage":
      return named("message_start", { message: { id: "m-1", model: text, usage: { input_tokens: number } } })
    case "extra":
      return named("content_block_delta", { delta: { type: "input_json_delta", partial_json: text } })
  }
}

const responses = (event: Event): SseEvent => {
  const { index, kind, number, text } = event
  const typed = (type: string, body: object) => ({
    event: type,
    data: print({ type, sequence_number: number, output_index: index, ...body }, event),
  })
  switch (kind) {
    case "text":
      return typed("response.output_text.delta", { delta: text, logprobs: [], obfuscation: "x".repeat(number % 5) })
    case "reasoning":
      return typed("response.reasoning_text.delta", { delta: text })
    case "open":
      return typed("response.output_item.added", { item: { type: "message", id: text } })
    case "call":
      return typed("response.output_item.added", { item: { type: "function_call", call_id: "call-1", name: "f" } })
    case "close":
      return typed("response.output_item.done", { item: { type: "message", content: [{ type: "output_text", text }] } })
    case "repeat":
      return typed("response.output_text.done", { text })
    case "finish":
      return typed("response.completed", { response: { id: text, status: "completed", output: [] } })
    case "usage":
      return typed("response.created", { response: { id: "r-1", model: text } })
    case "extra":
      return typed("response.function_call_arguments.delta", { delta: text })
  }
}

const classify = ({ message }: { readonly message?: string | undefined }) =>
  new ProviderError({ reason: { _tag: "ServerError" }, message: message ?? "failed" })

const outcome = (result: ReturnType<Decoder<SseEvent>["push"]>) => {
  if (result === undefined) return "malformed"
  if (Result.isFailure(result)) return `${result.failure.reason._tag}: ${result.failure.message}`
  const { native, parts } = result.success
  return { parts, native: native && { protocol: native.protocol, event: native.event } }
}

const protocols = {
  "Chat Completions": [ChatCompletions, chatCompletions],
  Messages: [Messages, messages],
  Responses: [Responses, responses],
} as const

describe("EventTemplate", () => {
  for (const [name, [{ decoder }, write]] of Object.entries(protocols)) {
    it.effect.prop(
      `changes nothing of what a decoder of ${name} returns`,
      { kinds: Schema.Tuple([Kind, Kind]), events: Schema.Array(Event).check(Schema.isMinLength(4)) },
      Effect.fnUntraced(function* ({ events, kinds }) {
        const [recognizing, parsing] = [decoder(classify), decoder(classify)]
        for (const [index, drawn] of events.entries()) {
          const event = write({ ...drawn, kind: kinds[drawn.isFirst ? 0 : 1] })
          // An event with other white space than the one before it is parsed.
          const spaced = { ...event, data: " ".repeat(index + 1) + event.data }
          assert.deepStrictEqual(outcome(recognizing.push(event)), outcome(parsing.push(spaced)))
        }
        yield* Effect.void
      }),
      { arbitrary: { runs: 400 } },
    )
  }

  it("recognizes an event that differs in the text, and in fields that are not read", () => {
    const template = new EventTemplate(["n", "pad"])
    const event = (text: string, n: number, pad: string) => JSON.stringify({ n, delta: { text }, pad })
    assert.strictEqual(template.match(event("Hello", 1, "x")), undefined)
    assert.isTrue(template.learn(event("Hello", 1, "x"), [{ type: "text", text: "Hello", choice: 2 }]))
    assert.deepStrictEqual(template.match(event(' "wor\nld" 🎭', 27, "xyz")), [
      { type: "text", text: ' "wor\nld" 🎭', choice: 2 },
    ])
    assert.strictEqual(template.match(event("", 1, "x")), undefined)
    assert.strictEqual(template.match(`${event("more", 1, "x")} `), undefined)
    assert.strictEqual(template.match(event("more", 1, "x").slice(0, -1)), undefined)
    assert.strictEqual(template.match('{"n":01,"delta":{"text":"more"},"pad":"x"}'), undefined)
    assert.strictEqual(template.match('{"n":1,"delta":{"text":"mo\\re\\q"},"pad":"x"}'), undefined)
    assert.strictEqual(template.match('{"n":1,"delta":{"text":"a","text":"b"},"pad":"x"}'), undefined)
  })

  it("does not learn an event in which the text occurs twice, or that has escapes", () => {
    const template = new EventTemplate()
    assert.isFalse(template.learn('{"role":"a","text":"a"}', [{ type: "text", text: "a" }]))
    assert.isFalse(template.learn('{"role":"\\u0061","text":"a"}', [{ type: "text", text: "a" }]))
    assert.strictEqual(template.match('{"role":"a","text":"b"}'), undefined)
  })
})
