import { assert, describe, it } from "@effect/vitest"
import { merge } from "../../src/api/MergedOverview.ts"
import type { BucketJson, DeploymentJson, OverviewJson } from "../../src/api/OverviewJson.ts"

const bucket = (at: number, rest: Partial<BucketJson> = {}): BucketJson => ({
  at,
  success: 0,
  failure: 0,
  cancelled: 0,
  cached: 0,
  input_tokens: 0,
  output_tokens: 0,
  cost_usd: 0,
  latency_ms: [],
  first_token_ms: [],
  reasons: {},
  skipped: {},
  ...rest,
})

const deployment = (rest: Partial<DeploymentJson> = {}): DeploymentJson => ({
  name: "primary",
  state: "available",
  retry_after_ms: 0,
  in_flight: 1,
  latency_ms: null,
  first_token_ms: null,
  health: "idle",
  last_success_at: null,
  last_failure: null,
  buckets: [],
  ...rest,
})

const overview = (rest: Partial<OverviewJson> = {}): OverviewJson => ({
  gateway: { host: "gw", pid: 1, started_at: 100 },
  at: 1000,
  bucket_ms: 10,
  window_ms: 100,
  routes: [],
  faults: [],
  deployments: [deployment()],
  changes: [],
  ...rest,
})

const failure = { at: 5, call: "c", route: "r", reason: "overloaded", status: 503, message: "busy" }

describe("MergedOverview", () => {
  it("adds the counts of buckets that begin together", () => {
    const one = bucket(20, { success: 2, latency_ms: [[107.63, 1]], reasons: { overloaded: 1 } })
    const other = bucket(20, {
      success: 3,
      latency_ms: [
        [90.51, 1],
        [107.63, 2],
      ],
      reasons: { overloaded: 1, timeout: 4 },
    })
    const { routes } = merge(overview({ routes: [{ name: "a", buckets: [one] }] }), [
      overview({ routes: [{ name: "a", buckets: [bucket(10), other] }] }),
      overview({ routes: [{ name: "b", buckets: [] }] }),
    ])
    const latency_ms = [
      [90.51, 1],
      [107.63, 3],
    ] as const
    assert.deepStrictEqual(routes, [
      {
        name: "a",
        buckets: [bucket(10), bucket(20, { success: 5, latency_ms, reasons: { overloaded: 2, timeout: 4 } })],
      },
      { name: "b", buckets: [] },
    ])
  })

  it("takes the newest failure and success, and what the workers with attempts agree on", () => {
    const healthOf = (...healths: ReadonlyArray<Partial<DeploymentJson>>) => {
      const [first = overview(), ...others] = healths.map((each) => overview({ deployments: [deployment(each)] }))
      return merge(first, others).deployments[0]!
    }
    const merged = healthOf(
      { health: "healthy", last_success_at: 9, last_failure: failure, latency_ms: 10 },
      { health: "failing", last_success_at: 7, last_failure: { ...failure, at: 8 }, latency_ms: 30 },
      {},
    )
    assert.deepInclude(merged, { health: "degraded", last_success_at: 9, in_flight: 3, latency_ms: 20 })
    assert.strictEqual(merged.last_failure?.at, 8)
    assert.strictEqual(healthOf({}, { health: "failing" }).health, "failing")
    assert.strictEqual(healthOf({}, {}).health, "idle")
    assert.strictEqual(
      healthOf({ health: "healthy" }, { state: "circuit_open", health: "circuit_open" }).health,
      "circuit_open",
    )
  })

  it("keeps one of the changes that all workers note", () => {
    const change = (at: number, state: DeploymentJson["state"], name = "primary") =>
      ({ at, deployment: name, state, retry_after_ms: 0, cause: null }) as OverviewJson["changes"][number]
    const { changes, gateway } = merge(overview({ changes: [change(1, "circuit_open"), change(9, "available")] }), [
      overview({
        gateway: { host: "gw", pid: 1, started_at: 50 },
        changes: [change(2, "circuit_open"), change(3, "circuit_open", "backup"), change(8, "available")],
      }),
    ])
    assert.deepStrictEqual(
      changes.map(({ at, deployment, state }) => [at, deployment, state]),
      [
        [1, "primary", "circuit_open"],
        [3, "backup", "circuit_open"],
        [8, "primary", "available"],
      ],
    )
    assert.strictEqual(gateway.started_at, 50)
  })
})
