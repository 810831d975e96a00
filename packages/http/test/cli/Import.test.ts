/** `understudy import`: whole files of other gateways, what they become, and the report of the rest. */
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

/** Every variable is set, to an address where these documents have one. */
const environment = (name: string): string =>
  /_BASE$|_ENDPOINT$/.test(name) ? "https://resource.example" : `value of ${name}`

const reports: ReadonlyArray<readonly [file: string, result: string, report: ReadonlyArray<string>]> = [
  [
    "litellm.yaml",
    "litellm.understudy.yaml",
    [
      "read as LiteLLM; not imported, or differently:",
      "models not served (1)",
      "  model_list[8].model_info.mode: the mode video_generation is not supported: not imported",
      "harmless (3)",
      "  general_settings.database_url: budgets are kept in sqlite:./understudy.db: set `database` to share them between gateways",
      "  litellm_settings.success_callback: langfuse is not called: receipts are in the usage log, the ledger and OpenTelemetry",
      "  aws: has no effect by itself: its values are used where YAML anchors copy them",
    ],
  ],
  [
    "portkey.json",
    "portkey.understudy.yaml",
    [
      "read as Portkey; not imported, or differently:",
      "harmless (2)",
      "  targets[0].targets[0].virtual_key: is stored by Portkey: read as openai, with its API key in OPENAI_PROD_API_KEY",
      "  targets[1].cache: the cache is set for the whole configuration, not for a target: not imported",
    ],
  ],
  [
    "bifrost.json",
    "bifrost.understudy.yaml",
    [
      "read as Bifrost; not imported, or differently:",
      "safety and money (5)",
      "  providers.anthropic.network_config.insecure_skip_verify: certificates are always verified: set NODE_EXTRA_CA_CERTS for one of your own",
      "  governance.virtual_keys[0].provider_configs[1].key_ids: the key may use every API key of the provider: make deployments of each",
      "  governance.rate_limits[0].token_reset_duration: only limits by the minute, and of requests by the day: not imported",
      "  governance.virtual_keys[3].value: is kept in Bifrost's database: create the key anew, see `keys`",
      "  governance.budgets[2].reset_duration: is not an hour, or a number of days, weeks or months: not imported",
      "models not served (4)",
      "  providers.elevenlabs.keys[0].value: the provider elevenlabs is not supported: not imported",
      "  providers.elevenlabs: has no key that can be imported: not imported",
      "  governance.virtual_keys[0].provider_configs: a model that is called without its provider is not served: call it as provider/model",
      "  governance.routing_rules: rules in CEL are not read: write routes with `when` and `split`",
      "harmless (5)",
      "  providers.bedrock.keys[0].value: requests to Bedrock have no headers of their own: not imported",
      "  governance.virtual_keys[2].is_active: is false: the key is not imported",
      "  providers.openai.concurrency_and_buffer_size: is one limit for all models and keys of the provider, and deployments have their own: not imported",
      "  plugins[1].name: the plugin semantic_cache is not run: not imported",
      "  logs_store: calls are kept in the ledger and the usage log: see `database` and `usageLog`",
    ],
  ],
  [
    "tensorzero.toml",
    "tensorzero.understudy.yaml",
    [
      "read as TensorZero; not imported, or differently:",
      "safety and money (3)",
      "  rate_limiting.rules[0].tokens_per_hour: is a limit of the whole gateway: set `limits` of deployments or keys: not imported",
      "  rate_limiting.rules[1].scope: limits of tags and keys are set on `keys`, `limits` and `budgets`: not imported",
      "  gateway.auth.enabled: TensorZero keeps its keys in Postgres: create them anew, see `keys` and `understudy keys`",
      "models not served (2)",
      "  models.own.providers.sagemaker.type: the provider type aws_sagemaker is not supported: not imported",
      "  functions.extract.output_schema: the prompts and the output of this function are TensorZero's: the application has to send messages and a format: not imported",
      "harmless (5)",
      "  models.gpt-4o.providers.azure.timeouts.streaming.total_ms: the length of one stream is limited by `timeout.total` of a route: not imported",
      "  models.gpt-4o.providers.azure.extra_body: /stop: only fields can be set, not deleted or put into lists: not imported",
      "  gateway.export.otlp.traces.enabled: traces are exported over HTTP, not gRPC: set OTEL_EXPORTER_OTLP_ENDPOINT to that address",
      "  gateway.bind_address: only the port is imported: listening on other addresses than loopback needs keys, see `server.host`",
      "  gateway.observability: calls are kept in the ledger and the usage log: see `database` and `usageLog`",
    ],
  ],
]

describe("import", () => {
  for (const [file, result, report] of reports) {
    test(`finds out the format of ${file}, and prints the result with the report`, () =>
      Effect.gen(function* () {
        const { printed, told } = yield* run(fixture(file))
        assert.strictEqual(`${printed}\n`, read(result))
        assert.deepStrictEqual(told, [`${fixture(file)}: ${report[0]}`, ...report.slice(1)])
      }))

    test(`writes a file that is read as ${file} is`, () =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const output = `${yield* files.makeTempDirectoryScoped()}/understudy.yaml`
        const { printed } = yield* run(fixture(file), "-o", output)
        assert.strictEqual(printed, "")
        const imported = yield* Config.load(output)
        // A configuration of Portkey is not served as it is.
        if (file === "portkey.json") return
        const original = yield* Config.load(fixture(file))
        assert.isNotEmpty(original.notImported)
        assert.deepStrictEqual({ ...original, notImported: [] }, imported)
      }).pipe(
        Effect.scoped,
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnvRecord(
            Object.fromEntries(
              [...read(result).matchAll(/\$\{(\w+)/g)].map(([, name = ""]) => [name, environment(name)]),
            ),
          ),
        ),
      ))
  }

  test("reads a list of providers", () =>
    Effect.gen(function* () {
      const file = fileURLToPath(new URL("../../../../examples/web-service/providers.yaml", import.meta.url))
      const { printed, told } = yield* run(file)
      assert.match(printed, /^ {2}assistant: \[groq_llama, together_llama, groq_mixtral\]$/m)
      assert.deepStrictEqual(told, [`${file}: read as a list of providers by priority; everything is imported`])
    }))

  test("fails with --strict if more than what is harmless is left, after it has written the result", () =>
    Effect.gen(function* () {
      const strict = yield* run(fixture("tensorzero.toml"), "--strict")
      assert.strictEqual(`${strict.printed}\n`, read("tensorzero.understudy.yaml"))
      assert.isTrue(
        Result.isFailure(strict.result) &&
          /not everything is imported, and --strict/.test(strict.result.failure.message),
      )
    }))

  test("succeeds with --strict if only what is harmless is left", () =>
    Effect.gen(function* () {
      const { result, told } = yield* run(fixture("portkey.json"), "--strict")
      assert.isTrue(Result.isSuccess(result))
      assert.include(told, "harmless (2)")
    }))

  test("refuses what is not a configuration of the gateway, and shows no secret", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const broken = `${yield* files.makeTempDirectoryScoped()}/broken`
      yield* files.writeFileString(broken, '{ "providers": { "openai": { "keys": [{ "value": "literal-key" ] } } }')
      const toml = `${broken}.toml`
      yield* files.writeFileString(toml, '[models]\nkey = "literal-key"\nkey = literal-key\n')
      const messages = yield* Effect.forEach(
        [
          [fixture("portkey.understudy.yaml")],
          [fixture("portkey.understudy.yaml"), "--from", "litellm"],
          [fixture("litellm.yaml"), "--from", "providers"],
          [fixture("litellm.yaml"), "--from", "tensorzero"],
          [broken],
          [toml],
          [fixture("there-is-none.yaml")],
        ] as const,
        (args) => Effect.map(run(...args), ({ result }) => (Result.isFailure(result) ? result.failure.message : "")),
      )
      assert.deepStrictEqual(
        messages.map((message) => message.split("\n")[1]),
        [
          "  is the configuration of no gateway that is known: LiteLLM (model_list), Bifrost (a mapping of providers), a list of providers by priority (a list of providers), Portkey (strategy, targets, provider or virtual_key), TensorZero (models, embedding_models or functions)",
          "  is not the configuration of LiteLLM: it has not got model_list",
          "  is not the configuration of a list of providers by priority: it has not got a list of providers",
          "  is not the configuration of TensorZero: it has not got models, embedding_models or functions, in TOML",
          "  not JSON: Expected ',' or '}' after property value in JSON at position 63 (line 1 column 64)",
          "  line 3: not TOML: this line cannot be read",
          "  the file does not exist",
        ],
      )
      assert.notMatch(messages.join("\n"), /literal-key/)
    }).pipe(Effect.scoped))
})
