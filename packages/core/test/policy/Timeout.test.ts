import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import type { Capabilities } from "../../src/model/Capabilities.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Explain from "../../src/inspect/Explain.ts"
import { Provider } from "../../src/model/Provider.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import type { RouterError } from "../../src/execution/RouterError.ts"
import * as Testing from "../../src/Testing.ts"

const ask: Chat.Request = { model: "assistant", messages: [Chat.user("Why?")] }
const thinking: Chat.Request = { ...ask, reasoning: { effort: "high" } }

/** A silent thinker with another behind it. */
const over = (thinker: Testing.Scripted, other: Testing.Scripted, options?: Partial<Deployment.Options>) =>
  Router.layer({
    deployments: {
      thinker: Deployment.make({ model: "thinker", provider: thinker.layer, ...options }),
      other: Deployment.make({ model: "other", provider: other.layer }),
    },
    routes: { assistant: Route.fallback("thinker", "other") },
  })

const reasons = { capabilities: { reasoning: true } }

describe("timeout.reasoning", () => {
  /** How long the thinker's silence is borne, in this request and with these options. */
  const borne = (request: Chat.Request, seconds: number, options?: Partial<Deployment.Options>) => {
    const thinker = Testing.script([Testing.hang()])
    const other = Testing.script([Testing.reply("I know")])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const fiber = yield* Effect.forkChild(Effect.scoped(router.chatStream(request)))
      yield* TestClock.adjust(`${seconds * 1000 - 1} millis`)
      assert.deepStrictEqual([thinker.inFlight(), other.requests.length], [1, 0], "a moment before")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).receipt.deployment, "other")
      assert.strictEqual(thinker.inFlight(), 0)
      const [told] = Explain.candidates((yield* router.explain(request, { streaming: true })).plan)
      assert.strictEqual(told?.policies.timeout.firstToken, seconds * 1000, "explained as it is")
    }).pipe(Effect.provide(over(thinker, other, options)))
  }

  it.effect("applies to a reasoning model in a call that requests reasoning", () => borne(thinking, 120, reasons))

  it.effect("applies to a reasoning budget as to an effort", () =>
    borne({ ...ask, reasoning: { budget: 4096 } }, 120, reasons),
  )

  it.effect("can be set on a deployment or a route", () =>
    borne(thinking, 300, { ...reasons, timeout: { reasoning: "5 minutes" } }),
  )

  it.effect("does not apply to a call without reasoning", () => borne(ask, 10, reasons))

  it.effect("does not apply to a call with effort none", () =>
    borne({ ...ask, reasoning: { effort: "none" } }, 10, reasons),
  )

  it.effect("does not apply to a model without the reasoning capability", () => borne(thinking, 10))

  it.effect("never shortens firstToken", () =>
    borne(thinking, 180, { ...reasons, timeout: { firstToken: "3 minutes" } }),
  )

  it.effect("allows a response after reasoning without output", () => {
    const thinker = Testing.script([Testing.reply("Because", { after: "100 seconds" })])
    const other = Testing.script([Testing.reply("I know")])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(
        Effect.flatMap(Router.Router, (router) => Effect.scoped(router.chatStream(thinking))),
      )
      yield* TestClock.adjust("100 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).receipt.deployment, "thinker")
      assert.strictEqual(other.requests.length, 0)
    }).pipe(Effect.provide(over(thinker, other, reasons)))
  })

  it.effect("applies to a deployment that resumes a broken stream, within the deadline of the call", () => {
    const broken = Testing.script([Testing.fail({ _tag: "Network" }, { output: "Be" })])
    const waits = (after: Duration.Input, total: Duration.Input) => {
      const thinker = Testing.script([Testing.reply("Because", { after })])
      return Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Effect.exit(Stream.runCollect(Router.stream(thinking))))
        yield* TestClock.adjust(after)
        yield* TestClock.adjust("1 millis")
        return yield* Fiber.join(fiber)
      }).pipe(
        Effect.provide(
          Router.layer({
            deployments: {
              broken: Deployment.make({ model: "broken", provider: broken.layer }),
              thinker: Deployment.make({ model: "thinker", provider: thinker.layer, ...reasons }),
            },
            routes: {
              assistant: Route.fallback("broken", "thinker").pipe(
                Route.stream({ protect: "continue" }),
                Route.timeout({ total }),
              ),
            },
          }),
        ),
      )
    }
    return Effect.gen(function* () {
      assert.strictEqual((yield* waits("100 seconds", "5 minutes"))._tag, "Success")
      assert.strictEqual((yield* waits("100 seconds", "1 minute"))._tag, "Failure")
    })
  })
})

describe("a deployment without output", () => {
  const kinds = {
    "of another vendor": {},
    "of a local server": { local: true },
    "of a model that thinks": { capabilities: { reasoning: true } },
  } as const

  interface Asking {
    readonly request?: Chat.Request
    readonly streaming?: boolean
    /** What comes of the silent one, if not nothing at all. */
    readonly begun?: Testing.Outcome
  }

  /** When the silent one was given up, in seconds; undefined if only the call's end did that. */
  const givenUp = (
    kind: { readonly local?: boolean; readonly capabilities?: Capabilities },
    route: Route.Route,
    { begun = Testing.hang(), request = thinking, streaming = true }: Asking = {},
    timeout?: Deployment.Options["timeout"],
  ) => {
    const silent = Testing.script([begun])
    const other = Testing.script([Testing.fail({ _tag: "Permission" }), Testing.reply("I know")])
    const layer = Layer.effect(
      Provider,
      Effect.map(Effect.provide(Provider, silent.layer), (provider) => ({ ...provider, local: kind.local })),
    )
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const call = Effect.asVoid<unknown, RouterError, never>(
        streaming ? Effect.scoped(router.chatStream(request)) : router.chat(request),
      )
      const fiber = yield* Effect.forkChild(Effect.exit(call), { startImmediately: true })
      let seconds = 0
      while (silent.inFlight() > 0 && seconds < 400) {
        yield* TestClock.adjust("1 second")
        seconds++
      }
      yield* Fiber.interrupt(fiber)
      return seconds
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            silent: Deployment.make({ model: "s", provider: layer, capabilities: kind.capabilities, timeout }),
            other: Deployment.make({ model: "o", provider: other.layer }),
          },
          routes: { assistant: route },
        }),
      ),
    )
  }

  const first = Route.fallback("silent", "other")
  const last = Route.fallback("other", "silent")
  const only = Route.to("silent")

  for (const [name, kind] of Object.entries(kinds)) {
    const [firstToken, attempt] = name === "of another vendor" ? [10, 60] : [120, 300]
    it.effect(`times out ${name} when another deployment follows`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* givenUp(kind, first), firstToken)
        assert.strictEqual(yield* givenUp(kind, first, { streaming: false }), attempt)
      }),
    )

    it.effect(`waits for ${name} until the deadline when no deployment follows`, () =>
      Effect.gen(function* () {
        for (const route of [last, only, Route.timeout({ total: "4 minutes" })(last)]) {
          for (const streaming of [true, false]) {
            assert.strictEqual(yield* givenUp(kind, route, { streaming }), route._tag === "Policies" ? 240 : 300)
          }
        }
      }),
    )

    it.effect(`times out ${name} by the configured timeout at any place`, () =>
      Effect.gen(function* () {
        const said = { firstToken: "4 seconds", reasoning: "4 seconds", attempt: "5 seconds" } as const
        for (const route of [first, last]) {
          assert.strictEqual(yield* givenUp(kind, route, {}, said), 4)
          assert.strictEqual(yield* givenUp(kind, route, { streaming: false }, said), 5)
        }
      }),
    )
  }

  it.effect("gets the local model's longer timeout only before its first event", () =>
    Effect.gen(function* () {
      const local = kinds["of a local server"]
      const begun = Testing.hang({ after: "50 seconds", output: [] })
      assert.strictEqual(yield* givenUp(local, first, { begun }), 60)
      assert.strictEqual(yield* givenUp(local, last, { begun }), 300, "where nobody is behind it")
      assert.strictEqual(yield* givenUp(local, first, { begun }, { firstToken: "70 seconds" }), 70, "as it is said")
      assert.strictEqual(
        yield* givenUp({ ...local, capabilities: { reasoning: true } }, first, { begun }),
        120,
        "thinking",
      )
    }),
  )

  it.effect("is followed by a branch for Timeout, but not by a branch for another reason", () =>
    Effect.gen(function* () {
      const vendor = kinds["of another vendor"]
      assert.strictEqual(yield* givenUp(vendor, only.pipe(Route.onContextWindow("other"))), 300)
      assert.strictEqual(yield* givenUp(vendor, only.pipe(Route.onError(["Timeout"], "other"))), 10)
    }),
  )

  it.effect("has timeouts in explain that never exceed the call's total", () => {
    const provider = Testing.script([Testing.reply("")]).layer
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const { plan } = yield* router.explain(ask, { streaming: true })
      assert.deepStrictEqual(
        Explain.candidates(plan).map(({ policies: { timeout } }) => [timeout.firstToken, timeout.attempt]),
        [
          [10_000, 60_000],
          [300_000, 300_000],
        ],
      )
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            a: Deployment.make({ model: "a", provider }),
            b: Deployment.make({ model: "b", provider }),
          },
          routes: { assistant: Route.fallback("a", "b") },
        }),
      ),
    )
  })
})
