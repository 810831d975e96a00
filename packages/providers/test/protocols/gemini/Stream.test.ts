import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import { Stream } from "@understudy/providers/protocols/gemini"
import * as Result from "effect/Result"

const failed = new ProviderError({ reason: { _tag: "Overloaded" }, message: "No" })

const decoded = (...events: ReadonlyArray<unknown>) => {
  const decoder = Stream.decoder(() => failed)
  return events.map((event) => decoder.push({ data: typeof event === "string" ? event : JSON.stringify(event) }))
}

const parts = (...events: ReadonlyArray<unknown>): ReadonlyArray<Chat.Part> =>
  decoded(...events).flatMap((result) => (result === undefined ? [] : Result.getOrThrow(result).parts))

const chunk = (parts: ReadonlyArray<unknown>, more: object = {}, rest: object = {}) => ({
  candidates: [{ content: { parts, role: "model" }, index: 0, ...more }],
  usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 5, totalTokenCount: 14 },
  modelVersion: "gemini-3-pro-preview",
  responseId: "abc",
  ...rest,
})

const usage: Chat.Part = { type: "usage", usage: { inputTokens: 9, outputTokens: 5 } }
const start: Chat.Part = { type: "start", id: "abc", model: "gemini-3-pro-preview" }

describe("decoder", () => {
  it("reads reasoning, text with a final signature, and complete calls", () => {
    assert.deepStrictEqual(
      parts(
        chunk([{ text: "Hm", thought: true }]),
        chunk([{ text: "Hel" }]),
        chunk([{ text: "lo" }, { text: "", thoughtSignature: "c2ln" }]),
        chunk([
          { functionCall: { name: "look", args: { at: 1 } }, thoughtSignature: "bmF0" },
          { functionCall: { name: "look" } },
        ]),
        chunk([{ text: "" }], { finishReason: "STOP" }),
      ),
      [
        start,
        { type: "reasoning", text: "Hm" },
        usage,
        { type: "text", text: "Hel" },
        usage,
        { type: "text", text: "lo" },
        { type: "text", text: "", signature: { issuer: "google", value: "c2ln" } },
        usage,
        {
          type: "tool-call",
          index: 0,
          id: "gemini_abc_0",
          name: "look",
          signature: { issuer: "google", value: "bmF0" },
        },
        { type: "tool-call-delta", index: 0, arguments: '{"at":1}' },
        { type: "tool-call", index: 1, id: "gemini_abc_1", name: "look" },
        { type: "tool-call-delta", index: 1, arguments: "{}" },
        usage,
        usage,
        { type: "finish", reason: "tool-calls" },
      ] as ReadonlyArray<Chat.Part>,
    )
  })

  it("turns a blocked prompt into a refusal", () => {
    assert.deepStrictEqual(
      parts({ promptFeedback: { blockReason: "SAFETY" }, usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 } }),
      [
        { type: "start", id: undefined, model: undefined },
        { type: "usage", usage: { inputTokens: 9, outputTokens: 0 } },
        { type: "refusal", text: "The prompt was blocked: SAFETY" },
        { type: "finish", reason: "content-filter" },
      ],
    )
  })

  it("emits each citation once, in characters of the complete text", () => {
    const groundingMetadata = {
      groundingChunks: [{ web: { uri: "https://a.example", title: "A" } }],
      groundingSupports: [{ segment: { startIndex: 3, endIndex: 8 }, groundingChunkIndices: [0] }],
    }
    const cited = parts(
      chunk([{ text: "Zü" }]),
      chunk([{ text: "rich." }], { groundingMetadata }),
      chunk([], { groundingMetadata, finishReason: "STOP" }),
    ).filter(({ type }) => type === "citation")
    assert.deepStrictEqual(cited, [
      {
        type: "citation",
        citation: { source: { type: "url", url: "https://a.example", title: "A" }, supports: { start: 2, end: 7 } },
      },
    ])
  })

  it("fails at an error, in an array too, and at a failed call", () => {
    for (const event of [{ error: { code: 503 } }, [{ error: { code: 503 } }]]) {
      const [result] = decoded(event)
      assert.strictEqual(result && Result.isFailure(result) ? result.failure : undefined, failed)
    }
    const [broken] = decoded(chunk([], { finishReason: "MALFORMED_FUNCTION_CALL" }))
    assert.strictEqual(broken && Result.isFailure(broken) ? broken.failure.reason._tag : undefined, "Malformed")
    const [, late] = decoded(chunk([{ text: "Hm" }]), chunk([], { finishReason: "MALFORMED_FUNCTION_CALL" }))
    assert.strictEqual(late && Result.isFailure(late) ? late.failure.reason._tag : undefined, "Malformed")
    const [wordless] = decoded(chunk([], { finishReason: "OTHER" }))
    assert.strictEqual(wordless && Result.isFailure(wordless) ? wordless.failure.reason._tag : undefined, "Malformed")
    assert.deepStrictEqual(decoded("no JSON", "7"), [undefined, undefined])
  })
})

describe("encoder", () => {
  const answering = { id: "1", created: 17, request: { model: "assistant", messages: [] } }
  const frames = (...parts: ReadonlyArray<Chat.Part>): ReadonlyArray<Chat.Frame> =>
    parts.map((part) => ({ parts: [part] }))
  const written = (frames: ReadonlyArray<Chat.Frame>, end: "end" | "fail" = "end") => {
    const encoder = Stream.encoder(answering)
    const last = () =>
      end === "end"
        ? encoder.end()
        : encoder.fail({ status: 502, type: "server_error", code: "stream_broken", message: "It broke" })
    return (frames.map(encoder.push).join("") + last())
      .split("\n\n")
      .filter((event) => event !== "")
      .map((event) => JSON.parse(event.startsWith("data: ") ? event.slice("data: ".length) : event))
  }
  const chunk = (parts: ReadonlyArray<unknown>, more: object = {}, rest: object = {}) => ({
    candidates: [{ content: { parts, role: "model" }, ...more, index: 0 }],
    ...rest,
    modelVersion: "claude",
    responseId: "1",
  })

  it("writes text as it arrives, complete calls, and one finish with the usage", () => {
    assert.deepStrictEqual(
      written(
        frames(
          { type: "start", id: "msg_1", model: "claude" },
          { type: "usage", usage: { inputTokens: 9, outputTokens: 1 } },
          { type: "reasoning", text: "Hm" },
          { type: "reasoning", text: "", signature: { issuer: "anthropic", value: "sig" } },
          { type: "text", text: "Hi" },
          { type: "tool-call", index: 0, id: "a", name: "look" },
          { type: "tool-call-delta", index: 0, arguments: '{"at"' },
          { type: "tool-call", index: 1, id: "b", name: "look" },
          { type: "tool-call-delta", index: 0, arguments: ":1}" },
          { type: "finish", reason: "tool-calls" },
          { type: "usage", usage: { inputTokens: 9, outputTokens: 5, reasoningTokens: 2 } },
        ),
      ),
      [
        chunk([{ text: "Hm", thought: true }]),
        chunk([
          {
            text: "",
            thought: true,
            thoughtSignature: Buffer.from("understudy.anthropic.sig").toString("base64"),
          },
        ]),
        chunk([{ text: "Hi" }]),
        chunk(
          [
            { functionCall: { id: "a", name: "look", args: { at: 1 } } },
            { functionCall: { id: "b", name: "look", args: {} } },
          ],
          { finishReason: "STOP" },
          {
            usageMetadata: {
              promptTokenCount: 9,
              candidatesTokenCount: 3,
              totalTokenCount: 14,
              thoughtsTokenCount: 2,
            },
          },
        ),
      ],
    )
  })

  it("passes its own frames on, and ends a failed stream with an error", () => {
    const data = '{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP","index":0}],"later":1}'
    const own: Chat.Frame = {
      parts: [
        { type: "text", text: "Hi" },
        { type: "finish", reason: "stop" },
      ],
      native: { protocol: "gemini", data },
    }
    assert.strictEqual(Stream.encoder(answering).push({ ...own, parts: own.parts.slice(0, 1) }), `data: ${data}\n\n`)
    // Some clients require a usage at the end.
    const usageMetadata = { promptTokenCount: 0, candidatesTokenCount: 0, totalTokenCount: 0 }
    assert.deepStrictEqual(written([own]), [{ ...JSON.parse(data), usageMetadata }])
    // Once as an event, once bare, with nothing after it.
    const [event, bare] = written(frames({ type: "text", text: "Hi" }), "fail").slice(-2)
    assert.deepInclude(event.error, { code: 502, status: "INTERNAL", message: "It broke" })
    assert.deepStrictEqual(bare, event)
  })
})
