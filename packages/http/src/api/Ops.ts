/**
 * `GET /health` (the process runs), `GET /ready` (new calls are accepted; 503 while draining; `overloaded` while they are rejected;
 * `fault_injection_until` while faults are injected; `database` is `down` while it is lost; `configuration` is `rejected` after a reload that failed) and `GET /metrics` (Prometheus; for
 * the operator only).
 */
import { Router } from "@understudy/core/Router"
import type { FaultStatus } from "@understudy/core/Router"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Timestamp from "../config/Timestamp.ts"
import { Drain } from "../Drain.ts"
import { Overload } from "../Overload.ts"
import { Reload } from "../reload/Reload.ts"
import { StoreStatus } from "../store/StoreStatus.ts"
import { MainProcess } from "../workers/MainProcess.ts"
import { requireViewer } from "./OperatorKey.ts"
import * as Metrics from "../observe/Metrics.ts"
import * as HttpReply from "./HttpReply.ts"

/** Adds the three endpoints to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.gen(function* () {
    const drain = yield* Drain
    const { control } = yield* Overload
    const store = yield* Effect.serviceOption(StoreStatus)
    const { faults } = yield* Router
    const reload = yield* Effect.serviceOption(Reload)
    // Of the gateway, not of the request: the router, and the budgets if there are any.
    const context = yield* Effect.context<Router>()
    const own = Effect.provideContext(
      Effect.suspend(() => Metrics.render(drain.inFlight.size())),
      context,
    )
    const main = yield* Effect.serviceOption(MainProcess)
    if (Option.isSome(main)) yield* main.value.answer("metrics", () => own)
    // Those of all workers, where there are several.
    const metrics = Option.isSome(main) ? main.value.ask("metrics", null) : own
    yield* http.add("GET", "/health", HttpServerResponse.jsonUnsafe({ status: "ok" }))
    yield* http.add(
      "GET",
      "/ready",
      Effect.map(faults.status, (faults) =>
        drain.announced()
          ? HttpServerResponse.jsonUnsafe({ status: "draining" }, { status: 503 })
          : HttpServerResponse.jsonUnsafe({
              status: "ready",
              ...(control.exceeded(drain.inFlight.size()) === undefined ? undefined : { overloaded: true }),
              ...(Option.isSome(store) ? { database: store.value.isUp() ? "up" : "down" } : undefined),
              ...faultInjection(faults),
              ...configuration(Option.getOrUndefined(reload)?.rejectedAt()),
            }),
      ),
    )
    yield* http.add(
      "GET",
      "/metrics",
      HttpReply.catchErrors(
        Effect.map(Effect.andThen(requireViewer, metrics), (text) =>
          HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" }),
        ),
        ChatCompletions,
      ),
    )
  }),
)

/** When the last of the faults that are on goes off. */
const faultInjection = (faults: ReadonlyArray<FaultStatus>) => {
  const ends = faults.flatMap(({ active }) => (active === undefined ? [] : [active.until]))
  return ends.length === 0 ? undefined : { fault_injection_until: Timestamp.print(Math.max(...ends)) }
}

/** The gateway serves on, by the configuration that it had before. */
const configuration = (rejectedAt: number | undefined) =>
  rejectedAt === undefined
    ? undefined
    : { configuration: "rejected", configuration_rejected_at: new Date(rejectedAt).toISOString() }
