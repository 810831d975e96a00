import { assert, describe, it } from "@effect/vitest"
import { LatencyTracker } from "../../src/deployment/Health.ts"

describe("LatencyTracker", () => {
  it("counts calls in flight, and weighs each new latency by a fifth", () => {
    const health = new LatencyTracker()
    health.start()
    health.start()
    health.end()
    health.recordLatency(100)
    health.recordLatency(200)
    health.recordFirstToken(10)
    assert.deepStrictEqual([health.inFlight, health.latency, health.firstToken], [1, 120, 10])
  })
})
