import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { TestClock } from "effect/testing"
import { stripVTControlCharacters } from "node:util"
import * as LogFormat from "@understudy/http/internal/observe/LogFormat"

/** What an effect writes to its console, in a format. */
const written = (format: LogFormat.Format, log: Effect.Effect<void>): Effect.Effect<string> =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const console: Console.Console = { ...globalThis.console, log: (line: string) => void lines.push(line) }
    return log.pipe(
      Effect.provide(Logger.layer([LogFormat.logger(format)])),
      Effect.provideService(Console.Console, console),
      Effect.map(() => stripVTControlCharacters(lines.join("\n"))),
    )
  })

const evil = "a\nERROR b\r\u001b[2Jc\u2028d\u202ee\u0085\u009b2J"

describe("the JSON log", () => {
  it.effect("is one object for a message, with each annotation as a field", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 10, 29, 12))
      const line = yield* written(
        "json",
        Effect.annotateLogs(Effect.logWarning("assistant: failed"), { route: "assistant", attempts: [{ ms: 4 }] }),
      )
      assert.strictEqual(
        line,
        '{"timestamp":"2026-11-29T12:00:00.000Z","level":"WARN","message":"assistant: failed","route":"assistant","attempts":[{"ms":4}]}',
      )
    }),
  )

  it.effect("has no annotation in place of its own fields", () =>
    Effect.gen(function* () {
      const line = yield* written("json", Effect.annotateLogs(Effect.logInfo("mine"), { message: "theirs", level: 1 }))
      const { level, message } = JSON.parse(line)
      assert.deepStrictEqual([level, message], ["INFO", "mine"])
    }),
  )

  it.effect("has the ids of the trace that the message is from", () =>
    Effect.gen(function* () {
      const line = yield* written("json", Effect.withSpan(Effect.logInfo("traced"), "span"))
      const { span_id, trace_id } = JSON.parse(line)
      assert.match(trace_id, /^[0-9a-f]{32}$/)
      assert.match(span_id, /^[0-9a-f]{16}$/)
    }),
  )

  it.effect("has the cause as text", () =>
    Effect.gen(function* () {
      const { cause, message } = JSON.parse(
        yield* written("json", Effect.logError("broken", Cause.die(new Error("why")))),
      )
      assert.strictEqual(message, "broken")
      assert.match(cause, /^Error: why/)
    }),
  )

  it.effect("is one line, whatever a message or an annotation contains", () =>
    Effect.gen(function* () {
      const line = yield* written("json", Effect.annotateLogs(Effect.logInfo(evil, { kept: evil }), { route: evil }))
      assert.match(line, /^[\x20-\x7e]+$/)
      assert.deepInclude(JSON.parse(line), { message: [evil, { kept: evil }], route: evil })
    }),
  )
})

describe("the pretty log", () => {
  it.effect("is one line for a message, without its annotations", () =>
    Effect.gen(function* () {
      const line = yield* written("pretty", Effect.annotateLogs(Effect.logInfo("assistant: answered"), { call: "1" }))
      assert.match(line, /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: assistant: answered$/)
    }),
  )

  it.effect("says which worker a message is from", () =>
    Effect.gen(function* () {
      const line = yield* written("pretty", Effect.annotateLogs(Effect.logInfo("Drained"), { worker: 2 }))
      assert.match(line, /\] INFO \(worker 2\): Drained$/)
    }),
  )

  it.effect("lets no message start another line, nor move the cursor", () =>
    Effect.gen(function* () {
      const line = yield* written("pretty", Effect.logInfo(evil))
      assert.match(line, /\] INFO: a\\nERROR b\\r\\u001b\[2Jc\\u2028d\\u202ee\\u0085\\u009b2J$/)
      assert.match(line, /^[\x20-\x7e]+$/)
    }),
  )

  it.effect("shows values and causes on lines of their own", () =>
    Effect.gen(function* () {
      const text = yield* written(
        "pretty",
        Effect.logError("request", [{ content: evil }], Cause.die(new Error("why"))),
      )
      const [first, ...below] = text.split("\n")
      assert.match(first ?? "", /ERROR: request$/)
      assert.isTrue(below.every((line) => line.startsWith("  ")))
      assert.match(below.join("\n"), /content:[^]*Error: why/)
    }),
  )
})
