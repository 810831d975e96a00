/**
 * `POST /admin/reload`: reads the configuration again, and puts it in force if all of it is good. Replies with what changed,
 * and with what takes effect at a restart; or with every problem of the configuration, which then changes nothing. For the
 * operator only.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import { Reload } from "../reload/Reload.ts"
import * as Problem from "./admin/Problem.ts"
import { requireOperatorKey } from "./OperatorKey.ts"

/** Adds the endpoint to the `HttpRouter` in context, if the gateway can reload its configuration. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(
    Effect.serviceOption(Reload),
    Option.match({
      onNone: () => Effect.void,
      onSome: ({ reload }) =>
        http.add(
          "POST",
          "/admin/reload",
          Effect.gen(function* () {
            yield* requireOperatorKey
            const reloaded = yield* Effect.mapError(reload("POST /admin/reload"), Problem.invalidConfiguration)
            return HttpServerResponse.jsonUnsafe(reloaded, { headers: { "cache-control": "no-store" } })
          }).pipe((response) => Problem.catchProblems(response)),
        ),
    }),
  ),
)
