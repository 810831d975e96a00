/** The fuzz in small: `npm run fuzz` plays a million cases in each dialect, and watches the heap. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Dialect from "../scorecard/Dialect.ts"
import * as Case from "../scorecard/fuzz/Case.ts"
import { Draw } from "../scorecard/fuzz/Draw.ts"
import * as Fuzz from "../scorecard/fuzz/Fuzz.ts"
import * as Json from "../scorecard/fuzz/Json.ts"
import * as Mutation from "../scorecard/fuzz/Mutation.ts"
import * as Stalls from "../scorecard/fuzz/Stalls.ts"

describe("thousands of mutated requests and answers", () => {
  for (const dialect of Dialect.names) {
    it.live(
      `end well in ${Dialect.dialects[dialect].title}`,
      () =>
        Effect.gen(function* () {
          const report = yield* Fuzz.play({ dialect, seed: "in small", count: 5000, concurrency: 16, heap: () => 0 })
          assert.deepStrictEqual(Fuzz.complaints(report), [])
          assert.strictEqual(report.cases, 5000)
          // Both kinds get as far as they can: past the decoder, and past the upstream.
          assert.isAbove(report.statuses["request 200"] ?? 0, 300)
          assert.isAbove(report.statuses["request 400"] ?? 0, 1000)
          assert.isAbove(report.statuses["answer 200"] ?? 0, 500)
          assert.isAbove(report.statuses["answer 502"] ?? 0, 100)
        }),
      180_000,
    )
  }
})

it.live("begins no further case once it is stopped", () =>
  Effect.gen(function* () {
    let played = 0
    const report = yield* Fuzz.play({
      dialect: "gemini",
      seed: "stopped",
      count: 5000,
      concurrency: 2,
      isStopped: () => played >= 20,
      heap: () => 0,
      onCase: () => played++,
    })
    assert.strictEqual(report.cases, played)
    assert.isBelow(played, 30)
    assert.strictEqual(report.heap.length, 1)
  }),
)

describe("a case", () => {
  const one = Case.make("a seed", "messages", 7)
  const answered = (status: number, body: string, type = "application/json") => ({
    status,
    headers: new Map([["content-type", type]]),
    body: Buffer.from(body),
    end: "whole" as const,
  })
  const judged = (kind: Case.Case["kind"], ...received: Parameters<typeof answered>) =>
    Case.against({ ...one, kind, known: true, answers: true, timed: false }, answered(...received))
  const error = (type: string) => JSON.stringify({ type: "error", error: { type, message: "No." }, request_id: "r" })

  it("is the same by its seed, dialect and number, and another by another", () => {
    assert.deepStrictEqual(Case.make("a seed", "messages", 7), one)
    assert.notDeepEqual(Case.make("a seed", "messages", 8).bytes, one.bytes)
    assert.notDeepEqual(Case.make("another", "messages", 7).bytes, one.bytes)
  })

  it("is judged", () => {
    assert.isUndefined(judged("request", 400, error("invalid_request_error")))
    assert.isUndefined(judged("answer", 502, error("api_error")))
    assert.strictEqual(judged("request", 502, error("api_error")), "502 of our own")
    assert.strictEqual(judged("answer", 500, error("api_error")), "500 of our own")
    assert.strictEqual(judged("answer", 502, "{}"), "502 in another shape")
    assert.strictEqual(judged("request", 400, "Error: no\n    at f (file:///a/b.ts:1:2)"), "400 with a stack")
    assert.strictEqual(judged("request", 200, "{"), "a 200 that is not JSON")
    assert.strictEqual(Case.against(one, { ...answered(200, ""), end: "stuck" }), "stuck, after the status 200")
    assert.strictEqual(Case.against(one, { ...answered(0, ""), end: "cut" }), "no answer")

    const stop = 'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    const stream = (text: string) => judged("answer", 200, text, "text/event-stream")
    assert.isUndefined(stream(stop))
    assert.strictEqual(
      stream(`${stop}event: error\ndata: ${error("x")}\n\n`),
      "a stream that goes on after its end: end,error",
    )
    assert.strictEqual(stream('event: ping\ndata: {"type":"ping"}\n\n'), "a stream without an end")
    assert.strictEqual(stream(`event: ping\ndata: {\n\n${stop}`), "a stream with an event that is not JSON")
  })
})

describe("a mutation", () => {
  /** Draws what it is told, then 0. */
  class Told extends Draw {
    readonly #numbers: Array<number>
    constructor(...numbers: Array<number>) {
      super("")
      this.#numbers = numbers
    }
    override next(): number {
      return this.#numbers.shift() ?? 0
    }
  }
  const copies = [0.7, 0, 0.99] as const

  it("makes no JSON of more than some megabytes, whatever it copies", () => {
    // Of eight changes, the first copies the inner string 3000 times, the second the array of all these.
    const text = Mutation.json([["x"]], new Told(0, 0.99, 0.99, ...copies, 0.0005, ...copies))
    assert.isAbove(text.length, 1_000_000)
    assert.isBelow(text.length, 20_000_000)
    assert.isArray(JSON.parse(text))
  })

  it("changes a copy, of objects with a member twice too", () => {
    const inner = { a: 1 }
    const twice = new Json.Members([
      ["a", inner],
      ["a", 2],
    ])
    const copy = Json.copy([twice])
    assert.deepStrictEqual(copy, [twice])
    inner.a = 3
    assert.strictEqual(Json.write(copy), '[{"a":{"a":1},"a":2}]')
    assert.strictEqual(Json.lengthOf(copy), Json.write(copy).length + 3, "a comma after each last one")
  })
})

describe("a stall", () => {
  const millis = () => {
    const { system, user } = process.threadCpuUsage()
    return (system + user) / 1000
  }
  const work = (length: number) => {
    for (const from = millis(); millis() < from + length;);
  }

  it.live("is of the gateway's work, and names the case", () =>
    Effect.gen(function* () {
      const stall = yield* Stalls.watch(() => 7)
      Stalls.aside(() => work(400))
      work(200)
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => stall().millis > 0 })
      assert.strictEqual(stall().at, 7)
      assert.isBelow(stall().millis, 400)
    }).pipe(Effect.scoped),
  )
})
