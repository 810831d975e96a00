/**
 * `GET /api/overview`: traffic of the last half hour by route and deployment, how each deployment does and its last failure, and how
 * their states changed; with `?since=`, what is new since then. For the operator only: it reflects the calls of all keys.
 */
import type { Status } from "@understudy/core/Router"
import { Router } from "@understudy/core/Router"
import { snakeCase } from "@understudy/core/internal/model/SnakeCase"
import { SimulatedRegistry } from "@understudy/providers/internal/simulated/SimulatedRegistry"
import { encode } from "@understudy/providers/internal/simulated/Fault"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { hostname } from "node:os"
import { pid } from "node:process"
import { stateOf } from "../observe/DeploymentState.ts"
import type { DeploymentTraffic, LastFailure } from "../observe/DeploymentTraffic.ts"
import { Overview } from "../observe/Overview.ts"
import { plain } from "../observe/PlainText.ts"
import type { Change } from "../observe/StateChanges.ts"
import type { Bucket, TrafficWindow } from "../observe/TrafficWindow.ts"
import { bucketMillis, buckets } from "../observe/TrafficWindow.ts"
import { Caller } from "../auth/Caller.ts"
import * as ApiError from "./ApiError.ts"
import * as HttpReply from "./HttpReply.ts"
import { requireViewer } from "./OperatorKey.ts"
import { statusJson } from "./Providers.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.gen(function* () {
    const router = yield* Router
    const overview = yield* Overview
    const registry = yield* SimulatedRegistry
    const windowMillis = bucketMillis * buckets
    const reply = Effect.gen(function* () {
      yield* requireViewer
      const since = yield* sinceOf(yield* HttpServerRequest.HttpServerRequest)
      const statuses = yield* overview.statuses
      const faults = yield* simulatedFaults(registry)
      const now = yield* Clock.currentTimeMillis
      const from = Math.max(since, now - windowMillis)
      // A deployment that was called by its name is also a route.
      const called = [...router.routes(), ...router.deployments().filter((name) => overview.route(name) !== undefined)]
      return HttpServerResponse.jsonUnsafe({
        role: (yield* Caller)?.role ?? "operator",
        gateway: { host: hostname(), pid, started_at: overview.startedAt },
        at: now,
        bucket_ms: bucketMillis,
        window_ms: windowMillis,
        routes: called.map((name) => ({ name, buckets: bucketsOf(overview.route(name), now, from) })),
        deployments: statuses.map((status) => ({
          ...deploymentJson(status, overview.deployment(status.deployment), now),
          ...(faults.has(status.deployment) ? { simulated: faults.get(status.deployment) } : undefined),
          buckets: bucketsOf(overview.deployment(status.deployment)?.window, now, from),
        })),
        changes: overview.changes(from).map(changeJson),
      })
    })
    yield* http.add("GET", "/api/overview", HttpReply.catchErrors(reply, ChatCompletions))
  }),
)

const sinceOf = ({ url }: HttpServerRequest.HttpServerRequest): Effect.Effect<number, ApiError.ApiError> => {
  const text = new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : "").get("since") ?? "0"
  const since = Number(text)
  return text.trim() !== "" && Number.isFinite(since) && since >= 0
    ? Effect.succeed(since)
    : Effect.fail(ApiError.invalid(`since must be a Unix time in milliseconds, not "${text}"`, { param: "since" }))
}

/** The faults of the simulated deployments that run, as `POST /simulated/{deployment}` takes them. */
const simulatedFaults = Effect.fnUntraced(function* ({ control, names }: SimulatedRegistry) {
  const faults = new Map<string, object>()
  for (const name of yield* names) {
    const running = yield* Effect.orElseSucceed(control(name), () => undefined)
    if (running !== undefined) faults.set(name, encode(yield* running.fault))
  }
  return faults
})

const deploymentJson = (status: Status, traffic: DeploymentTraffic | undefined, now: number) => {
  const state = stateOf(status)
  return {
    ...statusJson(status),
    health: traffic?.health(state, now) ?? (state === "available" ? "idle" : state),
    last_success_at: traffic?.lastSuccess ?? null,
    last_failure: traffic?.lastFailure === undefined ? null : failureJson(traffic.lastFailure),
  }
}

const failureJson = ({ at, call, message, reason, route, status }: LastFailure) => ({
  at,
  call,
  route,
  reason: snakeCase(reason),
  status: status ?? null,
  message: message === undefined ? null : plain(message),
})

const changeJson = ({ at, cause, deployment, retryAfter, state }: Change) => ({
  at,
  deployment,
  state,
  retry_after_ms: retryAfter,
  cause: cause === undefined ? null : { reason: snakeCase(cause.reason), status: cause.status ?? null },
})

const bucketsOf = (window: TrafficWindow | undefined, now: number, since: number) =>
  window?.since(now, since).map(bucketJson) ?? []

const bucketJson = (bucket: Bucket) => ({
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

const byName = (counts: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(counts).map(([name, count]) => [snakeCase(name), count]))
