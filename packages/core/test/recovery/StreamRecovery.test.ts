import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import type { StreamPolicy } from "../../src/policy/StreamPolicy.ts"
import * as Receipt from "../../src/receipt/Receipt.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"
import * as TestRouter from "../support/TestRouter.ts"

const story = ["Once ", "upon ", "a ", "time."]
const whole = story.join("")

const text = (text: string): Chat.Part => ({ type: "text", text })

interface Cast {
  readonly primary: Testing.Scripted
  readonly backup: Testing.Scripted
  readonly third?: Testing.Scripted
  readonly prefill?: boolean
  readonly stream?: Partial<StreamPolicy>
}

const routed = ({ backup, prefill, primary, stream = { protect: "continue" }, third }: Cast) =>
  Router.layer({
    deployments: {
      primary: Deployment.make({ model: "p", provider: primary.layer, price: { input: 1, output: 1 } }),
      backup: Deployment.make({
        model: "b",
        provider: backup.layer,
        price: { input: 1, output: 1 },
        ...(prefill === undefined ? undefined : { capabilities: { prefill } }),
      }),
      third: Deployment.make({ model: "t", provider: (third ?? backup).layer }),
    },
    routes: {
      assistant: Route.fallback("primary", "backup", ...(third === undefined ? [] : ["third"])).pipe(
        Route.stream(stream),
      ),
    },
  })

/** A call as its caller reads it: its text, error and receipt. */
const read = Effect.fnUntraced(function* (request = TestRouter.request) {
  const router = yield* Router.Router
  const parts: Array<Chat.Part> = []
  const { exit, receipt } = yield* Effect.scoped(
    Effect.gen(function* () {
      const { frames, receipt } = yield* router.chatStream(request)
      const exit = yield* Effect.exit(
        Stream.runForEach(frames, (frame) => Effect.sync(() => void parts.push(...frame.parts))),
      )
      return { exit, receipt }
    }),
  )
  const text = parts.map((part) => (part.type === "text" ? part.text : "")).join("")
  const of = (type: Chat.Part["type"]) => parts.filter((part) => part.type === type)
  return {
    text,
    usage: of("usage"),
    finishes: of("finish"),
    error: Exit.isFailure(exit) ? yield* Effect.flip(exit) : undefined,
    receipt,
    tried: receipt.attempts.map(({ deployment, outcome, reason }) => `${deployment} ${reason ?? outcome}`),
  }
})

const idle = ({ backup, primary, third }: Cast) =>
  assert.deepStrictEqual([primary.inFlight(), backup.inFlight(), third?.inFlight() ?? 0], [0, 0, 0])

/** Reads a call while the time of two idle timeouts passes. */
const wait = Effect.fnUntraced(function* (request = TestRouter.request) {
  const fiber = yield* Effect.forkChild(read(request))
  yield* TestClock.adjust("35 seconds")
  yield* TestClock.adjust("35 seconds")
  return yield* Fiber.join(fiber)
})

/** The ways in which a stream breaks after its first output. */
const breaks: ReadonlyArray<
  readonly [name: string, make: (output: ReadonlyArray<string>) => Testing.Outcome, reason: string]
> = [
  ["breaks", (output) => Testing.fail({ _tag: "Overloaded" }, { output }), "Overloaded"],
  ["is cut", (output) => Testing.cut(output), "Network"],
  ["falls silent", (output) => Testing.hang({ output }), "Timeout"],
]

describe("stream.protect: continue", () => {
  for (const [how, make, reason] of breaks) {
    for (let at = 1; at <= story.length; at++) {
      const said = story.slice(0, at)
      const cast = (backup: Testing.Outcome, prefill?: boolean): Cast => ({
        primary: Testing.script([make(said)]),
        backup: Testing.script([backup]),
        ...(prefill === undefined ? undefined : { prefill }),
      })

      it.effect(`resumes by an overlap when the stream ${how} after ${at} tokens`, () => {
        const players = cast(Testing.reply([said.join("").slice(0, 3), said.join("").slice(3), ...story.slice(at)]))
        return Effect.gen(function* () {
          const { error, finishes, receipt, text, tried } = yield* wait()
          assert.strictEqual(error, undefined)
          assert.strictEqual(text, whole)
          assert.strictEqual(finishes.length, 1)
          assert.deepStrictEqual(tried, [`primary ${reason}`, "backup success"])
          assert.strictEqual(receipt.deployment, "backup")
          assert.strictEqual(receipt.outcome, "success")
          idle(players)
        }).pipe(Effect.provide(routed(players)))
      })

      it.effect(`resumes by a prefill when the stream ${how} after ${at} tokens`, () => {
        const players = cast(Testing.reply([` ${story.slice(at).join("")}`]), true)
        return Effect.gen(function* () {
          const { error, text } = yield* wait()
          assert.strictEqual(error, undefined)
          assert.strictEqual(text, at === story.length ? `${whole} ` : whole)
          assert.deepStrictEqual(players.backup.requests[0]?.messages.at(-1), Chat.assistant(said.join("").trimEnd()))
          idle(players)
        }).pipe(Effect.provide(routed(players)))
      })

      it.effect(
        `fails with the first error when the stream ${how} after ${at} tokens and the new answer does not join`,
        () => {
          const players = cast(Testing.reply("There was a man who lived by a churchyard."))
          return Effect.gen(function* () {
            const { error, finishes, receipt, text, tried } = yield* wait()
            assert.strictEqual(text, said.join(""))
            assert.strictEqual(finishes.length, 0)
            assert.strictEqual(error?.kind, "StreamInterrupted")
            assert.strictEqual(error?.cause?.reason._tag, reason)
            assert.match(error?.message ?? "", /primary/)
            assert.deepStrictEqual(tried, [`primary ${reason}`, "backup Unsupported"])
            assert.strictEqual(receipt.outcome, "failure")
            idle(players)
          }).pipe(Effect.provide(routed(players)))
        },
      )
    }
  }

  it.effect("fails with the first error when no other deployment is left, or a prefill is rejected", () => {
    const players: Cast = {
      primary: Testing.script([Testing.cut("Once ")]),
      backup: Testing.script([Testing.fail({ _tag: "InvalidRequest" }, { status: 400 })]),
      third: Testing.script([Testing.fail({ _tag: "Authentication" }, { status: 401 })]),
      prefill: true,
    }
    return Effect.gen(function* () {
      const { error, tried } = yield* read()
      assert.strictEqual(error?.cause?.reason._tag, "Network")
      assert.deepStrictEqual(tried, ["primary Network", "backup InvalidRequest", "third Authentication"])
      idle(players)
    }).pipe(Effect.provide(routed(players)))
  })

  it.effect("resumes again when the second stream breaks too, and adds the usage of all streams", () => {
    const usage = { inputTokens: 10, outputTokens: 5 }
    const players: Cast = {
      primary: Testing.script([Testing.cut("Once ")]),
      backup: Testing.script([Testing.cut(["Once ", "upon "])]),
      third: Testing.script([Testing.reply("Once upon a time.", { usage })]),
    }
    return Effect.gen(function* () {
      const { receipt, text, tried, usage: told } = yield* read()
      assert.strictEqual(text, whole)
      assert.deepStrictEqual(tried, ["primary Network", "backup Network", "third success"])
      assert.strictEqual(receipt.deployment, "third")
      assert.deepStrictEqual(told, [{ type: "usage", usage }])
      idle(players)
    }).pipe(Effect.provide(routed(players)))
  })

  it.effect("streams the usage of the whole answer, and records that of each attempt", () => {
    const usage = { inputTokens: 10, outputTokens: 5 }
    const spent = Testing.reply("Once ", { usage })
    const players: Cast = {
      primary: Testing.script([
        { ...spent, frames: spent.frames.filter(({ parts }) => parts[0]?.type !== "finish"), end: { _tag: "Done" } },
      ]),
      backup: Testing.script([Testing.reply("Once upon a time.", { usage })]),
    }
    return Effect.gen(function* () {
      const { receipt, usage: told } = yield* read()
      assert.deepStrictEqual(told.at(-1), {
        type: "usage",
        usage: {
          inputTokens: 20,
          outputTokens: 10,
          cachedInputTokens: undefined,
          cacheWriteTokens: undefined,
          reasoningTokens: undefined,
        },
      })
      assert.deepStrictEqual(
        receipt.attempts.map(({ usage }) => usage),
        [usage, usage],
      )
      assert.deepStrictEqual(Receipt.total(receipt), {
        inputTokens: 20,
        cachedInputTokens: undefined,
        outputTokens: 10,
        cost: 0.00003,
      })
    }).pipe(Effect.provide(routed(players)))
  })

  it.effect("skips deployments that are not available, and tries each once", () => {
    const busy = Testing.script([Testing.hang()])
    const third = Testing.script([Testing.fail({ _tag: "ServerError" })])
    const primary = Testing.script([Testing.cut("Once ")])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const scope = yield* Scope.make()
      yield* Effect.forkIn(Scope.provide(router.chatStream({ ...TestRouter.request, model: "backup" }), scope), scope)
      yield* TestClock.adjust("1 second")
      const { error, receipt, tried } = yield* read()
      assert.strictEqual(error?.cause?.reason._tag, "Network")
      assert.deepStrictEqual(receipt.skipped, [{ deployment: "backup", reason: { _tag: "ConcurrencyLimited" } }])
      assert.deepStrictEqual(tried, ["primary Network", "third ServerError"])
      yield* Scope.close(scope, Exit.void)
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            primary: Deployment.make({ model: "p", provider: primary.layer }),
            backup: Deployment.make({ model: "b", provider: busy.layer, limits: { concurrency: 1 } }),
            third: Deployment.make({ model: "t", provider: third.layer }),
          },
          routes: { assistant: Route.fallback("primary", "backup", "third") },
          defaults: { stream: { protect: "continue" } },
        }),
      ),
    )
  })

  const tool = { name: "weather" }
  const calling = Testing.callTool("weather", { city: "Rome" })
  const others: ReadonlyArray<readonly [what: string, request: Chat.Request, outcome: Testing.Outcome]> = [
    ["tools are offered", { ...TestRouter.request, tools: [tool] }, Testing.cut("Once ")],
    ["a tool is called", TestRouter.request, { ...calling, frames: calling.frames.slice(0, 3) }],
    ["the answer has a set form", { ...TestRouter.request, format: { type: "json" } }, Testing.cut("{")],
    [
      "the answer has reasoning",
      TestRouter.request,
      { ...Testing.cut(""), frames: [{ parts: [{ type: "reasoning", text: "Hm." }] }, { parts: [text("Once ")] }] },
    ],
    [
      "it refuses",
      TestRouter.request,
      { ...Testing.cut(""), frames: [{ parts: [{ type: "refusal", text: "I can" }] }] },
    ],
  ]
  for (const [what, request, outcome] of others) {
    it.effect(`tries no other deployment when ${what}`, () => {
      const players: Cast = { primary: Testing.script([outcome]), backup: Testing.script([Testing.reply("Once ")]) }
      return Effect.gen(function* () {
        const { error } = yield* read(request)
        assert.strictEqual(error?.kind, "StreamInterrupted")
        assert.strictEqual(players.backup.requests.length, 0)
      }).pipe(Effect.provide(routed(players)))
    })
  }

  it.effect("tries no other deployment after the call's deadline", () => {
    const primary = Testing.script([Testing.hang({ output: "Once " })])
    const backup = Testing.script([Testing.reply(whole)])
    return Effect.gen(function* () {
      const { error } = yield* wait()
      assert.match(error?.message ?? "", /call not complete/)
      assert.strictEqual(backup.requests.length, 0)
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            primary: Deployment.make({ model: "p", provider: primary.layer }),
            backup: Deployment.make({ model: "b", provider: backup.layer }),
          },
          routes: {
            assistant: Route.fallback("primary", "backup").pipe(
              Route.stream({ protect: "continue" }),
              Route.timeout({ total: "10 seconds" }),
            ),
          },
        }),
      ),
    )
  })

  it.effect("has a timeout for each frame of a repetition, not for all of it", () => {
    const slowly = [...Array.from({ length: 30 }, (_, index) => `word ${index} `), ...story]
    const players: Cast = {
      primary: Testing.script([Testing.cut(slowly.slice(0, -1))]),
      backup: Testing.script([Testing.hang(), Testing.reply(slowly, { tokenDelay: "1 second" })]),
    }
    return Effect.gen(function* () {
      const timed = Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(read())
        for (let second = 0; second < 45; second++) yield* TestClock.adjust("1 second")
        return yield* Fiber.join(fiber)
      })
      assert.deepStrictEqual((yield* timed).tried, ["primary Network", "backup Timeout"])
      assert.strictEqual((yield* timed).text, slowly.join(""))
      idle(players)
    }).pipe(Effect.provide(routed(players)))
  })

  it.effect("cancels the second stream when the caller leaves before it has joined", () => {
    const players: Cast = {
      primary: Testing.script([Testing.cut("Once ")]),
      backup: Testing.script([Testing.hang({ output: "On" })]),
    }
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(read())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(players.backup.inFlight(), 1)
      yield* Fiber.interrupt(fiber)
      idle(players)
    }).pipe(Effect.provide(routed(players)))
  })
})

describe("stream.protect: full", () => {
  const full: Partial<StreamPolicy> = { protect: "full" }

  for (const [how, make, reason] of breaks) {
    for (let at = 1; at <= story.length; at++) {
      it.effect(`answers from another deployment when the stream ${how} after ${at} tokens`, () => {
        const players: Cast = {
          primary: Testing.script([make(story.slice(0, at))]),
          backup: Testing.script([Testing.reply(["All ", "anew."])]),
          stream: full,
        }
        return Effect.gen(function* () {
          const { error, receipt, text, tried } = yield* wait()
          assert.strictEqual(error, undefined)
          assert.strictEqual(text, "All anew.")
          assert.deepStrictEqual(tried, [`primary ${reason}`, "backup success"])
          assert.strictEqual(receipt.deployment, "backup")
          assert.deepStrictEqual(players.backup.requests[0]?.messages, TestRouter.request.messages)
          idle(players)
        }).pipe(Effect.provide(routed(players)))
      })
    }
  }

  it.effect("recovers tool calls", () => {
    const calling = Testing.callTool("weather", { city: "Rome" })
    const players: Cast = {
      primary: Testing.script([{ ...calling, frames: calling.frames.slice(0, 3) }]),
      backup: Testing.script([calling]),
      stream: full,
    }
    return Effect.gen(function* () {
      const { finishes } = yield* read({ ...TestRouter.request, tools: [{ name: "weather" }] })
      assert.deepStrictEqual(finishes, [{ type: "finish", reason: "tool-calls" }])
    }).pipe(Effect.provide(routed(players)))
  })

  it.effect("starts with the first output of any deployment, and brings nothing until the answer is complete", () => {
    const players: Cast = {
      primary: Testing.script([Testing.reply(story, { tokenDelay: "1 second" })]),
      backup: Testing.script([Testing.reply("unused")]),
      stream: full,
    }
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const scope = yield* Scope.make()
      const begun = yield* Effect.forkChild(Scope.provide(router.chatStream(TestRouter.request), scope))
      yield* TestClock.adjust("2 seconds")
      const { frames, buffered } = yield* Fiber.join(begun)
      assert.isTrue(buffered)
      const seen: Array<Chat.Part> = []
      const reading = yield* Effect.forkChild(
        Stream.runForEach(frames, (frame) => Effect.sync(() => void seen.push(...frame.parts))),
      )
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(seen, [])
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(reading)
      assert.strictEqual(seen.filter(({ type }) => type === "text").length, story.length)
      yield* Scope.close(scope, Exit.void)
    }).pipe(Effect.provide(routed(players)))
  })

  it.effect("brings a complete answer although its stream does not end", () => {
    const players: Cast = {
      primary: Testing.script([{ ...Testing.reply(story), end: { _tag: "Hangs" } }]),
      backup: Testing.script([Testing.reply("unused")]),
      stream: full,
    }
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const { frames } = yield* router.chatStream(TestRouter.request)
      const seen = yield* frames.pipe(
        Stream.takeUntil(({ parts }) => parts[0]?.type === "finish"),
        Stream.runCollect,
      )
      assert.strictEqual(seen.flatMap(({ parts }) => parts).filter(({ type }) => type === "text").length, story.length)
    }).pipe(Effect.scoped, Effect.provide(routed(players)))
  })

  it.effect("brings an answer larger than the buffer, and fails when that breaks", () => {
    const players: Cast = {
      primary: Testing.script([Testing.cut(["x".repeat(600), "y".repeat(600), "z"])]),
      backup: Testing.script([Testing.reply("unused")]),
      stream: { protect: "full", buffer: "1 kB" },
    }
    return Effect.gen(function* () {
      const { error, text } = yield* read()
      assert.strictEqual(error?.kind, "StreamInterrupted")
      assert.strictEqual(text.length, 1201)
      assert.strictEqual(players.backup.requests.length, 0)
    }).pipe(Effect.provide(routed(players)))
  })

  it.effect("fails with the first error and no output when all streams break", () => {
    const players: Cast = {
      primary: Testing.script([Testing.cut("Once ")]),
      backup: Testing.script([Testing.fail({ _tag: "Overloaded" }, { output: "All " })]),
      stream: full,
    }
    return Effect.gen(function* () {
      const { error, receipt, text } = yield* read()
      assert.strictEqual(text, "")
      assert.strictEqual(error?.cause?.reason._tag, "Network")
      assert.match(error?.message ?? "", /broke off: primary/)
      assert.strictEqual(receipt.outcome, "failure")
      idle(players)
    }).pipe(Effect.provide(routed(players)))
  })

  it.effect("fails before it starts when no deployment has output", () => {
    const dead = () => Testing.script([Testing.fail({ _tag: "Authentication" })])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const error = yield* Effect.flip(Effect.scoped(router.chatStream(TestRouter.request)))
      assert.strictEqual(error.kind, "Upstream")
    }).pipe(Effect.provide(routed({ primary: dead(), backup: dead(), stream: full })))
  })

  it.effect("tries the other racers of a hedge one after the other, and never the winner again", () => {
    const winner = Testing.script([Testing.cut("Once ")])
    const slow = Testing.script([Testing.fail({ _tag: "Overloaded" }, { after: "1 second" })])
    const third = Testing.script([Testing.reply(story)])
    return Effect.gen(function* () {
      const { receipt, text, tried } = yield* wait()
      assert.strictEqual(text, whole)
      assert.deepStrictEqual(tried, ["winner Network", "slow Overloaded", "third success"])
      assert.strictEqual(receipt.deployment, "third")
    }).pipe(
      Effect.provide(
        TestRouter.layer(
          { winner, slow, third },
          {
            route: Route.hedge({ after: "100 millis", budget: 1, across: ["winner", "slow", "third"] }).pipe(
              Route.stream({ protect: "full" }),
            ),
          },
        ),
      ),
    )
  })

  it.effect("takes no error branch after the first output", () => {
    const primary = Testing.script([Testing.fail({ _tag: "Overloaded" }, { output: "Once " })])
    const branch = Testing.script([Testing.reply(story)])
    return Effect.gen(function* () {
      const { error, receipt, tried } = yield* wait()
      assert.strictEqual(error?.cause?.reason._tag, "Overloaded")
      assert.deepStrictEqual(tried, ["primary Overloaded"])
      assert.deepStrictEqual(receipt.skipped, [])
    }).pipe(
      Effect.provide(
        TestRouter.layer(
          { primary, branch },
          {
            route: Route.to("primary").pipe(Route.onError(["Overloaded"], "branch"), Route.stream({ protect: "full" })),
          },
        ),
      ),
    )
  })
})

describe("Route.stream", () => {
  it.effect("applies to the routes that a route names, which may override it", () => {
    const primary = Testing.script([Testing.cut("Once ")])
    const backup = Testing.script([Testing.reply(whole)])
    return Effect.gen(function* () {
      const ends = (model: string) =>
        Effect.map(read({ ...TestRouter.request, model }), ({ error }) => (error === undefined ? "whole" : "broken"))
      assert.strictEqual(yield* ends("outer"), "whole")
      assert.strictEqual(yield* ends("plain"), "broken")
      assert.strictEqual(yield* ends("nearer"), "broken")
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            primary: Deployment.make({ model: "p", provider: primary.layer, circuit: { failures: 9 } }),
            backup: Deployment.make({ model: "b", provider: backup.layer }),
          },
          routes: {
            plain: Route.fallback("primary", "backup"),
            outer: Route.to("plain").pipe(Route.stream({ protect: "continue" })),
            nearer: Route.fallback(Route.to("primary").pipe(Route.stream({ protect: "preamble" })), "backup").pipe(
              Route.stream({ protect: "full" }),
            ),
          },
        }),
      ),
    )
  })
})
