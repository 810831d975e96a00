/** The usage log as its file has it, once the gateway that wrote it is down. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Testing from "@understudy/core/Testing"
import * as ByteSize from "effect/ByteSize"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { UsageLogSettings } from "../../src/config/UsageLogSection.ts"
import * as UsageLog from "../../src/observe/UsageLog.ts"

const usage = { inputTokens: 1000, outputTokens: 200 }

/** Makes calls one after the other, and gives the folder's files as they are when all is closed. */
const written = Effect.fnUntraced(function* (calls: number, settings: Partial<UsageLogSettings> = {}) {
  const files = yield* FileSystem.FileSystem
  const folder = yield* files.makeTempDirectoryScoped()
  const primary = Testing.script([Testing.fail({ _tag: "Overloaded" }, { status: 503, message: "secret reason" })])
  const backup = Testing.script([Testing.reply("secret answer", { usage })])
  const RouterLive = Router.layer({
    deployments: {
      primary: Deployment.make({ model: "p", provider: primary.layer, circuit: { failures: 2 } }),
      backup: Deployment.make({ model: "b", provider: backup.layer, price: { input: 2, output: 10 } }),
    },
    routes: { assistant: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
  })
  const log = UsageLog.layer({ file: `${folder}/logs/usage.log`, max: ByteSize.megabytes(1), keep: 5, ...settings })
  yield* Effect.scoped(
    Effect.gen(function* () {
      const { chat } = Context.get(yield* Layer.build(Layer.provideMerge(log, RouterLive)), Router.Router)
      for (let call = 0; call < calls; call++) {
        yield* chat({ model: "assistant", messages: [Chat.user("secret question")] }, { caller: "team-a" })
      }
    }),
  )
  const names = (yield* files.readDirectory(`${folder}/logs`)).toSorted()
  const texts = yield* Effect.forEach(names, (name) => files.readFileString(`${folder}/logs/${name}`))
  return new Map(names.map((name, index) => [name, texts[index] ?? ""]))
})

const lines = (text: string | undefined): ReadonlyArray<Record<string, unknown>> =>
  (text ?? "")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

describe("UsageLog", () => {
  it.effect("has a line for every call: who was tried and why, and what it cost, and nothing that was said", () =>
    Effect.gen(function* () {
      const text = (yield* written(3)).get("usage.log") ?? ""
      const [first, , third] = lines(text)
      const { id, ...call } = first ?? {}
      const used = { input_tokens: 1000, output_tokens: 200, usd: 0.004 }
      assert.isString(id)
      assert.deepStrictEqual(call, {
        time: "1970-01-01T00:00:00.000Z",
        route: "assistant",
        caller: "team-a",
        stream: false,
        outcome: "answered",
        deployment: "backup",
        attempts: [
          { deployment: "primary", outcome: "failed", reason: "Overloaded", status: 503, ms: 0 },
          { deployment: "backup", outcome: "answered", ...used, ms: 0 },
        ],
        passed_over: [],
        ...used,
        ms: 0,
      })
      assert.deepStrictEqual(third?.["passed_over"], [{ deployment: "primary", reason: "circuit open for 5 s" }])
      assert.notInclude(text, "secret")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.live("begins another file before one grows too large, and keeps as many as it is told to", () =>
    Effect.gen(function* () {
      const files = yield* written(20, { max: ByteSize.bytes(800), keep: 2 })
      assert.deepStrictEqual([...files.keys()], ["usage.log", "usage.log.1", "usage.log.2"])
      const all = [...files.values()].toReversed().flatMap(lines)
      // The newest are there, in their order, each whole.
      const times = all.map(({ time }) => String(time))
      assert.deepStrictEqual(times, times.toSorted())
      assert.isBelow(all.length, 20)
      const none = yield* written(20, { max: ByteSize.bytes(800), keep: 0 })
      assert.deepStrictEqual([...none.keys()], ["usage.log"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.live("can be read by its owner alone, each of its files", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const folder = yield* files.makeTempDirectoryScoped()
      yield* written(20, { file: `${folder}/logs/usage.log`, max: ByteSize.bytes(800), keep: 2 }).pipe(Effect.ignore)
      const names = yield* files.readDirectory(`${folder}/logs`)
      assert.isAbove(names.length, 1)
      for (const name of names) {
        assert.strictEqual((yield* files.stat(`${folder}/logs/${name}`)).mode & 0o777, 0o600, name)
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.effect("says at once that it cannot be written", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(written(0, { file: "/dev/null/usage.log" }))
      assert.instanceOf(error, UsageLog.CannotLog)
      assert.match(error.message, /^The usage log \/dev\/null\/usage\.log cannot be written: /)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )
})
