import { assert, describe, it } from "@effect/vitest"
import * as Model from "@understudy/providers/protocols/chat-completions/Model"

const everything = { reasons: true, samples: true, breakpoints: false }
const speaks = { reasons: false, samples: true, breakpoints: false }
const thinks = { reasons: true, samples: false, breakpoints: false }

describe("of", () => {
  for (const [id, model] of [
    ["gpt-4o", speaks],
    ["gpt-4.1-mini", speaks],
    ["gpt-3.5-turbo", speaks],
    ["gpt-35-turbo", speaks],
    ["chatgpt-4o-latest", speaks],
    ["ft:gpt-4o-2024-08-06:org::id", speaks],
    ["gpt-5-chat-latest", speaks],
    ["o1", thinks],
    ["o3-mini", thinks],
    ["openai/o4-mini", thinks],
    ["gpt-5", thinks],
    ["gpt-5-nano-2025-08-07", thinks],
    ["gpt-5.1", everything],
    ["gpt-5.2-chat-latest", everything],
    ["gpt-5.6", { ...everything, breakpoints: true }],
    ["gpt-6", { ...everything, breakpoints: true }],
    ["gpt-oss-120b", everything],
    ["llama3", everything],
    ["olmo2", everything],
    ["my-gpt-4o", everything],
  ] as const) {
    it(id, () => {
      assert.deepStrictEqual(Model.of(id), model)
    })
  }
})
