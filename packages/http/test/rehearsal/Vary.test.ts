import { assert, describe, it } from "@effect/vitest"
import * as YamlText from "@understudy/http/internal/config/YamlText"
import * as Vary from "@understudy/http/internal/rehearsal/Vary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const document = Result.getOrThrow(
  YamlText.parse(`
deployments:
  gpt-4: { provider: openai, model: gpt-4, apiKeys: [a, b] }
  gpt-4.1: { provider: openai, model: gpt-4.1 }
routes:
  list: [gpt-4]
  quick: { hedge: { after: 2s }, across: [gpt-4, gpt-4.1] }
  nested: { fallback: [{ hedge: { after: p95 }, across: [gpt-4, gpt-4.1] }, gpt-4] }
defaults: { retry: { times: 1, base: 100ms } }
`),
)

const variants = (texts: ReadonlyArray<string>, max = 200) =>
  Result.flatMap(Vary.parse(texts), (settings) => Vary.variants(document, settings, max))

const changes = (...texts: ReadonlyArray<string>) =>
  Result.getOrThrow(variants(texts)).map(({ changes }) =>
    changes.map(({ path, value }) => `${Vary.text(path)}=${value}`),
  )

const error = (...texts: ReadonlyArray<string>) => Result.getOrThrow(Result.flip(variants(texts)))

describe("settings to vary", () => {
  it("are parsed: a comma before a path begins the next one", () => {
    assert.deepStrictEqual(
      Vary.parse(["retry.times=0..3,circuit.failures=1,3,5,hedge.after=1s,2s", " retry.budget = 0.1, 0.1, true "]),
      Result.succeed([
        { path: "retry.times", values: [0, 1, 2, 3] },
        { path: "circuit.failures", values: [1, 3, 5] },
        { path: "hedge.after", values: ["1s", "2s"] },
        { path: "retry.budget", values: [0.1, true] },
      ]),
    )
  })

  it("are in defaults, in every hedge, or in what they name", () => {
    assert.deepStrictEqual(changes("retry.times=0,2"), [["defaults.retry.times=0"], ["defaults.retry.times=2"]])
    assert.deepStrictEqual(changes("defaults.timeout.firstToken=3s"), [["defaults.timeout.firstToken=3s"]])
    assert.deepStrictEqual(changes("hedge.after=1s"), [
      ["routes.quick.hedge.after=1s", "routes.nested.fallback[0].hedge.after=1s"],
    ])
    assert.deepStrictEqual(changes("routes.nested.fallback[0].hedge.after=1s"), [
      ["routes.nested.fallback[0].hedge.after=1s"],
    ])
    for (const path of ["deployments.gpt-4.1.limits.rpm", 'deployments["gpt-4.1"].limits.rpm']) {
      assert.deepStrictEqual(changes(`${path}=5`), [['deployments["gpt-4.1"].limits.rpm=5']])
    }
    assert.deepStrictEqual(changes("deployments.gpt-4.limits.rpm=5"), [["deployments.gpt-4.limits.rpm=5"]])
  })

  it("are combined, without what is the configuration already", () => {
    assert.deepStrictEqual(changes("retry.times=0..1,hedge.after=2s"), [
      ["defaults.retry.times=0", "routes.nested.fallback[0].hedge.after=2s"],
      ["routes.nested.fallback[0].hedge.after=2s"],
    ])
    assert.deepStrictEqual(changes("retry.times=1"), [])
  })

  it("are shown as the YAML that changes", () => {
    const [variant] = Result.getOrThrow(variants(["retry.times=0,circuit.failures=5,hedge.after=1s"]))
    assert.strictEqual(
      variant && Vary.yaml(variant),
      `defaults:
  retry: { times: 0 }
  circuit: { failures: 5 }
routes:
  quick: { hedge: { after: 1s } }
  nested: { fallback: [{ hedge: { after: 1s }, across: [gpt-4, gpt-4.1] }, gpt-4] }`,
    )
  })

  it("are errors that say what to write instead", () => {
    assert.match(error("retry.times"), /^retry\.times: expected a setting and its values/)
    assert.match(error("=1"), /expected a setting and its values/)
    assert.match(error("retry.times=1,"), /^retry\.times: expected a value after/)
    assert.match(error("retry.times=3..1"), /from the lower to the higher number/)
    assert.match(error("retry.times=0..100000000000"), /of at most 1000 values/)
    assert.match(error("retry.base=1s..2s"), /a range of whole numbers/)
    assert.match(error("retry..times=1"), /is not a path/)
    assert.match(error("routes.quik.retry.times=1"), /^routes\.quik\.retry\.times: routes has no "quik": did you mean/)
    assert.match(error("routes.quick=1"), /expected a setting of routes\.quick/)
    assert.match(error("routes.list.retry.times=1"), /routes\.list is a list: write it as \{ fallback: \[\.\.\.\] \}/)
    assert.match(error("routes.quick.across[2].retry.times=1"), /is not a list with an entry \[2\]/)
    assert.match(error("retry.times.most=1"), /expected a mapping at defaults\.retry\.times, found 1/)
    assert.match(error("deployments.gpt-4.apiKeys[0]=c"), /lists can be varied in routes only/)
    assert.match(error("retry.times=1", "defaults.retry.times=2"), /is given twice/)
    assert.strictEqual(
      error("retry.times=0..99,circuit.failures=1..10"),
      "1,000 variants are more than 200: give fewer values, or raise --max",
    )
    const withoutHedge = Result.flatMap(Vary.parse(["hedge.after=1s"]), (settings) =>
      Vary.variants({ routes: { hedge: { fallback: ["a"] } } }, settings, 200),
    )
    assert.deepStrictEqual(withoutHedge, Result.fail("hedge.after: no route of the configuration has a hedge"))
  })

  const Whole = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))
  const Values = Schema.Array(Whole).check(Schema.isMinLength(1), Schema.isMaxLength(5))

  it.prop("give every combination once, and leave the document as it is", [Values, Values], ([times, failures]) => {
    const before = structuredClone(document)
    const found = Result.getOrThrow(variants([`retry.times=${times.join()},circuit.failures=${failures.join()}`]))
    assert.deepStrictEqual(document, before)
    const expected = new Set(times).size * new Set(failures).size
    assert.strictEqual(found.length, expected)
    assert.strictEqual(new Set(found.map((variant) => JSON.stringify(variant.document))).size, expected)
    for (const variant of found) {
      assert.deepNestedInclude(variant.document as object, { "defaults.retry.base": "100ms" })
      const failures = variant.changes.find(({ path }) => Vary.text(path) === "defaults.circuit.failures")
      assert.deepNestedInclude(variant.document as object, { "defaults.circuit.failures": failures?.value })
    }
  })
})
