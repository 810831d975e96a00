import { assert, describe, it } from "@effect/vitest"
import { toComplete } from "../../../src/protocols/chat-completions/index.ts"

const base = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 7, model: "m" }

const chunk = (delta: object, more: object = {}, rest: object = {}): string =>
  JSON.stringify({ ...base, ...rest, choices: [{ index: 0, delta, finish_reason: null, ...more }] })

const end = (reason = "stop", rest: object = {}) => chunk({}, { finish_reason: reason }, rest)

const read = (events: ReadonlyArray<string>) => JSON.parse(toComplete(events) ?? "null")

describe("toComplete", () => {
  it("joins text, reasoning and added fields as in a complete response", () => {
    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
    assert.deepStrictEqual(
      read([
        chunk({ role: "assistant", content: null }),
        chunk({ reasoning_content: "Hm" }),
        chunk({ reasoning_content: ", so" }),
        chunk({ content: "Hel" }, { logprobs: { content: [{ token: "Hel" }] } }),
        chunk({ content: "lo" }, { logprobs: { content: [{ token: "lo" }] } }),
        end("stop", { system_fingerprint: "b1" }),
        JSON.stringify({ ...base, choices: [], usage, timings: { predicted_n: 2 } }),
        "[DONE]",
      ]),
      {
        ...base,
        object: "chat.completion",
        system_fingerprint: "b1",
        usage,
        timings: { predicted_n: 2 },
        choices: [
          {
            index: 0,
            message: { role: "assistant", content: "Hello", reasoning_content: "Hm, so" },
            logprobs: { content: [{ token: "Hel" }, { token: "lo" }] },
            finish_reason: "stop",
          },
        ],
      },
    )
  })

  it("joins calls by index, by id under one index, and complete ones", () => {
    const call = (index: number, id: string | undefined, name: string | undefined, text: string) =>
      chunk({
        tool_calls: [{ index, ...(id === undefined ? undefined : { id }), function: { name, arguments: text } }],
      })
    const { choices } = read([
      call(0, "a", "look", '{"q":'),
      call(1, "b", "find", '{"r"'),
      call(0, undefined, undefined, "1}"),
      call(1, undefined, undefined, ":2}"),
      call(1, "c", "find", '{"r":3}'),
      end("tool_calls"),
    ])
    assert.deepStrictEqual(choices[0].message, {
      role: "assistant",
      content: null,
      tool_calls: [
        { type: "function", id: "a", function: { name: "look", arguments: '{"q":1}' } },
        { type: "function", id: "b", function: { name: "find", arguments: '{"r":2}' } },
        { type: "function", id: "c", function: { name: "find", arguments: '{"r":3}' } },
      ],
    })
  })

  it("separates choices, and keeps digits", () => {
    const text = toComplete([
      `{"id":"x","choices":[{"index":1,"delta":{"content":"B"},"finish_reason":"stop"}],"seed":12345678901234567890}`,
      `{"id":"x","choices":[{"index":0,"delta":{"content":"A"},"finish_reason":"length"}]}`,
    ])
    assert.include(text, "12345678901234567890")
    const { choices } = JSON.parse(text!)
    assert.deepStrictEqual(
      choices.map((each: { message: { content: string }; finish_reason: string }) => [
        each.message.content,
        each.finish_reason,
      ]),
      [
        ["A", "length"],
        ["B", "stop"],
      ],
    )
  })

  it("is undefined for an incomplete stream, and the error for a failed one", () => {
    assert.isUndefined(toComplete([]))
    assert.isUndefined(toComplete([chunk({ content: "Hel" })]))
    assert.isUndefined(toComplete(["[DONE]"]))
    const error = JSON.stringify({ error: { message: "out of memory", type: "server_error" } })
    assert.strictEqual(toComplete([chunk({ content: "Hel" }), error]), error)
    assert.strictEqual(read([chunk({ content: "Hel" }), "[DONE]"]).choices[0].message.content, "Hel")
    assert.strictEqual(read([chunk({ content: "Hel" }), "not JSON", end()]).choices[0].message.content, "Hel")
  })
})
