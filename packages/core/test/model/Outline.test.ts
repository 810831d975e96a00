import { assert, describe, it } from "@effect/vitest"
import { Chat } from "@understudy/core"
import * as Call from "@understudy/core/Call"
import * as Outline from "@understudy/core/internal/model/Outline"

const text = "A long question. ".repeat(100)
const short = "A long"

const requestOf = (content: string): Chat.Request => ({
  model: "route",
  messages: [Chat.user(content)],
  tools: [{ name: "act" }],
  sampling: { maxTokens: 10 },
  vendor: { own: { text: content } },
  native: { protocol: "own", body: { model: "route", text: content } },
})

const make = () => {
  let built = 0
  const outline: Outline.Outline = {
    request: requestOf(short),
    settings: Outline.settingsOf(requestOf(short)),
    release: () => {},
    characters: text.length - short.length,
    whole: () => {
      built++
      return requestOf(text)
    },
    print: () => undefined,
    restore: (text) => text,
    encoding: undefined,
  }
  return { request: Outline.toRequest(outline), built: () => built }
}

describe("Outline", () => {
  it("gives the fields without texts, and what a call measures, without building the request", () => {
    const { built, request } = make()
    const sent = Outline.set(request, {
      model: "model",
      unsupportedParams: "drop",
      sampling: { maxTokens: 5 },
      reasoning: undefined,
      overrides: undefined,
      native: { headers: { "openai-beta": "x" } },
    })
    const again = Outline.set(sent, { model: "other" })
    assert.deepStrictEqual(
      [again.model, again.unsupportedParams, again.sampling, again.native?.headers, again.native?.protocol],
      ["other", "drop", { maxTokens: 5 }, { "openai-beta": "x" }, "own"],
    )
    const call = new Call.Call(request, false)
    const whole = new Call.Call(requestOf(text), false)
    assert.strictEqual(call.tokens, whole.tokens)
    assert.deepStrictEqual(call.requires, whole.requires)
    const settings = { ...requestOf(short), messages: [] }
    assert.deepStrictEqual(Outline.settings(request), settings)
    assert.deepStrictEqual(Outline.sent(again).messages, [])
    assert.strictEqual(Outline.sent(again).model, "other")
    assert.deepStrictEqual(Outline.shorten(again), {
      ...requestOf(short),
      model: "other",
      unsupportedParams: "drop",
      sampling: { maxTokens: 5 },
      reasoning: undefined,
      overrides: undefined,
      native: { ...requestOf(short).native!, headers: { "openai-beta": "x" }, query: undefined },
    })
    assert.strictEqual(built(), 0)
  })

  it("gives the whole request to whoever reads a text", () => {
    const { built, request } = make()
    assert.deepStrictEqual(request.messages, [Chat.user(text)])
    assert.strictEqual(built(), 1)
    assert.deepStrictEqual(request.native?.body, { model: "route", text })
    assert.deepStrictEqual({ ...request }.vendor, { own: { text } })
    assert.deepStrictEqual(Outline.whole(Outline.set(request, { model: "model" })).messages, [Chat.user(text)])
    assert.isUndefined(Outline.of(Outline.whole(request)))
  })

  it("has settings without the conversation of any protocol", () => {
    const body = { model: "m", tools: [], stream_options: {} }
    const { native } = Outline.settingsOf({
      ...requestOf(text),
      native: {
        protocol: "own",
        body: { ...body, messages: [], input: [], contents: [], system: "", instructions: "" },
      },
    })
    assert.deepStrictEqual(native, { protocol: "own", body })
  })

  it("leaves a request without an outline as it is", () => {
    const request = requestOf(text)
    assert.isUndefined(Outline.of(request))
    for (const same of [Outline.whole, Outline.shorten, Outline.settings, Outline.sent].map((of) => of(request))) {
      assert.strictEqual(same, request)
    }
    assert.deepStrictEqual(Outline.set(request, { model: "model" }), { ...request, model: "model" })
  })
})
