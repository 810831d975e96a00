import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { stat } from "node:fs"
import * as Watchdog from "../../src/execution/Watchdog.ts"

const never = { at: Number.POSITIVE_INFINITY, byCaller: false }

/** A pull that brings `value` after so many seconds. */
const brings = <A>(value: A, seconds: number) => Effect.as(Effect.sleep(`${seconds} seconds`), value)

const isEvent = (value: string) => value !== "ping"

const watched = <A, E>(
  use: (guard: (pull: Effect.Effect<string>) => Effect.Effect<string, unknown>) => Effect.Effect<A, E>,
  deadline = never,
) =>
  Effect.gen(function* () {
    const dog = yield* Watchdog.make(yield* Effect.scope, 10_000, deadline)
    return yield* use((pull) => dog.guard(pull, isEvent))
  }).pipe(Effect.scoped)

describe("Watchdog", () => {
  it.effect("lets pass what comes in time, at once or later, and its failures", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(
        watched((guard) =>
          Effect.gen(function* () {
            const seen = [yield* guard(Effect.succeed("now")), yield* guard(brings("later", 9))]
            return [...seen, yield* guard(brings("later still", 9))]
          }),
        ),
      )
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["now", "later", "later still"])
      const dog = yield* Watchdog.make(yield* Effect.scope, 10_000, never)
      assert.strictEqual(yield* Effect.flip(dog.guard(Effect.fail("broken"), isEvent)), "broken")
    }),
  )

  it.effect("bites after silence, however late it began, and interrupts the pull", () =>
    Effect.gen(function* () {
      let interrupted = false
      const silence = Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
      const fiber = yield* Effect.forkChild(
        watched((guard) =>
          Effect.andThen(guard(brings("event", 7)), Effect.andThen(Effect.sleep("15 seconds"), guard(silence))),
        ).pipe(Effect.flip),
      )
      yield* TestClock.adjust("31 seconds")
      assert.isUndefined(fiber.pollUnsafe(), "22 seconds in, it was waited for: 10 more are borne")
      yield* TestClock.adjust("1 second")
      assert.match(String((yield* Fiber.join(fiber)) as Error), /no further event within 10s/)
      assert.isTrue(interrupted)
    }),
  )

  it.effect("does not take pings for events, nor the consumer's own time for silence", () =>
    Effect.gen(function* () {
      const slowConsumer = Effect.sleep("1 hour")
      const fiber = yield* Effect.forkChild(
        watched((guard) =>
          Effect.gen(function* () {
            yield* guard(brings("ping", 4))
            yield* slowConsumer
            yield* guard(brings("ping", 4))
            yield* slowConsumer
            return yield* guard(brings("too late", 3))
          }),
        ).pipe(Effect.flip),
      )
      yield* TestClock.adjust("3 hours")
      assert.match(String((yield* Fiber.join(fiber)) as Error), /no further event/)
    }),
  )

  it.effect("keeps the deadline, also for a pull that begins after it", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(
        watched((guard) => Effect.flip(guard(brings("late", 5))), { at: 3000, byCaller: false }),
      )
      yield* TestClock.adjust("3 seconds")
      assert.match(String((yield* Fiber.join(fiber)) as Error), /call not complete/)
      const after = yield* watched((guard) => Effect.flip(guard(Effect.succeed("after"))), {
        at: 3000,
        byCaller: false,
      })
      assert.match(String(after as Error), /call not complete/)
    }),
  )

  it.effect("is gone with its scope, and its pull with the fibre that waits", () =>
    Effect.gen(function* () {
      let interrupted = false
      const silence = Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
      const scope = yield* Scope.make()
      const dog = yield* Watchdog.make(scope, 10_000, never)
      const fiber = yield* Effect.forkChild(dog.guard(silence, isEvent))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.isTrue(interrupted)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 hour")
    }),
  )

  it.live("gives what arrived while the process stood still the time to be read", () =>
    Effect.gen(function* () {
      const dog = yield* Watchdog.make(yield* Effect.scope, 100, never)
      /** Comes by the event loop's reads, which follow its timers. */
      const read = Effect.callback<string>((resume) => {
        stat(".", () => resume(Effect.succeed("read")))
      })
      const pulling = yield* Effect.forkChild(dog.guard(read, isEvent))
      yield* Effect.yieldNow
      const until = performance.now() + 600
      while (performance.now() < until);
      assert.strictEqual(yield* Fiber.join(pulling), "read")
      const silence = yield* Effect.forkChild(Effect.flip(dog.guard(Effect.never, isEvent)))
      assert.match(String(yield* Fiber.join(silence)), /no further event/)
    }).pipe(Effect.scoped),
  )
})
