import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import type { Priority } from "../../src/model/Priority.ts"
import { priorities, rank } from "../../src/model/Priority.ts"
import type { Departure } from "../../src/queue/AdmissionQueue.ts"
import { AdmissionQueue } from "../../src/queue/AdmissionQueue.ts"

/** A refusal of the limit below. */
interface Refused {
  readonly limit: "concurrency" | "rate" | "closed"
  readonly retryAfter: number
}

/** A call on the limit below, as the tests see it. */
interface Observed {
  readonly name: string
  readonly caller: string
  readonly priority: Priority
  readonly departures: Array<Departure>
  waited: number
  queuedAt: number | undefined
}

/** How long the reply to a try takes, in milliseconds, where another process counts. */
const latency = 5

/** A limit with a number of permits, and of calls a second, with a queue. */
class Limit {
  permits: number
  rate = Infinity
  isClosed = false
  /** Whether a try takes time, as where another process counts. */
  isRemote = false
  held = 0
  #taken = 0
  #second = 0
  readonly queue: AdmissionQueue<Refused>
  readonly admitted: Array<Observed> = []
  readonly waiting = new Set<Observed>()

  constructor(permits: number, policy = { max: 100, maxWait: 10_000 }) {
    this.permits = permits
    this.queue = new AdmissionQueue(policy)
  }

  #take(now: number): Exit.Exit<void, Refused> {
    if (this.isClosed) return Exit.fail({ limit: "closed", retryAfter: 0 })
    if (this.held >= this.permits) return Exit.fail({ limit: "concurrency", retryAfter: 0 })
    const second = Math.floor(now / 1000)
    if (second !== this.#second) [this.#second, this.#taken] = [second, 0]
    if (this.#taken >= this.rate) return Exit.fail({ limit: "rate", retryAfter: (second + 1) * 1000 - now })
    this.#taken++
    this.held++
    assert.isAtMost(this.held, this.permits, "permits")
    assert.isAtMost(this.#taken, this.rate, "rate")
    return Exit.void
  }

  /** Holds a permit for `millis`. The result is how the call ended. */
  call(observed: Observed, millis: number, deadline = Infinity): Effect.Effect<Exit.Exit<void, Refused>> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function* () {
        const take = Effect.clockWith((clock) => Effect.suspend(() => this.#take(clock.currentTimeMillisUnsafe())))
        const exit = yield* Effect.exit(
          this.queue.acquire(
            {
              take: () =>
                this.isRemote
                  ? Effect.flatMap(Effect.exit(take), (exit) => Effect.andThen(Effect.sleep(latency), exit))
                  : take,
              outlook: ({ limit, retryAfter }) =>
                limit === "closed"
                  ? undefined
                  : { retryAfter: limit === "rate" ? retryAfter : undefined, isCertain: limit === "rate" },
              restate: (error, retryAfter) => ({ ...error, retryAfter }),
              caller: observed.caller,
              priority: observed.priority,
              deadline,
              onQueued: () => void this.waiting.add(observed),
              onLeft: (departure, waited) => {
                this.waiting.delete(observed)
                observed.departures.push(departure)
                observed.waited = waited
              },
            },
            restore,
          ),
        )
        if (Exit.isFailure(exit)) return exit
        this.admitted.push(observed)
        const release = Effect.sync(() => {
          this.held--
          this.queue.released()
        })
        return yield* Effect.exit(Effect.ensuring(restore(Effect.sleep(millis)), release))
      }),
    )
  }
}

const observe = (name: string, priority: Priority = "normal"): Observed => ({
  name,
  caller: name[0] ?? "",
  priority,
  departures: [],
  waited: -1,
  queuedAt: undefined,
})

/** Starts calls of a second each, by the names in a text such as `a1 a2 b1:high`. */
const start = (limit: Limit, text: string, millis = 1000) =>
  Effect.forEach(text.split(" "), (each) => {
    const [name = "", priority] = each.split(":")
    const observed = observe(name, priority as Priority | undefined)
    return Effect.map(Effect.forkChild(limit.call(observed, millis), { startImmediately: true }), (fiber) => ({
      observed,
      fiber,
    }))
  })

const names = (calls: ReadonlyArray<Observed>) => calls.map(({ name }) => name).join(" ")

const limitOf = ({ fiber }: { readonly fiber: Fiber.Fiber<Exit.Exit<void, Refused>> }) =>
  Effect.map(Fiber.join(fiber), (exit) =>
    Exit.isSuccess(exit) ? "admitted" : Option.getOrUndefined(Exit.findErrorOption(exit)),
  )

describe("AdmissionQueue", () => {
  it.effect("admits a call at once while its limit has room, and nothing is recorded", () =>
    Effect.gen(function* () {
      const limit = new Limit(2)
      const calls = yield* start(limit, "a1 a2")
      assert.strictEqual(names(limit.admitted), "a1 a2")
      assert.deepStrictEqual(
        calls.flatMap(({ observed }) => observed.departures),
        [],
      )
    }),
  )

  it.effect("admits waiting calls as others end: high before normal, callers by round robin", () =>
    Effect.gen(function* () {
      const limit = new Limit(1)
      const calls = yield* start(limit, "a1 a2 a3 a4 b1 c1:low b2:high")
      assert.strictEqual(limit.queue.waiting, 6)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(names(limit.admitted), "a1 b2 a2 b1 a3 a4 c1")
      assert.deepStrictEqual(
        calls.map(({ observed }) => observed.waited),
        [-1, 2000, 4000, 5000, 3000, 6000, 1000],
      )
      assert.strictEqual(limit.held, 0)
    }),
  )

  it.effect("admits waiting calls when a rate refills, without a call that ends", () =>
    Effect.gen(function* () {
      const limit = new Limit(Infinity)
      limit.rate = 2
      yield* start(limit, "a1 a2 a3 a4 a5", 60_000)
      assert.strictEqual(names(limit.admitted), "a1 a2")
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(names(limit.admitted), "a1 a2")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(names(limit.admitted), "a1 a2 a3 a4")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(names(limit.admitted), "a1 a2 a3 a4 a5")
      assert.strictEqual(limit.queue.waiting, 0)
    }),
  )

  it.effect("rejects a call after `maxWait`, with the limit's refusal", () =>
    Effect.gen(function* () {
      const limit = new Limit(1, { max: 10, maxWait: 300 })
      const [, second] = yield* start(limit, "a1 a2")
      yield* TestClock.adjust("299 millis")
      assert.strictEqual(limit.queue.waiting, 1)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(second?.observed.departures, ["timeout"])
      assert.deepStrictEqual(yield* limitOf(second!), { limit: "concurrency", retryAfter: 0 })
    }),
  )

  it.effect("rejects a call at its deadline, and at once where it would surely wait for longer", () =>
    Effect.gen(function* () {
      const limit = new Limit(1)
      yield* start(limit, "a1")
      const early = observe("b1")
      yield* Effect.forkChild(limit.call(early, 1, 200), { startImmediately: true })
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual([early.departures, early.waited], [["timeout"], 200])
      limit.permits = Infinity
      limit.rate = 0
      const late = observe("c1")
      const exit = yield* limit.call(late, 1, 900)
      assert.deepStrictEqual([late.departures, late.waited], [["timeout"], 0])
      assert.deepStrictEqual(exit, Exit.fail({ limit: "rate", retryAfter: 800 }))
    }),
  )

  it.effect("rejects a call when it is full, unless a lower class or a caller with more calls makes room", () =>
    Effect.gen(function* () {
      const limit = new Limit(1, { max: 3, maxWait: 10_000 })
      const [, , , a4] = yield* start(limit, "a1 a2 a3 a4")
      const [a5, b1, b2, c1] = yield* start(limit, "a5 b1 b2 c1:high")
      const departures = [a4, a5, b1, b2, c1].map((call) => call?.observed.departures.join())
      assert.deepStrictEqual(departures, ["full", "full", "", "full", ""])
      assert.strictEqual(limit.queue.waiting, 3)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(names(limit.admitted), "a1 c1 a2 b1")
    }),
  )

  it.effect("admits a call when another ends between its try and the reply", () =>
    Effect.gen(function* () {
      const limit = new Limit(1)
      limit.isRemote = true
      yield* start(limit, "a1")
      yield* TestClock.adjust(1002)
      // The first is refused as it comes, and the other as it has its turn: a permit is free before either knows.
      const calls = yield* start(limit, "a2 b1", 2)
      yield* TestClock.adjust(100)
      assert.strictEqual(names(limit.admitted), "a1 a2 b1")
      for (const { observed } of calls) assert.isAtMost(observed.waited, 30)
    }),
  )

  it.effect("takes an interrupted call out at once, and gives its turn to the next", () =>
    Effect.gen(function* () {
      const limit = new Limit(1)
      limit.isRemote = true
      const first = (yield* start(limit, "a1"))[0]!
      yield* TestClock.adjust(latency)
      const [second, third] = yield* start(limit, "a2 a3")
      yield* TestClock.adjust(latency)
      assert.strictEqual(limit.queue.waiting, 2)
      yield* Fiber.interrupt(second!.fiber)
      assert.deepStrictEqual(second!.observed.departures, ["cancelled"])
      // The third has its turn while its try takes time: it is admitted, and what it took is given back.
      yield* Fiber.interrupt(first.fiber)
      yield* Effect.forkChild(Fiber.interrupt(third!.fiber), { startImmediately: true })
      yield* TestClock.adjust(4 * latency)
      assert.strictEqual(limit.held, 0)
      assert.strictEqual(limit.queue.waiting, 0)
    }),
  )

  it.effect("rejects all waiting calls once waiting no longer helps", () =>
    Effect.gen(function* () {
      const limit = new Limit(1)
      const calls = yield* start(limit, "a1 a2 b1")
      limit.isClosed = true
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        calls.map(({ observed }) => observed.departures.join()),
        ["", "rejected", "rejected"],
      )
    }),
  )

  it.effect("wakes waiting calls when a limit is raised, and rejects them when the queue is removed", () =>
    Effect.gen(function* () {
      const limit = new Limit(1)
      const calls = yield* start(limit, "a1 a2 a3 a4")
      limit.permits = 2
      limit.queue.setPolicy({ max: 5, maxWait: 10_000 })
      assert.strictEqual(names(limit.admitted), "a1 a2")
      limit.permits = 3
      limit.queue.setPolicy(undefined)
      assert.strictEqual(names(limit.admitted), "a1 a2 a3")
      assert.deepStrictEqual(calls[3]?.observed.departures, ["rejected"])
      const late = (yield* start(limit, "b1"))[0]!
      assert.deepStrictEqual(late.observed.departures, [])
      assert.deepStrictEqual(yield* limitOf(late), { limit: "concurrency", retryAfter: 0 })
    }),
  )

  const step = Schema.Struct({
    does: Schema.Literals(["call", "call", "call", "interrupt", "advance", "permits", "rate", "policy", "close"]),
    caller: Schema.Literals(["a", "b", "c"]),
    priority: Schema.Literals(priorities),
    amount: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 })),
  })

  it.effect.prop(
    "ends each call exactly once, within its limits, and leaks nothing, however calls, ends, interruptions and changes interleave",
    { steps: Schema.Array(step), isRemote: Schema.Boolean },
    ({ isRemote, steps }) =>
      Effect.gen(function* () {
        const limit = new Limit(2, { max: 5, maxWait: 700 })
        limit.isRemote = isRemote
        const calls: Array<{ readonly observed: Observed; readonly fiber: Fiber.Fiber<Exit.Exit<void, Refused>> }> = []
        for (const { amount, caller, does, priority } of steps) {
          switch (does) {
            case "call": {
              const observed = observe(`${caller}${calls.length}`, priority)
              const now = yield* Clock.currentTimeMillis
              const deadline = amount % 3 === 0 ? now + amount * 20 : Infinity
              const fiber = yield* Effect.forkChild(limit.call(observed, amount * 30, deadline), {
                startImmediately: true,
              })
              calls.push({ observed, fiber })
              break
            }
            case "interrupt": {
              const call = calls[amount % Math.max(1, calls.length)]
              if (call !== undefined) yield* Effect.forkChild(Fiber.interrupt(call.fiber), { startImmediately: true })
              break
            }
            case "advance":
              yield* TestClock.adjust(amount * 10)
              break
            case "permits":
              // A lower limit admits none until enough calls have ended.
              limit.permits = Math.max(limit.held, amount % 4)
              limit.queue.released()
              break
            case "rate":
              limit.rate = amount % 5 === 0 ? Infinity : amount + 100
              limit.queue.released()
              break
            case "policy":
              limit.queue.setPolicy(amount % 4 === 0 ? undefined : { max: amount % 7, maxWait: amount * 40 })
              break
            case "close":
              limit.isClosed = amount % 2 === 0
              limit.queue.released()
              break
          }
          assert.strictEqual(limit.queue.waiting, limit.waiting.size)
          if (!isRemote && limit.held < limit.permits && !limit.isClosed && limit.rate === Infinity) {
            assert.strictEqual(limit.queue.waiting, 0, "no call waits while the limit has room")
          }
        }
        yield* TestClock.adjust("1 hour")
        for (const { fiber } of calls) assert.isDefined(fiber.pollUnsafe(), "each call has ended")
        assert.strictEqual(limit.held, 0)
        assert.strictEqual(limit.queue.waiting, 0)
        for (const { observed } of calls) {
          assert.isAtMost(observed.departures.length, 1)
          const isAdmitted = limit.admitted.filter((each) => each === observed).length
          assert.isAtMost(isAdmitted, 1)
          const [departure] = observed.departures
          if (departure !== undefined) assert.strictEqual(isAdmitted, departure === "admitted" ? 1 : 0, departure)
        }
      }),
  )

  it.effect.prop(
    "admits in order: classes, then each caller's calls as they came, and no caller more than once before another that waits",
    {
      calls: Schema.Array(
        Schema.Struct({ caller: Schema.Literals(["a", "b", "c"]), priority: Schema.Literals(priorities) }),
      ),
    },
    ({ calls }) =>
      Effect.gen(function* () {
        const limit = new Limit(1, { max: 1000, maxWait: 10 ** 9 })
        const text = calls.map(({ caller, priority }, index) => `${caller}${index}:${priority}`)
        yield* start(limit, ["z", ...text].join(" "), 10)
        yield* TestClock.adjust(10 * calls.length + 10)
        const order = limit.admitted.slice(1)
        assert.lengthOf(order, calls.length)
        assert.deepStrictEqual(
          order.map(({ priority }) => rank(priority)),
          order.map(({ priority }) => rank(priority)).toSorted(),
        )
        for (const priority of priorities) {
          const served = order.filter((each) => each.priority === priority)
          for (const caller of ["a", "b", "c"]) {
            const own = served.filter((each) => each.caller === caller).map(({ name }) => Number(name.slice(1)))
            assert.deepStrictEqual(
              own,
              own.toSorted((a, b) => a - b),
            )
          }
          // All waited from the beginning: after n turns, those that still have calls have had n calls each.
          const counts = { a: 0, b: 0, c: 0 } as Record<string, number>
          const total = (caller: string) => served.filter((each) => each.caller === caller).length
          for (const { caller } of served) {
            counts[caller]!++
            for (const other of ["a", "b", "c"]) {
              if (counts[other]! < total(other)) assert.isAtMost(counts[caller]! - counts[other]!, 1)
            }
          }
        }
      }),
  )
})
