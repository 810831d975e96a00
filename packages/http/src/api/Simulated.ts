/**
 * `POST /simulated/{deployment}`: sets the fault of a simulated deployment (`{ "status": 503 }`), or clears it (`{}`). For
 * the operator only.
 */
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import { SimulatedRegistry } from "@understudy/providers/internal/simulated/SimulatedRegistry"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { requireOperatorKey } from "./OperatorKey.ts"
import * as HttpReply from "./HttpReply.ts"
import * as ApiError from "./ApiError.ts"
import * as JsonBody from "./JsonBody.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(SimulatedRegistry, (registry) =>
    http.add(
      "POST",
      "/simulated/:deployment",
      Effect.gen(function* () {
        yield* requireOperatorKey
        const { deployment = "" } = yield* HttpRouter.params
        const body = yield* JsonBody.read
        const fault = yield* Effect.mapError(registry.send(deployment, body), (error) =>
          error._tag === "NotSimulated"
            ? ApiError.invalid(error.message, { status: 404, code: "not_simulated", param: "deployment" })
            : ApiError.invalid(error.message, { param: error.field }),
        )
        return HttpServerResponse.jsonUnsafe({ deployment, fault })
      }).pipe((response) => HttpReply.catchErrors(response, ChatCompletions)),
    ),
  ),
)
