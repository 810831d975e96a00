import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "../../src/model/Chat.ts"
import { StreamedResponse, toFrames } from "../../src/model/StreamedResponse.ts"

const read = (frames: ReadonlyArray<Chat.Frame>): Chat.Response => {
  const streamed = new StreamedResponse()
  for (const frame of frames) streamed.take([frame])
  return streamed.toResponse()
}

/** Without the fields that are `undefined`. */
const plain = (response: Chat.Response): unknown => JSON.parse(JSON.stringify(response))

const citation: Chat.Citation = { source: { type: "url", url: "https://example.com" } }
const signature: Chat.EncryptedReasoning = { issuer: "anthropic", value: "sig" }

const responses: Readonly<Record<string, Chat.Response>> = {
  text: { content: [{ type: "text", text: "Hello" }], finishReason: "stop" },
  nothing: { content: [], finishReason: "length" },
  "all there is": {
    id: "r1",
    model: "m",
    content: [
      { type: "reasoning", text: "Hm.", signature },
      { type: "reasoning", text: "", redacted: signature },
      { type: "text", text: "See here.", citations: [citation, citation] },
      { type: "tool-call", id: "c1", name: "a", arguments: '{"x":1}' },
      { type: "tool-call", id: "c2", name: "b", arguments: "free text", custom: true },
      { type: "text", text: "After." },
      { type: "refusal", text: "No." },
    ],
    finishReason: "tool-calls",
    stopSequence: "END",
    usage: { inputTokens: 3, outputTokens: 4 },
    droppedParams: ["the seed"],
  },
  "several choices": {
    content: [{ type: "text", text: "one" }],
    finishReason: "stop",
    alternatives: [
      { content: [{ type: "text", text: "two" }], finishReason: "stop" },
      { content: [{ type: "refusal", text: "No." }], finishReason: "refusal" },
    ],
  },
}

describe("StreamedResponse", () => {
  for (const [name, response] of Object.entries(responses)) {
    it(`reads what toFrames writes: ${name}`, () => {
      assert.deepStrictEqual(plain(read(toFrames(response))), plain(response))
    })
  }

  it("joins the parts of a text, of reasoning and of a tool call's arguments", () => {
    const parts: ReadonlyArray<Chat.Part> = [
      { type: "start", id: "r1" },
      { type: "reasoning", text: "H" },
      { type: "reasoning", text: "m", signature },
      { type: "text", text: "Hel" },
      { type: "text", text: "lo" },
      { type: "tool-call", index: 1, id: "b", name: "b" },
      { type: "tool-call", index: 0, id: "a", name: "a" },
      { type: "tool-call-delta", index: 1, arguments: "{" },
      { type: "tool-call-delta", index: 0, arguments: "[]" },
      { type: "tool-call-delta", index: 1, arguments: "}" },
      { type: "usage", usage: { inputTokens: 1, outputTokens: 1 } },
      { type: "usage", usage: { inputTokens: 1, outputTokens: 9 } },
      { type: "finish", reason: "tool-calls" },
    ]
    assert.deepStrictEqual(plain(read([{ parts }])), {
      id: "r1",
      content: [
        { type: "reasoning", text: "Hm", signature },
        { type: "text", text: "Hello" },
        { type: "tool-call", id: "b", name: "b", arguments: "{}" },
        { type: "tool-call", id: "a", name: "a", arguments: "[]" },
      ],
      finishReason: "tool-calls",
      usage: { inputTokens: 1, outputTokens: 9 },
    })
  })
})
