/**
 * The laws of affinity, over deployments that fail in every way and have limits: a conversation is where its last answer was, and
 * keeping it there exceeds no limit, no number of attempts and no deadline, and loses no call.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Deployment from "../../src/deployment/Deployment.ts"
import type { RouterError } from "../../src/execution/RouterError.ts"
import * as Chat from "../../src/model/Chat.ts"
import type { Limits } from "../../src/policy/Limits.ts"
import type { Receipt } from "../../src/receipt/Receipt.ts"
import type { RouteEvent } from "../../src/receipt/RouteEvent.ts"
import * as Route from "../../src/route/Route.ts"
import { strategies } from "../../src/route/Strategy.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const names = ["a", "b", "c", "d"] as const
const [minute, ttl, total] = [60_000, 600_000, 8_000]
const retries = 1

const outcomes = [
  Testing.reply("Hi"),
  Testing.reply("Hi", { after: "2 seconds" }),
  Testing.fail({ _tag: "Overloaded" }),
  Testing.fail({ _tag: "RateLimited" }, { after: "20 millis" }),
  Testing.fail({ _tag: "Authentication" }),
  Testing.fail({ _tag: "Network" }, { output: "Half" }),
  Testing.hang(),
] as const
const limits: ReadonlyArray<Limits> = [{}, { rpm: 2 }, { concurrency: 1 }, { rpm: 3, concurrency: 2 }]

/** Milliseconds before a round of calls: all but the last leave conversations kept. */
const waits = [0, 1_000, 30_000, ttl + 1] as const

const indexOf = (values: ReadonlyArray<unknown>) =>
  Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: values.length - 1 }))

const deployment = Schema.Struct({
  limits: indexOf(limits),
  outcomes: Schema.Array(indexOf(outcomes)).check(Schema.isMaxLength(6)),
})
const callKind = Schema.Literals(["none", "complete", "streamed"])

/** Rounds of calls at once, at most one of each session. */
const world = {
  strategy: indexOf(strategies),
  deployments: Schema.Tuple([deployment, deployment, deployment, deployment]),
  rounds: Schema.Array(
    Schema.Struct({ wait: indexOf(waits), calls: Schema.Tuple([callKind, callKind, callKind]) }),
  ).check(Schema.isMaxLength(10)),
}

/** The receipt of a call, answered or not. */
const call = (
  router: Router.Router["Service"],
  session: string,
  kind: "complete" | "streamed",
): Effect.Effect<Receipt> => {
  const request: Chat.Request = { model: "assistant", messages: [Chat.user("Hello?")] }
  const made: Effect.Effect<Receipt, RouterError> =
    kind === "complete"
      ? Effect.map(router.chat(request, { session }), ({ receipt }) => receipt)
      : Effect.scoped(
          Effect.flatMap(router.chatStream(request, { session }), ({ frames, receipt }) =>
            Effect.as(Effect.exit(Stream.runDrain(frames)), receipt),
          ),
        )
  return Effect.map(Effect.exit(made), (exit) => {
    if (Exit.isSuccess(exit)) return exit.value
    const { receipt } = Option.getOrThrow(Cause.findErrorOption(exit.cause))
    assert.isDefined(receipt, "a call that fails has a receipt")
    return receipt
  })
}

/** Counts attempts as they start and end, and holds them to the limits of their deployments. */
const withinLimits = (limitsOf: ReadonlyMap<string, Limits>, clock: Clock.Clock) => {
  const running = new Map<string, number>()
  const started = new Map<string, ReadonlyArray<number>>()
  return (event: RouteEvent): void => {
    if (event._tag === "AttemptEnded") {
      const { deployment } = event.attempt
      running.set(deployment, (running.get(deployment) ?? 0) - 1)
    }
    if (event._tag !== "AttemptStarted") return
    const { deployment } = event
    const { concurrency = Infinity, rpm = Infinity } = limitsOf.get(deployment) ?? {}
    const atOnce = (running.get(deployment) ?? 0) + 1
    running.set(deployment, atOnce)
    assert.isAtMost(atOnce, concurrency, `attempts at once at ${deployment}`)
    const now = clock.currentTimeMillisUnsafe()
    const recent = [...(started.get(deployment) ?? []), now].filter((at) => at > now - minute)
    started.set(deployment, recent)
    // The limiter gives requests back bit by bit: in a minute there may be as many as it holds, and as many as it gives back.
    assert.isAtMost(recent.length, 2 * rpm, `attempts in a minute at ${deployment}`)
  }
}

/** No call is lost: one that fails has tried or skipped every deployment, unless its time was over or its error final. */
const triedAll = ({ attempts, deployment, millis = 0, outcome, skipped }: Receipt): void => {
  const isOver = millis >= total || attempts.some(({ reason }) => reason === "Timeout")
  for (const name of names) {
    const tries = attempts.filter((attempt) => attempt.deployment === name).length
    // One more where every circuit is open: the one that reopens first is probed.
    assert.isAtMost(tries, 1 + retries + 1, `attempts at ${name}`)
    if (outcome !== "failure" || deployment !== undefined || isOver) continue
    assert.isTrue(tries > 0 || skipped.some((skip) => skip.deployment === name), `${name} was forgotten`)
  }
  assert.isAtMost(millis, total, "the deadline of the call")
}

/** What a receipt says of its conversation, which is kept on `kept`, is so. */
const isTrue = ({ affinity, attempts, deployment, skipped }: Receipt, kept: string | undefined): void => {
  const [first] = attempts
  if (kept !== undefined && first !== undefined && !skipped.some((skip) => skip.deployment === kept)) {
    assert.strictEqual(first.deployment, kept, "the deployment that keeps the conversation is tried first")
  }
  switch (affinity?.result) {
    case "new":
      return assert.isUndefined(kept)
    case "kept":
      return assert.strictEqual(deployment, kept)
    case "moved": {
      assert.strictEqual(affinity.from, kept)
      assert.notStrictEqual(deployment, kept)
      const reasons: ReadonlyArray<unknown> = [
        ...attempts.flatMap((attempt) => (attempt.deployment === kept ? [attempt.reason] : [])),
        ...skipped.flatMap((skip) => (skip.deployment === kept ? [skip.reason._tag] : [])),
      ]
      return assert.include(reasons, affinity.reason)
    }
  }
}

describe("any balance with affinity", () => {
  it.effect.prop(
    "keeps conversations where they were answered, within limits, attempts and deadlines, and loses no call",
    world,
    ({ deployments, rounds, strategy }) => {
      const scripts = deployments.map((deployment) => {
        const [first = outcomes[0], ...others] = deployment.outcomes.map((index) => outcomes[index] ?? outcomes[0])
        return Testing.script([first, ...others, outcomes[0]])
      })
      const limitsOf = new Map(
        names.map((name, index): [string, Limits] => [name, limits[deployments[index]?.limits ?? 0] ?? {}]),
      )
      const layer = Router.layer({
        deployments: Object.fromEntries(
          names.map((name, index) => [
            name,
            Deployment.make({ model: name, provider: scripts[index]!.layer, limits: limitsOf.get(name) }),
          ]),
        ),
        routes: {
          assistant: Route.balance(strategies[strategy] ?? "ordered", names, { affinity: { for: ttl } }).pipe(
            Route.retry({ times: retries, base: 100, max: 100 }),
            Route.timeout({ firstToken: "3 seconds", attempt: "3 seconds", total }),
          ),
        },
      })
      return Effect.gen(function* () {
        const router = yield* Router.Router
        const clock = yield* Clock.Clock
        yield* router.subscribe(withinLimits(limitsOf, clock))
        /** By session: where its last answer was, and until when it is kept there. */
        const kept = new Map<string, { readonly deployment: string; readonly until: number }>()
        for (const { calls, wait } of rounds) {
          yield* TestClock.adjust(waits[wait] ?? 0)
          const begun = clock.currentTimeMillisUnsafe()
          const made = calls.flatMap((kind, session) => (kind === "none" ? [] : [{ kind, session: String(session) }]))
          const fiber = yield* Effect.forkChild(
            Effect.forEach(made, ({ kind, session }) => call(router, session, kind), { concurrency: "unbounded" }),
          )
          yield* TestClock.adjust("20 seconds")
          const receipts = yield* Fiber.join(fiber)
          made.forEach(({ session }, index) => {
            const receipt = receipts[index]!
            const before = kept.get(session)
            const current = before !== undefined && begun < before.until ? before.deployment : undefined
            triedAll(receipt)
            isTrue(receipt, current)
            const deployment = receipt.affinity === undefined ? current : receipt.deployment
            if (deployment !== undefined) kept.set(session, { deployment, until: begun + ttl })
          })
        }
        assert.deepStrictEqual(
          scripts.map((script) => script.inFlight()),
          names.map(() => 0),
        )
      }).pipe(Effect.scoped, Effect.provide(layer))
    },
    { arbitrary: { runs: 200 } },
  )
})
