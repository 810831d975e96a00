import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import * as CustomTools from "@understudy/providers/internal/protocols/CustomTools"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const patch: Chat.Tool = { name: "patch", custom: { format: { type: "text" } } }
const look: Chat.Tool = { name: "look", parameters: {} }
const request: Chat.Request = { model: "m", messages: [], tools: [patch, look] }

const call = (name: string, written: string): Chat.ToolCall => ({
  type: "tool-call",
  id: "1",
  name,
  arguments: written,
})

/** A stream's calls whose arguments came in these pieces. */
const streamed = (...pieces: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const parts: ReadonlyArray<Chat.Part> = [
      { type: "tool-call", index: 0, id: "1", name: "patch" },
      { type: "tool-call", index: 1, id: "2", name: "look" },
      ...pieces.map((written) => ({ type: "tool-call-delta" as const, index: 0, arguments: written })),
      { type: "tool-call-delta", index: 1, arguments: '{"input":"up"}' },
      { type: "finish", reason: "tool-calls" },
    ]
    const frames = Stream.fromIterable(parts.map((part) => ({ parts: [part] })))
    const restored = yield* Stream.runCollect(CustomTools.restoring(request, frames))
    const said = restored.flatMap(({ parts }) => parts)
    assert.deepStrictEqual(
      said.flatMap((part) => (part.type === "tool-call" ? [part.custom] : [])),
      [true, undefined],
    )
    assert.strictEqual(said.at(-1)?.type, "finish")
    const texts = said.flatMap((part) => (part.type === "tool-call-delta" ? [part] : []))
    assert.deepStrictEqual(
      texts.filter(({ index }) => index === 1).map((part) => part.arguments),
      ['{"input":"up"}'],
    )
    return texts.filter(({ index }) => index === 0).map((part) => part.arguments)
  })

describe("a custom tool", () => {
  it("becomes a function with one text argument", () => {
    assert.deepStrictEqual(CustomTools.lower(patch), {
      name: "patch",
      parameters: {
        type: "object",
        properties: { input: { type: "string", description: 'The whole text, in this format: {"type":"text"}' } },
        required: ["input"],
        additionalProperties: false,
      },
    })
    assert.strictEqual(CustomTools.lower(look), look)
    assert.strictEqual(CustomTools.argumentsOf({ ...call("patch", 'a "b"'), custom: true }), '{"input":"a \\"b\\""}')
    assert.strictEqual(CustomTools.argumentsOf(call("look", "{}")), "{}")
  })

  it("gets its text back, or the text written in its place", () => {
    const restored = (...calls: ReadonlyArray<Chat.ToolCall>) =>
      CustomTools.restore(request, {
        content: calls,
        finishReason: "tool-calls",
        alternatives: [{ content: calls, finishReason: "stop" }],
      })
    const free = (text: string) => ({ ...call("patch", text), custom: true as const })
    const kept = { ...call("patch", '{"input":"x"}'), custom: true as const }
    const answer = restored(
      call("patch", '{"input":"a\\nb"}'),
      call("patch", "no JSON"),
      call("look", '{"input":1}'),
      kept,
    )
    const content = [free("a\nb"), free("no JSON"), call("look", '{"input":1}'), kept]
    assert.deepStrictEqual(answer.content, content)
    assert.deepStrictEqual(answer.alternatives?.[0]?.content, content)
  })
})

describe("in a stream", () => {
  it.effect("the text is passed on as it arrives", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* streamed('{"inp', 'ut": "He', "l\\", "nlo \\u00", 'fc"', "}"), [
        "He",
        "l",
        "\nlo ",
        "ü",
      ])
    }),
  )

  it.effect("arguments in another form are passed on at the end", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* streamed('{"text":', '"a"}'), ['{"text":"a"}'])
      assert.deepStrictEqual(yield* streamed('{"a":1,"input":"late"}'), ["late"])
      assert.deepStrictEqual(yield* streamed(), [])
    }),
  )

  it.effect.prop(
    "wherever it is cut, it is the same",
    [Schema.String, Arbitrary.schema(Schema.Array(Schema.Literals([1, 2, 3, 7])))],
    ([text, cuts]) =>
      Effect.gen(function* () {
        const whole = JSON.stringify({ input: text })
        const pieces: Array<string> = []
        let at = 0
        for (const length of cuts) {
          pieces.push(whole.slice(at, at + length))
          at += length
        }
        pieces.push(whole.slice(at))
        const written = yield* streamed(...pieces.filter((piece) => piece !== ""))
        assert.strictEqual(written.join(""), text)
        for (const piece of written) assert.isTrue(text === "" || text.includes(piece))
      }),
  )
})
