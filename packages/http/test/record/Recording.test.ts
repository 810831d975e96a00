/** Recording with real files, over scripted deployments: what a reader finds on the tapes. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Tape from "@understudy/core/Tape"
import * as Testing from "@understudy/core/Testing"
import * as ByteSize from "effect/ByteSize"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  truncateSync,
} from "node:fs"
import type { Settings } from "../../src/record/Recording.ts"
import * as Recording from "../../src/record/Recording.ts"

const secret = "sk-live-0123456789abcdef"

/** A gateway's recording in a folder of its own, and what it logs. */
const started = Effect.fnUntraced(function* (changes: Partial<Settings> = {}, configured = true) {
  const files = yield* FileSystem.FileSystem
  const folder = yield* files.makeTempDirectoryScoped()
  const log: Array<string> = []
  const primary = Testing.script([Testing.fail({ _tag: "Overloaded" }, { status: 529, message: secret })])
  const backup = Testing.script([Testing.reply(secret)])
  const RouterLive = Router.layer({
    deployments: {
      primary: Deployment.make({ model: "p", provider: primary.layer, circuit: { failures: 1_000_000 } }),
      backup: Deployment.make({ model: "b", provider: backup.layer, price: { input: 2, output: 10 } }),
    },
    routes: { assistant: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
  })
  const settings: Settings = {
    file: `${folder}/tapes/calls.tape`,
    enabled: true,
    sample: 1,
    maxSize: ByteSize.megabytes(1),
    interval: Duration.days(1),
    maxFiles: 3,
    ...changes,
  }
  const context = yield* Layer.build(
    Recording.layer({ configured: configured ? settings : undefined, fileOf: (file) => file, version: "1" }).pipe(
      Layer.provideMerge(RouterLive),
      Layer.provideMerge(Logger.layer([Logger.map(Logger.formatLogFmt, (line) => void log.push(line))])),
    ),
  )
  const { chat } = Context.get(context, Router.Router)
  const recording = Context.get(context, Recording.Recording)
  const request = { model: "assistant", messages: [Chat.user(secret)] }
  const calls = (count: number) =>
    Effect.repeat(chat(request, { caller: "team-a", tags: ["batch"] }), { times: count - 1 })
  /** Waits until so many calls are written or lost. */
  const settled = (count: number) =>
    Effect.gen(function* () {
      for (;;) {
        yield* TestClock.adjust("1 second")
        const { lost, recorded } = yield* recording.status
        if (lost + recorded >= count) return { lost, recorded }
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
    })
  return { folder: `${folder}/tapes`, settings, calls, settled, log, recording }
})

/** The items of the tape and its rotated files, the oldest first. */
const itemsIn = Effect.fnUntraced(function* (folder: string) {
  const files = yield* FileSystem.FileSystem
  const names = readdirSync(folder).toSorted((a, b) => b.localeCompare(a, "en", { numeric: true }))
  const read = Effect.forEach(names, (name) => Stream.runCollect(Tape.read(files.stream(`${folder}/${name}`))))
  return { names, items: (yield* read).flat() }
})

const callsOf = (items: ReadonlyArray<Tape.Item>) => items.filter((item) => item._tag === "Call")

const damageOf = (items: ReadonlyArray<Tape.Item>) => items.filter((item) => item._tag === "Damage")

const test = <E>(
  title: string,
  body: () => Effect.Effect<void, E, FileSystem.FileSystem | Path.Path | Scope.Scope>,
): void => {
  it.effect(title, () => Effect.provide(Effect.scoped(Effect.suspend(body)), NodeServices.layer))
}

describe("Recording", () => {
  test("writes every call with its needs and attempts, and no text of it, to a file that only its owner reads", () =>
    Effect.gen(function* () {
      const { calls, folder, settled } = yield* started()
      yield* calls(3)
      assert.deepStrictEqual(yield* settled(3), { lost: 0, recorded: 3 })
      const { items, names } = yield* itemsIn(folder)
      assert.deepStrictEqual(names, ["calls.tape"])
      assert.strictEqual(statSync(`${folder}/calls.tape`).mode & 0o777, 0o600)
      assert.deepInclude(items[0], { _tag: "Segment", sample: 1, lost: 0 })
      const [call] = callsOf(items)
      assert.lengthOf(callsOf(items), 3)
      assert.deepInclude(call, {
        route: "assistant",
        caller: "team-a",
        tags: ["batch"],
        outcome: "success",
        deployment: "backup",
        needs: { requires: [], inputTokens: Math.ceil(secret.length / 4), maxOutputTokens: 0 },
      })
      const attempts = call?.attempts.map(({ cost, reason, status, type }) => ({ cost, reason, status, type }))
      assert.deepStrictEqual(attempts, [
        { cost: undefined, reason: "Overloaded", status: 529, type: "initial" },
        { cost: 0.00007, reason: undefined, status: undefined, type: "fallback" },
      ])
      assert.notInclude(readFileSync(`${folder}/calls.tape`).toString("latin1"), "sk-live")
    }))

  test("goes on in the file of an earlier process, whose last record may lack its end", () =>
    Effect.gen(function* () {
      const { calls, folder, recording, settings } = yield* started()
      yield* calls(2)
      yield* recording.configure(undefined)
      truncateSync(settings.file, statSync(settings.file).size - 1)
      yield* recording.configure(settings)
      yield* calls(1)
      yield* recording.configure(undefined)
      const { items } = yield* itemsIn(folder)
      assert.deepStrictEqual(
        items.map(({ _tag }) => _tag),
        ["Segment", "Call", "Damage", "Segment", "Call"],
      )
      assert.deepInclude(damageOf(items)[0], { cause: "cut-off" })
    }))

  test("rotates the file by its size, and keeps as many as configured", () =>
    Effect.gen(function* () {
      const { calls, folder, recording, settled } = yield* started({ maxSize: ByteSize.bytes(600), maxFiles: 3 })
      for (let turn = 1; turn <= 12; turn++) {
        yield* calls(4)
        yield* settled(turn * 4)
      }
      yield* recording.configure(undefined)
      const { items, names } = yield* itemsIn(folder)
      assert.deepStrictEqual(
        names.filter((name) => name !== "calls.tape"),
        ["calls.tape.3", "calls.tape.2", "calls.tape.1"],
      )
      assert.deepStrictEqual(damageOf(items), [])
      // Each file is a tape of its own, and no call between those that are kept is missing.
      const numbers = callsOf(items).map(({ id }) => Number.parseInt(id.slice(id.lastIndexOf("-") + 1), 36))
      assert.deepStrictEqual(
        numbers,
        numbers.map((_, index) => 48 - numbers.length + 1 + index),
      )
      assert.isAbove(numbers.length, 12)
    }))

  test("rotates the file when its first call is as old as the interval, also one of an earlier process", () =>
    Effect.gen(function* () {
      const { calls, folder, recording, settled, settings } = yield* started({ interval: Duration.days(1) })
      yield* calls(1)
      yield* settled(1)
      yield* TestClock.adjust("12 hours")
      yield* calls(1)
      yield* settled(2)
      assert.deepStrictEqual((yield* itemsIn(folder)).names, ["calls.tape"])
      yield* TestClock.adjust("12 hours")
      yield* calls(1)
      yield* settled(3)
      yield* recording.configure(undefined)
      assert.deepStrictEqual((yield* itemsIn(folder)).names, ["calls.tape.1"])
      yield* recording.configure(settings)
      yield* calls(1)
      yield* settled(4)
      yield* recording.configure(undefined)
      yield* TestClock.adjust("1 day")
      yield* recording.configure(settings)
      yield* calls(1)
      yield* recording.configure(undefined)
      const { items, names } = yield* itemsIn(folder)
      assert.deepStrictEqual(names, ["calls.tape.2", "calls.tape.1", "calls.tape"])
      assert.lengthOf(callsOf(items), 5)
    }))

  test("costs calls nothing when the file cannot be written, counts and logs them, and goes on when it can", () =>
    Effect.gen(function* () {
      const { calls, folder, log, recording, settled, settings } = yield* started()
      // A directory in place of the file.
      mkdirSync(settings.file, { recursive: true })
      yield* calls(2)
      assert.deepStrictEqual(yield* settled(2), { lost: 2, recorded: 0 })
      yield* calls(1)
      assert.deepStrictEqual(yield* settled(3), { lost: 3, recorded: 0 })
      assert.match(log.join("\n"), /2 calls are not on the tape \S+calls\.tape: EISDIR/)
      rmdirSync(settings.file)
      yield* calls(1)
      assert.deepStrictEqual(yield* settled(4), { lost: 3, recorded: 1 })
      yield* recording.configure(undefined)
      const { items } = yield* itemsIn(folder)
      assert.deepInclude(items[0], { _tag: "Segment", lost: 3 })
      assert.lengthOf(callsOf(items), 1)
    }))

  test("begins another segment when another program has changed the file", () =>
    Effect.gen(function* () {
      const { calls, folder, recording, settled, settings } = yield* started()
      yield* calls(1)
      yield* settled(1)
      renameSync(settings.file, `${settings.file}.1`)
      yield* calls(2)
      assert.deepStrictEqual(yield* settled(3), { lost: 2, recorded: 1 })
      yield* calls(1)
      yield* settled(4)
      yield* recording.configure(undefined)
      const { items } = yield* itemsIn(folder)
      assert.deepStrictEqual(damageOf(items), [])
      assert.lengthOf(callsOf(items), 2)
    }))

  test("records a share of the calls, and is switched on and off for a time", () =>
    Effect.gen(function* () {
      const { calls, folder, recording, settings } = yield* started({ enabled: false })
      yield* calls(3)
      assert.deepInclude(yield* recording.status, { enabled: false, recorded: 0, until: undefined })
      assert.isFalse(existsSync(folder))
      const until = (yield* Clock.currentTimeMillis) + 600_000
      yield* recording.change({ enabled: true, sample: 0.5, until })
      assert.deepInclude(yield* recording.status, { enabled: true, sample: 0.5, until })
      yield* calls(200)
      yield* TestClock.adjust("10 minutes")
      // After the change has ended, because one is made at a time.
      yield* recording.configure(settings)
      yield* calls(3)
      const { recorded, until: ended } = yield* recording.status
      assert.isUndefined(ended)
      const { items } = yield* itemsIn(folder)
      assert.lengthOf(callsOf(items), recorded)
      assert.isAbove(recorded, 50)
      assert.isBelow(recorded, 150)
      assert.deepInclude(items[0], { sample: 0.5 })
    }))

  test("takes a later change in place of an earlier one, and fails where no file is configured", () =>
    Effect.gen(function* () {
      const { recording } = yield* started()
      const now = yield* Clock.currentTimeMillis
      yield* recording.change({ enabled: false, sample: undefined, until: now + 1000 })
      yield* recording.change({ enabled: false, sample: undefined, until: now + 5000 })
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* recording.status, { enabled: false, until: now + 5000 })
      const { recording: none } = yield* started({}, false)
      const failure = yield* Effect.flip(none.change({ enabled: true, sample: undefined, until: now + 1000 }))
      assert.strictEqual(failure._tag, "NoFile")
    }))
})
