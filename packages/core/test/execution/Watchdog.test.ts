import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { stat } from "node:fs"
import * as Watchdog from "../../src/execution/Watchdog.ts"

const noDeadline = { at: Number.POSITIVE_INFINITY, byCaller: false }

/** A pull that gives `value` after some seconds. */
const after = <A>(value: A, seconds: number) => Effect.as(Effect.sleep(`${seconds} seconds`), value)

const isEvent = (value: string) => value !== "ping"

const make = (idle: number, deadline: Parameters<typeof Watchdog.make>[2]) =>
  Effect.acquireRelease(
    Effect.map(Effect.context<never>(), (context) => Watchdog.make(context, idle, deadline)),
    ({ stop }) => Effect.sync(stop),
  )

const watched = <A, E>(
  use: (guard: (pull: Effect.Effect<string>) => Effect.Effect<string, unknown>) => Effect.Effect<A, E>,
  deadline = noDeadline,
) =>
  Effect.gen(function* () {
    const watchdog = yield* make(10_000, deadline)
    return yield* use((pull) => watchdog.guard(pull, isEvent))
  }).pipe(Effect.scoped)

describe("Watchdog", () => {
  it.effect("passes on values that arrive in time, and failures", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(
        watched((guard) =>
          Effect.gen(function* () {
            const seen = [yield* guard(Effect.succeed("now")), yield* guard(after("later", 9))]
            return [...seen, yield* guard(after("later still", 9))]
          }),
        ),
      )
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["now", "later", "later still"])
      const watchdog = yield* make(10_000, noDeadline)
      assert.strictEqual(yield* Effect.flip(watchdog.guard(Effect.fail("broken"), isEvent)), "broken")
    }),
  )

  it.effect("fails and interrupts a pull after the idle timeout", () =>
    Effect.gen(function* () {
      let interrupted = false
      const silence = Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
      const fiber = yield* Effect.forkChild(
        watched((guard) =>
          Effect.andThen(guard(after("event", 7)), Effect.andThen(Effect.sleep("15 seconds"), guard(silence))),
        ).pipe(Effect.flip),
      )
      yield* TestClock.adjust("31 seconds")
      assert.isUndefined(fiber.pollUnsafe(), "the idle time of the second pull starts at 22 seconds")
      yield* TestClock.adjust("1 second")
      assert.match(String((yield* Fiber.join(fiber)) as Error), /no further event within 10s/)
      assert.isTrue(interrupted)
    }),
  )

  it.effect("counts the time of pings as idle, and not the time between pulls", () =>
    Effect.gen(function* () {
      const slowConsumer = Effect.sleep("1 hour")
      const fiber = yield* Effect.forkChild(
        watched((guard) =>
          Effect.gen(function* () {
            yield* guard(after("ping", 4))
            yield* slowConsumer
            yield* guard(after("ping", 4))
            yield* slowConsumer
            return yield* guard(after("too late", 3))
          }),
        ).pipe(Effect.flip),
      )
      yield* TestClock.adjust("3 hours")
      assert.match(String((yield* Fiber.join(fiber)) as Error), /no further event/)
    }),
  )

  it.effect("fails at the deadline, also a pull that begins after it", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(
        watched((guard) => Effect.flip(guard(after("late", 5))), { at: 3000, byCaller: false }),
      )
      yield* TestClock.adjust("3 seconds")
      assert.match(String((yield* Fiber.join(fiber)) as Error), /call not complete/)
      const late = yield* watched((guard) => Effect.flip(guard(Effect.succeed("after"))), {
        at: 3000,
        byCaller: false,
      })
      assert.match(String(late as Error), /call not complete/)
    }),
  )

  it.effect("stops with its scope, and interrupts the pull with the fibre that waits for it", () =>
    Effect.gen(function* () {
      let interrupted = false
      const silence = Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
      const scope = yield* Scope.make()
      const watchdog = yield* Scope.provide(make(10_000, noDeadline), scope)
      const fiber = yield* Effect.forkChild(watchdog.guard(silence, isEvent))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.isTrue(interrupted)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 hour")
    }),
  )

  it.effect("fails a pull on a clock whose time has fractions of a millisecond", () =>
    Effect.gen(function* () {
      // After 0.282057 ms more than whole milliseconds, 30 seconds after the pull's start are rounded up.
      yield* TestClock.adjust(4005.282057)
      const events = Effect.andThen(Effect.sleep(200), Effect.succeed("event"))
      const watching = Effect.flatMap(make(30_000, noDeadline), ({ guard }) =>
        guard(events, isEvent).pipe(
          Effect.andThen(guard(events, isEvent)),
          Effect.andThen(guard(Effect.never, isEvent)),
          Effect.flip,
        ),
      )
      const fiber = yield* Effect.forkChild(Effect.scoped(watching))
      yield* TestClock.adjust("31 seconds")
      assert.match(String(fiber.pollUnsafe()), /no further event within 30s/)
    }),
  )

  it.live("leaves time to read what arrived while the process stood still", () =>
    Effect.gen(function* () {
      const watchdog = yield* make(100, noDeadline)
      /** Comes by the event loop's reads, which follow its timers. */
      const read = Effect.callback<string>((resume) => {
        stat(".", () => resume(Effect.succeed("read")))
      })
      const pulling = yield* Effect.forkChild(watchdog.guard(read, isEvent))
      yield* Effect.yieldNow
      const until = performance.now() + 600
      while (performance.now() < until);
      assert.strictEqual(yield* Fiber.join(pulling), "read")
      const silence = yield* Effect.forkChild(Effect.flip(watchdog.guard(Effect.never, isEvent)))
      assert.match(String(yield* Fiber.join(silence)), /no further event/)
    }).pipe(Effect.scoped),
  )
})
