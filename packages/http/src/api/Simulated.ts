/**
 * `POST /simulated/{deployment}`: sets the fault of a simulated deployment (`{ "status": 503 }`), or clears it (`{}`). For
 * the operator only.
 */
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import {
  SimulatedRegistry,
  type SimulatedRegistry as Registry,
} from "@understudy/providers/internal/simulated/SimulatedRegistry"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { MainProcess } from "../workers/MainProcess.ts"
import { requireOperatorKey } from "./OperatorKey.ts"
import * as HttpReply from "./HttpReply.ts"
import * as ApiError from "./ApiError.ts"
import * as JsonBody from "./JsonBody.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.gen(function* () {
    const registry = yield* SimulatedRegistry
    const inject = yield* injectEverywhere(registry)
    yield* http.add(
      "POST",
      "/simulated/:deployment",
      Effect.gen(function* () {
        yield* requireOperatorKey
        const { deployment = "" } = yield* HttpRouter.params
        const body = yield* JsonBody.read
        const fault = yield* Effect.mapError(inject(deployment, body), (error) =>
          error._tag === "NotSimulated"
            ? ApiError.invalid(error.message, { status: 404, code: "not_simulated", param: "deployment" })
            : ApiError.invalid(error.message, { param: error.field }),
        )
        return HttpServerResponse.jsonUnsafe({ deployment, fault })
      }).pipe((response) => HttpReply.catchErrors(response, ChatCompletions)),
    )
  }),
)

/** Sets a fault in this process, and in all workers if there are several. */
const injectEverywhere = Effect.fnUntraced(function* ({ send }: Registry) {
  const main = yield* Effect.serviceOption(MainProcess)
  if (Option.isNone(main)) return send
  yield* main.value.answer("simulated", (text) => {
    const { body, deployment }: { readonly deployment: string; readonly body: unknown } = JSON.parse(text)
    return Effect.as(Effect.ignore(send(deployment, body)), "")
  })
  return (deployment: string, body: unknown) =>
    Effect.tap(send(deployment, body), () =>
      main.value.ask("everyone", { topic: "simulated", text: JSON.stringify({ deployment, body }) }),
    )
})
