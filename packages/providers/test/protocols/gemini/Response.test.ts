import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { Response } from "@understudy/providers/protocols/gemini"
import * as Result from "effect/Result"

const decode = (body: unknown) => {
  const { native: _, ...response } = Result.getOrThrow(Response.decode(JSON.stringify(body)))
  return response
}

const candidate = (parts: ReadonlyArray<unknown>, finishReason = "STOP", more: object = {}) => ({
  candidates: [{ content: { parts, role: "model" }, finishReason, ...more }],
})

const finish = (finishReason: string) => decode(candidate([{ text: "Hm" }], finishReason)).finishReason

describe("decode", () => {
  it("reads a response as documented", () => {
    assert.deepStrictEqual(
      decode({
        candidates: [
          {
            content: {
              parts: [
                { text: "I should look.", thought: true },
                { text: "Let me see.", thoughtSignature: "c2ln" },
                { functionCall: { id: "fc_1", name: "look", args: { where: "up" } }, thoughtSignature: "bmF0" },
                { functionCall: { name: "look" } },
              ],
              role: "model",
            },
            finishReason: "STOP",
            index: 0,
            avgLogprobs: -0.1,
          },
        ],
        usageMetadata: {
          promptTokenCount: 20,
          cachedContentTokenCount: 5,
          candidatesTokenCount: 4,
          thoughtsTokenCount: 3,
          toolUsePromptTokenCount: 2,
          totalTokenCount: 29,
        },
        modelVersion: "gemini-3-pro-preview",
        responseId: "abc",
      }),
      {
        id: "abc",
        model: "gemini-3-pro-preview",
        content: [
          { type: "reasoning", text: "I should look." },
          { type: "text", text: "Let me see.", signature: { issuer: "google", value: "c2ln" } },
          {
            type: "tool-call",
            id: "fc_1",
            name: "look",
            arguments: '{"where":"up"}',
            signature: { issuer: "google", value: "bmF0" },
          },
          { type: "tool-call", id: "gemini_abc_0", name: "look", arguments: "{}" },
        ],
        finishReason: "tool-calls",
        usage: { inputTokens: 22, outputTokens: 7, cachedInputTokens: 5, reasoningTokens: 3 },
      },
    )
  })

  it("keeps every finish reason", () => {
    assert.strictEqual(finish("STOP"), "stop")
    assert.strictEqual(finish("MAX_TOKENS"), "length")
    for (const reason of ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"]) {
      assert.strictEqual(finish(reason), "content-filter")
    }
    for (const reason of ["LANGUAGE", "OTHER", "OF_A_LATER_API"]) {
      assert.strictEqual(finish(reason), "other")
    }
  })

  it("turns a blocked prompt into a refusal with the reason", () => {
    assert.deepStrictEqual(decode({ promptFeedback: { blockReason: "PROHIBITED_CONTENT" } }), {
      content: [{ type: "refusal", text: "The prompt was blocked: PROHIBITED_CONTENT" }],
      finishReason: "content-filter",
    })
    const blocked = decode(candidate([], "SAFETY", { finishMessage: "It was unsafe." }))
    assert.deepStrictEqual(blocked.content, [{ type: "refusal", text: "It was unsafe." }])
  })

  it("is Malformed with a failed call, or without content and a known finish reason", () => {
    for (const [body, says] of [
      [candidate([], "MALFORMED_FUNCTION_CALL"), "MALFORMED_FUNCTION_CALL"],
      [candidate([{ text: "Let me look" }], "MALFORMED_FUNCTION_CALL"), "MALFORMED_FUNCTION_CALL"],
      [candidate([], "OTHER"), "OTHER"],
      [candidate([], "OF_A_LATER_API"), "OF_A_LATER_API"],
      [candidate([], "UNEXPECTED_TOOL_CALL", { finishMessage: "Unexpected tool call: x" }), "Unexpected tool call: x"],
      [{ candidates: [] }, "no candidates"],
      [{ candidates: [{ index: 0 }] }, "no candidates"],
      [[], "not a JSON object"],
    ] as const) {
      const error = Result.getOrThrow(Result.flip(Response.decode(JSON.stringify(body))))
      assert.strictEqual(error.reason._tag, "Malformed")
      assert.include(error.message, says)
    }
  })

  it("converts byte positions of citations to characters", () => {
    const [part] = decode(
      candidate([{ text: "Zürich is fine." }], "STOP", {
        groundingMetadata: {
          groundingChunks: [{ web: { uri: "https://a.example", title: "A" } }, { web: { uri: "https://b.example" } }],
          groundingSupports: [
            { segment: { startIndex: 8, endIndex: 16, text: "is fine." }, groundingChunkIndices: [0] },
          ],
        },
        citationMetadata: { citationSources: [{ startIndex: 0, endIndex: 7, uri: "https://c.example" }] },
      }),
    ).content
    assert.deepStrictEqual(part?.type === "text" ? part.citations : undefined, [
      { source: { type: "url", url: "https://a.example", title: "A" }, supports: { start: 7, end: 15 } },
      { source: { type: "url", url: "https://b.example" } },
      { source: { type: "url", url: "https://c.example" }, supports: { start: 0, end: 6 } },
    ])
  })
})

describe("encode", () => {
  const encode = (response: Partial<Chat.Response>) =>
    Response.encode(
      { content: [], finishReason: "stop", ...response },
      { id: "1", created: 17, request: { model: "assistant", messages: [] } },
    ) as { readonly candidates: ReadonlyArray<Record<string, unknown>> }

  it("writes Google's finish reasons", () => {
    const reason = (finish: Chat.FinishReason) => encode({ finishReason: finish }).candidates[0]?.["finishReason"]
    assert.deepStrictEqual((["stop", "tool-calls", "length"] as const).map(reason), ["STOP", "STOP", "MAX_TOKENS"])
    assert.deepStrictEqual((["content-filter", "refusal", "pause", "other"] as const).map(reason), [
      "SAFETY",
      "SAFETY",
      "OTHER",
      "OTHER",
    ])
  })

  it("writes a refusal as text, and cites documents by title", () => {
    const { candidates } = encode({
      finishReason: "refusal",
      content: [
        {
          type: "text",
          text: "So it is.",
          citations: [{ source: { type: "document", index: 1, title: "The play" }, quote: "To be" }],
        },
        { type: "refusal", text: "No." },
      ],
    })
    assert.deepStrictEqual(candidates[0], {
      content: { parts: [{ text: "So it is." }, { text: "No." }], role: "model" },
      finishReason: "SAFETY",
      index: 0,
      groundingMetadata: { groundingChunks: [{ retrievedContext: { title: "The play", text: "To be" } }] },
    })
  })
})
