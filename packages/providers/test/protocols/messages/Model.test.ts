import { assert, describe, it } from "@effect/vitest"
import * as Model from "@understudy/providers/internal/protocols/messages/Model"

const thinking = (id: string) => Model.of(id).thinking

describe("a model's capabilities", () => {
  it("are inferred from its id, with any prefix and suffix", () => {
    assert.strictEqual(thinking("claude-3-5-sonnet-20241022"), "none")
    assert.strictEqual(thinking("claude-3-7-sonnet-latest"), "budget")
    assert.strictEqual(thinking("claude-sonnet-4-20250514"), "budget")
    assert.strictEqual(thinking("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), "budget")
    assert.strictEqual(thinking("anthropic/claude-opus-4.6"), "adaptive")
    assert.strictEqual(thinking("claude-haiku-5-5"), "adaptive")
    assert.strictEqual(thinking("a-model-of-another-vendor"), "adaptive")
  })

  it("differ by generation", () => {
    assert.deepStrictEqual(
      ["claude-3-opus-20240229", "claude-opus-4-1", "claude-opus-4-8", "claude-sonnet-5", "claude-fable-5-1"].map(
        (id) => [Model.of(id).maxTokens, Model.of(id).sampling, Model.of(id).systemTurns],
      ),
      [
        [4096, "all", false],
        [32_000, "one", false],
        [32_000, "none", true],
        [32_000, "none", false],
        [32_000, "none", true],
      ],
    )
    assert.deepStrictEqual(Model.of("qwen-max").maxTokens, 4096)
  })

  it("differ in maximum output, and in whether reasoning can be turned off", () => {
    const models = [
      "claude-3-5-haiku-latest",
      "claude-opus-4-1",
      "claude-haiku-4-5",
      "claude-sonnet-4-6",
      "claude-opus-5",
    ]
    assert.deepStrictEqual(
      models.map((id) => Model.of(id).maxOutput),
      [8192, 32_000, 64_000, 128_000, 128_000],
    )
    assert.deepStrictEqual(
      ["claude-opus-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5", "claude-fable-5-1"].map((id) => [
        Model.of(id).off,
        Model.of(id).forcible,
      ]),
      [
        ["disabled", true],
        ["between_tools", false],
        [undefined, false],
        [undefined, true],
        [undefined, false],
      ],
    )
  })
})
