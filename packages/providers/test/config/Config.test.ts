import * as Deployment from "@understudy/core/Deployment"
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Route from "@understudy/core/Route"
import * as Router from "@understudy/core/Router"
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Config from "../../src/Config.ts"
import * as FaultServer from "../../src/testing/FaultServer.ts"

const environment = (name: string): string | undefined => ({ KEY: "sk-secret", RPM: "60", TOOLS: "false" })[name]

const decode = (input: unknown) => Result.getOrThrow(Config.decode(input, environment))

const problems = (input: unknown) =>
  Result.match(Config.decode(input, environment), {
    onSuccess: () => [],
    onFailure: (problems) => problems.map(({ message, path }) => `${path}: ${message}`),
  })

const demo = { provider: "simulated", model: "demo" }

describe("Config.decode", () => {
  it("reads a deployment's keys and its vendor's apart, secrets redacted at once", () => {
    const settings = decode({
      defaults: { retry: { times: 1, base: "250ms" }, circuit: { failureRateThreshold: 0.5, windowSize: 20 } },
      deployments: {
        "gpt-4o": {
          provider: "openai",
          model: "gpt-4o",
          apiKey: "${KEY}",
          headers: { "x-team": "search" },
          weight: 2,
          limits: { rpm: "${RPM}" },
          capabilities: { tools: "${TOOLS}", contextWindow: 128_000 },
          price: { input: 2.5, output: 10 },
          timeout: { connect: "1s" },
        },
      },
    })
    assert.deepStrictEqual(settings.defaults, {
      retry: { times: 1, base: Duration.millis(250) },
      circuit: { failureRateThreshold: 0.5, windowSize: 20 },
    })
    assert.deepStrictEqual(settings.deployments, {
      "gpt-4o": {
        provider: "openai",
        model: "gpt-4o",
        keys: { apiKey: Redacted.make("sk-secret"), headers: { "x-team": "search" } },
        weight: 2,
        limits: { rpm: 60 },
        capabilities: { tools: false, contextWindow: 128_000 },
        price: { input: 2.5, output: 10 },
        timeout: { connect: Duration.seconds(1) },
      },
    })
    assert.deepStrictEqual(settings.variables.get("deployments.gpt-4o.apiKey"), ["KEY"])
    assert.notInclude(JSON.stringify(settings), "sk-secret")
  })

  it("reads several API keys of a deployment, and makes a layer of each", () => {
    const settings = decode({
      deployments: { pool: { provider: "openai", model: "m", apiKeys: ["${KEY}", "sk-other"], headers: { a: "b" } } },
    })
    assert.deepStrictEqual(settings.deployments["pool"], {
      provider: "openai",
      model: "m",
      apiKeys: [Redacted.make("sk-secret"), Redacted.make("sk-other")],
      keys: { headers: { a: "b" } },
    })
    assert.deepStrictEqual(settings.variables.get("deployments.pool.apiKeys[0]"), ["KEY"])
    assert.notMatch(JSON.stringify(settings), /sk-secret|sk-other/)
    const { pool } = Config.toOptions(settings).deployments
    assert.lengthOf(Deployment.layers(pool!.provider), 2)
    assert.notProperty(pool, "apiKeys")
  })

  it("keeps the layer of each key whose settings stay, whatever its place", () => {
    const of = (keys: object, options: object = {}) =>
      decode({ deployments: { pool: { provider: "openai", model: "m", ...keys, ...options } } })
    const layers = ({ deployments }: Config.Options) => Deployment.layers(deployments["pool"]!.provider)
    const before = of({ apiKeys: ["sk-1", "sk-2"] })
    const options = Config.toOptions(before)
    const [one, two] = layers(options)
    const after = (settings: Config.Settings) => layers(Config.toOptions(settings, { settings: before, options }))
    const [moved, added, stayed] = after(of({ apiKeys: ["sk-2", "sk-3", "sk-1"] }))
    assert.deepStrictEqual([moved === two, stayed === one], [true, true])
    assert.isFalse(added === one || added === two)
    assert.isTrue(after(of({ apiKey: "sk-2" }))[0] === two)
    assert.isFalse(after(of({ apiKeys: ["sk-1", "sk-2"] }, { baseUrl: "http://127.0.0.1:1/v1" }))[0] === one)
  })

  it("reads every shape of a route as its combinators make it", () => {
    const { routes } = decode({
      deployments: { a: demo, b: demo },
      routes: {
        name: "a",
        list: ["a", ["b", "name"]],
        fallback: { fallback: ["a", { balance: "cost", across: ["a", "b"], timeout: { idle: "1s" } }] },
        balance: { balance: "shuffle", across: ["b", "a"], retry: { times: 0 }, timeout: { total: "1m" } },
        checked: { fallback: ["a", "b"], accept: "schema" },
        shielded: { fallback: ["a", "b"], stream: { protect: "full", buffer: "1mb" } },
        hedge: { hedge: { after: "800ms", budget: 0.1 }, across: ["a", "b"], onContentPolicy: "b" },
        quantile: { hedge: { after: "p95" }, across: ["a", "b"], fallbackOn: "any" },
        split: {
          split: [
            { use: "a", share: 90 },
            { use: ["b", "a"], share: 10 },
          ],
          by: "user",
          retry: { times: 0 },
        },
        shadowed: {
          fallback: ["a", "b"],
          shadow: { to: "name", share: 0.1, concurrency: 5, timeout: "30s" },
        },
        drawn: {
          split: [
            { use: "a", share: 1 },
            { use: "b", share: 0.5 },
          ],
        },
        when: {
          when: [{ if: { tags: ["vip"], inputTokens: { above: 10 }, timeOfDay: ["22:00", "06:00"] }, use: ["a", "b"] }],
          else: "b",
          onContextWindow: "a",
          onError: [{ reasons: ["Overloaded", "Network"], use: { fallback: ["a"], retry: { times: 1 } } }],
          retry: { times: 0, budget: 0.5 },
        },
      },
    })
    assert.deepStrictEqual(routes, {
      name: Route.to("a"),
      list: Route.fallback("a", Route.fallback("b", "name")),
      fallback: Route.fallback(
        "a",
        Route.balance("cost", ["a", "b"]).pipe(Route.timeout({ idle: Duration.seconds(1) })),
      ),
      balance: Route.balance("shuffle", ["b", "a"]).pipe(
        Route.retry({ times: 0 }),
        Route.timeout({ total: Duration.minutes(1) }),
      ),
      checked: Route.fallback("a", "b").pipe(Route.accept("schema")),
      shielded: Route.fallback("a", "b").pipe(Route.stream({ protect: "full", buffer: ByteSize.megabytes(1) })),
      hedge: Route.hedge({ after: Duration.millis(800), budget: 0.1, across: ["a", "b"] }).pipe(
        Route.onContentPolicy("b"),
      ),
      quantile: Route.hedge({ after: "p95", across: ["a", "b"] }).pipe(Route.fallbackOn("any")),
      split: Route.split(
        [
          { use: "a", share: 90 },
          { use: Route.fallback("b", "a"), share: 10 },
        ],
        { by: "user" },
      ).pipe(Route.retry({ times: 0 })),
      shadowed: Route.fallback("a", "b").pipe(
        Route.shadow({ to: "name", share: 0.1, concurrency: 5, timeout: Duration.seconds(30) }),
      ),
      drawn: Route.split([
        { use: "a", share: 1 },
        { use: "b", share: 0.5 },
      ]),
      when: Route.when(
        [
          {
            if: { tags: ["vip"], inputTokens: { above: 10 }, timeOfDay: ["22:00", "06:00"] },
            use: Route.fallback("a", "b"),
          },
        ],
        "b",
      ).pipe(
        Route.onContextWindow("a"),
        Route.onError(["Overloaded", "Network"], Route.fallback("a").pipe(Route.retry({ times: 1 }))),
        Route.retry({ times: 0, budget: 0.5 }),
      ),
    })
  })

  it("accepts names of built-in object properties", () => {
    const { deployments, routes } = decode({
      deployments: { constructor: demo },
      routes: { toString: "constructor", hasOwnProperty: ["toString"] },
    })
    assert.deepStrictEqual(Object.keys(deployments), ["constructor"])
    assert.deepStrictEqual(Object.keys(routes), ["toString", "hasOwnProperty"])
    assert.deepStrictEqual(problems({ deployments: { demo }, routes: { a: "toString" } }).length, 1)
  })

  it("decodes further sections, and lists their names as known keys", () => {
    const sections = { extra: Schema.Struct({ size: Schema.optionalKey(Schema.Finite) }) }
    const decoded = Result.getOrThrow(
      Config.decodeWith(sections, { extra: { size: 3 }, deployments: { demo } }, environment),
    )
    assert.deepStrictEqual(decoded.sections, { extra: { size: 3 } })
    const refused = Result.getOrThrow(
      Result.flip(Config.decodeWith(sections, { extr: {}, deployments: { demo } }, environment)),
    )
    assert.deepStrictEqual(
      refused.map(({ message }) => message),
      ["unknown key `extr`: did you mean `extra`? Known keys: extra, defaults, deployments, routes."],
    )
  })

  it("reports one problem for each place", () => {
    for (const route of [3, true, {}, { fallback: 3 }, { balance: "cost" }, { fallbck: [] }, [], [[]], null]) {
      assert.strictEqual(problems({ deployments: { demo }, routes: { route } }).length, 1, JSON.stringify(route))
    }
  })

  it("reports an unset variable once", () => {
    assert.deepStrictEqual(
      problems({ deployments: { demo: { ...demo, latency: "${NONE}" } }, routes: { a: ["demo", "${OTHER}"] } }).map(
        (problem) => problem.split(":")[0],
      ),
      ["deployments.demo.latency", "routes.a[1]"],
    )
  })

  it("suggests quotes for a variable that YAML read as a mapping", () => {
    assert.deepStrictEqual(
      problems({ deployments: { a: { provider: "openai", model: "m", apiKey: { $KEY: null } } } }),
      [
        'deployments.a.apiKey: expected a secret text, such as "${API_KEY}", found a mapping (to use the variable ${KEY} inside { }, put it in quotes: "${KEY}")',
      ],
    )
  })

  it("fails without defects on any input", () => {
    const odd = [undefined, null, 0, "", "text", [], {}, [[]], { deployments: {} }, () => 1, Number.NaN, new Date(0)]
    for (const input of odd) assert.isNotEmpty(problems(input))
    for (const input of odd) {
      assert.isNotEmpty(problems({ deployments: { a: input } }))
      assert.isNotEmpty(
        problems({ deployments: { a: { provider: "openai", model: input, limits: input, retry: input } } }),
      )
    }
  })
})

describe("Config.toOptions", () => {
  it.live("makes a router whose deployments call their vendors", () =>
    Effect.gen(function* () {
      const upstream = yield* FaultServer.make()
      const settings = decode({
        defaults: { retry: { times: 0 }, timeout: { connect: "1s" } },
        deployments: {
          openai: { provider: "openai", model: "503", baseUrl: `${upstream.url}/v1`, apiKey: "${KEY}" },
          anthropic: { provider: "anthropic", model: "bad-key", baseUrl: upstream.url, apiKey: "${KEY}" },
          bedrock: {
            provider: "bedrock",
            model: "ok",
            region: "us-east-1",
            bearerToken: "${KEY}",
            endpoint: upstream.url,
          },
          simulated: { ...demo, reply: "Never asked." },
        },
        routes: { assistant: ["openai", "anthropic", "bedrock", "simulated"] },
      })
      const { receipt } = yield* Effect.provide(
        Effect.flatMap(Router.Router, (router) =>
          router.chat({ model: "assistant", messages: [Chat.user("Hello?")], sampling: { maxTokens: 16 } }),
        ),
        Router.layer(Config.toOptions(settings)),
      )
      assert.deepStrictEqual(
        receipt.attempts.map(({ deployment, outcome, reason }) => [deployment, reason ?? outcome]),
        [
          ["openai", "Overloaded"],
          ["anthropic", "Authentication"],
          ["bedrock", "success"],
        ],
      )
    }).pipe(Effect.scoped),
  )

  it.effect("names a simulated provider like its deployment", () =>
    Effect.gen(function* () {
      const { response } = yield* Effect.provide(
        Effect.flatMap(Router.Router, (router) => router.chat({ model: "stand-in", messages: [Chat.user("Hello?")] })),
        Router.layer(Config.toOptions(decode({ deployments: { "stand-in": demo } }))),
      )
      assert.include(Chat.text(response), "stand-in")
    }),
  )
})
