import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Defaults } from "../../src/policy/Policies.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Route from "../../src/route/Route.ts"
import { strategies } from "../../src/route/Strategy.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const { layer: provider } = Testing.script([Testing.reply("Hi")])

interface Written {
  readonly a?: Partial<Deployment.Options>
  readonly route?: Route.Route
  readonly defaults?: Defaults
}

/** What is wrong with a router of the deployments `a` and `b`. */
const problems = ({ a = {}, defaults = {}, route = Route.fallback("a", "b") }: Written) => {
  const layer = Router.layer({
    deployments: {
      a: Deployment.make({ model: "m", provider, ...a }),
      b: Deployment.make({ model: "m", provider }),
    },
    routes: { assistant: route },
    defaults,
  })
  return Effect.match(Effect.scoped(Layer.build(layer)), {
    onSuccess: () => [],
    onFailure: ({ problems }) => problems.map(({ message, path }) => `${path}: ${message}`),
  })
}

const whole = "expected a whole number above 0, found"
const positive = 'expected a duration above 0, such as "500 millis" or "2 seconds", found'
const any = 'expected a duration, such as "500 millis" or "2 seconds", found'

/** What TypeScript cannot tell from a value that fits. */
const untyped = <A>(value: unknown): A => value as A

const rows: ReadonlyArray<readonly [written: Written, problem: string]> = [
  [{ a: { weight: -1 } }, "deployments.a.weight: expected a number, 0 or more, found -1"],
  [{ a: { weight: Number.NaN } }, "deployments.a.weight: expected a number, 0 or more, found NaN"],
  [{ a: { model: " " } }, `deployments.a.model: expected the vendor's id of a model, found " "`],
  [{ a: { limits: { rpm: 0 } } }, `deployments.a.limits.rpm: ${whole} 0`],
  [{ a: { limits: { concurrency: 1.5 } } }, `deployments.a.limits.concurrency: ${whole} 1.5`],
  [{ a: { limits: { tpm: -1 } } }, `deployments.a.limits.tpm: ${whole} -1`],
  [{ a: { limits: { rpd: Infinity } } }, `deployments.a.limits.rpd: ${whole} Infinity`],
  [{ a: { capabilities: { contextWindow: 0 } } }, `deployments.a.capabilities.contextWindow: ${whole} 0`],
  [{ a: { price: { input: -1, output: 1 } } }, "deployments.a.price.input: expected a number, 0 or more, found -1"],
  [{ a: { price: untyped({ input: 1 }) } }, "deployments.a.price.output: is missing: expected a number, 0 or more"],
  [{ a: { retry: { times: -1 } } }, "deployments.a.retry.times: expected a whole number, 0 or more, found -1"],
  [
    { a: { retry: { budget: 0.5 } } },
    "deployments.a.retry.budget: has no effect here: it is shared by the whole route; set it under `defaults.retry` or on an outermost route",
  ],
  [{ a: { timeout: { connect: 0 } } }, `deployments.a.timeout.connect: ${positive} 0`],
  [
    { a: { timeout: { total: "5 seconds" } } },
    "deployments.a.timeout.total: has no effect here: it limits the whole call; set it under `defaults.timeout` or on an outermost route",
  ],
  [{ a: { circuit: { failures: 0 } } }, `deployments.a.circuit.failures: ${whole} 0`],
  [
    { a: { circuit: { failureRateThreshold: 50 } } },
    "deployments.a.circuit.failureRateThreshold: expected a share above 0 and up to 1, found 50",
  ],
  [{ a: { circuit: { open: "0 seconds" } } }, `deployments.a.circuit.open: ${positive} "0 seconds"`],
  [{ a: { cooldown: { max: -1 } } }, `deployments.a.cooldown.max: ${positive} -1`],
  [{ a: { limits: untyped(7) } }, "deployments.a.limits: expected an object, found 7"],
  [
    { a: { unsupportedParams: untyped("warm") } },
    'deployments.a.unsupportedParams: expected one of skip, warn, drop, found "warm"',
  ],
  [{ defaults: { retry: { base: untyped("soon") } } }, `defaults.retry.base: ${any} "soon"`],
  [{ defaults: { retry: { budget: 2 } } }, "defaults.retry.budget: expected a share from 0 to 1, found 2"],
  [{ defaults: { timeout: { idle: Number.NaN } } }, `defaults.timeout.idle: ${positive} NaN`],
  [{ defaults: { stream: { buffer: 0 } } }, 'defaults.stream.buffer: expected a size above 0, such as "1 MB", found 0'],
  [
    { route: Route.fallback("a", "b").pipe(Route.timeout({ total: "0 seconds" })) },
    `routes.assistant.timeout.total: ${positive} "0 seconds"`,
  ],
  [
    { route: Route.fallback(Route.to("a").pipe(Route.retry({ times: 0.5 })), "b") },
    "routes.assistant[0].retry.times: expected a whole number, 0 or more, found 0.5",
  ],
  [
    { route: Route.fallback("a", Route.to("b").pipe(Route.cache({ ttl: "1 minute" }))) },
    "routes.assistant[1].cache: has no effect here: it caches responses of whole calls; set it on an outermost route",
  ],
  [
    { route: Route.fallback("a", Route.to("b").pipe(Route.timeout({ total: "1 minute" }))) },
    "routes.assistant[1].timeout.total: has no effect here: it limits the whole call; set it under `defaults.timeout` or on an outermost route",
  ],
  [
    { route: Route.to("a").pipe(Route.onContextWindow(Route.to("b").pipe(Route.cache({ ttl: "1 minute" })))) },
    "routes.assistant.on(ContextWindowExceeded).cache: has no effect here: it caches responses of whole calls; set it on an outermost route",
  ],
  [{ route: Route.balance("cost", ["a"], { affinity: { for: 0 } }) }, `routes.assistant.affinity.for: ${positive} 0`],
  [
    { route: Route.balance("cost", ["a"], { affinity: { by: "sesion" as "session" } }) },
    'routes.assistant.affinity.by: expected one of session, user, prefix, found "sesion"',
  ],
  [{ route: Route.to("a").pipe(Route.cache({ ttl: 0 })) }, `routes.assistant.cache.ttl: ${positive} 0`],
  [{ route: Route.to("a").pipe(Route.cache({ ttl: 1, max: 0 })) }, `routes.assistant.cache.max: ${whole} 0`],
  [
    { route: Route.hedge({ after: untyped("p42"), across: ["a", "b"] }) },
    'routes.assistant.hedge.after: expected a duration such as "800 millis", or one of p50, p75, p90, p95, p99, found "p42"',
  ],
  [
    { route: Route.hedge({ after: "p95", budget: 20, across: ["a", "b"] }) },
    "routes.assistant.hedge.budget: expected a share from 0 to 1, found 20",
  ],
  [
    { route: Route.when([{ if: { inputTokens: { below: 0 } }, use: "a" }], "b") },
    `routes.assistant[0].if.inputTokens.below: ${whole} 0`,
  ],
  [
    { route: Route.when([{ if: {}, use: "a" }], Route.to("b").pipe(Route.retry({ times: -2 }))) },
    "routes.assistant.else.retry.times: expected a whole number, 0 or more, found -2",
  ],
  [
    { route: Route.balance(untyped("fastest"), ["a", "b"]) },
    `routes.assistant.balance: expected one of ${strategies.join(", ")}, found "fastest"`,
  ],
  [{ a: { model: "*" } }, 'deployments.a: the model "*" has more * than the name "a": use a name such as "a/*"'],
]

describe("Router.layer", () => {
  for (const [written, problem] of rows) {
    it.effect(problem.slice(0, problem.indexOf(": ")), () =>
      Effect.map(problems(written), (found) => assert.include(found, problem)),
    )
  }

  it.effect("accepts valid values", () =>
    Effect.map(
      problems({
        a: {
          weight: 0,
          limits: { rpm: 1, tpm: 1, rpd: 1, concurrency: 1 },
          price: { input: 0, output: 0.1 },
          retry: { times: 0, base: 0, max: "8 seconds", maxRetryAfter: 0 },
          timeout: { connect: 1, firstToken: Infinity, idle: "1 minute" },
          circuit: { failureRateThreshold: 1, windowSize: 1, open: 1, max: "1 hour", permanentFailure: "1 day" },
        },
        defaults: { retry: { budget: 0 }, timeout: { total: "1 hour" }, stream: { protect: "full", buffer: "1 MB" } },
        route: Route.fallback(Route.to("a").pipe(Route.timeout({ idle: 1 })), "b").pipe(
          Route.onContextWindow("b"),
          Route.cache({ ttl: "1 minute" }),
          Route.timeout({ total: "1 minute" }),
          Route.retry({ budget: 1 }),
        ),
      }),
      (found) => assert.deepStrictEqual(found, []),
    ),
  )

  it.effect("reports all problems at once, names included, and starts no provider", () => {
    let started = 0
    const counted = Layer.tap(provider, () => Effect.sync(() => started++))
    const layer = Router.layer({
      deployments: { a: Deployment.make({ model: "m", provider: counted, weight: -1 }) },
      routes: { assistant: Route.fallback("a", String("b")).pipe(Route.timeout({ idle: 0 })) },
    })
    return Effect.gen(function* () {
      const { problems } = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.deepStrictEqual(
        problems.map(({ path }) => path),
        ["deployments.a.weight", "routes.assistant.timeout.idle", "routes.assistant[1]"],
      )
      assert.strictEqual(started, 0)
    })
  })
})
