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
import * as Logger from "effect/Logger"
import { appendFileSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import type { UsageLogSettings } from "../../src/observe/UsageLog.ts"
import * as PlainText from "../../src/observe/PlainText.ts"
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
  const log = UsageLog.layer({
    file: `${folder}/logs/usage.log`,
    maxSize: ByteSize.megabytes(1),
    maxFiles: 5,
    ...settings,
  })
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
  it.effect("writes a line for every call: attempts, reasons and cost, without prompts and answers", () =>
    Effect.gen(function* () {
      const text = (yield* written(3)).get("usage.log") ?? ""
      const [first, , third] = lines(text)
      const { call: id, ...call } = first ?? {}
      const used = { input_tokens: 1000, output_tokens: 200, cost_usd: 0.004 }
      assert.isString(id)
      assert.deepStrictEqual(call, {
        time: "1970-01-01T00:00:00.000Z",
        route: "assistant",
        model: "assistant",
        key: "team-a",
        streaming: false,
        outcome: "success",
        deployment: "backup",
        attempts: [
          { deployment: "primary", model: "p", outcome: "failure", reason: "overloaded", status: 503, ms: 0 },
          { deployment: "backup", model: "b", outcome: "success", ...used, ms: 0 },
        ],
        skipped: [],
        ...used,
        ms: 0,
      })
      assert.deepStrictEqual(third?.["skipped"], [
        { deployment: "primary", reason: "circuit_open", retry_after_ms: 5000 },
      ])
      assert.notInclude(text, "secret")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.live("rotates at maxSize and keeps maxFiles files", () =>
    Effect.gen(function* () {
      const files = yield* written(20, { maxSize: ByteSize.bytes(800), maxFiles: 2 })
      assert.deepStrictEqual([...files.keys()], ["usage.log", "usage.log.1", "usage.log.2"])
      const all = [...files.values()].toReversed().flatMap(lines)
      // The newest are there, in their order, each whole.
      const times = all.map(({ time }) => String(time))
      assert.deepStrictEqual(times, times.toSorted())
      assert.isBelow(all.length, 20)
      const none = yield* written(20, { maxSize: ByteSize.bytes(800), maxFiles: 0 })
      assert.deepStrictEqual([...none.keys()], ["usage.log"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.live("restricts every file to its owner", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const folder = yield* files.makeTempDirectoryScoped()
      // As a version before, or another program, may have left them.
      yield* files.makeDirectory(`${folder}/logs`)
      for (const name of ["usage.log", "usage.log.1"])
        yield* files.writeFileString(`${folder}/logs/${name}`, "{}\n", { mode: 0o644 })
      yield* written(2, { file: `${folder}/logs/usage.log`, maxSize: ByteSize.bytes(8000), maxFiles: 2 }).pipe(
        Effect.ignore,
      )
      for (const name of ["usage.log", "usage.log.1"])
        assert.strictEqual((yield* files.stat(`${folder}/logs/${name}`)).mode & 0o777, 0o600, name)
      yield* written(20, { file: `${folder}/logs/usage.log`, maxSize: ByteSize.bytes(800), maxFiles: 2 }).pipe(
        Effect.ignore,
      )
      const names = yield* files.readDirectory(`${folder}/logs`)
      assert.isAbove(names.length, 1)
      for (const name of names) {
        assert.strictEqual((yield* files.stat(`${folder}/logs/${name}`)).mode & 0o777, 0o600, name)
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.effect("fails at start if the file cannot be written", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(written(0, { file: "/dev/null/usage.log" }))
      assert.instanceOf(error, UsageLog.CannotLog)
      assert.match(error.message, /^The usage log \/dev\/null\/usage\.log cannot be written: /)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )
})

/** A disk that is full, and one that is not, in the place of one another. */
describe("UsageLog on a disk that fails", () => {
  /** A router whose calls are logged to a file, and what was said meanwhile. */
  const logging = Effect.fnUntraced(function* (file: string) {
    const said: Array<string> = []
    const listener = Logger.make(({ message }) => void said.push(String(message)))
    const primary = Testing.script([Testing.reply("answer", { usage })])
    const RouterLive = Router.layer({
      deployments: { primary: Deployment.make({ model: "p", provider: primary.layer }) },
      routes: { assistant: Route.fallback("primary") },
    })
    const log = UsageLog.layer({ file, maxSize: ByteSize.megabytes(1), maxFiles: 5 })
    const context = yield* Layer.build(
      Layer.provide(Layer.provideMerge(log, RouterLive), Logger.layer([listener])),
    ).pipe(Effect.provide(Logger.layer([listener])))
    const { chat } = Context.get(context, Router.Router)
    return { said, call: chat({ model: "assistant", messages: [Chat.user("question")] }) }
  })

  /** Waits until what is written in the background is, or is not. */
  const until = (condition: () => boolean): Effect.Effect<void> =>
    Effect.suspend(() => (condition() ? Effect.void : Effect.andThen(Effect.sleep(2), until(condition))))

  it.live("serves calls, ends partial lines, and logs the number of lost lines with the errno", () =>
    Effect.gen(function* () {
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const file = `${folder}/usage.log`
      writeFileSync(file, '{"time":"torn by a crash')
      const said = yield* Effect.scoped(
        Effect.gen(function* () {
          const { call, said } = yield* logging(file)
          yield* call
          yield* until(() => readFileSync(file, "utf8").endsWith("}\n"))
          renameSync(file, `${file}.sound`)
          symlinkSync("/dev/full", file)
          yield* call
          yield* until(() => said.length > 0)
          for (let times = 0; times < 3; times++) yield* call
          yield* Effect.sleep(20)
          rmSync(file)
          renameSync(`${file}.sound`, file)
          appendFileSync(file, '{"time":"torn by a full disk')
          yield* call
          yield* until(() => readFileSync(file, "utf8").endsWith("}\n"))
          return said
        }),
      )
      const read = readFileSync(file, "utf8").split("\n")
      assert.deepStrictEqual(
        [read[0], read[2], read.at(-1)],
        ['{"time":"torn by a crash', '{"time":"torn by a full disk', ""],
      )
      for (const whole of [read[1], read[3]]) assert.propertyVal(JSON.parse(whole ?? ""), "route", "assistant")
      assert.strictEqual(read.length, 5)
      // The first at once; the others, of the same minute, together.
      assert.match(said[0] ?? "", /^1 line of the usage log \S+ could not be written: ENOSPC/)
      assert.match(said[1] ?? "", /^3 lines of the usage log \S+ could not be written: ENOSPC/)
      assert.strictEqual(said.length, 2)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )
})

describe("text of callers and providers", () => {
  it("takes one line of the call log, and moves no terminal cursor", () => {
    assert.strictEqual(
      PlainText.plain("a\nERROR b\r\n\t\u001b[2Jc\u2028d\u202ee\u0085"),
      String.raw`a\nERROR b\r\n\t\u001b[2Jc\u2028d\u202ee\u0085`,
    )
    assert.strictEqual(PlainText.plain("Grüße, 世界 🎭"), "Grüße, 世界 🎭")
  })
})
