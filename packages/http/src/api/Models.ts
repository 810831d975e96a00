/**
 * `GET /v1/models` and `GET /v1/models/{id}`: the names that the caller may call, routes first, in OpenAI's shape.
 */
import { Router } from "@understudy/core/Router"
import { unknownModel } from "@understudy/core/RouterError"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Caller, mayCall } from "../keys/Caller.ts"
import * as Answer from "./Answer.ts"
import * as ApiError from "./ApiError.ts"

/** Adds both endpoints to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.gen(function* () {
    const router = yield* Router
    const since = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const known = [...router.routes, ...router.deployments]
    const model = (id: string) => ({ id, object: "model", created: since, owned_by: "understudy" })

    yield* http.add(
      "GET",
      // The bare path too; and a name may hold slashes, as compatible vendors' do.
      "/v1/models/*",
      Effect.zipWith(HttpRouter.params, Caller, ({ "*": id = "" }, caller) => {
        const theirs = known.filter((name) => mayCall(caller, name))
        if (id === "") return HttpServerResponse.jsonUnsafe({ object: "list", data: theirs.map(model) })
        if (theirs.includes(id)) return HttpServerResponse.jsonUnsafe(model(id))
        const error = ApiError.fromRouter(unknownModel(id, theirs))
        return Answer.error(error, ChatCompletions)
      }),
    )
  }),
)
