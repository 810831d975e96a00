/** Every vendor's finish reasons, in any protocol and case. */
import { assert, describe, it } from "@effect/vitest"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as FinishReason from "@understudy/providers/internal/protocols/FinishReason"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Result from "effect/Result"

const words = {
  stop: ["stop", "STOP", "end_turn", "eos", "stop_sequence"],
  length: ["length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length"],
  "tool-calls": ["tool_calls", "tool_use", "function_call", "FUNCTION_CALL"],
  "content-filter": ["content_filter", "SAFETY", "content_filter: PROHIBITED_CONTENT", "sensitive", "RECITATION"],
  other: ["unknown", "lengthy", "stopped", "length_capped", "", null, undefined, 1],
} as const

describe("a finish reason", () => {
  for (const [reason, all] of Object.entries(words)) {
    it(`maps to ${reason}: ${all.join(", ")}`, () => {
      for (const word of all) assert.strictEqual(FinishReason.read(word), reason)
    })
  }

  it("of another protocol is known in each", () => {
    const chat = { choices: [{ index: 0, message: { content: "Hi" }, finish_reason: "MAX_TOKENS" }] }
    const message = { type: "message", content: [{ type: "text", text: "Hi" }], stop_reason: "length" }
    for (const [decoded, own] of [
      [ChatCompletions.Response.decode(JSON.stringify(chat)), '"finish_reason":"length"'],
      [Messages.Response.decode(JSON.stringify(message)), '"stop_reason":"max_tokens"'],
    ] as const) {
      const { finishReason, native } = Result.getOrThrow(decoded)
      assert.strictEqual(finishReason, "length")
      assert.include(native?.text, own)
    }
  })
})
