import { assert, describe, it } from "@effect/vitest"
import * as Model from "../../../src/protocols/gemini/Model.ts"

const known: ReadonlyArray<readonly [id: string, by: string, signs: boolean, maxTokens: number | undefined]> = [
  ["gemini-3-pro-preview", "level LOW,HIGH", true, 65_536],
  ["models/gemini-3.1-pro-preview-customtools", "level LOW,MEDIUM,HIGH", true, 65_536],
  ["gemini-3-flash-preview", "level MINIMAL,LOW,MEDIUM,HIGH", true, 65_536],
  ["gemini-3.1-flash-lite-preview", "level MINIMAL,LOW,MEDIUM,HIGH", true, 65_536],
  ["gemini-3.8-flash", "level LOW,MEDIUM,HIGH", true, 65_536],
  ["gemini-flash-latest", "level LOW,MEDIUM,HIGH", true, 65_536],
  ["gemini-pro-latest", "level LOW,MEDIUM,HIGH", true, 65_536],
  ["gemini-2.5-pro", "budget 128-32768", false, 65_536],
  ["gemini-2.5-flash-preview-09-2025", "budget 1-24576 or none", false, 65_536],
  ["gemini-2.5-flash-lite", "budget 512-24576 or none", false, 65_536],
  ["gemini-2.0-flash-001", "none", false, 8192],
  ["gemini-1.5-pro", "none", false, 8192],
  ["gemma-3-27b-it", "none", false, undefined],
]

const told = ({ thinking }: Model.Model): string => {
  switch (thinking.by) {
    case "level":
      return `level ${thinking.levels.join()}`
    case "budget":
      return `budget ${thinking.min}-${thinking.max}${thinking.off ? " or none" : ""}`
    case "none":
      return "none"
  }
}

describe("of", () => {
  for (const [id, by, signs, maxTokens] of known) {
    it(id, () => {
      const model = Model.of(id)
      assert.deepStrictEqual(
        [told(model), model.requiresSignatures, model.media, model.maxTokens],
        [by, signs, signs, maxTokens],
      )
    })
  }
})
