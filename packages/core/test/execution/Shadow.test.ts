/** Shadow calls, over scripted providers. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Explain from "../../src/inspect/Explain.ts"
import * as Lint from "../../src/inspect/Lint.ts"
import * as Mermaid from "../../src/inspect/Mermaid.ts"
import * as Chat from "../../src/model/Chat.ts"
import type { ShadowPolicy } from "../../src/policy/ShadowPolicy.ts"
import type { RouterError } from "../../src/execution/RouterError.ts"
import type { RouteEvent } from "../../src/receipt/RouteEvent.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

interface Options {
  readonly primary?: Testing.Scripted
  readonly candidate?: Testing.Scripted
  readonly policy?: Partial<ShadowPolicy>
  /** The route in place of the one deployment `primary`. */
  readonly route?: Route.Route
  readonly routes?: Readonly<Record<string, Route.Route>>
  readonly deployment?: Partial<Deployment.Options>
  readonly callbacks?: Router.Callbacks
}

const hello: Chat.Request = { model: "assistant", messages: [Chat.user("Hello?")] }

/** A router whose route `assistant` has a shadow on every call, and everything that it publishes. */
const routerOf = Effect.fnUntraced(function* ({
  callbacks,
  deployment,
  policy,
  route,
  routes,
  ...scripts
}: Options = {}) {
  const primary = scripts.primary ?? Testing.script([Testing.reply("Hi")])
  const candidate = scripts.candidate ?? Testing.script([Testing.reply("Hey")])
  const deploymentOf = (script: Testing.Scripted) =>
    Deployment.make({ model: "m", provider: script.layer, price: { input: 1, output: 1 }, ...deployment })
  const options = {
    deployments: { primary: deploymentOf(primary), candidate: deploymentOf(candidate) },
    routes: {
      assistant: (route ?? Route.to("primary")).pipe(Route.shadow({ to: "candidate", share: 1, ...policy })),
      ...routes,
    },
  }
  const context = yield* Layer.build(Layer.fresh(Router.layer({ ...options, ...callbacks })))
  const router = Context.get(context, Router.Router)
  const events: Array<RouteEvent> = []
  yield* router.subscribe((event) => void events.push(event))
  const receipts = () => events.flatMap((event) => (event._tag === "CallEnded" ? [event.receipt] : []))
  return {
    router,
    reload: Context.get(context, Router.Reload).reload,
    options,
    primary,
    candidate,
    events,
    /** The receipts of the calls of callers, and of shadow calls. */
    calls: () => receipts().filter(({ shadowOf }) => shadowOf === undefined),
    shadows: () => receipts().filter(({ shadowOf }) => shadowOf !== undefined),
    skipped: () => events.flatMap((event) => (event._tag === "ShadowSkipped" ? [event.reason] : [])),
  }
})

/** Lets the fibres that are ready run. */
const settled = TestClock.adjust(0)

describe("Route.shadow", () => {
  it.effect("sends the call to another deployment too, with a receipt of its own that has no caller", () =>
    Effect.gen(function* () {
      const { calls, candidate, primary, router, shadows } = yield* routerOf()
      const options = { caller: "ada", team: "search", tags: ["beta"], protocol: "messages" }
      const { receipt, response } = yield* router.chat({ ...hello, sampling: { temperature: 0.5 } }, options)
      assert.strictEqual(Chat.text(response), "Hi")
      yield* settled
      assert.deepStrictEqual(candidate.requests[0], primary.requests[0])
      const [shadow] = shadows()
      assert.deepStrictEqual(
        [shadow?.route, shadow?.deployment, shadow?.outcome, shadow?.shadowOf, shadow?.protocol],
        ["candidate", "candidate", "success", receipt.id, "messages"],
      )
      assert.deepStrictEqual([shadow?.caller, shadow?.team, shadow?.tags], [undefined, undefined, []])
      assert.isAbove(shadow?.attempts[0]?.cost ?? 0, 0)
      assert.notStrictEqual(shadow?.id, receipt.id)
      assert.deepStrictEqual(
        calls().map(({ caller, deployment, shadowOf, team }) => [caller, deployment, shadowOf, team]),
        [["ada", "primary", undefined, "search"]],
      )
    }),
  )

  it.effect("marks the events of a shadow call with its call, and no others", () =>
    Effect.gen(function* () {
      const { events, router } = yield* routerOf()
      const { receipt } = yield* router.chat(hello)
      yield* settled
      for (const event of events) {
        const isShadow = event.route === "candidate"
        assert.deepStrictEqual(
          event.shadowOf,
          isShadow ? { call: receipt.id, route: "assistant" } : undefined,
          event._tag,
        )
      }
      assert.deepStrictEqual(
        events.filter(({ route }) => route === "candidate").map(({ _tag }) => _tag),
        ["AttemptStarted", "AttemptEnded", "CallEnded"],
      )
    }),
  )

  it.effect("does not delay the caller, and ends a shadow call at its timeout", () =>
    Effect.gen(function* () {
      const candidate = Testing.script([Testing.hang()])
      const { router, shadows } = yield* routerOf({ candidate, policy: { timeout: "5 seconds" } })
      // Without time passing, a call that waited for its shadow would not end.
      assert.strictEqual(Chat.text((yield* router.chat(hello)).response), "Hi")
      yield* settled
      assert.strictEqual(candidate.inFlight(), 1)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(candidate.inFlight(), 0)
      assert.deepStrictEqual(
        shadows().map(({ error, millis, outcome }) => [outcome, error, millis]),
        [["failure", "Timeout", 5000]],
      )
    }),
  )

  it.effect("keeps failures and defects of a shadow from the caller", () =>
    Effect.gen(function* () {
      const failing = Testing.script([Testing.fail({ _tag: "ServerError" })])
      const { router, shadows } = yield* routerOf({ candidate: failing })
      assert.strictEqual(Chat.text((yield* router.chat(hello)).response), "Hi")
      yield* settled
      assert.deepStrictEqual(
        shadows().map(({ attempts, outcome }) => [outcome, attempts.length]),
        [["failure", 1]],
      )
    }),
  )

  it.effect("retries shadow calls only if their route sets retries", () =>
    Effect.gen(function* () {
      const candidate = Testing.script([Testing.fail({ _tag: "ServerError" })])
      const retry = { times: 2, base: "1 second" } as const
      const plain = yield* routerOf({ candidate, deployment: { retry } })
      yield* plain.router.chat(hello)
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(candidate.requests, 1)
      const again = Testing.script([Testing.fail({ _tag: "ServerError" })])
      const retried = yield* routerOf({
        candidate: again,
        policy: { to: "tenacious" },
        routes: { tenacious: Route.to("candidate").pipe(Route.retry({ times: 2 })) },
      })
      yield* retried.router.chat(hello)
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(again.requests, 3)
    }),
  )

  it.effect("goes on when the caller disconnects", () =>
    Effect.gen(function* () {
      const primary = Testing.script([Testing.hang()])
      const candidate = Testing.script([Testing.reply("Hey", { after: "10 seconds" })])
      const { calls, router, shadows } = yield* routerOf({ primary, candidate })
      const call = yield* Effect.forkChild(router.chat(hello))
      yield* settled
      yield* Fiber.interrupt(call)
      assert.deepStrictEqual(
        calls().map(({ outcome }) => outcome),
        ["cancelled"],
      )
      assert.strictEqual(candidate.inFlight(), 1)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        shadows().map(({ millis, outcome }) => [outcome, millis]),
        [["success", 10_000]],
      )
    }),
  )

  it.effect("streams the shadow of a streamed call, and reads it to its end", () =>
    Effect.gen(function* () {
      const candidate = Testing.script([Testing.reply(["Good ", "even", "ing"], { tokenDelay: "1 second" })])
      const { calls, router, shadows } = yield* routerOf({ candidate })
      // The caller reads one frame, and leaves.
      yield* Effect.scoped(
        Effect.flatMap(router.chatStream(hello), ({ frames }) => Stream.runDrain(Stream.take(frames, 1))),
      )
      yield* settled
      assert.deepStrictEqual(
        calls().map(({ outcome }) => outcome),
        ["cancelled"],
      )
      assert.strictEqual(candidate.inFlight(), 1)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(candidate.inFlight(), 0)
      const [shadow] = shadows()
      assert.deepStrictEqual([shadow?.outcome, shadow?.streaming, shadow?.firstTokenMillis], ["success", true, 2000])
      assert.strictEqual(shadow?.attempts[0]?.usage?.outputTokens, 5)
    }),
  )

  it.effect("shadows embeddings", () =>
    Effect.gen(function* () {
      const [primary, candidate] = [Testing.script([Testing.vectors([[1]])]), Testing.script([Testing.vectors([[2]])])]
      const { router, shadows } = yield* routerOf({ primary, candidate })
      const { response } = yield* router.embed({ model: "assistant", input: ["text"] })
      assert.deepStrictEqual(response.vectors, [[1]])
      yield* settled
      assert.deepStrictEqual(candidate.embeddings[0]?.input, ["text"])
      assert.deepStrictEqual(
        shadows().map(({ operation, outcome }) => [operation, outcome]),
        [["embeddings", "success"]],
      )
    }),
  )

  it.effect("does not shadow a response from the cache, and neither reads nor writes caches", () =>
    Effect.gen(function* () {
      const { candidate, router } = yield* routerOf({
        route: Route.to("primary").pipe(Route.cache({ ttl: "1 hour" })),
        policy: { to: "cached" },
        routes: { cached: Route.to("candidate").pipe(Route.cache({ ttl: "1 hour" })) },
      })
      assert.strictEqual((yield* router.chat(hello)).receipt.cache, "miss")
      yield* settled
      assert.strictEqual((yield* router.chat(hello)).receipt.cache, "hit")
      yield* settled
      assert.lengthOf(candidate.requests, 1)
      assert.strictEqual((yield* router.chat({ ...hello, model: "cached" })).receipt.cache, "miss")
    }),
  )

  it.effect("skips the shadow calls beyond its concurrency", () =>
    Effect.gen(function* () {
      const candidate = Testing.script([Testing.reply("Hey", { after: "1 minute" })])
      const { router, skipped } = yield* routerOf({ candidate, policy: { concurrency: 2 } })
      for (let call = 0; call < 5; call++) yield* router.chat(hello)
      yield* settled
      assert.deepStrictEqual([candidate.inFlight(), skipped()], [2, ["concurrency", "concurrency", "concurrency"]])
      yield* TestClock.adjust("1 minute")
      yield* router.chat(hello)
      yield* settled
      assert.strictEqual(candidate.inFlight(), 1)
      assert.lengthOf(skipped(), 3)
    }),
  )

  it.effect("uses the limits of its deployments, and waits for none", () =>
    Effect.gen(function* () {
      const candidate = Testing.script([Testing.reply("Hey")])
      const { calls, router, shadows } = yield* routerOf({
        candidate,
        deployment: { limits: { rpm: 2 } },
        route: Route.to("primary"),
      })
      for (let call = 0; call < 2; call++) yield* router.chat(hello)
      yield* settled
      yield* router.chat({ ...hello, model: "primary" }).pipe(Effect.exit)
      const limited = yield* Effect.exit(router.chat({ ...hello, model: "candidate" }))
      assert.isTrue(Exit.isFailure(limited))
      assert.deepStrictEqual(
        shadows().map(({ outcome }) => outcome),
        ["success", "success"],
      )
      assert.lengthOf(calls(), 4)
    }),
  )

  it.effect("shadows its share of the calls", () =>
    Effect.gen(function* () {
      const { candidate, router } = yield* routerOf({ policy: { share: 0.1, concurrency: 1000 } })
      for (let call = 0; call < 2000; call++) yield* router.chat(hello)
      yield* settled
      // Five standard deviations around 200.
      assert.isBelow(Math.abs(candidate.requests.length - 200), 67)
    }).pipe(Random.withSeed("shadow")),
  )

  it.effect("takes the conditions of its route by the caller and the tags of the call", () =>
    Effect.gen(function* () {
      const { router, shadows } = yield* routerOf({
        policy: { to: "picky" },
        routes: {
          picky: Route.when(
            [{ if: { keys: ["ada"], tags: ["vip"], headers: { "x-tier": "gold" } }, use: "candidate" }],
            "primary",
          ),
        },
      })
      yield* router.chat(hello, { caller: "ada", tags: ["vip"], headers: { "x-tier": "gold" } })
      yield* router.chat(hello, { caller: "bob", tags: ["vip"] })
      yield* settled
      assert.deepStrictEqual(
        shadows().map(({ caller, deployment }) => [caller, deployment]),
        [
          [undefined, "candidate"],
          [undefined, "primary"],
        ],
      )
    }),
  )

  it.effect("runs no callbacks for shadow calls", () => {
    const succeeded: Array<string> = []
    const failovers: Array<string> = []
    return Effect.gen(function* () {
      const candidate = Testing.script([Testing.fail({ _tag: "Authentication" })])
      const { router, shadows } = yield* routerOf({
        candidate,
        policy: { to: "chain" },
        routes: { chain: Route.fallback("candidate", "primary") },
        callbacks: {
          onSuccess: ({ id }) => Effect.sync(() => void succeeded.push(id)),
          onFailover: ({ from }) => Effect.sync(() => void failovers.push(from)),
        },
      })
      const { receipt } = yield* router.chat(hello)
      yield* settled
      assert.deepStrictEqual(
        shadows().map(({ deployment, outcome }) => [deployment, outcome]),
        [["primary", "success"]],
      )
      assert.deepStrictEqual([succeeded, failovers], [[receipt.id], []])
    })
  })

  it.effect("is cancelled when shadows are stopped, and does not start again", () =>
    Effect.gen(function* () {
      const candidate = Testing.script([Testing.hang()])
      const { router, shadows } = yield* routerOf({ candidate })
      yield* router.chat(hello)
      yield* settled
      assert.strictEqual(candidate.inFlight(), 1)
      yield* router.stopShadows
      assert.strictEqual(candidate.inFlight(), 0)
      assert.deepStrictEqual(
        shadows().map(({ outcome }) => outcome),
        ["cancelled"],
      )
      assert.strictEqual(Chat.text((yield* router.chat(hello)).response), "Hi")
      yield* settled
      assert.lengthOf(candidate.requests, 1)
    }),
  )

  it.effect("ends with the layer of its router", () =>
    Effect.gen(function* () {
      const candidate = Testing.script([Testing.hang()])
      const scope = yield* Scope.make()
      const { router } = yield* Scope.provide(routerOf({ candidate }), scope)
      yield* router.chat(hello)
      yield* settled
      assert.strictEqual(candidate.inFlight(), 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(candidate.inFlight(), 0)
    }),
  )

  it.effect("finishes on the providers that it began on after a reload, and counts on", () => {
    let closed = 0
    return Effect.gen(function* () {
      const candidate = Testing.script([Testing.reply("Hey", { after: "1 minute" })])
      const counted = Layer.effectContext(
        Effect.andThen(
          Effect.addFinalizer(() => Effect.sync(() => void closed++)),
          Layer.build(candidate.layer),
        ),
      )
      const { options, reload, router, shadows, skipped } = yield* routerOf({
        candidate: { ...candidate, layer: counted },
        policy: { concurrency: 1 },
      })
      yield* router.chat(hello)
      yield* settled
      const next = Deployment.make({ model: "n", provider: Testing.script([Testing.reply("New")]).layer })
      yield* reload({ ...options, deployments: { ...options.deployments, candidate: next } })
      assert.strictEqual(closed, 0)
      yield* router.chat(hello)
      assert.deepStrictEqual(skipped(), ["concurrency"])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        shadows().map(({ outcome }) => outcome),
        ["success"],
      )
      assert.strictEqual(closed, 1)
      yield* router.chat(hello)
      yield* settled
      assert.deepStrictEqual(
        shadows().map(({ attempts }) => attempts[0]?.model),
        ["m", "n"],
      )
    })
  })

  it.effect("gives the text that a wildcard matched to a shadow with a wildcard", () =>
    Effect.gen(function* () {
      const [primary, candidate] = [Testing.script([Testing.reply("Hi")]), Testing.script([Testing.reply("Hey")])]
      const context = yield* Layer.build(
        Router.layer({
          deployments: {
            "a/*": Deployment.make({ model: "*", provider: primary.layer }),
            "b/*": Deployment.make({ model: "*", provider: candidate.layer }),
          },
          routes: { "any/*": Route.to("a/*").pipe(Route.shadow({ to: "b/*", share: 1 })) },
        }),
      )
      yield* Context.get(context, Router.Router).chat({ ...hello, model: "any/large" })
      yield* settled
      assert.deepStrictEqual([primary.requests[0]?.model, candidate.requests[0]?.model], ["large", "large"])
    }),
  )
})

describe("Route.shadow, inspected", () => {
  it.effect("is explained with where calls are sent, and their share", () =>
    Effect.gen(function* () {
      const { router } = yield* routerOf({ policy: { share: 0.25, timeout: "9 seconds" } })
      const explanation = yield* router.explain(hello)
      assert.deepStrictEqual(explanation.shadow, { to: "candidate", share: 0.25, concurrency: 20, timeout: 9000 })
      assert.include(Explain.lines(explanation)[0], "; 25 % of calls also sent to candidate as shadow calls")
      assert.deepStrictEqual(
        Explain.candidates(explanation.plan).map(({ deployment }) => deployment),
        ["primary"],
      )
    }),
  )

  it.effect("takes the whole request, and none of what a call may cost", () =>
    Effect.gen(function* () {
      const { router } = yield* routerOf()
      assert.deepStrictEqual([...router.protocols("assistant")], [])
      assert.deepStrictEqual([...router.protocols("primary")], ["scripted"])
      assert.strictEqual(router.maxCost(hello), router.maxCost({ ...hello, model: "primary" }))
    }),
  )

  it("is drawn as a policy of its route", () => {
    const assistant = Route.to("primary").pipe(Route.shadow({ to: "candidate", share: 0.1 }))
    assert.include(Mermaid.flowchart("assistant", { assistant }), '["shadow candidate 10 %"]')
  })

  const problems = (policy: ShadowPolicy, routes: Readonly<Record<string, Route.Route>> = {}, route?: Route.Route) => {
    const deployments = { primary: { model: "a" }, candidate: { model: "b" } }
    const assistant = route ?? Route.to("primary").pipe(Route.shadow(policy))
    const linted = Lint.lint({ assistant, ...routes }, deployments, {})
    return (linted._tag === "Failure" ? linted.failure : linted.success.warnings).map(
      ({ message, path }) => `${path}: ${message}`,
    )
  }

  it("is refused with a name that leads nowhere or back, a share out of range, and on a part of a route", () => {
    assert.deepStrictEqual(problems({ to: "candidate", share: 0.1 }), [])
    assert.deepStrictEqual(problems({ to: "candidat", share: 0.1 }), [
      'routes.assistant.shadow.to: names "candidat", which is neither a deployment nor a route: did you mean "candidate"? There is "primary", "candidate", "assistant".',
    ])
    assert.deepStrictEqual(problems({ to: "assistant", share: 0.1 }), [
      "routes.assistant.shadow.to: refers to itself: assistant -> assistant",
    ])
    assert.deepStrictEqual(problems({ to: "candidate", share: 10 }), [
      "routes.assistant.shadow.share: expected a share above 0 and up to 1, found 10",
    ])
    const inner = Route.to("primary").pipe(Route.shadow({ to: "candidate", share: 1 }))
    assert.deepStrictEqual(problems({ to: "candidate", share: 1 }, {}, Route.fallback(inner, "candidate")), [
      "routes.assistant[0].shadow: has no effect here: it copies whole calls; set it on an outermost route",
    ])
  })

  it("is linted for deployments that calls use too, and counts in the worst case", () => {
    assert.deepStrictEqual(problems({ to: "both", share: 1 }, { both: Route.fallback("candidate", "primary") }), [
      'routes.assistant: "primary" answers calls and gets shadow calls, which use its limits and its circuit: give the shadow a deployment of its own',
    ])
    const price = { input: 1, output: 1 }
    const deployments = { primary: { model: "a", price, retry: { times: 1 } }, candidate: { model: "b", price } }
    const assistant = Route.to("primary").pipe(Route.shadow({ to: "candidate", share: 0.1 }))
    const linted = Lint.lint({ assistant }, deployments, {})
    const [worst] = linted._tag === "Success" ? linted.success.worstCases : []
    assert.deepStrictEqual([worst?.attempts, worst?.dollars], [3, (3 * (1000 + 4096)) / 1e6])
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// The law
// ---------------------------------------------------------------------------------------------------------------------

const outcomes = [
  Testing.reply("Hi"),
  Testing.reply(["Good ", "evening"], { after: "1 second", tokenDelay: "500 millis" }),
  Testing.fail({ _tag: "ServerError" }, { after: "1 second" }),
  Testing.fail({ _tag: "RateLimited" }),
  Testing.fail({ _tag: "ServerError" }, { output: ["Good "], tokenDelay: "1 second" }),
  Testing.hang({ output: "Good " }),
  Testing.hang(),
  Testing.cut("Good"),
] as const

const Index = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: outcomes.length - 1 }))
const Act = Schema.Struct({
  primary: Index,
  isStreamed: Schema.Boolean,
  /** How far time goes after the call has started. */
  seconds: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })),
  isAborted: Schema.Boolean,
})

/** What the callers of a router get, and when. */
const play = Effect.fnUntraced(function* (
  acts: ReadonlyArray<typeof Act.Type>,
  shadowed: ReadonlyArray<number>,
  share: number | undefined,
) {
  const script = (indexes: ReadonlyArray<number>) => {
    const [first = outcomes[0], ...others] = indexes.map((index) => outcomes[index]!)
    return Testing.script([first, ...others])
  }
  const primary = script(acts.map(({ primary }) => primary))
  const candidate = script(shadowed)
  const build = Layer.build(
    Layer.fresh(
      Router.layer({
        deployments: {
          primary: Deployment.make({ model: "m", provider: primary.layer, retry: { times: 0 } }),
          candidate: Deployment.make({ model: "m", provider: candidate.layer }),
        },
        routes: {
          assistant:
            share === undefined
              ? Route.to("primary")
              : Route.to("primary").pipe(
                  Route.shadow({ to: "candidate", share, concurrency: 3, timeout: "10 seconds" }),
                ),
        },
        defaults: { circuit: { failures: 1000 } },
      }),
    ),
  )
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const router = Context.get(yield* build, Router.Router)
      const started: Array<string> = []
      const ended: Array<string> = []
      let skipped = 0
      let inFlight = 0
      let mostInFlight = 0
      yield* router.subscribe((event) => {
        if (event._tag === "AttemptStarted" && event.shadowOf !== undefined) {
          started.push(event.call)
          mostInFlight = Math.max(mostInFlight, ++inFlight)
        }
        if (event._tag === "AttemptEnded" && event.shadowOf !== undefined) inFlight--
        if (event._tag === "ShadowSkipped") skipped++
        if (event._tag === "CallEnded" && event.receipt.shadowOf !== undefined) ended.push(event.call)
      })
      const startedAt = yield* Clock.currentTimeMillis
      const results: Array<unknown> = []
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      for (const [index, { isAborted, isStreamed, seconds }] of acts.entries()) {
        const options = { timeout: "20 seconds" } as const
        const call: Effect.Effect<unknown, RouterError> = isStreamed
          ? Effect.scoped(
              Effect.flatMap(router.chatStream(hello, options), ({ frames }) =>
                Effect.map(Stream.runCollect(frames), (frames) => frames.flatMap(({ parts }) => parts)),
              ),
            )
          : Effect.map(router.chat(hello, options), ({ response }) => Chat.text(response))
        const fiber = yield* Effect.forkChild(
          Effect.onExit(call, (exit) =>
            Effect.map(Clock.currentTimeMillis, (now) => {
              const failed = Exit.isFailure(exit) ? Cause.pretty(exit.cause).split("\n")[0] : undefined
              results[index] = [now - startedAt, Exit.isSuccess(exit) ? exit.value : failed]
            }),
          ),
        )
        fibers.push(fiber)
        yield* TestClock.adjust(`${seconds} seconds`)
        if (isAborted) yield* Fiber.interrupt(fiber)
      }
      yield* TestClock.adjust("1 minute")
      for (const fiber of fibers) yield* Fiber.await(fiber)
      return { results, skipped, mostInFlight, started, ended, inFlight: candidate.inFlight(), calls: acts.length }
    }),
  )
})

describe("The law of shadows", () => {
  it.effect.prop(
    "callers get the same answers at the same times with a shadow as without, and every shadow call ends",
    { acts: Schema.Array(Act).check(Schema.isMinLength(1), Schema.isMaxLength(8)), shadowed: Schema.Array(Index) },
    ({ acts, shadowed }) =>
      Effect.gen(function* () {
        const without = yield* play(acts, shadowed, undefined)
        const run = yield* play(acts, shadowed, 1)
        assert.deepStrictEqual(run.results, without.results)
        assert.strictEqual(run.inFlight, 0)
        assert.isAtMost(run.mostInFlight, 3)
        // A shadow call without an attempt was refused by its deployment, as by its cooldown.
        assert.includeMembers([...run.ended], [...run.started])
        assert.strictEqual(run.ended.length + run.skipped, run.calls)
        assert.strictEqual(without.started.length, 0)
      }),
    { arbitrary: { runs: 60 } },
  )
})
