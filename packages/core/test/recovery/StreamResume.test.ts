import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Chat from "../../src/model/Chat.ts"
import * as StreamResume from "../../src/recovery/StreamResume.ts"
import type { Capabilities } from "../../src/model/Capabilities.ts"

const hello: Chat.Request = { model: "assistant", messages: [Chat.user("Hello?")] }

const after = (delivered: string, capabilities?: Capabilities, request = hello) =>
  StreamResume.resumeRequest(request, delivered, capabilities)

/** What a writer's answer, in pieces, adds to what was delivered; `undefined` when it cannot be joined. */
const added = (joint: StreamResume.ResumeMode, pieces: ReadonlyArray<string>) =>
  Stream.fromIterable<Chat.Part>([
    { type: "start", id: "another" },
    ...pieces.map((text): Chat.Part => ({ type: "text", text })),
    { type: "finish", reason: "stop" },
  ]).pipe(
    Stream.map((part): Chat.Frame => ({ parts: [part], native: { protocol: "scripted", data: "{}" } })),
    (frames) => StreamResume.joined(joint, frames),
    Stream.runCollect,
    Effect.map((frames) => frames.flatMap(({ parts }) => parts).map((part) => ("text" in part ? part.text : ""))),
    Effect.map((texts) => texts.join("")),
    Effect.orElseSucceed(() => undefined),
  )

const Text = Schema.String.check(Schema.isMaxLength(500))
/** Few letters, so that beginnings and ends repeat themselves. */
const Repetitive = Schema.Array(Schema.Literals(["a", "b", " "])).check(Schema.isMaxLength(500))
const Size = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 }))
const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

const pieces = (text: string, size: number): ReadonlyArray<string> =>
  text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? []

describe("ask", () => {
  it("puts the beginning last for a model that takes it, without white space at its end", () => {
    const { joint, request } = after("Once upon \n", { prefill: true })
    assert.deepStrictEqual(request.messages, [Chat.user("Hello?"), Chat.assistant("Once upon")])
    assert.deepStrictEqual(joint, { _tag: "GoesOn", delivered: "Once upon \n", spaces: " \n" })
  })

  for (const capabilities of [undefined, {}, { prefill: false }]) {
    it(`asks for the last characters where ${JSON.stringify(capabilities)} is known`, () => {
      const delivered = `${"x".repeat(300)} the end`
      const { joint, request } = after(delivered, capabilities)
      assert.deepStrictEqual(
        request.messages.map(({ role }) => role),
        ["user", "assistant", "user"],
      )
      assert.include(JSON.stringify(request.messages.at(-1)), delivered.slice(-200))
      assert.deepStrictEqual(joint, { _tag: "Repeats", delivered, tail: delivered.slice(-200) })
    })
  }

  it("never gives a beginning to a model that is to think", () => {
    const { joint } = after("Once", { prefill: true }, { ...hello, reasoning: { effort: "high" } })
    assert.strictEqual(joint._tag, "Repeats")
  })

  it("asks anew after white space, in the engine's words and not in the client's", () => {
    const native = { protocol: "chat-completions", body: { model: "assistant" } }
    const { request } = after(" \n", undefined, { ...hello, native })
    assert.deepStrictEqual(request, hello)
  })

  it("leaves as many tokens as are left", () => {
    const asked = { ...hello, sampling: { maxTokens: 100, temperature: 0 } }
    assert.deepStrictEqual(after("x".repeat(80), { prefill: true }, asked).request.sampling, {
      maxTokens: 80,
      temperature: 0,
    })
    assert.strictEqual(after("x".repeat(800), { prefill: true }, asked).request.sampling?.maxTokens, 1)
    assert.strictEqual(after("x".repeat(80), undefined, asked).request.sampling?.maxTokens, 160)
  })
})

describe("continuable", () => {
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
    it(`${expected} of ${JSON.stringify(what)}`, () => {
      assert.strictEqual(StreamResume.isResumable({ ...hello, ...what }), expected)
    })
  }
})

describe("joined", () => {
  /** `make` says what the other writer repeats before `rest`. */
  const truth = (
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
        const { joint } = after(delivered)
        if (joint._tag === "GoesOn") return
        const found = yield* added(joint, pieces(make(joint.tail, delivered) + rest, size))
        const start = delivered.trimStart()
        const ambiguous = joint.tail === "" || (start !== joint.tail && start.startsWith(joint.tail))
        assert.strictEqual(found, ambiguous ? undefined : rest)
      }),
      { arbitrary: { runs: 300 } },
    )

  truth("cuts the characters that it was to repeat", (tail) => tail, Text)
  truth("cuts everything when it begins again", (_, delivered) => delivered, Text)
  truth("bears white space before them", (tail) => `\n${tail}`, Text)
  truth("is never mistaken where an answer repeats itself", (tail) => tail, Repetitive)
  truth("nor when it begins such an answer again", (_, delivered) => delivered, Repetitive)

  it.effect.prop(
    "is refused when it says something else",
    { delivered: Text, other: Text, size: Size },
    Effect.fnUntraced(function* ({ delivered, other, size }) {
      const { joint } = after(delivered)
      if (joint._tag === "GoesOn") return
      const found = yield* added(joint, pieces(`#${other}`, size))
      assert.strictEqual(found, joint.tail.startsWith("#") ? found : undefined)
    }),
  )

  it.effect.prop(
    "adds what a prefilled model says, and no space twice",
    { answer: Text, at: Share, size: Size },
    Effect.fnUntraced(function* ({ answer, at, size }) {
      const delivered = answer.slice(0, Math.ceil(answer.length * at))
      const { joint, request } = after(delivered, { prefill: true })
      const prefilled = delivered.trimEnd()
      assert.strictEqual(request.messages.length, prefilled === "" ? 1 : 2)
      const rest = answer.slice(prefilled.length)
      const again = delivered.length >= 40 && rest.startsWith(delivered)
      if (!again) assert.strictEqual(yield* added(joint, pieces(rest, size)), answer.slice(delivered.length))
    }),
    { arbitrary: { runs: 300 } },
  )

  it.effect("cuts everything when a prefilled model begins again all the same", () =>
    Effect.gen(function* () {
      const delivered = "It was a dark and stormy night; the rain fell "
      const { joint } = after(delivered, { prefill: true })
      assert.strictEqual(yield* added(joint, pieces(`${delivered}in torrents`, 7)), "in torrents")
    }),
  )

  it.effect("takes neither a tool call nor a refusal for the rest of an answer", () =>
    Effect.gen(function* () {
      const { joint } = after("Hel")
      for (const part of [
        { type: "tool-call", index: 0, id: "call_1", name: "weather" },
        { type: "refusal", text: "No" },
      ] satisfies ReadonlyArray<Chat.Part>) {
        const frames = StreamResume.joined(joint, Stream.succeed({ parts: [{ type: "text", text: "Hello" }, part] }))
        const error = yield* Effect.flip(Stream.runDrain(frames))
        assert.strictEqual(error.reason._tag, "Unsupported")
      }
    }),
  )

  it.effect("leaves thoughts out, and every vendor's own events", () =>
    Effect.gen(function* () {
      const { joint } = after("Hel")
      const frames = yield* Stream.runCollect(
        StreamResume.joined(
          joint,
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
