import { assert, describe, it } from "@effect/vitest"
import * as Model from "@understudy/providers/internal/protocols/converse/Model"

describe("of", () => {
  for (const [id, choices, caches, schemas] of [
    ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3, "everywhere", true],
    ["anthropic.claude-opus-4-20250514-v1:0", 3, "everywhere", false],
    ["anthropic.claude-3-5-sonnet-20241022-v2:0", 3, "everywhere", false],
    ["anthropic.claude-opus-5", 3, "everywhere", true],
    ["us.amazon.nova-pro-v1:0", 3, "but for tools", false],
    ["us.amazon.nova-2-lite-v1:0", 3, "but for tools", false],
    ["openai.gpt-oss-120b-1:0", 3, "nowhere", true],
    ["mistral.mistral-large-2402-v1:0", 2, "nowhere", false],
    ["mistral.ministral-3-8b-instruct", 2, "nowhere", true],
    ["us.meta.llama3-3-70b-instruct-v1:0", 0, "nowhere", false],
    ["cohere.command-r-plus-v1:0", 0, "nowhere", false],
    ["deepseek.v3-v1:0", 3, "nowhere", true],
    ["arn:aws:bedrock:us-east-1:1:application-inference-profile/x", 3, "everywhere", true],
  ] as const) {
    it(id, () => {
      const model = Model.of(id)
      assert.deepStrictEqual([model.choices.length, model.caches, model.schemas], [choices, caches, schemas])
      assert.strictEqual(model.claude !== undefined, id.includes("claude"))
    })
  }
})
