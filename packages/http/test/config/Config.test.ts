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
import * as RealtimeSettings from "../../src/RealtimeSettings.ts"
import * as ServerLimits from "../../src/ServerLimits.ts"

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
  it.effect("fills in the defaults of the smallest file", () =>
    Effect.gen(function* () {
      const { server } = yield* Config.parse(smallest, "understudy.yaml")
      assert.deepStrictEqual(server, {
        port: 4000,
        host: "127.0.0.1",
        workers: 1,
        maxBody: ByteSize.megabytes(20),
        allowUnauthenticated: false,
        allowedHosts: [],
        allowedOrigins: [],
        drain: { delay: Duration.seconds(5), timeout: Duration.seconds(30) },
        overload: { delay: Duration.millis(500), calls: 10_000 },
        realtime: RealtimeSettings.defaults,
        limits: ServerLimits.defaults,
      })
    }),
  )

  it.effect("names budgets without an id by what they limit, and none as another", () =>
    Effect.gen(function* () {
      const { budgets } = yield* Config.parse(
        `
${smallest}
database: sqlite:./understudy.db
budgets:
  list:
    - { all: true, amount: 1, window: month }
    - { id: all/month, all: true, amount: 2, window: month }
    - { all: true, amount: 3, window: month }
    - { id: all/month#2, all: true, amount: 4, window: month }
    - { all: true, amount: 5, window: 30 days }
`,
        "understudy.yaml",
      )
      assert.deepStrictEqual(
        budgets.budgets.map(({ id }) => id),
        ["all/month#3", "all/month", "all/month#4", "all/month#2", "all/30-days"],
      )
    }),
  )

  it.effect("decodes the server section, including numbers and booleans from variables", () =>
    Effect.gen(function* () {
      const { server } = yield* Config.parse(
        `
server:
  port: "\${PORT}"
  allowUnauthenticated: "\${OPEN:-true}"
  maxBody: 1.5mib
  allowedHosts: [Gateway.Internal, "[::1]"]
  allowedOrigins: ["https://chat.example.com:8443", "HTTPS://Chat.Example.com:443", "https://bücher.example", "app://Obsidian.md"]
  drain: { timeout: 90s }
  overload: { calls: 200 }
  realtime: { idle: 5m, maxMessage: 1mib }
  limits: { messages: 50, requestTimeout: 90s, answer: 8mib, error: 64kib }
${smallest}`,
        "understudy.yaml",
      )
      assert.deepStrictEqual(server, {
        port: 4100,
        host: "127.0.0.1",
        workers: 1,
        maxBody: ByteSize.bytes(1_572_864),
        allowUnauthenticated: true,
        allowedHosts: ["gateway.internal", "[::1]"],
        allowedOrigins: [
          "https://chat.example.com:8443",
          "https://chat.example.com",
          "https://xn--bcher-kva.example",
          "app://obsidian.md",
        ],
        drain: { delay: Duration.seconds(5), timeout: Duration.seconds(90) },
        overload: { delay: Duration.millis(500), calls: 200 },
        realtime: { ...RealtimeSettings.defaults, idle: Duration.minutes(5), maxMessage: ByteSize.mebibytes(1) },
        limits: {
          ...ServerLimits.defaults,
          messages: 50,
          requestTimeout: Duration.seconds(90),
          answer: ByteSize.mebibytes(8),
          error: ByteSize.kibibytes(64),
        },
      })
    }).pipe(withEnvironment({ PORT: "4100" })),
  )

  it.effect("decodes keys and their allowed routes", () =>
    Effect.gen(function* () {
      const yaml = `
keys:
  - { id: team-a, key: "\${TEAM_A_KEY}", limits: { rpm: 3, concurrency: 2 }, routes: [assistant, demo] }
  - { id: team-b, key: "sk-b" }
  - { id: ci, key: "sk-c", team: platform, role: viewer, tags: [batch], expiresAt: 2027-01-31T18:00:00+01:00 }
routes: { assistant: [demo] }
${smallest}`
      const { keys } = yield* Config.parse(yaml, "understudy.yaml")
      assert.deepStrictEqual(keys, [
        { id: "team-a", key: Redacted.make("sk-a"), limits: { rpm: 3, concurrency: 2 }, routes: ["assistant", "demo"] },
        { id: "team-b", key: Redacted.make("sk-b") },
        {
          id: "ci",
          key: Redacted.make("sk-c"),
          team: { id: "platform", name: "platform" },
          role: "viewer",
          tags: ["batch"],
          expiresAt: Date.parse("2027-01-31T17:00:00Z"),
        },
      ])
      assert.deepStrictEqual((yield* Config.parse(smallest, "understudy.yaml")).keys, [])
    }).pipe(withEnvironment({ TEAM_A_KEY: "sk-a" })),
  )

  it.effect("turns the overload protection off", () =>
    Effect.gen(function* () {
      for (const off of ["false", '"${OFF}"']) {
        const { server } = yield* Config.parse(`server: { overload: ${off} }\n${smallest}`, "understudy.yaml")
        assert.strictEqual(server.overload, false)
      }
    }).pipe(withEnvironment({ OFF: "False" })),
  )

  it.effect("reports problems of keys and of other sections together, without showing a key", () =>
    Effect.gen(function* () {
      const problems = (yaml: string) => Effect.map(Effect.flip(Config.parse(yaml, "f")), ({ problems }) => problems)
      const wrong = `
keys:
  - { id: a, key: 12345, routes: [asistant] }
  - { key: "", limits: { rpm: 0 }, routes: [] }
routes: { assistant: [deemo] }
${smallest}`
      assert.deepStrictEqual(yield* problems(wrong), [
        {
          path: "keys[0].key",
          message: 'expected a secret text, such as "${API_KEY}", found a number: put it in quotes',
        },
        { path: "keys[0].routes[0]", message: 'expected one of assistant, demo, found "asistant"' },
        { path: "keys[1].id", message: "is missing: give the key a name, such as team-a" },
        { path: "keys[1].key", message: 'expected a secret text, such as "${API_KEY}", found an empty text' },
        { path: "keys[1].limits.rpm", message: "expected a whole number above 0, found 0" },
        { path: "keys[1].routes[0]", message: "is missing: name a route, or remove `routes` to allow all" },
        {
          path: "routes.assistant[0]",
          message:
            'names "deemo", which is neither a deployment nor a route: did you mean "demo"? There is "demo", "assistant".',
        },
      ])
      const twice = `
keys: [{ id: a, key: sk-same }, { id: b, key: sk-same }, { id: a, key: sk-other }]
${smallest}`
      assert.deepStrictEqual(yield* problems(twice), [
        { path: "keys[1].key", message: "another key has the same secret: each key needs its own" },
        { path: "keys[2].id", message: 'another key has the id "a": rename one of them' },
      ])
      const strange = `
keys: [{ id: team-a, key: sk-a }]
routes: { picky: { when: [{ if: { keys: [team-a, taem-a] }, use: demo }], else: demo } }
${smallest}`
      assert.deepStrictEqual(yield* problems(strange), [
        {
          path: "routes.picky",
          message: 'has a condition for the key "taem-a", but no key has that id: did you mean "team-a"?',
        },
      ])
      const [single] = yield* problems(`keys: { id: a, key: sk }\n${smallest}`)
      assert.strictEqual(
        single?.message,
        'expected a list such as [{ id: team-a, key: "${TEAM_A_KEY}" }], found a mapping',
      )
    }),
  )

  it.effect("reports a missing file", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Config.load("/nowhere/understudy.yaml"))
      assert.strictEqual(error.message, "/nowhere/understudy.yaml: 1 problem\n  the file does not exist")
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

  it.effect("loads without a .env file", () =>
    Effect.gen(function* () {
      const { deployments } = yield* written({ yaml: smallest })
      assert.deepStrictEqual(Object.keys(deployments), ["demo"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )
})
