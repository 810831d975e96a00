import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Schema from "effect/Schema"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import type { Fault } from "../../src/policy/Fault.ts"
import type { Receipt } from "../../src/receipt/Receipt.ts"
import type { RouterError } from "../../src/execution/RouterError.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"
import { chat, during, request, textOf } from "../support/TestRouter.ts"

const texts = ["one ", "two ", "three ", "four"]

const answers = () => Testing.script([Testing.reply(texts)])

/** `primary` with faults, then `backup`; without retries and circuits, so that every call tries `primary`. */
const layer = (
  primary: Testing.Scripted,
  backup: Testing.Scripted,
  faults: ReadonlyArray<Fault>,
  route: Route.Route = Route.fallback("primary", "backup"),
) =>
  Router.layer({
    deployments: {
      primary: Deployment.make({
        model: "primary",
        provider: primary.layer,
        faults,
        price: { input: 1, output: 2, request: 3 },
        circuit: { failures: 1000 },
      }),
      backup: Deployment.make({ model: "backup", provider: backup.layer, circuit: { failures: 1000 } }),
    },
    routes: { assistant: route.pipe(Route.retry({ times: 0 })) },
  })

const start = (
  target = "primary",
  options: { readonly for?: Duration.Input; readonly faults?: ReadonlyArray<string> } = {},
) => Effect.flatMap(Router.Router, ({ faults }) => faults.start(target, { for: "10 minutes", ...options }))

const stop = (target?: string) => Effect.flatMap(Router.Router, ({ faults }) => faults.stop(target))

interface Streamed {
  readonly text: string
  readonly parts: ReadonlyArray<Chat.Part>
  readonly receipt: Receipt
  readonly isComplete: boolean
}

/** What a streamed call brings, and how it ends. */
const stream: Effect.Effect<Streamed, RouterError, Router.Router> = Effect.scoped(
  Effect.gen(function* () {
    const router = yield* Router.Router
    const { frames, receipt } = yield* router.chatStream(request)
    const parts: Array<Chat.Part> = []
    const result = yield* Effect.result(
      Stream.runForEach(frames, (frame) => Effect.sync(() => void parts.push(...frame.parts))),
    )
    return { text: textOf(parts), parts, receipt, isComplete: Result.isSuccess(result) }
  }),
)

/** A complete response, as `stream` gives one. */
const answered: Effect.Effect<Pick<Streamed, "receipt" | "text">, RouterError, Router.Router> = Effect.map(
  chat(),
  ({ receipt, response }) => ({ receipt, text: Chat.text(response) }),
)

describe("FaultInjection", () => {
  it.effect("injects nothing until it is switched on", () => {
    const [primary, backup] = [answers(), answers()]
    return Effect.gen(function* () {
      const { receipt } = yield* chat()
      assert.deepStrictEqual(
        receipt.attempts.map(({ deployment, injected }) => [deployment, injected]),
        [["primary", undefined]],
      )
      const [status] = yield* Effect.flatMap(Router.Router, ({ faults }) => faults.status)
      assert.deepStrictEqual(status, {
        target: "primary",
        kind: "deployment",
        faults: [{ share: 1, status: 503 }],
        active: undefined,
      })
    }).pipe(Effect.provide(layer(primary, backup, [{ share: 1, status: 503 }])))
  })

  it.effect("aborts with the reason of the status, without a call to the provider and without a cost", () => {
    const [primary, backup] = [answers(), answers()]
    return Effect.gen(function* () {
      yield* start()
      const { receipt, response } = yield* chat()
      assert.strictEqual(Chat.text(response), texts.join(""))
      const [failed, rescued] = receipt.attempts
      assert.deepInclude(failed, {
        deployment: "primary",
        model: "primary",
        outcome: "failure",
        millis: 0,
        reason: "RateLimited",
        status: 429,
        message: 'injected fault "quota": status 429',
        injected: "quota",
      })
      assert.strictEqual(rescued?.deployment, "backup")
      assert.isUndefined(rescued?.injected)
      assert.isUndefined(failed?.usage)
      assert.isUndefined(failed?.cost)
      assert.lengthOf(primary.requests, 0)
      const status = yield* Effect.flatMap(Router.Router, (router) => router.status)
      assert.strictEqual(status[0]?.cooldown, 20_000, "the injected Retry-After starts a cooldown")
    }).pipe(
      Effect.provide(layer(primary, backup, [{ name: "quota", share: 1, status: 429, retryAfter: "20 seconds" }])),
    )
  })

  it.effect("makes a deployment unreachable for chat, streams and embeddings", () => {
    const [primary, backup] = [answers(), Testing.script([Testing.vectors([[1]]), Testing.reply("Hi")])]
    return Effect.gen(function* () {
      yield* start()
      const router = yield* Router.Router
      const { receipt } = yield* router.embed({ model: "assistant", input: ["text"] })
      assert.deepStrictEqual(
        receipt.attempts.map(({ deployment, injected, reason }) => [deployment, reason, injected]),
        [
          ["primary", "Network", "outage"],
          ["backup", undefined, undefined],
        ],
      )
      assert.strictEqual((yield* stream).text, "Hi")
      assert.strictEqual(primary.requests.length + primary.embeddings.length, 0)
    }).pipe(Effect.provide(layer(primary, backup, [{ share: 1, outage: true }])))
  })

  it.effect("adds latency before the provider is called", () => {
    const [primary, backup] = [answers(), answers()]
    return Effect.gen(function* () {
      yield* start()
      const { receipt } = yield* during("2 seconds", chat())
      assert.deepStrictEqual(
        receipt.attempts.map(({ deployment, injected, millis, outcome }) => [deployment, outcome, millis, injected]),
        [["primary", "success", 2000, "slow"]],
      )
      assert.isAbove(receipt.attempts[0]?.cost ?? 0, 3, "a call to the provider has its cost")
      const { receipt: streamed, text } = yield* during("2 seconds", stream)
      assert.strictEqual(streamed.firstTokenMillis, 2000)
      assert.strictEqual(text, texts.join(""))
    }).pipe(Effect.provide(layer(primary, backup, [{ name: "slow", share: 1, latency: "2 seconds" }])))
  })

  it.effect("fails after the latency when a fault has both", () => {
    const [primary, backup] = [answers(), answers()]
    return Effect.gen(function* () {
      yield* start()
      const { receipt } = yield* during("3 seconds", chat())
      assert.deepStrictEqual(
        receipt.attempts.map(({ deployment, millis, status }) => [deployment, millis, status]),
        [
          ["primary", 3000, 504],
          ["backup", 0, undefined],
        ],
      )
      assert.lengthOf(primary.requests, 0)
    }).pipe(Effect.provide(layer(primary, backup, [{ share: 1, latency: "3 seconds", status: 504 }])))
  })

  it.effect("breaks a stream after its tokens, and closes the upstream", () => {
    const [primary, backup] = [answers(), answers()]
    return Effect.gen(function* () {
      yield* start()
      const { isComplete, receipt, text } = yield* stream
      assert.strictEqual(text, "one two ")
      assert.isFalse(isComplete)
      assert.deepStrictEqual(
        receipt.attempts.map(({ deployment, injected, reason }) => [deployment, reason, injected]),
        [["primary", "Network", "disconnectAfterTokens"]],
      )
      assert.isAbove(receipt.attempts[0]?.usage?.outputTokens ?? 0, 0, "what was sent is counted")
      assert.strictEqual(primary.inFlight(), 0)
      const complete = yield* chat()
      assert.strictEqual(Chat.text(complete.response), texts.join(""))
      assert.isUndefined(complete.receipt.attempts[0]?.injected, "a complete response has no tokens to break after")
    }).pipe(Effect.provide(layer(primary, backup, [{ share: 1, disconnectAfterTokens: 2 }])))
  })

  it.effect("falls back when a stream breaks before its first token, without a call to the provider", () => {
    const [primary, backup] = [answers(), answers()]
    return Effect.gen(function* () {
      yield* start()
      const { receipt, text } = yield* stream
      assert.strictEqual(text, texts.join(""))
      assert.deepStrictEqual(
        receipt.attempts.map(({ deployment, outcome }) => [deployment, outcome]),
        [
          ["primary", "failure"],
          ["backup", "success"],
        ],
      )
      assert.lengthOf(primary.requests, 0)
    }).pipe(Effect.provide(layer(primary, backup, [{ share: 1, disconnectAfterTokens: 0 }])))
  })

  it.effect("stalls a stream until the idle timeout", () => {
    const [primary, backup] = [answers(), answers()]
    return Effect.gen(function* () {
      yield* start()
      const { isComplete, receipt, text } = yield* during("1 minute", stream)
      assert.strictEqual(text, "one ")
      assert.isFalse(isComplete)
      assert.strictEqual(receipt.attempts[0]?.reason, "Timeout")
      assert.strictEqual(receipt.attempts[0]?.injected, "stallAfterTokens")
      assert.strictEqual(primary.inFlight(), 0)
    }).pipe(Effect.provide(layer(primary, backup, [{ share: 1, stallAfterTokens: 1 }])))
  })

  it.effect("lets what is stalled and delayed go on when it is switched off", () => {
    const [primary, backup] = [answers(), answers()]
    return Effect.gen(function* () {
      yield* start()
      const stalled = yield* Effect.forkChild(stream)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* stop(), ["primary"])
      const { isComplete, text } = yield* Fiber.join(stalled)
      assert.isTrue(isComplete)
      assert.strictEqual(text, texts.join(""))

      yield* start("assistant")
      const delayed = yield* Effect.forkChild(chat())
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* stop("assistant"), ["assistant"])
      const { receipt } = yield* Fiber.join(delayed)
      assert.strictEqual(receipt.millis, 5000)
      assert.strictEqual(receipt.deployment, "primary")
    }).pipe(
      Effect.provide(
        layer(
          primary,
          backup,
          [{ share: 1, stallAfterTokens: 1 }],
          Route.fallback("primary", "backup").pipe(Route.faults([{ share: 1, latency: "10 minutes" }])),
        ),
      ),
    )
  })

  it.effect("answers with a refusal for each choice, and caches none", () => {
    const [primary, backup] = [answers(), answers()]
    return Effect.gen(function* () {
      yield* start()
      const router = yield* Router.Router
      const { receipt, response } = yield* router.chat({ ...request, sampling: { n: 2 } })
      const refusal: Chat.Choice = { content: [{ type: "refusal", text: "No." }], finishReason: "refusal" }
      assert.deepInclude(response, refusal)
      assert.deepStrictEqual(response.alternatives, [refusal])
      assert.strictEqual(receipt.outcome, "success")
      assert.isUndefined(receipt.attempts[0]?.cost)
      assert.isUndefined(receipt.attempts[0]?.usage)
      const streamed = yield* stream
      assert.deepStrictEqual(
        streamed.parts.map(({ type }) => type),
        ["start", "refusal", "finish", "usage"],
      )
      yield* chat()
      yield* stop()
      assert.strictEqual(Chat.text((yield* chat()).response), texts.join(""))
      assert.strictEqual((yield* stream).text, texts.join(""))
      assert.strictEqual((yield* chat()).receipt.cache, "hit")
    }).pipe(
      Effect.provide(
        layer(
          primary,
          backup,
          [{ share: 1, refusal: "No." }],
          Route.fallback("primary", "backup").pipe(Route.cache({ ttl: "1 hour" })),
        ),
      ),
    )
  })

  it.effect("is off after its time", () => {
    const [primary, backup] = [answers(), answers()]
    return Effect.gen(function* () {
      yield* start("primary", { for: "5 minutes" })
      yield* TestClock.adjust("299 seconds")
      assert.strictEqual((yield* chat()).receipt.deployment, "backup")
      yield* TestClock.adjust("1 second")
      const router = yield* Router.Router
      assert.isUndefined((yield* router.faults.status)[0]?.active)
      assert.deepStrictEqual(yield* router.faults.stop(), [])
      const { receipt } = yield* chat()
      assert.deepStrictEqual(
        receipt.attempts.map(({ deployment, injected }) => [deployment, injected]),
        [["primary", undefined]],
      )
    }).pipe(Effect.provide(layer(primary, backup, [{ share: 1, status: 503 }])))
  })

  it.effect("replaces what was on, for a time of its own, and switches on faults by name", () => {
    const [primary, backup] = [answers(), answers()]
    return Effect.gen(function* () {
      yield* start("primary", { for: "1 minute" })
      const { active } = yield* start("primary", { for: "10 minutes", faults: ["b"] })
      assert.deepStrictEqual(active, { faults: [{ name: "b", share: 0.5, status: 401 }], until: 600_000 })
      yield* TestClock.adjust("5 minutes")
      const [status] = yield* Effect.flatMap(Router.Router, ({ faults }) => faults.status)
      assert.strictEqual(status?.active?.until, 600_000)
    }).pipe(
      Effect.provide(
        layer(primary, backup, [
          { name: "a", share: 0.5, status: 500 },
          { name: "b", share: 0.5, status: 401 },
        ]),
      ),
    )
  })

  it.effect("injects the faults of a route into the attempts of its calls alone", () => {
    const [primary, backup] = [answers(), answers()]
    return Effect.gen(function* () {
      yield* start("assistant")
      const router = yield* Router.Router
      const failed = yield* Effect.flip(chat())
      assert.deepStrictEqual(
        failed.receipt?.attempts.map(({ deployment, injected }) => [deployment, injected]),
        [
          ["primary", "outage"],
          ["backup", "outage"],
        ],
      )
      const { receipt } = yield* router.chat({ ...request, model: "primary" })
      assert.isUndefined(receipt.attempts[0]?.injected)
    }).pipe(
      Effect.provide(
        layer(
          primary,
          backup,
          [],
          Route.fallback("primary", "backup").pipe(Route.faults([{ name: "outage", share: 1, status: 500 }])),
        ),
      ),
    )
  })

  it.effect("injects the same faults with the same seed, in the share of attempts that is configured", () => {
    const drawn = Effect.gen(function* () {
      yield* start()
      const names: Array<string | undefined> = []
      for (let call = 0; call < 400; call++) names.push((yield* chat()).receipt.attempts[0]?.injected)
      return names
    }).pipe(
      Effect.provide(
        layer(answers(), answers(), [
          { name: "a", share: 0.25, status: 500 },
          { name: "b", share: 0.5, status: 503 },
        ]),
      ),
      Random.withSeed("game day"),
    )
    return Effect.gen(function* () {
      const names = yield* drawn
      assert.deepStrictEqual(yield* drawn, names)
      const count = (wanted: string | undefined) => names.filter((name) => name === wanted).length
      assert.approximately(count("a"), 100, 30)
      assert.approximately(count("b"), 200, 30)
      assert.approximately(count(undefined), 100, 30)
    })
  })

  it.effect("opens the circuit as the vendor's failures would", () => {
    const [primary, backup] = [answers(), answers()]
    return Effect.gen(function* () {
      yield* start()
      yield* chat()
      const { receipt } = yield* chat()
      assert.deepStrictEqual(
        receipt.skipped.map(({ deployment, reason }) => [deployment, reason._tag]),
        [["primary", "CircuitOpen"]],
      )
    }).pipe(Effect.provide(layer(primary, backup, [{ share: 1, status: 401 }])))
  })

  it.effect("names what it cannot switch", () =>
    Effect.gen(function* () {
      const unknown = yield* Effect.flip(start("backup"))
      assert.deepStrictEqual(
        [unknown.field, unknown.message],
        ["target", '"backup" has no faults. Those with faults: primary'],
      )
      const misnamed = yield* Effect.flip(start("primary", { faults: ["slow"] }))
      assert.deepStrictEqual(
        [misnamed.field, misnamed.message],
        ["faults", '"slow" is no fault of "primary". Its faults: status'],
      )
      assert.strictEqual((yield* Effect.flip(start("primary", { faults: [] }))).field, "faults")
      assert.strictEqual((yield* Effect.flip(start("primary", { for: 0 }))).field, "for")
      assert.strictEqual((yield* Effect.flip(start("primary", { for: Duration.infinity }))).field, "for")
      assert.strictEqual((yield* Effect.flip(stop("backup"))).field, "target")
    }).pipe(Effect.provide(layer(answers(), answers(), [{ share: 1, status: 503 }]))),
  )

  it.effect("is off after a reload that changes or removes its faults, and stays on after others", () => {
    const [primary, backup] = [answers(), answers()]
    const options = (faults: ReadonlyArray<Fault>, weight: number) => ({
      deployments: {
        primary: Deployment.make({ model: "primary", provider: primary.layer, faults, weight }),
        backup: Deployment.make({ model: "backup", provider: backup.layer }),
      },
      routes: { assistant: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
    })
    const fault: Fault = { share: 1, latency: "1 second", status: 503 }
    return Effect.gen(function* () {
      const { reload } = yield* Router.Reload
      const router = yield* Router.Router
      yield* start()
      yield* reload(options([{ ...fault }], 2))
      assert.strictEqual((yield* router.faults.status)[0]?.active?.until, 600_000)
      yield* reload(options([{ ...fault, status: 500 }], 2))
      assert.deepStrictEqual(
        (yield* router.faults.status).map(({ active, target }) => [target, active]),
        [["primary", undefined]],
      )
      yield* start()
      yield* reload(options([], 2))
      assert.deepStrictEqual(yield* router.faults.status, [])
      yield* reload(options([fault], 2))
      assert.isUndefined((yield* router.faults.status)[0]?.active)
      assert.isUndefined((yield* chat()).receipt.attempts[0]?.injected)
    }).pipe(Effect.provide(Router.layer(options([fault], 1))))
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Laws
// ---------------------------------------------------------------------------------------------------------------------

const Kinds = {
  status: Schema.Struct({ status: Schema.Literals([401, 402, 403, 404, 408, 424, 429, 500, 502, 503, 504, 529]) }),
  outage: Schema.Struct({ outage: Schema.Literal(true) }),
  latency: Schema.Struct({ latency: Schema.Literals([1, 1000, 30_000]) }),
  disconnect: Schema.Struct({ disconnectAfterTokens: Schema.Literals([0, 1, 3, 9]) }),
  stall: Schema.Struct({ stallAfterTokens: Schema.Literals([0, 1, 3, 9]) }),
}

/** Faults that another deployment makes good. A refusal, and a status that blames the request, are answers. */
const Rescued = Schema.Union([Kinds.status, Kinds.outage, Kinds.latency, Kinds.disconnect, Kinds.stall])

describe("FaultInjection laws", () => {
  it.effect.prop(
    "changes nothing of any call while it is off",
    { fault: Rescued, share: Schema.Literals([0.1, 0.5, 1]), seed: Schema.Int, streams: Schema.Array(Schema.Boolean) },
    ({ fault, seed, share, streams }) => {
      const run = (faults: ReadonlyArray<Fault>) =>
        Effect.gen(function* () {
          yield* TestClock.setTime(0)
          const receipts: Array<object> = []
          for (const isStream of streams) {
            const { receipt } = yield* during<Pick<Streamed, "receipt">, RouterError, Router.Router>(
              "1 minute",
              isStream ? stream : answered,
            )
            receipts.push(receipt)
          }
          return { receipts, next: yield* Random.next }
        }).pipe(
          Effect.provide(
            layer(
              Testing.script([Testing.reply("a"), Testing.fail({ _tag: "ServerError" })]),
              answers(),
              faults,
              Route.balance("shuffle", ["primary", "backup"]).pipe(Route.faults(faults)),
            ),
          ),
          Random.withSeed(seed),
        )
      return Effect.gen(function* () {
        assert.deepStrictEqual(yield* run([{ ...fault, share }]), yield* run([]))
      })
    },
  )

  it.effect.prop(
    "has every call answered by the other deployment while one has a fault in every attempt, and none after its time",
    { fault: Rescued, streams: Schema.NonEmptyArray(Schema.Boolean) },
    ({ fault, streams }) => {
      const [primary, backup] = [answers(), answers()]
      return Effect.gen(function* () {
        yield* start("primary", { for: "1 day" })
        for (const isStream of streams) {
          const { receipt, text } = yield* during<Pick<Streamed, "receipt" | "text">, RouterError, Router.Router>(
            "2 minutes",
            isStream ? stream : answered,
          )
          assert.strictEqual(text, texts.join(""))
          assert.strictEqual(receipt.outcome, "success")
          for (const { deployment, injected, outcome } of receipt.attempts) {
            if (injected === undefined) assert.isTrue(outcome === "success")
            else assert.strictEqual(deployment, "primary")
          }
        }
        assert.strictEqual(primary.inFlight() + backup.inFlight(), 0)
        yield* TestClock.adjust("1 day")
        const before = primary.requests.length
        for (const isStream of streams) {
          const { receipt } = yield* during<Pick<Streamed, "receipt">, RouterError, Router.Router>(
            "2 minutes",
            isStream ? stream : answered,
          )
          assert.isTrue(receipt.attempts.every(({ injected }) => injected === undefined))
        }
        assert.strictEqual(primary.requests.length, before + streams.length)
      }).pipe(
        Effect.provide(
          layer(
            primary,
            backup,
            [{ ...fault, share: 1 }],
            Route.fallback("primary", "backup").pipe(Route.stream({ protect: "full" })),
          ),
        ),
      )
    },
  )
})
