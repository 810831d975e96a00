/**
 * `POST /api/generate`: a plain API for a prompt and its answer, with the deployment and the activity of the call.
 *
 * `{ "prompt": "…" }` → `{ "response", "provider", "model", "usage", "activity_log" }`. Other fields: `model` (a route; default:
 * the first that the caller may call), `system`, `messages` (the turns before), and `stream`. A stream is server-sent events
 * `{ "text" }`; the first and the last also have `provider`, `model` and `activity_log`, the last `usage`; an error is
 * `{ "error" }`.
 */
import * as Chat from "@understudy/core/Chat"
import { total } from "@understudy/core/Receipt"
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
    const protocols = {
      full: protocol(activity, "full"),
      names: protocol(activity, "names"),
      none: protocol(activity, "none"),
    }
    const defaultModel = (caller: VirtualKey | undefined) =>
      [...router.routes(), ...router.deployments()].find((name) => mayCall(caller, name) && !hasWildcard(name))
    yield* http.add(
      "POST",
      "/api/generate",
      Effect.flatMap(Effect.zip(Caller, Expose), ([caller, level]) =>
        Endpoint.handle(router, protocols[level], { model: defaultModel(caller) }),
      ),
    )
  }),
)

// ---------------------------------------------------------------------------------------------------------------------
// The protocol
// ---------------------------------------------------------------------------------------------------------------------

const Body = Schema.Struct({
  prompt: Schema.String.check(Schema.isNonEmpty({ expected: "a text that is not empty" })),
  model: Schema.optional(Schema.String),
  system: Schema.optional(Schema.String),
  messages: Schema.optional(
    Schema.Array(
      Schema.Struct({
        role: Schema.Literals(["user", "assistant"]),
        content: Schema.String.check(Schema.isNonEmpty()),
      }),
    ),
  ),
  stream: Schema.optional(Schema.Boolean),
})

const parse = SchemaParser.decodeUnknownResult(Body)

const decode = (
  body: Record<string, unknown>,
  address: Address,
): Result.Result<Chat.Request, InvalidBody.InvalidBody> =>
  Result.flatMap(
    Result.mapError(parse(body), (issue) => InvalidBody.fromIssue(issue, body)),
    ({ messages = [], model = address.model, prompt, system }) =>
      model === undefined
        ? Result.fail(
            new InvalidBody.InvalidBody({
              path: "model",
              message: "Missing required parameter: 'model' (expected the name of a route).",
            }),
          )
        : Result.succeed({
            model,
            messages: [
              ...(system === undefined ? [] : [Chat.system(system)]),
              ...messages.map(({ content, role }) => (role === "user" ? Chat.user(content) : Chat.assistant(content))),
              Chat.user(prompt),
            ],
          }),
  )

/** The deployment that answered a call, and its activity log. */
const activityFields = (activity: Activity["Service"], level: Level, call: string | undefined) => {
  if (level === "none") return {}
  const lines = call === undefined ? [] : activity.of(call)
  const answeredBy = lines.findLast(({ answeredBy }) => answeredBy !== undefined)?.answeredBy
  return {
    ...(answeredBy === undefined ? undefined : { provider: answeredBy.deployment, model: answeredBy.model }),
    activity_log: lines.map(({ brief, text }) => (level === "full" ? text : (brief ?? text))),
  }
}

/** The tokens and the cost in US dollars of a call that succeeded, as far as its attempts report them. */
const usageFields = (activity: Activity["Service"], level: Level, call: string) => {
  const attempts = activity.eventsOf(call).flatMap(({ event }) => (event._tag === "AttemptEnded" ? event.attempt : []))
  if (attempts.every(({ usage }) => usage === undefined)) return {}
  const { cost, inputTokens, outputTokens } = total({ attempts })
  const priced = level === "none" || cost === undefined ? undefined : { cost_usd: cost }
  return { usage: { input_tokens: inputTokens, output_tokens: outputTokens, ...priced } }
}

const protocol = (activity: Activity["Service"], level: Level): ClientProtocol => {
  const encodeError = ({ code, message, param, requestId }: ClientError) => ({
    error: message,
    code,
    ...(param === undefined ? undefined : { param }),
    ...activityFields(activity, level, requestId),
  })
  const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`
  return {
    protocol: "generate",
    Request: { decode, isStream: (body) => body["stream"] === true, readsTexts: true },
    Response: {
      encode: (response, { id }) => ({
        response: Chat.text(response),
        ...usageFields(activity, level, id),
        ...activityFields(activity, level, id),
      }),
    },
    Stream: {
      encoder: ({ id }): Encoder => {
        let hasText = false
        return {
          push: ({ parts }) => {
            let text = ""
            for (const part of parts) if (part.type === "text" || part.type === "refusal") text += part.text
            if (text === "") return ""
            const first = hasText ? undefined : activityFields(activity, level, id)
            hasText = true
            return event({ text, ...first })
          },
          end: () => event({ done: true, ...usageFields(activity, level, id), ...activityFields(activity, level, id) }),
          fail: (error) => event(encodeError(error)),
        }
      },
    },
    Errors: { encode: encodeError },
  }
}
