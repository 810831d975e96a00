/** The laws of deployments with several accounts, over accounts that fail in every way. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Lint from "../../src/inspect/Lint.ts"
import * as Result from "effect/Result"
import { Provider } from "../../src/model/Provider.ts"
import { blamesAccount, ProviderError } from "../../src/model/ProviderError.ts"
import type { Reason } from "../../src/model/ProviderError.ts"
import type { Receipt } from "../../src/receipt/Receipt.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import { request } from "../support/TestRouter.ts"

const reasons: ReadonlyArray<Reason> = [
  // A short cooldown, several times: retries find the account available again.
  { _tag: "RateLimited" },
  { _tag: "RateLimited" },
  { _tag: "RateLimited" },
  { _tag: "RateLimited" },
  { _tag: "RateLimited" },
  { _tag: "RateLimited" },
  { _tag: "RateLimited" },
  { _tag: "RateLimited" },
  { _tag: "RateLimited", retryAfter: Duration.seconds(3) },
  { _tag: "RateLimited", retryAfter: Duration.seconds(40) },
  { _tag: "QuotaExhausted" },
  { _tag: "Authentication" },
  { _tag: "Permission" },
  { _tag: "ModelNotFound" },
  { _tag: "Overloaded" },
  { _tag: "ServerError" },
  { _tag: "Network" },
  { _tag: "Malformed" },
  { _tag: "Timeout", phase: "attempt" },
  { _tag: "ContentPolicy" },
  { _tag: "InvalidRequest" },
  { _tag: "Unsupported", feature: "tools" },
]

const blamed = new Set(reasons.filter(blamesAccount).map(({ _tag }) => _tag))

/** What an account does in each of its attempts: it answers, or fails for one of the reasons. */
const Outcome = Schema.Struct({
  fails: Schema.Union([
    Schema.Undefined,
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: reasons.length - 1 })),
  ]),
  millis: Schema.Literals([0, 20, 1500]),
})

const Scenario = Schema.Struct({
  accounts: Schema.Array(Schema.Array(Outcome).check(Schema.isMinLength(1), Schema.isMaxLength(4))).check(
    Schema.isMinLength(2),
    Schema.isMaxLength(4),
  ),
  times: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })),
  rpm: Schema.Union([Schema.Undefined, Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))]),
  concurrency: Schema.Union([Schema.Undefined, Schema.Literals([1, 2])]),
  calls: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 })),
  streaming: Schema.Boolean,
})

/** A provider that plays outcomes in turn, and what it saw: the times of its attempts, and the most that ran at once. */
const account = (outcomes: ReadonlyArray<typeof Outcome.Type>) => {
  const seen = { at: Array<number>(), running: 0, most: 0 }
  const attempt = Effect.suspend(() => {
    const { fails, millis } = outcomes[seen.at.length % outcomes.length]!
    return Effect.clockWith((clock) => {
      seen.at.push(clock.currentTimeMillisUnsafe())
      seen.running++
      seen.most = Math.max(seen.most, seen.running)
      const failed =
        fails === undefined
          ? Effect.void
          : Effect.fail(new ProviderError({ reason: reasons[fails]!, message: "failed" }))
      return Effect.andThen(millis === 0 ? Effect.void : Effect.sleep(millis), failed)
    })
  }).pipe(Effect.onExit(() => Effect.sync(() => seen.running--)))
  const finish = { type: "finish", reason: "stop" } as const
  const layer = Layer.succeed(Provider, {
    protocol: "played",
    chat: () =>
      Effect.as(attempt, { content: [{ type: "text" as const, text: "Hello" }], finishReason: "stop" as const }),
    stream: () =>
      Stream.concat(
        Stream.drain(Stream.fromEffect(attempt)),
        Stream.make({ parts: [{ type: "text" as const, text: "Hello" }, finish] }),
      ),
  })
  return { layer, seen }
}

const total = 30_000

describe("laws of deployments with several accounts", () => {
  it.effect.prop(
    "attempts never exceed the worst case of `check`, limits are those of each account, calls end, and none is lost while an account would be admitted",
    { scenario: Scenario },
    ({ scenario: { accounts, calls, concurrency, rpm, streaming, times } }) =>
      Effect.gen(function* () {
        const played = accounts.map(account)
        const limits = { ...(rpm === undefined ? {} : { rpm }), ...(concurrency === undefined ? {} : { concurrency }) }
        const options = { model: "m", limits }
        const routes = {
          assistant: Route.to("pool").pipe(Route.retry({ times, budget: 1 }), Route.timeout({ total })),
        }
        const [worst] = Result.getOrThrow(
          Lint.lint(routes, { pool: options }, {}, { accounts: new Map([["pool", accounts.length]]) }),
        ).worstCases
        assert.strictEqual(worst?.attempts, accounts.length + times)
        const deployments = { pool: Deployment.make({ ...options, provider: played.map(({ layer }) => layer) }) }
        const receipts: Array<Receipt> = []
        yield* Effect.gen(function* () {
          const router = yield* Router.Router
          yield* router.subscribe((event) => {
            if (event._tag === "CallEnded") receipts.push(event.receipt)
          })
          const call = streaming
            ? Effect.scoped(Effect.flatMap(router.chatStream(request), ({ frames }) => Stream.runDrain(frames)))
            : Effect.asVoid(router.chat(request))
          const running = yield* Effect.forEach(Array.from({ length: calls }), () =>
            Effect.forkChild(Effect.exit(call), { startImmediately: true }),
          )
          for (let step = 0; step < 65; step++) yield* TestClock.adjust(total / 60)
          const exits = yield* Effect.forEach(running, Fiber.join)
          for (const exit of exits) assert.isFalse(Exit.isFailure(exit) && Exit.hasDies(exit))
          const [pool] = yield* router.status
          assert.deepStrictEqual(
            [pool?.inFlight, pool?.accounts?.map(({ inFlight }) => inFlight)],
            [0, accounts.map(() => 0)],
          )
        }).pipe(Effect.scoped, Effect.provide(Layer.fresh(Router.layer({ deployments, routes }))))
        assert.lengthOf(receipts, calls)
        for (const receipt of receipts) {
          const { attempts, outcome, skipped } = receipt
          assert.isAtMost(attempts.length, accounts.length + times)
          assert.isAtMost(receipt.millis ?? Infinity, total)
          const last = attempts.at(-1)
          if (outcome !== "failure") continue
          // Lost for another reason than an account's, or no account was left: each was tried or skipped.
          const isLast = last?.reason !== undefined && !blamed.has(last.reason)
          const reached = new Set([...attempts, ...skipped].map(({ account }) => account))
          assert.isTrue(isLast || reached.size === accounts.length, JSON.stringify(receipt))
        }
        for (const { seen } of played) {
          assert.isAtMost(seen.most, concurrency ?? Infinity)
          // The bucket is full at first, and refills by `rpm` in a minute.
          assert.isAtMost(seen.at.length, rpm === undefined ? Infinity : rpm + Math.ceil((rpm * total) / 60_000))
        }
      }),
    { arbitrary: { runs: 200 } },
  )
})
