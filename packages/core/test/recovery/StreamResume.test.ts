import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Chat from "../../src/model/Chat.ts"
import * as StreamResume from "../../src/recovery/StreamResume.ts"
import type { Capabilities } from "../../src/model/Capabilities.ts"

const request: Chat.Request = { model: "assistant", messages: [Chat.user("Hello?")] }

const after = (delivered: string, capabilities?: Capabilities, original = request) =>
  StreamResume.resumeRequest(original, delivered, capabilities)

/** The text that an answer, in pieces, adds to the delivered text; `undefined` if it does not join. */
const added = (mode: StreamResume.ResumeMode, pieces: ReadonlyArray<string>) =>
  Stream.fromIterable<Chat.Part>([
    { type: "start", id: "another" },
    ...pieces.map((text): Chat.Part => ({ type: "text", text })),
    { type: "finish", reason: "stop" },
  ]).pipe(
    Stream.map((part): Chat.Frame => ({ parts: [part], native: { protocol: "scripted", data: "{}" } })),
    (frames) => StreamResume.joined(mode, frames),
    Stream.runCollect,
    Effect.map((frames) => frames.flatMap(({ parts }) => parts).map((part) => ("text" in part ? part.text : ""))),
    Effect.map((texts) => texts.join("")),
    Effect.orElseSucceed(() => undefined),
  )

const Text = Schema.String.check(Schema.isMaxLength(500))
/** Few letters, so that beginnings and ends are repeated. */
const Repetitive = Schema.Array(Schema.Literals(["a", "b", " "])).check(Schema.isMaxLength(500))
const Size = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 }))
const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

const pieces = (text: string, size: number): ReadonlyArray<string> =>
  text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? []

describe("resumeRequest", () => {
  it("prefills a model that accepts it, without white space at the end", () => {
    const { mode, request: resumed } = after("Once upon \n", { prefill: true })
    assert.deepStrictEqual(resumed.messages, [Chat.user("Hello?"), Chat.assistant("Once upon")])
    assert.deepStrictEqual(mode, { _tag: "Prefill", delivered: "Once upon \n", trailing: " \n" })
  })

  for (const capabilities of [undefined, {}, { prefill: false }]) {
    it(`instructs a model with the capabilities ${JSON.stringify(capabilities)} to repeat the last characters`, () => {
      const delivered = `${"x".repeat(300)} the end`
      const { mode, request } = after(delivered, capabilities)
      assert.deepStrictEqual(
        request.messages.map(({ role }) => role),
        ["user", "assistant", "user"],
      )
      assert.include(JSON.stringify(request.messages.at(-1)), delivered.slice(-200))
      assert.deepStrictEqual(mode, { _tag: "Overlap", delivered, tail: delivered.slice(-200) })
    })
  }

  it("never prefills a model that is to reason", () => {
    const { mode } = after("Once", { prefill: true }, { ...request, reasoning: { effort: "high" } })
    assert.strictEqual(mode._tag, "Overlap")
  })

  it("sends the original request after white space alone, without the client's native body", () => {
    const native = { protocol: "chat-completions", body: { model: "assistant" } }
    const resumed = after(" \n", undefined, { ...request, native })
    assert.deepStrictEqual(resumed.request, request)
  })

  it("limits the output to the tokens that remain", () => {
    const limited = { ...request, sampling: { maxTokens: 100, temperature: 0 } }
    assert.deepStrictEqual(after("x".repeat(80), { prefill: true }, limited).request.sampling, {
      maxTokens: 80,
      temperature: 0,
    })
    assert.strictEqual(after("x".repeat(800), { prefill: true }, limited).request.sampling?.maxTokens, 1)
    assert.strictEqual(after("x".repeat(80), undefined, limited).request.sampling?.maxTokens, 160)
  })
})

describe("isResumable", () => {
  const cases: ReadonlyArray<readonly [expected: boolean, what: Partial<Chat.Request>]> = [
    [true, {}],
    [true, { tools: [], format: { type: "text" }, sampling: { n: 1 } }],
    [false, { tools: [{ name: "weather" }] }],
    [true, { vendor: { messages: { service_tier: "auto" } } }],
    [false, { vendor: { messages: { service_tier: "auto" }, gemini: { tools: [{ googleSearch: {} }] } } }],
    [false, { format: { type: "json" } }],
    [false, { sampling: { n: 2 } }],
    [false, { sampling: { logprobs: true } }],
  ]
  for (const [expected, what] of cases) {
    it(`is ${expected} for a request with ${JSON.stringify(what)}`, () => {
      assert.strictEqual(StreamResume.isResumable({ ...request, ...what }), expected)
    })
  }
})

describe("joined", () => {
  /** `make` gives the text that the new answer repeats before `rest`. */
  const joins = (
    name: string,
    make: (tail: string, delivered: string) => string,
    Answer: Schema.Codec<string | ReadonlyArray<string>, unknown>,
  ) =>
    it.effect.prop(
      name,
      { answer: Answer, at: Share, size: Size },
      Effect.fnUntraced(function* ({ answer, at, size }) {
        const whole = typeof answer === "string" ? answer : answer.join("")
        const delivered = whole.slice(0, Math.ceil(whole.length * at))
        const rest = whole.slice(delivered.length)
        const { mode } = after(delivered)
        if (mode._tag === "Prefill") return
        const found = yield* added(mode, pieces(make(mode.tail, delivered) + rest, size))
        const start = delivered.trimStart()
        const ambiguous = mode.tail === "" || (start !== mode.tail && start.startsWith(mode.tail))
        assert.strictEqual(found, ambiguous ? undefined : rest)
      }),
      { arbitrary: { runs: 300 } },
    )

  joins("cuts the tail that the answer repeats", (tail) => tail, Text)
  joins("cuts all of the delivered text when the answer repeats it", (_, delivered) => delivered, Text)
  joins("ignores white space before the repeated tail", (tail) => `\n${tail}`, Text)
  joins("cuts the tail of an answer that repeats itself, or fails", (tail) => tail, Repetitive)
  joins("cuts all of an answer that repeats itself, or fails", (_, delivered) => delivered, Repetitive)

  it.effect.prop(
    "fails when the answer does not repeat the delivered text",
    { delivered: Text, other: Text, size: Size },
    Effect.fnUntraced(function* ({ delivered, other, size }) {
      const { mode } = after(delivered)
      if (mode._tag === "Prefill") return
      const found = yield* added(mode, pieces(`#${other}`, size))
      assert.strictEqual(found, mode.tail.startsWith("#") ? found : undefined)
    }),
  )

  it.effect.prop(
    "adds the text of a prefilled model, and no white space twice",
    { answer: Text, at: Share, size: Size },
    Effect.fnUntraced(function* ({ answer, at, size }) {
      const delivered = answer.slice(0, Math.ceil(answer.length * at))
      const { mode, request } = after(delivered, { prefill: true })
      const prefilled = delivered.trimEnd()
      assert.strictEqual(request.messages.length, prefilled === "" ? 1 : 2)
      const rest = answer.slice(prefilled.length)
      const again = delivered.length >= 40 && rest.startsWith(delivered)
      if (!again) assert.strictEqual(yield* added(mode, pieces(rest, size)), answer.slice(delivered.length))
    }),
    { arbitrary: { runs: 300 } },
  )

  it.effect("cuts the delivered text when a prefilled model repeats it", () =>
    Effect.gen(function* () {
      const delivered = "It was a dark and stormy night; the rain fell "
      const { mode } = after(delivered, { prefill: true })
      assert.strictEqual(yield* added(mode, pieces(`${delivered}in torrents`, 7)), "in torrents")
    }),
  )

  it.effect("fails at a tool call or a refusal", () =>
    Effect.gen(function* () {
      const { mode } = after("Hel")
      for (const part of [
        { type: "tool-call", index: 0, id: "call_1", name: "weather" },
        { type: "refusal", text: "No" },
      ] satisfies ReadonlyArray<Chat.Part>) {
        const frames = StreamResume.joined(mode, Stream.succeed({ parts: [{ type: "text", text: "Hello" }, part] }))
        const error = yield* Effect.flip(Stream.runDrain(frames))
        assert.strictEqual(error.reason._tag, "Unsupported")
      }
    }),
  )

  it.effect("drops reasoning and native events", () =>
    Effect.gen(function* () {
      const { mode } = after("Hel")
      const frames = yield* Stream.runCollect(
        StreamResume.joined(
          mode,
          Stream.succeed({
            parts: [
              { type: "reasoning", text: "Hm." },
              { type: "text", text: "Hello" },
            ],
            native: { protocol: "messages", data: "{}" },
          }),
        ),
      )
      assert.deepStrictEqual([...frames], [{ parts: [{ type: "text", text: "lo" }] }])
    }),
  )
})
