import { assert, describe, it } from "@effect/vitest"
import { Call, missingCapability } from "../../src/model/Call.ts"
import * as Chat from "../../src/model/Chat.ts"

const call = (request: Partial<Chat.Request>) => new Call({ model: "m", messages: [], ...request }, false)

describe("Call", () => {
  it("estimates four characters per token, and adds maxTokens", () => {
    const asked = call({
      messages: [Chat.system("a".repeat(40)), Chat.user("b".repeat(60))],
      sampling: { maxTokens: 50 },
    })
    assert.strictEqual(asked.inputTokens, 25)
    assert.strictEqual(asked.tokens, 75)
  })

  it("counts tool results, images included", () => {
    const asked = call({
      messages: [
        {
          role: "tool",
          content: [
            {
              type: "tool-result",
              id: "1",
              content: [
                { type: "text", text: "x".repeat(400) },
                { type: "image", source: { type: "base64", data: "", mediaType: "image/png" } },
              ],
            },
          ],
        },
      ],
    })
    assert.strictEqual(asked.inputTokens, 1100)
    assert.deepStrictEqual([...asked.requires], ["vision"])
  })

  it("requires the capabilities of its parts, tools and format", () => {
    const asked = call({
      messages: [
        Chat.user([
          { type: "audio", source: { type: "base64", data: "", mediaType: "audio/wav" } },
          { type: "file", source: { type: "id", id: "file-1" } },
        ]),
      ],
      tools: [{ name: "weather" }],
      format: { type: "json-schema", name: "answer", schema: {} },
      reasoning: { effort: "high" },
    })
    assert.deepStrictEqual([...asked.requires].sort(), ["audio", "files", "jsonSchema", "reasoning", "tools"])
    assert.strictEqual(call({ reasoning: { effort: "none" } }).requires.size, 0)
    assert.strictEqual(missingCapability(asked, { audio: true, files: false }), "files")
    assert.isUndefined(missingCapability(asked, { vision: false }))
    assert.isUndefined(missingCapability(asked, undefined))
  })
})
