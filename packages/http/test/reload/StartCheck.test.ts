/** What is said of providers that cannot start, and of which key of a pool. */
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Config from "../../src/Config.ts"
import * as StartCheck from "../../src/reload/StartCheck.ts"

const problems = (keys: string) =>
  Config.parse(
    `deployments: { a: { provider: openai, model: m, ${keys} } }\nroutes: { r: [a] }`,
    "understudy.yaml",
  ).pipe(
    Effect.flatMap(StartCheck.problems),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord({})),
  )

describe("problems", () => {
  it.effect("names the key of a pool that cannot be sent, without quoting it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problems('apiKeys: ["one", "two"]'), [])
      const [problem, ...others] = yield* problems(String.raw`apiKeys: ["one", "secret\nkey"]`)
      assert.deepStrictEqual(others, [])
      assert.strictEqual(problem?.path, "deployments.a.apiKeys[1]")
      assert.include(problem?.message, "is an invalid header value")
      assert.notInclude(problem?.message, "secret")
    }),
  )

  it.effect("names the deployment once for what is wrong with each key", () =>
    Effect.gen(function* () {
      const found = yield* problems(String.raw`apiKeys: ["secret\none", "secret\ntwo"]`)
      assert.deepStrictEqual(
        found.map(({ path }) => path),
        ["deployments.a"],
      )
      assert.strictEqual((yield* problems(String.raw`apiKey: "secret\none"`))[0]?.path, "deployments.a")
    }),
  )
})
