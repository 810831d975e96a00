import { assert, describe, it } from "@effect/vitest"
import { VirtualTime } from "@understudy/core/internal/rehearsal/VirtualTime"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 500 }))

/** Runs an effect by virtual time until nothing is due. */
const play = (time: VirtualTime, effect: Effect.Effect<unknown>) => {
  const fiber = Effect.runForkWith(time.within(Context.empty()))(effect)
  while (time.step());
  return fiber
}

describe("VirtualTime", () => {
  it("goes to the next time at which something is due, and no further", () => {
    const time = new VirtualTime(1000)
    const seen: Array<readonly [string, number]> = []
    const after = (name: string, millis: number) =>
      Effect.andThen(
        Effect.sleep(millis),
        Effect.sync(() => void seen.push([name, time.now])),
      )
    play(
      time,
      Effect.all([after("late", 3_600_000), after("soon", 5), after("soon too", 5)], { concurrency: "unbounded" }),
    )
    assert.deepStrictEqual(seen, [
      ["soon", 1005],
      ["soon too", 1005],
      ["late", 3_601_000],
    ])
    assert.isTrue(time.isIdle)
  })

  it("forgets the sleep of a fibre that was interrupted", () => {
    const time = new VirtualTime()
    let woke = 0
    const sleeper = Effect.andThen(
      Effect.sleep(1000),
      Effect.sync(() => woke++),
    )
    play(
      time,
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(sleeper)
        yield* Effect.sleep(10)
        yield* Fiber.interrupt(fiber)
      }),
    )
    assert.deepStrictEqual([woke, time.now], [0, 10])
  })

  it.effect.prop(
    "runs timers in the order of their times, whatever order they were started and stopped in",
    [Schema.Array(Schema.Struct({ at: Millis, isStopped: Schema.Boolean }))],
    ([timers]) =>
      Effect.sync(() => {
        const time = new VirtualTime()
        const ran: Array<number> = []
        // Many, so that those that are stopped are taken out.
        const all = Array.from({ length: 50 }, () => timers).flat()
        for (const { at, isStopped } of all) {
          const stop = time.startTimer(at, () => ran.push(at))
          if (isStopped) stop()
        }
        while (time.step());
        const expected = all.filter(({ isStopped }) => !isStopped).map(({ at }) => at)
        assert.deepStrictEqual(
          ran,
          expected.toSorted((a, b) => a - b),
        )
      }),
  )
})
