import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Deployment from "@understudy/core/Deployment"
import type { Receipt } from "@understudy/core/Receipt"
import * as Route from "@understudy/core/Route"
import * as Router from "@understudy/core/Router"
import { IsCutOff } from "@understudy/core/internal/model/CutOff"
import * as Testing from "@understudy/core/Testing"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"

const deployment = (scripted: Testing.Scripted, options: Omit<Deployment.Options, "model"> = {}) =>
  Deployment.make({ model: "m", provider: scripted.layer, retry: { times: 0 }, ...options })

const unauthorized = () => Testing.script([Testing.fail({ _tag: "Authentication" })])
const overloaded = () => Testing.script([Testing.fail({ _tag: "Overloaded" })])
const throttled = () => Testing.script([Testing.fail({ _tag: "RateLimited" })])
const healthy = () => Testing.script([Testing.reply("Hi")])

const request = { model: "route", messages: [Chat.user("Hello")] }

/** The transitions that two calls publish, one a line. */
const transitions = (route: Route.Route, deployments: Record<string, Deployment.Deployment>, streaming = false) =>
  Effect.gen(function* () {
    const router = yield* Router.Router
    const lines: Array<string> = []
    yield* router.subscribe((event) => {
      if (event._tag === "Failover") lines.push(`${event.from} -> ${event.to}: ${event.reason}`)
      if (event._tag === "Hedged") lines.push(`${event.from} | ${event.to}`)
      if (event._tag === "DeploymentSkipped") lines.push(`(${event.deployment}: ${event.reason._tag})`)
    })
    const call = streaming ? Stream.runDrain(Router.stream(request)) : router.chat(request)
    for (const _ of [1, 2]) {
      const running = yield* Effect.forkChild(Effect.exit(call), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(running)
      lines.push("--")
    }
    return lines
  }).pipe(Effect.scoped, Effect.provide(Router.layer({ deployments, routes: { route } })))

describe("a call that is interrupted", () => {
  /** The receipts of a call, complete or streamed, and of its shadow, that are interrupted once both hang. */
  const interrupted = (streaming: boolean, isCutOff: boolean) =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      const receipts: Array<Receipt> = []
      yield* router.subscribe((event) => {
        if (event._tag === "CallEnded") receipts.push(event.receipt)
      })
      const call = streaming ? Stream.runDrain(Router.stream(request)) : router.chat(request)
      // In a fibre of its own within the one that is interrupted.
      const running = yield* Effect.forkChild(Effect.raceFirst(call, Effect.never), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(running)
      yield* router.stopShadows
      return receipts.map(({ attempts, error, outcome }) => [outcome, error, attempts[0]?.outcome])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Router.layer({
          deployments: {
            primary: deployment(Testing.script([Testing.hang({ output: "Hi" })])),
            shadow: deployment(Testing.script([Testing.hang()])),
          },
          routes: { route: Route.to("primary").pipe(Route.shadow({ to: "shadow", share: 1 })) },
        }),
      ),
      Effect.provideService(IsCutOff, () => isCutOff),
    )

  for (const streaming of [false, true]) {
    const how = streaming ? "streamed" : "complete"
    it.effect(`is cancelled, but has failed while the process ends its calls, though not its shadow: ${how}`, () =>
      Effect.gen(function* () {
        const cancelled = ["cancelled", undefined, "cancelled"]
        assert.deepStrictEqual(yield* interrupted(streaming, false), [cancelled, cancelled])
        assert.deepStrictEqual(yield* interrupted(streaming, true), [["failure", "Draining", "cancelled"], cancelled])
      }),
    )
  }
})

describe("CallRecorder", () => {
  for (const streaming of [false, true]) {
    const how = streaming ? "streamed" : "complete"
    it.effect(`publishes a failover from the attempt that failed, not from a skipped deployment: ${how}`, () =>
      Effect.gen(function* () {
        const deployments = {
          first: deployment(overloaded()),
          dead: deployment(unauthorized()),
          last: deployment(healthy()),
        }
        assert.deepStrictEqual(yield* transitions(Route.fallback("first", "dead", "last"), deployments, streaming), [
          "first -> dead: Overloaded",
          "dead -> last: Authentication",
          "--",
          "(dead: CircuitOpen)",
          "first -> last: Overloaded",
          "--",
        ])
      }),
    )

    it.effect(`publishes no failover if no attempt failed: ${how}`, () =>
      Effect.gen(function* () {
        const deployments = {
          blind: deployment(healthy(), { capabilities: { contextWindow: 1 } }),
          dead: deployment(unauthorized()),
          last: deployment(healthy()),
        }
        assert.deepStrictEqual(yield* transitions(Route.fallback("blind", "dead", "last"), deployments, streaming), [
          "(blind: ContextWindowTooSmall)",
          "dead -> last: Authentication",
          "--",
          "(blind: ContextWindowTooSmall)",
          "(dead: CircuitOpen)",
          "--",
        ])
      }),
    )

    it.effect(`publishes hedges and failovers of a race: ${how}`, () =>
      Effect.gen(function* () {
        const slow = Testing.script([Testing.reply("late", { after: "1 second" })])
        const deployments = { slow: deployment(slow), dead: deployment(unauthorized()), last: deployment(healthy()) }
        const race = Route.hedge({ after: "100 millis", budget: 1, across: ["slow", "dead", "last"] })
        assert.deepStrictEqual(yield* transitions(race, deployments, streaming), [
          "slow | dead",
          "dead -> last: Authentication",
          "--",
          "(dead: CircuitOpen)",
          "slow | last",
          "--",
        ])
      }),
    )
  }

  it.effect("publishes one failover for a deployment that is retried", () =>
    Effect.gen(function* () {
      const deployments = { first: deployment(throttled()), last: deployment(overloaded(), { retry: { times: 1 } }) }
      assert.deepStrictEqual(yield* transitions(Route.fallback("first", "last"), deployments), [
        "first -> last: RateLimited",
        "--",
        "first -> last: RateLimited",
        "--",
      ])
    }),
  )

  it.effect("publishes a failover from a stream that broke, not from a deployment skipped since", () =>
    Effect.gen(function* () {
      const broken = Testing.script([Testing.fail({ _tag: "Network" }, { output: "Once upon" })])
      const deployments = { broken: deployment(broken), dead: deployment(unauthorized()), last: deployment(healthy()) }
      const route = Route.fallback("broken", "dead", "last").pipe(Route.stream({ protect: "full" }))
      assert.deepStrictEqual(yield* transitions(route, deployments, true), [
        "broken -> dead: Network",
        "dead -> last: Authentication",
        "--",
        "(dead: CircuitOpen)",
        "broken -> last: Network",
        "--",
      ])
    }),
  )

  it.effect("records the model that was asked for and the client's protocol", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      const messages = [Chat.user("Hello")]
      const { receipt } = yield* router.chat({ model: "vendor/large", messages }, { protocol: "messages" })
      assert.deepStrictEqual([receipt.route, receipt.model, receipt.protocol], ["vendor/*", "vendor/large", "messages"])
    }).pipe(Effect.provide(Router.layer({ deployments: { "vendor/*": deployment(healthy()) } }))),
  )

  it.effect(
    "records when each attempt starts, why it is made, its first output and the Retry-After of its failure",
    () =>
      Effect.gen(function* () {
        const router = yield* Router.Router
        const ended = yield* Deferred.make<Receipt>()
        yield* router.subscribe((event) => {
          if (event._tag === "CallEnded") Deferred.doneUnsafe(ended, Effect.succeed(event.receipt))
        })
        yield* TestClock.setTime(1000)
        yield* Effect.forkChild(Stream.runDrain(Router.stream(request)), { startImmediately: true })
        yield* TestClock.adjust("10 seconds")
        const { attempts, startedAt } = yield* Deferred.await(ended)
        const shown = attempts.map(({ deployment, firstTokenMillis, millis, retryAfter, startedAt: at, type }) => {
          return { deployment, type, after: at - startedAt, millis, firstTokenMillis, retryAfter }
        })
        assert.deepStrictEqual(shown, [
          { deployment: "first", type: "initial", after: 0, millis: 300, firstTokenMillis: undefined, retryAfter: 700 },
          {
            deployment: "first",
            type: "retry",
            after: 1000,
            millis: 300,
            firstTokenMillis: undefined,
            retryAfter: 9000,
          },
          {
            deployment: "second",
            type: "fallback",
            after: 1300,
            millis: 250,
            firstTokenMillis: 250,
            retryAfter: undefined,
          },
          {
            deployment: "last",
            type: "continuation",
            after: 1550,
            millis: 400,
            firstTokenMillis: 400,
            retryAfter: undefined,
          },
        ])
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Router.layer({
            deployments: {
              first: Deployment.make({
                model: "m",
                retry: { times: 2 },
                provider: Testing.script([
                  Testing.fail({ _tag: "Overloaded", retryAfter: Duration.millis(700) }, { after: "300 millis" }),
                  Testing.fail({ _tag: "Overloaded", retryAfter: Duration.seconds(9) }, { after: "300 millis" }),
                ]).layer,
              }),
              second: deployment(
                Testing.script([Testing.fail({ _tag: "Network" }, { after: "250 millis", output: "Once upon" })]),
              ),
              last: deployment(Testing.script([Testing.reply("Once upon a time", { after: "400 millis" })])),
            },
            routes: { route: Route.fallback("first", "second", "last").pipe(Route.stream({ protect: "continue" })) },
          }),
        ),
      ),
  )

  it.effect("records what a call needs if a subscriber asks for it", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      const known: Chat.Request = {
        ...request,
        tools: [{ name: "look", parameters: {} }],
        sampling: { maxTokens: 50 },
      }
      const { receipt: before } = yield* router.chat(known)
      assert.isUndefined(before.needs)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* router.subscribe(
            () => undefined,
            (call) => call.endsWith("-2"),
          )
          const [{ receipt: second }, { receipt: third }] = [yield* router.chat(known), yield* router.chat(known)]
          assert.deepStrictEqual([...(second.needs?.requires ?? [])], ["tools"])
          assert.strictEqual(second.needs?.maxOutputTokens, 50)
          assert.isAbove(second.needs?.inputTokens ?? 0, 1)
          assert.isUndefined(third.needs)
        }),
      )
      assert.isUndefined((yield* router.chat(known)).receipt.needs)
    }).pipe(Effect.provide(Router.layer({ deployments: { route: deployment(healthy()) } }))),
  )
})
