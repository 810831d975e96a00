/**
 * The engine's laws over routes of every shape: combinators within each other, retries, timeouts, limits, circuits and
 * hedges together, over deployments that fail in every way.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { CircuitBreakerStore } from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as AffinityStore from "../src/affinity/AffinityStore.ts"
import * as CacheStore from "../src/cache/CacheStore.ts"
import type * as Chat from "../src/model/Chat.ts"
import * as Circuit from "../src/admission/Circuit.ts"
import * as Deployment from "../src/deployment/Deployment.ts"
import type { Protect } from "../src/policy/StreamPolicy.ts"
import { protects } from "../src/policy/StreamPolicy.ts"
import { reasonTags } from "../src/model/ProviderError.ts"
import type { Reason } from "../src/model/ProviderError.ts"
import * as Explain from "../src/inspect/Explain.ts"
import * as RateLimit from "../src/admission/RateLimit.ts"
import type { Receipt } from "../src/receipt/Receipt.ts"
import type { RouterError } from "../src/execution/RouterError.ts"
import * as Cooldowns from "../src/admission/Cooldowns.ts"
import * as Route from "../src/route/Route.ts"
import * as Router from "../src/Router.ts"
import * as Testing from "../src/Testing.ts"
import { request } from "./support/TestRouter.ts"

const names = ["a", "b", "c", "d", "e"] as const

/** Choices told by a seed, the same each time. */
const chooser = (seed: number) => {
  let state = seed >>> 0
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  const one = <A>(items: ReadonlyArray<A>): A => items[below(items.length)]!
  return { below, one }
}

type Chooser = ReturnType<typeof chooser>

const across = ({ below }: Chooser): readonly [string, ...ReadonlyArray<string>] => {
  const first = below(names.length - 1)
  return [names[first]!, ...names.slice(first + 1, first + 1 + below(3))]
}

const anyRoute = (choose: Chooser, depth: number): Route.Route => {
  const inner = () => anyRoute(choose, depth - 1)
  switch (depth === 0 ? 0 : choose.below(8)) {
    case 1:
      return Route.balance("ordered", across(choose))
    case 2:
      return Route.hedge({ after: choose.one(["100 millis", "2 seconds", "p95"] as const), across: across(choose) })
    case 3:
      return inner().pipe(Route.onError([choose.one(reasonTags), choose.one(reasonTags)], inner()))
    case 4:
      return inner().pipe(Route.fallbackOn("any"))
    case 5:
      return Route.when([{ if: { tags: ["vip"] }, use: inner() }], inner())
    case 6:
    case 7:
      return Route.fallback(inner(), inner())
    default:
      return Route.to(choose.one(names))
  }
}

const anyOutcome = (choose: Chooser): Testing.Outcome => {
  const after = choose.one(["0 millis", "50 millis", "3 seconds"] as const)
  const tag = choose.one(reasonTags)
  const reason = (
    tag === "Timeout"
      ? { _tag: tag, phase: "idle" }
      : tag === "Unsupported"
        ? { _tag: tag, feature: "x" }
        : { _tag: tag }
  ) as Reason
  switch (choose.below(5)) {
    case 0:
      return Testing.reply("Hi", { after })
    case 1:
      return Testing.hang()
    default:
      return Testing.fail(reason, { after })
  }
}

const times = 2

/** Circuits that note whom they are asked to admit. */
const watched = (admitted: Array<string>) =>
  Layer.effect(
    CircuitBreakerStore,
    Effect.map(Layer.build(Circuit.layerStore), (context) => {
      const store = Context.get(context, CircuitBreakerStore)
      return {
        ...store,
        // Asked by effects.
        immediate: undefined,
        admit: (key) =>
          Effect.andThen(
            Effect.sync(() => admitted.push(key)),
            store.admit(key),
          ),
      }
    }),
  )

/** State in memory that is asked by effects alone, as shared state is. */
const askedByEffects = Layer.mergeAll(
  Layer.effect(
    CircuitBreakerStore,
    Effect.map(Layer.build(Circuit.layerStore), (context): Circuit.Store => ({
      ...Context.get(context, CircuitBreakerStore),
      immediate: undefined,
    })),
  ),
  Layer.effect(
    RateLimiter.RateLimiter,
    Effect.map(Layer.build(RateLimit.layerMemory), (context): RateLimit.Limiter => ({
      ...Context.get(context, RateLimiter.RateLimiter),
      counters: undefined,
    })),
  ),
  Layer.effect(
    Cooldowns.Cooldowns,
    Effect.sync(() => {
      const local = Cooldowns.makeMemory()
      return { ...local, read: (key: string) => Effect.sync(() => local.until(key)) }
    }),
  ),
  CacheStore.layerMemory,
  AffinityStore.layerMemory,
)

/** One router told by a seed, called a few times at once; what was planned, what was done. */
const world = (seed: number) => {
  const choose = chooser(seed)
  const scripts = names.map(() => Testing.script([anyOutcome(choose), anyOutcome(choose), anyOutcome(choose)]))
  const route = anyRoute(choose, 3)
  const admitted: Array<string> = []
  const options = Router.layerShared({
    deployments: Object.fromEntries(
      names.map((name, index) => [
        name,
        Deployment.make({
          model: name,
          provider: scripts[index]!.layer,
          weight: name === "e" ? choose.below(2) : 1,
          limits: choose.one([{}, { rpm: 2 }, { concurrency: 1 }, { rpd: 3 }]),
        }),
      ]),
    ),
    routes: { assistant: route },
    defaults: { retry: { times }, circuit: { failures: 2 } },
  })
  return {
    scripts,
    admitted,
    options,
    layer: Layer.provide(options, [
      watched(admitted),
      RateLimit.layerMemory,
      Cooldowns.layerMemory,
      CacheStore.layerMemory,
      AffinityStore.layerMemory,
    ]),
    hedged: JSON.stringify(route).includes("Hedge"),
    tags: choose.one([[], ["vip"]]),
    streaming: choose.below(2) === 0,
  }
}

/** Whether `part` comes in `whole` in this order. */
const isSubsequence = (part: ReadonlyArray<string>, whole: ReadonlyArray<string>): boolean => {
  let at = 0
  for (const each of whole) if (part[at] === each) at++
  return at === part.length
}

/** Without retries. Those of a hedge come between the others' attempts: there, each by its first start. */
const collapse = (started: ReadonlyArray<string>, hedged: boolean): ReadonlyArray<string> =>
  hedged ? [...new Set(started)] : started.filter((name, index) => name !== started[index - 1])

const counts = (list: ReadonlyArray<string>, name: string) => list.filter((each) => each === name).length

/** After these nobody else is asked, unless the route says so. */
const final: ReadonlyArray<string | undefined> = ["InvalidRequest", "ContentPolicy", "Timeout"]

const seeds = { seed: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 })) }

describe("any route", () => {
  it.effect.prop(
    "tries a subsequence of its plan, gives a reason for each skip, makes at most the configured attempts, and leaves nothing running",
    seeds,
    ({ seed }) => {
      const { admitted, hedged, layer, scripts, streaming, tags } = world(seed)
      /** Everybody who was tried or passed over. */
      const reached = new Set<string>()
      return Effect.gen(function* () {
        const router = yield* Router.Router
        const started = new Map<string, Array<string>>()
        yield* router.subscribe((event) => {
          if (event._tag !== "AttemptStarted") return
          started.set(event.call, [...(started.get(event.call) ?? []), event.deployment])
        })
        const call = streaming
          ? Effect.scoped(
              Effect.flatMap(router.chatStream(request, { tags }), ({ frames, receipt }) =>
                Effect.as(Stream.runDrain(frames), { receipt }),
              ),
            )
          : router.chat(request, { tags })
        for (let turn = 0; turn < 3; turn++) {
          const before = admitted.length
          const plan = Explain.candidates((yield* router.explain(request, { tags })).plan).map(
            ({ deployment }) => deployment,
          )
          assert.strictEqual(admitted.length, before, "explain asks nobody to be admitted")
          const fiber = yield* Effect.forkChild(
            Effect.all([Effect.exit(call), Effect.exit(call)], { concurrency: "unbounded" }),
          )
          yield* TestClock.adjust("10 minutes")
          for (const exit of yield* Fiber.join(fiber)) {
            const receipt = Exit.isSuccess(exit)
              ? exit.value.receipt
              : Option.getOrThrow(Cause.findErrorOption(exit.cause)).receipt
            assert.isDefined(receipt)
            const tried = started.get(receipt.id) ?? []
            for (const name of tried) reached.add(name)
            for (const { deployment } of receipt.skipped) reached.add(deployment)
            assert.strictEqual(tried.length, receipt.attempts.length, "every attempt stands in the receipt")
            for (const name of names) {
              const planned = counts(plan, name)
              assert.isAtMost(counts(tried, name), planned * (1 + times) + 1)
              const passed = counts(
                receipt.skipped.map(({ deployment }) => deployment),
                name,
              )
              assert.isAtMost(passed, planned + 1)
              if (receipt.outcome === "failure" && !receipt.attempts.some(({ reason }) => final.includes(reason))) {
                assert.isAtLeast(passed + Math.min(planned, counts(tried, name)), planned, `${name} has a verdict`)
              }
            }
            assert.isTrue(isSubsequence(collapse(tried, hedged), plan), `${tried.join()} of ${plan.join()}`)
            assert.isAtMost(receipt.attempts.filter(({ outcome }) => outcome === "success").length, 1)
          }
        }
        // A retry may be refused and leave no trace: only who is asked about is certain, not how often.
        for (const name of admitted)
          assert.isTrue(reached.has(name), `${name} is asked about, though nobody came to it`)
        assert.deepStrictEqual(
          scripts.map((script) => script.inFlight()),
          names.map(() => 0),
        )
        for (const { inFlight } of yield* router.status) assert.strictEqual(inFlight, 0)
      }).pipe(Effect.scoped, Effect.provide(layer))
    },
    { arbitrary: { runs: 150 } },
  )
})

describe("state in memory", () => {
  /** Everything that can be seen of a few calls: their events, their receipts, and what callers got. */
  const observed = (seed: number, stores: typeof askedByEffects) => {
    const { options, scripts, streaming, tags } = world(seed)
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const calls: Array<string> = []
      const events: Array<unknown> = []
      const numbered = (value: object): unknown =>
        JSON.parse(
          JSON.stringify(value, (name, each: unknown) => {
            if (name === "call" || name === "id") return calls.indexOf(String(each))
            // Effect rounds a duration to nanoseconds.
            return typeof each === "number" ? Math.round(each * 1000) / 1000 : each
          }),
        )
      yield* router.subscribe((event) => {
        if (!calls.includes(event.call)) calls.push(event.call)
        events.push(numbered(event))
      })
      type Seen = { readonly answer: unknown; readonly receipt: Receipt }
      const call: Effect.Effect<Seen, RouterError> = streaming
        ? Effect.scoped(
            Effect.flatMap(router.chatStream(request, { tags }), ({ frames, receipt }) =>
              Effect.map(Stream.runCollect(frames), (answer): Seen => ({ answer, receipt })),
            ),
          )
        : Effect.map(router.chat(request, { tags }), ({ receipt, response }) => ({ answer: response, receipt }))
      for (let turn = 0; turn < 3; turn++) {
        const fiber = yield* Effect.forkChild(
          Effect.all([Effect.result(call), Effect.result(call)], { concurrency: "unbounded" }),
        )
        yield* TestClock.adjust("10 minutes")
        for (const result of yield* Fiber.join(fiber)) events.push(numbered(result))
      }
      return { events, requests: scripts.map((script) => script.requests.length), status: yield* router.status }
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.provide(options, stores)),
      Random.withSeed(seed),
      Effect.provide(TestClock.layer()),
    )
  }

  it.effect.prop(
    "gives the same events, receipts and answers whether it is asked at once or by effects",
    seeds,
    ({ seed }) =>
      Effect.gen(function* () {
        const atOnce = yield* observed(seed, Router.layerMemory)
        const byEffects = yield* observed(seed, askedByEffects)
        assert.isAbove(atOnce.events.length, 6)
        assert.deepStrictEqual(atOnce, byEffects)
      }),
    { arbitrary: { runs: 150 } },
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Streams
// ---------------------------------------------------------------------------------------------------------------------

const pieces = ["Once ", "upon ", "a ", "time ", "there ", "was ", "a ", "play."]

/** What each says; the same for all where one is to go on with another's answer. */
const lines = (protect: Protect): ReadonlyArray<ReadonlyArray<string>> =>
  names.map((name) => (protect === "continue" ? pieces : [`${name}: `, ...pieces]))

/** A stream that is whole, or breaks in any way at any point. */
const anyStream = (choose: Chooser, line: ReadonlyArray<string>): Testing.Outcome => {
  const pace = choose.one(["0 millis", "20 millis"] as const)
  const output = line.slice(0, choose.below(line.length + 1))
  switch (choose.below(5)) {
    case 0:
      return output.length === 0 ? Testing.hang() : Testing.hang({ output, tokenDelay: pace })
    case 1:
      return Testing.cut(output, { tokenDelay: pace })
    case 2:
      return Testing.fail(
        { _tag: choose.one(["Network", "Overloaded", "InvalidRequest"] as const) },
        { output, tokenDelay: pace },
      )
    case 3:
      return Testing.fail({ _tag: choose.one(["RateLimited", "ServerError", "Authentication"] as const) })
    default:
      return Testing.reply(line, { tokenDelay: pace })
  }
}

describe("a stream over any route", () => {
  it.effect.prop(
    "is one complete answer, or the beginning of one and then an error",
    seeds,
    ({ seed }) => {
      const choose = chooser(seed)
      const protect = choose.one(protects)
      const said = lines(protect)
      const scripts = said.map((line) => Testing.script([anyStream(choose, line), anyStream(choose, line)]))
      const route = anyRoute(choose, 3).pipe(Route.stream({ protect }))
      const layer = Router.layer({
        deployments: Object.fromEntries(
          names.map((name, index) => [name, Deployment.make({ model: name, provider: scripts[index]!.layer })]),
        ),
        routes: { assistant: route },
        defaults: { retry: { times: 1 } },
      })
      const call = Effect.gen(function* () {
        const parts: Array<Chat.Part> = []
        const exit = yield* Effect.exit(
          Stream.runForEach(Router.stream(request), (part) => Effect.sync(() => void parts.push(part))),
        )
        const text = parts.map((part) => (part.type === "text" ? part.text : "")).join("")
        return { exit, text, finishes: parts.filter(({ type }) => type === "finish").length }
      })
      return Effect.gen(function* () {
        for (let turn = 0; turn < 3; turn++) {
          const fiber = yield* Effect.forkChild(Effect.all([call, call], { concurrency: "unbounded" }))
          yield* TestClock.adjust("10 minutes")
          for (const { exit, finishes, text } of yield* Fiber.join(fiber)) {
            const whole = said.map((line) => line.join(""))
            if (Exit.isSuccess(exit)) {
              assert.include(whole, text)
              assert.strictEqual(finishes, 1)
            } else {
              assert.isTrue(Option.isSome(Cause.findErrorOption(exit.cause)), "an error of ours, and no defect")
              assert.isTrue(
                whole.some((each) => each.startsWith(text)),
                `"${text}" is the beginning of no answer`,
              )
              assert.strictEqual(finishes, 0)
              if (protect === "full") assert.strictEqual(text, "")
            }
          }
        }
        assert.deepStrictEqual(
          scripts.map((script) => script.inFlight()),
          names.map(() => 0),
        )
      }).pipe(Effect.provide(layer))
    },
    { arbitrary: { runs: 200 } },
  )
})
