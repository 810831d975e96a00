import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { Call } from "../../src/model/Call.ts"
import * as Candidate from "../../src/deployment/Candidate.ts"
import * as Chat from "../../src/model/Chat.ts"
import type * as Deployment from "../../src/deployment/Deployment.ts"
import * as BoundRoute from "../../src/route/BoundRoute.ts"
import * as Plan from "../../src/route/Plan.ts"
import * as Route from "../../src/route/Route.ts"

const provider = { protocol: "none", chat: () => Effect.never, stream: () => Stream.never }

const candidates = (deployments: Record<string, Partial<Deployment.Options>>) =>
  new Map(
    Object.entries(deployments).map(([name, options]) => [
      name,
      Candidate.make(name, { model: name, ...options }, provider, {}, Candidate.suspects()),
    ]),
  )

const compile = (route: Route.Route, deployments: Record<string, Partial<Deployment.Options>>) => {
  const compiled = Result.getOrThrow(BoundRoute.make({ route }, candidates(deployments), {})).get("route")
  assert.isDefined(compiled)
  return compiled.route
}

const call = (request: Partial<Chat.Request> = {}, streaming = false) =>
  new Call({ model: "route", messages: [Chat.user("Hello?")], ...request }, streaming)

const half = () => 0.5

const names = (plan: Plan.Plan) => Plan.steps(plan).map(({ leaf }) => leaf.candidate.name)

const verdicts = (plan: Plan.Plan) =>
  Object.fromEntries(Plan.steps(plan).map(({ leaf, availability }) => [leaf.candidate.name, availability._tag]))

describe("Plan", () => {
  it("keeps the order of a fallback across named routes and balances", () => {
    const compiled = Result.getOrThrow(
      BoundRoute.make(
        { inner: Route.fallback("b", "c"), route: Route.fallback("a", "inner", Route.balance("ordered", ["d", "e"])) },
        candidates({ a: {}, b: {}, c: {}, d: {}, e: {} }),
        {},
      ),
    )
    assert.deepStrictEqual(names(Plan.make(compiled.get("route")!.route, call(), half)), ["a", "b", "c", "d", "e"])
  })

  it("plans a deployment by its own name", () => {
    const compiled = Result.getOrThrow(BoundRoute.make({}, candidates({ a: {}, b: {} }), {}))
    assert.deepStrictEqual([...compiled.keys()], ["a", "b"])
    assert.deepStrictEqual(names(Plan.make(compiled.get("b")!.route, call(), half)), ["b"])
  })

  it("skips a model that lacks a capability, and names it", () => {
    const route = compile(Route.fallback("blind", "mute", "able"), {
      blind: { capabilities: { vision: false } },
      mute: { capabilities: { tools: false } },
      able: { capabilities: { vision: true, tools: true } },
    })
    const seeing = call({
      messages: [Chat.user([{ type: "image", source: { type: "url", url: "https://example.com/cat.png" } }])],
    })
    assert.deepStrictEqual(verdicts(Plan.make(route, seeing, half)), {
      blind: "MissingCapability",
      mute: "Available",
      able: "Available",
    })
    const using = call({ tools: [{ name: "weather" }] })
    assert.deepStrictEqual(verdicts(Plan.make(route, using, half)), {
      blind: "Available",
      mute: "MissingCapability",
      able: "Available",
    })
  })

  it("skips a context window smaller than the estimated input", () => {
    const route = compile(Route.fallback("small", "large"), {
      small: { capabilities: { contextWindow: 100 } },
      large: { capabilities: { contextWindow: 10_000 } },
    })
    const long = call({ messages: [Chat.user("word ".repeat(200))] })
    assert.deepStrictEqual(Plan.steps(Plan.make(route, long, half))[0]?.availability, {
      _tag: "ContextWindowTooSmall",
      tokens: 250,
      window: 100,
    })
    assert.deepStrictEqual(verdicts(Plan.make(route, call(), half)), { small: "Available", large: "Available" })
  })

  it("skips deployments with weight 0", () => {
    const route = compile(Route.balance("shuffle", ["a", "b"]), { a: { weight: 0 }, b: {} })
    assert.deepStrictEqual(verdicts(Plan.make(route, call(), half)), { b: "Available", a: "ZeroWeight" })
  })

  it("has no side effects: only advanceRoundRobin moves a round robin", () => {
    const route = compile(Route.balance("round-robin", ["a", "b", "c"]), { a: {}, b: {}, c: {} })
    const first = () => names(Plan.make(route, call(), half))[0]
    assert.deepStrictEqual([first(), first()], ["a", "a"])
    Plan.advanceRoundRobin(route, call())
    assert.strictEqual(first(), "b")
    Plan.advanceRoundRobin(route, call())
    Plan.advanceRoundRobin(route, call())
    assert.strictEqual(first(), "a")
  })

  it("sorts by first-token latency for streams and by response latency otherwise, unknown latencies first", () => {
    const known = candidates({ quick: {}, slow: {}, cold: {} })
    const compiled = Result.getOrThrow(
      BoundRoute.make({ route: Route.balance("latency", ["slow", "quick", "cold"]) }, known, {}),
    )
    const { route } = compiled.get("route")!
    known.get("quick")!.health.recordLatency(100)
    known.get("slow")!.health.recordLatency(900)
    known.get("quick")!.health.recordFirstToken(80)
    known.get("slow")!.health.recordFirstToken(20)
    assert.deepStrictEqual(names(Plan.make(route, call(), half)), ["cold", "quick", "slow"])
    assert.deepStrictEqual(names(Plan.make(route, call({}, true), half)), ["cold", "slow", "quick"])
  })

  it("lets a route's policies override its deployments', which override the defaults", () => {
    const compiled = Result.getOrThrow(
      BoundRoute.make(
        {
          plain: Route.fallback("a"),
          picky: Route.fallback("a").pipe(Route.retry({ times: 0 }), Route.timeout({ total: "9 seconds" })),
        },
        candidates({ a: { retry: { times: 7 }, timeout: { attempt: "3 seconds" } } }),
        { retry: { times: 5, base: "1 second" }, timeout: { total: "1 minute" } },
      ),
    )
    const policies = (name: string) => {
      const [step] = Plan.steps(Plan.make(compiled.get(name)!.route, call(), half))
      return step!.leaf.policies
    }
    assert.deepStrictEqual([policies("plain").retry.times, policies("plain").retry.base], [7, 1000])
    assert.deepStrictEqual([policies("picky").retry.times, policies("picky").attempt], [0, 3000])
    assert.deepStrictEqual([compiled.get("plain")?.total, compiled.get("picky")?.total], [60_000, 9000])
  })
})
