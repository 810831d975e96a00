/** What `GET /api/overview` returns, as one process knows it. */
import type { Status } from "@understudy/core/Router"
import { snakeCase } from "@understudy/core/internal/model/SnakeCase"
import { stateOf } from "../observe/DeploymentState.ts"
import type { State } from "../observe/DeploymentState.ts"
import type { DeploymentTraffic, Health, LastFailure } from "../observe/DeploymentTraffic.ts"
import type { FaultsJson } from "../faults/FaultJson.ts"
import { plain } from "../observe/PlainText.ts"
import type { Change } from "../observe/StateChanges.ts"
import type { Bucket, TrafficWindow } from "../observe/TrafficWindow.ts"
import { bucketMillis, buckets } from "../observe/TrafficWindow.ts"
import { statusJson } from "./Providers.ts"

/** Times are Unix times in milliseconds. */
export interface OverviewJson {
  readonly gateway: { readonly host: string; readonly pid: number; readonly started_at: number }
  readonly at: number
  readonly bucket_ms: number
  readonly window_ms: number
  readonly routes: ReadonlyArray<RouteJson>
  readonly deployments: ReadonlyArray<DeploymentJson>
  readonly changes: ReadonlyArray<ChangeJson>
  /** The faults that are configured, and which are on. */
  readonly faults: ReadonlyArray<FaultsJson>
}

export interface RouteJson {
  readonly name: string
  readonly buckets: ReadonlyArray<BucketJson>
}

export interface DeploymentJson extends ReturnType<typeof statusJson> {
  readonly health: Health
  readonly last_success_at: number | null
  readonly last_failure: FailureJson | null
  /** The fault that is set, of a simulated deployment. */
  readonly simulated?: object
  readonly buckets: ReadonlyArray<BucketJson>
}

export interface FailureJson {
  readonly at: number
  readonly call: string
  readonly route: string
  readonly reason: string
  readonly status: number | null
  readonly message: string | null
}

export interface ChangeJson {
  readonly at: number
  readonly deployment: string
  readonly state: State
  readonly retry_after_ms: number
  readonly cause: { readonly reason: string; readonly status: number | null } | null
}

/** Durations are pairs of an upper bound in milliseconds and a count. */
type Durations = ReadonlyArray<readonly [bound: number, count: number]>
type Counts = Readonly<Record<string, number>>

export interface BucketJson {
  readonly at: number
  readonly success: number
  readonly failure: number
  readonly cancelled: number
  readonly cached: number
  readonly input_tokens: number
  readonly output_tokens: number
  readonly cost_usd: number
  readonly latency_ms: Durations
  readonly first_token_ms: Durations
  readonly reasons: Counts
  readonly skipped: Counts
}

export const windowMillis = bucketMillis * buckets

export const deployment = (
  status: Status,
  traffic: DeploymentTraffic | undefined,
  simulated: object | undefined,
  { at, since }: { readonly at: number; readonly since: number },
): DeploymentJson => {
  const state = stateOf(status)
  return {
    ...statusJson(status),
    health: traffic?.health(state, at) ?? (state === "available" ? "idle" : state),
    last_success_at: traffic?.lastSuccess ?? null,
    last_failure: traffic?.lastFailure === undefined ? null : failure(traffic.lastFailure),
    ...(simulated === undefined ? undefined : { simulated }),
    buckets: bucketsOf(traffic?.window, at, since),
  }
}

const failure = ({ at, call, message, reason, route, status }: LastFailure): FailureJson => ({
  at,
  call,
  route,
  reason: snakeCase(reason),
  status: status ?? null,
  message: message === undefined ? null : plain(message),
})

export const change = ({ at, cause, deployment, retryAfter, state }: Change): ChangeJson => ({
  at,
  deployment,
  state,
  retry_after_ms: retryAfter,
  cause: cause === undefined ? null : { reason: snakeCase(cause.reason), status: cause.status ?? null },
})

export const bucketsOf = (window: TrafficWindow | undefined, at: number, since: number): ReadonlyArray<BucketJson> =>
  window?.since(at, since).map(bucket) ?? []

const bucket = (bucket: Bucket): BucketJson => ({
  at: bucket.at,
  success: bucket.success,
  failure: bucket.failure,
  cancelled: bucket.cancelled,
  cached: bucket.cached,
  input_tokens: bucket.inputTokens,
  output_tokens: bucket.outputTokens,
  cost_usd: bucket.cost,
  latency_ms: bucket.latency,
  first_token_ms: bucket.firstToken,
  reasons: byName(bucket.reasons),
  skipped: byName(bucket.skipped),
})

const byName = (counts: Counts): Counts =>
  Object.fromEntries(Object.entries(counts).map(([name, count]) => [snakeCase(name), count]))
