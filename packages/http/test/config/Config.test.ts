import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as ByteSize from "effect/ByteSize"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import * as Config from "../../src/Config.ts"
import * as DotEnv from "../../src/DotEnv.ts"

const withEnvironment = (variables: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(variables))

const smallest = "deployments: { demo: { provider: simulated, model: demo } }"

/** A configuration in a folder of its own, with a `.env` beside it; the environment proper holds `variables`. */
const written = Effect.fnUntraced(function* (
  files: { readonly yaml: string; readonly env?: string },
  variables: Record<string, string> = {},
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = yield* fs.makeTempDirectoryScoped()
  const file = path.join(folder, "understudy.yaml")
  yield* fs.writeFileString(file, files.yaml)
  if (files.env !== undefined) yield* fs.writeFileString(path.join(folder, ".env"), files.env)
  const outer = ConfigProvider.layer(ConfigProvider.fromEnvRecord(variables))
  return yield* Effect.provide(Config.load(file), Layer.provide(DotEnv.layer(file), outer))
})

describe("Config", () => {
  it.effect("says the rest of what a smallest file leaves unsaid", () =>
    Effect.gen(function* () {
      const { server } = yield* Config.parse(smallest, "understudy.yaml")
      assert.deepStrictEqual(server, {
        port: 4000,
        host: "127.0.0.1",
        maxBody: ByteSize.megabytes(20),
        anonymous: false,
        allowedHosts: [],
        allowedOrigins: [],
        drain: Duration.seconds(30),
      })
    }),
  )

  it.effect("reads a server's section, numbers and booleans from variables too", () =>
    Effect.gen(function* () {
      const { server } = yield* Config.parse(
        `
server:
  port: "\${PORT}"
  anonymous: "\${OPEN:-true}"
  maxBody: 1.5mib
  allowedHosts: [Gateway.Internal, "[::1]"]
  allowedOrigins: ["https://chat.example.com:8443"]
  drain: 90s
${smallest}`,
        "understudy.yaml",
      )
      assert.deepStrictEqual(server, {
        port: 4100,
        host: "127.0.0.1",
        maxBody: ByteSize.bytes(1_572_864),
        anonymous: true,
        allowedHosts: ["gateway.internal", "[::1]"],
        allowedOrigins: ["https://chat.example.com:8443"],
        drain: Duration.seconds(90),
      })
    }).pipe(withEnvironment({ PORT: "4100" })),
  )

  it.effect("tells of a file that is not there", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Config.load("/nowhere/understudy.yaml"))
      assert.strictEqual(error.message, "/nowhere/understudy.yaml: 1 problem\n  there is no such file")
    }).pipe(Effect.provide(NodeServices.layer)),
  )

  it.effect("reads variables from .env beside the file, the environment first", () =>
    Effect.gen(function* () {
      const yaml = `
deployments:
  a: { provider: openai, model: "\${MODEL}", apiKey: "\${A_KEY}" }
  b: { provider: openai, model: gpt-4o, apiKey: "\${B_KEY}" }
`
      const env = "# keys\nA_KEY='from file'\nexport B_KEY=from-file # a comment\nMODEL=gpt-4o"
      // A variable of which B_KEY is a prefix must not hide it.
      const { deployments } = yield* written({ yaml, env }, { A_KEY: "from environment", B_KEY_PATH: "elsewhere" })
      const keys = Object.values(deployments).map(({ keys }) =>
        "apiKey" in keys && keys.apiKey !== undefined ? Redacted.value(keys.apiKey) : undefined,
      )
      assert.deepStrictEqual(keys, ["from environment", "from-file"])
      assert.strictEqual(deployments["a"]?.model, "gpt-4o")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.effect("does without .env", () =>
    Effect.gen(function* () {
      const { deployments } = yield* written({ yaml: smallest })
      assert.deepStrictEqual(Object.keys(deployments), ["demo"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )
})
