import { assert, describe, it } from "@effect/vitest"
import * as DurationHistogram from "../../src/observe/DurationHistogram.ts"
import { DeploymentTraffic } from "../../src/observe/DeploymentTraffic.ts"
import { bucketMillis, buckets, TrafficWindow } from "../../src/observe/TrafficWindow.ts"

const start = 1_795_938_560_000

describe("DurationHistogram", () => {
  it("puts a duration into the class whose upper bound is at most 19 % above it", () => {
    for (const millis of [1, 2, 7, 99, 100, 101, 1_000, 59_999, 600_000]) {
      const bound = DurationHistogram.boundOf(DurationHistogram.classOf(millis))
      assert.isAtLeast(bound, millis - 0.01)
      assert.isAtMost(bound, millis * 1.19)
    }
    assert.strictEqual(DurationHistogram.classOf(0), 0)
    assert.strictEqual(DurationHistogram.classOf(1e12), DurationHistogram.classes - 1)
  })
})

describe("TrafficWindow", () => {
  it("counts each time in its own bucket, and returns the buckets that end after a time", () => {
    const window = new TrafficWindow()
    window.add(start, "success", 1)
    window.add(start + bucketMillis - 1, "success", 1)
    window.add(start + bucketMillis, "failure", 1)
    window.failed(start + bucketMillis, "Overloaded")
    window.skipped(start + bucketMillis, "CircuitOpen")
    window.latency(start, 100)
    const now = start + bucketMillis
    const all = window.since(now, 0)
    assert.deepStrictEqual(
      all.map(({ at, failure, latency, reasons, skipped, success }) => ({
        at,
        failure,
        latency,
        reasons,
        skipped,
        success,
      })),
      [
        { at: start, success: 2, failure: 0, latency: [[107.63, 1]], reasons: {}, skipped: {} },
        {
          at: start + bucketMillis,
          success: 0,
          failure: 1,
          latency: [],
          reasons: { Overloaded: 1 },
          skipped: { CircuitOpen: 1 },
        },
      ],
    )
    assert.deepStrictEqual(window.since(now, start + bucketMillis), all.slice(1))
    assert.deepStrictEqual(window.since(now, start + 2 * bucketMillis), [])
  })

  it("forgets what is older than half an hour, and uses its memory again", () => {
    const window = new TrafficWindow()
    window.add(start, "success", 5)
    window.latency(start, 100)
    window.failed(start, "Overloaded")
    const later = start + buckets * bucketMillis
    assert.deepStrictEqual(window.since(later, 0), [])
    assert.strictEqual(window.recent(later, "success", 60_000), 0)
    window.add(later, "success", 1)
    const [bucket, ...rest] = window.since(later, 0)
    assert.deepStrictEqual(rest, [])
    assert.deepInclude(bucket, { at: later, success: 1, latency: [], reasons: {} })
  })
})

describe("DeploymentTraffic", () => {
  const ended = (traffic: DeploymentTraffic, now: number, reason?: "Overloaded" | "InvalidRequest") =>
    traffic.ended(
      {
        deployment: "primary",
        model: "m",
        type: "initial",
        startedAt: now - 5,
        millis: 5,
        outcome: reason === undefined ? "success" : "failure",
        reason,
        message: "no",
      },
      "call",
      "assistant",
      now,
    )

  it("is healthy, degraded or failing by the attempts of the last minute", () => {
    const traffic = new DeploymentTraffic()
    assert.strictEqual(traffic.health("available", start), "idle")
    for (let call = 0; call < 3; call++) ended(traffic, start)
    assert.strictEqual(traffic.health("available", start), "healthy")
    assert.isTrue(ended(traffic, start, "Overloaded"))
    assert.strictEqual(traffic.health("available", start), "degraded")
    for (let call = 0; call < 2; call++) ended(traffic, start, "Overloaded")
    assert.strictEqual(traffic.health("available", start), "failing")
    assert.strictEqual(traffic.health("circuit_open", start), "circuit_open")
  })

  it("is failing until an attempt succeeds, however long ago the last one failed", () => {
    const traffic = new DeploymentTraffic()
    ended(traffic, start)
    ended(traffic, start + 1, "Overloaded")
    const later = start + 20 * 60_000
    assert.strictEqual(traffic.health("available", later), "failing")
    ended(traffic, later)
    assert.strictEqual(traffic.health("available", later + 10 * 60_000), "idle")
  })

  it("is not failing because of requests that are at fault", () => {
    const traffic = new DeploymentTraffic()
    assert.isFalse(ended(traffic, start, "InvalidRequest"))
    assert.strictEqual(traffic.health("available", start), "idle")
    assert.deepInclude(traffic.lastFailure, { reason: "InvalidRequest", at: start, message: undefined })
  })
})
