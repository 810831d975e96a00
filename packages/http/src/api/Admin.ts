/**
 * `POST /admin/deployments/{name}/reset`: ends a deployment's cooldown and closes its circuit. Replies with its status. For
 * the operator only. Applies to all gateways that share their state.
 */
import { Router } from "@understudy/core/Router"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as GatewayStatus from "../workers/GatewayStatus.ts"
import { requireOperatorKey } from "./OperatorKey.ts"
import * as Problem from "./admin/Problem.ts"
import * as ApiError from "./ApiError.ts"
import { statusJson } from "./Providers.ts"

const action = "/reset"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.gen(function* () {
    const router = yield* Router
    const status = yield* GatewayStatus.make
    yield* http.add(
      "POST",
      // A name may contain slashes, as names of compatible vendors do.
      "/admin/deployments/*",
      Effect.gen(function* () {
        yield* requireOperatorKey
        const { "*": path = "" } = yield* HttpRouter.params
        if (!path.endsWith(action)) {
          return yield* Effect.fail(
            ApiError.invalid("Send POST /admin/deployments/{name}/reset.", { status: 404, code: "not_found" }),
          )
        }
        const name = path.slice(0, -action.length)
        yield* ApiError.fromRouterError(router.reset(name))
        yield* Effect.logInfo(`${name} was reset by the operator: cooldown ended, circuit closed`)
        const reset = (yield* status).find(({ deployment }) => deployment === name)
        return HttpServerResponse.jsonUnsafe(reset === undefined ? {} : statusJson(reset))
      }).pipe((response) => Problem.catchProblems(response)),
    )
  }),
)
