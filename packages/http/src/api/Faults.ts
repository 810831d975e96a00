/**
 * `/admin/faults`: fault injection. `GET` lists what the configuration defines and what of it is on; `POST` switches faults of a
 * deployment or a route on (`{ "target", "for", "faults"? }`); `DELETE` switches those of `?target=` off, or all. Only what is configured
 * can be switched on, by the operator only, for a bounded time.
 */
import type { InvalidFaultInjection } from "@understudy/core/Router"
import { PositiveDuration, printDuration } from "@understudy/providers/internal/config/DurationText"
import { text } from "@understudy/providers/internal/config/Fields"
import * as SchemaErrors from "@understudy/providers/internal/config/SchemaErrors"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { FaultInjectionSettings } from "../config/FaultInjectionSection.ts"
import { FaultAudit } from "../faults/FaultAudit.ts"
import * as FaultControl from "../faults/FaultControl.ts"
import * as Actor from "./admin/Actor.ts"
import * as Problem from "./admin/Problem.ts"
import * as JsonBody from "./JsonBody.ts"
import { requireOperatorKey, requireViewer } from "./OperatorKey.ts"

const StartBody = Schema.Struct({
  target: text("the name of a deployment or a route").pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: name a deployment or a route with faults" }),
  ),
  for: PositiveDuration.pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: set how long faults are injected, such as 10m" }),
  ),
  faults: Schema.optionalKey(
    Schema.Array(text("the name of a fault")).annotate({ expected: "a list of the names of faults" }),
  ),
})

/** Adds the endpoints to the `HttpRouter` in context. */
export const layer = ({ maxDuration }: FaultInjectionSettings) =>
  HttpRouter.use((http) =>
    Effect.gen(function* () {
      const control = yield* FaultControl.make
      const audit = yield* FaultAudit
      const reply = (faults: ReadonlyArray<object>) =>
        HttpServerResponse.jsonUnsafe({ faults }, { headers: { "cache-control": "no-store" } })
      /** What is on of a target. */
      const activeOf = (target: string) =>
        Effect.map(control.status, (all) => all.find((each) => each.target === target)?.active ?? null)

      yield* http.add(
        "GET",
        "/admin/faults",
        Problem.catchProblems(Effect.map(Effect.andThen(requireViewer, control.status), reply)),
      )
      yield* http.add(
        "POST",
        "/admin/faults",
        Effect.gen(function* () {
          yield* requireOperatorKey
          const body = yield* JsonBody.read
          const { faults, for: duration, target } = yield* decode(body)
          if (Duration.isGreaterThan(duration, maxDuration)) return yield* Effect.fail(tooLong(maxDuration))
          const { id: actor } = yield* Actor.current
          const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(duration)
          const before = yield* activeOf(target)
          const started = yield* Effect.mapError(control.start({ target, until, faults }), invalid)
          // Faults that cannot be recorded are not injected.
          yield* Effect.catch(audit([{ actor, target, before, after: started.active }]), () =>
            Effect.andThen(Effect.ignore(control.stop(target)), Effect.fail(Problem.databaseAway)),
          )
          return reply([started])
        }).pipe(Problem.catchProblems),
      )
      yield* http.add(
        "DELETE",
        "/admin/faults",
        Effect.gen(function* () {
          yield* requireOperatorKey
          const target = yield* targetOf(yield* HttpServerRequest.HttpServerRequest)
          const { id: actor } = yield* Actor.current
          const before = new Map((yield* control.status).map(({ active, target }) => [target, active]))
          const stopped = yield* Effect.mapError(control.stop(target), invalid)
          // They are off, whether or not it can be recorded.
          yield* Effect.catch(
            audit(stopped.map((target) => ({ actor, target, before: before.get(target) ?? null, after: null }))),
            ({ message }) => Effect.logError(`The end of fault injection is not in the audit: ${message}`),
          )
          return reply((yield* control.status).filter((each) => stopped.includes(each.target)))
        }).pipe(Problem.catchProblems),
      )
    }),
  )

const decode = (body: Record<string, unknown>): Effect.Effect<typeof StartBody.Type, Problem.Problem> =>
  Effect.fromResult(Result.mapError(SchemaErrors.decode(StartBody, body, { path: "", source: body }), Problem.invalid))

const targetOf = ({ url }: HttpServerRequest.HttpServerRequest): Effect.Effect<string | undefined, Problem.Problem> => {
  const query = new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : "")
  const unknown = [...query.keys()].find((name) => name !== "target")
  return unknown === undefined
    ? Effect.succeed(query.get("target") ?? undefined)
    : Effect.fail(Problem.invalidField(unknown, "unknown parameter. Known: target"))
}

const tooLong = (max: Duration.Duration): Problem.Problem =>
  Problem.invalidField(
    "for",
    `is longer than the ${printDuration(max)} that faults may be on for: raise faultInjection.maxDuration, or switch them on again later`,
  )

const invalid = ({ field, message }: InvalidFaultInjection): Problem.Problem =>
  field === "target" ? Problem.notFound(message) : Problem.invalidField(field, message)
