/** `understudy import`: whole files as people have them, what they become, and what is said of the rest. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Command from "effect/cli/Command"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as TestConsole from "effect/testing/TestConsole"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { importing } from "../../src/cli/Import.ts"
import * as Config from "../../src/Config.ts"

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/import/${name}`, import.meta.url))

const read = (name: string) => readFileSync(fixture(name), "utf8")

const command = Command.runWith(importing, { version: "test", renderErrors: false })

/** What the command prints, as the document and the lines about it. */
const run = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const result = yield* Effect.result(command(args))
  return {
    result,
    printed: (yield* TestConsole.logLines).join("\n"),
    told: (yield* TestConsole.errorLines).join("\n").split("\n"),
  }
})

const test = (name: string, body: () => Effect.Effect<void, unknown, NodeServices.NodeServices>) =>
  it.effect(name, () => Effect.provide(body(), [TestConsole.layer, NodeServices.layer]))

/** Every variable is set, to something that will do wherever these documents name one. */
const environment = (name: string): string => (name.endsWith("_BASE") ? "https://resource.example" : "set")

describe("import", () => {
  test("litellm: a whole proxy", () =>
    Effect.gen(function* () {
      const { printed, told } = yield* run("litellm", fixture("litellm.yaml"))
      assert.strictEqual(`${printed}\n`, read("litellm.understudy.yaml"))
      assert.deepStrictEqual(told, [
        `${fixture("litellm.yaml")}: import report`,
        "  model_list[8].model_info.mode: the mode image_generation is not supported, only chat and embeddings: not imported",
        "  general_settings.database_url: budgets are kept in sqlite:./understudy.db: set `database` to share them between gateways",
        "  litellm_settings.success_callback: has no equivalent: not imported",
        "  aws: has no effect by itself: its values are used where YAML anchors copy them",
      ])
    }))

  test("portkey: nested strategies", () =>
    Effect.gen(function* () {
      const { printed, told } = yield* run("portkey", fixture("portkey.json"))
      assert.strictEqual(`${printed}\n`, read("portkey.understudy.yaml"))
      assert.deepStrictEqual(told, [
        `${fixture("portkey.json")}: import report`,
        "  targets[0].targets[0].override_params.temperature: requests set this themselves: not imported",
        "  targets[0].targets[0].virtual_key: is stored by Portkey: read as openai, with its API key in OPENAI_PROD_API_KEY",
        "  targets[1].cache: the cache is set for the whole configuration, not for a target: not imported",
      ])
    }))

  test("providers: a fallback service's own list", () =>
    Effect.gen(function* () {
      const file = fileURLToPath(new URL("../../../../examples/web-service/providers.yaml", import.meta.url))
      const { printed, told } = yield* run("providers", file)
      assert.match(printed, /^ {2}assistant: \[groq_llama, together_llama, groq_mixtral\]$/m)
      assert.deepStrictEqual(told, [`${file}: everything is imported`])
      const wrong = yield* run("providers", fixture("litellm.yaml"))
      assert.isTrue(Result.isFailure(wrong.result) && /has no list of providers/.test(wrong.result.failure.message))
    }))

  test("writes a file that is read as the original is", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const output = `${yield* files.makeTempDirectoryScoped()}/understudy.yaml`
      const { printed } = yield* run("litellm", fixture("litellm.yaml"), "-o", output)
      assert.strictEqual(printed, "")
      const original = yield* Config.load(fixture("litellm.yaml"))
      const imported = yield* Config.load(output)
      assert.strictEqual(original.notImported.length, 4)
      assert.deepStrictEqual({ ...original, notImported: [] }, imported)
      assert.strictEqual(imported.server.port, 4010)
    }).pipe(
      Effect.scoped,
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnvRecord(
          Object.fromEntries(
            ["LITELLM_MASTER_KEY", "ANTHROPIC_API_KEY", "AZURE_API_KEY", "AZURE_API_BASE", "GROQ_API_KEY"].map(
              (name) => [name, environment(name)],
            ),
          ),
        ),
      ),
    ))

  test("refuses what is not theirs, and shows no secret in doing so", () =>
    Effect.gen(function* () {
      const messages = yield* Effect.forEach(
        [
          ["litellm", "portkey.understudy.yaml"],
          ["portkey", "litellm.yaml"],
          ["litellm", "there-is-none.yaml"],
        ] as const,
        ([kind, name]) =>
          Effect.map(run(kind, fixture(name)), ({ result }) =>
            Result.isFailure(result) ? result.failure.message.replaceAll(fixture(name), name) : "",
          ),
      )
      assert.deepStrictEqual(
        messages.map((message) => message.split("\n")[1]),
        [
          "  has no model_list: this is not a LiteLLM configuration",
          "  not JSON: Unexpected token '#'",
          "  the file does not exist",
        ],
      )
      assert.notMatch(messages.join("\n"), /literal-key/)
    }))
})
