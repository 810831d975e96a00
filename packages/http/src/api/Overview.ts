/**
 * `GET /api/overview`: traffic of the last half hour by route and deployment, how each deployment does and its last failure, and how
 * their states changed; with `?since=`, what is new since then; of all workers together. For the operator only: it reflects the calls
 * of all keys.
 */
import { Router } from "@understudy/core/Router"
import { SimulatedRegistry } from "@understudy/providers/internal/simulated/SimulatedRegistry"
import { encode } from "@understudy/providers/internal/simulated/Fault"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import { hostname } from "node:os"
import { pid, ppid } from "node:process"
import { Caller } from "../auth/Caller.ts"
import * as FaultJson from "../faults/FaultJson.ts"
import { Overview } from "../observe/Overview.ts"
import { bucketMillis } from "../observe/TrafficWindow.ts"
import { MainProcess } from "../workers/MainProcess.ts"
import * as ApiError from "./ApiError.ts"
import * as HttpReply from "./HttpReply.ts"
import * as MergedOverview from "./MergedOverview.ts"
import { requireViewer } from "./OperatorKey.ts"
import type { OverviewJson } from "./OverviewJson.ts"
import * as Json from "./OverviewJson.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.gen(function* () {
    const router = yield* Router
    const overview = yield* Overview
    const registry = yield* SimulatedRegistry
    const main = yield* Effect.serviceOption(MainProcess)
    // The gateway is the main process, if it has workers.
    const gateway = { host: hostname(), pid: Option.isSome(main) ? ppid : pid, started_at: overview.startedAt }
    const own = Effect.fnUntraced(function* (wanted: number) {
      const statuses = yield* overview.statuses
      const faults = yield* simulatedFaults(registry)
      const at = yield* Clock.currentTimeMillis
      const since = Math.max(wanted, at - Json.windowMillis)
      // A deployment that was called by its name is also a route.
      const called = [...router.routes(), ...router.deployments().filter((name) => overview.route(name) !== undefined)]
      const json: OverviewJson = {
        gateway,
        at,
        bucket_ms: bucketMillis,
        window_ms: Json.windowMillis,
        routes: called.map((name) => ({ name, buckets: Json.bucketsOf(overview.route(name), at, since) })),
        deployments: statuses.map((status) =>
          Json.deployment(status, overview.deployment(status.deployment), faults.get(status.deployment), { at, since }),
        ),
        changes: overview.changes(since).map(Json.change),
        faults: (yield* router.faults.status).map(FaultJson.of),
      }
      return json
    })
    if (Option.isSome(main)) {
      yield* main.value.answer("overview", (since) => Effect.map(own(Number(since)), (json) => JSON.stringify(json)))
    }
    const all = (since: number) =>
      Option.isNone(main)
        ? own(since)
        : Effect.flatMap(main.value.ask("everyone", { topic: "overview", text: String(since) }), (answers) => {
            // A worker that cannot answer yet gives an empty text.
            const [first, ...others] = answers.flatMap((answer): ReadonlyArray<OverviewJson> =>
              answer === "" ? [] : [JSON.parse(answer)],
            )
            return first === undefined ? own(since) : Effect.succeed(MergedOverview.merge(first, others))
          })
    const reply = Effect.gen(function* () {
      yield* requireViewer
      const since = yield* sinceOf(yield* HttpServerRequest.HttpServerRequest)
      const role = (yield* Caller)?.role ?? "operator"
      return HttpServerResponse.jsonUnsafe({ role, ...(yield* all(since)) })
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
