import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Formats from "../../src/import/Formats.ts"
import * as Priorities from "../../src/import/priorities/Priorities.ts"
import { priorities } from "./imports.ts"

const groq = {
  name: "groq_llama",
  endpoint: "https://api.groq.com/openai/v1/chat/completions",
  model: "llama-3.1-8b-instant",
  priority: 1,
}
const together = {
  name: "together_llama",
  endpoint: "https://api.together.xyz/v1/chat/completions",
  model: "meta-llama/Llama-3-70b-chat-hf",
  priority: 2,
}
const mixtral = { ...groq, name: "groq_mixtral", model: "mixtral-8x7b-32768", priority: 3 }

describe("Priorities", () => {
  it("becomes a fallback in the order of priorities, whose circuits open after one failure", () => {
    const { chain, defaults, deployments, report, warnings } = priorities({ providers: [mixtral, groq, together] })
    assert.deepStrictEqual(deployments, {
      groq_llama: {
        provider: "groq",
        model: "llama-3.1-8b-instant",
        apiKey: "${GROQ_API_KEY}",
      },
      together_llama: {
        provider: "together",
        model: "meta-llama/Llama-3-70b-chat-hf",
        apiKey: "${TOGETHER_LLAMA_API_KEY}",
      },
      groq_mixtral: {
        provider: "groq",
        model: "mixtral-8x7b-32768",
        apiKey: "${GROQ_API_KEY}",
      },
    })
    assert.deepStrictEqual(chain("assistant"), ["groq_llama", "together_llama", "groq_mixtral"])
    assert.deepStrictEqual(defaults, { retry: { times: 0 }, circuit: { failures: 1, open: "30s", max: "30s" } })
    assert.deepStrictEqual([...report, ...warnings], [])
  })

  it("keeps the order of equal priorities, and puts providers without a priority last", () => {
    const { priority: _, ...none } = groq
    const { chain } = priorities({ providers: [none, { ...together, priority: 7 }, { ...mixtral, priority: 7 }] })
    assert.deepStrictEqual(chain("assistant"), ["together_llama", "groq_mixtral", "groq_llama"])
  })

  it("finds the key by host, else by name, else reports that there is none", () => {
    const key = (name: string, endpoint: string, more: object = {}) => {
      const { deployments, report } = priorities({ providers: [{ name, endpoint, model: "m", ...more }] })
      return [deployments[name]?.["apiKey"], ...report]
    }
    assert.deepStrictEqual(key("fast", "https://api.groq.com/openai/v1"), ["${GROQ_API_KEY}"])
    assert.deepStrictEqual(key("x", "https://api.mistral.ai/v1/chat/completions/"), ["${MISTRAL_API_KEY}"])
    assert.deepStrictEqual(key("mine", "https://api.openai.com/v1/chat/completions"), ["${OPENAI_API_KEY}"])
    assert.deepStrictEqual(key("local", "http://127.0.0.1:11434/v1/chat/completions"), [undefined])
    assert.deepStrictEqual(key("together_mix", "http://127.0.0.1:1/v1"), ["${TOGETHER_LLAMA_API_KEY}"])
    assert.deepStrictEqual(key("mine", "http://127.0.0.1:1/v1", { api_key: "sk-1" }), ["sk-1"])
    assert.deepStrictEqual(key("mine", "http://127.0.0.1:1/v1"), [
      undefined,
      "providers[0].api_key: is missing, and no variable is known for this endpoint: no key is sent",
    ])
  })

  it("reports everything that is not imported", () => {
    const { deployments, report } = priorities({
      cooldown: 30,
      providers: [{ ...groq, weight: 2 }, { ...together, name: groq.name }, { name: "nobody" }, "groq"],
    })
    assert.deepStrictEqual(Object.keys(deployments), ["groq_llama", "groq_llama-2"])
    assert.deepStrictEqual(report, [
      "providers[0].weight: has no equivalent: not imported",
      "providers[1].name: is used twice: this provider is renamed groq_llama-2",
      "providers[2].model: is missing: the provider is not imported",
      "providers[2].endpoint: is missing: the provider is not imported",
      "providers[3]: is not a mapping: not imported",
      "providers[3].name: is missing: the provider is not imported",
      "providers[3].model: is missing: the provider is not imported",
      "providers[3].endpoint: is missing: the provider is not imported",
      "cooldown: has no equivalent: not imported",
    ])
  })

  it("is distinguished from an Understudy configuration, and fails without a provider", () => {
    assert.isTrue(Formats.priorities.is({ providers: [] }))
    assert.isFalse(Formats.priorities.is({ deployments: {} }))
    assert.isTrue(Result.isFailure(Priorities.read({ providers: [] })))
  })
})
