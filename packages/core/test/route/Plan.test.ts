import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Call } from "../../src/model/Call.ts"
import * as Candidate from "../../src/deployment/Candidate.ts"
import * as Chat from "../../src/model/Chat.ts"
import type * as Deployment from "../../src/deployment/Deployment.ts"
import * as BoundRoute from "../../src/route/BoundRoute.ts"
import * as Plan from "../../src/route/Plan.ts"
import * as Route from "../../src/route/Route.ts"
import { splitBy } from "../../src/route/Split.ts"
import { strategies } from "../../src/route/Strategy.ts"
import * as EagerPlan from "./EagerPlan.ts"

const provider = { protocol: "none", chat: () => Effect.never, stream: () => Stream.never }

const candidates = (deployments: Record<string, Partial<Deployment.Options>>) =>
  new Map(
    Object.entries(deployments).map(([name, options]) => [
      name,
      Candidate.make(name, { model: name, ...options }, provider, {}, Candidate.initialState(Candidate.suspects())),
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

/** The steps of a plan, in the order of its tree. */
const stepsOf = (plan: Plan.Plan): ReadonlyArray<Plan.Step> => {
  switch (plan._tag) {
    case "Step":
      return [plan]
    case "Sequence":
      return plan.plans.flatMap(stepsOf)
    case "Split":
      return stepsOf(plan.plan)
    case "OnError":
      return [plan.plan, plan.use].flatMap(stepsOf)
  }
}

const names = (plan: Plan.Plan) => stepsOf(plan).map(({ leaf }) => leaf.candidate.name)

const verdicts = (plan: Plan.Plan) =>
  Object.fromEntries(stepsOf(plan).map(({ leaf, availability }) => [leaf.candidate.name, availability._tag]))

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
    assert.deepStrictEqual(stepsOf(Plan.make(route, long, half))[0]?.availability, {
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

  it("has no side effects: only the steps of a call move a round robin", () => {
    const route = compile(Route.balance("round-robin", ["a", "b", "c"]), { a: {}, b: {}, c: {} })
    const first = () => names(Plan.make(route, call(), half))[0]
    assert.deepStrictEqual([first(), first()], ["a", "a"])
    assert.strictEqual(Plan.first(route, call(), half)?.leaf.candidate.name, "a")
    assert.strictEqual(first(), "b")
    walk(Plan.first(route, call(), half))
    walk(Plan.first(route, call(), half))
    assert.strictEqual(first(), "a")
  })

  it("moves a round robin when a call reaches it, so that calls at the same time get one each", () => {
    const route = compile(Route.fallback("a", Route.balance("round-robin", ["b", "c"])), { a: {}, b: {}, c: {} })
    const started = [Plan.first(route, call(), half), Plan.first(route, call(), half), Plan.first(route, call(), half)]
    assert.deepStrictEqual(
      started.map((step) => step?.next?.leaf.candidate.name),
      ["b", "c", "b"],
    )
    Plan.first(route, call(), half)
    assert.deepStrictEqual(
      names(Plan.make(route, call(), half)),
      ["a", "c", "b"],
      "one that does not come to it leaves it",
    )
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
      const [step] = stepsOf(Plan.make(compiled.get(name)!.route, call(), half))
      return step!.leaf.policies
    }
    assert.deepStrictEqual([policies("plain").retry.times, policies("plain").retry.base], [7, 1000])
    assert.deepStrictEqual([policies("picky").retry.times, policies("picky").attempt], [0, 3000])
    assert.deepStrictEqual([compiled.get("plain")?.total, compiled.get("picky")?.total], [60_000, 9000])
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// One by one
// ---------------------------------------------------------------------------------------------------------------------

/** Choices by a seed, the same each time. */
const chooser = (seed: number) => {
  let state = seed >>> 0
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(random() * limit)
  const one = <A>(items: ReadonlyArray<A>): A => items[below(items.length)]!
  return { random, below, one }
}

type Chooser = ReturnType<typeof chooser>

const letters = ["a", "b", "c", "d", "e", "f"] as const

const anyRoute = (choose: Chooser, depth: number): Route.Route => {
  const inner = () => anyRoute(choose, depth - 1)
  const across = () => [choose.one(letters), ...letters.filter(() => choose.below(2) === 0)] as const
  const reason = () => choose.one(["Timeout", "RateLimited", "ContextWindowExceeded"] as const)
  switch (depth === 0 ? choose.below(3) : choose.below(8)) {
    case 0:
      return Route.balance(choose.one(strategies), across())
    case 1:
      return Route.hedge({ after: choose.one(["100 millis", "p95"] as const), across: across() })
    case 2:
      return Route.to(choose.one(letters))
    case 3:
      return inner().pipe(Route.onError([reason(), reason()], inner()))
    case 4:
      return Route.when([{ if: { tags: ["vip"] }, use: inner() }], inner())
    case 5:
      return Route.split(
        [
          { use: inner(), share: choose.below(3) },
          { use: inner(), share: 1 },
        ],
        { by: choose.one(splitBy) },
      )
    default:
      return Route.fallback(inner(), inner(), inner())
  }
}

const anyCandidates = (choose: Chooser) => {
  const made = candidates(
    Object.fromEntries(
      letters.map((name): [string, Partial<Deployment.Options>] => [
        name,
        {
          weight: choose.below(4),
          ...(choose.below(2) === 0 ? undefined : { price: { input: choose.below(3), output: choose.below(3) } }),
          ...(choose.below(2) === 0
            ? undefined
            : { capabilities: { tools: choose.below(2) === 0, contextWindow: choose.one([1, 1000]) } }),
        },
      ]),
    ),
  )
  for (const { health } of made.values()) {
    if (choose.below(2) === 0) health.recordLatency(choose.below(5))
    if (choose.below(2) === 0) health.recordFirstToken(choose.below(5))
    for (let calls = choose.below(4); calls > 0; calls--) health.start()
  }
  return made
}

/** All steps from the first on. */
const walk = (first: Plan.Step | undefined): ReadonlyArray<Plan.Step> => {
  const all: Array<Plan.Step> = []
  for (let step = first; step !== undefined; step = step.next) all.push(step)
  return all
}

/** Steps as values: branches by the place of the first step that has them. */
const shown = (steps: ReadonlyArray<Omit<Plan.Step, "hedge" | "next" | "_tag"> & { readonly hedge: unknown }>) => {
  const branches = steps.flatMap(({ branch, errorBranches }) => [branch, ...errorBranches])
  const placeOf = (branch: Plan.ErrorBranch | undefined) => [branch?.after, branches.indexOf(branch)]
  return steps.map(({ arm, availability, branch, errorBranches, hedge, leaf, peers }) => ({
    arm,
    name: leaf.candidate.name,
    isLast: leaf.atEnd === undefined,
    availability,
    peers: peers.map(({ candidate }) => candidate.name),
    hedge,
    branch: placeOf(branch),
    errorBranches: errorBranches.map(placeOf),
  }))
}

describe("Plan.first", () => {
  it.prop(
    "leads to the steps of the whole plan, one by one",
    { seed: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 })) },
    ({ seed }) => {
      const choose = chooser(seed)
      const written = anyRoute(choose, 3)
      const known = anyCandidates(choose)
      const bound = Result.getOrElse(BoundRoute.make({ route: written }, known, {}), () => undefined)?.get("route")
      // A balance whose weights are all 0 is a problem of the route.
      if (bound === undefined) return
      const request: Chat.Request = {
        model: "route",
        messages: [Chat.user("Hello? ".repeat(10))],
        ...(choose.below(2) === 0 ? undefined : { tools: [{ name: "weather" }] }),
        user: choose.one([undefined, "u1", "u2", "u3"]),
      }
      const caller = choose.one([undefined, "alice", "bob"])
      const call = new Call(request, choose.below(2) === 0, { tags: choose.one([[], ["vip"]]), caller })
      if (choose.below(2) === 0) call.draw = choose.random()
      for (let turn = choose.below(7); turn > 0; turn--) walk(Plan.first(bound.route, call, chooser(0).random))
      const draws = choose.below(2 ** 31)
      const eager = EagerPlan.steps(bound.route, call, chooser(draws).random)
      const lazy = walk(Plan.peek(bound.route, call, chooser(draws).random))
      assert.deepStrictEqual(shown(lazy.map((step) => ({ ...step, hedge: step.hedge?.delay }))), shown(eager))
      const whole = stepsOf(Plan.make(bound.route, call, chooser(draws).random))
      assert.deepStrictEqual(shown(whole), shown(lazy))
      assert.deepStrictEqual(shown(walk(Plan.first(bound.route, call, chooser(draws).random))), shown(lazy))
    },
    { arbitrary: { runs: 1000 } },
  )

  it("makes no more than the steps that are reached", () => {
    const route = compile(
      Route.fallback(Route.balance("shuffle", ["a", "b", "c"]), Route.balance("shuffle", ["d", "e"])),
      {
        a: {},
        b: {},
        c: {},
        d: {},
        e: {},
      },
    )
    let draws = 0
    const random = () => {
      draws++
      return 0.5
    }
    const first = Plan.first(route, call(), random)
    assert.strictEqual(draws, 1)
    assert.strictEqual(first?.next, first?.next)
    assert.strictEqual(draws, 2)
    assert.deepStrictEqual(
      walk(first).map(({ leaf }) => leaf.candidate.name),
      ["b", "c", "a", "e", "d"],
    )
    assert.strictEqual(draws, 5)
  })

  it("chooses the next deployment of a balance by the state when the call reaches it", () => {
    const known = candidates({ a: {}, b: {}, c: {} })
    const compiled = Result.getOrThrow(
      BoundRoute.make({ route: Route.balance("least-busy", ["a", "b", "c"]) }, known, {}),
    )
    const first = Plan.first(compiled.get("route")!.route, call(), half)
    assert.strictEqual(first?.leaf.candidate.name, "a")
    known.get("b")!.health.start()
    assert.deepStrictEqual(
      walk(first).map(({ leaf }) => leaf.candidate.name),
      ["a", "c", "b"],
    )
  })
})
