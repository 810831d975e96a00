/** What a modeled provider does follows its distributions, its phases and its quota. */
import { assert, describe, it } from "@effect/vitest"
import type { Capabilities } from "@understudy/core/internal/model/Capabilities"
import * as Chat from "@understudy/core/Chat"
import * as StreamResume from "@understudy/core/internal/recovery/StreamResume"
import * as Answers from "@understudy/core/internal/rehearsal/Answer"
import * as Behavior from "@understudy/core/internal/rehearsal/Behavior"
import { Chance, named, numbered } from "@understudy/core/internal/rehearsal/Chance"
import * as Distribution from "@understudy/core/internal/rehearsal/Distribution"
import * as Elementary from "@understudy/core/internal/rehearsal/Elementary"
import type { Fate } from "@understudy/core/internal/rehearsal/Fate"
import * as Filler from "@understudy/core/internal/rehearsal/Filler"
import * as ModeledProvider from "@understudy/core/internal/rehearsal/ModeledProvider"
import { QuotaMeter } from "@understudy/core/internal/rehearsal/QuotaMeter"
import * as Traffic from "@understudy/core/internal/rehearsal/Traffic"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.999_999 }))

const drawn = (distribution: Distribution.Distribution, count = 20_000) => {
  const chance = new Chance(7)
  const values = Array.from({ length: count }, () => Distribution.quantile(distribution, chance.next()))
  return values.toSorted((a, b) => a - b)
}

describe("Distribution", () => {
  it("has the median and the 95th percentile that it was given", () => {
    const values = drawn({ median: 500, p95: 2000 })
    assert.approximately(values[10_000]!, 500, 15)
    assert.approximately(values[19_000]!, 2000, 100)
  })

  it("has the mean of an exponential", () => {
    const values = drawn({ mean: 100 })
    assert.approximately(values.reduce((sum, value) => sum + value, 0) / values.length, 100, 3)
  })

  it("interpolates samples, and stays within them", () => {
    const values = drawn({ samples: [10, 20, 40] })
    assert.isAtLeast(values[0]!, 10)
    assert.isAtMost(values.at(-1)!, 40)
    assert.approximately(values[10_000]!, 20, 1)
  })

  it.effect.prop("never has a smaller value for a larger share", [Share, Share], ([one, other]) =>
    Effect.sync(() => {
      const [low, high] = [Math.min(one, other), Math.max(one, other)]
      for (const distribution of [5, { median: 3, p95: 11 }, { mean: 2 }, { samples: [1, 1, 4] }]) {
        assert.isAtMost(Distribution.quantile(distribution, low), Distribution.quantile(distribution, high))
      }
    }),
  )
})

describe("Behavior", () => {
  it("changes while an incident lasts, and several add up", () => {
    const usual: Behavior.Behavior = { ...Behavior.usual, firstToken: 100, quota: { rpm: 60 } }
    const phases = Behavior.phases(usual, [
      { from: 10, until: 30, change: { slower: 2 } },
      { from: 20, until: 40, change: { slower: 3, quota: 0.5, outage: true } },
    ])
    assert.deepStrictEqual(
      phases.map(({ firstToken, from, isOut, quota }) => [from, firstToken, quota?.rpm, isOut]),
      [
        [Number.NEGATIVE_INFINITY, 100, 60, false],
        [10, 200, 60, false],
        [20, 600, 30, true],
        [30, 300, 30, true],
        [40, 100, 60, false],
      ],
    )
  })
})

describe("QuotaMeter", () => {
  it("admits what a minute allows at once, then as it refills, and says how long until then", () => {
    const meter = new QuotaMeter()
    const taken = (now: number) => meter.take({ rpm: 60 }, 1, now)
    assert.isTrue(Array.from({ length: 60 }, () => taken(0)).every((wait) => wait === 0))
    assert.strictEqual(taken(0), 1000)
    assert.strictEqual(taken(999), 1)
    assert.strictEqual(taken(1000), 0)
    assert.strictEqual(taken(1000), 1000)
  })

  it.effect.prop(
    "admits no more tokens than a full bucket and what has refilled since",
    [Schema.Array(Schema.Tuple([between(0, 5000), between(1, 400)]))],
    ([calls]) =>
      Effect.sync(() => {
        const meter = new QuotaMeter()
        let now = 0
        let admitted = 0
        for (const [wait, tokens] of Array.from({ length: 20 }, () => calls).flat()) {
          now += wait
          if (meter.take({ tpm: 1000 }, tokens, now) === 0) admitted += tokens
        }
        assert.isAtMost(admitted, 1000 + (now / 60_000) * 1000 + 1)
      }),
  )

  it("admits nothing of a quota of nothing", () => {
    assert.strictEqual(new QuotaMeter().take({ rpm: 0 }, 1, 0), 60_000)
  })
})

describe("Traffic", () => {
  const hour = 3_600_000
  const planned = (traffic: Partial<Traffic.Traffic>, length = hour) => [
    ...Traffic.calls({ ...Traffic.usual, ...traffic }, ["a", "b"], { start: 0, end: length, seed: 3 }),
  ]

  it("has the rate that it was given, in the order of time", () => {
    const calls = planned({ rate: 5 })
    assert.approximately(calls.length, 18_000, 400)
    assert.isTrue(calls.every(({ at }, index) => at >= (calls[index - 1]?.at ?? 0) && at < hour))
    assert.approximately(calls.filter(({ model }) => model === "a").length / calls.length, 0.5, 0.02)
  })

  it("follows the hours, and has more in a burst", () => {
    const hours = Array.from({ length: 24 }, (_, hour) => (hour === 1 ? 3 : 1))
    const calls = planned({ rate: 1, hours, bursts: [{ from: 2 * hour, for: hour, factor: 5 }] }, 3 * hour)
    const inHour = (index: number) => calls.filter(({ at }) => Math.floor(at / hour) === index).length
    assert.approximately(inHour(1) / inHour(0), 3, 0.3)
    assert.approximately(inHour(2) / inHour(0), 5, 0.5)
  })

  it("gives a call the same size whatever the rate is", () => {
    const [slow, fast] = [planned({ rate: 1 }), planned({ rate: 10 })]
    assert.deepStrictEqual(
      slow.slice(0, 100).map(({ outputTokens }) => outputTokens),
      fast.slice(0, 100).map(({ outputTokens }) => outputTokens),
    )
  })

  it("repeats earlier requests where it is said to", () => {
    const calls = planned({ rate: 5, repeats: 0.4 })
    const repeated = calls.filter(({ content, number }) => content !== number)
    assert.approximately(repeated.length / calls.length, 0.4, 0.03)
    assert.isTrue(repeated.every(({ content, number }) => content < number && content >= number - 100))
  })
})

describe("Chance", () => {
  it("is even, and does not depend on what else is drawn", () => {
    const counts = Array.from({ length: 10 }, () => 0)
    for (let index = 0; index < 50_000; index++) {
      counts[Math.floor(new Chance(numbered(named(1, "gpt-4o"), index)).next() * 10)]!++
    }
    for (const count of counts) assert.approximately(count, 5000, 350)
  })
})

describe("Answer", () => {
  const resumed = (delivered: string, capabilities: Capabilities, tokens: number): string => {
    const request = { model: "any", messages: [Chat.user("Hello")] }
    const { mode, request: resuming } = StreamResume.resumeRequest(request, delivered, capabilities)
    const [last, before] = resuming.messages.toReversed()
    const textOf = (message: Chat.Message | undefined) =>
      (message?.content ?? []).map((part) => (part.type === "text" ? part.text : "")).join("")
    const answer =
      last?.role === "assistant"
        ? Answers.make(tokens, Infinity, textOf(last))
        : Answers.make(tokens, Infinity, textOf(before), textOf(last))
    const result = StreamResume.join(mode, answer.text(0, answer.tokens), true)
    return result._tag === "Joined" ? delivered + result.text : result._tag
  }

  it.effect.prop(
    "is the rest of the call's answer where it resumes a broken one",
    [between(1, 2000), between(1, 2000), Schema.Boolean],
    ([one, other, prefill]) =>
      Effect.sync(() => {
        const [delivered, tokens] = [Math.min(one, other), Math.max(one, other)]
        assert.strictEqual(resumed(Filler.text(delivered), { prefill }, tokens), Filler.text(tokens))
      }),
  )

  it("is cut to what a request allows", () => {
    assert.strictEqual(Answers.make(50, 20).tokens, 20)
    const resumed = Answers.make(50, 20, Filler.text(10), "Go on\n<<<009 >>>")
    assert.strictEqual(resumed.text(0, resumed.tokens), `009 ${Filler.between(10, 29)}`)
  })
})

describe("ModeledProvider", () => {
  it.effect("goes silent when its fate does, with all that has come until then", () =>
    Effect.gen(function* () {
      const fate: Fate = { _tag: "Answers", first: 1000, end: 11_000, last: 6500, error: "silence" }
      const provider = ModeledProvider.make(() => fate, {
        protocol: "rehearsal",
        account: "any",
        local: false,
        interval: 2000,
      })
      const frames: Array<readonly [at: number, text: string]> = []
      const reading = Stream.runForEach(
        provider.stream({ model: "any", messages: [Chat.user("Hello")] }),
        ({ parts }) =>
          Effect.clockWith((clock) =>
            Effect.sync(() => {
              const text = parts.map((part) => (part.type === "text" ? part.text : "")).join("")
              frames.push([clock.currentTimeMillisUnsafe(), text])
            }),
          ),
      )
      yield* Effect.forkChild(reading)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        frames.map(([at]) => at),
        [1000, 3000, 5000, 6500],
      )
      assert.strictEqual(frames.map(([, text]) => text).join(""), Filler.text(55))
    }),
  )
})

describe("Elementary", () => {
  const chance = new Chance(5)
  const numbers = Array.from({ length: 20_000 }, () => chance.next())
  /** Numbers as one text of all their bits. */
  const bits = (values: ReadonlyArray<number>): string => {
    const view = new DataView(new ArrayBuffer(8))
    let hash = 0x811c9dc5
    for (const value of values) {
      view.setFloat64(0, value)
      for (let at = 0; at < 8; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x01000193)
    }
    return (hash >>> 0).toString(16)
  }

  it("has logarithms and exponentials as exact as those of Math", () => {
    const near = (one: number, other: number) => Math.abs(one - other) <= 2 * Number.EPSILON * Math.abs(other)
    for (const number of [
      ...numbers,
      ...numbers.map((each) => each * 1e6),
      1,
      2,
      0.5,
      1 + 1e-9,
      5e-324,
      1e-310,
      1e300,
    ]) {
      assert.isTrue(near(Elementary.log(number), Math.log(number)), `log ${number}`)
      const x = number * 100 - 50
      if (Math.abs(x) < 700) assert.isTrue(near(Elementary.exp(x), Math.exp(x)), `exp ${x}`)
    }
    assert.deepStrictEqual(
      [Elementary.log(0), Elementary.log(-1), Elementary.exp(0), Elementary.exp(800), Elementary.exp(-800)],
      [-Infinity, NaN, 1, Infinity, 0],
    )
  })

  it("has the same bits on every machine", () => {
    assert.strictEqual(bits(numbers.map(Elementary.log)), "b741c4ca")
    assert.strictEqual(bits(numbers.map((each) => Elementary.exp(each * 100 - 50))), "b519b801")
    assert.strictEqual(bits(numbers.map((each) => Distribution.quantile({ median: 500, p95: 2000 }, each))), "edc7379c")
  })
})
