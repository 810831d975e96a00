import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Chat from "../src/model/Chat.ts"
import * as Deployment from "../src/deployment/Deployment.ts"
import * as Route from "../src/route/Route.ts"
import * as Router from "../src/Router.ts"
import * as Testing from "../src/Testing.ts"
import { chat, layer, request, textOf } from "./support/TestRouter.ts"

const collect = Stream.runCollect(Router.stream(request))

describe("Router.chat", () => {
  it.effect("answers from the first deployment, and sends its model's id", () => {
    const primary = Testing.script([Testing.reply("Hi")])
    const backup = Testing.script([Testing.reply("unused")])
    return Effect.gen(function* () {
      const { receipt, response } = yield* chat()
      assert.strictEqual(Chat.text(response), "Hi")
      assert.strictEqual(primary.requests[0]?.model, "primary")
      assert.strictEqual(backup.requests.length, 0)
      assert.strictEqual(receipt.deployment, "primary")
      assert.strictEqual(receipt.outcome, "success")
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("falls back on an authentication error without a retry, and opens the circuit", () => {
    const primary = Testing.script([Testing.fail({ _tag: "Authentication" }, { status: 401 })])
    const backup = Testing.script([Testing.reply("Hi")])
    return Effect.gen(function* () {
      const { receipt, response } = yield* chat()
      assert.strictEqual(Chat.text(response), "Hi")
      assert.strictEqual(primary.requests.length, 1)
      assert.deepStrictEqual(
        receipt.attempts.map(({ deployment, outcome, reason }) => [deployment, outcome, reason]),
        [
          ["primary", "failure", "Authentication"],
          ["backup", "success", undefined],
        ],
      )
      yield* chat()
      assert.strictEqual(primary.requests.length, 1, "its circuit is open at once")
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("retries a server error with backoff, as often as configured", () => {
    const primary = Testing.script([Testing.fail({ _tag: "ServerError" })])
    const backup = Testing.script([Testing.reply("Hi")])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(chat())
      yield* TestClock.adjust("10 seconds")
      const { receipt } = yield* Fiber.join(fiber)
      assert.strictEqual(primary.requests.length, 3)
      assert.strictEqual(receipt.deployment, "backup")
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("waits for a Retry-After up to maxRetryAfter", () => {
    const limited = Testing.fail({ _tag: "RateLimited", retryAfter: Duration.seconds(2) })
    const primary = Testing.script([limited, Testing.reply("Hi")])
    const backup = Testing.script([Testing.reply("unused")])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(chat())
      yield* TestClock.adjust("1900 millis")
      assert.strictEqual(primary.requests.length, 1)
      yield* TestClock.adjust("200 millis")
      const { receipt } = yield* Fiber.join(fiber)
      assert.strictEqual(receipt.deployment, "primary")
      assert.strictEqual(receipt.attempts.length, 2)
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("falls back at once on a longer Retry-After, and starts a cooldown until then", () => {
    const limited = Testing.fail({ _tag: "RateLimited", retryAfter: Duration.seconds(20) })
    const primary = Testing.script([limited, Testing.reply("Back")])
    const backup = Testing.script([Testing.reply("Hi")])
    return Effect.gen(function* () {
      const first = yield* chat()
      assert.strictEqual(first.receipt.deployment, "backup")
      const second = yield* chat()
      assert.deepStrictEqual(second.receipt.skipped, [
        { deployment: "primary", reason: { _tag: "CoolingDown", retryAfter: 20_000 } },
      ])
      yield* TestClock.adjust("20 seconds")
      const third = yield* chat()
      assert.strictEqual(third.receipt.deployment, "primary")
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("does not retry after a timeout", () => {
    const primary = Testing.script([Testing.hang()])
    const backup = Testing.script([Testing.reply("Hi")])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(chat())
      yield* TestClock.adjust("60 seconds")
      const { receipt } = yield* Fiber.join(fiber)
      assert.strictEqual(primary.requests.length, 1)
      assert.strictEqual(primary.inFlight(), 0)
      assert.strictEqual(receipt.attempts[0]?.reason, "Timeout")
      assert.strictEqual(receipt.deployment, "backup")
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("fails on an invalid request without a fallback, and opens no circuit", () => {
    const primary = Testing.script([Testing.fail({ _tag: "InvalidRequest", param: "temperature" }, { status: 400 })])
    const backup = Testing.script([Testing.reply("unused")])
    return Effect.gen(function* () {
      for (let call = 0; call < 5; call++) {
        const error = yield* Effect.flip(chat())
        assert.strictEqual(error.kind, "InvalidRequest")
        assert.strictEqual(error.param, "temperature")
      }
      assert.strictEqual(primary.requests.length, 5)
      assert.strictEqual(backup.requests.length, 0)
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("falls back only to a larger window after a context window was exceeded", () => {
    const small = Testing.script([Testing.fail({ _tag: "ContextWindowExceeded" })])
    const smaller = Testing.script([Testing.reply("unused")])
    const large = Testing.script([Testing.reply("Hi")])
    const deployment = (provider: Testing.Scripted, contextWindow: number) =>
      Deployment.make({ model: "m", provider: provider.layer, capabilities: { contextWindow } })
    return Effect.gen(function* () {
      const { receipt } = yield* chat()
      assert.strictEqual(receipt.deployment, "large")
      assert.deepStrictEqual(
        receipt.skipped.map(({ deployment }) => deployment),
        ["smaller"],
      )
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            small: deployment(small, 1000),
            smaller: deployment(smaller, 500),
            large: deployment(large, 4000),
          },
          routes: { assistant: Route.fallback("small", "smaller", "large") },
        }),
      ),
    )
  })

  it.effect("fails with every attempt when all deployments fail", () => {
    const primary = Testing.script([Testing.fail({ _tag: "Overloaded" }, { status: 529, message: "busy" })])
    const backup = Testing.script([Testing.fail({ _tag: "Overloaded" }, { status: 503, message: "busy too" })])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(chat()))
      yield* TestClock.adjust("30 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.kind, "Unavailable")
      assert.match(error.message, /primary: Overloaded \(529\): busy; backup: Overloaded \(503\): busy too/)
      assert.strictEqual(error.receipt?.outcome, "failure")
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("lists the names that it serves when a call names another", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.flatMap(Router.Router, (router) => router.chat({ ...request, model: "assistent" })),
      )
      assert.strictEqual(error.kind, "ModelNotFound")
      assert.match(error.message, /assistant, primary, backup/)
    }).pipe(
      Effect.provide(
        layer({ primary: Testing.script([Testing.reply("")]), backup: Testing.script([Testing.reply("")]) }),
      ),
    ),
  )

  it.effect("probes the circuit that reopens soonest when all are open", () => {
    const primary = Testing.script([Testing.fail({ _tag: "Permission" }), Testing.reply("Back")])
    const backup = Testing.script([Testing.fail({ _tag: "QuotaExhausted" })])
    return Effect.gen(function* () {
      const error = yield* Effect.flip(chat())
      assert.strictEqual(error.kind, "Upstream")
      const { receipt } = yield* chat()
      assert.strictEqual(receipt.deployment, "primary")
      assert.strictEqual(receipt.skipped.length, 2)
      assert.strictEqual(backup.requests.length, 1)
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("fails as RateLimited with the soonest end when all deployments are cooling down", () => {
    const limited = (seconds: number) =>
      Testing.script([Testing.fail({ _tag: "RateLimited", retryAfter: Duration.seconds(seconds) })])
    return Effect.gen(function* () {
      const error = yield* Effect.flip(chat())
      assert.strictEqual(error.kind, "RateLimited")
      assert.strictEqual(error.retryAfter, 20_000)
      const again = yield* Effect.flip(chat())
      assert.strictEqual(again.kind, "RateLimited")
      assert.strictEqual(again.receipt?.attempts.length, 0, "cooldowns are kept")
    }).pipe(Effect.provide(layer({ primary: limited(40), backup: limited(20) })))
  })

  it.effect("applies one deadline to all attempts of a call", () => {
    const primary = Testing.script([Testing.hang()])
    const backup = Testing.script([Testing.hang()])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(chat()))
      yield* TestClock.adjust("7 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.kind, "Timeout")
      assert.deepStrictEqual(
        error.receipt?.attempts.map(({ millis }) => millis),
        [5000, 2000],
      )
    }).pipe(
      Effect.provide(
        layer(
          { primary, backup },
          {
            route: Route.fallback("primary", "backup").pipe(
              Route.timeout({ attempt: "5 seconds", total: "7 seconds" }),
            ),
          },
        ),
      ),
    )
  })

  it.effect("cancels the attempt when the call is interrupted", () => {
    const primary = Testing.script([Testing.hang()])
    const backup = Testing.script([Testing.reply("unused")])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(chat())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(primary.inFlight(), 1)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(primary.inFlight(), 0)
      assert.strictEqual(backup.requests.length, 0)
    }).pipe(Effect.provide(layer({ primary, backup }, { deployment: { limits: { concurrency: 1 } } })))
  })

  it.effect("falls back at once at a concurrency limit, and releases the permit", () => {
    const primary = Testing.script([Testing.reply("Hi", { after: "1 second" })])
    const backup = Testing.script([Testing.reply("Hi too")])
    return Effect.gen(function* () {
      const first = yield* Effect.forkChild(chat())
      yield* Effect.yieldNow
      const second = yield* chat()
      assert.strictEqual(second.receipt.deployment, "backup")
      assert.deepStrictEqual(second.receipt.skipped, [
        { deployment: "primary", reason: { _tag: "ConcurrencyLimited" } },
      ])
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(first)).receipt.deployment, "primary")
      const third = yield* Effect.forkChild(chat())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(third)).receipt.deployment, "primary")
    }).pipe(Effect.provide(layer({ primary, backup }, { deployment: { limits: { concurrency: 1 } } })))
  })
})

describe("Router.chatStream", () => {
  it.effect("streams the answer of the first deployment", () => {
    const primary = Testing.script([Testing.reply(["Hel", "lo"])])
    const backup = Testing.script([Testing.reply("unused")])
    return Effect.gen(function* () {
      assert.strictEqual(textOf(yield* collect), "Hello")
      assert.strictEqual(primary.inFlight(), 0)
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("falls back when a stream breaks before its first output", () => {
    const primary = Testing.script([Testing.fail({ _tag: "Network" }, { output: [] })])
    const backup = Testing.script([Testing.reply(["Hel", "lo"])])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(collect)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(textOf(yield* Fiber.join(fiber)), "Hello")
      assert.strictEqual(primary.inFlight(), 0)
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("fails without a fallback when a stream breaks after its first output", () => {
    const primary = Testing.script([Testing.fail({ _tag: "Network" }, { output: "Hel" })])
    const backup = Testing.script([Testing.reply("unused")])
    return Effect.gen(function* () {
      const seen: Array<Chat.Part> = []
      const error = yield* Router.stream(request).pipe(
        Stream.runForEach((part) => Effect.sync(() => seen.push(part))),
        Effect.flip,
      )
      assert.strictEqual(textOf(seen), "Hel")
      assert.strictEqual(error.kind, "StreamInterrupted")
      assert.strictEqual(error.receipt?.attempts[0]?.reason, "Network")
      assert.strictEqual(backup.requests.length, 0)
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("fails when a stream ends without a finish reason", () => {
    const primary = Testing.script([Testing.cut("Hel")])
    const backup = Testing.script([Testing.reply("unused")])
    return Effect.gen(function* () {
      const error = yield* Effect.flip(collect)
      assert.strictEqual(error.kind, "StreamInterrupted")
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("applies the first-token timeout, then the idle timeout", () => {
    const primary = Testing.script([Testing.hang(), Testing.hang({ output: "Hel" })])
    const backup = Testing.script([Testing.reply("Hi")])
    return Effect.gen(function* () {
      const first = yield* Effect.forkChild(collect)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(textOf(yield* Fiber.join(first)), "Hi")
      const second = yield* Effect.forkChild(Effect.flip(collect))
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual(second.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 second")
      assert.match((yield* Fiber.join(second)).message, /no further event/)
      assert.strictEqual(primary.inFlight(), 0)
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("closes the upstream and records `cancelled` when the consumer leaves", () => {
    const primary = Testing.script([Testing.reply(["a", "b", "c"], { tokenDelay: "1 second" })])
    const backup = Testing.script([Testing.reply("unused")])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const scope = yield* Scope.make()
      const fiber = yield* Effect.forkChild(Scope.provide(router.chatStream(request), scope))
      yield* TestClock.adjust("2 seconds")
      const { receipt } = yield* Fiber.join(fiber)
      assert.strictEqual(primary.inFlight(), 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(primary.inFlight(), 0)
      assert.strictEqual(receipt.outcome, "cancelled")
    }).pipe(Effect.provide(layer({ primary, backup })))
  })

  it.effect("records `failure`, not `cancelled`, when no deployment was tried", () => {
    const limited = () => Testing.script([Testing.fail({ _tag: "RateLimited", retryAfter: Duration.minutes(1) })])
    return Effect.gen(function* () {
      yield* Effect.flip(collect)
      const { receipt } = yield* Effect.flip(collect)
      assert.deepStrictEqual([receipt?.outcome, receipt?.attempts.length], ["failure", 0])
    }).pipe(Effect.provide(layer({ primary: limited(), backup: limited() })))
  })

  it.effect("closes a half-open circuit at the first output of the probe", () => {
    const primary = Testing.script([
      Testing.fail({ _tag: "Authentication" }),
      Testing.reply(["a", "b", "c"], { tokenDelay: "1 second" }),
    ])
    const backup = Testing.script([Testing.reply("Hi")])
    return Effect.gen(function* () {
      yield* collect
      yield* TestClock.adjust("5 minutes")
      const probe = yield* Effect.forkChild(collect)
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(textOf(yield* collect), "Hi", "other calls fall back while the probe is under way")
      yield* TestClock.adjust("1500 millis")
      const other = yield* Effect.forkChild(collect)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(textOf(yield* Fiber.join(other)), "abc", "the circuit is closed after the first output")
      assert.strictEqual(textOf(yield* Fiber.join(probe)), "abc")
    }).pipe(Effect.provide(layer({ primary, backup })))
  })
})

describe("randomness", () => {
  const drawn = (seed: string) =>
    Effect.gen(function* () {
      const names: Array<string | undefined> = []
      for (let call = 0; call < 12; call++) names.push((yield* chat()).receipt.deployment)
      return names.join(" ")
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            a: Deployment.make({ model: "a", provider: Testing.script([Testing.reply("a")]).layer }),
            b: Deployment.make({ model: "b", provider: Testing.script([Testing.reply("b")]).layer, weight: 2 }),
            c: Deployment.make({ model: "c", provider: Testing.script([Testing.reply("c")]).layer, weight: 0 }),
          },
          routes: { assistant: Route.balance("shuffle", ["a", "b", "c"]) },
        }),
      ),
      Random.withSeed(seed),
    )

  it.effect("is determined by the seed", () =>
    Effect.gen(function* () {
      const first = yield* drawn("one")
      assert.strictEqual(yield* drawn("one"), first)
      assert.notStrictEqual(yield* drawn("two"), first)
      assert.notInclude(first, "c")
    }),
  )
})

describe("events", () => {
  it.effect("run the callbacks of a failover and a success, also those pending when the router stops", () => {
    const calls: Array<string> = []
    return Effect.gen(function* () {
      yield* Effect.provide(
        chat(),
        Router.layer({
          deployments: {
            primary: Deployment.make({
              model: "p",
              provider: Testing.script([Testing.fail({ _tag: "Permission" })]).layer,
            }),
            backup: Deployment.make({ model: "b", provider: Testing.script([Testing.reply("Hi")]).layer }),
          },
          routes: { assistant: Route.fallback("primary", "backup") },
          onFailover: ({ from, reason, to }) => Effect.sync(() => calls.push(`${from} -> ${to}: ${reason}`)),
          onSuccess: ({ deployment }) => Effect.sync(() => calls.push(`answered by ${deployment}`)),
        }),
      )
      assert.deepStrictEqual(calls, ["primary -> backup: Permission", "answered by backup"])
    })
  })

  it.effect("are streamed in order", () => {
    const primary = Testing.script([Testing.fail({ _tag: "Permission" })])
    const backup = Testing.script([Testing.reply("Hi")])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const seen = yield* router.events.pipe(
        Stream.map(({ _tag }) => _tag),
        Stream.takeUntil((tag) => tag === "CallEnded"),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true }),
      )
      yield* chat()
      assert.deepStrictEqual(yield* Fiber.join(seen), [
        "AttemptStarted",
        "AttemptEnded",
        "Failover",
        "AttemptStarted",
        "AttemptEnded",
        "CallEnded",
      ])
    }).pipe(Effect.provide(layer({ primary, backup })))
  })
})

describe("Router.layer", () => {
  it.effect("fails with every problem of its routes", () =>
    Effect.gen(function* () {
      const provider = Testing.script([Testing.reply("")]).layer
      const exit = yield* Effect.exit(
        Effect.scoped(
          Effect.provide(
            Effect.void,
            Router.layer({
              deployments: { a: Deployment.make({ model: "m", provider, weight: 0 }) },
              routes: {
                a: Route.to("a"),
                round: Route.fallback("a", "round"),
                wrong: Route.fallback("a", String("b")),
                never: Route.balance("shuffle", ["a"]),
              },
            }),
          ),
        ),
      )
      assert.isTrue(Exit.isFailure(exit))
      if (Exit.isSuccess(exit)) return
      const error = Cause.squash(exit.cause)
      assert.instanceOf(error, Router.InvalidRoutes)
      assert.deepStrictEqual(
        (error as Router.InvalidRoutes).problems.map(({ path }) => path),
        ["routes.a", "routes.round[1]", "routes.wrong[1]", "routes.never"],
      )
    }),
  )
})

describe("Router.status", () => {
  it.effect("gives every deployment, repeatedly", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      for (let times = 0; times < 2; times++) {
        assert.deepStrictEqual(
          (yield* router.status).map(({ circuit, deployment }) => [deployment, circuit]),
          [
            ["primary", "closed"],
            ["backup", "closed"],
          ],
        )
      }
    }).pipe(
      Effect.provide(
        layer({ primary: Testing.script([Testing.reply("")]), backup: Testing.script([Testing.reply("")]) }),
      ),
    ),
  )
})
