/**
 * `POST /api/generate`: a prompt in, an answer out, with who gave it and how it came about. A dialect of our own, for
 * those who want no vendor's.
 *
 * `{ "prompt": "…" }` → `{ "response", "provider", "model", "activity_log" }`. Beside the prompt it takes `model` (a
 * route; the first that its caller may call if not said), `system`, and `stream`: then the answer comes as server-sent
 * events, `{ "text" }` piece by piece, the first with the rest as far as it is known by then, and at its end the rest, or
 * `{ "error" }`.
 */
import * as Chat from "@understudy/core/Chat"
import { Router } from "@understudy/core/Router"
import { hasWildcard } from "@understudy/core/internal/route/Wildcard"
import type {
  Address,
  ClientError,
  ClientProtocol,
  Encoder,
} from "@understudy/providers/internal/protocols/ClientProtocol"
import * as InvalidBody from "@understudy/providers/internal/protocols/InvalidBody"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import { Caller, mayCall } from "../auth/Caller.ts"
import type { Level } from "../auth/Expose.ts"
import { Expose } from "../auth/Expose.ts"
import type { VirtualKey } from "../auth/VirtualKey.ts"
import { Activity } from "../observe/Activity.ts"
import * as Endpoint from "./Endpoint.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.gen(function* () {
    const router = yield* Router
    const activity = yield* Activity
    const codecs = {
      full: dialect(activity, "full"),
      names: dialect(activity, "names"),
      none: dialect(activity, "none"),
    }
    const names = [...router.routes, ...router.deployments]
    const usual = (caller: VirtualKey | undefined) => names.find((name) => mayCall(caller, name) && !hasWildcard(name))
    yield* http.add(
      "POST",
      "/api/generate",
      Effect.flatMap(Effect.zip(Caller, Expose), ([caller, level]) =>
        Endpoint.handle(router, codecs[level], { model: usual(caller) }),
      ),
    )
  }),
)

// ---------------------------------------------------------------------------------------------------------------------
// The dialect
// ---------------------------------------------------------------------------------------------------------------------

const Body = Schema.Struct({
  prompt: Schema.String.check(Schema.isNonEmpty({ expected: "a question" })),
  model: Schema.optional(Schema.String),
  system: Schema.optional(Schema.String),
  stream: Schema.optional(Schema.Boolean),
})

const parse = SchemaParser.decodeUnknownResult(Body)

const decode = (
  body: Record<string, unknown>,
  address: Address,
): Result.Result<Chat.Request, InvalidBody.InvalidBody> =>
  Result.flatMap(
    Result.mapError(parse(body), (issue) => InvalidBody.fromIssue(issue, body)),
    ({ model = address.model, prompt, system }) =>
      model === undefined
        ? Result.fail(
            new InvalidBody.InvalidBody({
              path: "model",
              message: "Missing required parameter: 'model' (expected the name of a route).",
            }),
          )
        : Result.succeed({
            model,
            messages: [...(system === undefined ? [] : [Chat.system(system)]), Chat.user(prompt)],
          }),
  )

/** Who answered a call, and what happened in it. */
const told = (activity: Activity["Service"], level: Level, call: string | undefined) => {
  if (level === "none") return {}
  const lines = call === undefined ? [] : activity.of(call)
  const by = lines.findLast(({ answeredBy }) => answeredBy !== undefined)?.answeredBy
  return {
    ...(by === undefined ? undefined : { provider: by.deployment, model: by.model }),
    activity_log: lines.map(({ brief, text }) => (level === "full" ? text : (brief ?? text))),
  }
}

const dialect = (activity: Activity["Service"], level: Level): ClientProtocol => {
  const failed = ({ code, message, param, requestId }: ClientError) => ({
    error: message,
    code,
    ...(param === undefined ? undefined : { param }),
    ...told(activity, level, requestId),
  })
  const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`
  return {
    protocol: "generate",
    Request: { decode, isStream: (body) => body["stream"] === true },
    Response: {
      encode: (response, { id }) => ({ response: Chat.text(response), ...told(activity, level, id) }),
    },
    Stream: {
      encoder: ({ id }): Encoder => {
        let begun = false
        return {
          push: ({ parts }) => {
            let text = ""
            for (const part of parts) if (part.type === "text" || part.type === "refusal") text += part.text
            if (text === "") return ""
            const first = begun ? undefined : told(activity, level, id)
            begun = true
            return event({ text, ...first })
          },
          end: () => event({ done: true, ...told(activity, level, id) }),
          fail: (error) => event(failed(error)),
        }
      },
    },
    Errors: { encode: failed },
  }
}
