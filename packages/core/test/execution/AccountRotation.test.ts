import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Deployment from "../../src/deployment/Deployment.ts"
import type { Options } from "../../src/deployment/Deployment.ts"
import * as Explain from "../../src/inspect/Explain.ts"
import * as Chat from "../../src/model/Chat.ts"
import { ProviderError } from "../../src/model/ProviderError.ts"
import type { Reason } from "../../src/model/ProviderError.ts"
import type { Receipt } from "../../src/receipt/Receipt.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"
import { chat, during, request, textOf } from "../support/TestRouter.ts"

const rateLimited = (seconds?: number): Reason =>
  seconds === undefined ? { _tag: "RateLimited" } : { _tag: "RateLimited", retryAfter: Duration.seconds(seconds) }

const fails = (reason: Reason) => Testing.script([Testing.fail(reason)])
const answers = (text = "Hello") => Testing.script([Testing.reply(text)])

/** A router whose deployment `pool` has these accounts, with a deployment `backup`. */
const layer = (
  accounts: ReadonlyArray<Testing.Scripted>,
  options: {
    readonly route?: Route.Route
    readonly backup?: Testing.Scripted
    readonly deployment?: Partial<Options>
  } = {},
) =>
  Router.layer({
    deployments: {
      pool: Deployment.make({ model: "m", provider: accounts.map(({ layer }) => layer), ...options.deployment }),
      backup: Deployment.make({ model: "b", provider: (options.backup ?? answers("backup")).layer }),
    },
    routes: { assistant: options.route ?? Route.fallback("pool", "backup") },
  })

/** The deployments and accounts of a call's attempts: `pool#1`. */
const attempts = ({ attempts }: Receipt): ReadonlyArray<string> =>
  attempts.map(({ account, deployment }) => (account === undefined ? deployment : `${deployment}#${account}`))

const skipped = ({ skipped }: Receipt): ReadonlyArray<string> =>
  skipped.map(({ account, deployment, reason }) => `${deployment}#${account} ${reason._tag}`)

const counts = (accounts: ReadonlyArray<Testing.Scripted>): ReadonlyArray<number> =>
  accounts.map(({ requests }) => requests.length)

const ofAccount: ReadonlyArray<Reason> = [
  rateLimited(30),
  rateLimited(),
  { _tag: "QuotaExhausted" },
  { _tag: "Authentication" },
  { _tag: "Permission" },
  { _tag: "ModelNotFound" },
]

const ofOthers: ReadonlyArray<Reason> = [
  { _tag: "Overloaded" },
  { _tag: "ServerError" },
  { _tag: "Network" },
  { _tag: "Malformed" },
  { _tag: "LocalError" },
  { _tag: "Unsupported", feature: "tools" },
]

describe("a deployment with several accounts", () => {
  it.effect("rotates over them: each call starts one further", () => {
    const accounts = [answers(), answers(), answers()]
    return Effect.gen(function* () {
      const receipts = yield* Effect.replicateEffect(chat(), 7)
      assert.deepStrictEqual(
        receipts.flatMap(({ receipt }) => attempts(receipt)),
        ["pool#1", "pool#2", "pool#3", "pool#1", "pool#2", "pool#3", "pool#1"],
      )
      assert.deepStrictEqual(counts(accounts), [3, 2, 2])
    }).pipe(Effect.provide(layer(accounts)))
  })

  // The clock does not move: a call that waited would not end.
  for (const reason of ofAccount) {
    it.effect(`tries the next account at once after ${reason._tag}, and not again the one to blame`, () => {
      const accounts = [fails(reason), answers("two"), answers("three")]
      return Effect.gen(function* () {
        const { receipt, response } = yield* chat()
        assert.strictEqual(Chat.text(response), "two")
        assert.deepStrictEqual(attempts(receipt), ["pool#1", "pool#2"])
        assert.strictEqual(receipt.deployment, "pool")
        assert.deepStrictEqual(attempts((yield* chat()).receipt), ["pool#2"])
        assert.deepStrictEqual(attempts((yield* chat()).receipt), ["pool#3"])
        const next = (yield* chat()).receipt
        assert.deepStrictEqual(attempts(next), ["pool#2"])
        const why = reason._tag === "RateLimited" ? "CoolingDown" : "CircuitOpen"
        assert.deepStrictEqual(skipped(next), [`pool#1 ${why}`])
        assert.deepStrictEqual(counts(accounts).slice(0, 1), [1])
      }).pipe(Effect.provide(layer(accounts)))
    })
  }

  for (const reason of ofOthers) {
    it.effect(`tries no other account after ${reason._tag}, but the next deployment`, () => {
      const accounts = [fails(reason), answers(), answers()]
      const route = Route.fallback("pool", "backup").pipe(Route.retry({ times: 0 }))
      return Effect.gen(function* () {
        const { receipt, response } = yield* chat()
        assert.strictEqual(Chat.text(response), "backup")
        assert.deepStrictEqual(attempts(receipt), ["pool#1", "backup"])
        assert.deepStrictEqual(counts(accounts), [1, 0, 0])
      }).pipe(Effect.provide(layer(accounts, { route })))
    })
  }

  it.effect("tries no other account after a timeout", () => {
    const accounts = [Testing.script([Testing.hang()]), answers()]
    const route = Route.fallback("pool", "backup").pipe(Route.timeout({ attempt: "1 second" }))
    return Effect.gen(function* () {
      const { receipt } = yield* during("1 second", chat())
      assert.deepStrictEqual(attempts(receipt), ["pool#1", "backup"])
      assert.deepStrictEqual(counts(accounts), [1, 0])
    }).pipe(Effect.provide(layer(accounts, { route })))
  })

  it.effect("ends the call after an error of the request", () => {
    const accounts = [fails({ _tag: "InvalidRequest" }), answers()]
    return Effect.gen(function* () {
      const { kind } = yield* Effect.flip(chat())
      assert.strictEqual(kind, "InvalidRequest")
      assert.deepStrictEqual(counts(accounts), [1, 0])
    }).pipe(Effect.provide(layer(accounts)))
  })

  it.effect("retries a failure that is no account's on the account that had it", () => {
    const first = Testing.script([Testing.fail({ _tag: "ServerError" }), Testing.reply("again")])
    const accounts = [first, answers()]
    return Effect.gen(function* () {
      const { receipt, response } = yield* during("1 second", chat())
      assert.strictEqual(Chat.text(response), "again")
      assert.deepStrictEqual(attempts(receipt), ["pool#1", "pool#1"])
    }).pipe(Effect.provide(layer(accounts)))
  })

  it.effect("waits for the account whose Retry-After is the shortest when all are rate limited", () => {
    const accounts = [
      fails(rateLimited(20)),
      Testing.script([Testing.fail(rateLimited(2)), Testing.reply("two")]),
      fails(rateLimited(9)),
    ]
    return Effect.gen(function* () {
      const { receipt, response } = yield* during("2 seconds", chat())
      assert.strictEqual(Chat.text(response), "two")
      assert.deepStrictEqual(attempts(receipt), ["pool#1", "pool#2", "pool#3", "pool#2"])
      assert.deepStrictEqual(
        receipt.attempts.map(({ type }) => type),
        ["initial", "fallback", "fallback", "retry"],
      )
    }).pipe(Effect.provide(layer(accounts, { route: Route.to("pool") })))
  })

  it.effect("has at most one attempt for each account and one for each retry", () => {
    const accounts = [fails(rateLimited()), fails(rateLimited()), fails(rateLimited())]
    const route = Route.to("pool").pipe(Route.retry({ times: 2 }))
    return Effect.gen(function* () {
      const { kind, receipt, retryAfter } = yield* during("1 minute", Effect.flip(chat()))
      assert.strictEqual(kind, "RateLimited")
      assert.isAbove(retryAfter ?? 0, 0)
      assert.lengthOf(receipt?.attempts ?? [], 3 + 2)
    }).pipe(Effect.provide(layer(accounts, { route })))
  })

  it.effect("says when the next account can be tried, and names each", () => {
    const accounts = [fails(rateLimited(30)), fails({ _tag: "Authentication" })]
    return Effect.gen(function* () {
      const first = yield* Effect.flip(chat())
      assert.strictEqual(first.kind, "RateLimited")
      assert.include(first.message, "pool#1: RateLimited")
      assert.deepStrictEqual(attempts(first.receipt!), ["pool#1", "pool#2"])
      const second = yield* Effect.flip(chat())
      assert.strictEqual(second.kind, "RateLimited")
      assert.strictEqual(second.retryAfter, 30_000)
      assert.deepStrictEqual(skipped(second.receipt!), ["pool#2 CircuitOpen", "pool#1 CoolingDown"])
      assert.deepStrictEqual(counts(accounts), [1, 1])
    }).pipe(Effect.provide(layer(accounts, { route: Route.to("pool") })))
  })

  it.effect("is worth another call while one account only cools down, though the last was rejected", () => {
    const revoked = Testing.script([Testing.reply("Hello"), Testing.fail({ _tag: "Authentication" })])
    return Effect.gen(function* () {
      yield* chat()
      const error = yield* Effect.flip(chat())
      assert.deepStrictEqual(attempts(error.receipt!), ["pool#2"])
      assert.strictEqual(error.kind, "Upstream")
      assert.isUndefined(error.permanent)
      assert.strictEqual(error.retryAfter, 30_000)
    }).pipe(Effect.provide(layer([fails(rateLimited(30)), revoked], { route: Route.to("pool") })))
  })

  it.effect("tries an open circuit when every account and every deployment is refused", () => {
    const accounts = [
      fails(rateLimited(60)),
      Testing.script([Testing.fail({ _tag: "ServerError" }), Testing.reply("back")]),
    ]
    const route = Route.to("pool").pipe(Route.retry({ times: 0 }))
    const deployment = { circuit: { failures: 1, open: "30 seconds" } } as const
    return Effect.gen(function* () {
      const first = yield* Effect.flip(chat())
      assert.deepStrictEqual(attempts(first.receipt!), ["pool#1", "pool#2"])
      const { receipt, response } = yield* chat()
      assert.strictEqual(Chat.text(response), "back")
      assert.deepStrictEqual(attempts(receipt), ["pool#2"])
    }).pipe(Effect.provide(layer(accounts, { route, deployment })))
  })

  it.effect("gives each account the limits", () => {
    const accounts = [answers(), answers()]
    return Effect.gen(function* () {
      for (let call = 0; call < 4; call++) assert.deepStrictEqual(attempts((yield* chat()).receipt).length, 1)
      const { receipt } = yield* chat()
      assert.deepStrictEqual(attempts(receipt), ["backup"])
      assert.deepStrictEqual(skipped(receipt), ["pool#1 RateLimited", "pool#2 RateLimited"])
      assert.deepStrictEqual(counts(accounts), [2, 2])
    }).pipe(Effect.provide(layer(accounts, { deployment: { limits: { rpm: 2 } } })))
  })

  it.effect("gives each account the concurrency limit, and counts the calls in flight of all", () => {
    const accounts = [Testing.script([Testing.hang()]), Testing.script([Testing.hang()])]
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const running = yield* Effect.forEach([1, 2], () => Effect.forkChild(chat(), { startImmediately: true }))
      const [pool] = yield* router.status
      assert.deepStrictEqual([pool?.inFlight, pool?.accounts?.map(({ inFlight }) => inFlight)], [2, [1, 1]])
      const { receipt } = yield* chat()
      assert.deepStrictEqual(attempts(receipt), ["backup"])
      assert.deepStrictEqual(skipped(receipt), ["pool#1 ConcurrencyLimited", "pool#2 ConcurrencyLimited"])
      yield* Effect.forEach(running, Fiber.interrupt)
      const [ended] = yield* router.status
      assert.deepStrictEqual([ended?.inFlight, ended?.accounts?.map(({ inFlight }) => inFlight)], [0, [0, 0]])
    }).pipe(Effect.provide(layer(accounts, { deployment: { limits: { concurrency: 1 } } })))
  })

  it.effect("is one deployment of a balance, whatever the number of its accounts", () => {
    const accounts = [answers(), answers(), answers()]
    const backup = answers("backup")
    const route = Route.balance("round-robin", ["pool", "backup"])
    return Effect.gen(function* () {
      yield* Effect.replicateEffect(chat(), 6)
      assert.deepStrictEqual([counts(accounts), backup.requests.length], [[1, 1, 1], 3])
    }).pipe(Effect.provide(layer(accounts, { route, backup })))
  })

  it.effect("is one racer of a hedge, which goes on to its next account", () => {
    const accounts = [
      fails({ _tag: "Authentication" }),
      Testing.script([Testing.reply("slow", { after: "10 seconds" })]),
    ]
    const route = Route.hedge({ after: "1 second", across: ["pool", "backup"] })
    return Effect.gen(function* () {
      const { receipt, response } = yield* during("1 second", chat())
      assert.strictEqual(Chat.text(response), "backup")
      assert.deepStrictEqual(attempts(receipt).toSorted(), ["backup", "pool#1", "pool#2"])
    }).pipe(Effect.provide(layer(accounts, { route })))
  })

  it.effect("takes the error branch of the account that can be tried soonest, once all have failed", () => {
    const accounts = [fails({ _tag: "Authentication" }), fails(rateLimited(30))]
    const route = Route.to("pool").pipe(Route.onError(["RateLimited"], Route.to("backup")))
    return Effect.gen(function* () {
      const { receipt } = yield* chat()
      assert.deepStrictEqual(attempts(receipt), ["pool#1", "pool#2", "backup"])
    }).pipe(Effect.provide(layer(accounts, { route })))
  })

  it.effect("publishes which account is tried, skipped and has failed", () => {
    const accounts = [fails({ _tag: "Authentication" }), answers()]
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const events: Array<string> = []
      yield* router.subscribe((event) => {
        if (event._tag === "AttemptStarted") events.push(`started ${event.deployment}#${event.account}`)
        if (event._tag === "AttemptEnded") events.push(`${event.attempt.outcome} #${event.attempt.account}`)
        if (event._tag === "DeploymentSkipped") events.push(`skipped #${event.account}`)
        if (event._tag === "Failover") events.push("failover")
      })
      yield* Effect.replicateEffect(chat(), 3)
      assert.deepStrictEqual(events, [
        "started pool#1",
        "failure #1",
        "started pool#2",
        "success #2",
        "started pool#2",
        "success #2",
        "skipped #1",
        "started pool#2",
        "success #2",
      ])
    }).pipe(Effect.scoped, Effect.provide(layer(accounts)))
  })

  it.effect("explains each account in turn, with its reason to be skipped", () => {
    const accounts = [fails(rateLimited(30)), answers()]
    return Effect.gen(function* () {
      const router = yield* Router.Router
      yield* chat()
      const explanation = yield* router.explain({ ...request, model: "pool" })
      const [pool] = Explain.candidates(explanation.plan)
      assert.strictEqual(pool?.availability._tag, "Available")
      assert.deepStrictEqual(
        pool?.accounts?.map(({ account, availability }) => [account, availability._tag]),
        [
          [2, "Available"],
          [1, "CoolingDown"],
        ],
      )
      const text = Explain.lines(explanation).join("\n")
      assert.include(text, "account 1: skipped: cooling down for 30 s")
      assert.include(text, "account 2: available")
    }).pipe(Effect.provide(layer(accounts)))
  })

  it.effect("is available if one account is, and closes the circuits of all when it is reset", () => {
    const accounts = [fails({ _tag: "Authentication" }), answers()]
    return Effect.gen(function* () {
      const router = yield* Router.Router
      yield* chat()
      const [pool] = yield* router.status
      assert.deepStrictEqual([pool?.circuit, pool?.retryAfter], ["closed", 0])
      assert.deepStrictEqual(
        pool?.accounts?.map(({ account, circuit }) => [account, circuit]),
        [
          [1, "open"],
          [2, "closed"],
        ],
      )
      yield* router.reset("pool")
      const [reset] = yield* router.status
      assert.deepStrictEqual(
        reset?.accounts?.map(({ circuit }) => circuit),
        ["closed", "closed"],
      )
    }).pipe(Effect.provide(layer(accounts)))
  })

  it.effect("counts tokens by the next account where one is refused", () => {
    const counting = (count: number) =>
      Testing.script([Testing.reply("")], { countTokens: () => Effect.succeed(count) })
    const rejected = Testing.script([Testing.reply("")], {
      countTokens: () => Effect.fail(new ProviderError({ reason: { _tag: "Authentication" }, message: "rejected" })),
    })
    return Effect.gen(function* () {
      const router = yield* Router.Router
      assert.deepStrictEqual(yield* router.countTokens({ ...request, model: "pool" }), {
        inputTokens: 7,
        deployment: "pool",
      })
    }).pipe(Effect.provide(layer([rejected, counting(7)])))
  })

  it.effect("needs at least one account", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(Effect.provide(chat(), layer([])))
      assert.strictEqual(message, "deployments.pool.provider: lists no provider: a deployment needs at least one")
    }),
  )
})

describe("a stream of a deployment with several accounts", () => {
  const read = Effect.gen(function* () {
    const router = yield* Router.Router
    const { frames, receipt } = yield* router.chatStream(request)
    const text = textOf((yield* Stream.runCollect(frames)).flatMap(({ parts }) => parts))
    return { text, receipt }
  }).pipe(Effect.scoped)

  it.effect("comes from the next account when one is rejected before its first output", () => {
    const accounts = [fails({ _tag: "QuotaExhausted" }), answers("two")]
    return Effect.gen(function* () {
      const { receipt, text } = yield* read
      assert.deepStrictEqual([text, attempts(receipt)], ["two", ["pool#1", "pool#2"]])
    }).pipe(Effect.provide(layer(accounts)))
  })

  const throttled = () => Testing.script([Testing.fail(rateLimited(30), { output: "Good " })])
  const buffered = Route.to("pool").pipe(Route.stream({ protect: "full" }))

  it.effect("is taken over by each other account once, if the account is to blame for its end", () => {
    const accounts = [throttled(), throttled(), answers("Good evening")]
    return Effect.gen(function* () {
      let failovers = 0
      const { subscribe } = yield* Router.Router
      yield* subscribe(({ _tag }) => {
        if (_tag === "Failover") failovers++
      })
      const { receipt, text } = yield* read
      assert.deepStrictEqual([text, attempts(receipt)], ["Good evening", ["pool#1", "pool#2", "pool#3"]])
      assert.strictEqual(failovers, 0)
    }).pipe(Effect.scoped, Effect.provide(layer(accounts, { route: buffered })))
  })

  it.effect("ends with the first error when every account was to blame", () => {
    const accounts = [throttled(), throttled()]
    return Effect.gen(function* () {
      const error = yield* Effect.flip(read)
      assert.deepStrictEqual([error.kind, attempts(error.receipt!)], ["StreamInterrupted", ["pool#1", "pool#2"]])
    }).pipe(Effect.provide(layer(accounts, { route: buffered })))
  })

  it.effect("is not taken over by another account when the connection breaks", () => {
    const accounts = [Testing.script([Testing.fail({ _tag: "Network" }, { output: "Good " })]), answers()]
    return Effect.gen(function* () {
      const error = yield* Effect.flip(read)
      assert.deepStrictEqual([error.kind, counts(accounts)], ["StreamInterrupted", [1, 0]])
    }).pipe(Effect.provide(layer(accounts, { route: buffered })))
  })
})

describe("the cooldown of an account", () => {
  it.effect("ends for it alone", () => {
    const route = Route.fallback("pool", "backup").pipe(Route.retry({ times: 0 }))
    const accounts = [Testing.script([Testing.fail(rateLimited(3)), Testing.reply("one")]), fails(rateLimited(60))]
    return Effect.gen(function* () {
      assert.deepStrictEqual(attempts((yield* chat()).receipt), ["pool#1", "pool#2", "backup"])
      assert.deepStrictEqual(attempts((yield* chat()).receipt), ["backup"])
      yield* TestClock.adjust("3 seconds")
      const { receipt, response } = yield* chat()
      assert.deepStrictEqual([Chat.text(response), attempts(receipt)], ["one", ["pool#1"]])
    }).pipe(Effect.provide(layer(accounts, { route })))
  })
})
