import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import type { Framing } from "@understudy/providers/protocols/converse"
import { Stream } from "@understudy/providers/protocols/converse"
import * as Result from "effect/Result"

type Event = readonly [name: string, payload: unknown]

const decoder = () =>
  Stream.decoder(
    ({ name, message }) => new ProviderError({ reason: { _tag: "ServerError" }, message: `${name}: ${message}` }),
  )

const event = ([name, payload]: Event): Framing.Event => ({
  kind: "event",
  event: name,
  data: JSON.stringify(payload),
})

const parts = (...events: ReadonlyArray<Event>): ReadonlyArray<Chat.Part> => {
  const { push } = decoder()
  return events.flatMap((each) => {
    const frame = push(event(each))
    return frame === undefined ? [] : Result.getOrThrow(frame).parts
  })
}

const delta = (delta: unknown, contentBlockIndex = 0): Event => ["contentBlockDelta", { delta, contentBlockIndex }]
const toolStart = (toolUseId: string, contentBlockIndex: number, type?: string): Event => [
  "contentBlockStart",
  { start: { toolUse: { toolUseId, name: "look", type } }, contentBlockIndex },
]
const blockStop = (contentBlockIndex: number): Event => ["contentBlockStop", { contentBlockIndex }]

describe("a stream", () => {
  it("is preamble, output, finish and usage, in Bedrock's order", () => {
    assert.deepStrictEqual(
      parts(
        ["messageStart", { role: "assistant", p: "abc" }],
        delta({ text: "" }),
        delta({ text: "Hel" }),
        delta({ text: "lo" }),
        blockStop(0),
        ["messageStop", { stopReason: "stop_sequence", additionalModelResponseFields: { stop_sequence: "." } }],
        ["metadata", { usage: { inputTokens: 3, outputTokens: 2, cacheReadInputTokens: 4 }, metrics: {} }],
      ),
      [
        { type: "start" },
        { type: "text", text: "Hel" },
        { type: "text", text: "lo" },
        { type: "finish", reason: "stop", stopSequence: "." },
        { type: "usage", usage: { inputTokens: 7, outputTokens: 2, cachedInputTokens: 4 } },
      ],
    )
  })

  it("contains reasoning, signatures, and redacted reasoning", () => {
    assert.deepStrictEqual(
      parts(
        delta({ reasoningContent: { text: "Hm." } }),
        delta({ reasoningContent: { signature: "sig" } }),
        delta({ reasoningContent: { redactedContent: "c2VjcmV0" } }, 1),
        delta({ reasoningContent: {} }, 1),
      ),
      [
        { type: "reasoning", text: "Hm." },
        { type: "reasoning", text: "", signature: { issuer: "anthropic", value: "sig" } },
        { type: "reasoning", text: "", redacted: { issuer: "anthropic", value: "c2VjcmV0" } },
      ],
    )
  })

  it("numbers tool calls, and gives each its arguments", () => {
    assert.deepStrictEqual(
      parts(
        delta({ text: "Let me look." }),
        toolStart("t1", 1),
        delta({ toolUse: { input: "" } }, 1),
        delta({ toolUse: { input: '{"a":' } }, 1),
        toolStart("t2", 2),
        delta({ toolUse: { input: "1}" } }, 1),
        blockStop(1),
        blockStop(2),
      ),
      [
        { type: "text", text: "Let me look." },
        { type: "tool-call", index: 0, id: "t1", name: "look" },
        { type: "tool-call-delta", index: 0, arguments: '{"a":' },
        { type: "tool-call", index: 1, id: "t2", name: "look" },
        { type: "tool-call-delta", index: 0, arguments: "1}" },
        { type: "tool-call-delta", index: 1, arguments: "{}" },
      ],
    )
  })

  it("decodes no parts of server tools and unknown events, and keeps them as native", () => {
    assert.deepStrictEqual(
      parts(toolStart("s1", 0, "server_tool_use"), delta({ toolUse: { input: "{}" } }), blockStop(0), ["later", {}]),
      [],
    )
    const { push } = decoder()
    assert.deepStrictEqual(
      push(event(["later", { a: 1 }])),
      Result.succeed({
        parts: [],
        native: { protocol: "converse", event: "later", data: '{"a":1}' },
      }),
    )
  })

  it("skips malformed events", () => {
    const { push } = decoder()
    const malformed: ReadonlyArray<readonly [string, string]> = [
      ["contentBlockDelta", '{"delta":'],
      ["contentBlockDelta", "{}"],
      ["contentBlockStart", "{}"],
      ["messageStop", "{}"],
      ["messageStop", "null"],
    ]
    for (const [event, data] of malformed) assert.isUndefined(push({ kind: "event", event, data }), data)
  })

  it("fails at an exception", () => {
    const { push } = decoder()
    for (const kind of ["exception", "error"] as const) {
      const failure = push({ kind, event: "throttlingException", data: '{"message":"Slow down"}' })
      assert.isTrue(failure !== undefined && Result.isFailure(failure))
      assert.match(Result.getOrThrow(Result.flip(failure!)).message, /^ThrottlingException: .*Slow down/)
    }
  })

  it("fails at an invalid frame", () => {
    const failure = decoder().push({ kind: "corrupt", event: "", data: "" })
    assert.strictEqual(Result.getOrThrow(Result.flip(failure!)).reason._tag, "Malformed")
  })
})
