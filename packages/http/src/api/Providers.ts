/**
 * `GET /api/providers`: how each deployment stands just now. The operator's alone, for it tells of everybody's calls.
 */
import { Router } from "@understudy/core/Router"
import type { Status } from "@understudy/core/Status"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { operatorOnly } from "../keys/Caller.ts"
import * as Answer from "./Answer.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, ({ status }) => {
    const standings = Effect.map(status, (all) => HttpServerResponse.jsonUnsafe(all.map(standing)))
    return http.add("GET", "/api/providers", Answer.orError(Effect.andThen(operatorOnly, standings), ChatCompletions))
  }),
)

/** Milliseconds throughout. `resting` stands for a rest and an open circuit alike: it is not asked just now. */
export const standing = ({ circuit, deployment, firstToken, inFlight, latency, retryAfter }: Status) => ({
  name: deployment,
  state: retryAfter > 0 ? "resting" : circuit === "closed" ? "ready" : "probing",
  retry_after_ms: retryAfter,
  in_flight: inFlight,
  latency_ms: latency ?? null,
  first_token_ms: firstToken ?? null,
})
