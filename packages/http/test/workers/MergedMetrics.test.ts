/** The metrics of workers as those of one gateway. */
import { assert, describe, it } from "@effect/vitest"
import * as MergedMetrics from "../../src/workers/MergedMetrics.ts"

const worker = (calls: number, running: number, circuit: number, up: number) => `# HELP understudy_requests_total Calls
# TYPE understudy_requests_total counter
understudy_requests_total{route="a b \\"c\\""} ${calls}
# TYPE understudy_attempt_duration_seconds histogram
understudy_attempt_duration_seconds_bucket{le="1"} ${calls}
understudy_attempt_duration_seconds_bucket{le="+Inf"} ${calls}
understudy_attempt_duration_seconds_sum ${calls / 2}
understudy_attempt_duration_seconds_count ${calls}
# TYPE understudy_attempts_in_flight gauge
understudy_attempts_in_flight{deployment="x"} ${running}
# TYPE understudy_circuit_state gauge
understudy_circuit_state{deployment="x"} ${circuit}
# TYPE understudy_database_up gauge
understudy_database_up ${up}
`

describe("the metrics of several processes", () => {
  it("are one text of metrics", () => {
    const text = worker(3, 1, 0, 1)
    assert.strictEqual(MergedMetrics.print(MergedMetrics.merge([MergedMetrics.parse(text)])), text)
  })

  it("add counters, histograms and what runs, and take the worst of what is shared", () => {
    const merged = MergedMetrics.merge([worker(3, 1, 2, 1), worker(4, 2, 0, 0)].map(MergedMetrics.parse))
    assert.strictEqual(MergedMetrics.print(merged), worker(7, 3, 2, 0))
  })

  it("keep the counters of a process that has ended, and no gauge of it", () => {
    const ended = MergedMetrics.ended(MergedMetrics.parse(worker(3, 9, 2, 0)))
    const merged = MergedMetrics.merge([ended, MergedMetrics.parse(worker(1, 1, 0, 1))])
    assert.strictEqual(MergedMetrics.print(merged), worker(4, 1, 0, 1))
  })
})
