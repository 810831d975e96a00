import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import { TestClock } from "effect/testing"
import * as Circuit from "../../src/admission/Circuit.ts"
import * as CircuitPolicy from "../../src/policy/CircuitPolicy.ts"
import type { Event, State, StepResult } from "../../src/admission/Circuit.ts"
import { build, Key, perform, Steps } from "./CircuitSteps.ts"

const three = CircuitBreaker.consecutive(3)

const admit: Event = { _tag: "Admit" }

const record = (
  outcome: "Success" | "Failure" | "Ignored",
  generation: number,
  tripPolicy: CircuitBreaker.TripPolicy = three,
): Event => ({ _tag: "Record", generation, outcome, tripPolicy, openFor: Duration.seconds(30) })

const closed = (fields: Partial<Extract<State, { readonly _tag: "Closed" }>> = {}): State => ({
  _tag: "Closed",
  generation: 4,
  openings: 0,
  streak: 0,
  ring: [],
  resetAt: 0,
  ...fields,
})
const open: State = { _tag: "Open", generation: 5, openings: 1, until: 31_000, openedFor: 30_000 }
const halfOpen = (probing: boolean): State => ({
  _tag: "HalfOpen",
  generation: 6,
  openings: 1,
  probing,
  openedFor: 30_000,
})

const admitted: StepResult = { _tag: "Admitted", transitioned: false }
const recorded: StepResult = { _tag: "Recorded", from: undefined }

describe("a closed circuit", () => {
  it("admits a call without a transition", () => {
    assert.deepStrictEqual(Circuit.step(Circuit.initial, admit, 1000), [Circuit.initial, admitted])
  })

  it("counts consecutive failures, which a success resets and an ignored outcome does not", () => {
    const after = (outcome: "Success" | "Failure" | "Ignored", streak: number) =>
      Circuit.step(closed({ streak }), record(outcome, 4), 1000)
    assert.deepStrictEqual(after("Failure", 1), [closed({ streak: 2 }), recorded])
    assert.deepStrictEqual(after("Success", 2), [closed(), recorded])
    assert.deepStrictEqual(after("Ignored", 2), [closed({ streak: 2 }), recorded])
  })

  it("opens after three consecutive failures, in a new generation", () => {
    assert.deepStrictEqual(Circuit.step(closed({ streak: 2 }), record("Failure", 4), 1000), [
      open,
      { _tag: "Recorded", from: "Closed" },
    ])
  })

  it("opens at a failure rate over the last outcomes, once there are enough", () => {
    const half = CircuitBreaker.rate({ threshold: 0.5, size: 4 })
    const after = (ring: ReadonlyArray<boolean>, outcome: "Success" | "Failure") =>
      Circuit.step(closed({ ring }), record(outcome, 4, half), 1000)[0]
    assert.deepStrictEqual(after([true, true], "Failure"), closed({ ring: [true, true, true], streak: 1 }))
    assert.strictEqual(after([true, false, false], "Failure")._tag, "Open")
    assert.strictEqual(after([true, true, false], "Success")._tag, "Open")
    assert.deepStrictEqual(
      after([true, false, false, false], "Failure"),
      closed({ ring: [false, false, false, true], streak: 1 }),
    )
  })

  it("ignores an outcome of another generation", () => {
    const state = closed({ streak: 2 })
    assert.deepStrictEqual(Circuit.step(state, record("Failure", 3), 1000), [state, recorded])
    assert.deepStrictEqual(Circuit.step(state, record("Success", 3), 1000), [state, recorded])
  })

  it("resets its number of openings after it was closed for as long as it was open", () => {
    const state = closed({ openings: 2, resetAt: 5000 })
    assert.deepStrictEqual(Circuit.step(state, admit, 4999), [state, admitted])
    assert.deepStrictEqual(Circuit.step(state, admit, 5000), [closed({ resetAt: 5000 }), admitted])
  })
})

describe("an open circuit", () => {
  it("refuses calls until it half-opens, and gives the time until then", () => {
    assert.deepStrictEqual(Circuit.step(open, admit, 30_999), [open, { _tag: "Refused", retryAfter: 1 }])
  })

  it("admits one probe after its time, and half-opens", () => {
    assert.deepStrictEqual(Circuit.step(open, admit, 31_000), [
      halfOpen(true),
      { _tag: "Admitted", transitioned: true },
    ])
  })

  it("ignores the outcomes of calls that were under way", () => {
    for (const outcome of ["Success", "Failure", "Ignored"] as const) {
      assert.deepStrictEqual(Circuit.step(open, record(outcome, 5), 2000), [open, recorded])
      assert.deepStrictEqual(Circuit.step(open, record(outcome, 4), 2000), [open, recorded])
    }
  })
})

describe("a half-open circuit", () => {
  it("refuses calls while the probe is under way, without a time", () => {
    const state = halfOpen(true)
    assert.deepStrictEqual(Circuit.step(state, admit, 40_000), [state, { _tag: "Refused", retryAfter: undefined }])
  })

  it("closes when the probe succeeds, and keeps its number of openings for as long as it was open", () => {
    assert.deepStrictEqual(Circuit.step(halfOpen(true), record("Success", 6), 40_000), [
      closed({ generation: 7, openings: 1, resetAt: 70_000 }),
      { _tag: "Recorded", from: "HalfOpen" },
    ])
  })

  it("opens again when the probe fails, and counts one more opening", () => {
    assert.deepStrictEqual(Circuit.step(halfOpen(true), record("Failure", 6), 40_000), [
      { _tag: "Open", generation: 7, openings: 2, until: 70_000, openedFor: 30_000 },
      { _tag: "Recorded", from: "HalfOpen" },
    ])
  })

  it("admits another probe after an ignored outcome, and then ignores late outcomes of the first", () => {
    const [waiting] = Circuit.step(halfOpen(true), record("Ignored", 6), 40_000)
    assert.deepStrictEqual(waiting, halfOpen(false))
    const [probing, verdict] = Circuit.step(waiting, admit, 40_000)
    assert.deepStrictEqual([probing, verdict], [{ ...halfOpen(true), generation: 7 }, admitted])
    assert.deepStrictEqual(Circuit.step(probing, record("Success", 6), 40_000), [probing, recorded])
  })
})

describe("toRecord", () => {
  const policy = CircuitPolicy.resolve({
    ...CircuitPolicy.defaults,
    open: "10 seconds",
    max: "1 minute",
    permanentFailure: "5 minutes",
  })
  const openFor = (openings: number) => Duration.toSeconds(Circuit.toRecord(policy, openings, "failure").openFor)

  it("doubles the time a circuit is open with each opening, up to the maximum", () => {
    assert.deepStrictEqual([0, 1, 2, 3, 60, 5000].map(openFor), [10, 20, 40, 60, 60, 60])
  })

  it("opens at once, for permanentFailure, after an authentication error", () => {
    assert.deepStrictEqual(Circuit.toRecord(policy, 0, "trip-permanent"), {
      outcome: "Failure",
      tripPolicy: CircuitBreaker.consecutive(1),
      openFor: Duration.minutes(5),
    })
  })

  it("ignores failures that do not count against the deployment", () => {
    for (const judged of ["cooldown", "ignore"] as const) {
      assert.strictEqual(Circuit.toRecord(policy, 0, judged).outcome, "Ignored")
    }
    assert.strictEqual(Circuit.toRecord(policy, 0, undefined).outcome, "Success")
  })

  it("counts consecutive failures, or a rate if one is set", () => {
    assert.deepStrictEqual(policy.trip, CircuitBreaker.consecutive(3))
    assert.deepStrictEqual(
      CircuitPolicy.resolve({ ...CircuitPolicy.defaults, failureRateThreshold: 0.5 }).trip,
      CircuitBreaker.rate({ threshold: 0.5, size: 20 }),
    )
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// The store, compared with Effect's
// ---------------------------------------------------------------------------------------------------------------------

describe("layerStore", () => {
  it.effect.prop(
    "behaves as Effect's memory store does",
    { steps: Steps },
    Effect.fnUntraced(function* ({ steps }) {
      const ours = yield* build(Circuit.layerStore)
      const theirs = yield* build(CircuitBreaker.layerStoreMemory())
      for (const step of steps) {
        if (step._tag === "Pass") yield* TestClock.adjust(Duration.seconds(step.seconds))
        assert.deepStrictEqual(yield* perform(ours, step), yield* perform(theirs, step))
        for (const key of Key.literals) {
          assert.deepStrictEqual(yield* ours.store.state(key), yield* theirs.store.state(key))
        }
      }
    }),
    { arbitrary: { runs: 200 } },
  )
})
