/** Reloads of a running router: what is kept, what is closed and when, and that a bad one changes nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Chat from "../../src/model/Chat.ts"
import { Provider } from "../../src/model/Provider.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"
import { during, request, textOf } from "../support/TestRouter.ts"

class NoCredential extends Data.TaggedError("NoCredential")<{ readonly name: string }> {}

/** Providers by name, each with how often it has started and closed. */
class Providers {
  readonly started: Array<string> = []
  readonly closed: Array<string> = []
  /** The calls that ended when their provider was closed already. */
  tooLate = 0

  /** Another layer each time. */
  layer(name: string, script: Testing.Scripted): Layer.Layer<Provider, NoCredential> {
    return Layer.effect(
      Provider,
      Effect.gen({ self: this }, function* () {
        yield* Effect.acquireRelease(
          Effect.sync(() => void this.started.push(name)),
          () => Effect.sync(() => void this.closed.push(name)),
        )
        const provider = Context.get(yield* Layer.build(script.layer), Provider)
        const checked = Effect.sync(() => {
          if (this.closed.includes(name)) this.tooLate++
        })
        return {
          ...provider,
          chat: (request) => Effect.ensuring(provider.chat(request), checked),
          stream: (request) => Stream.ensuring(provider.stream(request), checked),
        }
      }),
    )
  }

  /** A provider that starts something, and then cannot start. */
  failing(name: string): Layer.Layer<Provider, NoCredential> {
    return Layer.effect(
      Provider,
      Effect.acquireRelease(
        Effect.sync(() => void this.started.push(name)),
        () => Effect.sync(() => void this.closed.push(name)),
      ).pipe(Effect.andThen(Effect.fail(new NoCredential({ name })))),
    )
  }
}

type Any = Router.Options<Record<string, Deployment.Deployment<NoCredential>>>

const deploy = (provider: Deployment.Providers<NoCredential>, options: Partial<Deployment.Options> = {}) =>
  Deployment.make({ model: "m", provider, ...options })

/** A running router and its reload, until the scope closes. */
const running = Effect.fnUntraced(function* (options: Any) {
  const context = yield* Layer.build(Layer.fresh(Router.layer(options)))
  const router = Context.get(context, Router.Router)
  const { reload } = Context.get(context, Router.Reload)
  return { router, reload: (options: Any) => reload(options) }
})

setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

const hello = Testing.script([Testing.reply("Hello")])
const once: Any["defaults"] = { retry: { times: 0 } }
const ask = { ...request, model: "a" }

describe("a reload", () => {
  it.effect("puts other deployments and routes in force, and tells what changed", () =>
    Effect.gen(function* () {
      const providers = new Providers()
      const kept = providers.layer("kept", hello)
      const { reload, router } = yield* running({
        deployments: {
          kept: deploy(kept, { limits: { rpm: 10 }, weight: 1 }),
          moved: deploy(providers.layer("moved", hello)),
          gone: deploy(providers.layer("gone", hello)),
        },
        routes: { stays: Route.fallback("kept"), other: Route.fallback("kept", "gone"), goes: Route.to("gone") },
        defaults: { retry: { times: 1 } },
      })
      const changes = yield* reload({
        deployments: {
          kept: deploy(kept, { limits: { rpm: 20 }, weight: 1 }),
          moved: deploy(providers.layer("moved again", hello)),
          new: deploy(providers.layer("new", hello)),
        },
        routes: { stays: Route.fallback("kept"), other: Route.fallback("kept", "new"), comes: Route.to("new") },
        defaults: { retry: { times: 2 } },
      })
      assert.deepStrictEqual(changes, [
        { kind: "defaults", name: "defaults", change: "changed", fields: ["retry"] },
        { kind: "deployment", name: "kept", change: "changed", fields: ["limits"] },
        { kind: "deployment", name: "moved", change: "changed", fields: ["provider"] },
        { kind: "deployment", name: "gone", change: "removed", fields: [] },
        { kind: "deployment", name: "new", change: "added", fields: [] },
        { kind: "route", name: "other", change: "changed", fields: [] },
        { kind: "route", name: "goes", change: "removed", fields: [] },
        { kind: "route", name: "comes", change: "added", fields: [] },
      ])
      assert.deepStrictEqual(router.routes(), ["stays", "other", "comes"])
      assert.deepStrictEqual(router.deployments(), ["kept", "moved", "new"])
      assert.deepStrictEqual(
        (yield* router.status).map(({ deployment }) => deployment),
        ["kept", "moved", "new"],
      )
      assert.strictEqual(Chat.text((yield* router.chat({ ...request, model: "comes" })).response), "Hello")
      const { kind } = yield* Effect.flip(router.chat({ ...request, model: "goes" }))
      assert.strictEqual(kind, "ModelNotFound")
      assert.deepStrictEqual(providers.started.toSorted(), ["gone", "kept", "moved", "moved again", "new"])
      assert.deepStrictEqual(providers.closed.toSorted(), ["gone", "moved"])
    }),
  )

  it.effect("that changes nothing says so, and restarts nothing", () =>
    Effect.gen(function* () {
      const providers = new Providers()
      const options: Any = {
        deployments: { a: deploy(providers.layer("a", hello)) },
        routes: { r: Route.fallback("a").pipe(Route.timeout({ total: "1 second" })) },
      }
      const { reload } = yield* running(options)
      const again: Any = {
        deployments: { a: deploy(options.deployments["a"]!.provider) },
        routes: { r: Route.fallback("a").pipe(Route.timeout({ total: "1 second" })) },
      }
      for (let turn = 0; turn < 3; turn++) assert.deepStrictEqual(yield* reload(again), [])
      assert.deepStrictEqual([providers.started, providers.closed], [["a"], []])
    }),
  )

  it.effect("finds every problem, and then starts nothing", () =>
    Effect.gen(function* () {
      const providers = new Providers()
      const { reload, router } = yield* running({ deployments: { a: deploy(providers.layer("a", hello)) } })
      const error = yield* Effect.flip(
        reload({
          deployments: { b: deploy(providers.layer("b", hello), { weight: -1 }) },
          routes: { r: Route.fallback("c") },
        }),
      )
      assert.strictEqual(error._tag, "InvalidRoutes")
      assert.deepStrictEqual(
        (error as Router.InvalidRoutes).problems.map(({ path }) => path),
        ["deployments.b.weight", "routes.r[0]"],
      )
      assert.deepStrictEqual([providers.started, providers.closed], [["a"], []])
      assert.deepStrictEqual(router.deployments(), ["a"])
    }),
  )

  it.effect("whose provider cannot start closes what it has started, and changes nothing", () =>
    Effect.gen(function* () {
      const providers = new Providers()
      const a = providers.layer("a", hello)
      const { reload, router } = yield* running({ deployments: { a: deploy(a) }, routes: { r: Route.to("a") } })
      const exit = yield* Effect.exit(
        reload({
          deployments: {
            a: deploy(a),
            b: deploy(providers.layer("b", hello)),
            c: deploy(providers.failing("c")),
          },
        }),
      )
      assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof NoCredential)
      assert.deepStrictEqual(providers.closed.toSorted(), ["b", "c"])
      assert.deepStrictEqual([router.routes(), router.deployments()], [["r"], ["a"]])
      assert.strictEqual(Chat.text((yield* router.chat(ask)).response), "Hello")
      assert.deepStrictEqual(yield* reload({ deployments: { a: deploy(a) }, routes: { r: Route.to("a") } }), [])
      assert.strictEqual(providers.started.filter((name) => name === "a").length, 1)
    }),
  )

  it.effect("that is interrupted closes what it has started, and lets the next one run", () =>
    Effect.gen(function* () {
      const providers = new Providers()
      const { reload, router } = yield* running({ deployments: { a: deploy(providers.layer("a", hello)) } })
      const starting = yield* Deferred.make<void>()
      const hangs = Layer.effect(Provider, Effect.andThen(Deferred.succeed(starting, undefined), Effect.never))
      const fiber = yield* Effect.forkChild(
        reload({ deployments: { b: deploy(providers.layer("b", hello)), hangs: deploy(hangs) } }),
      )
      yield* Deferred.await(starting)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(providers.closed, ["b"])
      assert.deepStrictEqual(router.deployments(), ["a"])
      yield* reload({ deployments: { c: deploy(providers.layer("c", hello)) } })
      assert.deepStrictEqual(router.deployments(), ["c"])
    }),
  )

  it.effect("runs after the one before it", () =>
    Effect.gen(function* () {
      const slow = (name: string) =>
        Layer.effect(
          Provider,
          Effect.delay(Effect.map(Layer.build(hello.layer), Context.get(Provider)), "1 second"),
        ).pipe(Layer.provide(Layer.succeed(Named, name)))
      const { reload, router } = yield* running({ deployments: { a: deploy(hello.layer) } })
      const reloads = yield* Effect.forkChild(
        Effect.all(
          [reload({ deployments: { b: deploy(slow("b")) } }), reload({ deployments: { c: deploy(slow("c")) } })],
          { concurrency: "unbounded" },
        ),
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(router.deployments(), ["b"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(router.deployments(), ["c"])
      const [first, second] = yield* Fiber.join(reloads)
      assert.deepStrictEqual(
        [first, second].map((changes) => changes.map(({ change, name }) => `${name} ${change}`)),
        [
          ["a removed", "b added"],
          ["b removed", "c added"],
        ],
      )
    }),
  )
})

class Named extends Context.Service<Named, string>()("test/Named") {}

describe("a call that runs during a reload", () => {
  const slowly = () =>
    Testing.script([Testing.reply(["Good ", "evening"], { after: "1 second", tokenDelay: "1 second" })])

  it.effect("ends on what it began on, whose provider closes then", () =>
    Effect.gen(function* () {
      const providers = new Providers()
      const { reload, router } = yield* running({ deployments: { a: deploy(providers.layer("old", slowly())) } })
      const call = yield* Effect.forkChild(router.chat(ask), { startImmediately: true })
      yield* reload({ deployments: { a: deploy(providers.layer("new", Testing.script([Testing.reply("New")]))) } })
      assert.strictEqual(Chat.text((yield* router.chat(ask)).response), "New")
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(providers.closed, [])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(Chat.text((yield* Fiber.join(call)).response), "Good evening")
      assert.deepStrictEqual(providers.closed, ["old"])
    }),
  )

  it.effect("is read to its end as a stream, and closes the provider with its scope", () =>
    Effect.gen(function* () {
      const providers = new Providers()
      const { reload, router } = yield* running({ deployments: { a: deploy(providers.layer("old", slowly())) } })
      const scope = yield* Scope.make()
      const { frames, receipt } = yield* during(
        "3 seconds",
        Effect.provideService(router.chatStream(ask), Scope.Scope, scope),
      )
      yield* reload({ deployments: { a: deploy(providers.layer("new", hello)) } })
      const read = yield* during("1 minute", Stream.runCollect(frames))
      assert.strictEqual(textOf(read.flatMap(({ parts }) => parts)), "Good evening")
      assert.deepStrictEqual(providers.closed, [])
      yield* Scope.close(scope, Exit.void)
      yield* Effect.yieldNow
      assert.strictEqual(receipt.outcome, "success")
      assert.deepStrictEqual(providers.closed, ["old"])
    }),
  )

  it.effect("is retried and falls back on what it began on", () =>
    Effect.gen(function* () {
      const providers = new Providers()
      const broken = Testing.script([Testing.fail({ _tag: "ServerError" }, { after: "1 second" })])
      const { reload, router } = yield* running({
        deployments: {
          a: deploy(providers.layer("a", broken)),
          b: deploy(providers.layer("b", Testing.script([Testing.reply("From b")]))),
        },
        routes: { r: Route.fallback("a", "b").pipe(Route.retry({ times: 1 })) },
      })
      const call = yield* Effect.forkChild(router.chat({ ...request, model: "r" }), { startImmediately: true })
      yield* reload({ deployments: { c: deploy(providers.layer("c", hello)) } })
      yield* TestClock.adjust("1 minute")
      const { receipt, response } = yield* Fiber.join(call)
      assert.strictEqual(Chat.text(response), "From b")
      assert.strictEqual(receipt.attempts.length, 3)
      assert.deepStrictEqual(providers.closed.toSorted(), ["a", "b"])
    }),
  )

  it.effect("keeps a provider that several generations use until the last of them has ended", () =>
    Effect.gen(function* () {
      const providers = new Providers()
      const shared = providers.layer("shared", slowly())
      const first = { deployments: { a: deploy(shared) } }
      const { reload, router } = yield* running(first)
      const one = yield* Effect.forkChild(router.chat(ask), { startImmediately: true })
      yield* reload({ deployments: { a: deploy(shared, { weight: 2 }) } })
      yield* TestClock.adjust("1 second")
      const two = yield* Effect.forkChild(router.chat(ask), { startImmediately: true })
      yield* reload({ deployments: { b: deploy(providers.layer("b", hello)) } })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(one)
      assert.deepStrictEqual(providers.closed, [])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(two)
      assert.deepStrictEqual([providers.started, providers.closed], [["shared", "b"], ["shared"]])
    }),
  )

  it.effect("is closed with the router, as are all of its generations", () =>
    Effect.gen(function* () {
      const providers = new Providers()
      const scope = yield* Scope.make()
      const { reload, router } = yield* Effect.provideService(
        running({ deployments: { a: deploy(providers.layer("old", slowly())) } }),
        Scope.Scope,
        scope,
      )
      const call = yield* Effect.forkChild(Effect.exit(router.chat(ask)), { startImmediately: true })
      yield* reload({ deployments: { a: deploy(providers.layer("new", hello)) } })
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(providers.closed.toSorted(), ["new", "old"])
      yield* Fiber.interrupt(call)
    }),
  )
})

describe("a deployment that stays", () => {
  const broken = () => Testing.script([Testing.fail({ _tag: "ServerError" }), Testing.reply("Back")])
  const policy = { circuit: { failures: 1, open: "1 minute" } } as const

  it.effect("keeps its open circuit, under its new policy", () =>
    Effect.gen(function* () {
      const provider = broken().layer
      const { reload, router } = yield* running({ deployments: { a: deploy(provider, policy) }, defaults: once })
      yield* Effect.flip(router.chat(ask))
      yield* TestClock.adjust("20 seconds")
      const wider = { circuit: { failureRateThreshold: 0.5, windowSize: 10, open: "10 seconds" } } as const
      yield* reload({ deployments: { a: deploy(provider, wider) }, defaults: once })
      const [status] = yield* router.status
      assert.deepStrictEqual([status?.circuit, status?.retryAfter], ["open", 40_000])
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual(Chat.text((yield* router.chat(ask)).response), "Back")
      assert.strictEqual((yield* router.status)[0]?.circuit, "closed")
    }),
  )

  it.effect("starts with a closed circuit where its provider is another", () =>
    Effect.gen(function* () {
      const { reload, router } = yield* running({ deployments: { a: deploy(broken().layer, policy) }, defaults: once })
      yield* Effect.flip(router.chat(ask))
      assert.strictEqual((yield* router.status)[0]?.circuit, "open")
      yield* reload({ deployments: { a: deploy(hello.layer, policy) }, defaults: once })
      assert.strictEqual((yield* router.status)[0]?.circuit, "closed")
      assert.strictEqual(Chat.text((yield* router.chat(ask)).response), "Hello")
    }),
  )

  it.effect("keeps its cooldown", () =>
    Effect.gen(function* () {
      const limited = Testing.fail({ _tag: "RateLimited", retryAfter: Duration.seconds(30) })
      const provider = Testing.script([limited, Testing.reply("Back")]).layer
      const { reload, router } = yield* running({ deployments: { a: deploy(provider) }, defaults: once })
      yield* Effect.flip(router.chat(ask))
      yield* reload({ deployments: { a: deploy(provider, { weight: 3 }) }, defaults: once })
      assert.strictEqual((yield* router.status)[0]?.retryAfter, 30_000)
      assert.strictEqual((yield* Effect.flip(router.chat(ask))).kind, "RateLimited")
      yield* TestClock.adjust("30 seconds")
      yield* router.chat(ask)
    }),
  )

  it.effect("counts its requests on, within its new limits", () =>
    Effect.gen(function* () {
      const limited = (rpm: number): Any => ({ deployments: { a: deploy(hello.layer, { limits: { rpm } }) } })
      const { reload, router } = yield* running(limited(3))
      yield* router.chat(ask)
      yield* router.chat(ask)
      yield* reload(limited(2))
      assert.strictEqual((yield* Effect.flip(router.chat(ask))).kind, "RateLimited")
      yield* reload(limited(4))
      yield* router.chat(ask)
      yield* router.chat(ask)
      assert.strictEqual((yield* Effect.flip(router.chat(ask))).kind, "RateLimited")
    }),
  )

  it.effect("counts the calls that run on the generation before as concurrent ones", () =>
    Effect.gen(function* () {
      const provider = Testing.script([Testing.reply("Slow", { after: "10 seconds" })]).layer
      const limited = (concurrency: number): Any => ({
        deployments: { a: deploy(provider, { limits: { concurrency } }) },
        defaults: once,
      })
      const { reload, router } = yield* running(limited(3))
      const both = yield* Effect.forkChild(Effect.all([router.chat(ask), router.chat(ask)], { concurrency: 2 }), {
        startImmediately: true,
      })
      yield* reload(limited(2))
      assert.strictEqual((yield* router.status)[0]?.inFlight, 2)
      assert.strictEqual((yield* Effect.flip(router.chat(ask))).kind, "RateLimited")
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(both)
      assert.strictEqual((yield* router.status)[0]?.inFlight, 0)
      yield* during("1 minute", router.chat(ask))
    }),
  )

  it.effect("keeps its latencies, unless its model is another", () =>
    Effect.gen(function* () {
      const provider = Testing.script([Testing.reply("Slow", { after: "4 seconds" })]).layer
      const { reload, router } = yield* running({ deployments: { a: deploy(provider) } })
      yield* during("1 minute", router.chat(ask))
      yield* reload({ deployments: { a: deploy(provider, { weight: 2 }) } })
      assert.strictEqual((yield* router.status)[0]?.latency, 4000)
      yield* reload({ deployments: { a: deploy(provider, { model: "other" }) } })
      assert.strictEqual((yield* router.status)[0]?.latency, undefined)
    }),
  )

  it.effect("leaves nothing of former configurations in memory, also where a route has a cache", () =>
    Effect.gen(function* () {
      const options = (): Any => ({
        deployments: { a: deploy(hello.layer) },
        routes: { r: Route.to("a").pipe(Route.cache({ ttl: "1 hour" })) },
      })
      const { reload, router } = yield* running(options())
      const former: Array<WeakRef<Any>> = []
      const reloadOnce = Effect.suspend(() => {
        const next = options()
        former.push(new WeakRef(next))
        return reload(next)
      })
      for (let time = 0; time < 5; time++) yield* reloadOnce
      yield* router.chat({ ...request, model: "r" })
      // What a weak reference has given stays until the turn has ended.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      collectGarbage()
      assert.isAtMost(former.filter((options) => options.deref() !== undefined).length, 2)
    }),
  )

  it.effect("keeps the cached responses of its routes, unless its provider or the cache policy is another", () =>
    Effect.gen(function* () {
      const cached = (provider: Layer.Layer<Provider>, ttl: Duration.Input): Any => ({
        deployments: { a: deploy(provider) },
        routes: { r: Route.to("a").pipe(Route.cache({ ttl })) },
      })
      const counted = Testing.script([Testing.reply("1"), Testing.reply("2"), Testing.reply("3")])
      const { reload, router } = yield* running(cached(counted.layer, "1 hour"))
      const answer = Effect.map(router.chat({ ...request, model: "r" }), ({ response }) => Chat.text(response))
      assert.strictEqual(yield* answer, "1")
      yield* reload(cached(counted.layer, "1 hour"))
      assert.strictEqual(yield* answer, "1")
      yield* reload(cached(counted.layer, "2 hours"))
      assert.strictEqual(yield* answer, "2")
      yield* reload(cached(hello.layer, "2 hours"))
      assert.strictEqual(yield* answer, "Hello")
    }),
  )

  it.effect("keeps its turn in a balance, and what is left of a retry budget", () =>
    Effect.gen(function* () {
      const [a, b] = [Testing.script([Testing.reply("a")]), Testing.script([Testing.reply("b")])]
      const balanced = (weight: number): Any => ({
        deployments: { a: deploy(a.layer, { weight }), b: deploy(b.layer) },
        routes: { r: Route.fallback(Route.balance("round-robin", ["a", "b"]), "a") },
      })
      const { reload, router } = yield* running(balanced(1))
      const answers: Array<string> = []
      for (let turn = 0; turn < 6; turn++) {
        const { response } = yield* router.chat({ ...request, model: "r" })
        answers.push(Chat.text(response))
        yield* reload(balanced(turn + 2))
      }
      assert.deepStrictEqual(answers, ["a", "b", "a", "b", "a", "b"])

      const down = Testing.script([Testing.fail({ _tag: "ServerError" })])
      const retried: Any = {
        deployments: { a: deploy(down.layer, { circuit: { failures: 1000 } }) },
        defaults: { retry: { times: 1, budget: 0.1, base: "1 millis" } },
      }
      yield* reload(retried)
      for (let turn = 0; turn < 20; turn++) {
        yield* during("1 second", Effect.flip(router.chat(ask)))
        yield* reload(retried)
      }
      // Ten retries a minute are always allowed: a budget that began anew with each reload would allow twenty.
      assert.strictEqual(down.requests.length, 30)
    }),
  )
})

describe("a provider whose layer is always built anew", () => {
  it.effect("goes on running where its deployment stays", () =>
    Effect.gen(function* () {
      const providers = new Providers()
      const fresh = Layer.fresh(providers.layer("a", hello))
      const { reload } = yield* running({ deployments: { a: deploy(fresh) } })
      yield* reload({ deployments: { a: deploy(fresh, { weight: 2 }) } })
      assert.deepStrictEqual([providers.started, providers.closed], [["a"], []])
    }),
  )

  it.effect("is another one for each deployment that names it", () =>
    Effect.gen(function* () {
      const providers = new Providers()
      const one = providers.layer("a", hello)
      const { reload } = yield* running({ deployments: { a: deploy(one), b: deploy(one) } })
      yield* reload({ deployments: { a: deploy(one) } })
      assert.deepStrictEqual([providers.started, providers.closed], [["a", "a"], ["a"]])
    }),
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Reloads and calls in any order
// ---------------------------------------------------------------------------------------------------------------------

const steps = Schema.Array(
  Schema.Struct({
    does: Schema.Literals(["call", "stream", "leave", "reload", "restart", "bad", "wait"]),
    deployments: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3 })),
  }),
).check(Schema.isMinLength(1), Schema.isMaxLength(40))

describe("reloads and calls", () => {
  it.effect.prop(
    "lose no call and leave no provider open, in any order",
    { steps },
    ({ steps }) =>
      Effect.gen(function* () {
        const providers = new Providers()
        const script = Testing.script([
          Testing.reply(["Good ", "evening"], { after: "1 second", tokenDelay: "1 second" }),
        ])
        let named = 0
        const fresh = () => providers.layer(`${named++}`, script)
        let layers = [fresh(), fresh(), fresh()]
        /** The names of the providers of the deployment that every reload has. */
        const firsts = ["0"]
        const options = (count: number): Any => ({
          deployments: Object.fromEntries(layers.slice(0, count).map((layer, index) => [`d${index}`, deploy(layer)])),
          routes: { r: Route.fallback("d0", ...layers.slice(1, count).map((_, index) => `d${index + 1}`)) },
        })
        const scope = yield* Scope.make()
        const { reload, router } = yield* Effect.provideService(running(options(3)), Scope.Scope, scope)
        const calls: Array<Fiber.Fiber<string, unknown>> = []
        const left: Array<Fiber.Fiber<unknown, unknown>> = []
        const ask = { ...request, model: "r" }
        const streamed = Effect.scoped(
          Effect.flatMap(router.chatStream(ask), ({ frames }) =>
            Effect.map(Stream.runCollect(frames), (frames) => textOf(frames.flatMap(({ parts }) => parts))),
          ),
        )
        for (const { deployments, does } of steps) {
          if (does === "call") {
            const answered = Effect.map(router.chat(ask), ({ response }) => Chat.text(response))
            calls.push(yield* Effect.forkChild(answered, { startImmediately: true }))
          } else if (does === "stream") calls.push(yield* Effect.forkChild(streamed, { startImmediately: true }))
          else if (does === "leave") left.push(yield* Effect.forkChild(streamed, { startImmediately: true }))
          else if (does === "reload") yield* reload(options(deployments))
          else if (does === "restart") {
            firsts.push(String(named))
            layers = layers.map((layer, index) => (index < deployments ? fresh() : layer))
            yield* reload(options(3))
          } else if (does === "bad") {
            const bad = { ...options(3).deployments, failing: deploy(providers.failing(`${named++}`)) }
            yield* Effect.flip(reload({ deployments: bad }))
          } else {
            yield* TestClock.adjust("1500 millis")
            for (const fiber of left.splice(0)) yield* Fiber.interrupt(fiber)
          }
        }
        yield* TestClock.adjust("1 minute")
        for (const fiber of left) yield* Fiber.interrupt(fiber)
        for (const fiber of calls) assert.strictEqual(yield* Fiber.join(fiber), "Good evening")
        assert.strictEqual(script.inFlight(), 0)
        assert.strictEqual(providers.tooLate, 0, "a provider is open until its last call has ended")
        // Only what is in force is open, once. Then nothing is.
        const open = () => providers.started.length - providers.closed.length
        assert.strictEqual(open(), router.deployments().length)
        for (const name of firsts) {
          assert.strictEqual(providers.started.filter((each) => each === name).length, 1, "what stays is not restarted")
        }
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(open(), 0)
      }),
    { arbitrary: { runs: 200 } },
  )
})
