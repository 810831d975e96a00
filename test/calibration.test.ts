/** The pieces of the calibration: `npm run calibrate` plays its cases for minutes. */
import { assert, describe, it } from "@effect/vitest"
import type { PlannedCall } from "@understudy/core/Rehearsal"
import { usualBehavior } from "@understudy/core/Rehearsal"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Answers from "@understudy/core/internal/rehearsal/Answer"
import type { Fate } from "@understudy/core/internal/rehearsal/Fate"
import * as Filler from "@understudy/core/internal/rehearsal/Filler"
import type { Step } from "@understudy/providers/internal/testing/FaultPlayer"
import { openAi } from "@understudy/providers/internal/testing/OpenAi"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Items from "../packages/core/test/rehearsal/tape/Items.ts"
import * as Calibration from "../scorecard/calibration/Calibration.ts"
import { cases } from "../scorecard/calibration/Case.ts"
import * as Clients from "../scorecard/calibration/Clients.ts"
import * as Document from "../scorecard/calibration/Document.ts"
import * as Figures from "../scorecard/calibration/Figures.ts"
import * as StandIn from "../scorecard/calibration/StandIn.ts"

const call = (number: number, streaming: boolean): PlannedCall => ({
  number,
  at: 0,
  model: "primary",
  streaming,
  inputTokens: 10,
  outputTokens: 50,
  caller: undefined,
  tags: [],
  content: number,
})

const exchange = { serial: 1, now: 0, key: "" }

const request = (streaming: boolean) =>
  openAi.read("/v1/chat/completions", JSON.parse(Clients.bodyOf(call(0, streaming))))!

const failure = (status: number | undefined, retryAfter?: number): ProviderError =>
  new ProviderError({
    reason: { _tag: "RateLimited", retryAfter: retryAfter === undefined ? undefined : Duration.millis(retryAfter) },
    message: "fails",
    status,
  })

const steps = (fate: Fate, streaming: boolean) =>
  StandIn.steps(fate, 1000, request(streaming), exchange, Answers.make(50, Infinity))

/** What steps lead to, and after how many milliseconds. */
const played = (steps: ReadonlyArray<Step>) => {
  const millis = steps.reduce((sum, step) => sum + (step._tag === "Wait" ? step.millis : 0), 0)
  const text = steps.map((step) => (step._tag === "Write" ? String(step.bytes) : "")).join("")
  const head = steps.find((step) => step._tag === "Head")
  return { millis, text, head, last: steps.at(-1)?._tag }
}

describe("a stand-in of the calibration", () => {
  it("fails when its fate says so, with the status and Retry-After", () => {
    const { head, last, millis } = played(steps({ _tag: "Fails", at: 1050, error: failure(429, 3000) }, false))
    assert.deepStrictEqual([head?._tag === "Head" && head.status, millis, last], [429, 50, "End"])
    assert.strictEqual(head?._tag === "Head" ? head.headers["retry-after"] : undefined, "3")
    const lost = played(steps({ _tag: "Fails", at: 1200, error: failure(undefined) }, true))
    assert.deepStrictEqual([lost.head, lost.millis, lost.last], [undefined, 200, "Reset"])
  })

  it("streams the whole answer between its first token and its end", () => {
    const all = steps({ _tag: "Answers", first: 1400, end: 2400.6, last: 2400.6, error: undefined }, true)
    assert.strictEqual(
      all.findIndex(({ _tag }) => _tag === "Wait"),
      0,
    )
    assert.deepStrictEqual(all[0], { _tag: "Wait", millis: 400 })
    const { last, millis, text } = played(all)
    assert.deepStrictEqual([millis, last], [1401, "End"])
    const pieces = [...text.matchAll(/"content":"([^"]*)"/g)].map(([, piece]) => piece)
    assert.strictEqual(pieces.join(""), Filler.text(50))
    assert.isAbove(pieces.length, 4)
  })

  it("breaks a stream off, or goes silent, after what has come until then", () => {
    const broken = { _tag: "Answers", first: 1100, end: 2100, last: 1600 } as const
    const cut = played(steps({ ...broken, error: failure(undefined) }, true))
    const silent = played(steps({ ...broken, error: "silence" }, true))
    assert.deepStrictEqual([cut.millis, cut.last, silent.last], [600, "Reset", "Hang"])
    for (const { text } of [cut, silent]) {
      assert.include(text, "00n ")
      assert.notInclude(text, "00z ")
      assert.notInclude(text, 'finish_reason":"stop')
    }
  })

  it.live("serves the calls of its scenario on a socket", () =>
    Effect.gen(function* () {
      const fast = { ...usualBehavior, firstToken: 0, tokensPerSecond: 1e9 }
      const standIn = yield* StandIn.make({
        deployments: ["primary"],
        seed: 1,
        scenario: {
          name: "half",
          description: "",
          deployments: {
            primary: { ...fast, failures: [{ share: 0.5, reason: { _tag: "ServerError" }, status: 500, after: 0 }] },
          },
        },
      })
      const calls = Array.from({ length: 60 }, (_, number) => call(number, number % 2 === 0))
      standIn.begin(StandIn.now(), calls)
      const ended = yield* Clients.run(standIn.url, calls)
      const answered = ended.filter(({ isAnswered }) => isAnswered).length
      assert.isAbove(answered, 15)
      assert.isBelow(answered, 45)
      standIn.begin(StandIn.now(), calls)
      assert.deepStrictEqual(
        (yield* Clients.run(standIn.url, calls)).map(({ isAnswered }) => isAnswered),
        ended.map(({ isAnswered }) => isAnswered),
      )
    }),
  )
})

const backup = { deployment: "backup", attempts: [Items.attempt({ deployment: "backup" })] }

describe("the figures of the calibration", () => {
  it("count a call as rescued if its first deployment failed or was not available", () => {
    const { attemptsPerCall, rescued } = Figures.live(
      Array.from({ length: 5 }, () => ({ millis: 1, isAnswered: true })),
      [
        Items.call({}),
        Items.call({ deployment: "backup", attempts: [Items.attempt(), Items.attempt({ deployment: "backup" })] }),
        Items.call({ ...backup, skipped: [{ deployment: "primary", reason: "CircuitOpen" }] }),
        Items.call({ ...backup, skipped: [{ deployment: "primary", reason: "MissingCapability" }] }),
        Items.call({
          deployment: undefined,
          outcome: "failure",
          attempts: [Items.attempt(), Items.attempt({ deployment: "backup" })],
        }),
      ],
    )
    assert.deepStrictEqual([rescued, attemptsPerCall], [2 / 5, 7 / 5])
  })

  it("miss their bars beyond a point, 2 % and 10 %", () => {
    const live = { calls: 1, answered: 1, rescued: 0.2, attemptsPerCall: 1, p95: 1000 }
    const within = (simulated: Partial<Figures.Figures>) =>
      Figures.differences(live, { ...live, ...simulated }).map(({ isWithin }) => isWithin)
    assert.deepStrictEqual(within({ rescued: 0.209, attemptsPerCall: 1.019, p95: 901 }), [true, true, true])
    assert.deepStrictEqual(within({ rescued: 0.189 }), [false, true, true])
    assert.deepStrictEqual(within({ attemptsPerCall: 0.979 }), [true, false, true])
    assert.deepStrictEqual(within({ p95: 1101 }), [true, true, false])
  })
})

describe("the cases of the calibration", () => {
  for (const each of cases) {
    it.live(`simulate the calls of ${each.name} that are played`, () =>
      Effect.gen(function* () {
        const options = { seconds: 5, seed: 1, main: "" }
        const calls = yield* Calibration.callsOf(each, 0, options)
        const report = yield* Calibration.simulate(each, options)
        assert.isAbove(calls.length, 100)
        assert.strictEqual(report.calls, calls.length)
      }),
    )
  }

  it("are those in the documentation", () => {
    const text = readFileSync(join(import.meta.dirname, "..", "docs", "rehearsal.md"), "utf8")
    const block = text.slice(text.indexOf(Document.begin), text.indexOf(Document.end))
    for (const { title } of cases) assert.include(block, title)
  })
})
