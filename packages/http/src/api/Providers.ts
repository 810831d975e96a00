/**
 * `GET /api/providers`: how each deployment stands just now. `GET /api/activity`: what happens to calls, in words, as it
 * happens, as server-sent events.
 */
import { Router } from "@understudy/core/Router"
import type { Status } from "@understudy/core/Router"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Drain } from "../Drain.ts"
import { operatorOnly } from "../keys/Caller.ts"
import { Activity } from "../observe/Activity.ts"
import * as Answer from "./Answer.ts"

/** Adds both endpoints to the `HttpRouter` in context. */
export const layer = Layer.mergeAll(
  HttpRouter.use((http) =>
    Effect.flatMap(Router, ({ status }) =>
      http.add(
        "GET",
        "/api/providers",
        operatorsAlone(Effect.map(status, (all) => HttpServerResponse.jsonUnsafe(all.map(standing)))),
      ),
    ),
  ),
  HttpRouter.use((http) =>
    Effect.gen(function* () {
      const { lines } = yield* Activity
      const drain = yield* Effect.serviceOption(Drain)
      const events = Answer.events(Stream.map(lines, (line) => `data: ${JSON.stringify(line)}\n\n`))
      // It has no end of its own.
      const body = Option.isSome(drain) ? Stream.interruptWhen(events, drain.value.begun) : events
      const answer = HttpServerResponse.stream(body, {
        contentType: "text/event-stream",
        headers: { "cache-control": "no-cache" },
      })
      yield* http.add("GET", "/api/activity", operatorsAlone(Effect.succeed(answer)))
    }),
  ),
)

/** Both tell of everybody's calls. */
function operatorsAlone<R>(answer: Effect.Effect<HttpServerResponse.HttpServerResponse, never, R>) {
  return Effect.catch(Effect.andThen(operatorOnly, answer), (error) =>
    Effect.succeed(Answer.error(error, ChatCompletions)),
  )
}

/** Milliseconds throughout. `resting` stands for a rest and an open circuit alike: it is not asked just now. */
const standing = ({ circuit, deployment, firstToken, inFlight, latency, retryAfter }: Status) => ({
  name: deployment,
  state: retryAfter > 0 ? "resting" : circuit === "closed" ? "ready" : "probing",
  retry_after_ms: retryAfter,
  in_flight: inFlight,
  latency_ms: latency ?? null,
  first_token_ms: firstToken ?? null,
})
