/**
 * `GET /admin/record`: whether calls are recorded, and how many were. `POST /admin/record` switches the recording on or off for a
 * time, after which it is as configured. For the operator only.
 */
import { PositiveDuration } from "@understudy/providers/internal/config/DurationText"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { NoFile, Status } from "../record/Recording.ts"
import { Recording } from "../record/Recording.ts"
import * as Problem from "./admin/Problem.ts"
import { requireOperatorKey, requireViewer } from "./OperatorKey.ts"

/** A recording that was forgotten ends. */
const longest = Duration.days(7)

const Body = Schema.Struct({
  enabled: Schema.Boolean,
  for: PositiveDuration,
  sample: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
})

const decode = Schema.decodeUnknownEffect(Body, { onExcessProperty: "error" })

/** Adds the endpoints to the `HttpRouter` in context, if the gateway can record calls. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(
    Effect.serviceOption(Recording),
    Option.match({
      onNone: () => Effect.void,
      onSome: (recording) =>
        Effect.andThen(
          http.add("GET", "/admin/record", reply(Effect.andThen(requireViewer, recording.status))),
          http.add(
            "POST",
            "/admin/record",
            reply(
              Effect.gen(function* () {
                yield* requireOperatorKey
                const { enabled, for: period, sample } = yield* body
                const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(period)
                return yield* recording.change({ enabled, sample, until })
              }),
            ),
          ),
        ),
    }),
  ),
)

const body = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  const json = yield* Effect.mapError(request.json, () => Problem.invalidField("", `must be JSON: ${example}`))
  const decoded = yield* Effect.mapError(decode(json), ({ message }) =>
    Problem.invalidField("", `must be such as ${example}: ${message}`),
  )
  if (Duration.isGreaterThan(decoded.for, longest))
    return yield* Effect.fail(
      Problem.invalidField("for", "must be at most 7d: set record.enabled to record for longer"),
    )
  return decoded
})

const example = '{"enabled": true, "for": "10m", "sample": 1}'

const reply = <R>(status: Effect.Effect<Status, Problem.Problem | NoFile, R>) =>
  Problem.catchProblems(
    Effect.mapBoth(status, {
      onSuccess: ({ until, ...rest }) =>
        HttpServerResponse.jsonUnsafe(
          { ...rest, ...(until === undefined ? undefined : { until: new Date(until).toISOString() }) },
          { headers: { "cache-control": "no-store" } },
        ),
      onFailure: (error) => ("status" in error ? error : noFile),
    }),
  )

const noFile = Problem.conflict(
  "record_file_required",
  "No tape is configured. Add `record: { file: tapes/calls.tape, enabled: false }` to the configuration and reload it.",
)
