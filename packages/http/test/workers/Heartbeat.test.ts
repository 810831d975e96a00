/** Which workers hang, by the beats that they have left unanswered. */
import { assert, describe, it } from "@effect/vitest"
import { Heartbeat, limit } from "../../src/workers/Heartbeat.ts"

describe("the heartbeat of workers", () => {
  it("finds a worker that answers nothing, and no other", () => {
    const heartbeat = new Heartbeat<string>()
    for (let beat = 0; beat < limit; beat++) {
      assert.deepStrictEqual(heartbeat.beat(["busy", "hung"]), [])
      if (beat === limit - 1) heartbeat.clear("busy")
    }
    assert.deepStrictEqual(heartbeat.beat(["busy", "hung"]), ["hung"])
    heartbeat.clear("hung")
    assert.deepStrictEqual(heartbeat.beat(["busy", "hung"]), [])
  })
})
