import { assert, describe, it } from "@effect/vitest"
import * as Model from "@understudy/providers/internal/protocols/chat-completions/Model"

const everything = { reasons: true, samples: true, breakpoints: false, custom: false, maxOutput: undefined }
const newest = { ...everything, custom: true, maxOutput: 128_000 }
const speaks = (maxOutput: number) => ({ ...everything, reasons: false, maxOutput })
const thinks = { ...everything, samples: false, maxOutput: 100_000 }

describe("of", () => {
  for (const [id, model] of [
    ["gpt-4o", speaks(16_384)],
    ["gpt-4.1-mini", speaks(32_768)],
    ["gpt-4-turbo", speaks(4096)],
    ["gpt-3.5-turbo", speaks(4096)],
    ["gpt-35-turbo", speaks(4096)],
    ["chatgpt-4o-latest", speaks(16_384)],
    ["ft:gpt-4o-2024-08-06:org::id", speaks(16_384)],
    ["gpt-5-chat-latest", speaks(16_384)],
    ["o1", thinks],
    ["o1-mini", { ...thinks, maxOutput: 65_536 }],
    ["o1-preview", { ...thinks, maxOutput: 32_768 }],
    ["o3-mini", thinks],
    ["openai/o4-mini", thinks],
    ["gpt-5", { ...newest, samples: false }],
    ["gpt-5-nano-2025-08-07", { ...newest, samples: false }],
    ["gpt-5.1", newest],
    ["gpt-5.2-chat-latest", { ...newest, maxOutput: 16_384 }],
    ["gpt-5.6", { ...newest, breakpoints: true }],
    ["gpt-6", { ...newest, breakpoints: true }],
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
