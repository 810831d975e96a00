import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Simulated from "@understudy/providers/simulated"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const request = (text: string, more: Partial<Chat.Request> = {}): Chat.Request => ({
  model: "m",
  messages: [Chat.user(text)],
  ...more,
})

const answer = (request: Chat.Request, options: Simulated.Options = { name: "primary" }) =>
  Effect.flatMap(Simulated.make(options), ({ provider }) => provider.chat(request))

const parts = (request: Chat.Request, options: Simulated.Options = { name: "primary" }) =>
  Effect.gen(function* () {
    const { provider } = yield* Simulated.make(options)
    const frames = yield* Stream.runCollect(provider.stream(request))
    return frames.flatMap(({ parts }) => parts)
  })

const weather: Chat.Tool = {
  name: "get_weather",
  description: "The current weather in a city",
  parameters: {
    type: "object",
    properties: {
      city: { type: "string" },
      days: { type: "integer", minimum: 1, maximum: 14 },
      unit: { enum: ["celsius", "fahrenheit"] },
      verbose: { type: "boolean" },
    },
    required: ["city", "days", "unit"],
  },
}
const search: Chat.Tool = {
  name: "searchWeb",
  description: "Look something up",
  parameters: { type: "object", properties: { query: { type: "string" } }, required: ["query"] },
}

describe("words", () => {
  it.effect("say who speaks and what was asked, the same each time", () =>
    Effect.gen(function* () {
      const said = Chat.text(yield* answer(request("Why is the sky blue?")))
      assert.match(said, /^primary \(simulated\) says: you asked “Why is the sky blue\?”\. (?:[^.]+\. ?){3}$/)
      assert.strictEqual(Chat.text(yield* answer(request("Why is the sky blue?"))), said)
    }),
  )

  it.effect("differ by seed and by question", () =>
    Effect.gen(function* () {
      const texts = yield* Effect.forEach(Array.from({ length: 20 }), (_, seed) =>
        Effect.map(answer(request("Why?"), { seed }), Chat.text),
      )
      assert.isTrue(new Set(texts).size > 5)
    }),
  )

  it.effect("are counted: tokens read by length, tokens written one by one", () =>
    Effect.gen(function* () {
      const { usage } = yield* answer(request("x".repeat(400)), { reply: "one two three" })
      assert.deepStrictEqual(usage, { inputTokens: 100, outputTokens: 3 })
    }),
  )

  it.effect("stream as what a plain answer says, under the model that was asked for", () =>
    Effect.gen(function* () {
      const ask = request("Tell me about Ümläute, 日本語 and 🎭🎭🎭🎭🎭🎭🎭🎭🎭🎭")
      const whole = yield* answer(ask)
      const [first, ...rest] = yield* parts(ask)
      assert.deepStrictEqual(first, { type: "start", id: whole.id, model: "m" })
      const said = rest.slice(0, -2).map((part) => (part.type === "text" ? part.text : assert.fail(part.type)))
      assert.strictEqual(said.join(""), Chat.text(whole))
      assert.isTrue(said.length > 20)
      assert.isTrue(said.every((token) => token.isWellFormed()))
      assert.deepStrictEqual(rest.slice(-2), [
        { type: "finish", reason: "stop" },
        { type: "usage", usage: whole.usage ?? assert.fail("no usage") },
      ])
    }),
  )

  it.effect("come in as many choices as were asked for", () =>
    Effect.gen(function* () {
      const ask = request("Why?", { sampling: { n: 3, maxTokens: 40 } })
      const whole = yield* answer(ask)
      assert.strictEqual(whole.alternatives?.length, 2)
      const streamed = yield* parts(ask)
      const texts = [0, 1, 2].map((choice) =>
        streamed.map((part) => (part.type === "text" && (part.choice ?? 0) === choice ? part.text : "")).join(""),
      )
      assert.deepStrictEqual(texts, [whole, ...(whole.alternatives ?? [])].map(Chat.text))
      assert.deepStrictEqual(
        streamed.flatMap((part) => (part.type === "finish" ? [part.choice ?? 0] : [])),
        [0, 1, 2],
      )
    }),
  )
})

describe("where it ends", () => {
  it.effect("at the most tokens allowed, and says so", () =>
    Effect.gen(function* () {
      const ask = request("Hello", { sampling: { maxTokens: 2 } })
      const whole = yield* answer(ask, { reply: "one two three" })
      assert.deepStrictEqual(
        [Chat.text(whole), whole.finishReason, whole.usage?.outputTokens],
        ["one two", "length", 2],
      )
      const exact = yield* answer({ ...ask, sampling: { maxTokens: 3 } }, { reply: "one two three" })
      assert.strictEqual(exact.finishReason, "stop")
    }),
  )

  it.effect("before the first stop sequence, naming it", () =>
    Effect.gen(function* () {
      const ask = request("Hello", { sampling: { stop: ["three", "two", "four", ""] } })
      const whole = yield* answer(ask, { reply: "one two three four" })
      assert.deepStrictEqual([Chat.text(whole), whole.finishReason, whole.stopSequence], ["one ", "stop", "two"])
      assert.deepStrictEqual((yield* parts(ask, { reply: "one two three four" })).at(-2), {
        type: "finish",
        reason: "stop",
        stopSequence: "two",
      })
    }),
  )

  it.effect("at the limit, when that comes before the stop sequence", () =>
    Effect.gen(function* () {
      const ask = request("Hello", { sampling: { stop: ["four"], maxTokens: 1 } })
      const whole = yield* answer(ask, { reply: "one two three four" })
      assert.deepStrictEqual([Chat.text(whole), whole.finishReason, whole.stopSequence], ["one", "length", undefined])
    }),
  )

  it.effect("at once, with an answer all the same, when nothing may be said", () =>
    Effect.gen(function* () {
      const said = yield* parts(request("Hello", { sampling: { stop: ["one"] } }), { reply: "one" })
      assert.deepStrictEqual(
        said.map(({ type }) => type),
        ["start", "finish", "usage"],
      )
    }),
  )
})

describe("tools", () => {
  it.effect("are called when the question mentions them, with arguments from the question", () =>
    Effect.gen(function* () {
      const ask = request("What is the weather in Paris over the next 3 days?", { tools: [search, weather] })
      const { content, finishReason } = yield* answer(ask)
      assert.strictEqual(finishReason, "tool-calls")
      const [call] = Chat.toolCalls({ content })
      assert.strictEqual(call?.name, "get_weather")
      assert.deepStrictEqual(JSON.parse(call?.arguments ?? ""), { city: "Paris", days: 3, unit: "celsius" })
    }),
  )

  it.effect("are left alone when the question is about something else, or they are not wanted", () =>
    Effect.gen(function* () {
      const other = yield* answer(request("Tell me what the current time is", { tools: [weather] }))
      assert.strictEqual(other.finishReason, "stop")
      const none = yield* answer(request("The weather?", { tools: [weather], toolChoice: "none" }))
      assert.strictEqual(none.finishReason, "stop")
    }),
  )

  it.effect("are called when one must be, or when one is named", () =>
    Effect.gen(function* () {
      const tools = [search, weather]
      const name = (toolChoice: Chat.ToolChoice, text: string) =>
        Effect.map(answer(request(text, { tools, toolChoice })), (response) => Chat.toolCalls(response)[0]?.name)
      assert.strictEqual(yield* name("required", "Hello"), "searchWeb")
      assert.strictEqual(yield* name("required", "Weather"), "get_weather")
      assert.strictEqual(yield* name({ name: "get_weather" }, "Hello"), "get_weather")
    }),
  )

  it.effect("stream in pieces, as a plain answer calls them", () =>
    Effect.gen(function* () {
      const ask = request("Search the web for “effect systems”", { tools: [search] })
      const [call] = Chat.toolCalls(yield* answer(ask))
      const streamed = yield* parts(ask)
      assert.deepStrictEqual(streamed[1], { type: "tool-call", index: 0, id: call?.id ?? "", name: "searchWeb" })
      const pieces = streamed.flatMap((part) => (part.type === "tool-call-delta" ? [part.arguments] : []))
      assert.isTrue(pieces.length > 1)
      assert.strictEqual(pieces.join(""), call?.arguments)
      assert.deepStrictEqual(JSON.parse(pieces.join("")), { query: "Search the web for “effect systems”" })
      assert.deepStrictEqual(streamed.at(-2), { type: "finish", reason: "tool-calls" })
    }),
  )

  it.effect("have an id of their own in every call", () =>
    Effect.gen(function* () {
      const { provider } = yield* Simulated.make()
      const ask = request("Weather", { tools: [weather] })
      const ids = yield* Effect.forEach([1, 2, 3], () =>
        Effect.map(provider.chat(ask), (response) => Chat.toolCalls(response)[0]?.id),
      )
      assert.strictEqual(new Set(ids).size, 3)
    }),
  )

  it.effect("are quoted once they have answered, even if one must be called", () =>
    Effect.gen(function* () {
      const asked = request("What is the weather in Paris?", { tools: [weather], toolChoice: "required" })
      const first = yield* answer(asked)
      const [call] = Chat.toolCalls(first)
      const messages = [...asked.messages, Chat.assistant(first.content)]
      const says = (result: Chat.ToolMessage) =>
        Effect.map(answer({ ...asked, messages: [...messages, result] }), Chat.text)
      assert.match(
        yield* says(Chat.toolResult(call?.id ?? "", "21 °C, sunny")),
        /^primary \(simulated\) says: get_weather answered “21 °C, sunny”\. /,
      )
      assert.match(
        yield* says(Chat.toolResult("another", "no network", { isError: true })),
        /^primary \(simulated\) says: the tool failed with “no network”\. /,
      )
    }),
  )
})

describe("JSON", () => {
  it.effect("is a document that says who speaks", () =>
    Effect.gen(function* () {
      const { content } = yield* answer(request("Why?", { format: { type: "json" } }))
      const { answer: said } = JSON.parse(Chat.text({ content })) as { readonly answer: string }
      assert.match(said, /^primary \(simulated\) says: you asked “Why\?”\. /)
    }),
  )

  it.effect("is what its schema requires", () =>
    Effect.gen(function* () {
      const schema = {
        type: "object",
        properties: { name: { type: "string" }, age: { type: "integer" }, tags: { type: "array" } },
        required: ["name", "age", "tags"],
        additionalProperties: false,
      }
      const ask = request("My friend Ada Lovelace is 36.", { format: { type: "json-schema", name: "person", schema } })
      assert.deepStrictEqual(JSON.parse(Chat.text(yield* answer(ask))), { name: "Ada Lovelace", age: 36, tags: [] })
    }),
  )
})
