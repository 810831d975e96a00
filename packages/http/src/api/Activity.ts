/**
 * `GET /api/activity`: log lines about calls as they happen, as server-sent events. For the operator only: it shows all
 * calls.
 */
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Drain } from "../Drain.ts"
import { requireViewer } from "./OperatorKey.ts"
import { Activity } from "../observe/Activity.ts"
import * as HttpReply from "./HttpReply.ts"
import * as Reauthentication from "./Reauthentication.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.gen(function* () {
    const { lines } = yield* Activity
    const drain = yield* Effect.serviceOption(Drain)
    const events = HttpReply.events(
      Stream.map(lines, (line) => `data: ${JSON.stringify({ ...line, brief: undefined })}\n\n`),
    )
    const draining = Option.isSome(drain) ? drain.value.begun : Effect.never
    const response = Effect.map(Reauthentication.Current, ({ revoked }) => {
      // The stream has no end of its own.
      const end = Effect.raceFirst(draining, revoked(requireViewer))
      return HttpServerResponse.stream(Stream.interruptWhen(events, end), {
        contentType: "text/event-stream",
        headers: { "cache-control": "no-cache" },
      })
    })
    const handler = Effect.andThen(requireViewer, response)
    yield* http.add("GET", "/api/activity", HttpReply.catchErrors(handler, ChatCompletions))
  }),
)
