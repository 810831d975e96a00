import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as BudgetedRouter from "../src/BudgetedRouter.ts"
import * as Deployment from "../src/deployment/Deployment.ts"
import * as GuardedRouter from "../src/GuardedRouter.ts"
import * as Guardrails from "../src/Guardrails.ts"
import type { Guardrail } from "../src/Guardrails.ts"
import * as Chat from "../src/model/Chat.ts"
import type { Receipt } from "../src/receipt/Receipt.ts"
import * as Route from "../src/route/Route.ts"
import * as Router from "../src/Router.ts"
import * as Budgets from "../src/spend/Budgets.ts"
import * as Testing from "../src/Testing.ts"

const request: Chat.Request = { model: "assistant", messages: [Chat.user("my number is 555-0199")] }

const price = { input: 1_000_000, output: 1_000_000 }

/** A guarded router over scripts, the first of which is `assistant`'s, then `cheap`. */
const layer = (
  scripts: Readonly<Record<string, Testing.Scripted>>,
  guardrails: ReadonlyArray<Guardrail>,
  around: Route.Around = Route.retry({}),
) => {
  const router = Router.layer({
    deployments: Object.fromEntries(
      Object.entries(scripts).map(([name, { layer }]) => [
        name,
        Deployment.make({ model: name, provider: layer, price, retry: { times: 0 } }),
      ]),
    ),
    routes: { assistant: around(Route.to("a")), cheap: Route.to(Object.keys(scripts).at(-1) ?? "a") },
  })
  return GuardedRouter.layer.pipe(Layer.provide([router, Guardrails.layer(guardrails)]))
}

/** The receipts of the calls that end. */
const receipts = Effect.gen(function* () {
  const { subscribe } = yield* Router.Router
  const ended: Array<Receipt> = []
  yield* subscribe((event) => {
    if (event._tag === "CallEnded") ended.push(event.receipt)
  })
  return ended
})

const chat = (changes: Partial<Chat.Request> = {}) =>
  Effect.flatMap(Router.Router, (router) => router.chat({ ...request, ...changes }))

/** The parts of a stream, to its end. */
const streamed = (changes: Partial<Chat.Request> = {}) =>
  Effect.scoped(
    Effect.gen(function* () {
      const router = yield* Router.Router
      const { frames, receipt } = yield* router.chatStream({ ...request, ...changes })
      const parts = yield* Stream.runCollect(Stream.flattenIterable(Stream.map(frames, ({ parts }) => parts)))
      return { receipt, text: parts.map((part) => (part.type === "text" ? part.text : "")).join("") }
    }),
  )

const before = (name: string, decision: Guardrails.BeforeDecision, more: Partial<Guardrail> = {}): Guardrail => ({
  name,
  before: () => Effect.succeed(decision),
  ...more,
})

const after = (name: string, decision: Guardrails.AfterDecision, more: Partial<Guardrail> = {}): Guardrail => ({
  name,
  after: () => Effect.succeed(decision),
  ...more,
})

const decisions = ({ guardrails = [] }: Receipt) =>
  guardrails.map(({ action, guardrail, stage }) => `${guardrail} ${stage} ${action}`)

const saying = (text: string) => Testing.script([Testing.reply(text)])

const words = (text: string): Chat.Response => ({ content: [{ type: "text", text }], finishReason: "stop" })

describe("a guardrail before the call", () => {
  it.effect("sees the call, and lets it pass", () => {
    const a = saying("Hi")
    let seen: Guardrails.GuardedCall | undefined
    const looks: Guardrail = {
      name: "looks",
      before: (call) => Effect.sync(() => ((seen = call), Guardrails.pass)),
    }
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const options = { caller: "alice", team: "search", tags: ["beta"], protocol: "messages" }
      const { receipt, response } = yield* router.chat(request, options)
      assert.strictEqual(Chat.text(response), "Hi")
      assert.deepStrictEqual(decisions(receipt), ["looks before pass"])
      assert.deepInclude(seen, { id: receipt.id, route: "assistant", streaming: false, operation: "chat", ...options })
      assert.deepStrictEqual(seen?.request, request)
    }).pipe(Effect.provide(layer({ a }, [looks])))
  })

  it.effect("refuses the call: no deployment is asked, and the receipt says so", () => {
    const a = saying("Hi")
    return Effect.gen(function* () {
      const ended = yield* receipts
      const error = yield* Effect.flip(chat())
      assert.deepInclude(error, { kind: "GuardrailRefused", message: "No numbers.", code: "pii_found" })
      assert.strictEqual(error.receipt?.id, ended[0]?.id)
      assert.strictEqual(a.requests.length, 0)
      assert.deepStrictEqual(
        ended.map((receipt) => [receipt.outcome, receipt.error, receipt.route, decisions(receipt)]),
        [["refused", "GuardrailRefused", "assistant", ["pii before refuse"]]],
      )
      const stream = yield* Effect.flip(streamed())
      assert.strictEqual(stream.kind, "GuardrailRefused")
      assert.strictEqual(ended[1]?.streaming, true)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        layer({ a }, [
          before("pii", Guardrails.refuse("No numbers.", { code: "pii_found" })),
          before("late", Guardrails.pass),
        ]),
      ),
    )
  })

  it.effect("rewrites the request, for the guardrails after it too, and without the client's own body", () => {
    const a = saying("Hi")
    let seen: Guardrails.GuardedCall | undefined
    const looks: Guardrail = { name: "looks", before: (call) => Effect.sync(() => ((seen = call), Guardrails.pass)) }
    const rewritten = { ...request, model: "other", messages: [Chat.user("my number is [PHONE]")] }
    const native = { protocol: "chat-completions", body: { messages: [] } }
    return Effect.gen(function* () {
      const { receipt } = yield* chat({ native })
      assert.deepStrictEqual(decisions(receipt), ["mask before rewrite", "looks before pass"])
      assert.deepStrictEqual(a.requests[0]?.messages, rewritten.messages)
      assert.isUndefined(a.requests[0]?.native)
      assert.strictEqual(seen?.request.model, "assistant")
      assert.strictEqual(receipt.route, "assistant")
    }).pipe(Effect.provide(layer({ a }, [before("mask", Guardrails.rewriteRequest(rewritten)), looks])))
  })

  it.effect("sends the call to another route, and fails for one that there is not", () => {
    const [a, b] = [saying("a"), saying("b")]
    return Effect.gen(function* () {
      const { receipt } = yield* chat()
      assert.deepStrictEqual([receipt.route, receipt.deployment], ["cheap", "b"])
      const error = yield* Effect.flip(chat({ model: "cheap" }))
      assert.strictEqual(error.kind, "GuardrailFailed")
    }).pipe(
      Effect.provide(
        layer({ a, b }, [
          before("route", Guardrails.reroute("cheap"), { routes: ["assistant"] }),
          before("lost", Guardrails.reroute("nowhere"), { routes: ["cheap"] }),
        ]),
      ),
    )
  })

  it.effect("is that of the route that the caller named, and none for an unknown one", () => {
    const a = saying("Hi")
    return Effect.gen(function* () {
      yield* chat({ model: "cheap" })
      assert.strictEqual((yield* Effect.flip(chat({ model: "none" }))).kind, "ModelNotFound")
      assert.strictEqual((yield* Effect.flip(chat())).kind, "GuardrailRefused")
      const router = yield* Router.Router
      assert.deepStrictEqual((yield* router.explain(request)).guardrails, ["own"])
      assert.isUndefined((yield* router.explain({ ...request, model: "cheap" })).guardrails)
      assert.strictEqual(router.protocols("assistant").size, 0)
      assert.isAbove(router.protocols("cheap").size, 0)
      assert.isNumber((yield* router.countTokens(request)).inputTokens)
    }).pipe(Effect.provide(layer({ a }, [before("own", Guardrails.refuse("No."), { routes: ["assistant"] })])))
  })

  for (const [title, run] of [
    ["fails", () => Effect.fail({ message: "unreachable" })],
    ["dies", () => Effect.die("a defect")],
    ["takes too long", () => Effect.never],
    [
      "throws",
      (): never => {
        throw new Error("thrown")
      },
    ],
  ] as const) {
    it.effect(`that ${title} blocks the call, or lets it pass`, () => {
      const a = saying("Hi")
      return Effect.gen(function* () {
        const ended = yield* receipts
        const blocked = yield* Effect.forkChild(Effect.flip(chat()))
        const passed = yield* Effect.forkChild(chat({ model: "cheap" }))
        yield* TestClock.adjust("6 seconds")
        const error = yield* Fiber.join(blocked)
        assert.strictEqual(error.kind, "GuardrailFailed")
        assert.notInclude(error.message, "unreachable")
        const { receipt } = yield* Fiber.join(passed)
        assert.deepStrictEqual(decisions(receipt), ["open before error"])
        assert.strictEqual(a.requests.length, 1)
        assert.deepStrictEqual(ended.map(({ outcome }) => outcome).sort(), ["failure", "success"])
      }).pipe(
        Effect.scoped,
        Effect.provide(
          layer({ a }, [
            { name: "closed", before: run, routes: ["assistant"] },
            { name: "open", before: run, routes: ["cheap"], onError: "pass" },
          ]),
        ),
      )
    })
  }

  it.effect("is interrupted with its call, which is recorded as cancelled", () => {
    const a = saying("Hi")
    let interrupted = 0
    const slow: Guardrail = {
      name: "slow",
      before: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++)),
    }
    return Effect.gen(function* () {
      const ended = yield* receipts
      const call = yield* Effect.forkChild(chat(), { startImmediately: true })
      yield* Fiber.interrupt(call)
      assert.strictEqual(interrupted, 1)
      assert.deepStrictEqual(
        ended.map(({ outcome }) => outcome),
        ["cancelled"],
      )
    }).pipe(Effect.scoped, Effect.provide(layer({ a }, [slow])))
  })

  it.effect("counts in the timeout of the call and in its duration", () => {
    const a = Testing.script([Testing.reply("Hi", { after: "5 seconds" })])
    const slow: Guardrail = {
      name: "slow",
      before: () => Effect.as(Effect.sleep("4 seconds"), Guardrails.pass),
    }
    return Effect.gen(function* () {
      const call = yield* Effect.forkChild(Effect.flip(chat()))
      yield* TestClock.adjust("4 seconds")
      yield* TestClock.adjust("4 seconds")
      const { kind, receipt } = yield* Fiber.join(call)
      assert.deepStrictEqual([kind, receipt?.millis], ["Timeout", 8000])
    }).pipe(Effect.provide(layer({ a }, [slow], Route.timeout({ total: "8 seconds" }))))
  })

  it.effect("guards embeddings", () => {
    const a = Testing.script([Testing.vectors([[1]])])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const embed = (input: string) => router.embed({ model: "assistant", input: [input] })
      assert.strictEqual((yield* Effect.flip(embed("refuse"))).kind, "GuardrailRefused")
      assert.strictEqual((yield* Effect.flip(embed("mix up"))).kind, "GuardrailFailed")
      const { receipt } = yield* embed("rewrite")
      assert.deepStrictEqual(decisions(receipt), ["guard before rewrite"])
      assert.deepStrictEqual(
        a.embeddings.map(({ input }) => input),
        [["[MASKED]"]],
      )
    }).pipe(
      Effect.provide(
        layer({ a }, [
          {
            name: "guard",
            before: ({ request }) => {
              if (!("input" in request)) return Effect.die("not an embedding")
              if (request.input[0] === "refuse") return Effect.succeed(Guardrails.refuse("No."))
              return Effect.succeed(
                Guardrails.rewriteRequest(
                  request.input[0] === "rewrite"
                    ? { ...request, input: ["[MASKED]"] }
                    : { model: "x", messages: [Chat.user("chat")] },
                ),
              )
            },
            after: () => Effect.die("has no part in embeddings"),
          },
        ]),
      ),
    )
  })
})

describe("a guardrail after the call", () => {
  it.effect("sees the response and the request that was sent", () => {
    const a = saying("Hi")
    let seen: readonly [Guardrails.GuardedCall, Chat.Response] | undefined
    const looks: Guardrail = {
      name: "looks",
      after: (call, response) => Effect.sync(() => ((seen = [call, response]), Guardrails.pass)),
    }
    const rewritten = { ...request, messages: [Chat.user("masked")] }
    return Effect.gen(function* () {
      const { receipt } = yield* chat()
      assert.deepStrictEqual(decisions(receipt), ["mask before rewrite", "looks after pass"])
      assert.deepInclude(seen?.[0].request, { messages: rewritten.messages })
      assert.strictEqual(Chat.text(seen?.[1] ?? words("")), "Hi")
    }).pipe(Effect.provide(layer({ a }, [before("mask", Guardrails.rewriteRequest(rewritten)), looks])))
  })

  it.effect("refuses the answer, whose cost is in the receipt and in the budgets", () => {
    const a = saying("Hi")
    const router = Router.layer({
      deployments: { a: Deployment.make({ model: "a", provider: a.layer, price }) },
      routes: { assistant: Route.to("a") },
    })
    const budget = { id: "all", scope: { type: "all" }, amount: 1_000_000, window: "total", atLimit: "refuse" } as const
    const guarded = GuardedRouter.layer.pipe(
      Layer.provide([BudgetedRouter.layer, Guardrails.layer([after("tone", Guardrails.refuse("Not that."))])]),
      Layer.provideMerge(Budgets.layerMemory([budget])),
      Layer.provide(router),
    )
    return Effect.gen(function* () {
      const ended = yield* receipts
      const error = yield* Effect.flip(chat())
      assert.deepInclude(error, { kind: "GuardrailRefused", message: "Not that." })
      const [receipt] = ended
      assert.deepStrictEqual([ended.length, receipt?.outcome], [1, "refused"])
      assert.isAbove(receipt?.attempts[0]?.cost ?? 0, 0)
      const budgets = yield* Budgets.Budgets
      const [status] = yield* budgets.status
      assert.deepStrictEqual([status?.spent, status?.reserved], [receipt?.attempts[0]?.cost, 0])
    }).pipe(Effect.scoped, Effect.provide(guarded))
  })

  it.effect("rewrites a complete response, without the provider's own body", () => {
    const a = saying("Hi")
    return Effect.gen(function* () {
      const { response } = yield* chat()
      assert.deepStrictEqual([Chat.text(response), response.native], ["Masked", undefined])
    }).pipe(Effect.provide(layer({ a }, [after("mask", Guardrails.rewriteResponse(words("Masked")))])))
  })

  it.effect("runs on responses from the cache, which keeps them as they came", () => {
    const a = saying("Hi")
    let runs = 0
    const counts: Guardrail = {
      name: "counts",
      after: (_, response) => Effect.sync(() => Guardrails.rewriteResponse(words(`${Chat.text(response)} ${++runs}`))),
    }
    return Effect.gen(function* () {
      const texts = [yield* chat(), yield* chat()].map(({ response }) => Chat.text(response))
      assert.deepStrictEqual(texts, ["Hi 1", "Hi 2"])
      assert.strictEqual(a.requests.length, 1)
    }).pipe(Effect.provide(layer({ a }, [counts], Route.cache({ ttl: "1 minute" }))))
  })

  it.effect("holds a stream that it asks to hold, and refuses or rewrites it before any of it is sent", () => {
    const a = Testing.script([Testing.reply(["se", "cret"])])
    const held = { streams: "hold" } as const
    return Effect.gen(function* () {
      const ended = yield* receipts
      const error = yield* Effect.flip(streamed())
      assert.deepInclude(error, { kind: "GuardrailRefused", message: "Not that." })
      const { receipt, text } = yield* streamed({ model: "cheap" })
      assert.strictEqual(text, "Masked")
      assert.deepStrictEqual(decisions(receipt), ["mask after rewrite"])
      assert.deepStrictEqual(
        ended.map(({ outcome }) => outcome),
        ["refused", "success"],
      )
      assert.strictEqual(a.inFlight(), 0)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        layer({ a }, [
          after("tone", Guardrails.refuse("Not that."), { ...held, routes: ["assistant"] }),
          after("mask", Guardrails.rewriteResponse(words("Masked")), { ...held, routes: ["cheap"] }),
        ]),
      ),
    )
  })

  it.effect("only records what it decides of a stream that it does not hold", () => {
    const a = Testing.script([Testing.reply(["se", "cret"])])
    let seen = ""
    const looks: Guardrail = {
      name: "looks",
      after: (_, response) =>
        Effect.sync(() => {
          seen = Chat.text(response)
          return Guardrails.refuse("Too late.")
        }),
    }
    return Effect.gen(function* () {
      const { receipt, text } = yield* streamed()
      assert.deepStrictEqual([text, seen], ["secret", "secret"])
      assert.deepStrictEqual([receipt.outcome, decisions(receipt)], ["success", ["looks stream refuse"]])
    }).pipe(Effect.provide(layer({ a }, [looks])))
  })

  it.effect(
    "is not asked about a stream that is cut, and does not keep its scope open for longer than its timeout",
    () => {
      const a = Testing.script([Testing.cut("half"), Testing.reply("whole")])
      let runs = 0
      const hangs: Guardrail = {
        name: "hangs",
        timeout: "2 seconds",
        after: () =>
          Effect.andThen(
            Effect.sync(() => runs++),
            Effect.never,
          ),
      }
      return Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(streamed())).kind, "StreamInterrupted")
        assert.strictEqual(runs, 0)
        const call = yield* Effect.forkChild(streamed(), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        yield* TestClock.adjust("2 seconds")
        const { receipt } = yield* Fiber.join(call)
        assert.deepStrictEqual([receipt.outcome, decisions(receipt)], ["success", ["hangs stream error"]])
      }).pipe(Effect.provide(layer({ a }, [hangs])))
    },
  )

  it.effect("without a decision blocks a held stream, or lets it pass as it is", () => {
    const a = Testing.script([Testing.reply(["as ", "it is"])])
    const fails = { after: () => Effect.fail({ message: "down" }), streams: "hold" } as const
    return Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(streamed())).kind, "GuardrailFailed")
      assert.strictEqual((yield* streamed({ model: "cheap" })).text, "as it is")
    }).pipe(
      Effect.provide(
        layer({ a }, [
          { name: "closed", routes: ["assistant"], ...fails },
          { name: "open", routes: ["cheap"], onError: "pass", ...fails },
        ]),
      ),
    )
  })

  it.effect("is interrupted with its call, which is recorded as cancelled, whole and streamed", () => {
    const a = saying("Hi")
    const hangs: Guardrail = { name: "hangs", after: () => Effect.never, streams: "hold" }
    return Effect.gen(function* () {
      const ended = yield* receipts
      for (const call of [Effect.asVoid(chat()), Effect.asVoid(streamed())]) {
        const fiber = yield* Effect.forkChild(call, { startImmediately: true })
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause))
      }
      assert.deepStrictEqual(
        ended.map(({ attempts, outcome }) => [outcome, attempts.length]),
        [
          ["cancelled", 1],
          ["cancelled", 1],
        ],
      )
      assert.strictEqual(a.inFlight(), 0)
    }).pipe(Effect.scoped, Effect.provide(layer({ a }, [hangs])))
  })
})
